//! The values of settings: the text form of each type, its range, and what an invalid text is told.

use crate::messages::Language;
use crate::params::Param;
use crate::platform::host_name;
use rtjam_engine::{PacketSize, Playout, PlayoutBias};
use rtjam_protocol::audio::{Codec, Layout, PACKET_FRAMES};
use rtjam_protocol::control::DownstreamMode;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::env;
use std::path::PathBuf;

/// A value with one text form, which the command line, `rtjam.toml`, `window.json` and projects share.
pub trait SettingValue: Sized {
    /// The valid texts, as the end of a sentence: "must be …".
    const EXPECTED: &'static str;
    /// Whether the command line takes the flag alone for "true".
    const IS_SWITCH: bool = false;
    /// Whether a value may begin with a minus sign.
    const IS_SIGNED: bool = false;

    /// Reads a value; `None` for an invalid text.
    fn parse(text: &str) -> Option<Self>;

    /// The text that [`SettingValue::parse`] reads as this value.
    fn text(&self) -> String;
}

/// An invalid value; displayed as "must be …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {expected}")]
pub struct InvalidValue {
    /// See [`SettingValue::EXPECTED`].
    pub expected: &'static str,
}

/// Reads a value.
///
/// # Errors
/// The text is invalid.
pub(super) fn parse<T: SettingValue>(text: &str) -> Result<T, InvalidValue> {
    T::parse(text).ok_or(InvalidValue { expected: T::EXPECTED })
}

/// Implements [`SettingValue`] for a type whose values are words.
macro_rules! words {
    ($kind:ty, $expected:literal: $($text:literal => $value:expr),+) => {
        impl SettingValue for $kind {
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Option<$kind> {
                match text {
                    $($text => Some($value),)+
                    _ => None,
                }
            }

            fn text(&self) -> String {
                let words: &[($kind, &str)] = &[$(($value, $text)),+];
                words.iter().find(|(value, _)| value == self).map_or("", |(_, word)| word).to_owned()
            }
        }
    };
}

words! { Codec, "pcm16, pcm24 or f32": "pcm16" => Codec::Pcm16, "pcm24" => Codec::Pcm24, "f32" => Codec::F32 }
words! { PlayoutBias, "tight, normal or safe":
    "tight" => PlayoutBias::Tight, "normal" => PlayoutBias::Normal, "safe" => PlayoutBias::Safe
}
words! { Layout, "stereo or dual-mono": "stereo" => Layout::Stereo, "dual-mono" => Layout::DualMono }
// `None`: the room's default.
words! { Option<DownstreamMode>, "room, separate or one":
    "room" => None, "separate" => Some(DownstreamMode::Forwarded), "one" => Some(DownstreamMode::Mixed)
}

/// The audio system to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackendChoice {
    /// JACK where its server runs, else the system's default device, else the dummy clock.
    #[default]
    Auto,
    /// JACK.
    Jack,
    /// The system's own audio: ALSA, CoreAudio or WASAPI.
    Cpal,
    /// A timer without audio input or output.
    Dummy,
}

words! { BackendChoice, "auto, jack, cpal or dummy":
    "auto" => BackendChoice::Auto, "jack" => BackendChoice::Jack,
    "cpal" => BackendChoice::Cpal, "dummy" => BackendChoice::Dummy
}

words! { Language, "en or de": "en" => Language::English, "de" => Language::German }
// `None`: the system's language.
words! { Option<Language>, "auto, en or de": "auto" => None, "en" => Some(Language::English), "de" => Some(Language::German) }

impl SettingValue for bool {
    const EXPECTED: &'static str = "true or false";
    const IS_SWITCH: bool = true;

