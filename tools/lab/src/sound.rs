//! What is played: a sound to judge by, and a noise to find one's place by.

use super::random::Random;
use super::resample::resample;
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use rtjam_protocol::audio::WIRE_RATE;
use std::path::Path;

/// Level of the noise in channel 2: −80 dBFS. Far below what any decision on the sound looks at.
const FAINT: f32 = 1e-4;

/// The loudest that a sound may be: the room's limiter begins at −1 dBFS and must not work.
const LOUDEST: f32 = 0.85;

/// A chord with a short burst of noise every 250 ms, as the probe plays that RTJam is compared with other
/// systems by.
pub fn chord(frames: usize) -> Vec<f32> {
    const HERTZ: [f64; 4] = [220.0, 277.18, 329.63, 1318.5];
    let mut random = 1_u32;
    let mut sample = |n: usize| {
        let seconds = n as f64 / f64::from(WIRE_RATE);
        let tones: f64 = HERTZ.iter().map(|hz| (std::f64::consts::TAU * hz * seconds).sin()).sum();
        let mut value = 0.09 * tones as f32;
        if n % 12_000 < 480 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            value += random as i32 as f32 / 2_147_483_648.0 * 0.4;
        }
        value
    };
    (0..frames).map(&mut sample).collect()
}

/// Faint noise, every stretch of which is unlike every other. Its spectrum falls towards 24 kHz, so that it
/// is still alike to itself half a frame later.
pub fn marks(frames: usize) -> Vec<f32> {
    let mut random = Random::new(0x6D61_726B, 0);
    let mut past = [0.0_f32; 5];
    let mut sample = |_| {
        past.rotate_left(1);
        past[4] = (random.unit() * 2.0 - 1.0) as f32;
        // Binomial weights; their root sum of squares is 8.4, a uniform variable's deviation 0.58.
        let sum = past[0] + 4.0 * past[1] + 6.0 * past[2] + 4.0 * past[3] + past[4];
        sum * (FAINT / (8.37 * 0.577))
    };
    (0..frames).map(&mut sample).collect()
}

/// Reads a WAV file as one channel at 48 kHz, repeated or cut to `frames`, no louder than the limiter allows.
///
/// # Errors
/// When the file cannot be read, or holds nothing.
pub fn read_wav(path: &Path, frames: usize) -> Result<Vec<f32>, hound::Error> {
    let mut reader = WavReader::open(path)?;
    let spec = reader.spec();
    let samples: Vec<f32> = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().collect::<Result<_, _>>()?,
        SampleFormat::Int => {
            let scale = (1_i64 << (spec.bits_per_sample - 1)) as f32;
            reader.samples::<i32>().map(|s| s.map(|s| s as f32 / scale)).collect::<Result<_, _>>()?
        }
    };
    let channels = usize::from(spec.channels.max(1));
    let mono: Vec<f32> = samples.chunks(channels).map(|f| f.iter().sum::<f32>() / channels as f32).collect();
    let mut sound = resample(&mono, f64::from(spec.sample_rate), f64::from(WIRE_RATE));
    let peak = sound.iter().fold(0.0_f32, |m, s| m.max(s.abs()));
    if peak > LOUDEST {
        sound.iter_mut().for_each(|s| *s *= LOUDEST / peak);
    }
    if sound.is_empty() {
        return Err(hound::Error::FormatError("the file holds no sound"));
    }
    Ok(sound.iter().copied().cycle().take(frames).collect())
}

/// Writes one channel as 32-bit float.
///
/// # Errors
/// When the file cannot be written.
pub fn write_wav(path: &Path, rate: u32, sound: &[f32]) -> Result<(), hound::Error> {
    let spec = WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 32, sample_format: SampleFormat::Float };
    let mut writer = WavWriter::create(path, spec)?;
    for &sample in sound {
        writer.write_sample(sample)?;
    }
    writer.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sound_stays_below_the_limiter_and_the_marks_are_faint() {
        assert!(chord(96_000).iter().all(|s| s.abs() < LOUDEST));
        let marks = marks(48_000);
        let rms = (marks.iter().map(|s| s * s).sum::<f32>() / 48_000.0).sqrt();
        assert!((rms / FAINT - 1.0).abs() < 0.05, "{rms}");
    }
}
