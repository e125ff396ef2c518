//! Packets that something held back: a stall is one event, however many packets it makes late.

use super::time_base::Came;
use rtjam_protocol::Micros;

/// A packet that comes by this much (half a millisecond) later than it should, in frames, and by half more than
/// stragglers need, was held back; so was what comes at once with it, if it is later than stragglers.
const HELD: f64 = 24.0;

/// Packets that are late again sooner than this are a sender's blocks, or the network's jitter.
const APART: Micros = Micros::from_millis(50);

/// Stalls that are remembered.
const REMEMBERED: usize = 16;

/// Of stalls that come regularly so many follow each other by the same time, give or take 3 ms.
const ALIKE: u64 = 4;
const EXACTLY: Micros = Micros::from_millis(3);

/// When packets were held back. Audio thread.
#[derive(Default)]
pub(crate) struct Bursts {
    late_at: Micros,
    /// What comes now came at once with a packet that was held back.
    open: bool,
    recent: [Micros; REMEMBERED],
    count: usize,
    regular: Option<Regular>,
}

/// Stalls that come again and again.
#[derive(Clone, Copy)]
struct Regular {
    every: Micros,
    last: Micros,
}

impl Bursts {
    /// A packet came, `apart` from the one before or at once with it; none that was sent later had come. Returns whether
    /// it was held back. The latest packets that are usually waited for are `straggler` frames early.
    pub(crate) fn see(&mut self, packet: &Came, apart: bool, straggler: f64) -> bool {
        if !apart {
            return self.open && packet.early <= straggler.min(-HELD / 3.0);
        }
        self.open = false;
        if packet.early <= (1.5 * straggler).min(-HELD) {
            self.open = packet.at.since(self.late_at) >= APART;
            self.late_at = packet.at;
        }
        if self.open {
            self.note_stall(packet.at);
        }
        self.open
    }

    fn note_stall(&mut self, at: Micros) {
        let was = |earlier: Micros| self.recent.iter().any(|r| r.0.abs_diff(earlier.0) <= EXACTLY.0);
        let before = |by: u64| at.0.checked_sub(by).map(Micros);
        let intervals = self.recent.iter().map(|r| at.since(*r));
        let every = intervals.filter(|every| every.0 > 0 && (2..ALIKE).all(|n| before(n * every.0).is_some_and(was)));
        let every = every.min();
        self.recent[self.count % REMEMBERED] = at;
        self.count += 1;
        if let Some(every) = every {
            self.regular = Some(Regular { every, last: at });
        }
    }

    /// Whether stalls come regularly.
    pub(crate) fn are_regular(&mut self, now: Micros) -> bool {
        if self.regular.is_some_and(|r| now.since(r.last) > Micros(r.every.0 * 5 / 2)) {
            (self.regular, self.recent) = (None, [Micros::ZERO; REMEMBERED]);
        }
        self.regular.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stalls of 4 ms at these times, in ms: packets of 64 frames come at once after each. Returns how many packets
    /// were held back, and whether stalls were regular in the end.
    fn play(bursts: &mut Bursts, stalls: &[u64], until_ms: u64) -> (usize, bool) {
        let (mut held, mut last) = (0, Micros::ZERO);
        for n in 0..until_ms * 3 / 4 {
            let due = 1_000_000 + n * 4000 / 3;
            let stall = stalls.iter().map(|ms| 1_000_000 + ms * 1000).find(|from| (*from..from + 4000).contains(&due));
            let at = Micros(stall.map_or(due, |from| from + 4000));
            let early = (due as f64 - at.0 as f64) * 0.048;
            let apart = at.since(last) > Micros(667);
            last = at;
            held += usize::from(bursts.see(&Came { at, frames: 64, early, slack: 0 }, apart, -10.0));
        }
        (held, bursts.are_regular(last))
    }

    #[test]
    fn regular_stalls_are_known_at_the_fourth_and_end_soon() {
        let stalls: Vec<u64> = (1..=3).map(|n| n * 250).collect();
        assert!(!play(&mut Bursts::default(), &stalls, 950).1);
        let stalls: Vec<u64> = (1..=20).map(|n| n * 250).collect();
        let mut bursts = Bursts::default();
        let (held, regular) = play(&mut bursts, &stalls, 5500);
        assert!(regular && (40..=60).contains(&held), "{held}");
        assert!(!bursts.are_regular(Micros(1_000_000 + 5_640_000)));
    }

    #[test]
    fn stalls_at_any_time_and_a_senders_long_blocks_are_not_regular() {
        let stalls: Vec<u64> = (1..=60_u64).map(|n| n * 300 + n * n * 37 % 211).collect();
        assert!(!play(&mut Bursts::default(), &stalls, 18_500).1);
        // A block of 1024 frames comes as sixteen packets.
        let mut bursts = Bursts::default();
        for n in 0..2000_u64 {
            let at = Micros(1_000_000 + n / 16 * 64_000 / 3);
            let early = (n % 16) as f64 * 64.0 - 960.0;
            bursts.see(&Came { at, frames: 64, early, slack: 0 }, n % 16 == 0, -10.0);
        }
        assert!(!bursts.are_regular(Micros(3_600_000)));
    }
}
