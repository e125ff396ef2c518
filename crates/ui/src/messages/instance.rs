//! What the editor reports besides the session: the instance, joining, windows, the program's audio system, the delay, and
//! values of controls.

use super::de_errors;
use super::en::MessageKey;
use super::language::Language;
use crate::audio::AudioProblem;
use crate::editor::delay_and_loss::WholeDelay;
use crate::editor_model::{InstanceCondition, JoinError, WindowError};
use crate::params::{Channel, Param};
use std::fmt::{self, Display};

/// What to tell the musician about the condition of an instance; `None` if there is nothing to tell.
pub fn instance_condition(condition: &InstanceCondition, language: Language) -> Option<String> {
    let key = match condition {
        InstanceCondition::Fine => return None,
        InstanceCondition::Offline => MessageKey::HostOffline,
        InstanceCondition::Paused => MessageKey::HostPaused,
        InstanceCondition::Bypassed => MessageKey::HostBypassed,
        InstanceCondition::CameBackMuted => MessageKey::CameBackMuted,
        InstanceCondition::RunsAhead => MessageKey::HostRunsAhead,
        InstanceCondition::NotPlayed => MessageKey::OutputsNotConnected,
        InstanceCondition::Failed { log: None } => MessageKey::Failed,
        InstanceCondition::Failed { log: Some(log) } => {
            return Some(language.fill(MessageKey::FailedWithLog, &[("log", &log.display())]));
        }
    };
    Some(language.text(key).to_owned())
}

/// What to tell the musician when joining does not begin.
pub fn join_error(error: &JoinError, language: Language) -> String {
    match (error, language) {
        (JoinError::BadLink(error), Language::English) => error.to_string(),
        (JoinError::BadLink(error), Language::German) => de_errors::bad_link(*error).to_owned(),
        (JoinError::NoKey, _) => language.text(MessageKey::LinkIncomplete).to_owned(),
        (JoinError::AlreadyInRoom { room }, _) => language.fill(MessageKey::AlreadyInRoom, &[("room", room)]),
        (JoinError::NoHomeFolder, _) => language.text(MessageKey::NoHomeFolder).to_owned(),
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&join_error(self, Language::English))
    }
}

/// What to tell the musician when the editor does not open.
pub fn window_error(error: &WindowError, language: Language) -> String {
    match error {
        WindowError::BadParent => language.text(MessageKey::WindowBadParent).to_owned(),
        WindowError::NotOpened(reason) => language.fill(MessageKey::WindowNotOpened, &[("reason", reason)]),
    }
}

impl fmt::Display for WindowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&window_error(self, Language::English))
    }
}

/// What to tell the musician when no audio runs.
pub fn audio_problem(problem: &AudioProblem, language: Language) -> String {
    let about = |key: MessageKey, device: &str| language.fill(key, &[("device", &device)]);
    let key = match problem {
        AudioProblem::JackMissing => MessageKey::JackMissing,
        AudioProblem::JackStopped => MessageKey::JackStopped,
        AudioProblem::NoInput => MessageKey::NoInputDevice,
        AudioProblem::NoOutput => MessageKey::NoOutputDevice,
        AudioProblem::DeviceMissing(device) => return about(MessageKey::DeviceMissing, device),
        AudioProblem::DeviceBusy(device) => return about(MessageKey::DeviceBusy, device),
        AudioProblem::DeviceDenied(device) => return about(MessageKey::DeviceDenied, device),
        AudioProblem::NoRate { device, rate: Some(rate) } => {
            return language.fill(MessageKey::RateUnsupported, &[("device", device), ("rate", rate)]);
        }
        AudioProblem::NoRate { device, rate: None } => return about(MessageKey::NoRateSupported, device),
        AudioProblem::NoPeriod(device) => return about(MessageKey::PeriodUnsupported, device),
        AudioProblem::NoChannel { device, channel, channels } => {
            let values: [(&str, &dyn Display); 3] = [("device", device), ("channel", channel), ("channels", channels)];
            return language.fill(MessageKey::InputChannelMissing, &values);
        }
        AudioProblem::Other(sentence) => return sentence.clone(),
    };
    language.text(key).to_owned()
}

/// How long the room's sound takes. Parts of 0 ms are left out.
pub(crate) fn delay(delay: WholeDelay, language: Language) -> String {
    let parts = [
        (Some(delay.packet), MessageKey::DelayPacket),
        (delay.mix, MessageKey::DelayMix),
        (Some(delay.network), MessageKey::DelayNetwork),
        (Some(delay.buffer), MessageKey::DelayBuffer),
    ];
    let told =
        |(ms, key): (Option<u32>, MessageKey)| ms.filter(|ms| *ms > 0).map(|ms| language.fill(key, &[("ms", &ms)]));
    let parts: Vec<String> = parts.into_iter().filter_map(told).collect();
    if parts.is_empty() {
        return language.text(MessageKey::DelayNone).to_owned();
    }
    language.fill(MessageKey::DelayTotal, &[("total", &delay.total()), ("parts", &parts.join(", "))])
}

