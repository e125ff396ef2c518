//! When ticks of the mixer are due: every 128 frames.

use rtjam_engine::MixBus;
use rtjam_protocol::Micros;
use rtjam_protocol::audio::WIRE_RATE;

/// A stalled thread catches up on this many ticks. Older ticks are skipped, which is heard as a gap.
const MAX_CATCH_UP: u64 = 8;

/// The clock of all mixes.
pub(super) struct TickClock {
    /// When the tick with the number `from` was due.
    since: Micros,
    from: u64,
    next: u64,
}

/// When the next tick is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// After this long.
    In(Micros),
    /// This tick is due, and the `skipped` ticks before it are left out.
    Now { tick: u64, skipped: u64 },
}

impl TickClock {
    pub(super) fn new() -> TickClock {
        TickClock { since: Micros::ZERO, from: 0, next: 0 }
    }

    /// Continues after a rest: the next tick is due now.
    pub(super) fn resume(&mut self, now: Micros) {
        (self.since, self.from) = (now, self.next);
    }

    pub(super) fn poll(&mut self, now: Micros) -> Due {
        let wait = self.due(self.next).since(now);
        if wait > Micros::ZERO {
            return Due::In(wait);
        }
        let newest = self.from + now.since(self.since).0 * u64::from(WIRE_RATE) / (1_000_000 * MixBus::FRAMES as u64);
        let skipped = newest.saturating_sub(self.next + MAX_CATCH_UP);
        let tick = self.next + skipped;
        self.next = tick + 1;
        Due::Now { tick, skipped }
    }

    fn due(&self, tick: u64) -> Micros {
        let frames = (tick - self.from) * MixBus::FRAMES as u64;
        // Rounded up, to agree with the computation of `newest`.
        self.since + Micros((frames * 1_000_000).div_ceil(u64::from(WIRE_RATE)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second has 375 ticks, and no tick is early.
    #[test]
    fn second_has_375_ticks() {
        let (mut clock, mut ticks) = (TickClock::new(), 0);
        clock.resume(Micros(17));
        let mut now = Micros(17);
        while now < Micros(1_000_017) {
            match clock.poll(now) {
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

    /// The clock catches up after a short stall and skips ticks after a long one.
    #[test]
    fn long_stall_skips_ticks() {
        let mut clock = TickClock::new();
        clock.resume(Micros::ZERO);
        assert_eq!(clock.poll(Micros::ZERO), Due::Now { tick: 0, skipped: 0 });
        let late = Micros::from_millis(8);
        assert!((1..=3).all(|tick| clock.poll(late) == Due::Now { tick, skipped: 0 }));
        assert_eq!(clock.poll(Micros::from_millis(80)), Due::Now { tick: 22, skipped: 18 });
        clock.resume(Micros::from_secs(9));
        assert_eq!(clock.poll(Micros::from_secs(9)), Due::Now { tick: 23, skipped: 0 });
    }
}
