//! How long a musician's sound waits: steered by slack.
//!
//! A packet's slack is how many frames before its first frame the callback begins that drains it from
//! the ring. Negative slack is a late packet; slack that no packet ever goes below is needless delay.
//! Packets, blocks and rates may have any size: slack counts on the callbacks' own grid, and so a peer
//! on the same clock ends at slack 0, one period behind, and not a frame more.

use super::slack::{COARSE, FINE, Memory, SlackHistogram};
use super::time_base::Came;
use super::whole;
use crate::controls::Comfort;

/// After a stream's start delay is taken back at these ages, in frames (0.3, 1 and 2 s).
const SETTLING: [u64; 3] = [14_400, 48_000, 96_000];

/// Between two looks at the histogram, in frames: 100 ms, or 20 ms after a late packet.
const LOOK: u64 = 4800;
const LOOK_LATE: u64 = 960;

/// Delay is added when that is better by this much, in frames.
const WORTH_MORE: f32 = 8.0;

/// What lone late packets cost that come again and again, in parts of that price: 3.2 ms (154 frames) at normal.
const SELDOM_WORTH: f32 = 0.008;

/// Once settled, delay is taken back when for 30 s both memories agreed on at least half a millisecond.
const WORTH_LESS: i64 = 24;
const PATIENCE: u64 = 30 * 48_000;

/// Packets that are late one after the other for so long (18 ms), in frames, are a new level of delay, not a
/// stall: what a stall held back comes at once. The first 8 ms may be what a change of route held back.
const NEW_LEVEL: u64 = 864;
const UNSETTLED: u64 = 384;

/// So much more (0.5 ms) is added for a new level as was seen, or more if its packets differed by more.
const GUARD: i64 = 24;

/// So long (2 s), in frames, a new level is watched before needless delay is taken back.
const WATCH: u64 = 2 * 48_000;

impl Comfort {
    /// What late packets cost: if all were late, as much as so many frames of delay. At normal 1 % late packets
    /// are worth 4 ms (192 frames), and a lone one in a thousand 0.4 ms.
    fn price(self) -> f32 {
        match self {
            Comfort::Tight => 4_800.0,
            Comfort::Normal => 19_200.0,
            Comfort::Safe => 76_800.0,
        }
    }
}

/// How much delay to add or take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Play so many frames later, now.
    Later(i64),
    /// Play so many frames sooner, when it is not heard.
    Sooner(i64),
}

/// Decides on the playout delay of one stream. Audio thread.
pub(crate) struct Regulator {
    /// Slack as it would be had the read position never been moved.
    slack: SlackHistogram,
    comfort: Comfort,
    /// How early packets come against the drift's line: what slack would be were callbacks without end.
    even: SlackHistogram,
    /// By how many frames it was moved forward, in all.
    moved: i64,
    /// Frames since the stream's start.
    age: u64,
    looked: u64,
    late: bool,
    settled: usize,
    /// Since when delay could be taken back.
    spare_since: Option<u64>,
    /// Since when every packet was late, and between which natural slacks.
    late_run: Option<LateRun>,
    /// When needless delay is taken back without patience, because the level is new.
    take_back_at: Option<u64>,
    /// Whether slack is that of the callbacks' worst phase, at which there are few packets.
    at_worst: bool,
    straggler: i64,
    /// Stalls come regularly.
    regular: bool,
}

#[derive(Clone, Copy)]
struct LateRun {
    since: u64,
    low: i64,
    high: i64,
    /// What the slack of its promptest packet would be were callbacks without end.
    prompt: Option<i64>,
}

/// How a packet came against the callbacks and the drift's line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course {
    /// Its slack, in frames.
    pub(crate) slack: i64,
    /// From its arrival to its callback, in frames.
    pub(crate) wait: f64,
    /// How early it was against the drift's line, in frames.
    pub(crate) early: f64,
    /// Whether callbacks and arrivals pass each other, so that any packet may miss a callback by nothing.
    pub(crate) drifting: bool,
}

