//! What a musician can set: one list, filled from the command line and from the settings file.
//!
//! Every value is read by its `FromStr`, wherever it was written, so both places know the same values and complain in
//! the same words.

use clap::Args;
use rtjam_engine::PlayoutBias;
use rtjam_protocol::audio::{Codec, Layout, PACKET_FRAMES};
use rtjam_protocol::control::DownstreamMode;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// All settings that the command line and the file share. `None`: not said here.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub(crate) struct Settings {
    /// The room to play in: the invite link that somebody sent you (rtjam://…). "-" reads it from standard input,
    /// "last" goes back to the last room you were in. classic://HOST[:PORT] is an existing rtjam server, neither private
    /// nor authenticated.
    #[arg(long, value_name = "LINK|-")]
    pub(crate) join: Option<String>,

    /// Your name, as the others see it. Default: your login name.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// Run without a window. Without a display, it runs so either way.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "true|false",
        hide_possible_values = true)]
    pub(crate) headless: Option<bool>,

    /// Which audio system to use. auto: JACK where its server runs, else the system's default device, else a silent
    /// clock that plays the demo.
    #[arg(long, value_name = "auto|jack|cpal|dummy")]
    pub(crate) backend: Option<BackendChoice>,

    /// The name of this program among JACK's clients. Default: rtjam.
    #[arg(long, value_name = "NAME")]
    pub(crate) jack_name: Option<JackName>,

    /// Leave JACK's ports unconnected, instead of connecting them to the first inputs and outputs of the system.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "true|false",
        hide_possible_values = true)]
    pub(crate) no_connect: Option<bool>,

    /// What you play. device: what comes in at the input. demo: a small band, to try things out. FILE.wav: a
    /// recording, over and over.
    #[arg(long, value_name = "device|demo|FILE.wav")]
    pub(crate) source: Option<SourceChoice>,

    /// How your sound is sent. pcm16 needs the least of your upload, f32 the most. Default: pcm16.
    #[arg(long, value_name = "pcm16|pcm24|f32")]
    pub(crate) format: Option<Format>,

    /// Frames in a packet, 16 to 512. Fewer are quicker and load the network more. Default: as many as the audio
    /// system hands over at once, if that is 32 to 256, else 128.
    #[arg(long, value_name = "FRAMES")]
    pub(crate) packet: Option<PacketFrames>,

    /// How long the others' sound waits here so that late packets still make it. auto follows the network; a number
    /// (0 to 400) holds it at so many milliseconds. Default: auto.
    #[arg(long, value_name = "auto|MS")]
    pub(crate) playout: Option<Playout>,

    /// What playout "auto" prefers: tight, less delay and more gaps; safe, fewer gaps and more delay; or the middle.
    /// Default: normal.
    #[arg(long, value_name = "tight|normal|safe")]
    pub(crate) comfort: Option<PlayoutBias>,

    /// What the room sends you. separate: everyone on their own, with gain and slot each. one: one mix of the others, made
    /// by the server with your gains; one stream down however large the room is, for a few ms more delay. room: as the
    /// room says. Default: room.
    #[arg(long, value_name = "room|separate|one")]
    pub(crate) mix: Option<Mix>,

    /// Whom to hear in any case in a room of more than 33 musicians, where the 32 loudest are heard: names, separated by
    /// commas.
    #[arg(long, value_name = "NAMES")]
    pub(crate) pin: Option<String>,

    /// What your two channels are: one stereo source, or two sources of their own (voice and guitar, say), both heard
    /// in the middle. Default: stereo.
    #[arg(long, value_name = "stereo|dual-mono")]
    pub(crate) layout: Option<ChannelLayout>,

    /// How loud you hear yourself through RTJam, in dB, or off. Default: off, since most audio interfaces let you hear
    /// yourself without any delay.
    #[arg(long, value_name = "DB|off", allow_hyphen_values = true)]
    pub(crate) monitor: Option<Monitor>,

    /// How loud you hear the others, in dB. Default: 0.
    #[arg(long, value_name = "DB", allow_hyphen_values = true)]
    pub(crate) room: Option<Decibels>,

    /// Start without sending your sound. Typing "unmute" sends it.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "true|false",
        hide_possible_values = true)]
    pub(crate) mute: Option<bool>,

    /// The input device, by the name that --list-devices shows. Not for JACK.
    #[arg(long, value_name = "DEVICE")]
    pub(crate) input: Option<String>,

    /// The output device, by the name that --list-devices shows. Not for JACK.
    #[arg(long, value_name = "DEVICE")]
    pub(crate) output: Option<String>,

    /// Print one JSON object a second on standard output, instead of a line to read.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "true|false",
        hide_possible_values = true)]
    pub(crate) status_json: Option<bool>,
}

