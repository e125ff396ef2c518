//! The jitter buffer: one musician's frames, addressed by their absolute position.

use rtjam_protocol::FramePosition;
use rtjam_protocol::audio::{CHANNELS, Codec, decode};
use std::ops::Range;

/// Frames held, past and future together: 0.68 s, 256 KiB. A power of two.
pub(crate) const CAPACITY: usize = 1 << 15;

/// Frames kept behind the read cursor, which a longer playout delay can go back to.
pub(crate) const KEPT: usize = 1 << 13;

/// A ring of two channels, with a bit for each frame that has arrived.
///
/// Invariant: a frame's bit is set only if its position lies within the window and its samples were decoded. A gap is
/// arithmetic, and a duplicate finds its bits set.
pub(crate) struct JitterBuffer {
    samples: [Box<[f32]>; CHANNELS],
    present: Box<[u64]>,
    start: FramePosition,
}

/// Consecutive frames of which all or none have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) present: bool,
    pub(crate) frames: usize,
}

impl JitterBuffer {
    /// An empty buffer. Allocates.
    pub(crate) fn new() -> JitterBuffer {
        JitterBuffer {
            samples: core::array::from_fn(|_| vec![0.0; CAPACITY].into()),
            present: vec![0; CAPACITY / 64].into(),
            start: FramePosition(0),
        }
    }

    /// Forgets all frames. The window begins [`KEPT`] frames before `read`.
    pub(crate) fn restart(&mut self, read: FramePosition) {
        self.present.fill(0);
        self.start = offset(read, -(KEPT as i64));
    }

    /// Moves the window with the read cursor. Moving back within the kept frames changes nothing.
    pub(crate) fn follow(&mut self, read: FramePosition) {
        let start = offset(read, -(KEPT as i64));
        let ahead = start.ahead_of(self.start);
        if ahead <= 0 {
            return;
        }
        let forget = (ahead as u64).min(CAPACITY as u64) as usize;
        self.each_span(self.start, forget, |this, span, _| this.mark(span, false));
        self.start = start;
    }

    /// Whether any of these frames lie beyond the window.
    pub(crate) fn is_beyond(&self, first: FramePosition, frames: usize) -> bool {
        first.ahead_of(self.start).saturating_add(frames as i64) > CAPACITY as i64
    }

    /// Decodes a packet's frames, as far as they lie within the window. `channels` holds `frames` encoded samples each. Frames
    /// that are already there stay.
    pub(crate) fn insert(&mut self, first: FramePosition, frames: usize, codec: Codec, channels: [&[u8]; CHANNELS]) {
        let at = first.ahead_of(self.start);
        let skip = usize::try_from(at.saturating_neg()).unwrap_or(0).min(frames);
        if self.is_beyond(first, frames) || skip == frames {
            return;
        }
        let from = offset(first, skip as i64);
        if self.run_at(from, frames - skip) == (Run { present: true, frames: frames - skip }) {
            return;
        }
        self.each_span(from, frames - skip, |this, span, done| {
            let bytes = (skip + done) * codec.bytes_per_sample()..;
            for (ring, encoded) in this.samples.iter_mut().zip(channels) {
                decode(codec, encoded.get(bytes.clone()).unwrap_or(&[]), &mut ring[span.clone()]);
            }
            this.mark(span, true);
        });
    }

    /// The run that begins with `first`, at most `limit` (1 or more) frames long. Outside the window nothing is present.
    pub(crate) fn run_at(&self, first: FramePosition, limit: usize) -> Run {
        let at = first.ahead_of(self.start);
        if at < 0 || at >= CAPACITY as i64 {
            let to_window = usize::try_from(at.saturating_neg()).unwrap_or(limit).max(1);
            return Run { present: false, frames: limit.min(to_window) };
        }
        let limit = limit.min(CAPACITY - at as usize);
        let present = self.bit(slot(first));
        let mut frames = 0;
        while frames < limit {
            let at = (slot(first) + frames) % CAPACITY;
            // Bits equal to the first one, from the lowest up, within this word.
            let word = self.present[at / 64] >> (at % 64);
            let same = if present { word.trailing_ones() } else { word.trailing_zeros() } as usize;
            let within = 64 - at % 64;
            frames += same.min(within);
            if same < within {
                break;
            }
        }
        Run { present, frames: frames.min(limit) }
    }

    /// Copies frames that are present.
    pub(crate) fn copy(&self, first: FramePosition, out: [&mut [f32]; CHANNELS]) {
        for (ring, out) in self.samples.iter().zip(out) {
            let at = slot(first);
            let straight = out.len().min(CAPACITY - at);
            let (head, tail) = out.split_at_mut(straight);
            head.copy_from_slice(&ring[at..at + straight]);
            tail.copy_from_slice(&ring[..tail.len()]);
        }
    }

    /// Calls `work` with the one or two ranges of the ring that hold `frames` frames, and with the number of frames before each.
    fn each_span(&mut self, first: FramePosition, frames: usize, mut work: impl FnMut(&mut Self, Range<usize>, usize)) {
        let at = slot(first);
        let straight = frames.min(CAPACITY - at);
        work(self, at..at + straight, 0);
        if straight < frames {
            work(self, 0..frames - straight, straight);
        }
    }

