//! Where in the past the sound was most like its end.

use super::line::HISTORY;
use super::predict::dot;
use rtjam_protocol::audio::CHANNELS;

/// What is compared: the last 5 ms.
const TEMPLATE: usize = 240;

/// How far back a stretch may begin, in frames (10 to 30 ms, one period of 33 Hz): as far as it is read at full
/// level, so that it does not run into its own end.
const NEAREST: usize = 480;
pub(crate) const FARTHEST: usize = 1440;

/// A sound that is as like itself as this, a shorter time ago (down to 5 ms), has a pitch: reading those periods
/// again is what it would have done, and they are closer to where the pitch is going.
const PERIODIC: f32 = 0.8;
const NEAREST_PERIOD: usize = 240;

/// An attack in the stretch must not sound again: no 2.5 ms of it may have more than this many times the power of
/// the last 5 ms, or, where the stretch is not that like the end, of the last 2.5 ms.
const ATTACK: f32 = 4.0;
const ATTACK_UNLIKE: f32 = 2.0;
const ATTACK_FRAMES: usize = 120;

/// The first search is on every fourth frame, averaged; the second looks around its best.
const COARSE: usize = 4;
const POINTS: usize = (FARTHEST + TEMPLATE) / COARSE;

/// A stretch of the past to continue with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stretch {
    /// How far before the end of the past it begins, in frames: [`NEAREST_PERIOD`] to [`FARTHEST`].
    pub(crate) lag: usize,
    /// What brings it to the level of the end, 0 to 1.
    pub(crate) gain: f32,
    /// Whether the sound is so like it that it repeats, rather than dies away or hisses.
    pub(crate) alike: bool,
}

/// The stretch whose last 5 ms before it are most like the last 5 ms of the past (the largest normalised
/// correlation over both channels). `None` in silence.
///
/// `past` is at least [`HISTORY`] frames a channel. Bounded: about 22,000 multiplications.
pub(crate) fn similar_lag(past: [&[f32]; CHANNELS]) -> Option<Stretch> {
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
    let near = (near.score > far.score && near.likeness > PERIODIC)
        .then(|| refined(near, NEAREST_PERIOD, NEAREST - 1))
        .filter(|near| near.likeness > PERIODIC);
    let found = near.unwrap_or_else(|| refined(far, NEAREST, FARTHEST));
    let alike = found.likeness > PERIODIC;
    Some(Stretch { lag: found.lag, gain: found.gain.min(without_attack(past, found.lag, alike)), alike })
}

/// What makes the loudest part of the stretch no louder than sound that goes on.
fn without_attack(past: [&[f32]; CHANNELS], lag: usize, alike: bool) -> f32 {
    let power = |of: std::ops::Range<usize>| past.iter().map(|p| dot(&p[of.clone()], &p[of.clone()])).sum::<f32>();
    let (last, times) = if alike { (TEMPLATE, ATTACK) } else { (ATTACK_FRAMES, ATTACK_UNLIKE) };
    let end = power(HISTORY - last..HISTORY) * ATTACK_FRAMES as f32 / last as f32;
    let parts = (HISTORY - lag..HISTORY - ATTACK_FRAMES).step_by(ATTACK_FRAMES);
    let most = parts.map(|at| power(at..at + ATTACK_FRAMES)).fold(f32::MIN_POSITIVE, f32::max);
    (times * end / most).sqrt()
}

/// A place in the past, and how good it is.
#[derive(Clone, Copy)]
struct Candidate {
    lag: usize,
    score: f32,
    /// Normalised correlation.
    likeness: f32,
    gain: f32,
}

/// The best of some lags.
fn best(past: [&[f32]; CHANNELS], template: usize, lags: std::ops::RangeInclusive<usize>) -> Candidate {
    let mut best = Candidate { lag: *lags.start(), score: f32::MIN, likeness: 0.0, gain: 0.0 };
    let ends = past.map(|p| &p[p.len() - template..]);
    let level: f32 = ends.iter().map(|e| dot(e, e)).sum();
    for lag in lags {
        let (mut product, mut energy) = (0.0, f32::MIN_POSITIVE);
        for (past, end) in past.iter().zip(ends) {
            let there = &past[past.len() - template - lag..][..template];
            product += dot(end, there);
            energy += dot(there, there);
        }
        // The sign is kept: a stretch of opposite phase is the worst of all.
        let score = product * product.abs() / energy;
        if score > best.score {
            // Between what is nearest in shape, which makes noise too soft, and what has the same power.
            let gain = 0.5 * ((product / energy).clamp(0.0, 1.0) + (level / energy).sqrt().min(1.0));
            let likeness = product / (energy * level).sqrt().max(f32::MIN_POSITIVE);
            best = Candidate { lag, score, likeness, gain };
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
