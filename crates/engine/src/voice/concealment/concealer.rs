//! Conceals gaps by waveform matching and linear prediction.
//!
//! A gap continues with the stretch of the past that is most like its last 5 ms: at full level for 15 ms, then faded to
//! silence within 10 more. It does not repeat the stretch itself, but its excitation: what
//! [linear prediction](super::linear_prediction) leaves of it. That excites what was ringing at the end of the sound. So
//! pitch and timbre continue without a seam, a drum rings out, noise is not repeated at full level, and an attack is not
//! heard twice. The sound that returns fades in over 2 ms, against the continuation as long as that lasts. Both channels use
//! the same stretch, which keeps the stereo image. The parameters were chosen by `lab conceal`; docs/PLAYOUT.md compares
//! alternatives.
//!
//! A move of the read cursor is a gap of no length: the old position continues while the new one fades in.

use super::linear_prediction::{ORDER, Weights, predict, weights};
use super::waveform_match::{FARTHEST, best_match};
use crate::voice::buffer::HISTORY;
use rtjam_protocol::audio::CHANNELS;

/// A continuation is silent after this many frames (25 ms).
pub(crate) const TAIL: usize = 1200;

/// It is at full level for this many frames (15 ms).
const FULL_LEVEL: usize = 720;

/// The returning sound fades in over this many frames (2 ms).
pub(crate) const RETURN: usize = 96;

/// No frame of a continuation is louder than the loudest of the last 10 ms (half a period of 50 Hz). If the sound repeats,
/// and will be louder again, it may be louder by the second factor.
const RECENT: usize = 480;
const SWELL: f32 = 1.4;

/// Conceals gaps. Audio thread; bounded work, most of it the search for the stretch.
pub(crate) struct Concealer {
    tail: Tail,
    /// Frames of the tail already played; [`TAIL`] when it is silent.
    played: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Frames pass unchanged.
    Sound,
    /// Frames are missing.
    Gap,
    /// Frames are back; this many have faded in.
    Return(usize),
}

impl Concealer {
    /// The first sound will fade in. Allocates.
    pub(crate) fn new() -> Concealer {
        Concealer { tail: Tail::new(), played: TAIL, state: State::Gap }
    }

    /// Fills missing frames, which follow `past`.
    pub(crate) fn fill(&mut self, past: [&[f32]; CHANNELS], gap: [&mut [f32]; CHANNELS]) {
        if self.state != State::Gap {
            self.continue_from(past);
            self.state = State::Gap;
        }
        let frames = gap[0].len();
        self.tail.make(self.played + frames);
        for (channel, gap) in self.tail.channels.iter().zip(gap) {
            for (at, sample) in (self.played..).zip(gap) {
                *sample = channel.at(at);
            }
        }
        self.played = (self.played + frames).min(TAIL);
    }

    /// Passes frames that are there, fading them in after a gap.
    pub(crate) fn pass(&mut self, sound: [&mut [f32]; CHANNELS]) {
        let begun = match self.state {
            State::Sound => return,
            State::Gap => 0,
            State::Return(frames) => frames,
        };
        let frames = sound[0].len().min(RETURN - begun);
        self.tail.make(self.played + frames);
        for (channel, sound) in self.tail.channels.iter().zip(sound) {
            for (i, s) in sound[..frames].iter_mut().enumerate() {
                let t = channel.at(self.played + i);
                *s = t + (*s - t) * rise(begun + i + 1, RETURN);
            }
        }
        self.played = (self.played + frames).min(TAIL);
        self.state = if begun + frames == RETURN { State::Sound } else { State::Return(begun + frames) };
    }

    /// The next frames do not follow `past`: what was playing continues under their fade-in.
    pub(crate) fn splice(&mut self, past: [&[f32]; CHANNELS]) {
        // In a gap the continuation already plays.
        if self.state != State::Gap {
            self.continue_from(past);
            self.state = State::Return(0);
        }
    }

    /// Becomes as new.
    pub(crate) fn restart(&mut self) {
        self.played = TAIL;
        self.state = State::Gap;
    }

    /// Begins the tail that continues `past` ([`HISTORY`] frames).
    fn continue_from(&mut self, past: [&[f32]; CHANNELS]) {
        self.played = if self.tail.begin(past) { 0 } else { TAIL };
    }
}

/// How a sound continues. Computed only as far as it is played, since most gaps are short.
struct Tail {
    channels: [TailChannel; CHANNELS],
    /// Frames of the stretch, and its level.
    lag: usize,
    gain: f32,
    made: usize,
}

/// One channel of a tail.
struct TailChannel {
    weights: Weights,
    /// The largest magnitude that it may reach.
    top: f32,
    /// The stretch, and the frames before it.
    stretch: Box<[f32; ORDER + FARTHEST]>,
    /// The tail before its fade, and the frames before it.
    sound: Box<[f32; ORDER + TAIL]>,
}

