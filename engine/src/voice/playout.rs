//! How long a musician's sound waits: steered by slack.
//!
//! A packet's slack is how many frames before its first frame the callback begins that drains it from
//! the ring. Negative slack is a late packet; slack that no packet ever goes below is needless delay.
//! Packets, blocks and rates may have any size: slack counts on the callbacks' own grid, and so a peer
//! on the same clock ends at slack 0, one period behind, and not a frame more.

use super::slack::{Memory, SlackHistogram};
use crate::controls::Comfort;

/// After a stream's start delay is taken back at these ages, in frames (0.3, 1 and 2 s).
const SETTLING: [u64; 3] = [14_400, 48_000, 96_000];

/// Between two looks at the histogram, in frames: 100 ms, or 20 ms after a late packet.
const LOOK: u64 = 4800;
const LOOK_LATE: u64 = 960;

/// Delay is added when that is better by this much, in frames.
const WORTH_MORE: f32 = 8.0;

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
}

#[derive(Clone, Copy)]
struct LateRun {
    since: u64,
    low: i64,
    high: i64,
}

impl Regulator {
    /// Allocates.
    pub(crate) fn new() -> Regulator {
        Regulator {
            slack: SlackHistogram::new(),
            comfort: Comfort::Normal,
            even: SlackHistogram::new(),
            moved: 0,
            age: 0,
            looked: 0,
            late: false,
            settled: 0,
            spare_since: None,
            late_run: None,
            take_back_at: None,
        }
    }

    /// A stream starts.
    pub(crate) fn restart(&mut self) {
        self.slack.restart();
        self.even.restart();
        (self.moved, self.age, self.looked) = (0, 0, 0);
        (self.late, self.settled, self.spare_since) = (false, 0, None);
        (self.late_run, self.take_back_at) = (None, None);
    }

    /// A packet of `frames` frames was drained with this slack.
    pub(crate) fn observe(&mut self, slack: i64, frames: usize) {
        self.slack.add(slack + self.moved, frames);
        self.late |= slack < 0;
        if slack >= 0 {
            self.late_run = None;
            return;
        }
        let run = self.late_run.get_or_insert(LateRun { since: self.age, low: i64::MAX, high: i64::MIN });
        if self.age - run.since >= UNSETTLED {
            run.low = run.low.min(slack + self.moved);
            run.high = run.high.max(slack + self.moved);
        }
    }

    /// A packet of `frames` frames came so many frames before the drift's line has it.
    pub(crate) fn observe_even(&mut self, early: i64, frames: usize) {
        self.even.add(early, frames);
    }

    /// The network's delay became another: its promptest packets come so many frames earlier (negative: later)
    /// than they used to, give or take the callbacks' `grid`.
    pub(crate) fn new_level(&mut self, earlier: i64, grid: i64) {
        self.even.restart();
        if earlier > 0 {
            // What was needed at the old level says how packets scatter, not where they come now.
            self.slack.shift(earlier + grid);
            self.take_back_at = Some(self.age + WATCH);
        }
    }

    /// From now on slack counts at the callbacks' worst phase: a packet on the drift's line has `on_line`.
    /// Returns the slack to give up, or to gain where it is negative, now. `None` if nothing is known.
    pub(crate) fn leave_grid(&mut self, on_line: i64, comfort: Comfort) -> Option<i64> {
        let (at, _) = self.even.best(Memory::Fast, comfort.price(), 0)?;
        self.slack.copy_from(&self.even, on_line + self.moved);
        Some(at + on_line)
    }

    /// The read position was moved by this regulator's advice: forward is positive.
    pub(crate) fn moved(&mut self, by: i64) {
        self.moved += by;
        self.spare_since = None;
    }

    /// Whether the stream is so young that delay is still found out.
    pub(crate) fn is_settling(&self) -> bool {
        self.settled < SETTLING.len()
    }

    /// `frames` frames were played; is there anything to change?
    pub(crate) fn look(&mut self, frames: usize, comfort: Comfort) -> Option<Change> {
        self.age += frames as u64;
        if self.comfort != comfort {
            // Who turns the dial waits to hear it.
            (self.comfort, self.take_back_at) = (comfort, Some(self.age));
        }
        if let Some(later) = self.follow_level() {
            return Some(later);
        }
        let since = self.age - self.looked;
        if since < if self.late { LOOK_LATE } else { LOOK } {
            return None;
        }
        self.slack.forget(since as f32);
        self.even.forget(since as f32);
        (self.looked, self.late) = (self.age, false);
        self.later().or_else(|| self.sooner())
    }

    /// Packets that stay late, one like the other, are met at once.
    fn follow_level(&mut self) -> Option<Change> {
        let run = self.late_run.filter(|run| self.age - run.since >= NEW_LEVEL && run.low <= run.high)?;
        self.late_run = None;
        self.take_back_at = Some(self.age + WATCH);
        Some(Change::Later(self.moved - run.low + GUARD.max(run.high - run.low)))
    }

    fn later(&mut self) -> Option<Change> {
        let price = self.comfort.price();
        let memories: &[Memory] = match self.comfort {
            Comfort::Tight | Comfort::Normal => &[Memory::Fast],
            Comfort::Safe => &[Memory::Fast, Memory::Slow],
        };
        let best = memories.iter().filter_map(|memory| self.slack.best(*memory, price, self.moved));
        let (at, gain) = best.min_by_key(|best| best.0)?;
        let more = self.moved - at;
        (more > 0 && gain > WORTH_MORE).then_some(Change::Later(more))
    }

    fn sooner(&mut self) -> Option<Change> {
        let price = self.comfort.price();
        let (fast, _) = self.slack.best(Memory::Fast, price, self.moved)?;
        let (slow, _) = self.slack.best(Memory::Slow, price, self.moved)?;
        let spare = fast.min(slow) - self.moved;
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
            if let Some(change) = regulator.look(64, Comfort::Normal) {
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
                regulator.look(64, Comfort::Normal);
                assert!(regulator.take_back_at.is_none(), "{second} s");
            }
        }
    }

    #[test]
    fn a_level_that_ends_is_forgotten_in_seconds_though_stalls_are_remembered() {
        let mut regulator = Regulator::new();
        let mut natural = 0;
        let mut play = |regulator: &mut Regulator, seconds: usize, level: i64| {
            for _ in 0..seconds * SECOND {
                regulator.observe(level - natural, 64);
                let by = match regulator.look(64, Comfort::Normal) {
                    Some(Change::Later(by)) => -by,
                    Some(Change::Sooner(by)) => by,
                    None => continue,
                };
                natural += by;
                regulator.moved(by);
            }
            level - natural
        };
        assert_eq!(play(&mut regulator, 60, 0), 0);
        assert_eq!(play(&mut regulator, 1, 720), 720);
        regulator.new_level(720, 64);
        assert_eq!(play(&mut regulator, 3, 720), 0);
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
                let by = match regulator.look(64, comfort) {
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