impl Settings {
    /// These settings, and where they say nothing those of `below`.
    pub(crate) fn over(self, below: Settings) -> Settings {
        Settings {
            join: self.join.or(below.join),
            name: self.name.or(below.name),
            headless: self.headless.or(below.headless),
            backend: self.backend.or(below.backend),
            jack_name: self.jack_name.or(below.jack_name),
            no_connect: self.no_connect.or(below.no_connect),
            source: self.source.or(below.source),
            format: self.format.or(below.format),
            packet: self.packet.or(below.packet),
            playout: self.playout.or(below.playout),
            comfort: self.comfort.or(below.comfort),
            mix: self.mix.or(below.mix),
            pin: self.pin.or(below.pin),
            layout: self.layout.or(below.layout),
            monitor: self.monitor.or(below.monitor),
            room: self.room.or(below.room),
            mute: self.mute.or(below.mute),
            input: self.input.or(below.input),
            output: self.output.or(below.output),
            status_json: self.status_json.or(below.status_json),
        }
    }
}

/// Why a value was not taken: a sentence's end, "must be …".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadValue(String);

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadValue {}

fn bad<T>(must_be: &str) -> Result<T, BadValue> {
    Err(BadValue(format!("must be {must_be}")))
}

/// Which audio system is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BackendChoice {
    #[default]
    Auto,
    Jack,
    Cpal,
    Dummy,
}

impl FromStr for BackendChoice {
    type Err = BadValue;
    fn from_str(s: &str) -> Result<BackendChoice, BadValue> {
        match s {
            "auto" => Ok(BackendChoice::Auto),
            "jack" => Ok(BackendChoice::Jack),
            "cpal" => Ok(BackendChoice::Cpal),
            "dummy" => Ok(BackendChoice::Dummy),
            _ => bad("auto, jack, cpal or dummy"),
        }
    }
}

/// A name that JACK takes for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JackName(pub(crate) String);

impl Default for JackName {
    fn default() -> JackName {
        JackName("rtjam".to_owned())
    }
}

impl FromStr for JackName {
    type Err = BadValue;
    /// JACK's own limit is 63 bytes; some room is left for the suffix by which it tells equal names apart.
    fn from_str(s: &str) -> Result<JackName, BadValue> {
        if s.is_empty() || s.len() > 60 || s.contains(':') || s.chars().any(char::is_control) {
            bad("1 to 60 bytes long, without a colon")
        } else {
            Ok(JackName(s.to_owned()))
        }
    }
}

/// What is played into the room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum SourceChoice {
    #[default]
    Device,
    Demo,
    Wav(PathBuf),
}

impl FromStr for SourceChoice {
    type Err = BadValue;
    fn from_str(s: &str) -> Result<SourceChoice, BadValue> {
        match s {
            "device" => Ok(SourceChoice::Device),
            "demo" => Ok(SourceChoice::Demo),
            _ if s.to_ascii_lowercase().ends_with(".wav") => Ok(SourceChoice::Wav(PathBuf::from(s))),
            _ => bad("device, demo or a file that ends in .wav"),
        }
    }
}

/// How samples are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Format(pub(crate) Codec);

impl FromStr for Format {
    type Err = BadValue;
    fn from_str(s: &str) -> Result<Format, BadValue> {
        match s {
            "pcm16" => Ok(Format(Codec::Pcm16)),
            "pcm24" => Ok(Format(Codec::Pcm24)),
            "f32" => Ok(Format(Codec::F32)),
            _ => bad("pcm16, pcm24 or f32"),
        }
    }
}

/// A packet's size, in frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PacketFrames(pub(crate) u16);

impl FromStr for PacketFrames {
    type Err = BadValue;
    fn from_str(s: &str) -> Result<PacketFrames, BadValue> {
        match s.parse::<u16>() {
            Ok(frames) if PACKET_FRAMES.contains(&frames) => Ok(PacketFrames(frames)),
            _ => bad("a whole number of frames from 16 to 512"),
        }
    }
}

