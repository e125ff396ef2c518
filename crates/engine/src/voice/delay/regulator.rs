//! How long a musician's sound waits: the playout delay, regulated by slack.
//!
//! A packet's slack is the number of frames from the start of the callback that drains it to the packet's first frame.
//! Negative slack is a late packet; slack that no packet ever falls below is needless delay. Slack counts on the callbacks'
//! own grid, whatever the sizes and rates: a musician on the same clock settles at slack 0, one period behind and not a
//! frame more.

use super::moves::MoveReason;
use super::slack_histogram::{COARSE, FINE, Memory, SlackHistogram};
use crate::controls::PlayoutBias;
use crate::timeline::whole_frames;
use crate::voice::clock::PacketTiming;

/// Ages at which a new stream's delay is decreased, in frames (0.3, 1 and 2 s).
const SETTLING: [u64; 3] = [14_400, 48_000, 96_000];

/// Time between two looks at the histogram, in frames: 100 ms, or 20 ms after a late packet.
const INTERVAL: u64 = 4800;
const INTERVAL_AFTER_LATE: u64 = 960;

/// Delay is increased if that is better by this much, in frames.
const SMALLEST_GAIN: f32 = 8.0;

/// What recurring rare late packets cost, as a part of the price: 3.2 ms (154 frames) at normal.
const RARE_LATE_SHARE: f32 = 0.008;

/// In a settled stream delay is decreased if both memories agree for 30 s on at least half a millisecond.
const SMALLEST_DECREASE: i64 = 24;
const DECREASE_AFTER: u64 = 30 * 48_000;

/// Packets that are late in a row for this long (18 ms), in frames, are a new level of delay and not a stall: what a stall
/// held back arrives at once. The first 8 ms may be what a change of route held back.
const NEW_LEVEL: u64 = 864;
const UNSETTLED: u64 = 384;

/// A new level gets this much (0.5 ms), in frames, beyond what was seen, or more if its packets differ by more.
const GUARD: i64 = 24;

/// A new level is watched for this long (2 s), in frames, before needless delay is removed.
const WATCH: u64 = 2 * 48_000;

impl PlayoutBias {
    /// What it costs if all packets are late, in frames of delay. At normal 1 % late packets are worth 4 ms (192 frames),
    /// and one in a thousand 0.4 ms.
    fn late_price(self) -> f32 {
        match self {
            PlayoutBias::Tight => 4_800.0,
            PlayoutBias::Normal => 19_200.0,
            PlayoutBias::Safe => 76_800.0,
        }
    }
}

/// A change of the playout delay, in frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DelayChange {
    /// Play later, now.
    Increase(i64),
    /// Play sooner, at a moment at which that is not heard.
    Decrease(i64),
}

/// Decides on the playout delay of one stream. Audio thread.
pub(crate) struct Regulator {
    bias: PlayoutBias,
    /// Natural slack: as if the cursor had never moved.
    slack: SlackHistogram,
    /// How early packets arrive relative to the drift's line: their slack if callbacks were infinitely short.
    earliness: SlackHistogram,
    /// Frames by which the cursor was moved forward on this regulator's advice, in all.
    moved: i64,
    /// Frames since the stream's start.
    age: u64,
    looked_at: u64,
    saw_late: bool,
    /// Steps of [`SETTLING`] that are done.
    settled: usize,
    /// Since when delay could be decreased.
    excess_since: Option<u64>,
    late_run: Option<LateRun>,
    /// When excess delay is removed without patience, because the level is new.
    decrease_at: Option<u64>,
    /// Slack is that of the callbacks' worst phase, at which few packets are.
    at_worst_phase: bool,
    straggler: i64,
    /// Stalls come regularly.
    regular_stalls: bool,
}

/// Packets that are late in a row.
#[derive(Clone, Copy)]
struct LateRun {
    since: u64,
    /// Between these natural slacks.
    low: i64,
    high: i64,
    /// Slack of the promptest one if callbacks were infinitely short.
    promptest: Option<i64>,
}

/// How a packet arrived relative to the callbacks and the drift's line, in frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClockedArrival {
    pub(crate) slack: i64,
    /// From its arrival to its callback.
    pub(crate) wait: f64,
    /// How early it is relative to the drift's line.
    pub(crate) early: f64,
    /// Whether callbacks pass through the arrivals, so that any packet may just miss a callback.
    pub(crate) drifting: bool,
}

