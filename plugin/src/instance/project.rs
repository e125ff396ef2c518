//! The state of an instance in the host's project: JSON. Loading accepts what is missing or invalid; saving writes every field.

use super::Instance;
use rtjam_engine::{PacketSize, Playout, PlayoutBias};
use rtjam_protocol::audio::{Codec, Layout};
use rtjam_protocol::control::{DownstreamMode, tidy_name};
use rtjam_protocol::link::Link;
use rtjam_ui::messages::Language;
use rtjam_ui::params::Param;
use rtjam_ui::settings::{Choices, Look, as_text, clamp_window, default_name, packet_frames, playout_ms};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

/// The version that this program writes. It reads what it knows of later ones.
const VERSION: u32 = 1;

/// The state is not RTJam's. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[error("RTJam cannot read what this project holds for it: {0}")]
pub struct BadProject(serde_json::Error);

/// The JSON object. Fields are added and never renamed; a missing field has its default.
#[derive(Serialize, Deserialize)]
struct Project {
    rtjam: u32,
    name: Option<String>,
    /// Whether the user chose the name. In older projects, which do not say, the user did.
    named: Option<bool>,
    #[serde(default, with = "as_text")]
    format: Option<Codec>,
    /// Frames; `None`: automatic.
    packet: Option<u16>,
    /// ms; `None`: automatic.
    playout_ms: Option<f32>,
    #[serde(default, with = "as_text")]
    comfort: Option<PlayoutBias>,
    #[serde(default, with = "as_text")]
    layout: Option<Layout>,
    /// `None`: the room's default.
    mix: Option<DownstreamMode>,
    #[serde(default)]
    pinned: Vec<String>,
    /// Without its key, unless `keep_key`.
    link: Option<String>,
    #[serde(default)]
    keep_key: bool,
    #[serde(default)]
    rejoin: bool,
    #[serde(default)]
    light: bool,
    window: Option<(u32, u32)>,
    /// [`rtjam_client::Seats`]; invalid ones are ignored.
    #[serde(default)]
    seats: serde_json::Value,
    #[serde(default)]
    params: BTreeMap<u32, f64>,
}

impl Instance {
    /// Main thread. The state for the project.
    pub fn save(&self) -> Vec<u8> {
        let session = self.session();
        let (choices, link, seats) = (session.choices.clone(), session.link.clone(), session.seats());
        drop(session);
        let stored = |link: Link| if choices.keep_key { link } else { link.without_key() };
        let project = Project {
            rtjam: VERSION,
            name: Some(choices.name),
            named: Some(choices.named),
            format: Some(choices.format),
            packet: match choices.packet {
                PacketSize::Auto => None,
                PacketSize::Frames(frames) => Some(frames),
            },
            playout_ms: match choices.playout {
                Playout::Auto => None,
                Playout::Fixed { ms } => Some(ms),
            },
            comfort: Some(choices.comfort),
            layout: Some(choices.layout),
            mix: choices.mix,
            pinned: choices.pinned,
            link: link.map(|link| stored(link).to_string()),
            keep_key: choices.keep_key,
            rejoin: choices.rejoin,
            light: choices.look == Look::Light,
            window: Some(choices.window),
            seats: serde_json::to_value(seats).unwrap_or_default(),
            params: self.params().map(|p| (p.id(), self.values.get(p))).collect(),
        };
        // Cannot fail: numbers, strings, and a map with numbers as keys.
        serde_json::to_vec(&project).unwrap_or_default()
    }

    /// Main thread. Loads the state of a project. Joins no room before there is audio.
    ///
    /// # Errors
    /// The state is not RTJam's; nothing has changed.
    pub fn load(&self, bytes: &[u8]) -> Result<(), BadProject> {
        let project: Project = serde_json::from_slice(bytes).map_err(BadProject)?;
        self.set_all(|param| project.params.get(&param.id()).copied());
        let mut session = self.session();
        session.set_seats(serde_json::from_value(project.seats.clone()).unwrap_or_default());
        session.link = project.link.as_ref().and_then(|link| link.parse().ok());
        session.choices = project.into_choices(session.choices.language);
        session.rejoin_due = session.choices.rejoin && session.link.is_some();
        session.apply_choices(&self.console);
        drop(session);
        if self.active.load(Relaxed) {
            self.rejoin();
        }
        Ok(())
    }

