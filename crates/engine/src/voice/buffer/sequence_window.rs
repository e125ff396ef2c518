//! Which packets of a stream have arrived.

use rtjam_protocol::Sequence;

/// A packet counts as lost when it is this many numbers behind the newest: 0.68 s at 64 frames, longer than any frame is
/// held.
const WINDOW: u32 = 512;

/// Jumps by more numbers than this are a new beginning, not a loss: 87 s at 64 frames.
const LARGEST_LOSS: u32 = 1 << 16;

/// The verdict on a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The first packet with its number.
    New {
        /// Older numbers that left the window without a packet.
        lost: u64,
    },
    /// Its number was seen before, or is too old to tell.
    Duplicate,
}

/// The last [`WINDOW`] numbers, one bit each.
pub(crate) struct SequenceWindow {
    newest: Option<Sequence>,
    seen: [u64; (WINDOW / 64) as usize],
}

impl SequenceWindow {
    pub(crate) fn new() -> SequenceWindow {
        // Numbers before the first packet are not missing.
        SequenceWindow { newest: None, seen: [u64::MAX; (WINDOW / 64) as usize] }
    }

    /// Records a packet.
    pub(crate) fn note(&mut self, sequence: Sequence) -> Arrival {
        let Some(newest) = self.newest else {
            self.newest = Some(sequence);
            return Arrival::New { lost: 0 };
        };
        let ahead = sequence.ahead_of(newest);
        if ahead > 0 {
            let lost = self.advance(newest, ahead.unsigned_abs());
            self.set(sequence);
            self.newest = Some(sequence);
            return Arrival::New { lost };
        }
        if ahead.unsigned_abs() >= WINDOW || self.is_set(sequence) {
            return Arrival::Duplicate;
        }
        self.set(sequence);
        Arrival::New { lost: 0 }
    }

    /// Whether `sequence` is the newest number that arrived.
    pub(crate) fn is_newest(&self, sequence: Sequence) -> bool {
        self.newest == Some(sequence)
    }

    /// Ends the stream: returns how many packets are missing, and forgets them.
    pub(crate) fn give_up(&mut self) -> u64 {
        let missing = self.seen.iter().map(|w| u64::from(w.count_zeros())).sum();
        self.seen.fill(u64::MAX);
        missing
    }

    /// Moves the window `by` numbers on. Returns how many left it without a packet.
    fn advance(&mut self, newest: Sequence, by: u32) -> u64 {
        if by > LARGEST_LOSS {
            self.seen.fill(u64::MAX);
            return 0;
        }
        if by >= WINDOW {
            let unseen = self.seen.iter().map(|w| u64::from(w.count_zeros())).sum::<u64>();
            self.seen.fill(0);
            return unseen + u64::from(by - WINDOW);
        }
        let mut lost = 0;
        for step in 1..=by {
            // The new number takes the place of the one that leaves.
            let next = Sequence(newest.0.wrapping_add(step));
            lost += u64::from(!self.is_set(next));
            self.clear(next);
        }
        lost
    }

    fn place(sequence: Sequence) -> (usize, u64) {
        let at = sequence.0 % WINDOW;
        ((at / 64) as usize, 1 << (at % 64))
    }

    fn is_set(&self, sequence: Sequence) -> bool {
        let (word, bit) = Self::place(sequence);
        self.seen[word] & bit != 0
    }

    fn set(&mut self, sequence: Sequence) {
        let (word, bit) = Self::place(sequence);
        self.seen[word] |= bit;
    }

    fn clear(&mut self, sequence: Sequence) {
        let (word, bit) = Self::place(sequence);
        self.seen[word] &= !bit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost_over(numbers: impl IntoIterator<Item = u32>) -> u64 {
        let mut window = SequenceWindow::new();
        let mut lost = 0;
        for n in numbers {
            if let Arrival::New { lost: more } = window.note(Sequence(n)) {
                lost += more;
            }
        }
        lost + window.give_up()
    }

    /// Only numbers that never arrived count as lost.
    #[test]
    fn missing_numbers_count_as_lost() {
        assert_eq!(lost_over(0..2000), 0);
        assert_eq!(lost_over((0..2000).filter(|n| n % 100 != 3)), 20);
        assert_eq!(lost_over((0..2000).map(|n| n ^ 1)), 0);
        assert_eq!(lost_over((0..100).chain(1000..1100)), 900);
    }

    /// Sequence numbers may wrap around.
    #[test]
    fn numbers_may_wrap() {
        let around = (0..3000).map(|i: u32| i.wrapping_sub(1500));
        assert_eq!(lost_over(around.clone()), 0);
        assert_eq!(lost_over(around.filter(|n| *n != u32::MAX && *n != 0)), 2);
    }

    /// A second packet with a number is a duplicate, however late.
    #[test]
    fn late_copies_are_duplicates() {
        let mut window = SequenceWindow::new();
        for n in 0..1000 {
            assert_eq!(window.note(Sequence(n)), Arrival::New { lost: 0 });
        }
        for n in [999, 998, 600, 488, 487, 3] {
            assert_eq!(window.note(Sequence(n)), Arrival::Duplicate);
        }
    }

    /// A jump by more than 65536 numbers is a new beginning.
    #[test]
    fn huge_jump_is_not_a_loss() {
        assert_eq!(lost_over([5, 2_000_000_000]), 0);
    }
}