    fn bit(&self, slot: usize) -> bool {
        self.present[slot / 64] >> (slot % 64) & 1 == 1
    }

    fn mark(&mut self, span: Range<usize>, present: bool) {
        let mut at = span.start;
        while at < span.end {
            let within = (64 - at % 64).min(span.end - at);
            let bits = (u64::MAX >> (64 - within)) << (at % 64);
            let word = &mut self.present[at / 64];
            *word = if present { *word | bits } else { *word & !bits };
            at += within;
        }
    }
}

/// The position `by` frames later (negative: earlier).
pub(crate) fn offset(position: FramePosition, by: i64) -> FramePosition {
    position.plus(by as u64)
}

fn slot(position: FramePosition) -> usize {
    (position.0 % CAPACITY as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtjam_protocol::audio::encode;

    fn packet(first: u64, frames: usize) -> Vec<u8> {
        let samples: Vec<f32> = (0..frames as u64).map(|i| first.wrapping_add(i) as f32 / 1e6).collect();
        let mut bytes = Vec::new();
        encode(Codec::F32, &samples, &mut bytes);
        bytes
    }

    fn put(buffer: &mut JitterBuffer, first: u64, frames: usize) {
        let bytes = packet(first, frames);
        buffer.insert(FramePosition(first), frames, Codec::F32, [&bytes, &bytes]);
    }

    fn starting_at(read: u64) -> JitterBuffer {
        let mut buffer = JitterBuffer::new();
        buffer.restart(FramePosition(read));
        buffer
    }

    fn run(present: bool, frames: usize) -> Run {
        Run { present, frames }
    }

    /// Frames come out as they went in, across the end of the ring.
    #[test]
    fn frames_survive_the_ring_end() {
        let first = CAPACITY as u64 * 3 - 50;
        let mut buffer = starting_at(first);
        put(&mut buffer, first, 128);
        assert_eq!(buffer.run_at(FramePosition(first), 1000), run(true, 128));
        assert_eq!(buffer.run_at(FramePosition(first + 128), 300), run(false, 300));
        let mut out = [[0.0; 128]; 2];
        let [l, r] = &mut out;
        buffer.copy(FramePosition(first), [l, r]);
        let expected: Vec<f32> = (0..128).map(|i| (first + i) as f32 / 1e6).collect();
        assert_eq!(out, [&expected[..], &expected[..]].map(|c| <[f32; 128]>::try_from(c).unwrap()));
    }

    /// Runs end exactly where frames are missing.
    #[test]
    fn runs_end_at_gaps() {
        let mut buffer = starting_at(10_000);
        put(&mut buffer, 10_000, 33);
        put(&mut buffer, 10_100, 1);
        assert_eq!(buffer.run_at(FramePosition(10_010), 500), run(true, 23));
        assert_eq!(buffer.run_at(FramePosition(10_033), 500), run(false, 67));
        assert_eq!(buffer.run_at(FramePosition(10_100), 500), run(true, 1));
    }

    /// The window forgets the frames that it leaves behind.
    #[test]
    fn window_forgets_what_it_leaves() {
        let mut buffer = starting_at(0x1_0000);
        put(&mut buffer, 0x1_0000, 64);
        buffer.follow(FramePosition(0x1_0000 + 32 + KEPT as u64));
        assert_eq!(buffer.run_at(FramePosition(0x1_0000), 8), run(false, 8));
        assert_eq!(buffer.run_at(FramePosition(0x1_0000 + 32), 64), run(true, 32));
        buffer.follow(FramePosition(0x900_0000));
        put(&mut buffer, 0x1_0000, 64);
        assert!((0..CAPACITY).all(|slot| !buffer.bit(slot)));
    }

    /// Packets beyond the window are refused, and those that begin before it are clipped.
    #[test]
    fn packets_are_clipped_to_the_window() {
        let mut buffer = starting_at(0x2_0000);
        let end = 0x2_0000 - KEPT as u64 + CAPACITY as u64;
        assert!(buffer.is_beyond(FramePosition(end - 63), 64) && !buffer.is_beyond(FramePosition(end - 64), 64));
        put(&mut buffer, end - 63, 64);
        assert_eq!(buffer.run_at(FramePosition(end - 63), 10), run(false, 10));
        let start = 0x2_0000 - KEPT as u64;
        put(&mut buffer, start - 20, 64);
        assert_eq!(buffer.run_at(FramePosition(start), 100), run(true, 44));
    }

    /// Positions may wrap around.
    #[test]
    fn positions_may_wrap() {
        let mut buffer = starting_at(u64::MAX - 30);
        put(&mut buffer, u64::MAX - 30, 64);
        assert_eq!(buffer.run_at(FramePosition(u64::MAX - 30), 100), run(true, 64));
        buffer.follow(FramePosition(40));
        assert!(!buffer.is_beyond(FramePosition(u64::MAX - 30), 64));
    }
}
