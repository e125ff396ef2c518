//! Packets that a stall held back: a stall is one event, however many packets it delays.

use crate::voice::clock::PacketTiming;
use rtjam_protocol::Micros;

/// A packet is held back if it is this late (half a millisecond), in frames, and half as late again as stragglers. So are
/// the packets that arrive at once with it, if they are later than stragglers.
const HELD: f64 = 24.0;

/// Packets that are late again sooner than this are a sender's blocks, or network jitter.
const SHORTEST_INTERVAL: Micros = Micros::from_millis(50);

/// How many stalls are remembered.
const REMEMBERED: usize = 16;

/// This many stalls at the same interval, give or take the tolerance, are regular.
const REGULAR_AFTER: u64 = 4;
const TOLERANCE: Micros = Micros::from_millis(3);

/// The mean interval is known after this many stalls.
const KNOWN_AFTER: usize = 5;

/// How stalls come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StallPattern {
    /// At regular intervals. That ends when two and a half pass without a stall.
    pub(crate) regular: bool,
    /// They came again and again, and now the last is longer ago than one and a quarter of the regular interval, or two of the
    /// mean.
    pub(crate) stopped: bool,
}

/// Finds stalls in when packets were held back. Audio thread.
#[derive(Default)]
pub(crate) struct StallBursts {
    late_at: Micros,
    /// The current packets arrived at once with one that was held back.
    open: bool,
    /// When the last stalls were.
    recent: [Micros; REMEMBERED],
    count: usize,
    /// The interval of regular stalls.
    interval: Option<Micros>,
    last: Micros,
    /// After this time without a stall they have stopped.
    patience: Option<Micros>,
}

impl StallBursts {
    /// A packet arrived that is newer than all before, `separate` from the previous one or at once with it. Stragglers are
    /// `straggler` frames early. Returns whether the packet was held back.
    pub(crate) fn observe(&mut self, packet: &PacketTiming, separate: bool, straggler: f64) -> bool {
        if !separate {
            return self.open && packet.early <= straggler.min(-HELD / 3.0);
        }
        self.open = false;
        if packet.early <= (1.5 * straggler).min(-HELD) {
            self.open = packet.at.since(self.late_at) >= SHORTEST_INTERVAL;
            self.late_at = packet.at;
        }
        if self.open {
            self.note_stall(packet.at);
        }
        self.open
    }

    fn note_stall(&mut self, at: Micros) {
        let stalled_at = |time: Micros| self.recent.iter().any(|r| r.0.abs_diff(time.0) <= TOLERANCE.0);
        let before = |by: u64| at.0.checked_sub(by).map(Micros);
        let intervals = self.recent.iter().map(|r| at.since(*r)).filter(|interval| interval.0 > 0);
        let regular = |interval: &Micros| (2..REGULAR_AFTER).all(|n| before(n * interval.0).is_some_and(stalled_at));
        let shortest = intervals.filter(regular).min();
        self.recent[self.count % REMEMBERED] = at;
        (self.count, self.last) = (self.count + 1, at);
        self.interval = shortest.or(self.interval);
        let known = self.count.min(REMEMBERED);
        let oldest = self.recent[(self.count - known) % REMEMBERED];
        self.patience = match self.interval {
            Some(interval) => Some(Micros(interval.0 * 5 / 4)),
            None if known < KNOWN_AFTER => None,
            None => Some(Micros(at.since(oldest).0 * 2 / (known as u64 - 1))),
        };
    }

    /// How stalls come.
    pub(crate) fn pattern(&mut self, now: Micros) -> StallPattern {
        let silence = now.since(self.last);
        if self.interval.is_some_and(|interval| silence > Micros(interval.0 * 5 / 2)) {
            (self.interval, self.patience, self.recent, self.count) = (None, None, [Micros::ZERO; REMEMBERED], 0);
        }
        StallPattern { regular: self.interval.is_some(), stopped: self.patience.is_some_and(|most| silence > most) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(at: Micros, early: f64) -> PacketTiming {
        PacketTiming { at, frames: 64, early, natural_slack: 0 }
    }

    /// Stalls of 4 ms at these times, in ms: packets of 64 frames arrive at once after each. Returns how many packets
    /// were held back, and whether stalls were regular in the end.
    fn play(bursts: &mut StallBursts, stalls: &[u64], until_ms: u64) -> (usize, bool) {
        let (mut held, mut last) = (0, Micros::ZERO);
        for n in 0..until_ms * 3 / 4 {
            let due = 1_000_000 + n * 4000 / 3;
            let stall = stalls.iter().map(|ms| 1_000_000 + ms * 1000).find(|from| (*from..from + 4000).contains(&due));
            let at = Micros(stall.map_or(due, |from| from + 4000));
            let early = (due as f64 - at.0 as f64) * 0.048;
            let separate = at.since(last) > Micros(667);
            last = at;
            held += usize::from(bursts.observe(&timing(at, early), separate, -10.0));
        }
        (held, bursts.pattern(last).regular)
    }

    /// Regular stalls are recognised at the fourth, and end soon after the last.
    #[test]
    fn regular_stalls_are_recognised() {
        let stalls: Vec<u64> = (1..=3).map(|n| n * 250).collect();
        assert!(!play(&mut StallBursts::default(), &stalls, 950).1);
        let stalls: Vec<u64> = (1..=20).map(|n| n * 250).collect();
        let mut bursts = StallBursts::default();
        let (held, regular) = play(&mut bursts, &stalls, 5500);
        assert!(regular && (40..=60).contains(&held), "{held}");
        assert!(!bursts.pattern(Micros(1_000_000 + 5_640_000)).regular);
    }

    /// Stalls have stopped after one and a quarter of their interval, or two of the mean if they are irregular.
    #[test]
    fn silence_shows_that_stalls_stopped() {
        let regular: Vec<u64> = (1..=20).map(|n| n * 250).collect();
        let irregular: Vec<u64> = (1..=40_u64).map(|n| n * 300 + n * n * 37 % 211).collect();
        for (stalls, until, most) in [(regular, 5100, 320), (irregular, 12_300, 700)] {
            let mut bursts = StallBursts::default();
            play(&mut bursts, &stalls, until);
            let last = 1_000_000 + stalls.iter().max().unwrap() * 1000;
            let stopped =
                |after_ms: u64, bursts: &mut StallBursts| bursts.pattern(Micros(last + after_ms * 1000)).stopped;
            assert!(!stopped(most - 100, &mut bursts) && stopped(most, &mut bursts), "{most}");
        }
    }

    /// Stalls at irregular times, and a sender's long blocks, are not regular stalls.
    #[test]
    fn irregular_stalls_are_not_regular() {
        let stalls: Vec<u64> = (1..=60_u64).map(|n| n * 300 + n * n * 37 % 211).collect();
        assert!(!play(&mut StallBursts::default(), &stalls, 18_500).1);
        // A block of 1024 frames arrives as sixteen packets.
        let mut bursts = StallBursts::default();
        for n in 0..2000_u64 {
            let at = Micros(1_000_000 + n / 16 * 64_000 / 3);
            let early = (n % 16) as f64 * 64.0 - 960.0;
            bursts.observe(&timing(at, early), n % 16 == 0, -10.0);
        }
        assert!(!bursts.pattern(Micros(3_600_000)).regular);
    }
}
