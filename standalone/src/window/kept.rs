//! What was set in the window, kept for the next time: `window.json` in the settings folder, for its owner only, since
//! it holds links. What `rtjam.toml` and the command line say wins.

use crate::settings::{Decibels, Mix, Monitor, PacketFrames, Playout, Settings};
use crate::settings_file::SettingsFolder;
use rtjam_engine::PacketSize;
use rtjam_protocol::audio::{Codec, Layout};
use rtjam_protocol::control::MixChoice;
use rtjam_protocol::link::Link;
use rtjam_ui::editor::measure::{USUAL, tidy_size};
use rtjam_ui::editor_model::{Choices, Look};
use serde::{Deserialize, Serialize};

const FILE: &str = "window.json";

/// Rooms that are remembered.
const ROOMS: usize = 12;

/// The file's content. What it does not say, or says wrongly, is left to the defaults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Kept {
    name: Option<String>,
    format: Option<String>,
    packet: Option<String>,
    playout: Option<String>,
    comfort: Option<String>,
    layout: Option<String>,
    /// `None`: as the room says.
    mix: Option<MixChoice>,
    /// Names between commas.
    pin: Option<String>,
    monitor: Option<String>,
    room: Option<String>,
    light: bool,
    size: Option<(u32, u32)>,
    /// Whole links, the last one first.
    rooms: Vec<String>,
}

impl Kept {
    /// Reads the file.
    pub(crate) fn read(folder: &SettingsFolder) -> Kept {
        let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Writes it. Not being able to is no reason to disturb the music.
    pub(super) fn write(&self, folder: &SettingsFolder) {
        if let Ok(text) = serde_json::to_string_pretty(self) {
            let _ = folder.replace(FILE, &text);
        }
    }

    /// What is shown and set at the moment; gains in dB, at most −60 for off.
    pub(super) fn of(shown: &Choices, monitor: f64, room: f64, rooms: &[Link]) -> Kept {
        let word = |text: &str| Some(text.to_owned());
        let db = |value: f64| if value <= -60.0 { "off".to_owned() } else { format!("{value:.2}") };
        Kept {
            name: shown.named.then(|| shown.name.clone()),
            format: word(match shown.format {
                Codec::Pcm16 => "pcm16",
                Codec::Pcm24 => "pcm24",
                Codec::F32 => "f32",
            }),
            packet: match shown.packet {
                PacketSize::Auto => None,
                PacketSize::Frames(frames) => Some(frames.to_string()),
            },
            playout: match shown.playout {
                rtjam_engine::Playout::Auto => None,
                rtjam_engine::Playout::Fixed { ms } => Some(ms.to_string()),
            },
            comfort: word(shown.comfort.name()),
            layout: word(match shown.layout {
                Layout::Stereo => "stereo",
                Layout::DualMono => "dual-mono",
            }),
            mix: shown.mix,
            pin: (!shown.pinned.is_empty()).then(|| shown.pinned.join(", ")),
            monitor: Some(db(monitor)),
            // It has no "off": the lowest value is.
            room: Some(format!("{room:.2}")),
            light: shown.look == Look::Light,
            size: Some(shown.window),
            rooms: rooms.iter().take(ROOMS).map(ToString::to_string).collect(),
        }
    }

    /// As settings that others can win over.
    pub(crate) fn settings(&self) -> Settings {
        fn read<T: std::str::FromStr>(text: &Option<String>) -> Option<T> {
            text.as_ref()?.parse().ok()
        }
        Settings {
            name: self.name.clone(),
            format: read(&self.format),
            packet: read::<PacketFrames>(&self.packet),
            playout: read::<Playout>(&self.playout),
            comfort: read(&self.comfort),
            layout: read(&self.layout),
            mix: self.mix.map(|mix| Mix(Some(mix))),
            pin: self.pin.clone(),
            monitor: read::<Monitor>(&self.monitor),
            room: read::<Decibels>(&self.room),
            ..Settings::default()
        }
    }

    /// Dark, until it was set otherwise.
    pub(super) fn look(&self) -> Look {
        if self.light { Look::Light } else { Look::Dark }
    }

    /// The window's size, in logical pixels.
    pub(super) fn size(&self) -> (u32, u32) {
        tidy_size(self.size.unwrap_or(USUAL))
    }

    /// The rooms of before.
    pub(super) fn rooms(&self) -> Vec<Link> {
        self.rooms.iter().filter_map(|link| link.parse().ok()).take(ROOMS).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{ChannelLayout, Format};

    fn shown() -> Choices {
        Choices {
            name: "Keyboard".to_owned(),
            named: true,
            format: Codec::Pcm24,
            packet: PacketSize::Frames(64),
            playout: rtjam_engine::Playout::Fixed { ms: 12.5 },
            comfort: rtjam_engine::Comfort::Safe,
            layout: Layout::DualMono,
            mix: Some(MixChoice::One),
            pinned: vec!["Anna".to_owned(), "Ben".to_owned()],
            keep_key: false,
            rejoin: false,
            look: Look::Light,
            window: (900, 600),
        }
    }

    #[test]
    fn what_was_set_in_the_window_is_there_again() {
        let path = std::env::temp_dir().join(format!("rtjam-kept-{}", std::process::id()));
        let folder = SettingsFolder::find(Some(path.clone())).expect("a given folder");
        assert_eq!(Kept::read(&folder), Kept::default());
        let link: Link = "rtjam://127.0.0.1/lobby#AQEHBwcHBwcHBwcHBwcHBwcH".parse().expect("a link");
        Kept::of(&shown(), -60.0, -3.5, std::slice::from_ref(&link)).write(&folder);
        let kept = Kept::read(&folder);
        let settings = kept.settings();
        assert_eq!(settings.name.as_deref(), Some("Keyboard"));
        assert_eq!(settings.format, Some(Format(Codec::Pcm24)));
        assert_eq!(settings.packet, Some(PacketFrames(64)));
        assert_eq!(settings.playout, Some(Playout::Fixed(12.5)));
        assert_eq!(settings.comfort, Some(rtjam_engine::Comfort::Safe));
        assert_eq!(settings.layout, Some(ChannelLayout(Layout::DualMono)));
        assert_eq!(settings.mix, Some(Mix(Some(MixChoice::One))));
        assert_eq!(settings.pin.as_deref(), Some("Anna, Ben"));
        assert_eq!((settings.monitor, settings.room), (Some(Monitor::Off), Some(Decibels(-3.5))));
        assert_eq!((kept.look(), kept.size(), kept.rooms()), (Look::Light, (900, 600), vec![link]));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(path.join(FILE)).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::remove_dir_all(path).expect("own folder");
    }

    #[test]
    fn a_broken_file_is_as_good_as_none() {
        for text in ["", "{", "[]", r#"{"size": "large"}"#] {
            assert_eq!(serde_json::from_str::<Kept>(text).unwrap_or_default(), Kept::default(), "{text}");
        }
        let odd: Kept = serde_json::from_str(r#"{"size": [1, 1], "packet": "8", "rooms": ["x"]}"#).expect("JSON");
        assert_eq!((odd.size(), odd.settings().packet, odd.rooms().len()), ((520, 320), None, 0));
    }
}
