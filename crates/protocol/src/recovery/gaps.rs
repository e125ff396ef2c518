//! The datagrams that are missing of one lane, kept so that the work per datagram is constant.
//!
//! Counters that one datagram skipped form a run: they were noticed at the same time, are asked for together and are
//! declared lost together, so a run carries that state once and a bitmap says which of its counters are still missing.
//! Runs are in the order of their counters and of the times when they were noticed. So whatever is due next is found at
//! one of three cursors, and each cursor passes each run once.
//!
//! Work: a datagram adds at most one run and removes at most one counter, by a binary search among [`MOST_RUNS`] runs.
//! Cursors and removals pass each run once, so the amortised work is constant; no call passes more than [`MOST_RUNS`]
//! runs.

use super::Missing;
use crate::time::Micros;
use alloc::collections::VecDeque;

/// The longest run: what feedback can ask for.
pub(super) const LONGEST_RUN: u64 = Missing::REACH;

/// The most runs. When one more is added, the oldest is given up.
const MOST_RUNS: usize = 128;

/// A missing datagram is asked for so often: a feedback may be lost too.
const ASKS: u8 = 2;

/// The missing datagrams of a lane.
#[derive(Default)]
pub(super) struct Gaps {
    runs: VecDeque<Run>,
    /// The first run that is missing something and does not count as lost.
    unsettled: usize,
    /// The first run that is missing something and has not been asked for.
    unasked: usize,
    /// The first run that is missing something and may be asked for again.
    askable: usize,
    #[cfg(test)]
    steps: core::cell::Cell<u64>,
}

/// Counters that one datagram skipped.
struct Run {
    first: u64,
    /// Bit n: counter `first + n` is missing.
    missing: u128,
    noticed: Micros,
    asked: u8,
    lost: bool,
}

impl Run {
    fn count(&self) -> u64 {
        u64::from(self.missing.count_ones())
    }
}

/// A missing datagram that came after all.
pub(super) struct Late {
    /// How long after it was noticed to be missing.
    pub(super) after: Micros,
    /// It counted as lost.
    pub(super) was_lost: bool,
}

impl Gaps {
    /// The counters from `first` on are missing, `count` of them, at most [`LONGEST_RUN`]. They are higher than all
    /// before. Returns how many datagrams are newly lost, because they are too many to be watched.
    pub(super) fn add(&mut self, now: Micros, first: u64, count: u64) -> u64 {
        self.step();
        if count == 0 {
            return 0;
        }
        let given_up = if self.runs.len() >= MOST_RUNS { self.give_up_oldest() } else { 0 };
        let missing = u128::MAX >> (LONGEST_RUN - count.min(LONGEST_RUN));
        // The order of times holds even if the caller's clock does not.
        let noticed = self.runs.back().map_or(now, |run| run.noticed.max(now));
        self.runs.push_back(Run { first, missing, noticed, asked: 0, lost: false });
        given_up
    }

    /// A datagram that is not the newest came: whether it was missing.
    pub(super) fn remove(&mut self, now: Micros, counter: u64) -> Option<Late> {
        // A binary search among that many runs.
        self.steps(u64::from(MOST_RUNS.ilog2()) + 1);
        let at = self.runs.partition_point(|run| run.first <= counter).checked_sub(1)?;
        let run = self.runs.get_mut(at)?;
        let offset = counter - run.first;
        let bit = if offset < LONGEST_RUN { 1_u128 << offset } else { return None };
        if run.missing & bit == 0 {
            return None;
        }
        run.missing &= !bit;
        let late = Late { after: now.since(run.noticed), was_lost: run.lost };
        if run.missing == 0 {
            self.skip_empty();
        }
        Some(late)
    }

    /// What has been missing for `sure` counts as lost from now on; what has been missing for longer than `kept` is
    /// forgotten. Returns how many datagrams are newly lost.
    pub(super) fn settle(&mut self, now: Micros, sure: Micros, kept: Micros) -> u64 {
        let mut lost = 0;
        while let Some(run) = self.runs.get_mut(self.unsettled).filter(|run| now.since(run.noticed) >= sure) {
            run.lost = true;
            lost += run.count();
            self.unsettled += 1;
            self.skip_empty();
        }
        while self.runs.front().is_some_and(|run| run.missing == 0 || now.since(run.noticed) > kept) {
            lost += self.give_up_oldest();
        }
        lost
    }

    /// When the oldest datagram that has not been asked for was noticed.
    pub(super) fn first_unasked(&self) -> Option<Micros> {
        self.runs.get(self.unasked).map(|run| run.noticed)
    }

    /// When the oldest datagram that does not count as lost was noticed.
    pub(super) fn first_unsettled(&self) -> Option<Micros> {
        self.runs.get(self.unsettled).map(|run| run.noticed)
    }

