//! The input ring: carries an input device's frames to the output device's callback, at a constant fill level.
//!
//! Two devices have two clocks. The reader keeps the lowest recent fill level within a band by dropping or repeating single
//! frames, at most one per check: this corrects a clock drift of up to about 150 ppm at 128 frames. With one device for
//! both, no frame is dropped or repeated.

use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

/// Periods between two checks of the fill level.
const CHECK_PERIODS: u32 = 50;

/// The input callback's end.
pub(super) struct InputWriter {
    ring: HeapProd<[f32; 2]>,
}

/// The output callback's end.
pub(super) struct InputReader {
    ring: HeapCons<[f32; 2]>,
    /// Frames.
    input_period: usize,
    /// False until enough frames have arrived, and after an underrun.
    flowing: bool,
    last: [f32; 2],
    /// Whether to repeat the last frame.
    repeat: bool,
    lowest: usize,
    periods: u32,
}

/// A ring for periods of `input_period` frames in and `output_period` frames out.
pub(super) fn input_ring(input_period: usize, output_period: usize) -> (InputWriter, InputReader) {
    let capacity = 8 * (input_period + output_period);
    let (prod, cons) = HeapRb::new(capacity).split();
    let reader = InputReader {
        ring: cons,
        input_period,
        flowing: false,
        last: [0.0; 2],
        repeat: false,
        lowest: usize::MAX,
        periods: 0,
    };
    (InputWriter { ring: prod }, reader)
}

impl InputWriter {
    /// Input thread. Returns false if the ring is full, because the output does not read.
    pub(super) fn push(&mut self, frame: [f32; 2]) -> bool {
        self.ring.try_push(frame).is_ok()
    }
}

impl InputReader {
    /// Output thread. Frames that wait to be read.
    pub(super) fn waiting(&self) -> usize {
        self.ring.occupied_len()
    }

    /// Output thread. Fills both channels. Returns false after an underrun: the rest is silence.
    pub(super) fn read(&mut self, left: &mut [f32], right: &mut [f32]) -> bool {
        let wanted = left.len();
        let have = self.ring.occupied_len();
        let begin_with = wanted + self.input_period + self.least(wanted);
        if !self.flowing {
            if have < begin_with {
                left.fill(0.0);
                right.fill(0.0);
                return true;
            }
            self.flowing = true;
            self.ring.skip(have - begin_with);
        } else if have > 2 * begin_with + 2 * self.input_period {
            // The output has stood still: back to the usual delay at once.
            self.ring.skip(have - begin_with);
        }
        for (l, r) in left.iter_mut().zip(right.iter_mut()) {
            if !std::mem::take(&mut self.repeat) {
                self.last = self.ring.try_pop().unwrap_or_default();
            }
            [*l, *r] = self.last;
        }
        self.flowing = have >= wanted;
        self.keep_fill(have.saturating_sub(wanted), self.least(wanted));
        self.flowing
    }

    /// The least fill level after a read. As the clocks drift, a read that came after an input period comes to lie before
    /// it, which takes the frames of one read at once.
    fn least(&self, wanted: usize) -> usize {
        wanted + self.input_period / 8
    }

    /// The fill level after a read varies by one input period; its minimum stays in a band a little wider than that.
    fn keep_fill(&mut self, fill: usize, least: usize) {
        self.lowest = self.lowest.min(fill);
        self.periods += 1;
        if self.periods < CHECK_PERIODS {
            return;
        }
        if self.lowest > least + self.input_period + self.input_period / 4 {
            self.ring.skip(1);
        } else if self.lowest < least {
            self.repeat = true;
        }
        (self.lowest, self.periods) = (usize::MAX, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs an input of `input_rate` against an output of `output_rate`. Returns the frames that were read and the number
    /// of underruns.
    fn run(input_rate: f64, output_rate: f64, seconds: f64) -> (Vec<f32>, usize) {
        let (mut writer, mut reader) = input_ring(128, 64);
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
    fn one_clock_passes_every_frame() {
        let (heard, dry) = run(48_000.0, 48_000.0, 20.0);
        assert_eq!((slips(&heard), dry), (0, 0));
    }

    #[test]
    fn two_clocks_slip_without_underruns() {
        for input in [48_000.0 * 1.0001, 48_000.0 * 0.9999] {
            let (heard, dry) = run(input, 48_000.0, 60.0);
            assert_eq!(dry, 0, "{input}");
            let slips = slips(&heard);
            // 288 frames of drift in a minute, less the width of the band.
            assert!((100..300).contains(&slips), "{slips} slips at {input}");
        }
    }

    #[test]
    fn stalled_output_catches_up() {
        let (mut writer, mut reader) = input_ring(128, 128);
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
