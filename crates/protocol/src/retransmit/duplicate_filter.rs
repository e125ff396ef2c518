//! Detects packets that have arrived before, so that the server forwards each only once.

use crate::bits::BitRing;
use crate::ids::{Sequence, StreamId};

/// Number of sequence numbers behind the newest one that are remembered.
const WINDOW: u32 = WORDS as u32 * 64;

const WORDS: usize = 16;

/// The recent packets of one musician's stream.
#[derive(Default)]
pub struct DuplicateFilter {
    stream: Option<(StreamId, Sequence)>,
    seen: BitRing<WORDS>,
}

impl DuplicateFilter {
    /// Records an original packet. Returns whether it is new. A packet behind the window counts as new.
    pub fn original(&mut self, stream: StreamId, sequence: Sequence) -> bool {
        match self.stream {
            Some((s, newest)) if s == stream => {
                let ahead = sequence.ahead_of(newest);
                (ahead < 0 && ahead.unsigned_abs() >= WINDOW) || self.note(newest, sequence)
            }
            _ => {
                *self = DuplicateFilter { stream: Some((stream, sequence)), ..DuplicateFilter::default() };
                self.seen.insert(sequence.0.into());
                true
            }
        }
    }

    /// Records a copy. Returns whether its packet is new. Copies of another stream, and copies farther from the newest
    /// packet than the window, do not count as new.
    pub fn copy(&mut self, stream: StreamId, sequence: Sequence) -> bool {
        let Some((_, newest)) = self.stream.filter(|(s, _)| *s == stream) else { return false };
        sequence.ahead_of(newest).unsigned_abs() < WINDOW && self.note(newest, sequence)
    }

    fn note(&mut self, newest: Sequence, sequence: Sequence) -> bool {
        let ahead = sequence.ahead_of(newest);
        if ahead > 0 {
            // The sender chooses how far it jumps, so the cost must not depend on it.
            self.seen.remove(u64::from(newest.0) + 1, ahead.unsigned_abs().into());
            self.stream = self.stream.map(|(s, _)| (s, sequence));
        }
        let new = !self.seen.contains(sequence.0.into());
        self.seen.insert(sequence.0.into());
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet is new once, as an original or as a copy.
    #[test]
    fn each_packet_is_new_once() {
        let (mut seen, stream) = (DuplicateFilter::default(), StreamId(1));
        assert!(!seen.copy(stream, Sequence(5)), "a copy begins no stream");
        for n in (u32::MAX - 20..=u32::MAX).chain(0..20).filter(|n| *n != u32::MAX && *n != 7) {
            assert!(seen.original(stream, Sequence(n)));
        }
        for n in [u32::MAX, 7] {
            assert!(seen.copy(stream, Sequence(n)));
            assert!(!seen.copy(stream, Sequence(n)));
            assert!(!seen.original(stream, Sequence(n)), "it has come as a copy");
        }
        for n in [6, 19, u32::MAX - 20, u32::MAX - 2000] {
            assert!(!seen.copy(stream, Sequence(n)), "{n}");
        }
        assert!(!seen.copy(StreamId(2), Sequence(8)));
        seen.original(StreamId(2), Sequence(100));
        assert!(!seen.copy(StreamId(2), Sequence(100)) && !seen.copy(stream, Sequence(8)), "of the stream before");
        seen.original(StreamId(2), Sequence(5000));
        assert!(seen.copy(StreamId(2), Sequence(4999)));
        assert!(seen.copy(StreamId(2), Sequence(5003)) && seen.copy(StreamId(2), Sequence(5002)));
        assert!(!seen.copy(StreamId(2), Sequence(9000)), "far ahead of all that came");
    }
}
