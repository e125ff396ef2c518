//! Stalls of the own host: what a musician can do something about.

use rtjam_protocol::Micros;
use rtjam_protocol::audio::WIRE_RATE;

/// Stalls that are remembered: so many are a pattern.
const REMEMBERED: usize = 4;

/// A call that comes later than it should by this much (1.5 ms), in frames, and by half a period, is a stall: less is
/// scheduling.
const LATE: f64 = 72.0;

/// Stalls that are farther apart than this are no pattern.
const APART: Micros = Micros::from_millis(60_000);

/// When the host kept calls waiting. Audio thread.
#[derive(Default)]
pub(crate) struct Stalls {
    /// The latest ones, oldest overwritten first.
    recent: [Stall; REMEMBERED],
    count: u64,
    /// Calls are late at the moment.
    within: bool,
}

/// Calls that came late, one after the other.
#[derive(Clone, Copy, Default)]
struct Stall {
    at: Micros,
    /// By how much the latest of them was late, in frames at 48 kHz.
    late: f64,
}

/// What stalls look like that go on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pattern {
    /// How long they last, in ms, on average.
    pub(crate) ms: f32,
    /// From one to the next, in s, on average.
    pub(crate) every_s: f32,
}

impl Stalls {
    /// A call of usually `period` frames at 48 kHz came this many frames late.
    pub(crate) fn call(&mut self, now: Micros, late: f64, period: f64) {
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

    /// What the latest stalls have in common; `None` where there were few, or none for three times as long as usual.
    pub(crate) fn pattern(&self, now: Micros) -> Option<Pattern> {
        if (self.count as usize) < REMEMBERED {
            return None;
        }
        let oldest = self.recent[self.count as usize % REMEMBERED].at;
        let newest = self.recent[(self.count - 1) as usize % REMEMBERED].at;
        let every = Micros(newest.since(oldest).0 / (REMEMBERED as u64 - 1));
        if every > APART || now.since(newest) > Micros(3 * every.0) {
            return None;
        }
        let late = self.recent.iter().map(|stall| stall.late).sum::<f64>() / REMEMBERED as f64;
        let ms = (late * 1000.0 / f64::from(WIRE_RATE)) as f32;
        Some(Pattern { ms, every_s: (every.0 as f64 / 1e6) as f32 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls of 64 frames for some seconds, of which one every second is late by this many ms, and the next ones catch up.
    fn play(stalls: &mut Stalls, from_s: u64, seconds: u64, late_ms: u64) -> Micros {
        let mut now = Micros::ZERO;
        for call in from_s * 750..(from_s + seconds) * 750 {
            let due = 1_000_000 + call * 4000 / 3;
            let since = (due % 1_000_000) as i64;
            let late = (late_ms as i64 * 1000 - since).max(0);
            now = Micros(due + late as u64);
            stalls.call(now, late as f64 * 0.048, 64.0);
        }
        now
    }

    #[test]
    fn stalls_that_come_again_are_a_pattern_until_they_end() {
        let mut stalls = Stalls::default();
        let now = play(&mut stalls, 0, 3, 4);
        assert_eq!((stalls.count(), stalls.pattern(now)), (3, None));
        let now = play(&mut stalls, 3, 7, 4);
        let pattern = stalls.pattern(now).expect("a pattern");
        assert_eq!(stalls.count(), 10);
        assert!((pattern.ms - 4.0).abs() < 0.1 && (pattern.every_s - 1.0).abs() < 0.01, "{pattern:?}");
        let now = play(&mut stalls, 10, 4, 0);
        assert_eq!((stalls.count(), stalls.pattern(now)), (10, None));
    }

    #[test]
    fn scheduling_is_no_stall() {
        let mut stalls = Stalls::default();
        play(&mut stalls, 0, 20, 1);
        assert_eq!(stalls.count(), 0);
        // Half a long period late is nothing to a host with long periods.
        (0..100).for_each(|n| stalls.call(Micros(n * 21_333), 500.0, 1024.0));
        assert_eq!(stalls.count(), 0);
    }
}