    /// Main thread, while there is audio. Rejoins the project's room, muted, if that is due.
    pub(super) fn rejoin(&self) {
        let mut session = self.session();
        if !std::mem::take(&mut session.rejoin_due) || session.is_in_room() {
            return;
        }
        let Some(link) = session.link.clone() else { return };
        if session.join(&link.to_string(), true).is_ok() {
            session.rejoined = true;
            drop(session);
            self.edit(Param::SendMute, 1.0);
            self.wants_room.store(true, Relaxed);
        }
    }
}

impl Project {
    /// The choices of the project. The language is the user's.
    fn into_choices(self, language: Option<Language>) -> Choices {
        let default = Choices::with_name(default_name());
        Choices {
            named: self.name.is_some() && self.named.unwrap_or(true),
            name: self.name.map_or(default.name, |name| tidy_name(&name)),
            format: self.format.unwrap_or_default(),
            packet: self.packet.and_then(packet_frames).unwrap_or_default(),
            playout: self.playout_ms.and_then(playout_ms).unwrap_or_default(),
            comfort: self.comfort.unwrap_or_default(),
            layout: self.layout.unwrap_or_default(),
            mix: self.mix,
            pinned: self.pinned,
            language,
            keep_key: self.keep_key,
            rejoin: self.rejoin,
            look: if self.light { Look::Light } else { Look::Dark },
            window: clamp_window(self.window.unwrap_or(default.window)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::instance::Instance;
    use rtjam_engine::{PacketSize, PlayoutBias};
    use rtjam_protocol::control::DownstreamMode;
    use rtjam_ui::editor_model::{EditorModel, Kind};
    use rtjam_ui::messages::Language;
    use rtjam_ui::params::Param;
    use rtjam_ui::settings::Change;

    const LINK: &str = "rtjam://jam.example.org/lobby#AQEHBwcHBwcHBwcHBwcHBwcH";

    /// A config folder that does not exist, and that a load must not create. A test that sets a name has its own.
    fn nowhere() -> std::path::PathBuf {
        std::env::temp_dir().join(format!("rtjam-nowhere-{}", std::process::id()))
    }

    fn instance(kind: Kind) -> Instance {
        Instance::new(kind, Some(nowhere()))
    }

    #[test]
    fn saved_state_round_trips() {
        let nowhere = || nowhere().with_extension("whole");
        let instance = |kind| Instance::new(kind, Some(nowhere()));
        let one = instance(Kind::Multi);
        for (index, param) in Param::all().enumerate() {
            let (least, most) = param.range().into_inner();
            one.set_from_host(param.id(), least + (most - least) * (index as f64 * 0.618_033_988_749).fract());
        }
        one.change(Change::Name("Änna 🎻".to_owned()));
        one.change(Change::Packet(PacketSize::Frames(64)));
        one.change(Change::PlayoutBias(PlayoutBias::Safe));
        one.change(Change::Mix(Some(DownstreamMode::Mixed)));
        one.change(Change::Pinned(vec!["Anna".to_owned()]));
        let saved = one.save();
        // The change of the name has created it.
        std::fs::remove_dir_all(nowhere()).expect("our own");
        let other = instance(Kind::Multi);
        other.load(&saved).expect("our own");
        assert_eq!(other.save(), saved);
        assert_eq!(other.settings().choices.name, "Änna 🎻");
        assert_eq!(other.settings().choices.mix, Some(DownstreamMode::Mixed));
        assert_eq!(other.settings().choices.pinned, ["Anna"]);
        assert_eq!(
            (other.settings().choices.comfort, other.console().playout_bias()),
            (PlayoutBias::Safe, PlayoutBias::Safe)
        );
        assert!(other.settings().choices.named);
        assert!(Param::all().all(|p| one.value(p) == other.value(p)));
        assert!(!nowhere().exists(), "loading opens no file");
    }

    #[test]
    fn new_instances_take_user_name() {
        let folder = nowhere().with_extension("name");
        let new = || Instance::new(Kind::Plugin, Some(folder.clone()));
        let (one, guessed) = (new(), new().save());
        assert!(!one.settings().choices.named, "no name was chosen yet");
        one.change(Change::Name("Anna".to_owned()));
        let choices = new().settings().choices;
        assert_eq!((choices.name.as_str(), choices.named), ("Anna", true));
        one.change(Change::Language(Some(Language::German)));
        assert_eq!(new().settings().choices.language, Some(Language::German));
        // A project's own name wins, unless it is a default.
        let project = new();
        project.load(br#"{"rtjam": 1, "name": "Ben"}"#).expect("a project");
        assert_eq!(project.settings().choices.name, "Ben");
        project.load(&guessed).expect("a project");
        assert!(!project.session().choices.named);
        let fresh = new();
        fresh.load(&guessed).expect("a project");
        assert_eq!(fresh.settings().choices.name, "Anna");
        std::fs::remove_dir_all(folder).expect("our own");
    }

    #[test]
    fn projects_without_mix_follow_room() {
        let instance = instance(Kind::Plugin);
        instance.change(Change::Mix(Some(DownstreamMode::Mixed)));
        instance.load(br#"{"rtjam": 1, "format": "pcm24", "layout": "dual-mono"}"#).expect("a project");
        assert_eq!(instance.settings().choices.mix, None);
    }

    #[test]
    fn projects_hold_keys_on_request_only() {
        let instance = instance(Kind::Plugin);
        let project = format!("{{\"rtjam\": 1, \"link\": \"{LINK}\"}}");
        instance.load(project.as_bytes()).expect("a project");
        let text = |i: &Instance| String::from_utf8(i.save()).expect("JSON");
        assert!(!text(&instance).contains("AQEHB") && text(&instance).contains("jam.example.org/lobby"));
        instance.change(Change::KeepKey(true));
        assert!(text(&instance).contains("#AQEHB"));
    }

    #[test]
    fn foreign_state_changes_nothing() {
        let instance = instance(Kind::Plugin);
        instance.set_from_host(Param::Room.id(), -7.0);
        let good = instance.save();
        for cut in 0..good.len() {
            assert!(instance.load(&good[..cut]).is_err(), "{cut}");
        }
        for bad in [&b"{}"[..], b"null", b"\xff\xfe", b"[1,2,3]", b"{\"rtjam\": -1}", br#"{"rtjam": 1, "mix": 3}"#] {
            assert!(instance.load(bad).is_err());
        }
        assert_eq!(instance.save(), good);
    }

    #[test]
    fn invalid_fields_become_defaults() {
        let instance = instance(Kind::Plugin);
        let project =
            br#"{"rtjam": 7, "name": "", "format": "mp3", "packet": 3, "playout_ms": 1e30, "window": [0, 99999],
            "link": "http://x", "comfort": "much", "mix": "all of it", "seats": {"slots": [{"slot": 99}]}, "params": {"2": 1e300, "3": 0.7, "999999": 1.0}, "unknown": {}}"#;
        instance.load(project).expect("a project");
        let settings = instance.settings();
        let choices = settings.choices;
        assert_eq!((choices.packet, choices.window), (PacketSize::Auto, (520, 2160)));
        assert_eq!((settings.link, choices.name.as_str()), (None, "Musician"));
        assert_eq!(choices.mix, Some(DownstreamMode::Forwarded));
        assert_eq!((instance.value(Param::Room), instance.value(Param::SendMute)), (12.0, 1.0));
    }
}
