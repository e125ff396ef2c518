//! Gains, pans and levels as types, and the meter that measures a level.

use core::fmt;

/// The floor of every level reading, in dBFS: silence.
pub const SILENCE_DBFS: f32 = -120.0;

/// A linear gain from 0 (off) to 16 (+24 dB).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Gain(f32);

impl Gain {
    /// Nothing passes.
    pub const OFF: Gain = Gain(0.0);
    /// What passes is unchanged, bit for bit.
    pub const UNITY: Gain = Gain(1.0);
    /// The largest gain, a factor of 16 (+24 dB).
    pub const MAX: Gain = Gain(16.0);

    /// A factor, cut to the range; NaN is off.
    pub fn linear(factor: f32) -> Gain {
        Gain(if factor > 0.0 { factor.min(Gain::MAX.0) } else { 0.0 })
    }

    /// Decibels: 0 is unity exactly; −∞, NaN and what lies under −120 dB are off.
    pub fn db(db: f32) -> Gain {
        if db == 0.0 {
            Gain::UNITY
        } else if db >= SILENCE_DBFS {
            Gain::linear(10.0_f32.powf(db / 20.0))
        } else {
            Gain::OFF
        }
    }

    /// The factor.
    pub const fn factor(self) -> f32 {
        self.0
    }

    /// The gain in dB; −120 when off.
    pub fn to_db(self) -> f32 {
        to_dbfs(self.0)
    }
}

impl fmt::Display for Gain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0.0 { f.write_str("off") } else { write!(f, "{:.1} dB", self.to_db()) }
    }
}

/// Where a channel lies between left (−1) and right (+1).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Pan(f32);

impl Pan {
    /// Left only.
    pub const LEFT: Pan = Pan(-1.0);
    /// Both sides, −3 dB each.
    pub const CENTRE: Pan = Pan(0.0);
    /// Right only.
    pub const RIGHT: Pan = Pan(1.0);

    /// A position, cut to −1..=1; NaN is the centre.
    pub fn new(position: f32) -> Pan {
        if position.is_nan() { Pan::CENTRE } else { Pan(position.clamp(-1.0, 1.0)) }
    }

    /// The position, −1 to 1.
    pub const fn position(self) -> f32 {
        self.0
    }
}

/// How loud a channel is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Root mean square over about 300 ms, in dBFS (a full-scale square wave is 0); −120 is silence.
    pub rms_dbfs: f32,
    /// Peak, falling by 20 dB a second, in dBFS; −120 is silence.
    pub peak_dbfs: f32,
}

impl Level {
    /// Nothing to hear.
    pub const SILENT: Level = Level { rms_dbfs: SILENCE_DBFS, peak_dbfs: SILENCE_DBFS };

    pub(crate) fn from_linear(rms: f32, peak: f32) -> Level {
        Level { rms_dbfs: to_dbfs(rms), peak_dbfs: to_dbfs(peak) }
    }
}

fn to_dbfs(linear: f32) -> f32 {
    if linear > 1e-6 { 20.0 * linear.log10() } else { SILENCE_DBFS }
}

/// Measures peak and RMS of one channel. Audio thread.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    mean_square: f32,
    peak: f32,
}

impl Meter {
    /// The RMS time constant, in seconds.
    const RMS_TIME: f32 = 0.3;
    /// Nepers a second by which the peak falls: 20 dB.
    const PEAK_FALL: f32 = core::f32::consts::LN_10;
    /// Squared levels under this (−140 dBFS) are silence: the decay ends, rather than going on for ever.
    const NOTHING: f32 = 1e-14;

    /// Takes the channel's next samples, at `rate` frames a second.
    pub(crate) fn feed(&mut self, samples: &[f32], rate: f32) {
        if samples.is_empty() {
            return;
        }
        let (mut sum, mut top) = (0.0_f32, 0.0_f32);
        for &s in samples {
            sum += s * s;
            top = top.max(s.abs());
        }
        self.settle(sum, top, samples.len() as f32, rate);
    }

    fn settle(&mut self, sum: f32, top: f32, frames: f32, rate: f32) {
        // One backward-Euler step for the whole piece: no exponential, stable for any length.
        let share = frames / (frames + Self::RMS_TIME * rate);
        self.mean_square += (sum / frames - self.mean_square) * share;
        self.peak = top.max(self.peak / (1.0 + Self::PEAK_FALL * frames / rate));
        if self.mean_square < Self::NOTHING && top == 0.0 {
            *self = Meter::default();
        }
    }

    /// Linear root mean square.
    pub(crate) fn rms(&self) -> f32 {
        self.mean_square.sqrt()
    }

    /// Linear peak.
    pub(crate) fn peak(&self) -> f32 {
        self.peak
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unity_is_exact_and_nonsense_is_off() {
        assert_eq!(Gain::db(0.0).factor(), 1.0);
        assert_eq!(Gain::db(f32::NAN), Gain::OFF);
        assert_eq!(Gain::db(f32::NEG_INFINITY), Gain::OFF);
        assert_eq!(Gain::db(1e9), Gain::MAX);
        assert!((Gain::db(-6.0).to_db() + 6.0).abs() < 1e-4);
    }

    #[test]
    fn a_full_scale_sine_reads_three_decibels_under_its_peak() {
        let sine: Vec<f32> = (0..48_000).map(|i| (i as f32 * 0.13).sin()).collect();
        let mut meter = Meter::default();
        for piece in sine.chunks(64).cycle().take(3000) {
            meter.feed(piece, 48_000.0);
        }
        let level = Level::from_linear(meter.rms(), meter.peak());
        assert!((level.rms_dbfs + 3.01).abs() < 0.1, "{level:?}");
        assert!(level.peak_dbfs.abs() < 0.2, "{level:?}");
    }

    #[test]
    fn a_meter_falls_to_silence_and_stays_there() {
        let mut meter = Meter::default();
        meter.feed(&[1.0; 64], 48_000.0);
        for _ in 0..48_000 / 64 * 15 {
            meter.feed(&[0.0; 64], 48_000.0);
        }
        assert_eq!((meter.rms(), meter.peak()), (0.0, 0.0));
    }
}
