//! The fractional-delay filter: reads between frames, to follow a musician's clock.

use rtjam_protocol::audio::CHANNELS;

/// Taps of the filter; a multiple of [`LANES`].
pub(crate) const TAPS: usize = 24;

/// Frames after the one read that the filter needs. At phase 0 their weight is 0.
pub(crate) const AHEAD: usize = TAPS / 2;

/// Rows of the table between two frames; weights in between are interpolated linearly.
const PHASES: usize = 256;

/// Taps that are computed at once.
const LANES: usize = 8;
const _: () = assert!(TAPS.is_multiple_of(LANES));

/// Shape of the Kaiser window: stopband below −80 dB.
const BETA: f64 = 8.0;

/// A polyphase windowed sinc. Its row for phase 0 is exactly a unit impulse, so on whole frames the output is bit-exact.
pub(crate) struct FractionalDelay {
    rows: Box<[[f32; TAPS]]>,
}

impl FractionalDelay {
    /// Allocates 24 KiB, shared by all voices.
    pub(crate) fn new() -> FractionalDelay {
        FractionalDelay { rows: (0..=PHASES).map(row).collect() }
    }

    /// Reads `out.len()` frames of `line` (both channels), the first at frame `start` plus `phase` (0 to 1), each `step` after
    /// the previous one.
    ///
    /// `line` must hold `TAPS / 2 − 1` frames before the first one and [`AHEAD`] after the last; otherwise the rest of `out` is
    /// silence.
    pub(crate) fn read(
        &self,
        line: [&[f32]; CHANNELS],
        start: usize,
        phase: f64,
        step: f64,
        out: [&mut [f32]; CHANNELS],
    ) {
        let [left, right] = out;
        for (i, (l, r)) in left.iter_mut().zip(right).enumerate() {
            let at = phase + step * i as f64;
            let whole = at as usize;
            let from = (start + whole + 1).saturating_sub(AHEAD);
            [*l, *r] = self.between(at - whole as f64, line.map(|c| c.get(from..).and_then(<[f32]>::first_chunk)));
        }
    }

    /// One frame, at `phase` between taps `AHEAD − 1` and `AHEAD`. The lanes become vector instructions.
    fn between(&self, phase: f64, taps: [Option<&[f32; TAPS]>; CHANNELS]) -> [f32; CHANNELS] {
        let [Some(left), Some(right)] = taps else { return [0.0; CHANNELS] };
        let at = phase * PHASES as f64;
        let row = (at as usize).min(PHASES - 1);
        let between = (at - row as f64) as f32;
        let (low, high) = (&self.rows[row], &self.rows[row + 1]);
        let mut sums = [[0.0_f32; LANES]; CHANNELS];
        for k in (0..TAPS).step_by(LANES) {
            for lane in 0..LANES {
                let weight = low[k + lane] + (high[k + lane] - low[k + lane]) * between;
                sums[0][lane] += weight * left[k + lane];
                sums[1][lane] += weight * right[k + lane];
            }
        }
        sums.map(|lanes| lanes.iter().sum())
    }
}

/// The weights at `index`/[`PHASES`] between taps `AHEAD − 1` and `AHEAD`.
fn row(index: usize) -> [f32; TAPS] {
    let impulse = |tap| core::array::from_fn(|k| if k == tap { 1.0 } else { 0.0 });
    if index == 0 {
        return impulse(AHEAD - 1);
    }
    if index == PHASES {
        return impulse(AHEAD);
    }
    let phase = index as f64 / PHASES as f64;
    let raw: [f64; TAPS] = core::array::from_fn(|k| {
        let x = k as f64 - (AHEAD - 1) as f64 - phase;
        let edge = x / AHEAD as f64;
        let window = bessel((1.0 - edge * edge).max(0.0).sqrt() * BETA) / bessel(BETA);
        let px = core::f64::consts::PI * x;
        px.sin() / px * window
    });
    // Every row passes a constant unchanged, so bass does not ripple while the phase moves.
    let total: f64 = raw.iter().sum();
    raw.map(|w| (w / total) as f32)
}

/// The modified Bessel function I₀ by its power series.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let mut total = 1.0;
    for k in 1..40 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        total += term;
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &[f32], start: usize, phase: f64, step: f64, frames: usize) -> Vec<f32> {
        let (mut left, mut right) = (vec![0.0; frames], vec![0.0; frames]);
        FractionalDelay::new().read([line, line], start, phase, step, [&mut left, &mut right]);
        assert_eq!(left, right);
        left
    }

    /// At phase 0 the output is bit-exact.
    #[test]
    fn whole_frames_are_exact() {
        let line: Vec<f32> = (0..200).map(|i| (i as f32 * 0.77).sin()).collect();
        assert_eq!(read(&line, 30, 0.0, 1.0, 100), line[30..130]);
    }

    /// Between frames a tone keeps its shape up to 15 kHz.
    #[test]
    fn tones_survive_the_filter() {
        for hz in [100.0, 1000.0, 5000.0, 10_000.0, 15_000.0] {
            let wave = |t: f64| (std::f64::consts::TAU * hz * t / 48_000.0).sin();
            let line: Vec<f32> = (0..3000).map(|i| wave(i as f64) as f32).collect();
            let step = 1.000_2;
            let got = read(&line, 100, 0.3, step, 2000);
            let worst =
                (0..2000).map(|i| (f64::from(got[i]) - wave(100.3 + step * i as f64)).abs()).fold(0.0, f64::max);
            assert!(worst < if hz > 12_000.0 { 2e-2 } else { 5e-4 }, "{hz}: {worst}");
        }
    }

    /// Where frames are missing the output is silence.
    #[test]
    fn missing_frames_read_as_silence() {
        assert_eq!(read(&[1.0; 10], 500, 0.5, 1.0, 4), [0.0; 4]);
        assert_eq!(read(&[], 0, 0.0, 1.0, 4), [0.0; 4]);
    }
}
