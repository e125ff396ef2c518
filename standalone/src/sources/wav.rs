//! A recording as a source: loaded and resampled once, then repeated.

use rtjam_ui::messages::{Language, MessageKey};
use std::f64::consts::PI;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// The longest recording; a longer one needs too much memory on a small computer.
const MAX_SECONDS: u32 = 20 * 60;

/// A recording in memory, at the device's sample rate.
pub(crate) struct Wav {
    /// Never empty.
    frames: Vec<[f32; 2]>,
    at: usize,
}

/// Why a recording cannot be played.
#[derive(Debug)]
pub(crate) struct WavError {
    path: PathBuf,
    kind: WavErrorKind,
}

#[derive(Debug)]
enum WavErrorKind {
    Unreadable(std::io::Error),
    NotWav(hound::Error),
    /// No channels, or an impossible sample rate.
    BadFormat,
    TooLong,
    Damaged(hound::Error),
    Empty,
}

impl WavError {
    /// What happened, and what to do.
    pub(crate) fn text(&self, language: Language) -> String {
        let path = self.path.display();
        let because = |key, reason: &dyn Display| language.fill(key, &[("path", &path), ("reason", reason)]);
        match &self.kind {
            WavErrorKind::Unreadable(why) => because(MessageKey::WavUnreadable, why),
            WavErrorKind::NotWav(why) => because(MessageKey::WavNotPlayable, why),
            WavErrorKind::BadFormat => because(MessageKey::WavNotPlayable, &language.text(MessageKey::WavBadFormat)),
            WavErrorKind::TooLong => {
                language.fill(MessageKey::WavTooLong, &[("path", &path), ("minutes", &(MAX_SECONDS / 60))])
            }
            WavErrorKind::Damaged(why) => because(MessageKey::WavDamaged, why),
            WavErrorKind::Empty => language.fill(MessageKey::WavEmpty, &[("path", &path)]),
        }
    }
}

impl Wav {
    /// Loads a file: any sample rate, integers of up to 32 bits or floats, mono (played on both channels) or more
    /// channels (the first two are played).
    ///
    /// # Errors
    /// The file cannot be played.
    pub(crate) fn load(path: &Path, rate: u32) -> Result<Wav, WavError> {
        Wav::read(path, rate).map_err(|kind| WavError { path: path.to_owned(), kind })
    }

    fn read(path: &Path, rate: u32) -> Result<Wav, WavErrorKind> {
        let reader = hound::WavReader::open(path).map_err(|e| match e {
            hound::Error::IoError(why) => WavErrorKind::Unreadable(why),
            other => WavErrorKind::NotWav(other),
        })?;
        let spec = reader.spec();
        if spec.channels == 0 || !(1000..=768_000).contains(&spec.sample_rate) {
            return Err(WavErrorKind::BadFormat);
        }
        if reader.duration() / spec.sample_rate >= MAX_SECONDS {
            return Err(WavErrorKind::TooLong);
        }
        let frames = read_frames(reader).map_err(WavErrorKind::Damaged)?;
        if frames.is_empty() {
            return Err(WavErrorKind::Empty);
        }
        Ok(Wav { frames: resample(frames, spec.sample_rate, rate), at: 0 })
    }

    /// Audio thread. Renders the next frames; the first follows the last.
    pub(crate) fn play(&mut self, left: &mut [f32], right: &mut [f32]) {
        for (l, r) in left.iter_mut().zip(right) {
            [*l, *r] = self.frames[self.at];
            self.at = if self.at + 1 == self.frames.len() { 0 } else { self.at + 1 };
        }
    }
}

fn read_frames<R: std::io::Read>(mut reader: hound::WavReader<R>) -> Result<Vec<[f32; 2]>, hound::Error> {
    let spec = reader.spec();
    let channels = usize::from(spec.channels);
    match spec.sample_format {
        hound::SampleFormat::Float => pairs(reader.samples::<f32>(), channels),
        hound::SampleFormat::Int => {
            let scale = 1.0 / (1_i64 << (spec.bits_per_sample - 1)) as f32;
            pairs(reader.samples::<i32>().map(|s| s.map(|s| s as f32 * scale)), channels)
        }
    }
}

fn pairs(
    samples: impl Iterator<Item = Result<f32, hound::Error>>,
    channels: usize,
) -> Result<Vec<[f32; 2]>, hound::Error> {
    let mut frames = Vec::new();
    let mut frame = [0.0; 2];
    for (i, sample) in samples.enumerate() {
        let sample = sample?;
        // A float file may contain NaN and infinities.
        let sample = if sample.is_finite() { sample } else { 0.0 };
        let channel = i % channels;
        if let Some(place) = frame.get_mut(channel) {
            *place = sample;
        }
        if channel + 1 == channels {
            frames.push(if channels == 1 { [frame[0]; 2] } else { frame });
        }
    }
    Ok(frames)
}

/// Zero crossings of the filter on either side.
const REACH: f64 = 24.0;

