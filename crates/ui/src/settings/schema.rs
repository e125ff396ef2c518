//! The schema: one table of all settings of the program. The command line, `rtjam.toml`, `window.json`, the help text and
//! the reference manual read it.

use super::audio_values::{InputChannels, PeriodChoice, RateChoice};
use super::values::{BackendChoice, Decibels, InvalidValue, JackName, MonitorLevel, SettingValue, SourceChoice, parse};
use crate::messages::Language;
use rtjam_engine::{PacketSize, Playout, PlayoutBias};
use rtjam_protocol::audio::{Codec, Layout};
use rtjam_protocol::control::DownstreamMode;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A row of the schema.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Key in `rtjam.toml`; on the command line `--key`.
    pub key: &'static str,
    /// Placeholder for the value in the help text.
    pub value_name: &'static str,
    /// Valid values, as the end of "must be …".
    pub expected: &'static str,
    /// Default value as text; empty where the help text explains it.
    pub default: &'static str,
    /// Example for `rtjam.toml`, in TOML.
    pub example: &'static str,
    /// Help text.
    pub help: &'static str,
    /// Whether the window remembers it.
    pub in_window: bool,
    /// See [`SettingValue::IS_SWITCH`].
    pub is_switch: bool,
    /// See [`SettingValue::IS_SIGNED`].
    pub is_signed: bool,
    check: fn(&str) -> Result<(), InvalidValue>,
}

impl Setting {
    /// Checks a value.
    ///
    /// # Errors
    /// The value is invalid.
    pub fn check(&self, text: &str) -> Result<(), InvalidValue> {
        (self.check)(text)
    }

    /// The help text with the default.
    pub fn full_help(&self) -> String {
        let help = self.help.trim();
        if self.default.is_empty() { help.to_owned() } else { format!("{help} Default: {}.", self.default) }
    }
}

/// Why a setting was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetError {
    /// No setting has this key.
    UnknownKey,
    /// The value is invalid.
    Invalid(InvalidValue),
}

