//! How an input device's frames cross to the output device's callback: a bounded ring, kept at the same fill.
//!
//! Two devices have two clocks. The reader keeps the lowest fill that it saw lately within a band by leaving out or
//! doubling single frames, at most one a look: up to some 150 ppm at 128 frames. One device for both never slips.

use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

/// Blocks between two looks at the fill.
const LOOK_BLOCKS: u32 = 50;

/// The input callback's end.
pub(super) struct Writer {
    ring: HeapProd<[f32; 2]>,
}

/// The output callback's end.
pub(super) struct Reader {
    ring: HeapCons<[f32; 2]>,
    input_block: usize,
    /// False until enough has come in, and after it ran dry.
    flowing: bool,
    last: [f32; 2],
    /// The last frame comes once more, before the next.
    double: bool,
    lowest: usize,
    blocks: u32,
}

/// A ring for an input that hands over `input_block` frames at once, read `output_block` frames at once.
pub(super) fn crossing(input_block: usize, output_block: usize) -> (Writer, Reader) {
    let capacity = 8 * (input_block + output_block);
    let (prod, cons) = HeapRb::new(capacity).split();
    let reader = Reader {
        ring: cons,
        input_block,
        flowing: false,
        last: [0.0; 2],
        double: false,
        lowest: usize::MAX,
        blocks: 0,
    };
    (Writer { ring: prod }, reader)
}

impl Writer {
    /// Input thread. False when there was no room: the output does not read.
    pub(super) fn push(&mut self, frame: [f32; 2]) -> bool {
        self.ring.try_push(frame).is_ok()
    }
}

impl Reader {
    /// Output thread. Fills both channels. False when there was too little, and the rest is silence.
    pub(super) fn read(&mut self, left: &mut [f32], right: &mut [f32]) -> bool {
        let wanted = left.len();
        let have = self.ring.occupied_len();
        let begin_with = wanted + self.input_block + self.least(wanted);
        if !self.flowing {
            if have < begin_with {
                left.fill(0.0);
                right.fill(0.0);
                return true;
            }
            self.flowing = true;
            self.ring.skip(have - begin_with);
        } else if have > 2 * begin_with + 2 * self.input_block {
            // The output stood still for a while: back to the usual delay at once.
            self.ring.skip(have - begin_with);
        }
        for (l, r) in left.iter_mut().zip(right.iter_mut()) {
            if !std::mem::take(&mut self.double) {
                self.last = self.ring.try_pop().unwrap_or_default();
            }
            [*l, *r] = self.last;
        }
        self.flowing = have >= wanted;
        self.keep_level(have.saturating_sub(wanted), self.least(wanted));
        self.flowing
    }

    /// What shall be left after every read: as the clocks slide past each other, a read comes to lie before an input
    /// block instead of after it, which takes one read's frames at once.
    fn least(&self, wanted: usize) -> usize {
        wanted + self.input_block / 8
    }

    /// The reserve after a read swings by one input block; its lowest value is held in a band a little wider than that.
    fn keep_level(&mut self, reserve: usize, least: usize) {
        self.lowest = self.lowest.min(reserve);
        self.blocks += 1;
        if self.blocks < LOOK_BLOCKS {
            return;
        }
        if self.lowest > least + self.input_block + self.input_block / 4 {
            self.ring.skip(1);
        } else if self.lowest < least {
            self.double = true;
        }
        (self.lowest, self.blocks) = (usize::MAX, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs an input of `input_rate` against an output of `output_rate` and gives what was read, and how often it ran
    /// dry after the first sound.
    fn run(input_rate: f64, output_rate: f64, seconds: f64) -> (Vec<f32>, usize) {
        let (mut writer, mut reader) = crossing(128, 64);
        let (mut written, mut heard, mut dry) = (0_usize, Vec::new(), 0);
        for block in 0..(seconds * output_rate / 64.0) as usize {
            let now = block as f64 * 64.0 / output_rate;
            while (written + 128) as f64 <= now * input_rate {
                for i in 0..128 {
                    assert!(writer.push([(written + i + 1) as f32, 0.0]), "no room");
                }
                written += 128;
            }
            let [mut l, mut r] = [[0.0; 64]; 2];
            dry += usize::from(!reader.read(&mut l, &mut r));
            heard.extend_from_slice(&l);
        }
        (heard, dry)
    }

    fn slips(heard: &[f32]) -> usize {
        let sounding: Vec<f32> = heard.iter().copied().skip_while(|s| *s == 0.0).collect();
        sounding.windows(2).filter(|w| w[1] - w[0] != 1.0).count()
    }

    #[test]
    fn one_clock_passes_every_frame_once() {
        let (heard, dry) = run(48_000.0, 48_000.0, 20.0);
        assert_eq!((slips(&heard), dry), (0, 0));
    }

    #[test]
    fn two_clocks_slip_single_frames_and_never_run_dry() {
        for input in [48_000.0 * 1.0001, 48_000.0 * 0.9999] {
            let (heard, dry) = run(input, 48_000.0, 60.0);
            assert_eq!(dry, 0, "{input}");
            let slips = slips(&heard);
            // 288 frames apart after a minute, less what the band takes up.
            assert!((100..300).contains(&slips), "{slips} slips at {input}");
        }
    }

    #[test]
    fn an_output_that_stood_still_does_not_stay_behind() {
        let (mut writer, mut reader) = crossing(128, 128);
        let mut n = 0;
        let mut push = |frames: usize| {
            for _ in 0..frames {
                n += 1;
                writer.push([n as f32, 0.0]);
            }
            n as f32
        };
        let [mut l, mut r] = [[0.0; 128]; 2];
        push(1024);
        reader.read(&mut l, &mut r);
        push(1000);
        reader.read(&mut l, &mut r);
        let newest = push(128);
        reader.read(&mut l, &mut r);
        assert!(newest - l[127] <= 2.0 * 128.0 + 1000.0, "{} behind", newest - l[127]);
    }
}