impl Regulator {
    /// Allocates.
    pub(crate) fn new() -> Regulator {
        Regulator {
            bias: PlayoutBias::Normal,
            slack: SlackHistogram::new(COARSE),
            earliness: SlackHistogram::new(FINE),
            moved: 0,
            age: 0,
            looked_at: 0,
            saw_late: false,
            settled: 0,
            excess_since: None,
            late_run: None,
            decrease_at: None,
            at_worst_phase: false,
            straggler: 0,
            regular_stalls: false,
        }
    }

    /// The cursor was placed: nothing is known about the stream.
    pub(crate) fn restart(&mut self) {
        self.slack.restart();
        self.earliness.restart();
        (self.moved, self.age, self.looked_at) = (0, 0, 0);
        (self.saw_late, self.settled, self.excess_since) = (false, 0, None);
        (self.late_run, self.decrease_at) = (None, None);
        self.at_worst_phase = false;
    }

    /// The read cursor moved: forward is positive.
    pub(crate) fn cursor_moved(&mut self, reason: MoveReason, frames: i64) {
        if matches!(reason, MoveReason::Regulated | MoveReason::LookAhead) {
            self.moved += frames;
            self.excess_since = None;
        }
    }

    /// Frames by which the cursor was moved forward on the regulator's advice since it was placed.
    pub(crate) fn moved(&self) -> i64 {
        self.moved
    }

    /// A packet of `frames` frames was drained with this slack.
    pub(crate) fn observe(&mut self, slack: i64, frames: usize) {
        let natural = slack + self.moved;
        self.slack.add(natural, frames);
        self.saw_late |= slack < 0;
        if slack >= 0 {
            self.late_run = None;
            return;
        }
        let new = LateRun { since: self.age, low: i64::MAX, high: i64::MIN, promptest: None };
        let run = self.late_run.get_or_insert(new);
        if self.age - run.since >= UNSETTLED {
            (run.low, run.high) = (run.low.min(natural), run.high.max(natural));
        }
    }

    /// The same packet, after [`Regulator::observe`], if the drift's line is known.
    pub(crate) fn observe_clocked(&mut self, arrival: &ClockedArrival, frames: usize) {
        self.at_worst_phase = arrival.drifting;
        let on_arrival = arrival.slack as f64 + arrival.wait + self.moved as f64;
        match &mut self.late_run {
            Some(run) if self.age - run.since >= UNSETTLED => {
                run.promptest = run.promptest.max(Some(whole_frames(on_arrival)));
            }
            _ => self.earliness.add(whole_frames(arrival.early), frames),
        }
    }

    /// A packet that was just observed was held back by a stall.
    pub(crate) fn mark_held_back(&mut self, packet: &PacketTiming) {
        self.slack.mark_held_back(packet.natural_slack, packet.frames);
        self.earliness.mark_held_back(whole_frames(packet.early), packet.frames);
    }

    /// Forgets a packet that was this early only because the drift's line was wrong.
    pub(crate) fn disregard(&mut self, early: f64, frames: usize, held: bool) {
        self.earliness.remove(whole_frames(early), frames, held);
    }

    /// Whether stalls come regularly. While they do, packets that were held back are not stragglers; afterwards nothing
    /// waits for them.
    pub(crate) fn note_regular_stalls(&mut self, regular: bool) {
        if self.regular_stalls == regular {
            return;
        }
        (self.regular_stalls, self.decrease_at) = (regular, Some(self.age));
        if !regular {
            self.slack.forget_held_back();
            self.earliness.forget_held_back();
        }
    }

    /// How early the latest packets are that are worth waiting for, relative to the drift's line, in frames.
    pub(crate) fn straggler(&self) -> f64 {
        self.straggler as f64
    }

    /// A host lost frames, so that callbacks find packets at other phases; packets scatter as before. `slack` is the new
    /// slack of a packet of one of `phases` phases that is this early relative to the line.
    ///
    /// Returns by how many frames to play sooner (negative: later).
    pub(crate) fn shift_base(
        &mut self,
        phases: usize,
        slack: impl Fn(usize, i64) -> i64,
        bias: PlayoutBias,
    ) -> Option<i64> {
        let moved = self.moved;
        self.slack.rebuild(&self.earliness, phases, |phase, early| slack(phase, early) + moved);
        (self.saw_late, self.excess_since, self.late_run) = (false, None, None);
        self.decrease_at = None;
        let (best, _) = self.slack.best(Memory::Fast, bias.late_price(), self.moved)?;
        Some(self.or_for_rare(best) - self.moved)
    }

