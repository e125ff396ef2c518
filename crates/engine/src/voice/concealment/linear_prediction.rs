//! Linear prediction: how a sound rings on without excitation.
//!
//! The next frame is a weighted sum of the last ones. The weights leave the least of the last 21 ms unexplained (the
//! autocorrelation method, solved by Levinson's recursion; Makhoul, "Linear prediction: a tutorial review", 1975). They
//! describe what resonates: a drum's skin, a string's body, a vowel. What they leave is the excitation.

/// Number of frames that a frame is predicted from.
pub(crate) const ORDER: usize = 24;

/// Frames that the weights are computed from.
const SPAN: usize = 1024;

/// The window falls over this many frames at its end (5 ms): the newest frames say the most.
const FALL: usize = 256;

/// Noise that every sound is assumed to contain, as a share of its power (−40 dB). Without it a pure tone's weights would be
/// nearly unstable, and ring on through whatever follows.
const NOISE: f64 = 1e-4;

/// Weights of the last [`ORDER`] frames, oldest first.
pub(crate) type Weights = [f32; ORDER];

/// The weights that best predict the end of `past`. The predicted sound always decays. All weights are 0 in silence, and if
/// `past` is shorter than 21 ms.
pub(crate) fn weights(past: &[f32]) -> Weights {
    const WINDOW: [f32; SPAN] = window();
    let Some(recent) = past.last_chunk::<SPAN>() else { return [0.0; ORDER] };
    let mut seen = [0.0; SPAN];
    for ((seen, sample), weight) in seen.iter_mut().zip(recent).zip(&WINDOW) {
        *seen = sample * weight;
    }
    let mut autocorrelation: [f64; ORDER + 1] =
        core::array::from_fn(|lag| f64::from(dot(&seen[lag..], &seen[..SPAN - lag])));
    autocorrelation[0] *= 1.0 + NOISE;
    solve(&autocorrelation)
}

/// The frame that follows the frames `before`.
pub(crate) fn predict(weights: &Weights, before: &[f32; ORDER]) -> f32 {
    dot(weights, before)
}

/// Levinson's recursion on the autocorrelation.
fn solve(autocorrelation: &[f64; ORDER + 1]) -> Weights {
    let mut newest_first = [0.0_f64; ORDER];
    let mut unexplained = autocorrelation[0];
    for known in 0..ORDER {
        let so_far = &newest_first[..known];
        let seen: f64 = so_far.iter().zip(autocorrelation[1..=known].iter().rev()).map(|(w, r)| w * r).sum();
        let reflection = (autocorrelation[known + 1] - seen) / unexplained;
        // Not a number if nothing is left to explain.
        if reflection.is_nan() || reflection.abs() >= 1.0 {
            break;
        }
        for near in 0..known.div_ceil(2) {
            let far = known - 1 - near;
            let (a, b) = (newest_first[near], newest_first[far]);
            (newest_first[near], newest_first[far]) = (a - reflection * b, b - reflection * a);
        }
        newest_first[known] = reflection;
        unexplained *= 1.0 - reflection * reflection;
    }
    core::array::from_fn(|i| newest_first[ORDER - 1 - i] as f32)
}

/// Rises smoothly over the past and falls over the newest frames.
const fn window() -> [f32; SPAN] {
    let mut window = [0.0; SPAN];
    let mut i = 0;
    while i < SPAN {
        let rising = (i as f32 + 0.5) / (SPAN - FALL) as f32;
        let falling = ((SPAN - i) as f32 - 0.5) / FALL as f32;
        let t = if i < SPAN - FALL { rising } else { falling };
        window[i] = t * t * (3.0 - 2.0 * t);
        i += 1;
    }
    window
}

/// The dot product over the shorter length. Eight parallel sums become vector instructions.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a8, b8) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0_f32; 8];
    for (a, b) in a8.0.iter().zip(b8.0) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a8.1.iter().zip(b8.1).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Continues `past` without excitation.
    fn ring_on(past: &[f32], frames: usize) -> Vec<f32> {
        let weights = weights(past);
        let mut sound = past.to_vec();
        for _ in 0..frames {
            let next = predict(&weights, sound.last_chunk().unwrap());
            sound.push(next);
        }
        sound.split_off(past.len())
    }

    /// The prediction continues a decaying sine.
    #[test]
    fn ringing_drum_rings_on() {
        let drum = |i: usize| 0.8 * (-(i as f32) / 3000.0).exp() * (i as f32 * 0.03).sin();
        let past: Vec<f32> = (0..2048).map(drum).collect();
        for (i, sample) in ring_on(&past, 240).into_iter().enumerate() {
            assert!((sample - drum(2048 + i)).abs() < 0.06, "{i}: {sample} {}", drum(2048 + i));
        }
    }

    /// Every predicted sound stays bounded and decays.
    #[test]
    fn every_prediction_decays() {
        let mut seed = 1_u32;
        let mut noise = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed as i32 as f32 / 2_147_483_648.0
        };
        let sounds: [Box<dyn FnMut(usize) -> f32>; 6] = [
            Box::new(|_| 1.0),
            Box::new(|i| if i % 2 == 0 { 8.0 } else { -8.0 }),
            Box::new(|i| (i as f32 * 0.001).sin()),
            Box::new(|i| if i == 2000 { 1.0 } else { 0.0 }),
            Box::new(|_| noise()),
            Box::new(|i| (i as f32 / 2048.0).powi(20)),
        ];
        for (which, mut sound) in sounds.into_iter().enumerate() {
            let past: Vec<f32> = (0..2048).map(&mut sound).collect();
            let rings = ring_on(&past, 200_000);
            assert!(rings.iter().all(|s| s.abs() < 10.0), "{which}");
            assert!(rings[199_000..].iter().all(|s| s.abs() < 0.01), "{which}: {:?}", rings.last());
        }
    }

    /// In silence, and for a short past, all weights are 0.
    #[test]
    fn silence_has_no_weights() {
        assert_eq!(weights(&[0.0; 2048]), [0.0; ORDER]);
        assert_eq!(weights(&[1.0; 20]), [0.0; ORDER]);
    }
}