    /// What to ask for of all that has been missing for `doubt`; `newest` is the lane's highest counter.
    pub(super) fn ask(&mut self, now: Micros, doubt: Micros, newest: u64) -> Missing {
        let mut missing = Missing::default();
        let mut at = self.askable;
        while let Some(run) = self.runs.get_mut(at).filter(|run| now.since(run.noticed) >= doubt) {
            at += 1;
            if run.asked < ASKS {
                run.asked += 1;
                missing.mark_all(newest, run.first, run.missing);
            }
            self.step();
        }
        while self.runs.get(self.askable).is_some_and(|run| run.asked >= ASKS || run.missing == 0) {
            self.step();
            self.askable += 1;
        }
        self.unasked = self.unasked.max(at.min(self.runs.len()));
        self.skip_empty();
        missing
    }

    /// Moves the cursors past runs of which everything has come.
    fn skip_empty(&mut self) {
        for cursor in [&mut self.unsettled, &mut self.unasked, &mut self.askable] {
            while self.runs.get(*cursor).is_some_and(|run| run.missing == 0) {
                *cursor += 1;
                #[cfg(test)]
                self.steps.set(self.steps.get() + 1);
            }
        }
        self.step();
    }

    /// Removes the oldest run; how many of its datagrams did not count as lost yet.
    fn give_up_oldest(&mut self) -> u64 {
        self.step();
        let gone = self.runs.pop_front();
        for cursor in [&mut self.unsettled, &mut self.unasked, &mut self.askable] {
            *cursor = cursor.saturating_sub(1);
        }
        self.skip_empty();
        gone.filter(|run| !run.lost).map_or(0, |run| run.count())
    }

    fn step(&self) {
        self.steps(1);
    }

    /// Counts work, for the test that bounds it.
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
    use crate::recovery::KEPT_FOR;
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const SURE: Micros = Micros::from_millis(15);

    /// The counters of an adversary, in the order of their arrival.
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

    /// A datagram costs a constant number of steps on average and a bounded number at most, whatever its sender does.
    #[test]
    fn work_per_datagram_is_constant() {
        for (name, counters) in adversaries() {
            for spacing in [1, 33, 1000, 20_000] {
                let (mut gaps, mut now, mut newest) = (Gaps::default(), Micros::from_secs(1), 0);
                let (mut most, mut total, datagrams) = (0, 0, counters.len() as u64);
                for counter in &counters {
                    now += Micros(spacing);
                    gaps.steps.set(0);
                    if *counter > newest {
                        let skipped = (counter - newest - 1).min(LONGEST_RUN);
                        gaps.add(now, counter - skipped, skipped);
                        newest = *counter;
                    } else {
                        gaps.remove(now, *counter);
                    }
                    gaps.settle(now, SURE, KEPT_FOR);
                    most = most.max(gaps.steps.get());
                    total += gaps.steps.get();
                }
                assert!(total <= datagrams * 16, "{name}, every {spacing} µs: {} steps a datagram", total / datagrams);
                assert!(most <= 4 * MOST_RUNS as u64 + 16, "{name}, every {spacing} µs: {most} steps at once");
            }
        }
    }

    /// A gap at a time, in the most obvious way.
    #[derive(Default)]
    struct Model(BTreeMap<u64, (Micros, u8, bool)>);

    impl Model {
        fn ask(&mut self, now: Micros, doubt: Micros, newest: u64) -> Missing {
            let mut missing = Missing::default();
            for (counter, gap) in self.0.iter_mut().filter(|(_, g)| g.1 < ASKS && now.since(g.0) >= doubt) {
                gap.1 += 1;
                missing.mark(newest - counter);
            }
            missing
        }
    }

    proptest! {
        /// Against a list of single gaps, each with a state of its own.
        #[test]
        fn runs_agree_with_single_gaps(steps in prop::collection::vec((0_u64..40_000, -40_i64..20, 0_u8..8), 1..120)) {
            let (mut gaps, mut model) = (Gaps::default(), Model::default());
            let (mut now, mut newest, mut doubt) = (Micros::from_secs(1), 100_u64, Micros::ZERO);
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
                    doubt = doubt.max(Micros(wait / 8));
                }
                let fresh = model.0.values_mut().filter(|g| !g.2 && now.since(g.0) >= SURE);
                let lost = fresh.map(|g| g.2 = true).count() as u64;
                prop_assert_eq!(gaps.settle(now, SURE, KEPT_FOR), lost);
                model.0.retain(|_, g| now.since(g.0) <= KEPT_FOR);
                if ask == 0 {
                    prop_assert_eq!(gaps.ask(now, doubt, newest), model.ask(now, doubt, newest));
                }
                let first = |keep: &dyn Fn(&(Micros, u8, bool)) -> bool| {
                    model.0.values().filter(|g| keep(g)).map(|g| g.0).min()
                };
                prop_assert_eq!(gaps.first_unsettled(), first(&|g| !g.2));
                prop_assert_eq!(gaps.first_unasked(), first(&|g| g.1 == 0));
            }
        }
    }
}
