//! The missing datagrams of one lane, with constant work per datagram.
//!
//! The counters that one datagram skips form a run. They are detected together, reported together and declared lost
//! together, so a run holds that state once, and a bitmap tells which of its counters are still missing. Runs are sorted by
//! counter and by time of detection. So the next run that is due is found at one of three cursors, and each cursor passes
//! each run once.
//!
//! A datagram adds at most one run, and removes at most one counter by a binary search among [`MAX_RUNS`] runs. Cursors and
//! removals pass each run once, so the amortized work is constant, and no call passes more than [`MAX_RUNS`] runs.

use crate::datagram::MissingCounters;
use crate::time::Micros;
use alloc::collections::VecDeque;

/// The longest run: what one feedback frame can report.
pub(super) const MAX_RUN: u64 = MissingCounters::REACH;

/// The most runs. Adding another drops the oldest.
const MAX_RUNS: usize = 128;

/// Number of NACKs for a missing datagram; feedback may be lost, too.
const MAX_NACKS: u8 = 2;

/// The missing datagrams of a lane.
#[derive(Default)]
pub(super) struct GapTracker {
    runs: VecDeque<GapRun>,
    /// First run that is missing something and is not declared lost.
    undecided: usize,
    /// First run that is missing something and has not been reported.
    unreported: usize,
    /// First run that is missing something and may be reported again.
    reportable: usize,
    #[cfg(test)]
    steps: core::cell::Cell<u64>,
}

/// Counters that one datagram skipped.
struct GapRun {
    first: u64,
    /// Bit n: counter `first + n` is missing.
    missing: u128,
    detected: Micros,
    nacks: u8,
    lost: bool,
}

impl GapRun {
    fn count(&self) -> u64 {
        u64::from(self.missing.count_ones())
    }
}

/// A missing datagram that arrived late.
pub(super) struct Late {
    /// Time since the gap was detected.
    pub(super) after: Micros,
    /// Whether it had been declared lost.
    pub(super) was_lost: bool,
}

impl GapTracker {
    /// Adds a gap of `count` counters from `first` on, at most [`MAX_RUN`]. They are higher than all before. Returns how
    /// many datagrams of a dropped run become lost.
    pub(super) fn add(&mut self, now: Micros, first: u64, count: u64) -> u64 {
        self.step();
        if count == 0 {
            return 0;
        }
        let dropped = if self.runs.len() >= MAX_RUNS { self.drop_oldest() } else { 0 };
        let missing = u128::MAX >> (MAX_RUN - count.min(MAX_RUN));
        // Keeps the times sorted even if the caller's clock steps back.
        let detected = self.runs.back().map_or(now, |run| run.detected.max(now));
        self.runs.push_back(GapRun { first, missing, detected, nacks: 0, lost: false });
        dropped
    }

    /// Records the arrival of a datagram that is not the newest. Returns details if it was missing.
    pub(super) fn remove(&mut self, now: Micros, counter: u64) -> Option<Late> {
        // A binary search.
        self.steps(u64::from(MAX_RUNS.ilog2()) + 1);
        let at = self.runs.partition_point(|run| run.first <= counter).checked_sub(1)?;
        let run = self.runs.get_mut(at)?;
        let offset = counter - run.first;
        let bit = if offset < MAX_RUN { 1_u128 << offset } else { return None };
        if run.missing & bit == 0 {
            return None;
        }
        run.missing &= !bit;
        let late = Late { after: now.since(run.detected), was_lost: run.lost };
        if run.missing == 0 {
            self.skip_empty();
        }
        Some(late)
    }

    /// Declares lost what has been missing for `lost_after`, and drops what has been missing for longer than `keep_for`.
    /// Returns how many datagrams become lost.
    pub(super) fn settle(&mut self, now: Micros, lost_after: Micros, keep_for: Micros) -> u64 {
        let mut lost = 0;
        while let Some(run) = self.runs.get_mut(self.undecided).filter(|run| now.since(run.detected) >= lost_after) {
            run.lost = true;
            lost += run.count();
            self.undecided += 1;
            self.skip_empty();
        }
        while self.runs.front().is_some_and(|run| run.missing == 0 || now.since(run.detected) > keep_for) {
            lost += self.drop_oldest();
        }
        lost
    }