    fn parse(text: &str) -> Option<bool> {
        text.parse().ok()
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl SettingValue for String {
    const EXPECTED: &'static str = "text";

    fn parse(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn text(&self) -> String {
        self.clone()
    }
}

/// A list of names.
impl SettingValue for Vec<String> {
    const EXPECTED: &'static str = "names, separated by commas";

    fn parse(text: &str) -> Option<Vec<String>> {
        Some(text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }

    fn text(&self) -> String {
        self.join(", ")
    }
}

impl SettingValue for PacketSize {
    const EXPECTED: &'static str = "auto, or a whole number of frames from 16 to 512";

    fn parse(text: &str) -> Option<PacketSize> {
        if text == "auto" { Some(PacketSize::Auto) } else { text.parse().ok().and_then(packet_frames) }
    }

    fn text(&self) -> String {
        match self {
            PacketSize::Auto => "auto".to_owned(),
            PacketSize::Frames(frames) => frames.to_string(),
        }
    }
}

/// A packet size in frames; `None` outside the range.
pub fn packet_frames(frames: u16) -> Option<PacketSize> {
    PACKET_FRAMES.contains(&frames).then_some(PacketSize::Frames(frames))
}

impl SettingValue for Playout {
    const EXPECTED: &'static str = "auto, or milliseconds from 0 to 400";

    fn parse(text: &str) -> Option<Playout> {
        if text == "auto" { Some(Playout::Auto) } else { text.parse().ok().and_then(playout_ms) }
    }

    fn text(&self) -> String {
        match self {
            Playout::Auto => "auto".to_owned(),
            Playout::Fixed { ms } => ms.to_string(),
        }
    }
}

/// A fixed playout delay in milliseconds; `None` outside the range.
pub fn playout_ms(ms: f32) -> Option<Playout> {
    (0.0..=Playout::MAX_MS).contains(&ms).then_some(Playout::Fixed { ms })
}

/// A gain in dB, −60 to +12.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Decibels(pub f32);

impl SettingValue for Decibels {
    const EXPECTED: &'static str = "decibels from -60 to 12";
    const IS_SIGNED: bool = true;

    fn parse(text: &str) -> Option<Decibels> {
        let db = text.parse::<f32>().ok()?;
        Param::Room.range().contains(&f64::from(db)).then_some(Decibels(db))
    }

    fn text(&self) -> String {
        format!("{:.2}", self.0)
    }
}

/// The level of the musician's own signal in their mix.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum MonitorLevel {
    /// Not audible through RTJam.
    #[default]
    Off,
    /// Audible at this gain.
    On(Decibels),
}

impl MonitorLevel {
    /// The level of a value of [`Param::Monitor`].
    pub fn from_db(db: f64) -> MonitorLevel {
        if db <= *Param::Monitor.range().start() { MonitorLevel::Off } else { MonitorLevel::On(Decibels(db as f32)) }
    }

    /// The value of [`Param::Monitor`], in dB.
    pub fn db(self) -> f64 {
        match self {
            MonitorLevel::Off => *Param::Monitor.range().start(),
            MonitorLevel::On(db) => f64::from(db.0),
        }
    }
}

impl SettingValue for MonitorLevel {
    const EXPECTED: &'static str = "off, or decibels from -60 to 12";
    const IS_SIGNED: bool = true;

    fn parse(text: &str) -> Option<MonitorLevel> {
        if text == "off" { Some(MonitorLevel::Off) } else { Decibels::parse(text).map(MonitorLevel::On) }
    }

    fn text(&self) -> String {
        match self {
            MonitorLevel::Off => "off".to_owned(),
            MonitorLevel::On(db) => db.text(),
        }
    }
}

/// A name that JACK accepts for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JackName(pub String);

impl Default for JackName {
    fn default() -> JackName {
        JackName("rtjam".to_owned())
    }
}

impl SettingValue for JackName {
    const EXPECTED: &'static str = "1 to 60 bytes long, without a colon";

    /// JACK's limit is 63 bytes; the rest is for the suffix that JACK appends to a name that is taken.
    fn parse(text: &str) -> Option<JackName> {
        let valid = !text.is_empty() && text.len() <= 60 && !text.contains(':') && !text.chars().any(char::is_control);
        valid.then(|| JackName(text.to_owned()))
    }

    fn text(&self) -> String {
        self.0.clone()
    }
}

/// What the program sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SourceChoice {
    /// The audio input.
    #[default]
    Device,
    /// A small band.
    Demo,
    /// A recording, repeated.
    Wav(PathBuf),
}

impl SettingValue for SourceChoice {
    const EXPECTED: &'static str = "device, demo or a file that ends in .wav";

    fn parse(text: &str) -> Option<SourceChoice> {
        match text {
            "device" => Some(SourceChoice::Device),
            "demo" => Some(SourceChoice::Demo),
            _ if text.to_ascii_lowercase().ends_with(".wav") => Some(SourceChoice::Wav(PathBuf::from(text))),
            _ => None,
        }
    }

    fn text(&self) -> String {
        match self {
            SourceChoice::Device => "device".to_owned(),
            SourceChoice::Demo => "demo".to_owned(),
            SourceChoice::Wav(path) => path.display().to_string(),
        }
    }
}

/// Serde for an optional value as its text. An invalid text reads as `None`. Use with
/// `#[serde(default, with = "as_text")]`.
pub mod as_text {
    use super::{Deserialize, Deserializer, Serialize, Serializer, SettingValue};

    /// Writes the text, or null.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<T: SettingValue, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(SettingValue::text).serialize(serializer)
    }

    /// Reads a text, or null.
    ///
    /// # Errors
    /// The input is neither a text nor null.
    pub fn deserialize<'de, T: SettingValue, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.and_then(|text| T::parse(&text)))
    }
}