/// Generates the table and the structure from one list. The doc comments are the help texts.
macro_rules! settings {
    ($($(#[doc = $help:literal])+ $field:ident: $kind:ty = $key:literal, $value_name:literal, default $default:literal,
        example $example:literal, window $in_window:literal;)+) => {
        /// All settings, in the order of the help text.
        pub static SETTINGS: &[Setting] = &[$(Setting {
            key: $key,
            value_name: $value_name,
            expected: <$kind as SettingValue>::EXPECTED,
            default: $default,
            example: $example,
            help: concat!($($help),+),
            in_window: $in_window,
            is_switch: <$kind as SettingValue>::IS_SWITCH,
            is_signed: <$kind as SettingValue>::IS_SIGNED,
            check: |text| parse::<$kind>(text).map(drop),
        }),+];

        /// The settings that one place gives: the command line, `rtjam.toml` or `window.json`. `None`: not given there.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct GivenSettings {
            $($(#[doc = $help])+ pub $field: Option<$kind>,)+
        }

        impl GivenSettings {
            /// Sets a setting from text.
            ///
            /// # Errors
            /// The key or the value is invalid; nothing has changed.
            pub fn set(&mut self, key: &str, text: &str) -> Result<(), SetError> {
                match key {
                    $($key => self.$field = Some(parse(text).map_err(SetError::Invalid)?),)+
                    _ => return Err(SetError::UnknownKey),
                }
                Ok(())
            }

            /// The value of a setting as text; `None`: not given, or no such key.
            pub fn get(&self, key: &str) -> Option<String> {
                match key {
                    $($key => self.$field.as_ref().map(SettingValue::text),)+
                    _ => None,
                }
            }

            /// These settings, completed by those that only `below` gives.
            #[must_use]
            pub fn over(self, below: GivenSettings) -> GivenSettings {
                GivenSettings { $($field: self.$field.or(below.$field)),+ }
            }
        }
    };
}

settings! {
    /// The room to join: the invite link that you were sent (rtjam://…). "-" reads the link from standard input, "last"
    /// rejoins the last room. classic://HOST:PORT is an existing rtjam server; such a link is neither private nor
    /// authenticated.
    join: String = "join", "LINK|-|last", default "", example "\"rtjam://jam.example.org/lobby#KEY\"", window false;

    /// Your name, as the others see it. Default: your login name.
    name: String = "name", "NAME", default "", example "\"Anna\"", window true;

    /// Run without a window, as rtjam also does where there is no display.
    headless: bool = "headless", "true|false", default "false", example "false", window false;

    /// Language of the window and of messages. auto uses the system's language.
    language: Option<Language> = "language", "auto|en|de", default "auto", example "\"auto\"", window true;

    /// Audio system. auto uses JACK if its server runs, otherwise the system's default device, otherwise a silent clock
    /// that plays the demo.
    backend: BackendChoice = "backend", "auto|jack|cpal|dummy", default "auto", example "\"auto\"", window true;

    /// Name of this program among JACK's clients.
    jack_name: JackName = "jack-name", "NAME", default "rtjam", example "\"rtjam\"", window false;

    /// Leave JACK's ports unconnected. Otherwise rtjam connects them to the first inputs and outputs of the system.
    no_connect: bool = "no-connect", "true|false", default "false", example "false", window false;

    /// Input device, by a name that --list-devices prints. Not for JACK.
    input: String = "input", "DEVICE", default "", example "\"\"", window true;

    /// Channels of the input device that become your left and right channel, counted from 1. One number sends that channel
    /// to both: 2 for a guitar in input 2.
    input_channels: InputChannels = "input-channels", "N|L,R", default "1,2", example "\"1,2\"", window true;

    /// Output device, by a name that --list-devices prints. Not for JACK.
    output: String = "output", "DEVICE", default "", example "\"\"", window true;

    /// Sample rate of the devices in Hz. auto prefers 48000, the rate of the room. Not for JACK, whose server has its own.
    rate: RateChoice = "rate", "auto|HZ", default "auto", example "\"auto\"", window true;

    /// Frames that the devices handle at once; other programs call it the buffer size. A shorter period adds less delay,
    /// and a busy computer drops out sooner. auto uses the shortest with which the device opens, from 64 frames on. Not for
    /// JACK, whose server has its own.
    period: PeriodChoice = "period", "auto|FRAMES", default "auto", example "\"auto\"", window true;

    /// What you play. device is the audio input, demo a small band for trying things out, FILE.wav a recording that
    /// repeats.
    source: SourceChoice = "source", "device|demo|FILE.wav", default "device", example "\"device\"", window false;

    /// What your two channels are: one stereo source, or two mono sources (voice and guitar, for example), both heard
    /// in the centre.
    layout: Layout = "layout", "stereo|dual-mono", default "stereo", example "\"stereo\"", window true;

    /// Sample format of the audio that you send. pcm16 needs the least upload bandwidth, f32 the most.
    format: Codec = "format", "pcm16|pcm24|f32", default "pcm16", example "\"pcm16\"", window true;

    /// Frames in a packet. Smaller packets add less delay and load the network more. auto uses the period of the audio
    /// system if that is 32 to 256 frames, otherwise 128.
    packet: PacketSize = "packet", "auto|FRAMES", default "auto", example "\"auto\"", window true;

    /// Playout delay: how long received audio waits for late packets. auto follows the network; a number fixes the delay
    /// in milliseconds.
    playout: Playout = "playout", "auto|MS", default "auto", example "\"auto\"", window true;

    /// What automatic playout prefers. tight: less delay and more gaps. safe: fewer gaps and more delay.
    comfort: PlayoutBias = "comfort", "tight|normal|safe", default "normal", example "\"normal\"", window true;

    /// What the room sends you. separate: each musician's stream, with a fader and a slot for each. one: one mix of the
    /// others, which the server makes with your gains; it needs the download bandwidth of one stream in any room and
    /// adds a few ms of delay. room: the room's default.
    mix: Option<DownstreamMode> = "mix", "room|separate|one", default "room", example "\"room\"", window true;

    /// Musicians to always hear in a room of more than 33, where only the 32 loudest are heard: names, separated by
    /// commas.
    pin: Vec<String> = "pin", "NAMES", default "", example "\"Anna, Ben\"", window true;

    /// How loud you hear yourself through RTJam, in dB. Most audio interfaces let you hear yourself without delay, so the
    /// default is off.
    monitor: MonitorLevel = "monitor", "off|DB", default "off", example "\"off\"", window true;

    /// How loud you hear the others, in dB.
    room: Decibels = "room", "DB", default "0", example "0", window true;

    /// Start muted: your audio is not sent until you type "unmute".
    mute: bool = "mute", "true|false", default "false", example "false", window false;

    /// Print the status as one JSON object per second on standard output, instead of a line of text.
    status_json: bool = "status-json", "true|false", default "false", example "false", window false;
}

impl Setting {
    /// The setting with a key.
    pub fn find(key: &str) -> Option<&'static Setting> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }
}

/// Writes the settings that the window remembers and that differ from their default, each as its text.
impl Serialize for GivenSettings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let differs = |setting: &Setting| self.get(setting.key).filter(|text| text != setting.default);
        let remembered = SETTINGS.iter().filter(|setting| setting.in_window);
        serializer.collect_map(remembered.filter_map(|setting| Some((setting.key, differs(setting)?))))
    }
}

