//! Which counters of a lane have been seen.

use super::Counter;
use crate::bits::clear_ring;

/// How a counter stands to those seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Higher than all before.
    Newest,
    /// Lower than the highest, but not seen before.
    Fresh,
    /// Seen before, or so old that the window cannot tell.
    Stale,
}

const WORDS: usize = 64;

/// The last [`ReplayWindow::SIZE`] counters of a lane, a bit each.
pub struct ReplayWindow {
    // Bit c % SIZE stands for counter c, for c in (highest − SIZE, highest].
    bits: [u64; WORDS],
    highest: u64,
}

impl Default for ReplayWindow {
    fn default() -> Self {
        // Counters start at 1; 0 counts as seen.
        ReplayWindow { bits: [0; WORDS], highest: 0 }
    }
}

impl ReplayWindow {
    /// How far back the window reaches.
    pub const SIZE: u64 = (WORDS * 64) as u64;

    /// How `counter` stands, without taking note of it.
    pub fn check(&self, counter: Counter) -> Freshness {
        let c = counter.get();
        if c > self.highest {
            Freshness::Newest
        } else if c == 0 || self.highest - c >= Self::SIZE || self.is_marked(c) {
            Freshness::Stale
        } else {
            Freshness::Fresh
        }
    }

    /// Takes note of `counter`; says how it stood before.
    pub fn mark(&mut self, counter: Counter) -> Freshness {
        let freshness = self.check(counter);
        if freshness == Freshness::Newest {
            self.slide_to(counter.get());
        }
        if freshness != Freshness::Stale {
            self.set(counter.get());
        }
        freshness
    }

    fn slide_to(&mut self, highest: u64) {
        // How far it jumps is the sender's to choose.
        clear_ring(&mut self.bits, self.highest + 1, highest - self.highest);
        self.highest = highest;
    }

    fn is_marked(&self, c: u64) -> bool {
        self.bits[word(c)] >> (c % 64) & 1 == 1
    }

    fn set(&mut self, c: u64) {
        self.bits[word(c)] |= 1 << (c % 64);
    }
}

const fn word(c: u64) -> usize {
    (c / 64) as usize % WORDS
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn a_counter_passes_once() {
        let mut w = ReplayWindow::default();
        for c in 1..10_000 {
            assert_eq!(w.mark(Counter(c)), Freshness::Newest);
            assert_eq!(w.mark(Counter(c)), Freshness::Stale);
        }
    }

    #[test]
    fn zero_and_what_lies_behind_the_window_never_pass() {
        let mut w = ReplayWindow::default();
        assert_eq!(w.mark(Counter(0)), Freshness::Stale);
        w.mark(Counter(10_000));
        assert_eq!(w.mark(Counter(10_000 - ReplayWindow::SIZE)), Freshness::Stale);
        assert_eq!(w.mark(Counter(10_001 - ReplayWindow::SIZE)), Freshness::Fresh);
    }

    proptest! {
        /// Against the obvious model: a set of all counters seen.
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
                prop_assert_eq!(window.mark(Counter(c)), expected);
                if expected != Freshness::Stale { seen.insert(c); }
            }
        }
    }
}
