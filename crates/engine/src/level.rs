//! Gains, pans and levels as types, and the meter that measures a level.

use core::fmt;
use rtjam_protocol::audio::Peak;

/// The floor of every level reading, in dBFS: silence.
pub const SILENCE_DBFS: f32 = -120.0;

/// A linear gain from 0 (off) to 16 (+24 dB).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Gain(f32);

impl Gain {
    /// Silence.
    pub const OFF: Gain = Gain(0.0);
    /// Unchanged, bit for bit.
    pub const UNITY: Gain = Gain(1.0);
    /// The largest gain, a factor of 16 (+24 dB).
    pub const MAX: Gain = Gain(16.0);

    /// A gain by its factor, clamped to the range; NaN is off.
    pub fn linear(factor: f32) -> Gain {
        Gain(if factor > 0.0 { factor.min(Gain::MAX.0) } else { 0.0 })
    }

    /// A gain by decibels: 0 is exactly unity; −∞, NaN and values below −120 dB are off.
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

    /// The gain in dB; −120 if off.
    pub fn to_db(self) -> f32 {
        to_dbfs(self.0)
    }
}

impl fmt::Display for Gain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0.0 { f.write_str("off") } else { write!(f, "{:.1} dB", self.to_db()) }
    }
}

/// The position of a channel between left (−1) and right (+1).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Pan(f32);

impl Pan {
    /// Left only.
    pub const LEFT: Pan = Pan(-1.0);
    /// Both sides, −3 dB each.
    pub const CENTRE: Pan = Pan(0.0);
    /// Right only.
    pub const RIGHT: Pan = Pan(1.0);

    /// A position, clamped to −1..=1; NaN is the centre.
    pub fn new(position: f32) -> Pan {
        if position.is_nan() { Pan::CENTRE } else { Pan(position.clamp(-1.0, 1.0)) }
    }

    /// The position, −1 to 1.
    pub const fn position(self) -> f32 {
        self.0
    }
}

/// The level of a channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Root mean square over the last 300 ms, in dBFS (a full-scale square wave is 0); −120 is silence.
    pub rms_dbfs: f32,
    /// Peak, falling by 20 dB per second, in dBFS; −120 is silence.
    pub peak_dbfs: f32,
}

impl Level {
    /// Silence.
    pub const SILENT: Level = Level { rms_dbfs: SILENCE_DBFS, peak_dbfs: SILENCE_DBFS };

    /// RMS and peak on the wire's scale. Only silence is 0; the scale ends at −90 dBFS.
    pub fn to_wire(self) -> [Peak; 2] {
        [self.rms_dbfs, self.peak_dbfs]
            .map(|dbfs| if dbfs > SILENCE_DBFS { Peak::of(&[10_f32.powf(dbfs / 20.0)]) } else { Peak(0) })
    }

    /// See [`Level::to_wire`].
    pub fn from_wire(rms: Peak, peak: Peak) -> Level {
        Level::from_linear(rms.to_f32(), peak.to_f32())
    }

    pub(crate) fn from_linear(rms: f32, peak: f32) -> Level {
        Level { rms_dbfs: to_dbfs(rms), peak_dbfs: to_dbfs(peak) }
    }
}

fn to_dbfs(linear: f32) -> f32 {
    if linear > 1e-6 { 20.0 * linear.log10() } else { SILENCE_DBFS }
}

/// Slices of the window that a meter averages over.
const SLICES: usize = 10;

/// Measures peak and RMS of one channel. Audio thread.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    /// The window's complete slices, the oldest overwritten first, and the one that fills.
    slices: [Slice; SLICES],
    oldest: usize,
    filling: Slice,
    peak: f32,
}

/// Sum of squares over some frames.
#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    sum: f32,
    frames: f32,
}

impl Meter {
    /// Duration of a slice, in seconds.
    const SLICE_TIME: f32 = 0.03;
    /// How fast the peak falls, in nepers per second: 20 dB.
    const PEAK_FALL: f32 = core::f32::consts::LN_10;
    /// A peak below this (−140 dBFS) is silence: the fall ends.
    const NOTHING: f32 = 1e-7;

    /// Takes the channel's next samples, at `rate` frames per second.
    pub(crate) fn feed(&mut self, samples: &[f32], rate: f32) {
        let (mut sum, mut top) = (0.0_f32, 0.0_f32);
        for &s in samples {
            sum += s * s;
            top = top.max(s.abs());
        }
        self.take(sum, top, samples.len(), rate);
    }