    /// From now on slack counts at the callbacks' worst phase, where a packet on the drift's line has slack `on_line`.
    /// Returns the excess delay in frames (negative: what is missing); `None` if nothing is known.
    pub(crate) fn leave_grid(&mut self, on_line: i64, bias: PlayoutBias) -> Option<i64> {
        let (at, _) = self.earliness.best(Memory::Fast, bias.late_price(), 0)?;
        let natural = on_line + self.moved;
        self.slack.rebuild(&self.earliness, 1, |_, early| early + natural);
        Some(at + on_line)
    }

    /// The delay is known: from now on it is decreased with patience only.
    pub(crate) fn settle(&mut self) {
        self.settled = SETTLING.len();
    }

    /// By how many frames the packets seen so far could be played sooner (negative: later).
    pub(crate) fn excess_delay(&self, bias: PlayoutBias) -> Option<i64> {
        let (at, _) = self.slack.best(Memory::Fast, bias.late_price(), self.moved)?;
        Some(at - self.moved)
    }

    /// Whether the stream is so young that its delay is still being found.
    pub(crate) fn is_settling(&self) -> bool {
        self.settled < SETTLING.len()
    }

    /// `frames` frames were played, in callbacks of usually `block`. Returns the change to make, if any.
    pub(crate) fn advance(&mut self, frames: usize, block: usize, bias: PlayoutBias) -> Option<DelayChange> {
        self.age += frames as u64;
        if self.bias != bias {
            // A user who changes the setting listens for the difference.
            (self.bias, self.decrease_at) = (bias, Some(self.age));
        }
        if let Some(increase) = self.follow_level(block) {
            return Some(increase);
        }
        let since = self.age - self.looked_at;
        if since < if self.saw_late { INTERVAL_AFTER_LATE } else { INTERVAL } {
            return None;
        }
        self.slack.decay(since as f32);
        self.earliness.decay(since as f32);
        (self.looked_at, self.saw_late) = (self.age, false);
        self.straggler = self.earliness.best_without_held_back(self.bias.late_price(), 0).map_or(0, |(at, _)| at);
        self.increase().or_else(|| self.decrease())
    }

    /// Packets that stay late are followed at once: by what was missing and its spread, or, since their phase is not known
    /// yet, by what stragglers like those before need at the callbacks' worst phase.
    fn follow_level(&mut self, block: usize) -> Option<DelayChange> {
        let run = self.late_run.filter(|run| self.age - run.since >= NEW_LEVEL && run.low <= run.high)?;
        self.late_run = None;
        self.decrease_at = Some(self.age + WATCH);
        let mut at = run.low - GUARD.max(run.high - run.low);
        let known = self.earliness.best(Memory::Slow, self.bias.late_price(), 0).map(|(early, _)| early - GUARD);
        if let (Some(straggler), Some(promptest)) = (known, run.promptest) {
            at = at.min(promptest + straggler - block as i64);
        }
        Some(DelayChange::Increase(self.moved - at))
    }

    fn increase(&mut self) -> Option<DelayChange> {
        let price = self.bias.late_price();
        let memories: &[Memory] = match self.bias {
            PlayoutBias::Tight | PlayoutBias::Normal => &[Memory::Fast],
            PlayoutBias::Safe => &[Memory::Fast, Memory::Slow],
        };
        let best = memories.iter().filter_map(|memory| self.slack.best(*memory, price, self.moved));
        let best = best.chain(self.best_for_rare());
        let worth = best.filter(|(_, gain)| *gain > SMALLEST_GAIN).map(|(at, _)| at);
        let more = self.moved - worth.min()?;
        (more > 0).then_some(DelayChange::Increase(more))
    }

    fn decrease(&mut self) -> Option<DelayChange> {
        let price = self.bias.late_price();
        let (fast, _) = self.slack.best(Memory::Fast, price, self.moved)?;
        let (slow, _) = self.slack.best(Memory::Slow, price, self.moved)?;
        let excess = self.or_for_rare(fast.min(slow)) - self.moved;
        if self.is_settling() {
            let due = self.age >= SETTLING[self.settled];
            self.settled += usize::from(due);
            return (due && excess > 0).then_some(DelayChange::Decrease(excess));
        }
        if self.decrease_at.is_some_and(|at| self.age >= at) {
            self.decrease_at = None;
            return (excess > 0).then_some(DelayChange::Decrease(excess));
        }
        if excess < SMALLEST_DECREASE {
            self.excess_since = None;
            return None;
        }
        let since = *self.excess_since.get_or_insert(self.age);
        (self.age - since >= DECREASE_AFTER).then_some(DelayChange::Decrease(excess))
    }