impl Regulator {
    /// Allocates.
    pub(crate) fn new() -> Regulator {
        Regulator {
            slack: SlackHistogram::new(COARSE),
            comfort: Comfort::Normal,
            even: SlackHistogram::new(FINE),
            moved: 0,
            age: 0,
            looked: 0,
            late: false,
            settled: 0,
            spare_since: None,
            late_run: None,
            take_back_at: None,
            at_worst: false,
            straggler: 0,
            regular: false,
        }
    }

    /// A stream starts.
    pub(crate) fn restart(&mut self) {
        self.slack.restart();
        self.even.restart();
        (self.moved, self.age, self.looked) = (0, 0, 0);
        (self.late, self.settled, self.spare_since) = (false, 0, None);
        (self.late_run, self.take_back_at) = (None, None);
        self.at_worst = false;
    }

    /// A packet of `frames` frames was drained with this slack.
    pub(crate) fn observe(&mut self, slack: i64, frames: usize) {
        self.slack.add(slack + self.moved, frames);
        self.late |= slack < 0;
        if slack >= 0 {
            self.late_run = None;
            return;
        }
        let run = self.late_run.get_or_insert(LateRun { since: self.age, low: i64::MAX, high: i64::MIN, prompt: None });
        if self.age - run.since >= UNSETTLED {
            run.low = run.low.min(slack + self.moved);
            run.high = run.high.max(slack + self.moved);
        }
    }

    /// A packet of `frames` frames, after [`Regulator::observe`], where the drift's line is known.
    pub(crate) fn observe_course(&mut self, course: &Course, frames: usize) {
        self.at_worst = course.drifting;
        let on_arrival = course.slack as f64 + course.wait + self.moved as f64;
        match &mut self.late_run {
            Some(run) if self.age - run.since >= UNSETTLED => {
                run.prompt = run.prompt.max(Some(whole(on_arrival)));
            }
            _ => self.even.add(whole(course.early), frames),
        }
    }

    /// A packet that was observed a moment ago was held back together with others.
    pub(crate) fn hold_back(&mut self, packet: &Came) {
        self.slack.hold_back(packet.slack, packet.frames);
        self.even.hold_back(whole(packet.early), packet.frames);
    }

    /// A packet that came so early against the drift's line did so only because that was wrong.
    pub(crate) fn disregard(&mut self, early: f64, frames: usize, held: bool) {
        self.even.remove(whole(early), frames, held);
    }

    /// Whether something holds packets back regularly. From then on that is no straggling, and when it is over nobody waits
    /// for it any more.
    pub(crate) fn note_stalls(&mut self, regular: bool) {
        if self.regular == regular {
            return;
        }
        (self.regular, self.take_back_at) = (regular, Some(self.age));
        if !regular {
            self.slack.forget_held();
            self.even.forget_held();
        }
    }

    /// How early the latest packets are that are worth waiting for, against the drift's line.
    pub(crate) fn straggler(&self) -> f64 {
        self.straggler as f64
    }

    /// Somebody lost frames, so that callbacks find packets at other phases; how packets scatter is what it was. `slack`
    /// tells for each of so many phases in turn what the slack of a packet is that comes so early against the line.
    ///
    /// Returns by how many frames to play sooner (negative: later).
    pub(crate) fn shift_base(
        &mut self,
        phases: usize,
        slack: impl Fn(usize, i64) -> i64,
        comfort: Comfort,
    ) -> Option<i64> {
        let moved = self.moved;
        self.slack.rebuild(&self.even, phases, |phase, early| slack(phase, early) + moved);
        (self.late, self.spare_since, self.late_run) = (false, None, None);
        self.take_back_at = None;
        let price = comfort.price();
        let (best, _) = self.slack.best(Memory::Fast, price, self.moved)?;
        let seldom = self.best_by_seldom().map(|(at, _)| at);
        Some(seldom.into_iter().fold(best, i64::min) - self.moved)
    }

    /// From now on slack counts at the callbacks' worst phase: a packet on the drift's line has `on_line`.
    /// Returns the slack to give up, or to gain where it is negative, now. `None` if nothing is known.
    pub(crate) fn leave_grid(&mut self, on_line: i64, comfort: Comfort) -> Option<i64> {
        let (at, _) = self.even.best(Memory::Fast, comfort.price(), 0)?;
        let natural = on_line + self.moved;
        self.slack.rebuild(&self.even, 1, |_, early| early + natural);
        Some(at + on_line)
    }

