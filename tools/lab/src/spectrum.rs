//! Perceptual distance of two sounds.
//!
//! **Loudness distance**, in %: both sounds are split into windows of 21 ms (Hann, every 5 ms), the power of each window is
//! summed in 40 bands of equal width in mel, and each band's power is raised to 0.3 to estimate its loudness (Stevens, "The
//! measurement of loudness", 1955). The distance is the sum of the loudness differences over all bands and windows, relative
//! to the loudness of the original. Silence instead of sound, sound instead of silence, a click and a wrong pitch each count
//! by their loudness. Phase, which is inaudible, does not count, and a faithful continuation is not penalised for a shift by
//! some samples.
//!
//! **Log-spectral distance**, in dB, as in studies of speech coding (Gray and Markel, "Distance measures for speech
//! processing", 1976): the root mean square of the level differences of the same bands, limited to 60 dB below the loudest.
//! It weights faint bands like loud ones and serves as a second opinion.

use rtjam_protocol::audio::WIRE_RATE;
use std::f32::consts::TAU;

/// Frames per window, and frames from one window to the next.
pub const WINDOW: usize = 1024;
/// See [`WINDOW`].
pub const HOP: usize = 240;

const BANDS: usize = 40;
const LOWEST_HZ: f32 = 50.0;
const HIGHEST_HZ: f32 = 16_000.0;

/// Exponent from power to loudness.
const STEVENS: f32 = 0.3;

/// Dynamic range that is audible beside loud sound, in dB.
const RANGE_DB: f32 = 60.0;

/// Sums over windows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Distance {
    off: f64,
    loudness: f64,
    log: f64,
    windows: f64,
}

impl Distance {
    /// Loudness difference, in % of the original's loudness.
    pub fn loudness_pct(&self) -> f64 {
        100.0 * self.off / self.loudness.max(f64::MIN_POSITIVE)
    }

    /// Log-spectral distance in dB.
    pub fn log_db(&self) -> f64 {
        self.log / self.windows.max(1.0)
    }
}

/// Compares sounds; holds the tables of its Fourier transform.
pub struct SpectrumComparison {
    window: Vec<f32>,
    turns: Vec<[f32; 2]>,
    edges: Vec<f32>,
}

impl Default for SpectrumComparison {
    fn default() -> SpectrumComparison {
        SpectrumComparison::new()
    }
}

impl SpectrumComparison {
    /// Computes the tables.
    pub fn new() -> SpectrumComparison {
        let mel = |hertz: f32| 2595.0 * (1.0 + hertz / 700.0).log10();
        let bin = |mel: f32| 700.0 * (10_f32.powf(mel / 2595.0) - 1.0) * WINDOW as f32 / WIRE_RATE as f32;
        let (low, high) = (mel(LOWEST_HZ), mel(HIGHEST_HZ));
        let at = |i: usize| TAU * i as f32 / WINDOW as f32;
        SpectrumComparison {
            window: (0..WINDOW).map(|i| (at(i) / 2.0).sin().powi(2)).collect(),
            turns: (0..WINDOW / 2).map(|i| [at(i).cos(), -at(i).sin()]).collect(),
            edges: (0..=BANDS).map(|i| bin(low + (high - low) * i as f32 / BANDS as f32)).collect(),
        }
    }

    /// Adds the difference between `heard` and `meant` to `sum`, in windows that contain a frame marked in `counts`.
    pub fn compare(&self, meant: &[f32], heard: &[f32], counts: &[bool], sum: &mut Distance) {
        let frames = meant.len().min(heard.len()).min(counts.len());
        let starts: Vec<usize> = (0..frames.saturating_sub(WINDOW)).step_by(HOP).collect();
        // The window's outer quarters have little weight.
        let touched = |at: &usize| counts[at + WINDOW / 4..at + 3 * WINDOW / 4].contains(&true);
        let starts: Vec<usize> = starts.into_iter().filter(touched).collect();
        let pairs: Vec<_> = starts
            .iter()
            .map(|&at| (self.bands(&meant[at..at + WINDOW]), self.bands(&heard[at..at + WINDOW])))
            .collect();
        let top = pairs.iter().flat_map(|p| p.0).fold(f32::MIN_POSITIVE, f32::max);
        let floor = top * 10_f32.powf(-RANGE_DB / 10.0);
        for (meant, heard) in &pairs {
            let mut squares = 0.0;
            for (m, h) in meant.iter().zip(heard) {
                let (loud, instead) = (m.powf(STEVENS), h.powf(STEVENS));
                sum.off += f64::from((loud - instead).abs());
                sum.loudness += f64::from(loud);
                squares += (10.0 * (m.max(floor) / h.max(floor)).log10()).powi(2);
            }
            sum.log += f64::from((squares / BANDS as f32).sqrt());
            sum.windows += 1.0;
        }
    }

