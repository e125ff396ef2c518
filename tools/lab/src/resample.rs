//! Sample rate conversion of complete sounds.

/// Taps on each side, at the lower of the two rates.
const HALF: usize = 24;
/// Rows of the filter's table; values between two rows are interpolated.
const ROWS: usize = 512;

/// `signal` at another rate, by a Blackman-windowed sinc; the first frames of both coincide.
pub fn resample(signal: &[f32], from: f64, to: f64) -> Vec<f32> {
    if from == to {
        return signal.to_vec();
    }
    let stretch = (from / to).max(1.0);
    let half = (HALF as f64 * stretch).ceil() as usize;
    let rows: Vec<Vec<f32>> = (0..=ROWS).map(|row| weights(row as f64 / ROWS as f64, half, stretch)).collect();
    let frames = (signal.len() as f64 * to / from) as usize;
    (0..frames).map(|n| at(signal, n as f64 * from / to, half, &rows)).collect()
}

/// `frames` frames of `signal`, read from the fractional `position` on.
pub fn between_frames(signal: &[f32], position: f64, frames: usize) -> Vec<f32> {
    let row = weights(position.fract(), HALF, 1.0);
    let rows = [row.clone(), row];
    let whole = position.floor();
    (0..frames).map(|n| at(signal, whole + n as f64, HALF, &rows)).collect()
}

fn at(signal: &[f32], position: f64, half: usize, rows: &[Vec<f32>]) -> f32 {
    let whole = position as usize;
    let row = (position - whole as f64) * ROWS as f64;
    let (low, high) = (&rows[row as usize], &rows[(row as usize + 1).min(ROWS)]);
    let between = row.fract() as f32;
    let taps = low.iter().zip(high).enumerate();
    let tap = |(k, (low, high)): (usize, (&f32, &f32))| {
        let index = (whole + k + 1).checked_sub(half)?;
        Some(signal.get(index)? * (low + (high - low) * between))
    };
    taps.filter_map(tap).sum()
}

/// The filter for a fraction `phase` of a frame.
fn weights(phase: f64, half: usize, stretch: f64) -> Vec<f32> {
    let pi = std::f64::consts::PI;
    let weight = |k: usize| {
        let x = k as f64 + 1.0 - half as f64 - phase;
        let window = x / half as f64;
        let blackman = 0.42 + 0.5 * (pi * window).cos() + 0.08 * (2.0 * pi * window).cos();
        let t = pi * x / stretch;
        let sinc = if t.abs() < 1e-9 { 1.0 } else { t.sin() / t };
        (sinc * blackman / stretch) as f32
    };
    (0..2 * half).map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shift by a fraction of a frame is exact.
    #[test]
    fn fractional_shift_is_exact() {
        let signal: Vec<f32> = (0..500).map(|n| (n as f32 * 0.3).sin()).collect();
        let moved = between_frames(&signal, 100.25, 200);
        let worst = (0..200).map(|n| (moved[n] - ((n as f32 + 100.25) * 0.3).sin()).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-3, "{worst}");
    }

    /// A tone keeps its pitch, position and level.
    #[test]
    fn tone_survives_resampling() {
        for (from, to) in [(44_100.0, 48_000.0), (96_000.0, 48_000.0), (48_000.0, 44_100.0)] {
            let tone = |rate: f64, n: usize| (n as f64 / rate * 5000.0).sin() as f32;
            let signal: Vec<f32> = (0..4800).map(|n| tone(from, n)).collect();
            let out = resample(&signal, from, to);
            let worst = (100..out.len() - 100).map(|n| (out[n] - tone(to, n)).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-3, "{from} {to}: {worst}");
        }
    }
}