    /// Takes this many samples of silence.
    pub(crate) fn feed_silence(&mut self, frames: usize, rate: f32) {
        self.take(0.0, 0.0, frames, rate);
    }

    /// Takes the sum of squares and the largest magnitude of `frames` samples.
    fn take(&mut self, sum: f32, top: f32, frames: usize, rate: f32) {
        if frames == 0 {
            return;
        }
        let frames = frames as f32;
        self.filling = Slice { sum: self.filling.sum + sum, frames: self.filling.frames + frames };
        if self.filling.frames >= Self::SLICE_TIME * rate {
            self.slices[self.oldest] = std::mem::take(&mut self.filling);
            self.oldest = (self.oldest + 1) % SLICES;
        }
        let fallen = self.peak / (1.0 + Self::PEAK_FALL * frames / rate);
        self.peak = top.max(if fallen < Self::NOTHING { 0.0 } else { fallen });
    }

    /// Linear root mean square.
    pub(crate) fn rms(&self) -> f32 {
        let add = |a: Slice, b: &Slice| Slice { sum: a.sum + b.sum, frames: a.frames + b.frames };
        let window = self.slices.iter().fold(self.filling, add);
        if window.frames > 0.0 { (window.sum / window.frames).sqrt() } else { 0.0 }
    }

    /// Linear peak.
    pub(crate) fn peak(&self) -> f32 {
        self.peak
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0 dB is exactly unity, and NaN is off.
    #[test]
    fn gain_handles_unity_and_nan() {
        assert_eq!(Gain::db(0.0).factor(), 1.0);
        assert_eq!(Gain::db(f32::NAN), Gain::OFF);
        assert_eq!(Gain::db(f32::NEG_INFINITY), Gain::OFF);
        assert_eq!(Gain::db(1e9), Gain::MAX);
        assert!((Gain::db(-6.0).to_db() + 6.0).abs() < 1e-4);
    }

    /// The RMS of a full-scale sine is 3 dB below its peak.
    #[test]
    fn sine_rms_is_below_peak() {
        let sine: Vec<f32> = (0..48_000).map(|i| (i as f32 * 0.13).sin()).collect();
        let mut meter = Meter::default();
        for piece in sine.chunks(64).cycle().take(3000) {
            meter.feed(piece, 48_000.0);
        }
        let level = Level::from_linear(meter.rms(), meter.peak());
        assert!((level.rms_dbfs + 3.01).abs() < 0.1, "{level:?}");
        assert!(level.peak_dbfs.abs() < 0.2, "{level:?}");
    }

    /// A level is the same after the wire's scale, and silence stays silence.
    #[test]
    fn levels_survive_the_wire() {
        let loud = Level { rms_dbfs: -20.0, peak_dbfs: -3.0 };
        let [rms, peak] = loud.to_wire();
        let back = Level::from_wire(rms, peak);
        assert!((back.rms_dbfs + 20.0).abs() < 0.01 && (back.peak_dbfs + 3.0).abs() < 0.01, "{back:?}");
        assert_eq!(Level::SILENT.to_wire(), [Peak(0); 2]);
        assert_eq!(Level::from_wire(Peak(0), Peak(0)), Level::SILENT);
    }

    /// A third of a second after the last sound the RMS is silence.
    #[test]
    fn rms_becomes_silent_in_time() {
        let mut meter = Meter::default();
        for _ in 0..750 {
            meter.feed(&[1.0; 64], 48_000.0);
        }
        for _ in 0..750 / 3 {
            meter.feed(&[0.0; 64], 48_000.0);
        }
        assert_eq!(meter.rms(), 0.0);
        assert!(meter.peak() > 0.4);
    }

    /// The peak falls by 20 dB per second, and ends at silence.
    #[test]
    fn peak_falls_20_db_per_second() {
        let mut meter = Meter::default();
        meter.feed(&[1.0; 64], 48_000.0);
        for _ in 0..750 {
            meter.feed(&[0.0; 64], 48_000.0);
        }
        assert!((to_dbfs(meter.peak()) + 20.0).abs() < 0.2);
        for _ in 0..750 * 7 {
            meter.feed(&[0.0; 64], 48_000.0);
        }
        assert_eq!(meter.peak(), 0.0);
    }
}