    /// Power in each band. Bands narrower than a bin receive a part of it.
    fn bands(&self, samples: &[f32]) -> [f32; BANDS] {
        let mut points: Vec<[f32; 2]> = samples.iter().zip(&self.window).map(|(s, w)| [s * w, 0.0]).collect();
        self.transform(&mut points);
        let power: Vec<f32> = points[..WINDOW / 2].iter().map(|[re, im]| re * re + im * im).collect();
        core::array::from_fn(|band| {
            let (from, to) = (self.edges[band], self.edges[band + 1]);
            (from as usize..=(to as usize).min(power.len() - 1))
                .map(|bin| power[bin] * (to.min(bin as f32 + 1.0) - from.max(bin as f32)).max(0.0))
                .sum()
        })
    }

    /// Discrete Fourier transform in place (Cooley and Tukey, 1965).
    fn transform(&self, points: &mut [[f32; 2]]) {
        let n = points.len();
        let bits = n.trailing_zeros();
        for i in 0..n {
            let j = i.reverse_bits() >> (usize::BITS - bits);
            if i < j {
                points.swap(i, j);
            }
        }
        let mut half = 1;
        while half < n {
            let stride = n / (2 * half);
            for group in points.chunks_mut(2 * half) {
                let (low, high) = group.split_at_mut(half);
                for ((a, b), turn) in low.iter_mut().zip(high).zip(self.turns.iter().step_by(stride)) {
                    let t = [b[0] * turn[0] - b[1] * turn[1], b[0] * turn[1] + b[1] * turn[0]];
                    *b = [a[0] - t[0], a[1] - t[1]];
                    *a = [a[0] + t[0], a[1] + t[1]];
                }
            }
            half *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f32, loud: f32) -> Vec<f32> {
        (0..9600).map(|i| loud * (TAU * hertz * i as f32 / WIRE_RATE as f32).sin()).collect()
    }

    fn distance(meant: &[f32], heard: &[f32]) -> Distance {
        let mut sum = Distance::default();
        SpectrumComparison::new().compare(meant, heard, &vec![true; meant.len()], &mut sum);
        sum
    }

    /// A sound has no distance to itself, and a distance to others.
    #[test]
    fn equal_sounds_have_no_distance() {
        let meant = tone(440.0, 0.5);
        assert!(distance(&meant, &meant).loudness_pct() < 1e-3);
        let shifted: Vec<f32> = meant[13..].iter().chain(&meant[..13]).copied().collect();
        let softer = tone(440.0, 0.4);
        let other = tone(550.0, 0.5);
        let silence = vec![0.0; 9600];
        let order = [&shifted, &softer, &other].map(|heard| distance(&meant, heard).loudness_pct());
        assert!(order[0] < order[1] && order[1] < order[2], "{order:?}");
        assert!((distance(&meant, &silence).loudness_pct() - 100.0).abs() < 1.0);
        assert!(distance(&meant, &softer).log_db() < distance(&meant, &silence).log_db());
    }

    /// A click with the amplitude of a tone counts half as much as the tone in each window that contains it.
    #[test]
    fn click_counts_by_its_loudness() {
        let meant = tone(440.0, 0.5);
        let mut heard = meant.clone();
        heard[5000] += 0.5;
        let click = distance(&meant, &heard).loudness_pct();
        let (windows, touched) = ((meant.len() - WINDOW) / HOP + 1, WINDOW as f64 / HOP as f64);
        assert!(click > 50.0 * touched / windows as f64, "{click}");
        // A sine's power is half of its transform's squared magnitude.
        let power: f32 = SpectrumComparison::new().bands(&meant[..WINDOW]).iter().sum();
        let expected = (0.5 * WINDOW as f32 / 4.0).powi(2) * 1.5;
        assert!((power / expected - 1.0).abs() < 0.1, "{power} {expected}");
    }
}
