//! The demo: an endless plucked arpeggio over four chords, with a bass and soft drums; identical in every run.
//!
//! The strings are Karplus–Strong (Karplus & Strong 1983, with the fractional tuning of Jaffe & Smith 1983). The state has a
//! fixed size: only [`Demo::new`] allocates.

use std::f32::consts::TAU;

const BEATS_PER_MINUTE: f64 = 104.0;
/// Sixteenths.
const STEPS_PER_BEAT: f64 = 4.0;
const STEPS_PER_BAR: u64 = 16;

/// Am, F, C, G: the arpeggio's four strings as MIDI notes, and the bass.
const CHORDS: [([u8; 4], u8); 4] =
    [([57, 60, 64, 69], 45), ([57, 60, 65, 69], 41), ([55, 60, 64, 72], 36), ([55, 59, 62, 67], 43)];
/// The string that is plucked on each eighth of a bar.
const PATTERN: [usize; 8] = [0, 1, 2, 3, 2, 1, 3, 2];
/// The sixteenths on which the bass plays, and the length of each note in seconds.
const BASS_STEPS: [(u64, f32); 3] = [(0, 0.7), (6, 0.3), (10, 0.5)];

/// Gain that brings the mix to about −15 dBFS RMS.
const MASTER: f32 = 0.9;

/// The whole band.
pub(crate) struct Demo {
    frames_per_step: f64,
    step: u64,
    frame: u64,
    next_step_at: u64,
    strings: [Pluck; 4],
    bass: Bass,
    kick: Kick,
    snare: Noise,
    hat: Noise,
    random: Xorshift,
    dc: [DcBlock; 2],
}

impl Demo {
    /// The band at a sample rate in Hz, at the first bar.
    pub(crate) fn new(rate: u32) -> Demo {
        let hz = rate.max(1000) as f32;
        Demo {
            frames_per_step: f64::from(hz) * 60.0 / (BEATS_PER_MINUTE * STEPS_PER_BEAT),
            step: 0,
            frame: 0,
            next_step_at: 0,
            strings: std::array::from_fn(|i| Pluck::new(hz, 0.25 + 0.5 * i as f32 / 3.0)),
            bass: Bass::new(hz),
            kick: Kick::new(hz),
            snare: Noise::new(hz, 0.11, 1200.0),
            hat: Noise::new(hz, 0.035, 6500.0),
            random: Xorshift(0x5eed_1234),
            dc: [DcBlock::new(hz), DcBlock::new(hz)],
        }
    }

    /// Audio thread. Renders the next frames.
    pub(crate) fn play(&mut self, left: &mut [f32], right: &mut [f32]) {
        for (l, r) in left.iter_mut().zip(right) {
            if self.frame == self.next_step_at {
                self.begin_step();
            }
            self.frame += 1;
            let [a, b] = self.mix();
            *l = bounded(self.dc[0].pass(a * MASTER));
            *r = bounded(self.dc[1].pass(b * MASTER));
        }
    }

    fn begin_step(&mut self) {
        let in_bar = self.step % STEPS_PER_BAR;
        let (notes, root) = CHORDS[(self.step / STEPS_PER_BAR) as usize % CHORDS.len()];
        if in_bar.is_multiple_of(2) {
            let eighth = (in_bar / 2) as usize;
            let string = PATTERN[eighth];
            let accent = if eighth.is_multiple_of(4) { 1.0 } else { 0.75 };
            self.strings[string].pluck(hertz(notes[string]), accent, &mut self.random);
        }
        if let Some((_, ring)) = BASS_STEPS.iter().find(|(at, _)| *at == in_bar) {
            self.bass.play(hertz(root), *ring);
        }
        match in_bar {
            0 | 8 => self.kick.hit(),
            4 | 12 => self.snare.hit(0.30),
            _ => {}
        }
        if in_bar.is_multiple_of(2) {
            self.hat.hit(if in_bar % 4 == 2 { 0.16 } else { 0.09 });
        }
        self.step += 1;
        // Computed from the step number, so that the beat does not drift at any sample rate.
        self.next_step_at = (self.step as f64 * self.frames_per_step).round() as u64;
    }

    fn mix(&mut self) -> [f32; 2] {
        let noise = self.random.next();
        let middle = self.bass.next() + self.kick.next() + self.snare.next(noise);
        let hat = self.hat.next(noise);
        let mut out = [middle + hat * 0.6, middle + hat];
        for string in &mut self.strings {
            let s = string.next();
            out[0] += s * (1.0 - string.pan);
            out[1] += s * string.pan;
        }
        out
    }
}

