//! When ticks are due: every 128 frames of time.

use rtjam_engine::MixBus;
use rtjam_protocol::Micros;
use rtjam_protocol::audio::WIRE_RATE;

/// So many ticks are made up for when the thread was held up; what is older is left out, and heard as a gap.
const MOST_BEHIND: u64 = 8;

/// The clock of all mixes.
pub(super) struct Pace {
    /// When the tick number `from` was due.
    since: Micros,
    from: u64,
    next: u64,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing for so long.
    In(Micros),
    /// This tick, after so many that are left out.
    Now { tick: u64, skipped: u64 },
}

impl Pace {
    pub(super) fn new() -> Pace {
        Pace { since: Micros::ZERO, from: 0, next: 0 }
    }

    /// After a rest: the next tick is due now.
    pub(super) fn resume(&mut self, now: Micros) {
        (self.since, self.from) = (now, self.next);
    }

    pub(super) fn poll(&mut self, now: Micros) -> Due {
        let wait = self.due(self.next).since(now);
        if wait > Micros::ZERO {
            return Due::In(wait);
        }
        let newest = self.from + now.since(self.since).0 * u64::from(WIRE_RATE) / (1_000_000 * MixBus::FRAMES as u64);
        let skipped = newest.saturating_sub(self.next + MOST_BEHIND);
        let tick = self.next + skipped;
        self.next = tick + 1;
        Due::Now { tick, skipped }
    }

    fn due(&self, tick: u64) -> Micros {
        let frames = (tick - self.from) * MixBus::FRAMES as u64;
        // Rounded up, so that a tick that is due is due by `newest` too.
        self.since + Micros((frames * 1_000_000).div_ceil(u64::from(WIRE_RATE)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_375_ticks_and_none_comes_early() {
        let (mut pace, mut ticks) = (Pace::new(), 0);
        pace.resume(Micros(17));
        let mut now = Micros(17);
        while now < Micros(1_000_017) {
            match pace.poll(now) {
                Due::In(wait) => now += wait,
                Due::Now { tick, skipped } => {
                    assert_eq!((tick, skipped), (ticks, 0));
                    assert!(now.0 >= 17 + tick * 8000 / 3);
                    ticks += 1;
                }
            }
        }
        assert_eq!(ticks, 375);
    }

    #[test]
    fn a_hiccup_is_made_up_for_and_a_long_one_is_left_out() {
        let mut pace = Pace::new();
        pace.resume(Micros::ZERO);
        assert_eq!(pace.poll(Micros::ZERO), Due::Now { tick: 0, skipped: 0 });
        let late = Micros::from_millis(8);
        assert!((1..=3).all(|tick| pace.poll(late) == Due::Now { tick, skipped: 0 }));
        assert_eq!(pace.poll(Micros::from_millis(80)), Due::Now { tick: 22, skipped: 18 });
        // It was asleep, on purpose.
        pace.resume(Micros::from_secs(9));
        assert_eq!(pace.poll(Micros::from_secs(9)), Due::Now { tick: 23, skipped: 0 });
    }
}
