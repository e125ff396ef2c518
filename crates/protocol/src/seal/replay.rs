//! Replay protection: which counters of a lane have been used.

use super::NonceCounter;
use crate::bits::BitRing;

/// How a counter relates to earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Higher than all before.
    Newest,
    /// Lower than the highest, and not used before.
    Fresh,
    /// Used before, or too old to tell.
    Stale,
}

const WORDS: usize = 64;

/// The last [`ReplayWindow::SIZE`] counters of a lane.
#[derive(Default)]
pub struct ReplayWindow {
    /// Those used in (highest − SIZE, highest].
    used: BitRing<WORDS>,
    /// Counters start at 1; 0 counts as used.
    highest: u64,
}

impl ReplayWindow {
    /// Number of counters in the window.
    pub const SIZE: u64 = (WORDS * 64) as u64;

    /// How `counter` relates to earlier ones. Does not record it.
    pub fn check(&self, counter: NonceCounter) -> Freshness {
        let c = counter.get();
        if c > self.highest {
            Freshness::Newest
        } else if c == 0 || self.highest - c >= Self::SIZE || self.used.contains(c) {
            Freshness::Stale
        } else {
            Freshness::Fresh
        }
    }

    /// Records `counter`. Returns how it relates to earlier ones.
    pub fn mark(&mut self, counter: NonceCounter) -> Freshness {
        let (freshness, c) = (self.check(counter), counter.get());
        if freshness == Freshness::Newest {
            // The sender chooses how far it jumps, so the cost must not depend on it.
            self.used.remove(self.highest + 1, c - self.highest);
            self.highest = c;
        }
        if freshness != Freshness::Stale {
            self.used.insert(c);
        }
        freshness
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// A counter passes only once.
    #[test]
    fn each_counter_passes_once() {
        let mut w = ReplayWindow::default();
        for c in 1..10_000 {
            assert_eq!(w.mark(NonceCounter::new(c)), Freshness::Newest);
            assert_eq!(w.mark(NonceCounter::new(c)), Freshness::Stale);
        }
    }

    /// Counter 0 and counters behind the window do not pass.
    #[test]
    fn zero_and_old_counters_are_stale() {
        let mut w = ReplayWindow::default();
        assert_eq!(w.mark(NonceCounter::new(0)), Freshness::Stale);
        w.mark(NonceCounter::new(10_000));
        assert_eq!(w.mark(NonceCounter::new(10_000 - ReplayWindow::SIZE)), Freshness::Stale);
        assert_eq!(w.mark(NonceCounter::new(10_001 - ReplayWindow::SIZE)), Freshness::Fresh);
    }

    proptest! {
        /// The window agrees with a set of all used counters.
        #[test]
        fn it_agrees_with_a_set(steps in prop::collection::vec(-5000i64..6000, 1..400)) {
            let mut window = ReplayWindow::default();
            let mut seen: BTreeSet<u64> = BTreeSet::new();
            let mut at = 1i64;
            for step in steps.into_iter().collect::<Vec<_>>() {
                at = (at + step).max(0);
                let c = at as u64;
                let highest = seen.last().copied().unwrap_or(0);
                let expected = if c > highest {
                    Freshness::Newest
                } else if c == 0 || highest - c >= ReplayWindow::SIZE || seen.contains(&c) {
                    Freshness::Stale
                } else {
                    Freshness::Fresh
                };
                prop_assert_eq!(window.mark(NonceCounter::new(c)), expected);
                if expected != Freshness::Stale { seen.insert(c); }
            }
        }
    }
}
