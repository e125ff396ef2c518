//! Rate limits with a burst, for amounts of any size.

use rtjam_protocol::Micros;

/// A bucket that refills at a constant rate (generic cell rate algorithm, ITU-T I.371). Its one number is the time at which
/// it is full again; amounts are expressed as the time in which the rate earns them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RateBucket {
    full_at_ns: u64,
}

/// The rate and burst that a [`RateBucket`] grants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateLimit {
    /// The time that earns one unit.
    unit_ns: u64,
    /// The time that fills the bucket.
    burst_ns: u64,
}

impl RateLimit {
    /// A rate, and a burst of what the rate earns in `burst_ms`.
    pub(crate) const fn new(per_second: u64, burst_ms: u64) -> RateLimit {
        RateLimit { unit_ns: 1_000_000_000 / per_second, burst_ns: burst_ms * 1_000_000 }
    }
}

impl RateBucket {
    /// Takes `units` if the bucket holds them; otherwise takes nothing and returns `false`.
    pub(crate) fn take(&mut self, now: Micros, limit: RateLimit, units: u64) -> bool {
        let now = now.0.saturating_mul(1000);
        let full_at = self.full_at_ns.max(now).saturating_add(units.saturating_mul(limit.unit_ns));
        let granted = full_at <= now.saturating_add(limit.burst_ns);
        if granted {
            self.full_at_ns = full_at;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bucket grants its burst and what the rate earns, in amounts of any size.
    #[test]
    fn burst_and_rate_are_granted_exactly() {
        for units in [1, 16, 100, 512] {
            let (limit, mut rate, mut taken) = (RateLimit::new(48_000, 250), RateBucket::default(), 0);
            for us in (0..10_000_000).step_by(20) {
                taken += if rate.take(Micros(us), limit, units) { units } else { 0 };
            }
            assert!((492_000 - 512..=492_100).contains(&taken), "{taken} by {units}");
        }
    }

    /// A sender that keeps to the rate is never refused.
    #[test]
    fn conforming_sender_loses_nothing() {
        let (limit, mut rate) = (RateLimit::new(48_480, 250), RateBucket::default());
        for packet in 0..100_000_u64 {
            assert!(rate.take(Micros(packet * 128 * 1_000_000 / 48_000), limit, 128));
        }
    }
}