    /// When the oldest unreported gap was detected.
    pub(super) fn first_unreported(&self) -> Option<Micros> {
        self.runs.get(self.unreported).map(|run| run.detected)
    }

    /// When the oldest gap that is not declared lost was detected.
    pub(super) fn first_undecided(&self) -> Option<Micros> {
        self.runs.get(self.undecided).map(|run| run.detected)
    }

    /// The counters to report: those that have been missing for `reorder_wait`. `newest` is the lane's highest counter.
    pub(super) fn take_nacks(&mut self, now: Micros, reorder_wait: Micros, newest: u64) -> MissingCounters {
        let mut missing = MissingCounters::default();
        let mut at = self.reportable;
        while let Some(run) = self.runs.get_mut(at).filter(|run| now.since(run.detected) >= reorder_wait) {
            at += 1;
            if run.nacks < MAX_NACKS {
                run.nacks += 1;
                missing.mark_all(newest, run.first, run.missing);
            }
            self.step();
        }
        while self.runs.get(self.reportable).is_some_and(|run| run.nacks >= MAX_NACKS || run.missing == 0) {
            self.step();
            self.reportable += 1;
        }
        self.unreported = self.unreported.max(at.min(self.runs.len()));
        self.skip_empty();
        missing
    }

    /// Moves the cursors past runs that are complete.
    fn skip_empty(&mut self) {
        for cursor in [&mut self.undecided, &mut self.unreported, &mut self.reportable] {
            while self.runs.get(*cursor).is_some_and(|run| run.missing == 0) {
                *cursor += 1;
                #[cfg(test)]
                self.steps.set(self.steps.get() + 1);
            }
        }
        self.step();
    }

    /// Drops the oldest run. Returns how many of its datagrams become lost.
    fn drop_oldest(&mut self) -> u64 {
        self.step();
        let gone = self.runs.pop_front();
        for cursor in [&mut self.undecided, &mut self.unreported, &mut self.reportable] {
            *cursor = cursor.saturating_sub(1);
        }
        self.skip_empty();
        gone.filter(|run| !run.lost).map_or(0, |run| run.count())
    }

    fn step(&self) {
        self.steps(1);
    }

    /// Counts steps, for the test that bounds the work.
    #[cfg(test)]
    fn steps(&self, n: u64) {
        self.steps.set(self.steps.get() + n);
    }

    #[cfg(not(test))]
    const fn steps(&self, _: u64) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retransmit::RETRANSMIT_WINDOW;
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const LOST_AFTER: Micros = Micros::from_millis(15);

    /// Counters of adversarial senders, in the order of arrival.
    fn adversaries() -> Vec<(&'static str, Vec<u64>)> {
        let n = 20_000;
        let reversed = |block: u64| (0..n).map(move |i| (i / block + 1) * block - i % block).collect();
        let huge = |i: u64| if i.is_multiple_of(2) { (1 << 55) + i * 1000 } else { i };
        Vec::from([
            ("in order", (1..n).collect()),
            ("every second one missing", (1..n).map(|i| 2 * i).collect()),
            ("a full run missing each time", (1..n).map(|i| 129 * i).collect()),
            ("jumps as far as a replay window", (1..n).map(|i| 4095 * i).collect()),
            ("reversed in blocks of 128", reversed(128)),
            ("reversed in blocks of 4096", reversed(4096)),
            ("a gap, then the gap, again and again", (1..n).map(|i| 4 * (i / 2) + 3 * ((i + 1) % 2) + 1).collect()),
            ("huge counters and small ones", (1..n).map(huge).collect()),
        ])
    }