/// Reads the settings that the window remembers. Ignores unknown keys and invalid values.
impl<'de> Deserialize<'de> for GivenSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<GivenSettings, D::Error> {
        let mut given = GivenSettings::default();
        for (key, value) in BTreeMap::<String, Value>::deserialize(deserializer)? {
            if let Some(text) = value.as_str()
                && Setting::find(&key).is_some_and(|setting| setting.in_window)
            {
                let _ = given.set(&key, text);
            }
        }
        Ok(given)
    }
}

/// The table of the reference manual, in Markdown.
pub fn markdown_table() -> String {
    let mut table = "| setting | values | default | meaning |\n|---|---|---|---|\n".to_owned();
    for setting in SETTINGS {
        let default = if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) };
        let _ = writeln!(
            table,
            "| `{}` | {} | {default} | {} |",
            setting.key,
            setting.expected,
            setting.help.trim().replace('|', "\\|")
        );
    }
    table
}

/// The template of `rtjam.toml`: every key, commented out.
pub fn toml_template() -> String {
    let mut template =
        "# Settings of rtjam. `rtjam --help` explains every key; the command line overrides this file.\n\
                        # Remove the \"#\" before a key to set it. A running rtjam reads this file again on SIGHUP.\n\n"
            .to_owned();
    for setting in SETTINGS {
        let entry = format!("# {} = {}", setting.key, setting.example);
        let _ = writeln!(template, "{entry:<28} # {}", setting.expected);
    }
    template
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn command_line_overrides_file() {
        let line = GivenSettings { name: Some("Anna".into()), mute: Some(false), ..GivenSettings::default() };
        let file = GivenSettings {
            name: Some("Old".into()),
            mute: Some(true),
            packet: Some(PacketSize::Frames(64)),
            ..GivenSettings::default()
        };
        let both = line.over(file);
        assert_eq!(both.name.as_deref(), Some("Anna"));
        assert_eq!(both.mute, Some(false));
        assert_eq!(both.packet, Some(PacketSize::Frames(64)));
        assert_eq!(both.join, None);
    }

    #[test]
    fn schema_rows_are_consistent() {
        for setting in SETTINGS {
            assert!(setting.default.is_empty() || setting.check(setting.default).is_ok(), "{}", setting.key);
            let example = setting.example.trim_matches('"');
            assert!(setting.check(example).is_ok(), "{}", setting.key);
            let mut given = GivenSettings::default();
            given.set(setting.key, example).expect("a valid example");
            assert!(given.get(setting.key).is_some());
            assert!(setting.help.trim().ends_with('.'), "{}", setting.key);
        }
        assert_eq!(GivenSettings::default().set("colour", "red"), Err(SetError::UnknownKey));
    }

    #[test]
    fn window_settings_round_trip_as_json() {
        let mut given = GivenSettings::default();
        for (key, text) in [("name", "Anna"), ("packet", "64"), ("monitor", "-6"), ("mute", "true"), ("mix", "one")] {
            given.set(key, text).expect("a valid value");
        }
        given.format = Some(Codec::Pcm16);
        let json = serde_json::to_value(&given).expect("JSON");
        assert_eq!(json, serde_json::json!({"name": "Anna", "packet": "64", "monitor": "-6.00", "mix": "one"}));
        let read: GivenSettings = serde_json::from_value(json).expect("JSON");
        assert_eq!(read, GivenSettings { mute: None, format: None, ..given });
        let odd: GivenSettings =
            serde_json::from_str(r#"{"packet": 64, "mix": null, "join": "x", "format": "mp3", "size": [1, 2]}"#)
                .expect("JSON");
        assert_eq!(odd, GivenSettings::default());
    }

    /// Set `RTJAM_WRITE_REFERENCE` to write the table into the manual.
    #[test]
    fn reference_manual_has_current_table() {
        const MARKS: [&str; 2] = ["<!-- settings -->\n", "<!-- /settings -->"];
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/REFERENCE.md");
        let text = std::fs::read_to_string(&path).expect("docs/REFERENCE.md");
        let (before, rest) = text.split_once(MARKS[0]).expect("the first mark");
        let (table, after) = rest.split_once(MARKS[1]).expect("the second mark");
        if std::env::var_os("RTJAM_WRITE_REFERENCE").is_some() {
            let text = format!("{before}{}{}{}{after}", MARKS[0], markdown_table(), MARKS[1]);
            std::fs::write(&path, text).expect("a writable manual");
        } else {
            assert_eq!(table, markdown_table(), "run this test with RTJAM_WRITE_REFERENCE=1 to write the table");
        }
    }
}
