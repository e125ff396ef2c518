//! `window.json` in the config folder: what was set in the window, readable for its owner only. `rtjam.toml` and the command
//! line override it.

use rtjam_client::private_file;
use rtjam_protocol::link::Link;
use rtjam_ui::settings::{
    Choices, DEFAULT_WINDOW, Decibels, GivenSettings, Look, MonitorLevel, RecentRooms, clamp_window,
};
use serde::{Deserialize, Serialize};
use std::path::Path;

const FILE: &str = "window.json";

/// The content of the file. What is missing or invalid has its default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct WindowState {
    #[serde(flatten)]
    settings: GivenSettings,
    light: bool,
    /// The audio page opens by itself until the user has closed it once.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    audio_due: bool,
    size: Option<(u32, u32)>,
    /// Rooms of versions that had no `rooms.json`, with their keys; not written any more.
    #[serde(skip_serializing)]
    rooms: Vec<String>,
}

impl WindowState {
    /// Reads the file.
    pub(crate) fn read(folder: &Path) -> WindowState {
        match std::fs::read_to_string(folder.join(FILE)) {
            Ok(text) => serde_json::from_str(&text).unwrap_or_default(),
            Err(_) => WindowState { audio_due: true, ..WindowState::default() },
        }
    }

    /// Writes the file. Ignores errors: the music goes on without it.
    pub(super) fn write(&self, folder: &Path) {
        if let Ok(text) = serde_json::to_string_pretty(self) {
            let _ = private_file::replace(&folder.join(FILE), text.as_bytes());
        }
    }

    /// The present state of the window; levels in dB. `audio` is what was chosen on the audio page, which opens by itself if
    /// `audio_due` is set.
    pub(super) fn of(
        choices: &Choices,
        monitor: f64,
        room: f64,
        audio: &GivenSettings,
        audio_due: bool,
    ) -> WindowState {
        let settings = GivenSettings {
            monitor: Some(MonitorLevel::from_db(monitor)),
            room: Some(Decibels(room as f32)),
            ..choices.to_given()
        };
        let (settings, light) = (settings.over(audio.clone()), choices.look == Look::Light);
        WindowState { settings, light, audio_due, size: Some(choices.window), rooms: Vec::new() }
    }

    /// The remembered settings.
    pub(crate) fn settings(&self) -> GivenSettings {
        self.settings.clone()
    }

    /// What was chosen on the audio page.
    pub(super) fn audio(&self) -> GivenSettings {
        let GivenSettings { backend, input, input_channels, output, rate, period, .. } = self.settings.clone();
        GivenSettings { backend, input, input_channels, output, rate, period, ..GivenSettings::default() }
    }

    /// Whether the user has not closed the audio page yet.
    pub(super) fn is_first_start(&self) -> bool {
        self.audio_due
    }

    pub(super) fn look(&self) -> Look {
        if self.light { Look::Light } else { Look::Dark }
    }

    /// Window size in logical pixels.
    pub(super) fn size(&self) -> (u32, u32) {
        clamp_window(self.size.unwrap_or(DEFAULT_WINDOW))
    }

    /// The recent rooms. Moves the rooms of older versions to `rooms.json` first, and this file is written without them.
    pub(super) fn recent_rooms(&self, folder: &Path) -> Vec<Link> {
        let recent = RecentRooms::in_folder(folder);
        let older: Vec<Link> = self.rooms.iter().filter_map(|link| link.parse().ok()).collect();
        if !self.rooms.is_empty() {
            recent.adopt(&older);
            self.write(folder);
        }
        recent.all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtjam_engine::{PacketSize, Playout, PlayoutBias};
    use rtjam_platform::private::{self, Readers};
    use rtjam_protocol::audio::{Codec, Layout};

    fn choices() -> Choices {
        Choices {
            named: true,
            format: Codec::Pcm24,
            packet: PacketSize::Frames(64),
            playout: Playout::Fixed { ms: 12.5 },
            comfort: PlayoutBias::Safe,
            layout: Layout::DualMono,
            pinned: vec!["Anna".to_owned(), "Ben".to_owned()],
            look: Look::Light,
            window: (900, 600),
            ..Choices::with_name("Keyboard".to_owned())
        }
    }

    #[test]
    fn window_state_round_trips() {
        let folder = std::env::temp_dir().join(format!("rtjam-state-{}", std::process::id()));
        assert!(WindowState::read(&folder).is_first_start());
        let mut audio = GivenSettings::default();
        audio.set("input-channels", "2").expect("a valid value");
        WindowState::of(&choices(), -60.0, -3.5, &audio, false).write(&folder);
        let state = WindowState::read(&folder);
        assert!(!state.is_first_start());
        assert_eq!(state.audio(), audio);
        let settings = state.settings();
        assert_eq!((settings.monitor, settings.room), (None, Some(Decibels(-3.5))));
        let read = Choices { look: state.look(), window: state.size(), ..Choices::from_given(&settings) };
        assert_eq!(read, choices());
        assert_eq!(private::readers(&folder.join(FILE)).expect("there"), Readers::OwnerOnly);
        std::fs::remove_dir_all(folder).expect("own folder");
    }

    /// A file of the first releases: its settings count, and its rooms move to `rooms.json`.
    #[test]
    fn older_files_are_read() {
        let folder = std::env::temp_dir().join(format!("rtjam-older-{}", std::process::id()));
        let link = "rtjam://127.0.0.1/lobby#AQEHBwcHBwcHBwcHBwcHBwcH";
        let text = format!(
            r#"{{"name": "Keyboard", "format": "pcm24", "packet": "64", "playout": "12.5", "comfort": "safe",
            "layout": "dual-mono", "mix": null, "pin": "Anna, Ben", "monitor": "off", "room": "-3.50", "light": true,
            "size": [900, 600], "rooms": ["{link}"]}}"#
        );
        private_file::replace(&folder.join(FILE), text.as_bytes()).expect("writable");
        let state = WindowState::read(&folder);
        assert_eq!(
            Choices { look: Look::Light, window: (900, 600), ..Choices::from_given(&state.settings()) },
            choices()
        );
        let rooms: Vec<Link> = vec![link.parse().expect("a link")];
        assert_eq!(state.recent_rooms(&folder), rooms);
        let moved = WindowState::read(&folder);
        assert_eq!((moved.rooms.len(), moved.settings().room), (0, Some(Decibels(-3.5))));
        assert_eq!(moved.recent_rooms(&folder), rooms);
        std::fs::remove_dir_all(folder).expect("own folder");
    }

    #[test]
    fn broken_files_give_defaults() {
        for text in ["", "{", "[]", r#"{"size": "large"}"#] {
            assert_eq!(serde_json::from_str::<WindowState>(text).unwrap_or_default(), WindowState::default(), "{text}");
        }
        let odd: WindowState = serde_json::from_str(r#"{"size": [1, 1], "packet": "8"}"#).expect("JSON");
        assert_eq!((odd.size(), odd.settings().packet), ((520, 320), None));
    }
}