fn hertz(note: u8) -> f32 {
    440.0 * ((f32::from(note) - 69.0) / 12.0).exp2()
}

/// Soft clipping above half of full scale; the result stays below 0.95.
fn bounded(x: f32) -> f32 {
    let over = x.abs() - 0.5;
    if over <= 0.0 { x } else { (0.5 + 0.45 * over / (over + 0.45)).copysign(x) }
}

/// Length of the delay line: the lowest note is 110 Hz, the highest sample rate 192 kHz.
const LINE: usize = 2048;

/// A string: a delay line, a two-point mean as the loss filter, and an allpass for the fractional tuning.
struct Pluck {
    rate: f32,
    pan: f32,
    line: [f32; LINE],
    len: usize,
    at: usize,
    loss: f32,
    tune: f32,
    last: f32,
    allpass: [f32; 2],
}

impl Pluck {
    fn new(rate: f32, pan: f32) -> Pluck {
        Pluck { rate, pan, line: [0.0; LINE], len: 2, at: 0, loss: 0.0, tune: 0.0, last: 0.0, allpass: [0.0; 2] }
    }

    fn pluck(&mut self, hertz: f32, accent: f32, random: &mut Xorshift) {
        // The mean delays by half a sample, the allpass by 0.1 to 1.1 samples, the line by the rest.
        let period = self.rate / hertz - 0.5;
        self.len = ((period - 0.1) as usize).clamp(2, LINE);
        let fraction = period - self.len as f32;
        self.tune = (1.0 - fraction) / (1.0 + fraction);
        self.loss = 10_f32.powf(-3.0 / (hertz * 1.6));
        self.at = 0;
        self.excite(accent, random);
    }

    /// Fills the string with a burst of noise, low-passed at a few kHz and without DC.
    fn excite(&mut self, accent: f32, random: &mut Xorshift) {
        let soft = 1.0 - (-TAU * 2800.0 / self.rate).exp();
        let (mut low, mut sum, mut power) = (0.0, 0.0, 0.0);
        let string = &mut self.line[..self.len];
        for s in string.iter_mut() {
            low += soft * (random.next() - low);
            *s = low;
            sum += low;
        }
        let mean = sum / string.len() as f32;
        for s in string.iter_mut() {
            *s -= mean;
            power += *s * *s;
        }
        let gain = accent * 0.42 / (power / string.len() as f32).sqrt().max(1e-3);
        for s in string.iter_mut() {
            *s *= gain;
        }
    }

    fn next(&mut self) -> f32 {
        let out = self.line[self.at];
        let mean = 0.5 * (out + self.last) * self.loss;
        self.last = out;
        let tuned = self.tune * (mean - self.allpass[1]) + self.allpass[0];
        self.allpass = [mean, tuned];
        self.line[self.at] = tuned;
        self.at = if self.at + 1 >= self.len { 0 } else { self.at + 1 };
        out
    }
}

/// The bass: a decaying sine with a little of its octave and twelfth.
struct Bass {
    rate: f32,
    phase: f32,
    step: f32,
    level: f32,
    aim: f32,
    fade: f32,
    attack: f32,
}

impl Bass {
    fn new(rate: f32) -> Bass {
        let attack = 1.0 - (-1.0 / (0.004 * rate)).exp();
        Bass { rate, phase: 0.0, step: 0.0, level: 0.0, aim: 0.0, fade: 0.0, attack }
    }

    fn play(&mut self, hertz: f32, ring: f32) {
        self.step = hertz / self.rate;
        self.aim = 0.36;
        self.fade = (-1.0 / (ring * self.rate)).exp();
    }

    fn next(&mut self) -> f32 {
        self.level += self.attack * (self.aim - self.level);
        self.aim *= self.fade;
        self.phase = (self.phase + self.step).fract();
        let x = self.phase * TAU;
        self.level * (x.sin() + 0.35 * (2.0 * x).sin() + 0.15 * (3.0 * x).sin())
    }
}

/// The bass drum: a sine that falls from 150 to 48 Hz.
struct Kick {
    rate: f32,
    phase: f32,
    seconds: f32,
}

impl Kick {
    /// Length in seconds.
    const ENDS: f32 = 0.6;

    fn new(rate: f32) -> Kick {
        Kick { rate, phase: 0.0, seconds: Kick::ENDS }
    }

    fn hit(&mut self) {
        (self.phase, self.seconds) = (0.0, 0.0);
    }

