//! Problems of the program's audio system.

use super::en::Key;
use super::language::Language;
use crate::audio::AudioProblem;
use std::fmt::Display;

/// What to tell the musician when no audio runs.
pub fn audio_problem(problem: &AudioProblem, language: Language) -> String {
    let about = |key: Key, device: &str| language.fill(key, &[("device", &device)]);
    let key = match problem {
        AudioProblem::JackMissing => Key::JackMissing,
        AudioProblem::JackStopped => Key::JackStopped,
        AudioProblem::NoInput => Key::NoInputDevice,
        AudioProblem::NoOutput => Key::NoOutputDevice,
        AudioProblem::DeviceMissing(device) => return about(Key::DeviceMissing, device),
        AudioProblem::DeviceBusy(device) => return about(Key::DeviceBusy, device),
        AudioProblem::DeviceDenied(device) => return about(Key::DeviceDenied, device),
        AudioProblem::NoRate { device, rate: Some(rate) } => {
            return language.fill(Key::RateUnsupported, &[("device", device), ("rate", rate)]);
        }
        AudioProblem::NoRate { device, rate: None } => return about(Key::NoRateSupported, device),
        AudioProblem::NoPeriod(device) => return about(Key::PeriodUnsupported, device),
        AudioProblem::NoChannel { device, channel, channels } => {
            let values: [(&str, &dyn Display); 3] = [("device", device), ("channel", channel), ("channels", channels)];
            return language.fill(Key::InputChannelMissing, &values);
        }
        AudioProblem::Other(sentence) => return sentence.clone(),
    };
    language.text(key).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each problem names its device, and says what to do.
    #[test]
    fn problems_say_what_to_do() {
        let device = || "UA-25".to_owned();
        for (problem, parts) in [
            (AudioProblem::JackStopped, ["JACK server", "Start it"]),
            (AudioProblem::DeviceMissing(device()), ["UA-25", "Plug it in, or choose another"]),
            (AudioProblem::DeviceBusy(device()), ["UA-25", "Close that program"]),
            (AudioProblem::NoRate { device: device(), rate: Some(96_000) }, ["96000 Hz", "another sample rate"]),
            (AudioProblem::NoChannel { device: device(), channel: 3, channels: 2 }, ["no input 3", "is 2. Choose"]),
            (AudioProblem::Other("It has stopped.".to_owned()), ["It has", "stopped."]),
        ] {
            let told = audio_problem(&problem, Language::English);
            assert!(parts.iter().all(|part| told.contains(part)), "{told}");
            let german = audio_problem(&problem, Language::German);
            assert!(!german.contains('{') && (german == told) == matches!(problem, AudioProblem::Other(_)), "{german}");
        }
    }
}
