//! What is heard where frames are missing.
//!
//! A gap continues with the stretch of the past that is most like its last 5 ms, read forward: at its level
//! for 10 ms, then faded to silence within 10 more. Pitch and tone go on; what is no tone is not heard twice at
//! full level, and an attack is not struck again. The return fades in over 2 ms, against the continuation if
//! that still sounds. Both channels use the same stretch, which keeps the image. The figures were chosen by
//! `lab conceal`; docs/PLAYOUT.md has what others gave.
//! A change of playout delay is a gap of no length: the old position goes on as a continuation while
//! the new one fades in.

use super::line::HISTORY;
use super::similar::similar_lag;
use rtjam_protocol::audio::CHANNELS;

/// A continuation is silent after this many frames (20 ms).
pub(crate) const TAIL: usize = 960;

/// It is at full level for so long (10 ms).
const HOLD: usize = 480;

/// The return takes so many frames (2 ms).
pub(crate) const RETURN: usize = 96;

/// Over so many frames (1.3 ms) the continuation moves from where the sound broke off to its own course.
const JOIN: usize = 64;

/// Fills gaps. Audio thread; bounded work, the search for the stretch being most of it.
pub(crate) struct Concealer {
    tail: Box<[[f32; TAIL]; CHANNELS]>,
    /// Frames of the tail already heard; [`TAIL`] when it is silent.
    heard: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Frames pass as they are.
    Sound,
    /// Frames are missing.
    Gap,
    /// Frames are back; so many have faded in.
    Return(usize),
}

impl Concealer {
    /// Before the first frame: the first sound fades in. Allocates.
    pub(crate) fn new() -> Concealer {
        Concealer { tail: Box::new([[0.0; TAIL]; CHANNELS]), heard: TAIL, state: State::Gap }
    }

    /// Fills missing frames, which follow `past`.
    pub(crate) fn fill(&mut self, past: [&[f32]; CHANNELS], gap: [&mut [f32]; CHANNELS]) {
        if self.state != State::Gap {
            self.continue_from(past);
            self.state = State::Gap;
        }
        let mut frames = 0;
        for (tail, gap) in self.tail.iter().zip(gap) {
            frames = gap.len();
            let sounding = frames.min(TAIL - self.heard);
            gap[..sounding].copy_from_slice(&tail[self.heard..self.heard + sounding]);
            gap[sounding..].fill(0.0);
        }
        self.heard = (self.heard + frames).min(TAIL);
    }

    /// Lets frames that are there pass, fading in when they come after a gap.
    pub(crate) fn pass(&mut self, sound: [&mut [f32]; CHANNELS]) {
        let begun = match self.state {
            State::Sound => return,
            State::Gap => 0,
            State::Return(frames) => frames,
        };
        let mut frames = 0;
        for (tail, sound) in self.tail.iter().zip(sound) {
            frames = sound.len().min(RETURN - begun);
            let rest = tail[self.heard..].iter().chain(std::iter::repeat(&0.0));
            for (i, (s, &t)) in sound[..frames].iter_mut().zip(rest).enumerate() {
                let weight = rise(begun + i + 1, RETURN);
                *s = t + (*s - t) * weight;
            }
        }
        self.heard = (self.heard + frames).min(TAIL);
        self.state = if begun + frames == RETURN { State::Sound } else { State::Return(begun + frames) };
    }

    /// The frames to come do not follow `past`: what was heard goes on under their fade-in.
    pub(crate) fn splice(&mut self, past: [&[f32]; CHANNELS]) {
        // In a gap the continuation sounds already.
        if self.state != State::Gap {
            self.continue_from(past);
            self.state = State::Return(0);
        }
    }

    /// Back to the state before the first frame.
    pub(crate) fn restart(&mut self) {
        self.heard = TAIL;
        self.state = State::Gap;
    }

    /// Makes the tail that continues `past` ([`HISTORY`] frames).
    fn continue_from(&mut self, past: [&[f32]; CHANNELS]) {
        self.heard = 0;
        let Some(stretch) = similar_lag(past) else {
            self.heard = TAIL;
            return;
        };
        let from = HISTORY - stretch.lag;
        for (tail, past) in self.tail.iter_mut().zip(past) {
            let past = &past[past.len() - HISTORY..];
            let stretch_again = past[from..].iter().cycle();
            // No louder than what it continues.
            let top = past[from..].iter().fold(0.0_f32, |m, s| m.max(s.abs()));
            let step = past[HISTORY - 1] - stretch.gain * past[from - 1];
            for (i, (t, s)) in tail.iter_mut().zip(stretch_again).enumerate() {
                let join = if i < JOIN { step * (1.0 - rise(i + 1, JOIN)) } else { 0.0 };
                let fade = if i < HOLD { 1.0 } else { 1.0 - rise(i - HOLD, TAIL - HOLD) };
                *t = (stretch.gain * s + join).clamp(-top, top) * fade;
            }
        }
    }
}