    /// The delay is known: from now on it is taken back with patience only.
    pub(crate) fn settle(&mut self) {
        self.settled = SETTLING.len();
    }

    /// By how many frames what was seen so far could be played sooner (negative: later).
    pub(crate) fn spare(&self, comfort: Comfort) -> Option<i64> {
        let (at, _) = self.slack.best(Memory::Fast, comfort.price(), self.moved)?;
        Some(at - self.moved)
    }

    /// The read position was moved by this regulator's advice: forward is positive.
    pub(crate) fn moved(&mut self, by: i64) {
        self.moved += by;
        self.spare_since = None;
    }

    /// By how many frames the read position was moved by its advice, in all: forward is positive.
    pub(crate) fn moved_by(&self) -> i64 {
        self.moved
    }

    /// Whether the stream is so young that delay is still found out.
    pub(crate) fn is_settling(&self) -> bool {
        self.settled < SETTLING.len()
    }

    /// `frames` frames were played, in callbacks of usually `block`; is there anything to change?
    pub(crate) fn look(&mut self, frames: usize, block: usize, comfort: Comfort) -> Option<Change> {
        self.age += frames as u64;
        if self.comfort != comfort {
            // Who turns the dial waits to hear it.
            (self.comfort, self.take_back_at) = (comfort, Some(self.age));
        }
        if let Some(later) = self.follow_level(block) {
            return Some(later);
        }
        let since = self.age - self.looked;
        if since < if self.late { LOOK_LATE } else { LOOK } {
            return None;
        }
        self.slack.forget(since as f32);
        self.even.forget(since as f32);
        (self.looked, self.late) = (self.age, false);
        self.straggler = self.even.best_without_held(self.comfort.price(), 0).map_or(0, |(at, _)| at);
        self.later().or_else(|| self.sooner())
    }

    /// Packets that stay late, one like the other, are met at once: with room for what was missing and its spread, or
    /// for stragglers like those of the old level at the callbacks' worst phase, as long as their phase is unknown.
    fn follow_level(&mut self, block: usize) -> Option<Change> {
        let run = self.late_run.filter(|run| self.age - run.since >= NEW_LEVEL && run.low <= run.high)?;
        self.late_run = None;
        self.take_back_at = Some(self.age + WATCH);
        let mut at = run.low - GUARD.max(run.high - run.low);
        let known = self.even.best(Memory::Slow, self.comfort.price(), 0).map(|(early, _)| early - GUARD);
        if let (Some(straggler), Some(prompt)) = (known, run.prompt) {
            at = at.min(prompt + straggler - block as i64);
        }
        Some(Change::Later(self.moved - at))
    }

    /// Where to stand best by lone late packets that come again and again, and by how much that is better.
    fn best_by_seldom(&self) -> Option<(i64, f32)> {
        let price = self.comfort.price() * SELDOM_WORTH;
        if self.at_worst { None } else { self.slack.best_by_seldom(price, !self.regular, self.moved) }
    }

    fn later(&mut self) -> Option<Change> {
        let price = self.comfort.price();
        let memories: &[Memory] = match self.comfort {
            Comfort::Tight | Comfort::Normal => &[Memory::Fast],
            Comfort::Safe => &[Memory::Fast, Memory::Slow],
        };
        let best = memories.iter().filter_map(|memory| self.slack.best(*memory, price, self.moved));
        let best = best.chain(self.best_by_seldom());
        let worth = best.filter(|(_, gain)| *gain > WORTH_MORE).map(|(at, _)| at);
        let more = self.moved - worth.min()?;
        (more > 0).then_some(Change::Later(more))
    }

