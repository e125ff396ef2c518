//! Stalls of the own host, which its musician can do something about.

use crate::meters::StallPattern;
use rtjam_protocol::Micros;
use rtjam_protocol::audio::WIRE_RATE;

/// Number of remembered stalls: this many can be a pattern.
const REMEMBERED: usize = 4;

/// A call that is late by this much (1.5 ms), in frames, and by half a period, is a stall: less is scheduling.
const LATE: f64 = 72.0;

/// The longest interval between stalls of a pattern.
const LONGEST_INTERVAL: Micros = Micros::from_millis(60_000);

/// Detects calls that the host kept waiting. Audio thread.
#[derive(Default)]
pub(crate) struct HostStalls {
    /// The latest stalls, the oldest overwritten first.
    recent: [Stall; REMEMBERED],
    count: u64,
    /// Calls are late at the moment.
    within: bool,
}

/// Consecutive calls that were late.
#[derive(Clone, Copy, Default)]
struct Stall {
    at: Micros,
    /// Lateness of the latest call, in frames at 48 kHz.
    late: f64,
}

impl HostStalls {
    /// A call of usually `period` frames at 48 kHz was `late` frames late.
    pub(crate) fn observe_call(&mut self, now: Micros, late: f64, period: f64) {
        let stalls = late >= LATE.max(period / 2.0);
        if stalls && !self.within {
            self.recent[self.count as usize % REMEMBERED] = Stall { at: now, late };
            self.count += 1;
        } else if stalls {
            let last = &mut self.recent[(self.count - 1) as usize % REMEMBERED];
            last.late = last.late.max(late);
        }
        self.within = stalls;
    }

    /// Stalls so far.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The pattern of the latest stalls; `None` if there were few, or none for three intervals.
    pub(crate) fn pattern(&self, now: Micros) -> Option<StallPattern> {
        if (self.count as usize) < REMEMBERED {
            return None;
        }
        let oldest = self.recent[self.count as usize % REMEMBERED].at;
        let newest = self.recent[(self.count - 1) as usize % REMEMBERED].at;
        let interval = Micros(newest.since(oldest).0 / (REMEMBERED as u64 - 1));
        if interval > LONGEST_INTERVAL || now.since(newest) > Micros(3 * interval.0) {
            return None;
        }
        let late = self.recent.iter().map(|stall| stall.late).sum::<f64>() / REMEMBERED as f64;
        let ms = (late * 1000.0 / f64::from(WIRE_RATE)) as f32;
        Some(StallPattern { ms, every_s: (interval.0 as f64 / 1e6) as f32 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays calls of 64 frames for some seconds. One call every second is late by `late_ms`, and the next ones catch up.
    fn play(stalls: &mut HostStalls, from_s: u64, seconds: u64, late_ms: u64) -> Micros {
        let mut now = Micros::ZERO;
        for call in from_s * 750..(from_s + seconds) * 750 {
            let due = 1_000_000 + call * 4000 / 3;
            let since = (due % 1_000_000) as i64;
            let late = (late_ms as i64 * 1000 - since).max(0);
            now = Micros(due + late as u64);
            stalls.observe_call(now, late as f64 * 0.048, 64.0);
        }
        now
    }

    /// Recurring stalls are a pattern until they end.
    #[test]
    fn recurring_stalls_are_a_pattern() {
        let mut stalls = HostStalls::default();
        let now = play(&mut stalls, 0, 3, 4);
        assert_eq!((stalls.count(), stalls.pattern(now)), (3, None));
        let now = play(&mut stalls, 3, 7, 4);
        let pattern = stalls.pattern(now).expect("a pattern");
        assert_eq!(stalls.count(), 10);
        assert!((pattern.ms - 4.0).abs() < 0.1 && (pattern.every_s - 1.0).abs() < 0.01, "{pattern:?}");
        let now = play(&mut stalls, 10, 4, 0);
        assert_eq!((stalls.count(), stalls.pattern(now)), (10, None));
    }

    /// Lateness of scheduling, and half of a long period, are not stalls.
    #[test]
    fn scheduling_is_not_a_stall() {
        let mut stalls = HostStalls::default();
        play(&mut stalls, 0, 20, 1);
        assert_eq!(stalls.count(), 0);
        (0..100).for_each(|n| stalls.observe_call(Micros(n * 21_333), 500.0, 1024.0));
        assert_eq!(stalls.count(), 0);
    }
}