/// A smooth way from 0 to 1 (3t² − 2t³), `at` of `whole` steps done.
fn rise(at: usize, whole: usize) -> f32 {
    let t = at.min(whole) as f32 / whole as f32;
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(f: impl Fn(usize) -> f32) -> [Vec<f32>; 2] {
        [(0..HISTORY).map(&f).collect(), (0..HISTORY).map(|i| -0.5 * f(i)).collect()]
    }

    fn gap_after(past: &[Vec<f32>; 2], frames: usize) -> [Vec<f32>; 2] {
        let mut concealer = Concealer::new();
        concealer.state = State::Sound;
        let mut out = [vec![9.0; frames], vec![9.0; frames]];
        let [a, b] = &mut out;
        for (a, b) in a.chunks_mut(50).zip(b.chunks_mut(50)) {
            concealer.fill([&past[0], &past[1]], [a, b]);
        }
        out
    }

    fn widest_step(samples: &[f32]) -> f32 {
        samples.windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn a_tone_goes_on_then_fades_without_a_click() {
        for hz in [55.0, 220.0, 1000.0, 3000.0] {
            let tone = |i: usize| 0.8 * (std::f32::consts::TAU * hz * i as f32 / 48_000.0).sin();
            let past = past(tone);
            let gap = gap_after(&past, TAIL + 120);
            for (gap, past) in gap.iter().zip(&past) {
                let joined: Vec<f32> = past.iter().chain(gap).copied().collect();
                assert!(widest_step(&joined) < widest_step(past) * 1.3 + 0.002, "{hz}");
                assert!(gap[TAIL..].iter().all(|&s| s == 0.0));
            }
            // The first 2 ms are the tone itself.
            let off = (0..96).map(|i| (gap[0][i] - tone(HISTORY + i)).abs()).fold(0.0, f32::max);
            assert!(off < 0.12, "{hz}: {off}");
        }
    }

    #[test]
    fn silence_stays_silent() {
        let gap = gap_after(&past(|_| 0.0), 600);
        assert!(gap.iter().flatten().all(|&s| s == 0.0));
    }

    #[test]
    fn noise_is_continued_no_louder_than_it_was() {
        let mut seed = 1_u32;
        let noise: Vec<f32> = (0..HISTORY)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                seed as i32 as f32 / 2_147_483_648.0
            })
            .collect();
        let gap = gap_after(&past(|i| noise[i]), 600);
        assert!(gap[0].iter().all(|s| s.abs() <= 1.0));
        assert!(gap[0][..96].iter().any(|s| s.abs() > 0.05));
    }

    #[test]
    fn a_drum_is_not_struck_again() {
        let mut seed = 1_u32;
        for since in [500, 700, 1000, 1300] {
            // A hit that dies away within some 5 ms, and a gap some time after it.
            let hit: Vec<f32> = (0..HISTORY)
                .map(|i| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let noise = seed as i32 as f32 / 2_147_483_648.0;
                    let after = i as f32 - (HISTORY - since) as f32;
                    if after < 0.0 { 1e-3 * noise } else { 0.9 * noise * (-after / 250.0).exp() }
                })
                .collect();
            let power = |s: &[f32]| s.iter().map(|s| s * s).sum::<f32>() / s.len() as f32;
            let end = power(&hit[HISTORY - 240..]);
            let gap = gap_after(&past(|i| hit[i]), TAIL);
            for part in gap[0].chunks(120) {
                assert!(power(part) < 6.0 * end, "{since}: {} {end}", power(part));
            }
        }
    }

    #[test]
    fn the_return_meets_the_sound_and_then_leaves_it_alone() {
        let tone = |i: usize| 0.8 * (i as f32 * 0.05).sin();
        let before = past(tone);
        let mut concealer = Concealer::new();
        concealer.state = State::Sound;
        let mut gap = [[0.0; 100]; 2];
        let [a, b] = &mut gap;
        concealer.fill([&before[0], &before[1]], [a, b]);
        let real: Vec<f32> = (0..400).map(|i| tone(HISTORY + 100 + i)).collect();
        let (mut left, mut right) = (real.clone(), real.clone());
        for (l, r) in left.chunks_mut(64).zip(right.chunks_mut(64)) {
            concealer.pass([l, r]);
        }
        let whole: Vec<f32> = before[0].iter().chain(&gap[0]).chain(&left).copied().collect();
        assert!(widest_step(&whole) < widest_step(&before[0]) * 1.3 + 0.002);
        assert_eq!(left[RETURN..], real[RETURN..]);
    }
}
