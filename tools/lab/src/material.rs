//! Synthesised stereo sounds of typical instruments, for judging concealment.
//!
//! | material | what it is | its difficulty |
//! |---|---|---|
//! | speech | pulses of a gliding pitch through three moving formants, hisses, pauses | pitch that moves, noise, silence |
//! | plucked | strings after Karplus and Strong (1983), four of them, struck again and again | attacks, then slow decay |
//! | percussive | bass drum, snare and hi-hat | attacks, noise, much silence |
//! | sustained | a chord of four voices with eight harmonics and vibrato each | several pitches at once |
//! | mixed | all of these, each at its own place | everything at once |

use super::random::Random;
use rtjam_protocol::audio::{CHANNELS, WIRE_RATE};
use std::f32::consts::TAU;
use std::fmt;

/// Frames per second.
const RATE: f32 = WIRE_RATE as f32;

/// Peak amplitude.
const PEAK: f32 = 0.7;

/// A kind of sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the module's table is the documentation")]
pub enum Material {
    Speech,
    Plucked,
    Percussive,
    Sustained,
    Mixed,
}

impl Material {
    /// All materials.
    pub const ALL: [Material; 5] =
        [Material::Speech, Material::Plucked, Material::Percussive, Material::Sustained, Material::Mixed];

    /// Name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Material::Speech => "speech",
            Material::Plucked => "plucked",
            Material::Percussive => "percussive",
            Material::Sustained => "sustained",
            Material::Mixed => "mixed",
        }
    }

    /// `frames` frames of the material, determined by `seed`.
    pub fn play(self, frames: usize, seed: u64) -> [Vec<f32>; CHANNELS] {
        let mut random = Random::new(seed, self as u64);
        let mut sound = match self {
            Material::Speech => placed(&speech(frames, &mut random), 0.8),
            Material::Plucked => placed(&plucked(frames, &mut random), 0.5),
            Material::Percussive => placed(&percussive(frames, &mut random), 0.7),
            Material::Sustained => placed(&sustained(frames, &mut random), 0.9),
            Material::Mixed => {
                let parts = [
                    placed(&speech(frames, &mut random), 0.9),
                    placed(&plucked(frames, &mut random), 0.3),
                    placed(&percussive(frames, &mut random), 0.7),
                    placed(&sustained(frames, &mut random), 0.5),
                ];
                let mut sum = [vec![0.0; frames], vec![0.0; frames]];
                for part in &parts {
                    for (sum, part) in sum.iter_mut().zip(part) {
                        sum.iter_mut().zip(part).for_each(|(s, p)| *s += p);
                    }
                }
                sum
            }
        };
        let top = sound.iter().flatten().fold(f32::MIN_POSITIVE, |m, s| m.max(s.abs()));
        sound.iter_mut().flatten().for_each(|s| *s *= PEAK / top);
        sound
    }
}

impl fmt::Display for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Places a sound between two microphones: the second receives `share` of it, 0.2 ms later.
fn placed(sound: &[f32], share: f32) -> [Vec<f32>; CHANNELS] {
    let later = (0..sound.len()).map(|i| if i < 10 { 0.0 } else { share * sound[i - 10] });
    [sound.to_vec(), later.collect()]
}

fn hiss(random: &mut Random) -> f32 {
    (random.unit() * 2.0 - 1.0) as f32
}

/// Formants of vowels, in Hz.
const VOWELS: [[f32; 3]; 5] = [
    [700.0, 1220.0, 2600.0],
    [390.0, 1990.0, 2550.0],
    [310.0, 870.0, 2250.0],
    [530.0, 1840.0, 2480.0],
    [570.0, 840.0, 2410.0],
];

/// A two-pole resonator.
#[derive(Clone, Copy, Default)]
struct Resonator([f32; 2]);

impl Resonator {
    fn step(&mut self, input: f32, hertz: f32, width: f32) -> f32 {
        let r = (-std::f32::consts::PI * width / RATE).exp();
        let out = (1.0 - r) * input + 2.0 * r * (TAU * hertz / RATE).cos() * self.0[0] - r * r * self.0[1];
        self.0 = [out, self.0[0]];
        out
    }
}

/// Syllables of 120 to 260 ms, some with a hiss before them, and regular pauses.
fn speech(frames: usize, random: &mut Random) -> Vec<f32> {
    let mut out = Vec::with_capacity(frames);
    let mut formants = [Resonator::default(); 3];
    let (mut phase, mut vowel) = (0.0_f32, VOWELS[0]);
    let mut pitch = 120.0_f32;
    while out.len() < frames {
        let target = VOWELS[(random.bits() % 5) as usize];
        let aim = random.between(95.0, 190.0) as f32;
        if random.unit() < 0.4 {
            let long = random.between(2000.0, 4500.0) as usize;
            let mut before = 0.0;
            for i in 0..long {
                let noise = hiss(random);
                out.push((noise - before) * 0.12 * (std::f32::consts::PI * i as f32 / long as f32).sin());
                before = noise;
            }
        }
        let long = random.between(6000.0, 12_500.0) as usize;
        for i in 0..long {
            let part = i as f32 / long as f32;
            for (v, t) in vowel.iter_mut().zip(target) {
                *v += (t - *v) * 0.0008;
            }
            pitch += (aim - pitch) * 0.0002;
            phase += pitch / RATE;
            let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
            phase = phase.fract();
            let breath = 0.01 * hiss(random);
            let loud = (part * 8.0).min(1.0) * ((1.0 - part) * 5.0).min(1.0);
            let mut sample = 0.0;
            for ((f, hertz), width) in formants.iter_mut().zip(vowel).zip([80.0, 100.0, 140.0]) {
                sample += f.step(pulse + breath, hertz, width);
            }
            out.push(sample * loud * 8.0);
        }
        if random.unit() < 0.3 {
            out.extend(std::iter::repeat_n(0.0, random.between(4000.0, 16_000.0) as usize));
        }
    }
    out.truncate(frames);
    out
}