/// How long the others' sound waits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Playout {
    #[default]
    Auto,
    /// Milliseconds.
    Fixed(f32),
}

impl FromStr for Playout {
    type Err = BadValue;
    fn from_str(s: &str) -> Result<Playout, BadValue> {
        if s == "auto" {
            return Ok(Playout::Auto);
        }
        match s.parse::<f32>() {
            Ok(ms) if (0.0..=rtjam_engine::Playout::MAX_MS).contains(&ms) => Ok(Playout::Fixed(ms)),
            _ => bad("auto, or milliseconds from 0 to 400"),
        }
    }
}

/// What the room sends; `None`: as it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mix(pub(crate) Option<DownstreamMode>);

impl FromStr for Mix {
    type Err = BadValue;
    fn from_str(s: &str) -> Result<Mix, BadValue> {
        match s {
            "room" => Ok(Mix(None)),
            "separate" => Ok(Mix(Some(DownstreamMode::Forwarded))),
            "one" => Ok(Mix(Some(DownstreamMode::Mixed))),
            _ => bad("room, separate or one"),
        }
    }
}

/// What the two channels are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChannelLayout(pub(crate) Layout);

impl FromStr for ChannelLayout {
    type Err = BadValue;
    fn from_str(s: &str) -> Result<ChannelLayout, BadValue> {
        match s {
            "stereo" => Ok(ChannelLayout(Layout::Stereo)),
            "dual-mono" => Ok(ChannelLayout(Layout::DualMono)),
            _ => bad("stereo or dual-mono"),
        }
    }
}

/// A gain in dB, −60 to +12.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Decibels(pub(crate) f32);

impl FromStr for Decibels {
    type Err = BadValue;
    fn from_str(s: &str) -> Result<Decibels, BadValue> {
        match s.parse::<f32>() {
            Ok(db) if (-60.0..=12.0).contains(&db) => Ok(Decibels(db)),
            _ => bad("decibels from -60 to 12"),
        }
    }
}

/// The level of one's own sound.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Monitor {
    #[default]
    Off,
    On(Decibels),
}

impl FromStr for Monitor {
    type Err = BadValue;
    fn from_str(s: &str) -> Result<Monitor, BadValue> {
        match s {
            "off" => Ok(Monitor::Off),
            _ => match s.parse() {
                Ok(db) => Ok(Monitor::On(db)),
                Err(_) => bad("off, or decibels from -60 to 12"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_command_line_says_wins_and_the_file_fills_the_rest() {
        let line = Settings { name: Some("Anna".into()), mute: Some(false), ..Settings::default() };
        let file = Settings {
            name: Some("Old".into()),
            mute: Some(true),
            packet: Some(PacketFrames(64)),
            ..Settings::default()
        };
        let both = line.over(file);
        assert_eq!(both.name.as_deref(), Some("Anna"));
        assert_eq!(both.mute, Some(false));
        assert_eq!(both.packet, Some(PacketFrames(64)));
        assert_eq!(both.join, None);
    }

    #[test]
    fn values_outside_their_range_are_refused() {
        for text in ["15", "513", "64.5", "-64", "", "many"] {
            assert!(text.parse::<PacketFrames>().is_err(), "{text}");
        }
        for text in ["-1", "501", "nan", "inf", "Auto", ""] {
            assert!(text.parse::<Playout>().is_err(), "{text}");
        }
        for text in ["nan", "-61", "13", "loud"] {
            assert!(text.parse::<Monitor>().is_err(), "{text}");
        }
        for text in ["", "a:b", "a\nb"] {
            assert!(text.parse::<JackName>().is_err(), "{text}");
        }
        assert!("song.mp3".parse::<SourceChoice>().is_err());
    }

    #[test]
    fn values_inside_their_range_are_taken() {
        assert_eq!("16".parse(), Ok(PacketFrames(16)));
        assert_eq!("512".parse(), Ok(PacketFrames(512)));
        assert_eq!("0".parse(), Ok(Playout::Fixed(0.0)));
        assert_eq!("12.5".parse(), Ok(Playout::Fixed(12.5)));
        assert_eq!("off".parse(), Ok(Monitor::Off));
        assert_eq!("-6".parse(), Ok(Monitor::On(Decibels(-6.0))));
        assert_eq!("Song.WAV".parse(), Ok(SourceChoice::Wav(PathBuf::from("Song.WAV"))));
    }
}