    /// A datagram costs a constant number of steps on average and a bounded number at most, whatever the sender does.
    #[test]
    fn work_per_datagram_is_constant() {
        for (name, counters) in adversaries() {
            for spacing in [1, 33, 1000, 20_000] {
                let (mut gaps, mut now, mut newest) = (GapTracker::default(), Micros::from_secs(1), 0);
                let (mut most, mut total, datagrams) = (0, 0, counters.len() as u64);
                for counter in &counters {
                    now += Micros(spacing);
                    gaps.steps.set(0);
                    if *counter > newest {
                        let skipped = (counter - newest - 1).min(MAX_RUN);
                        gaps.add(now, counter - skipped, skipped);
                        newest = *counter;
                    } else {
                        gaps.remove(now, *counter);
                    }
                    gaps.settle(now, LOST_AFTER, RETRANSMIT_WINDOW);
                    most = most.max(gaps.steps.get());
                    total += gaps.steps.get();
                }
                assert!(total <= datagrams * 16, "{name}, every {spacing} µs: {} steps a datagram", total / datagrams);
                assert!(most <= 4 * MAX_RUNS as u64 + 16, "{name}, every {spacing} µs: {most} steps at once");
            }
        }
    }

    /// A simple model: one entry per missing counter.
    #[derive(Default)]
    struct Model(BTreeMap<u64, (Micros, u8, bool)>);

    impl Model {
        fn take_nacks(&mut self, now: Micros, reorder_wait: Micros, newest: u64) -> MissingCounters {
            let mut missing = MissingCounters::default();
            for (counter, gap) in self.0.iter_mut().filter(|(_, g)| g.1 < MAX_NACKS && now.since(g.0) >= reorder_wait) {
                gap.1 += 1;
                missing.mark(newest - counter);
            }
            missing
        }
    }

    proptest! {
        /// Runs behave like single gaps with a state each.
        #[test]
        fn runs_agree_with_single_gaps(steps in prop::collection::vec((0_u64..40_000, -40_i64..20, 0_u8..8), 1..120)) {
            let (mut gaps, mut model) = (GapTracker::default(), Model::default());
            let (mut now, mut newest, mut reorder_wait) = (Micros::from_secs(1), 100_u64, Micros::ZERO);
            for (wait, step, ask) in steps {
                now += Micros(wait);
                if step > 0 {
                    let skipped = step as u64 - 1;
                    gaps.add(now, newest + 1, skipped);
                    model.0.extend((newest + 1..=newest + skipped).map(|c| (c, (now, 0, false))));
                    newest += skipped + 1;
                } else {
                    let counter = newest.saturating_add_signed(step);
                    let late = gaps.remove(now, counter);
                    let expected = model.0.remove(&counter);
                    prop_assert_eq!(late.map(|l| (now.since(l.after), l.was_lost)), expected.map(|g| (g.0, g.2)));
                    reorder_wait = reorder_wait.max(Micros(wait / 8));
                }
                let fresh = model.0.values_mut().filter(|g| !g.2 && now.since(g.0) >= LOST_AFTER);
                let lost = fresh.map(|g| g.2 = true).count() as u64;
                prop_assert_eq!(gaps.settle(now, LOST_AFTER, RETRANSMIT_WINDOW), lost);
                model.0.retain(|_, g| now.since(g.0) <= RETRANSMIT_WINDOW);
                if ask == 0 {
                    prop_assert_eq!(gaps.take_nacks(now, reorder_wait, newest), model.take_nacks(now, reorder_wait, newest));
                }
                let first = |keep: &dyn Fn(&(Micros, u8, bool)) -> bool| {
                    model.0.values().filter(|g| keep(g)).map(|g| g.0).min()
                };
                prop_assert_eq!(gaps.first_undecided(), first(&|g| !g.2));
                prop_assert_eq!(gaps.first_unreported(), first(&|g| g.1 == 0));
            }
        }
    }
}