impl Tail {
    fn new() -> Tail {
        Tail { channels: core::array::from_fn(|_| TailChannel::new()), lag: FARTHEST, gain: 0.0, made: TAIL }
    }

    /// Begins a tail. Returns whether there is anything to continue.
    fn begin(&mut self, past: [&[f32]; CHANNELS]) -> bool {
        let Some(stretch) = best_match(past) else { return false };
        (self.lag, self.gain, self.made) = (stretch.lag, stretch.gain, 0);
        let swell = if stretch.similar { SWELL } else { 1.0 };
        for (channel, past) in self.channels.iter_mut().zip(past) {
            channel.begin(&past[past.len() - HISTORY..], stretch.lag, swell);
        }
        true
    }

    /// Makes the tail `frames` frames long, both channels alternately: neither then waits for its own previous frame.
    fn make(&mut self, frames: usize) {
        let frames = frames.min(TAIL);
        let mut repeat = self.made % self.lag;
        for at in self.made..frames {
            self.channels.iter_mut().for_each(|channel| channel.step(at, repeat, self.gain));
            repeat = if repeat + 1 == self.lag { 0 } else { repeat + 1 };
        }
        self.made = self.made.max(frames);
    }
}

impl TailChannel {
    fn new() -> TailChannel {
        TailChannel {
            weights: [0.0; ORDER],
            top: 0.0,
            stretch: Box::new([0.0; ORDER + FARTHEST]),
            sound: Box::new([0.0; ORDER + TAIL]),
        }
    }

    fn begin(&mut self, past: &[f32], lag: usize, swell: f32) {
        let stretch = &past[past.len() - lag - ORDER..];
        self.weights = weights(past);
        let loudest = |of: usize| past[past.len() - of..].iter().fold(0.0_f32, |m, s| m.max(s.abs()));
        self.top = loudest(lag).min(swell * loudest(RECENT));
        self.stretch[..stretch.len()].copy_from_slice(stretch);
        self.sound[..ORDER].copy_from_slice(&past[past.len() - ORDER..]);
    }

    /// Computes frame `at` of the tail: what rings, excited as the stretch was at its frame `repeat`.
    fn step(&mut self, at: usize, repeat: usize, gain: f32) {
        let (Some(before), Some(stretch_before)) =
            (self.sound[at..].first_chunk(), self.stretch[repeat..].first_chunk::<ORDER>())
        else {
            return;
        };
        let excitation = self.stretch[repeat + ORDER] - predict(&self.weights, stretch_before);
        let sample = predict(&self.weights, before) + gain * excitation;
        self.sound[at + ORDER] = sample.clamp(-self.top, self.top);
    }

    /// Frame `at` with its fade; computed before.
    fn at(&self, at: usize) -> f32 {
        let fade = if at < FULL_LEVEL { 1.0 } else { 1.0 - rise(at - FULL_LEVEL, TAIL - FULL_LEVEL) };
        self.sound.get(at + ORDER).map_or(0.0, |s| s * fade)
    }
}

/// A smooth rise from 0 to 1 (3t² − 2t³), after `at` of `whole` steps.
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

    /// A tone continues without a click, and then fades to silence.
    #[test]
    fn tone_continues_then_fades() {
        for hz in [55.0, 220.0, 1000.0, 3000.0] {
            let tone = |i: usize| 0.8 * (std::f32::consts::TAU * hz * i as f32 / 48_000.0).sin();
            let past = past(tone);
            let gap = gap_after(&past, TAIL + 120);
            for (gap, past) in gap.iter().zip(&past) {
                let joined: Vec<f32> = past.iter().chain(gap).copied().collect();
                assert!(widest_step(&joined) < widest_step(past) * 1.3 + 0.002, "{hz}");
                assert!(gap[TAIL..].iter().all(|&s| s == 0.0));
            }
            // The first 2 ms equal the tone itself.
            let off = (0..96).map(|i| (gap[0][i] - tone(HISTORY + i)).abs()).fold(0.0, f32::max);
            assert!(off < 0.12, "{hz}: {off}");
        }
    }

    /// A gap in silence is silent.
    #[test]
    fn silence_stays_silent() {
        let gap = gap_after(&past(|_| 0.0), 600);
        assert!(gap.iter().flatten().all(|&s| s == 0.0));
    }

    /// Noise continues, and does not get louder.
    #[test]
    fn noise_does_not_get_louder() {
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

    /// A drum's attack is not repeated in a gap after it.
    #[test]
    fn drum_is_not_repeated() {
        let mut seed = 1_u32;
        for since in [500, 700, 1000, 1300] {
            // A hit that decays within some 5 ms, and a gap some time after it.
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

    /// The sound returns without a click, and after 2 ms bit for bit.
    #[test]
    fn return_is_smooth_then_exact() {
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