    fn next(&mut self) -> f32 {
        if self.seconds >= Kick::ENDS {
            return 0.0;
        }
        let hertz = 48.0 + 102.0 * (-self.seconds / 0.03).exp();
        self.phase = (self.phase + hertz / self.rate).fract();
        self.seconds += 1.0 / self.rate;
        0.5 * (-self.seconds / 0.09).exp() * (self.phase * TAU).sin()
    }
}

/// Snare or hi-hat: high-passed noise that decays.
struct Noise {
    level: f32,
    fade: f32,
    low: f32,
    corner: f32,
}

impl Noise {
    fn new(rate: f32, ring: f32, corner: f32) -> Noise {
        let corner = 1.0 - (-TAU * corner / rate).exp();
        Noise { level: 0.0, fade: (-1.0 / (ring * 0.5 * rate)).exp(), low: 0.0, corner }
    }

    fn hit(&mut self, level: f32) {
        self.level = level;
    }

    fn next(&mut self, noise: f32) -> f32 {
        self.low += self.corner * (noise - self.low);
        // Ends before the level becomes denormal.
        self.level = if self.level < 1e-6 { 0.0 } else { self.level * self.fade };
        self.level * (noise - self.low)
    }
}

/// A high-pass filter at 10 Hz.
struct DcBlock {
    keep: f32,
    x: f32,
    y: f32,
}

impl DcBlock {
    fn new(rate: f32) -> DcBlock {
        DcBlock { keep: 1.0 - TAU * 10.0 / rate, x: 0.0, y: 0.0 }
    }

    fn pass(&mut self, x: f32) -> f32 {
        self.y = x - self.x + self.keep * self.y;
        self.x = x;
        self.y
    }
}

/// White noise in −1 to 1 (xorshift, Marsaglia 2003).
struct Xorshift(u32);

impl Xorshift {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as f32 / (u32::MAX as f32) * 2.0 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(rate: u32, seconds: u32, block: usize) -> [Vec<f32>; 2] {
        let mut demo = Demo::new(rate);
        let frames = (rate * seconds) as usize;
        let [mut left, mut right] = [vec![0.0; frames], vec![0.0; frames]];
        for (l, r) in left.chunks_mut(block).zip(right.chunks_mut(block)) {
            demo.play(l, r);
        }
        [left, right]
    }

    fn dbfs(samples: &[f32]) -> f32 {
        10.0 * (samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32).log10()
    }

    #[test]
    fn level_is_right_at_all_rates() {
        for rate in [8_000, 44_100, 48_000, 96_000, 192_000] {
            for channel in render(rate, 12, 64) {
                let level = dbfs(&channel);
                assert!((-18.0..=-12.0).contains(&level), "{level} dBFS at {rate} Hz");
                let peak = channel.iter().fold(0.0_f32, |m, s| m.max(s.abs()));
                assert!(peak < 0.95 && peak.is_finite(), "peak {peak} at {rate} Hz");
                let mean = channel.iter().sum::<f32>() / channel.len() as f32;
                assert!(mean.abs() < 1e-3, "mean {mean} at {rate} Hz");
            }
        }
    }

    #[test]
    fn demo_is_stereo_without_gaps() {
        let [left, right] = render(48_000, 20, 128);
        for part in left.chunks_exact(24_000) {
            assert!(dbfs(part) > -30.0, "{}", dbfs(part));
        }
        assert_ne!(left, right);
    }

    #[test]
    fn output_is_deterministic() {
        assert_eq!(render(48_000, 3, 64), render(48_000, 3, 1000));
    }

    #[test]
    fn strings_are_in_tune() {
        for rate in [44_100.0, 48_000.0, 96_000.0] {
            let mut string = Pluck::new(rate, 0.5);
            string.pluck(440.0, 1.0, &mut Xorshift(1));
            let sound: Vec<f32> = (0..rate as usize / 2).map(|_| string.next()).collect();
            // The energy at 440 Hz against a third of a semitone to either side.
            let at = |hertz: f32| {
                let (s, c) = sound.iter().enumerate().fold((0.0, 0.0), |(s, c), (i, x)| {
                    let a = f64::from(hertz) * std::f64::consts::TAU * i as f64 / f64::from(rate);
                    (s + f64::from(*x) * a.sin(), c + f64::from(*x) * a.cos())
                });
                s.hypot(c)
            };
            assert!(at(440.0) > 2.0 * at(431.5) && at(440.0) > 2.0 * at(448.6), "at {rate} Hz");
        }
    }
}