/// Resamples with a Hann-windowed sinc whose cutoff lies below both Nyquist frequencies. The filter wraps around the ends,
/// since the recording repeats.
fn resample(frames: Vec<[f32; 2]>, from: u32, to: u32) -> Vec<[f32; 2]> {
    if from == to {
        return frames;
    }
    let (from, to) = (u64::from(from), u64::from(to));
    let cut = 0.96 * (to as f64 / from as f64).min(1.0);
    let reach = REACH / cut;
    let before = reach.ceil() as usize;
    // Output frame i lies at i × from / to, so there are few different positions between two input frames.
    let phases = to / gcd(from, to);
    let filters: Vec<Vec<f32>> =
        (0..phases).map(|phase| filter(phase as f64 / phases as f64, before, cut, reach)).collect();
    let len = frames.len();
    let count = (len as u64 * to / from).max(1);
    (0..count)
        .map(|i| {
            let whole = (i * from / to) as usize;
            let phase = (i * from % to) / (to / phases);
            // A very short recording wraps several times.
            let mut at = (whole + len * before.div_ceil(len) - before) % len;
            let mut sum = [0.0_f32; 2];
            for weight in &filters[phase as usize] {
                let frame = frames[at];
                sum[0] += weight * frame[0];
                sum[1] += weight * frame[1];
                at = if at + 1 == len { 0 } else { at + 1 };
            }
            sum
        })
        .collect()
}

/// Weights of the `2 * before + 1` frames around an output frame that lies `fraction` of a frame after the middle one.
fn filter(fraction: f64, before: usize, cut: f64, reach: f64) -> Vec<f32> {
    (0..=2 * before)
        .map(|i| {
            let x = i as f64 - before as f64 - fraction;
            let window = if x.abs() < reach { 0.5 + 0.5 * (PI * x / reach).cos() } else { 0.0 };
            (cut * sinc(cut * x) * window) as f32
        })
        .collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn temp(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("rtjam-wav-{}-{name}", std::process::id()))
    }

    fn write(name: &str, spec: hound::WavSpec, samples: &[i32]) -> PathBuf {
        let path = temp(name);
        let mut writer = hound::WavWriter::create(&path, spec).expect("a writable folder");
        for s in samples {
            match spec.sample_format {
                hound::SampleFormat::Int => writer.write_sample(*s),
                hound::SampleFormat::Float => writer.write_sample(*s as f32 / 32768.0),
            }
            .expect("a sample");
        }
        writer.finalize().expect("a whole file");
        path
    }

    fn spec(channels: u16, sample_rate: u32, bits_per_sample: u16) -> hound::WavSpec {
        let sample_format = if bits_per_sample == 32 { hound::SampleFormat::Float } else { hound::SampleFormat::Int };
        hound::WavSpec { channels, sample_rate, bits_per_sample, sample_format }
    }

    fn play(wav: &mut Wav, frames: usize) -> Vec<[f32; 2]> {
        let [mut l, mut r] = [vec![0.0; frames], vec![0.0; frames]];
        wav.play(&mut l, &mut r);
        l.into_iter().zip(r).map(|(l, r)| [l, r]).collect()
    }

    #[test]
    fn stereo_repeats_exactly() {
        let path = write("stereo.wav", spec(2, 48_000, 16), &[16384, -16384, 8192, 0]);
        let mut wav = Wav::load(&path, 48_000).expect("a good file");
        assert_eq!(play(&mut wav, 3), [[0.5, -0.5], [0.25, 0.0], [0.5, -0.5]]);
        std::fs::remove_file(path).expect("own file");
    }

    #[test]
    fn channel_counts_are_mapped() {
        let path = write("mono.wav", spec(1, 48_000, 24), &[1 << 22, 0]);
        assert_eq!(play(&mut Wav::load(&path, 48_000).expect("mono"), 2), [[0.5, 0.5], [0.0, 0.0]]);
        std::fs::remove_file(path).expect("own file");
        let path = write("three.wav", spec(3, 48_000, 32), &[16384, 8192, 32767]);
        assert_eq!(play(&mut Wav::load(&path, 48_000).expect("three"), 1), [[0.5, 0.25]]);
        std::fs::remove_file(path).expect("own file");
    }

    #[test]
    fn resampling_keeps_length_and_level() {
        let tone = |i: u32, rate: f64| 0.5 * (std::f64::consts::TAU * 1000.0 * f64::from(i) / rate).sin();
        let samples: Vec<i32> = (0..44_100).map(|i| (tone(i, 44_100.0) * 8_388_607.0) as i32).collect();
        let path = write("rate.wav", spec(1, 44_100, 24), &samples);
        let mut wav = Wav::load(&path, 48_000).expect("a good file");
        std::fs::remove_file(path).expect("own file");
        assert_eq!(wav.frames.len(), 48_000);
        let worst = play(&mut wav, 48_000)
            .iter()
            .zip(0..)
            .map(|(frame, i)| (f64::from(frame[0]) - tone(i, 48_000.0)).abs())
            .fold(0.0, f64::max);
        assert!(worst < 1e-3, "off by {worst}");
    }

    #[test]
    fn unplayable_files_are_named() {
        let missing = temp("missing.wav");
        let error = Wav::load(&missing, 48_000).err().expect("no such file").text(Language::English);
        assert!(error.starts_with(&missing.display().to_string()) && error.contains("cannot be read"), "{error}");

        let text = temp("text.wav");
        std::fs::write(&text, "not audio").expect("a writable folder");
        let error = Wav::load(&text, 48_000).err().expect("not audio").text(Language::English);
        assert!(error.contains("is not a WAV file"), "{error}");
        std::fs::remove_file(text).expect("own file");

        let empty = write("empty.wav", spec(2, 48_000, 16), &[]);
        let error = Wav::load(&empty, 48_000).err().expect("no frames").text(Language::English);
        assert!(error.ends_with("contains no audio."), "{error}");
        std::fs::remove_file(empty).expect("own file");
    }
}
