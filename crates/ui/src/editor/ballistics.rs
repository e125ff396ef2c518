//! Meter ballistics: the bar follows the engine's level, and a mark holds the highest peak.

use rtjam_engine::{Level, SILENCE_DBFS};
use std::time::Duration;

/// How long the highest peak is held.
const HOLD: Duration = Duration::from_millis(1500);
/// How fast the mark falls after that, in dB/s: as fast as the engine's peak.
const FALL: f32 = 20.0;
/// A peak at or above this level counts as clipped.
const CLIPPED: f32 = -0.1;
/// How long the clipping mark stays.
const CLIP_HOLD: Duration = Duration::from_secs(3);

/// A channel's meter at a moment, in quarters of a decibel: differences that cannot be seen are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    rms: i16,
    peak: i16,
    hold: i16,
    /// It clipped recently.
    pub clipped: bool,
}

impl Bar {
    /// Silence.
    pub const SILENT: Bar =
        Bar { rms: quarters(SILENCE_DBFS), peak: quarters(SILENCE_DBFS), hold: quarters(SILENCE_DBFS), clipped: false };

    /// RMS level in dBFS.
    pub fn rms(self) -> f32 {
        f32::from(self.rms) / 4.0
    }

    /// Peak level in dBFS.
    pub fn peak(self) -> f32 {
        f32::from(self.peak) / 4.0
    }

    /// Held peak in dBFS.
    pub fn hold(self) -> f32 {
        f32::from(self.hold) / 4.0
    }
}

/// The ballistics of one channel's meter.
#[derive(Clone, Copy, Debug)]
pub struct Needle {
    hold: f32,
    held_at: Duration,
    clipped_at: Option<Duration>,
    fed_at: Duration,
}

impl Default for Needle {
    fn default() -> Needle {
        Needle { hold: SILENCE_DBFS, held_at: Duration::ZERO, clipped_at: None, fed_at: Duration::ZERO }
    }
}

impl Needle {
    /// Takes the level at `now`, a time that never decreases.
    pub fn feed(&mut self, level: Level, now: Duration) -> Bar {
        let peak = level.peak_dbfs.max(level.rms_dbfs);
        if peak >= self.hold {
            (self.hold, self.held_at) = (peak, now);
        } else if now > self.held_at + HOLD {
            let fallen = FALL * (now - self.fed_at.max(self.held_at + HOLD).min(now)).as_secs_f32();
            self.hold = (self.hold - fallen).max(peak);
        }
        if peak >= CLIPPED {
            self.clipped_at = Some(now);
        }
        self.fed_at = now;
        Bar {
            rms: quarters(level.rms_dbfs),
            peak: quarters(peak),
            hold: quarters(self.hold),
            clipped: self.clipped_at.is_some_and(|at| now < at + CLIP_HOLD),
        }
    }
}

/// Levels below the meter's floor are equal.
const fn quarters(dbfs: f32) -> i16 {
    let floor = super::scale::METER_FLOOR;
    let seen = if dbfs > floor { dbfs } else { floor };
    (seen * 4.0) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(dbfs: f32) -> Level {
        Level { rms_dbfs: dbfs - 3.0, peak_dbfs: dbfs }
    }

    const FRAME: Duration = Duration::from_millis(33);

    /// The highest peak is held, then falls by 20 dB/s.
    #[test]
    fn peaks_are_held_then_fall() {
        let mut needle = Needle::default();
        let mut now = Duration::from_secs(10);
        assert_eq!(needle.feed(level(-6.0), now).hold(), -6.0);
        let mut bar = Bar::SILENT;
        while now < Duration::from_millis(11_480) {
            now += FRAME;
            bar = needle.feed(level(-40.0), now);
            assert_eq!(bar.peak(), -40.0);
        }
        assert_eq!(bar.hold(), -6.0);
        while now < Duration::from_millis(12_500) {
            now += FRAME;
            bar = needle.feed(level(-40.0), now);
        }
        assert!((bar.hold() + 26.0).abs() < 1.0, "{bar:?}");
        while now < Duration::from_secs(14) {
            now += FRAME;
            bar = needle.feed(level(-40.0), now);
        }
        assert_eq!(bar.hold(), -40.0);
    }

    /// A louder peak is shown immediately.
    #[test]
    fn louder_peaks_show_immediately() {
        let mut needle = Needle::default();
        needle.feed(level(-20.0), FRAME);
        assert_eq!(needle.feed(level(-3.0), 2 * FRAME).hold(), -3.0);
    }

    /// In silence the meter comes to rest, so that nothing is drawn.
    #[test]
    fn silence_comes_to_rest() {
        let mut needle = Needle::default();
        needle.feed(level(-6.0), FRAME);
        let mut now = FRAME;
        for _ in 0..300 {
            now += FRAME;
            needle.feed(Level::SILENT, now);
        }
        assert_eq!(needle.feed(Level::SILENT, now + FRAME), Bar::SILENT);
        assert_eq!(needle.feed(Level { rms_dbfs: -90.0, peak_dbfs: -80.0 }, now + 2 * FRAME), Bar::SILENT);
    }

    /// Clipping stays marked for three seconds.
    #[test]
    fn clipping_stays_marked() {
        let mut needle = Needle::default();
        assert!(needle.feed(level(0.0), FRAME).clipped);
        assert!(needle.feed(level(-20.0), Duration::from_secs(3)).clipped);
        assert!(!needle.feed(level(-20.0), Duration::from_secs(4)).clipped);
    }
}
