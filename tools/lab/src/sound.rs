//! Test signals: a sound to be judged, and noise that identifies positions.

use super::random::Random;
use super::resample::resample;
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use rtjam_protocol::audio::WIRE_RATE;
use std::path::Path;

/// Level of the noise in channel 2, −80 dBFS: too low to affect any decision about the sound.
const FAINT: f32 = 1e-4;

/// Peak amplitude of a sound: the limiter starts at −1 dBFS and must stay inactive.
const LOUDEST: f32 = 0.85;

/// A chord with a short burst of noise every 250 ms, like the probe that compares RTJam with other systems.
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

/// Faint noise without repetitions. Its spectrum falls towards 24 kHz, so that it still correlates with itself half a frame
/// later.
pub fn marks(frames: usize) -> Vec<f32> {
    let mut random = Random::new(0x6D61_726B, 0);
    let mut past = [0.0_f32; 5];
    let mut sample = |_| {
        past.rotate_left(1);
        past[4] = (random.unit() * 2.0 - 1.0) as f32;
        // Binomial weights; their root sum of squares is 8.4, and a uniform variable's deviation is 0.58.
        let sum = past[0] + 4.0 * past[1] + 6.0 * past[2] + 4.0 * past[3] + past[4];
        sum * (FAINT / (8.37 * 0.577))
    };
    (0..frames).map(&mut sample).collect()
}

/// Reads a WAV file as one channel at 48 kHz, repeated or cut to `frames`, below the limiter's threshold.
///
/// # Errors
/// If the file cannot be read or is empty.
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
/// If the file cannot be written.
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

    /// The sound stays below the limiter, and the marks are faint.
    #[test]
    fn sound_and_marks_stay_within_levels() {
        assert!(chord(96_000).iter().all(|s| s.abs() < LOUDEST));
        let marks = marks(48_000);
        let rms = (marks.iter().map(|s| s * s).sum::<f32>() / 48_000.0).sqrt();
        assert!((rms / FAINT - 1.0).abs() < 0.05, "{rms}");
    }
}
