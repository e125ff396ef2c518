//! A rate with a burst, for amounts of any size.

use rtjam_protocol::Micros;

/// A bucket that refills at a constant rate (the generic cell rate algorithm, ITU-T I.371), in one number: the time at
/// which it is full again. Amounts are given as the time in which the rate earns them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rate {
    /// In ns.
    full_at: u64,
}

/// What a [`Rate`] grants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// The time that earns one unit, in ns.
    unit_ns: u64,
    /// The time that earns all that the bucket holds, in ns.
    burst_ns: u64,
}

impl Limit {
    /// So many units a second, and at once what so many milliseconds earn.
    pub(crate) const fn new(per_second: u64, burst_ms: u64) -> Limit {
        Limit { unit_ns: 1_000_000_000 / per_second, burst_ns: burst_ms * 1_000_000 }
    }
}

impl Rate {
    /// Takes `units` where the bucket holds them; else it takes nothing and returns `false`.
    pub(crate) fn take(&mut self, now: Micros, limit: Limit, units: u64) -> bool {
        let now = now.0.saturating_mul(1000);
        let full_at = self.full_at.max(now).saturating_add(units.saturating_mul(limit.unit_ns));
        let granted = full_at <= now.saturating_add(limit.burst_ns);
        if granted {
            self.full_at = full_at;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Over any time the bucket gives what it holds and what the rate earns, in whatever amounts it is asked for.
    #[test]
    fn burst_and_rate_are_granted_exactly() {
        for units in [1, 16, 100, 512] {
            let (limit, mut rate, mut taken) = (Limit::new(48_000, 250), Rate::default(), 0);
            for us in (0..10_000_000).step_by(20) {
                taken += if rate.take(Micros(us), limit, units) { units } else { 0 };
            }
            assert!((492_000 - 512..=492_100).contains(&taken), "{taken} by {units}");
        }
    }

    /// What conforms to the rate is never refused.
    #[test]
    fn who_keeps_the_rate_loses_nothing() {
        let (limit, mut rate) = (Limit::new(48_480, 250), Rate::default());
        for packet in 0..100_000_u64 {
            assert!(rate.take(Micros(packet * 128 * 1_000_000 / 48_000), limit, 128));
        }
    }
}
