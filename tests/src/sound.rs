//! Test signals, and comparison of the sent with the received signal.

/// Noise of ±0.5 on a 16-bit grid, which every format carries exactly.
pub fn noise_16bit(frames: usize, seed: u32) -> Vec<f32> {
    noise(seed).take(frames).map(|v| (v * 16384.0).round() / 32768.0).collect()
}

/// Noise of ±0.5 that uses every bit of a float's mantissa.
pub fn noise_float(frames: usize, seed: u32) -> Vec<f32> {
    let mut coarse = noise(seed);
    let mut fine = noise(seed ^ 0x5555_5555);
    (0..frames).map(|_| coarse.next().unwrap_or(0.0) * 0.5 + fine.next().unwrap_or(0.0) * 1e-6).collect()
}

/// Noise from 50 Hz to 8 kHz: many sines of random frequency and phase, together below full scale.
pub fn noise_50_to_8000(frames: usize, rate: u32, seed: u32) -> Vec<f32> {
    const SINES: usize = 160;
    let mut random = noise(seed);
    let mut next = || f64::from(random.next().unwrap_or(0.0)) * 0.5 + 0.5;
    let mut out = vec![0.0f32; frames];
    for _ in 0..SINES {
        let step = std::f64::consts::TAU * (50.0 + next() * 7950.0) / f64::from(rate);
        let phase = next() * std::f64::consts::TAU;
        // A rotating phasor: computing a sine per sample would take too long.
        let (turn_re, turn_im) = (step.cos(), step.sin());
        let (mut re, mut im) = (phase.cos(), phase.sin());
        for o in &mut out {
            *o += (im * 0.02) as f32;
            (re, im) = (re * turn_re - im * turn_im, re * turn_im + im * turn_re);
        }
    }
    out
}

/// Uniform in −1…1, a linear congruential generator.
fn noise(seed: u32) -> impl Iterator<Item = f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state as i32) as f32 / 2_147_483_648.0
    })
}

/// Normalised correlation of two signals; 1 means equal shape.
pub fn similarity(a: &[f32], b: &[f32]) -> f64 {
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (&x, &y) in a.iter().zip(b) {
        let (x, y) = (f64::from(x), f64::from(y));
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    if aa * bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 }
}

/// Finds `window` frames of `sent` from `at` on in `got`: the delay in frames, at most `most`, with the highest
/// correlation, and that correlation.
pub fn delay_at(sent: &[f32], got: &[f32], at: usize, window: usize, most: usize) -> (usize, f64) {
    let pattern = &sent[at..at + window];
    (0..=most)
        .filter_map(|lag| Some((lag, similarity(pattern, got.get(at + lag..at + lag + window)?))))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap_or((0, 0.0))
}

/// Correlation of `window` frames of `sent` from `at` on with `got` around a delay of `lag` frames, at the best fraction
/// of a frame, by interpolation of `got`.
pub fn similarity_at_fractional_delay(sent: &[f32], got: &[f32], at: usize, window: usize, lag: usize) -> f64 {
    const STEPS: i32 = 64;
    let pattern = &sent[at..at + window];
    let at_fraction = |step: i32| {
        let shift = f64::from(step) / f64::from(STEPS);
        let moved: Vec<f32> = (0..window).map(|i| interpolate(got, (at + lag + i) as f64 + shift)).collect();
        similarity(pattern, &moved)
    };
    (-STEPS..=STEPS).map(at_fraction).fold(0.0, f64::max)
}

/// Value of `signal` between its samples, by a Blackman-windowed sinc of 64 taps.
fn interpolate(signal: &[f32], at: f64) -> f32 {
    const HALF: i64 = 32;
    let base = at.floor() as i64;
    let sum: f64 = (base - HALF + 1..=base + HALF)
        .filter_map(|i| {
            let sample = *signal.get(usize::try_from(i).ok()?)?;
            let x = at - i as f64;
            let w = 0.42
                + 0.5 * (std::f64::consts::PI * x / HALF as f64).cos()
                + 0.08 * (2.0 * std::f64::consts::PI * x / HALF as f64).cos();
            Some(f64::from(sample) * sinc(x) * w)
        })
        .sum();
    sum as f32
}

fn sinc(x: f64) -> f64 {
    let t = std::f64::consts::PI * x;
    if t.abs() < 1e-9 { 1.0 } else { t.sin() / t }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A delay is found to a fraction of a frame.
    #[test]
    fn finds_delay_and_its_fraction() {
        let sent = noise_50_to_8000(9000, 48_000, 3);
        let half_between: Vec<f32> = (0..9000).map(|i| interpolate(&sent, i as f64 - 100.5)).collect();
        let (lag, _) = delay_at(&sent, &half_between, 2000, 2000, 300);
        assert!(lag == 100 || lag == 101, "{lag}");
        assert!(similarity_at_fractional_delay(&sent, &half_between, 2000, 2000, lag) > 0.9999);
        let other = noise_50_to_8000(9000, 48_000, 4);
        assert!(similarity_at_fractional_delay(&sent, &other, 2000, 2000, lag) < 0.2);
    }
}
