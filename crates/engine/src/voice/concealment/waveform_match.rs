//! Finds the stretch of the past that is most like its end.

use super::linear_prediction::dot;
use crate::voice::buffer::HISTORY;
use rtjam_protocol::audio::CHANNELS;

/// Length of what is compared, in frames: the last 5 ms.
const TEMPLATE: usize = 240;

/// How far back a stretch may begin, in frames (10 to 30 ms, one period of 33 Hz): as far as it is played at full level, so
/// that it does not run into its own end.
const NEAREST: usize = 480;
pub(crate) const FARTHEST: usize = 1440;

/// A sound this similar to itself after a shorter time (down to 5 ms) has a pitch: it would have repeated those periods, and
/// they are closer to where the pitch is going.
const PERIODIC: f32 = 0.8;
const NEAREST_PERIOD: usize = 240;

/// An attack in the stretch must not be repeated: no 2.5 ms of it may have more than this many times the power of the last
/// 5 ms or, if the stretch is less similar to the end, of the last 2.5 ms.
const ATTACK: f32 = 4.0;
const ATTACK_UNLIKE: f32 = 2.0;
const ATTACK_FRAMES: usize = 120;

/// The first search is on every fourth frame, averaged; the second refines its result.
const COARSE: usize = 4;
const POINTS: usize = (FARTHEST + TEMPLATE) / COARSE;

/// A stretch of the past to continue with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stretch {
    /// How far before the end of the past it begins, in frames: [`NEAREST_PERIOD`] to [`FARTHEST`].
    pub(crate) lag: usize,
    /// The gain that brings it to the level of the end, 0 to 1.
    pub(crate) gain: f32,
    /// Whether it is so similar that the sound repeats, rather than decays or is noise.
    pub(crate) similar: bool,
}

/// The stretch that follows the 5 ms most similar to the last 5 ms of the past, by the largest normalised correlation over
/// both channels. `None` in silence.
///
/// `past` has at least [`HISTORY`] frames per channel. Bounded: about 22,000 multiplications.
pub(crate) fn best_match(past: [&[f32]; CHANNELS]) -> Option<Stretch> {
    let past = past.map(|p| &p[p.len() - HISTORY..]);
    let end = past.map(|p| &p[HISTORY - TEMPLATE..]);
    if end.iter().all(|e| e.iter().all(|&s| s == 0.0)) {
        return None;
    }
    let coarse = past.map(decimate);
    let spread = [&coarse[0][..], &coarse[1][..]];
    let rough = |from: usize, to: usize| best(spread, TEMPLATE / COARSE, from / COARSE..=to / COARSE);
    let (near, far) = (rough(NEAREST_PERIOD, NEAREST - COARSE), rough(NEAREST, FARTHEST));
    let refined = |rough: Candidate, from: usize, to: usize| {
        let lag = rough.lag * COARSE;
        best(past, TEMPLATE, (lag - COARSE).max(from)..=(lag + COARSE).min(to))
    };
    let near = (near.score > far.score && near.similarity > PERIODIC)
        .then(|| refined(near, NEAREST_PERIOD, NEAREST - 1))
        .filter(|near| near.similarity > PERIODIC);
    let found = near.unwrap_or_else(|| refined(far, NEAREST, FARTHEST));
    let similar = found.similarity > PERIODIC;
    Some(Stretch { lag: found.lag, gain: found.gain.min(gain_without_attack(past, found.lag, similar)), similar })
}

/// The gain that makes the loudest part of the stretch no louder than sound that goes on.
fn gain_without_attack(past: [&[f32]; CHANNELS], lag: usize, similar: bool) -> f32 {
    let power = |of: std::ops::Range<usize>| past.iter().map(|p| dot(&p[of.clone()], &p[of.clone()])).sum::<f32>();
    let (last, times) = if similar { (TEMPLATE, ATTACK) } else { (ATTACK_FRAMES, ATTACK_UNLIKE) };
    let end = power(HISTORY - last..HISTORY) * ATTACK_FRAMES as f32 / last as f32;
    let parts = (HISTORY - lag..HISTORY - ATTACK_FRAMES).step_by(ATTACK_FRAMES);
    let most = parts.map(|at| power(at..at + ATTACK_FRAMES)).fold(f32::MIN_POSITIVE, f32::max);
    (times * end / most).sqrt()
}

/// A lag, and how well it matches.
#[derive(Clone, Copy)]
struct Candidate {
    lag: usize,
    score: f32,
    /// Normalised correlation.
    similarity: f32,
    gain: f32,
}

/// The best of these lags.
fn best(past: [&[f32]; CHANNELS], template: usize, lags: std::ops::RangeInclusive<usize>) -> Candidate {
    let mut best = Candidate { lag: *lags.start(), score: f32::MIN, similarity: 0.0, gain: 0.0 };
    let ends = past.map(|p| &p[p.len() - template..]);
    let level: f32 = ends.iter().map(|e| dot(e, e)).sum();
    for lag in lags {
        let (mut product, mut energy) = (0.0, f32::MIN_POSITIVE);
        for (past, end) in past.iter().zip(ends) {
            let there = &past[past.len() - template - lag..][..template];
            product += dot(end, there);
            energy += dot(there, there);
        }
        // The sign is kept: a stretch of opposite phase is the worst match.
        let score = product * product.abs() / energy;
        if score > best.score {
            // Between the nearest shape, which makes noise too soft, and the same power.
            let gain = 0.5 * ((product / energy).clamp(0.0, 1.0) + (level / energy).sqrt().min(1.0));
            let similarity = product / (energy * level).sqrt().max(f32::MIN_POSITIVE);
            best = Candidate { lag, score, similarity, gain };
        }
    }
    best
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

    /// A periodic sound matches a whole number of periods earlier.
    #[test]
    fn periodic_sound_matches_whole_periods() {
        for period in [131, 240, 700, 1111] {
            let wave: Vec<f32> = (0..HISTORY)
                .map(|i| {
                    let t = (i % period) as f32 / period as f32 * std::f32::consts::TAU;
                    0.5 * t.sin() + 0.3 * (3.0 * t).cos() + 0.1 * (7.0 * t).sin()
                })
                .collect();
            let found = best_match([&wave, &wave]).unwrap();
            let off = found.lag % period;
            assert!(off.min(period - off) <= 1, "{period}: {found:?}");
            assert!(found.gain > 0.95);
        }
    }

    /// The gain brings the stretch of a decaying sound to the present level.
    #[test]
    fn decaying_sound_keeps_its_level() {
        let wave: Vec<f32> = (0..HISTORY).map(|i| (-(i as f32) / 500.0).exp() * (i as f32 * 0.1).sin()).collect();
        let found = best_match([&wave, &wave]).unwrap();
        let expected = (-(found.lag as f32) / 500.0).exp();
        assert!((found.gain - expected).abs() < 0.1, "{found:?} {expected}");
    }

    /// In silence there is nothing to continue.
    #[test]
    fn silence_has_no_match() {
        let mut wave = vec![0.0; HISTORY];
        wave[100] = 1.0;
        assert_eq!(best_match([&wave, &wave]), None);
    }
}
