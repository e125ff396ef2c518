//! Where in the past the sound was most like its end.

use super::line::HISTORY;
use rtjam_protocol::audio::CHANNELS;

/// What is compared: the last 5 ms.
const TEMPLATE: usize = 240;

/// How far back a stretch may begin, in frames: as far as it will be read (10 ms), so that it never
/// runs into its own end, to 30 ms, one period of 33 Hz.
const NEAREST: usize = 480;
const FARTHEST: usize = 1440;

/// The first search is on every fourth frame, averaged; the second looks around its best.
const COARSE: usize = 4;
const POINTS: usize = (FARTHEST + TEMPLATE) / COARSE;

/// A stretch of the past to continue with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stretch {
    /// How far before the end of the past it begins, in frames: [`NEAREST`] to [`FARTHEST`].
    pub(crate) lag: usize,
    /// What brings it to the level of the end, 0 to 1.
    pub(crate) gain: f32,
}

/// The stretch whose last 5 ms before it are most like the last 5 ms of the past (the largest normalised
/// correlation over both channels). `None` in silence.
///
/// `past` is at least [`HISTORY`] frames a channel. Bounded: about 17,000 multiplications.
pub(crate) fn similar_lag(past: [&[f32]; CHANNELS]) -> Option<Stretch> {
    let past = past.map(|p| &p[p.len() - HISTORY..]);
    let end = past.map(|p| &p[HISTORY - TEMPLATE..]);
    if end.iter().all(|e| e.iter().all(|&s| s == 0.0)) {
        return None;
    }
    let coarse = past.map(decimate);
    let spread = [&coarse[0][..], &coarse[1][..]];
    let rough = best(spread, TEMPLATE / COARSE, NEAREST / COARSE..=FARTHEST / COARSE).lag * COARSE;
    let around = (rough - COARSE).max(NEAREST)..=(rough + COARSE).min(FARTHEST);
    Some(best(past, TEMPLATE, around))
}

/// The best of some lags.
fn best(past: [&[f32]; CHANNELS], template: usize, lags: std::ops::RangeInclusive<usize>) -> Stretch {
    let mut best = Stretch { lag: *lags.start(), gain: 0.0 };
    let mut best_score = f32::MIN;
    for lag in lags {
        let (mut product, mut energy) = (0.0, f32::MIN_POSITIVE);
        for past in past {
            let end = &past[past.len() - template..];
            let there = &past[past.len() - template - lag..][..template];
            product += dot(end, there);
            energy += dot(there, there);
        }
        // The sign is kept: a stretch of opposite phase is the worst of all.
        let score = product * product.abs() / energy;
        if score > best_score {
            (best_score, best) = (score, Stretch { lag, gain: (product / energy).clamp(0.0, 1.0) });
        }
    }
    best
}

/// Eight sums side by side, which the compiler turns into vectors.
fn dot(a: &[f32], b: &[f32]) -> f32 {
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

fn decimate(past: &[f32]) -> [f32; POINTS] {
    let recent = &past[past.len() - POINTS * COARSE..];
    let mut points = [0.0; POINTS];
    for (point, of) in points.iter_mut().zip(recent.as_chunks::<COARSE>().0) {
        *point = of.iter().sum::<f32>();
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_periodic_sound_is_continued_a_whole_number_of_periods_back() {
        for period in [131, 240, 700, 1111] {
            let wave: Vec<f32> = (0..HISTORY)
                .map(|i| {
                    let t = (i % period) as f32 / period as f32 * std::f32::consts::TAU;
                    0.5 * t.sin() + 0.3 * (3.0 * t).cos() + 0.1 * (7.0 * t).sin()
                })
                .collect();
            let found = similar_lag([&wave, &wave]).unwrap();
            let off = found.lag % period;
            assert!(off.min(period - off) <= 1, "{period}: {found:?}");
            assert!(found.gain > 0.95);
        }
    }

    #[test]
    fn a_decaying_sound_goes_on_at_its_present_level() {
        let wave: Vec<f32> = (0..HISTORY).map(|i| (-(i as f32) / 500.0).exp() * (i as f32 * 0.1).sin()).collect();
        let found = similar_lag([&wave, &wave]).unwrap();
        let expected = (-(found.lag as f32) / 500.0).exp();
        assert!((found.gain - expected).abs() < 0.1, "{found:?} {expected}");
    }

    #[test]
    fn in_silence_there_is_nothing_to_continue() {
        let mut wave = vec![0.0; HISTORY];
        wave[100] = 1.0;
        assert_eq!(similar_lag([&wave, &wave]), None);
    }
}