    fn sooner(&mut self) -> Option<Change> {
        let price = self.comfort.price();
        let (fast, _) = self.slack.best(Memory::Fast, price, self.moved)?;
        let (slow, _) = self.slack.best(Memory::Slow, price, self.moved)?;
        let seldom = self.best_by_seldom().map(|(at, _)| at);
        let spare = seldom.into_iter().fold(fast.min(slow), i64::min) - self.moved;
        if self.is_settling() {
            let due = self.age >= SETTLING[self.settled];
            self.settled += usize::from(due);
            return (due && spare > 0).then_some(Change::Sooner(spare));
        }
        if self.take_back_at.is_some_and(|at| self.age >= at) {
            self.take_back_at = None;
            return (spare > 0).then_some(Change::Sooner(spare));
        }
        if spare < WORTH_LESS {
            self.spare_since = None;
            return None;
        }
        let since = *self.spare_since.get_or_insert(self.age);
        (self.age - since >= PATIENCE).then_some(Change::Sooner(spare))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays packets of 64 frames, each with the slack it would have without any change; returns the
    /// changes with their times in seconds, and the slack reached.
    fn play(packets: impl Iterator<Item = i64>) -> (Vec<(f64, Change)>, i64) {
        let mut regulator = Regulator::new();
        let (mut changes, mut moved, mut last) = (Vec::new(), 0, 0);
        for (i, natural) in packets.enumerate() {
            last = natural - moved;
            regulator.observe(last, 64);
            if let Some(change) = regulator.look(64, 64, Comfort::Normal) {
                let by = match change {
                    Change::Later(by) => -by,
                    Change::Sooner(by) => by,
                };
                moved += by;
                regulator.moved(by);
                changes.push((i as f64 * 64.0 / 48_000.0, change));
            }
        }
        (changes, last)
    }

    const SECOND: usize = 750;

    #[test]
    fn a_clean_stream_settles_at_no_slack_and_stays() {
        let (changes, slack) = play((0..600 * SECOND).map(|_| 544));
        assert_eq!(slack, 0);
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert!(changes[0].0 < 1.0);
    }

    #[test]
    fn one_late_packet_in_a_thousand_changes_nothing() {
        let (changes, slack) = play((0..300 * SECOND).map(|i| if i % 1000 == 500 { 544 - 640 } else { 544 }));
        assert_eq!(slack, 0);
        assert!(changes.iter().all(|c| c.0 < 3.0), "{changes:?}");
    }

    #[test]
    fn stragglers_that_come_again_are_waited_for_where_one_callback_brings_them() {
        for (late_by, every, seconds, reached) in [(64, 700, 60, 64), (64, 4000, 300, 0), (256, 700, 300, 0)] {
            let natural = |i: usize| if i % every == every / 2 { 544 - late_by } else { 544 };
            let (changes, _) = play((0..seconds * SECOND).map(natural));
            let moved: i64 = changes.iter().map(|(_, c)| if let Change::Sooner(by) = c { *by } else { 0 }).sum();
            let back: i64 = changes.iter().map(|(_, c)| if let Change::Later(by) = c { *by } else { 0 }).sum();
            assert_eq!(544 - moved + back, reached, "{late_by} late, one in {every}: {changes:?}");
            assert!(changes.len() <= 2, "{changes:?}");
        }
    }

    #[test]
    fn a_new_level_is_met_within_20_ms_and_then_exactly() {
        let at = 20 * SECOND;
        let (changes, slack) = play((0..60 * SECOND).map(|i| if i < at { 544 } else { 64 }));
        assert_eq!(slack, 0);
        let up: Vec<_> = changes.iter().filter(|c| c.0 > 3.0).collect();
        assert_eq!(up.len(), 2, "{changes:?}");
        assert!(up[0].0 < 20.02 && up[0].1 == Change::Later(480 + GUARD), "{changes:?}");
        assert!(up[1].0 < 22.1 && up[1].1 == Change::Sooner(GUARD), "{changes:?}");
    }

    #[test]
    fn what_a_stall_held_back_is_no_new_level() {
        let mut regulator = Regulator::new();
        for second in 0..30 {
            for call in 0..SECOND as i64 {
                // Every 3 s 30 ms of packets come at once.
                match (second % 3, call) {
                    (0, 100..122) => {}
                    (0, 122) => (100..=122).for_each(|sent| regulator.observe((sent - 122) * 64, 64)),
                    _ => regulator.observe(0, 64),
                }
                regulator.look(64, 64, Comfort::Normal);
                assert!(regulator.take_back_at.is_none(), "{second} s");
            }
        }
    }

    /// A stream of packets that are up to 19 frames late, and one in a thousand 40, on callbacks of 64 frames that find a
    /// packet on the line `wait` frames after it came.
    fn scattered(regulator: &mut Regulator, seconds: usize, wait: i64) {
        for n in 0..seconds * SECOND {
            let early = if n % 1000 == 999 { -40 } else { -(n as i64 * 7 % 20) };
            let slack = if -early > wait { -64 } else { 0 };
            regulator.observe(slack - regulator.moved_by(), 64);
            let course =
                Course { slack: slack - regulator.moved_by(), wait: 0.0, early: early as f64, drifting: false };
            regulator.observe_course(&course, 64);
            if let Some(change) = regulator.look(64, 64, Comfort::Normal) {
                regulator.moved(match change {
                    Change::Later(by) => -by,
                    Change::Sooner(by) => by,
                });
            }
        }
    }

    /// At another phase of the callbacks the delay is what the network's scatter needs there, at once.
    #[test]
    fn at_another_phase_known_scatter_says_what_is_needed() {
        for (wait, needed) in [(50, 0), (40, 0), (30, -64), (5, -64)] {
            let mut regulator = Regulator::new();
            scattered(&mut regulator, 20, 50);
            let slack = |_, early: i64| if -early > wait { -64 } else { 0 };
            assert_eq!(regulator.shift_base(1, slack, Comfort::Normal), Some(needed), "{wait}");
        }
    }

    /// What stalls held back regularly is waited for where that is cheap, and for no longer than they come.
    #[test]
    fn who_waited_for_stalls_stops_when_they_end() {
        let mut regulator = Regulator::new();
        let mut moved = 0;
        let mut play = |regulator: &mut Regulator, seconds: usize, stalls: bool| {
            for n in 0..seconds * SECOND {
                let late = stalls && n % 150 < 3;
                let slack = if late { -192 } else { 0 };
                regulator.observe(slack - moved, 64);
                if late {
                    let came = Came { slack, frames: 64, early: -192.0, ..Came::default() };
                    regulator.hold_back(&came);
                }
                let by = match regulator.look(64, 64, Comfort::Normal) {
                    Some(Change::Later(by)) => -by,
                    Some(Change::Sooner(by)) => by,
                    None => continue,
                };
                moved += by;
                regulator.moved(by);
            }
            moved
        };
        assert_eq!(play(&mut regulator, 10, false), 0);
        regulator.note_stalls(true);
        assert_eq!(play(&mut regulator, 10, true), -192);
        regulator.note_stalls(false);
        assert_eq!(play(&mut regulator, 1, false), 0);
    }

    #[test]
    fn comfort_weighs_late_packets_and_a_turn_of_the_dial_is_heard_within_a_second() {
        let mut regulator = Regulator::new();
        let (mut moved, mut packet) = (0, 0_usize);
        // Of a hundred packets two come 6 ms late.
        let mut play = |seconds: usize, comfort: Comfort| {
            for _ in 0..seconds * SECOND {
                packet += 1;
                regulator.observe(if packet % 50 == 0 { -288 } else { 0 } - moved, 64);
                let by = match regulator.look(64, 64, comfort) {
                    Some(Change::Later(by)) => -by,
                    Some(Change::Sooner(by)) => by,
                    None => continue,
                };
                moved += by;
                regulator.moved(by);
            }
            -moved
        };
        assert_eq!(play(20, Comfort::Tight), 0);
        assert_eq!(play(1, Comfort::Normal), 288);
        assert_eq!(play(1, Comfort::Tight), 0);
        assert_eq!(play(1, Comfort::Safe), 288);
    }

    #[test]
    fn delay_comes_back_slowly_and_does_not_hunt() {
        let bursts = (0..600 * SECOND).map(|i| if i % (20 * SECOND) < 60 { 300 } else { 544 });
        let (changes, _) = play(bursts);
        let settled = changes.iter().filter(|c| c.0 > 5.0).count();
        assert!(settled <= 12, "{changes:?}");
        let (changes, slack) = play((0..400 * SECOND).map(|i| if (30..32).contains(&(i / SECOND)) { 64 } else { 544 }));
        assert_eq!(slack, 0);
        let last = changes.last().unwrap();
        assert!(matches!(last.1, Change::Sooner(_)) && last.0 > 60.0, "{changes:?}");
    }
}