/// Four strings, each plucked about every half second.
fn plucked(frames: usize, random: &mut Random) -> Vec<f32> {
    const NOTES: [f32; 8] = [82.4, 110.0, 146.8, 164.8, 196.0, 220.0, 246.9, 329.6];
    let mut out = vec![0.0; frames];
    for voice in 0..4 {
        let mut at = 6000 * voice;
        while at < frames {
            let period = RATE / NOTES[(random.bits() % 8) as usize];
            let mut string: Vec<f32> = (0..period as usize).map(|_| hiss(random)).collect();
            let until = frames.min(at + random.between(20_000.0, 34_000.0) as usize);
            let mut place = 0;
            for sample in &mut out[at..until] {
                let next = (place + 1) % string.len();
                *sample += string[place] * 0.25;
                string[place] = 0.5 * 0.998 * (string[place] + string[next]);
                place = next;
            }
            at = until;
        }
    }
    out
}

/// Sixteenths at 120 bpm: bass drum, snare, hi-hat and rests.
fn percussive(frames: usize, random: &mut Random) -> Vec<f32> {
    let mut out = vec![0.0; frames];
    for (step, begin) in (0..frames).step_by(6000).enumerate() {
        let begin = begin + random.between(0.0, 300.0) as usize;
        let hit = match step % 8 {
            0 | 5 => 0,
            4 => 1,
            _ if random.unit() < 0.6 => 2,
            _ => continue,
        };
        let (mut phase, mut before) = (0.0_f32, 0.0);
        for (i, sample) in out[begin.min(frames)..].iter_mut().take(14_000).enumerate() {
            let seconds = i as f32 / RATE;
            let noise = hiss(random);
            *sample += match hit {
                0 => {
                    phase += (48.0 + 110.0 * (-seconds * 40.0).exp()) / RATE;
                    0.9 * (phase * TAU).sin() * (-seconds * 14.0).exp()
                }
                1 => (0.5 * noise + 0.4 * (seconds * 187.0 * TAU).sin()) * (-seconds * 22.0).exp(),
                _ => 0.25 * (noise - before) * (-seconds * 70.0).exp(),
            };
            before = noise;
        }
    }
    out
}

/// A chord that changes every two seconds.
fn sustained(frames: usize, random: &mut Random) -> Vec<f32> {
    const CHORDS: [[f32; 4]; 3] =
        [[130.8, 196.0, 261.6, 329.6], [110.0, 164.8, 220.0, 277.2], [146.8, 220.0, 293.7, 349.2]];
    let mut phases = [[0.0_f32; 8]; 4];
    phases.iter_mut().flatten().for_each(|p| *p = random.unit() as f32);
    let mut sample = |i: usize| {
        let seconds = i as f32 / RATE;
        let chord = CHORDS[(i / 96_000) % 3];
        let mut sum = 0.0;
        for ((voice, hertz), rate) in phases.iter_mut().zip(chord).zip([4.9, 5.3, 5.7, 6.1]) {
            let pitch = hertz * (1.0 + 0.006 * (TAU * rate * seconds).sin());
            for (harmonic, phase) in (1_u8..).zip(voice) {
                *phase = (*phase + pitch * f32::from(harmonic) / RATE).fract();
                sum += (*phase * TAU).sin() / f32::from(harmonic);
            }
        }
        sum * (0.8 + 0.2 * (TAU * 0.31 * seconds).sin())
    };
    (0..frames).map(&mut sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each material has the properties in the module's table.
    #[test]
    fn materials_have_their_properties() {
        let silent = |s: &[f32]| s.chunks(480).filter(|b| b.iter().all(|s| s.abs() < 0.002)).count() as f32 / 500.0;
        for material in Material::ALL {
            let [left, right] = material.play(240_000, 1);
            assert_eq!((left.len(), right.len()), (240_000, 240_000));
            let top = left.iter().chain(&right).fold(0.0_f32, |m, s| m.max(s.abs()));
            assert!((top - PEAK).abs() < 1e-3, "{material} {top}");
            assert_ne!(left, right);
            assert_eq!(material.play(1000, 2), material.play(1000, 2));
            let rests = matches!(material, Material::Speech | Material::Percussive);
            assert_eq!(silent(&left) > 0.05, rests, "{material}: {}", silent(&left));
        }
    }
}
