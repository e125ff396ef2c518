//! How a sound rings on when nothing strikes it: linear prediction.
//!
//! The next frame is a weighted sum of the last ones. The weights are those that leave least of the last 21 ms
//! unexplained (the autocorrelation method, solved by Levinson's recursion; Makhoul, "Linear prediction: a tutorial
//! review", 1975). They hold what resounds: a drum's skin, a string's body, a vowel. What they leave is what strikes.

/// Frames that a frame is predicted from.
pub(crate) const ORDER: usize = 24;

/// What the weights are found in, in frames.
const SPAN: usize = 1024;

/// Of these, over how many the weight falls at the end (5 ms): the newest frames tell most.
const FALL: usize = 256;

/// As much noise as this is thought to be in every sound, as a share of its power (−40 dB). Without it a pure tone's
/// weights would lie at the edge of what is stable, and ring on through whatever follows.
const NOISE: f64 = 1e-4;

/// The weights of the last [`ORDER`] frames, the oldest first.
pub(crate) type Weights = [f32; ORDER];

/// The weights that predict the end of `past` best, always of a sound that dies away. In silence, and where `past` is
/// shorter than 21 ms, all are 0.
pub(crate) fn weights(past: &[f32]) -> Weights {
    const WINDOW: [f32; SPAN] = window();
    let Some(recent) = past.last_chunk::<SPAN>() else { return [0.0; ORDER] };
    let mut seen = [0.0; SPAN];
    for ((seen, sample), weight) in seen.iter_mut().zip(recent).zip(&WINDOW) {
        *seen = sample * weight;
    }
    let mut alike: [f64; ORDER + 1] = core::array::from_fn(|lag| f64::from(dot(&seen[lag..], &seen[..SPAN - lag])));
    alike[0] *= 1.0 + NOISE;
    solve(&alike)
}

/// What comes after the frames `before`.
pub(crate) fn predict(weights: &Weights, before: &[f32; ORDER]) -> f32 {
    dot(weights, before)
}

/// Levinson's recursion.
fn solve(alike: &[f64; ORDER + 1]) -> Weights {
    let mut newest_first = [0.0_f64; ORDER];
    let mut unexplained = alike[0];
    for known in 0..ORDER {
        let so_far = &newest_first[..known];
        let seen: f64 = so_far.iter().zip(alike[1..=known].iter().rev()).map(|(w, r)| w * r).sum();
        let reflection = (alike[known + 1] - seen) / unexplained;
        // No number where nothing is left to explain.
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

/// Eight sums side by side, which the compiler turns into vectors. As long as the shorter of both.
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

    /// What `past` becomes when nothing strikes it.
    fn ring_on(past: &[f32], frames: usize) -> Vec<f32> {
        let weights = weights(past);
        let mut sound = past.to_vec();
        for _ in 0..frames {
            let next = predict(&weights, sound.last_chunk().unwrap());
            sound.push(next);
        }
        sound.split_off(past.len())
    }

    #[test]
    fn a_ringing_drum_rings_on() {
        let drum = |i: usize| 0.8 * (-(i as f32) / 3000.0).exp() * (i as f32 * 0.03).sin();
        let past: Vec<f32> = (0..2048).map(drum).collect();
        for (i, sample) in ring_on(&past, 240).into_iter().enumerate() {
            assert!((sample - drum(2048 + i)).abs() < 0.06, "{i}: {sample} {}", drum(2048 + i));
        }
    }

    #[test]
    fn whatever_sounded_dies_away() {
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

    #[test]
    fn silence_has_no_weights() {
        assert_eq!(weights(&[0.0; 2048]), [0.0; ORDER]);
        assert_eq!(weights(&[1.0; 20]), [0.0; ORDER]);
    }
}