/// The name of a control. Hosts see [`Param::name`], which is English.
pub(crate) fn param_name(param: Param, language: Language) -> String {
    match param {
        Param::Monitor => language.text(MessageKey::Monitor).to_owned(),
        Param::Room => language.text(MessageKey::RoomLevel).to_owned(),
        Param::Gain(slot, Channel::Left) => language.fill(MessageKey::SlotGainLeft, &[("slot", &slot.number())]),
        Param::Gain(slot, Channel::Right) => language.fill(MessageKey::SlotGainRight, &[("slot", &slot.number())]),
        other => other.name(),
    }
}

/// A value with its unit. Hosts see [`Param::text`], which is English.
pub(crate) fn param_text(param: Param, value: f64, language: Language) -> String {
    if let Param::Pan(..) = param {
        return pan_place((value >= -1.0).then_some(value), language);
    }
    let text = param.text(value);
    let key = match text.as_str() {
        "off" => MessageKey::Off,
        "on" => MessageKey::On,
        "open" => MessageKey::Open,
        "muted" => MessageKey::Muted,
        _ => return text,
    };
    language.text(key).to_owned()
}

/// Reads what [`param_text`] writes, and what people type. `None`: the text is not a value.
pub(crate) fn parse_param(param: Param, text: &str, language: Language) -> Option<f64> {
    let text = text.trim().to_lowercase();
    let words = [(MessageKey::Off, "off"), (MessageKey::Auto, "auto"), (MessageKey::Centre, "centre")];
    let word = words.into_iter().find(|(key, _)| text == language.text(*key).to_lowercase());
    param.parse(word.map_or(text.as_str(), |(_, english)| english))
}

/// The place of a pan, −1 (left) to 1; `None` is automatic.
pub(crate) fn pan_place(place: Option<f64>, language: Language) -> String {
    let percent = place.map(|place| (place * 100.0).round());
    match percent {
        None => language.text(MessageKey::Auto).to_owned(),
        Some(0.0) => language.text(MessageKey::Centre).to_owned(),
        Some(percent) if percent < 0.0 => language.fill(MessageKey::PanLeft, &[("percent", &-percent)]),
        Some(percent) => language.fill(MessageKey::PanRight, &[("percent", &percent)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Slot;

    fn first_gain(channel: Channel) -> Param {
        Param::Gain(Slot::new(0).expect("one of twelve"), channel)
    }

    /// A failure names the log file and the button to press.
    #[test]
    fn failures_name_log_and_button() {
        let failed = InstanceCondition::Failed { log: Some("/tmp/rtjam.log".into()) };
        for language in Language::ALL {
            let told = instance_condition(&failed, language).expect("a message");
            assert!(
                told.contains("/tmp/rtjam.log") && told.contains(language.text(MessageKey::RestartEngine)),
                "{told}"
            );
            assert_eq!(instance_condition(&InstanceCondition::Fine, language), None);
        }
    }

    /// In English the editor shows the names and values that hosts show.
    #[test]
    fn english_matches_host_texts() {
        for param in [Param::Monitor, Param::Room, first_gain(Channel::Left), first_gain(Channel::Right)] {
            assert_eq!(param_name(param, Language::English), param.name());
        }
        for param in Param::all() {
            for value in [0.0, 1.0, -0.3, -60.0, Param::PAN_AUTO] {
                let value = param.tidy(value);
                assert_eq!(param_text(param, value, Language::English), param.text(value));
            }
        }
    }

    /// Every text that is shown can be typed, in each language.
    #[test]
    fn shown_values_can_be_typed() {
        let pan = Param::Pan(Slot::new(3).expect("one of twelve"), Channel::Left);
        for language in Language::ALL {
            for (param, value) in
                [(Param::Room, -60.0), (Param::Room, -6.5), (pan, 0.0), (pan, -0.3), (pan, Param::PAN_AUTO)]
            {
                let shown = param_text(param, value, language);
                assert_eq!(parse_param(param, &shown, language), Some(value), "{shown}");
            }
        }
    }

    /// The parts of the delay add up, and parts of 0 ms are left out.
    #[test]
    fn delay_parts_add_up() {
        let told = |packet, mix, network, buffer| delay(WholeDelay { packet, mix, network, buffer }, Language::English);
        assert_eq!(
            told(3, Some(2), 14, 6),
            "You hear the room 25 ms after it plays: 3 ms to fill a packet, 2 ms in the server's mix, 14 ms on the network, 6 ms waiting for late packets."
        );
        assert_eq!(
            told(3, None, 0, 3),
            "You hear the room 6 ms after it plays: 3 ms to fill a packet, 3 ms waiting for late packets."
        );
        assert_eq!(told(0, None, 0, 0), "You hear the room as it plays, without delay.");
    }

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
