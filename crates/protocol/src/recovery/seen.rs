//! Which packets of a musician have come, so that a copy is handed on only when the packet has not been.

use crate::bits::clear_ring;
use crate::ids::{Sequence, StreamId};

/// How many sequence numbers behind the newest are remembered.
const WINDOW: u32 = 1024;

/// The last packets of a musician's stream.
pub struct Seen {
    stream: Option<(StreamId, Sequence)>,
    bits: [u64; (WINDOW / 64) as usize],
}

impl Default for Seen {
    fn default() -> Seen {
        Seen { stream: None, bits: [0; (WINDOW / 64) as usize] }
    }
}

impl Seen {
    /// A packet came: whether it had not come before, not even as a copy. One so old that nobody can tell has not.
    pub fn original(&mut self, stream: StreamId, sequence: Sequence) -> bool {
        match self.stream {
            Some((s, newest)) if s == stream => {
                let ahead = sequence.ahead_of(newest);
                (ahead < 0 && ahead.unsigned_abs() >= WINDOW) || self.note(newest, sequence)
            }
            _ => {
                self.bits = [0; (WINDOW / 64) as usize];
                self.stream = Some((stream, sequence));
                self.set(sequence);
                true
            }
        }
    }

    /// A copy came: whether its packet had not. One of another stream, or far from all that came, is not wanted.
    pub fn copy(&mut self, stream: StreamId, sequence: Sequence) -> bool {
        let Some((_, newest)) = self.stream.filter(|(s, _)| *s == stream) else { return false };
        sequence.ahead_of(newest).unsigned_abs() < WINDOW && self.note(newest, sequence)
    }

    fn note(&mut self, newest: Sequence, sequence: Sequence) -> bool {
        let ahead = sequence.ahead_of(newest);
        if ahead > 0 {
            // `ahead` is the sender's to choose.
            clear_ring(&mut self.bits, u64::from(newest.0) + 1, ahead.unsigned_abs().into());
            self.stream = self.stream.map(|(s, _)| (s, sequence));
        }
        let new = !self.is_set(sequence);
        self.set(sequence);
        new
    }

    fn is_set(&self, sequence: Sequence) -> bool {
        let (word, bit) = place(sequence);
        self.bits[word] & bit != 0
    }

    fn set(&mut self, sequence: Sequence) {
        let (word, bit) = place(sequence);
        self.bits[word] |= bit;
    }
}

fn place(sequence: Sequence) -> (usize, u64) {
    let at = sequence.0 % WINDOW;
    ((at / 64) as usize, 1 << (at % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_new_once_and_only_where_the_packet_has_not_come() {
        let (mut seen, stream) = (Seen::default(), StreamId(1));
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
