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

/// Finds regular stalls in when packets were held back. Audio thread.
#[derive(Default)]
pub(crate) struct StallBursts {
    late_at: Micros,
    /// The current packets arrived at once with one that was held back.
    open: bool,
    recent: [Micros; REMEMBERED],
    count: usize,
    regular: Option<RegularStalls>,
}

#[derive(Clone, Copy)]
struct RegularStalls {
    interval: Micros,
    last: Micros,
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
        self.count += 1;
        if let Some(interval) = shortest {
            self.regular = Some(RegularStalls { interval, last: at });
        }
    }

    /// Whether stalls come regularly. They end when two and a half intervals pass without one.
    pub(crate) fn are_regular(&mut self, now: Micros) -> bool {
        if self.regular.is_some_and(|r| now.since(r.last) > Micros(r.interval.0 * 5 / 2)) {
            (self.regular, self.recent) = (None, [Micros::ZERO; REMEMBERED]);
        }
        self.regular.is_some()
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
        (held, bursts.are_regular(last))
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
        assert!(!bursts.are_regular(Micros(1_000_000 + 5_640_000)));
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
        assert!(!bursts.are_regular(Micros(3_600_000)));
    }
}