    /// The natural slack `at`, or less if recurring rare late packets are worth waiting for.
    fn or_for_rare(&self, at: i64) -> i64 {
        self.best_for_rare().map_or(at, |(rare, _)| rare.min(at))
    }

    /// The best natural slack for late packets that are rare but recur, and how much better it is.
    fn best_for_rare(&self) -> Option<(i64, f32)> {
        let price = self.bias.late_price() * RARE_LATE_SHARE;
        if self.at_worst_phase { None } else { self.slack.best_for_rare(price, !self.regular_stalls, self.moved) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays packets of 64 frames with these natural slacks. Returns the changes with their times in seconds, and the slack
    /// reached.
    fn play(packets: impl Iterator<Item = i64>) -> (Vec<(f64, DelayChange)>, i64) {
        let mut regulator = Regulator::new();
        let (mut changes, mut moved, mut last) = (Vec::new(), 0, 0);
        for (i, natural) in packets.enumerate() {
            last = natural - moved;
            regulator.observe(last, 64);
            if let Some(change) = regulator.advance(64, 64, PlayoutBias::Normal) {
                let by = match change {
                    DelayChange::Increase(by) => -by,
                    DelayChange::Decrease(by) => by,
                };
                moved += by;
                regulator.cursor_moved(MoveReason::Regulated, by);
                changes.push((i as f64 * 64.0 / 48_000.0, change));
            }
        }
        (changes, last)
    }

    const SECOND: usize = 750;

    /// A stream without jitter settles at slack 0 within a second, and stays there.
    #[test]
    fn clean_stream_settles_at_zero_slack() {
        let (changes, slack) = play((0..600 * SECOND).map(|_| 544));
        assert_eq!(slack, 0);
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert!(changes[0].0 < 1.0);
    }

    /// One packet in a thousand that is 13 ms late is not waited for.
    #[test]
    fn rare_late_packets_change_nothing() {
        let (changes, slack) = play((0..300 * SECOND).map(|i| if i % 1000 == 500 { 544 - 640 } else { 544 }));
        assert_eq!(slack, 0);
        assert!(changes.iter().all(|c| c.0 < 3.0), "{changes:?}");
    }

    /// Recurring stragglers are waited for if one more callback brings them.
    #[test]
    fn recurring_stragglers_get_one_callback() {
        for (late_by, every, seconds, reached) in [(64, 700, 60, 64), (64, 4000, 300, 0), (256, 700, 300, 0)] {
            let natural = |i: usize| if i % every == every / 2 { 544 - late_by } else { 544 };
            let (changes, _) = play((0..seconds * SECOND).map(natural));
            let moved: i64 = changes.iter().map(|(_, c)| if let DelayChange::Decrease(by) = c { *by } else { 0 }).sum();
            let back: i64 = changes.iter().map(|(_, c)| if let DelayChange::Increase(by) = c { *by } else { 0 }).sum();
            assert_eq!(544 - moved + back, reached, "{late_by} late, one in {every}: {changes:?}");
            assert!(changes.len() <= 2, "{changes:?}");
        }
    }

    /// A new level is followed within 20 ms with a guard, and exactly two seconds later.
    #[test]
    fn new_level_is_followed_at_once() {
        let at = 20 * SECOND;
        let (changes, slack) = play((0..60 * SECOND).map(|i| if i < at { 544 } else { 64 }));
        assert_eq!(slack, 0);
        let up: Vec<_> = changes.iter().filter(|c| c.0 > 3.0).collect();
        assert_eq!(up.len(), 2, "{changes:?}");
        assert!(up[0].0 < 20.02 && up[0].1 == DelayChange::Increase(480 + GUARD), "{changes:?}");
        assert!(up[1].0 < 22.1 && up[1].1 == DelayChange::Decrease(GUARD), "{changes:?}");
    }

    /// Packets that a stall held back are not a new level.
    #[test]
    fn stall_is_not_a_new_level() {
        let mut regulator = Regulator::new();
        for second in 0..30 {
            for call in 0..SECOND as i64 {
                // Every 3 s, 30 ms of packets arrive at once.
                match (second % 3, call) {
                    (0, 100..122) => {}
                    (0, 122) => (100..=122).for_each(|sent| regulator.observe((sent - 122) * 64, 64)),
                    _ => regulator.observe(0, 64),
                }
                regulator.advance(64, 64, PlayoutBias::Normal);
                assert!(regulator.decrease_at.is_none(), "{second} s");
            }
        }
    }

    /// Plays packets that are up to 19 frames late, and one in a thousand 40. Callbacks of 64 frames find a packet on the
    /// line `wait` frames after its arrival.
    fn scattered(regulator: &mut Regulator, seconds: usize, wait: i64) {
        for n in 0..seconds * SECOND {
            let early = if n % 1000 == 999 { -40 } else { -(n as i64 * 7 % 20) };
            let slack = if -early > wait { -64 } else { 0 };
            regulator.observe(slack - regulator.moved(), 64);
            let arrival =
                ClockedArrival { slack: slack - regulator.moved(), wait: 0.0, early: early as f64, drifting: false };
            regulator.observe_clocked(&arrival, 64);
            if let Some(change) = regulator.advance(64, 64, PlayoutBias::Normal) {
                regulator.cursor_moved(
                    MoveReason::Regulated,
                    match change {
                        DelayChange::Increase(by) => -by,
                        DelayChange::Decrease(by) => by,
                    },
                );
            }
        }
    }

    /// At another phase of the callbacks the delay becomes what the known scatter needs there, at once.
    #[test]
    fn shifted_phase_uses_known_scatter() {
        for (wait, needed) in [(50, 0), (40, 0), (30, -64), (5, -64)] {
            let mut regulator = Regulator::new();
            scattered(&mut regulator, 20, 50);
            let slack = |_, early: i64| if -early > wait { -64 } else { 0 };
            assert_eq!(regulator.shift_base(1, slack, PlayoutBias::Normal), Some(needed), "{wait}");
        }
    }

    /// Regular stalls are waited for if that is cheap, and only as long as they come.
    #[test]
    fn wait_for_stalls_ends_with_them() {
        let mut regulator = Regulator::new();
        let mut moved = 0;
        let mut play = |regulator: &mut Regulator, seconds: usize, stalls: bool| {
            for n in 0..seconds * SECOND {
                let late = stalls && n % 150 < 3;
                let slack = if late { -192 } else { 0 };
                regulator.observe(slack - moved, 64);
                if late {
                    let timing =
                        PacketTiming { natural_slack: slack, frames: 64, early: -192.0, ..PacketTiming::default() };
                    regulator.mark_held_back(&timing);
                }
                let by = match regulator.advance(64, 64, PlayoutBias::Normal) {
                    Some(DelayChange::Increase(by)) => -by,
                    Some(DelayChange::Decrease(by)) => by,
                    None => continue,
                };
                moved += by;
                regulator.cursor_moved(MoveReason::Regulated, by);
            }
            moved
        };
        assert_eq!(play(&mut regulator, 10, false), 0);
        regulator.note_regular_stalls(true);
        assert_eq!(play(&mut regulator, 10, true), -192);
        regulator.note_regular_stalls(false);
        assert_eq!(play(&mut regulator, 1, false), 0);
    }

    /// The bias weighs late packets, and a change of it takes effect within a second.
    #[test]
    fn bias_decides_between_delay_and_gaps() {
        let mut regulator = Regulator::new();
        let (mut moved, mut packet) = (0, 0_usize);
        // Two packets in a hundred arrive 6 ms late.
        let mut play = |seconds: usize, bias: PlayoutBias| {
            for _ in 0..seconds * SECOND {
                packet += 1;
                regulator.observe(if packet % 50 == 0 { -288 } else { 0 } - moved, 64);
                let by = match regulator.advance(64, 64, bias) {
                    Some(DelayChange::Increase(by)) => -by,
                    Some(DelayChange::Decrease(by)) => by,
                    None => continue,
                };
                moved += by;
                regulator.cursor_moved(MoveReason::Regulated, by);
            }
            -moved
        };
        assert_eq!(play(20, PlayoutBias::Tight), 0);
        assert_eq!(play(1, PlayoutBias::Normal), 288);
        assert_eq!(play(1, PlayoutBias::Tight), 0);
        assert_eq!(play(1, PlayoutBias::Safe), 288);
    }

    /// Recurring bursts do not make the delay hunt, and a single one is forgotten after a minute.
    #[test]
    fn delay_decreases_slowly_without_hunting() {
        let bursts = (0..600 * SECOND).map(|i| if i % (20 * SECOND) < 60 { 300 } else { 544 });
        let (changes, _) = play(bursts);
        let settled = changes.iter().filter(|c| c.0 > 5.0).count();
        assert!(settled <= 12, "{changes:?}");
        let (changes, slack) = play((0..400 * SECOND).map(|i| if (30..32).contains(&(i / SECOND)) { 64 } else { 544 }));
        assert_eq!(slack, 0);
        let last = changes.last().unwrap();
        assert!(matches!(last.1, DelayChange::Decrease(_)) && last.0 > 60.0, "{changes:?}");
    }
}