/// The default of the setting `name`: the login name, else the computer's, else "Musician". "root" does not count.
pub fn default_name() -> String {
    let login = ["LOGNAME", "USER", "USERNAME"].iter().find_map(|key| env::var(key).ok());
    let login = login.filter(|name| !name.trim().is_empty() && name != "root");
    login.or_else(host_name).unwrap_or_else(|| "Musician".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;

    fn refuses<T: SettingValue>(texts: &[&str]) {
        texts.iter().for_each(|text| assert!(T::parse(text).is_none(), "{text}"));
    }

    fn round_trips<T: SettingValue + PartialEq + fmt::Debug>(text: &str, value: T) {
        assert_eq!(T::parse(text), Some(value), "{text}");
        assert_eq!(T::parse(text).map(|value| T::parse(&value.text())), Some(T::parse(text)), "{text}");
    }

    #[test]
    fn values_out_of_range_are_refused() {
        refuses::<PacketSize>(&["15", "513", "64.5", "-64", "", "many"]);
        refuses::<Playout>(&["-1", "501", "nan", "inf", "Auto", ""]);
        refuses::<MonitorLevel>(&["nan", "-61", "13", "loud"]);
        refuses::<JackName>(&["", "a:b", "a\nb"]);
        refuses::<SourceChoice>(&["song.mp3"]);
        refuses::<Option<Language>>(&["fr", "EN"]);
    }

    #[test]
    fn values_in_range_round_trip() {
        round_trips("auto", PacketSize::Auto);
        round_trips("16", PacketSize::Frames(16));
        round_trips("512", PacketSize::Frames(512));
        round_trips("0", Playout::Fixed { ms: 0.0 });
        round_trips("12.5", Playout::Fixed { ms: 12.5 });
        round_trips("off", MonitorLevel::Off);
        round_trips("-6", MonitorLevel::On(Decibels(-6.0)));
        round_trips("Song.WAV", SourceChoice::Wav(PathBuf::from("Song.WAV")));
        round_trips("one", Some(DownstreamMode::Mixed));
        round_trips("room", None::<DownstreamMode>);
        round_trips("de", Some(Language::German));
        round_trips("Ann, Bob", vec!["Ann".to_owned(), "Bob".to_owned()]);
    }

    /// The texts that name a range agree with the range.
    #[test]
    fn expected_texts_name_the_range() {
        assert!(PacketSize::EXPECTED.ends_with(&format!("{} to {}", PACKET_FRAMES.start(), PACKET_FRAMES.end())));
        assert!(Playout::EXPECTED.ends_with(&format!("0 to {}", Playout::MAX_MS)));
        let (least, most) = Param::Room.range().into_inner();
        assert!(Decibels::EXPECTED.ends_with(&format!("{least} to {most}")));
    }
}
