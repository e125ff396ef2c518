//! What the host stores in its project: JSON, read with patience and written whole.

use super::Instance;
use rtjam_engine::{PacketSize, Playout};
use rtjam_protocol::audio::{Codec, Layout, PACKET_FRAMES};
use rtjam_protocol::control::{MixChoice, tidy_name};
use rtjam_protocol::link::Link;
use rtjam_ui::editor_model::Choices;
use rtjam_ui::editor_model::Look;
use rtjam_ui::params::Param;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;

/// The version that this program writes. A later one is read as far as it is understood.
const VERSION: u32 = 1;

/// A window has at least this size and at most that.
const WINDOW: ((u32, u32), (u32, u32)) = ((520, 320), (8192, 8192));

/// What the host gave is no project of RTJam's; nothing has changed.
#[derive(Debug)]
pub struct BadProject(serde_json::Error);

impl fmt::Display for BadProject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RTJam cannot read what this project holds of it: {}", self.0)
    }
}

impl std::error::Error for BadProject {}

/// Fields are added, never renamed. What is missing is as it was at first.
#[derive(Serialize, Deserialize)]
struct Project {
    rtjam: u32,
    #[serde(default)]
    name: Option<String>,
    /// Whether the user gave it. Projects of before do not say: theirs counts as given.
    #[serde(default)]
    named: Option<bool>,
    #[serde(default)]
    format: Option<String>,
    /// Frames; `None` is automatic.
    #[serde(default)]
    packet: Option<u16>,
    /// ms; `None` is automatic.
    #[serde(default)]
    playout_ms: Option<f32>,
    #[serde(default)]
    comfort: Option<String>,
    #[serde(default)]
    layout: Option<String>,
    /// `None`: as the room says.
    #[serde(default)]
    mix: Option<MixChoice>,
    #[serde(default)]
    pinned: Vec<String>,
    /// Without its key, unless `keep_key`.
    #[serde(default)]
    link: Option<String>,
    #[serde(default)]
    keep_key: bool,
    #[serde(default)]
    rejoin: bool,
    #[serde(default)]
    light: bool,
    #[serde(default)]
    window: Option<(u32, u32)>,
    /// [`rtjam_client::Seats`]; what is none is left out.
    #[serde(default)]
    seats: serde_json::Value,
    #[serde(default)]
    params: BTreeMap<u32, f64>,
}

impl Instance {
    /// Main thread: what the project is to hold.
    pub fn save(&self) -> Vec<u8> {
        let session = self.session();
        let (choices, link, seats) = (session.choices.clone(), session.link.clone(), session.seats());
        drop(session);
        let keep = |link: Link| if choices.keep_key { link } else { link.without_key() };
        let project = Project {
            rtjam: VERSION,
            name: Some(choices.name),
            named: Some(choices.named),
            format: Some(format_text(choices.format).to_owned()),
            packet: match choices.packet {
                PacketSize::Auto => None,
                PacketSize::Frames(frames) => Some(frames),
            },
            playout_ms: match choices.playout {
                Playout::Auto => None,
                Playout::Fixed { ms } => Some(ms),
            },
            comfort: Some(choices.comfort.name().to_owned()),
            layout: Some(if choices.layout == Layout::DualMono { "dual-mono" } else { "stereo" }.to_owned()),
            mix: choices.mix,
            pinned: choices.pinned,
            link: link.map(|link| keep(link).to_string()),
            keep_key: choices.keep_key,
            rejoin: choices.rejoin,
            light: choices.look == Look::Light,
            window: Some(choices.window),
            seats: serde_json::to_value(seats).unwrap_or_default(),
            params: self.params().map(|p| (p.id(), self.values.get(p))).collect(),
        };
        // Numbers, texts and a map with numbers for keys: it cannot fail.
        serde_json::to_vec(&project).unwrap_or_default()
    }

    /// Main thread: takes what the project holds. Joins nothing before there is audio.
    ///
    /// # Errors
    /// It is not ours; nothing has changed.
    pub fn load(&self, bytes: &[u8]) -> Result<(), BadProject> {
        let project: Project = serde_json::from_slice(bytes).map_err(BadProject)?;
        self.set_all(|param| project.params.get(&param.id()).copied());
        let mut session = self.session();
        session.set_seats(serde_json::from_value(project.seats.clone()).unwrap_or_default());
        session.link = project.link.as_ref().and_then(|link| link.parse().ok());
        session.choices = choices(project);
        session.rejoin_due = session.choices.rejoin && session.link.is_some();
        session.set_controls(&self.console);
        drop(session);
        if self.active.load(Relaxed) {
            self.rejoin();
        }
        Ok(())
    }

    /// Main thread, with audio: goes back to the project's room, muted, if that is due.
    pub(super) fn rejoin(&self) {
        let mut session = self.session();
        if !std::mem::take(&mut session.rejoin_due) || session.is_in_room() {
            return;
        }
        let Some(link) = session.link.clone() else { return };
        let text = link.to_string();
        if session.join(&text, true, &self.console).is_ok() {
            session.came_back = true;
            drop(session);
            self.edit(Param::SendMute, 1.0);
            self.wants_room.store(true, Relaxed);
        }
    }
}

fn choices(project: Project) -> Choices {
    let first = Choices::of(rtjam_ui::default_name());
    let (least, most) = WINDOW;
    let window = project.window.map_or(first.window, |(w, h)| (w.clamp(least.0, most.0), h.clamp(least.1, most.1)));
    Choices {
        named: project.name.is_some() && project.named.unwrap_or(true),
        name: project.name.map_or(first.name, |name| tidy_name(&name)),
        format: match project.format.as_deref() {
            Some("pcm24") => Codec::Pcm24,
            Some("f32") => Codec::F32,
            _ => Codec::Pcm16,
        },
        packet: project.packet.filter(|n| PACKET_FRAMES.contains(n)).map_or(PacketSize::Auto, PacketSize::Frames),
        playout: match project.playout_ms {
            Some(ms) if (0.0..=Playout::MAX_MS).contains(&ms) => Playout::Fixed { ms },
            _ => Playout::Auto,
        },
        comfort: project.comfort.and_then(|name| name.parse().ok()).unwrap_or_default(),
        layout: if project.layout.as_deref() == Some("dual-mono") { Layout::DualMono } else { Layout::Stereo },
        mix: project.mix,
        pinned: project.pinned,
        keep_key: project.keep_key,
        rejoin: project.rejoin,
        look: if project.light { Look::Light } else { Look::Dark },
        window,
    }
}

fn format_text(format: Codec) -> &'static str {
    match format {
        Codec::Pcm16 => "pcm16",
        Codec::Pcm24 => "pcm24",
        Codec::F32 => "f32",
    }
}

#[cfg(test)]
mod tests {
    use crate::instance::Instance;
    use rtjam_engine::{Comfort, PacketSize};
    use rtjam_protocol::control::MixChoice;
    use rtjam_ui::editor_model::{Change, EditorModel, Kind};
    use rtjam_ui::params::Param;

    const LINK: &str = "rtjam://jam.example.org/lobby#AQEHBwcHBwcHBwcHBwcHBwcH";

    /// A config folder that is not there, and must not come to be by a load. A test that gives a name has its own.
    fn nowhere() -> std::path::PathBuf {
        std::env::temp_dir().join(format!("rtjam-nowhere-{}", std::process::id()))
    }

    fn instance(kind: Kind) -> Instance {
        Instance::new(kind, Some(nowhere()))
    }

    #[test]
    fn what_is_saved_comes_back_whole() {
        let nowhere = || nowhere().with_extension("whole");
        let instance = |kind| Instance::new(kind, Some(nowhere()));
        let one = instance(Kind::Multi);
        for (index, param) in Param::all().enumerate() {
            let (least, most) = param.range().into_inner();
            one.set_from_host(param.id(), least + (most - least) * (index as f64 * 0.618_033_988_749).fract());
        }
        one.change(Change::Name("Änna 🎻".to_owned()));
        one.change(Change::Packet(PacketSize::Frames(64)));
        one.change(Change::Comfort(Comfort::Safe));
        one.change(Change::Mix(Some(MixChoice::One)));
        one.change(Change::Pinned(vec!["Anna".to_owned()]));
        let saved = one.save();
        // The name is kept for the next instance.
        std::fs::remove_dir_all(nowhere()).expect("our own");
        let other = instance(Kind::Multi);
        other.load(&saved).expect("our own");
        assert_eq!(other.save(), saved);
        assert_eq!(other.settings().choices.name, "Änna 🎻");
        assert_eq!(other.settings().choices.mix, Some(MixChoice::One));
        assert_eq!(other.settings().choices.pinned, ["Anna"]);
        assert_eq!((other.settings().choices.comfort, other.console().comfort()), (Comfort::Safe, Comfort::Safe));
        assert!(other.settings().choices.named);
        assert!(Param::all().all(|p| one.value(p) == other.value(p)));
        assert!(!nowhere().exists(), "loading opens no file");
    }

    #[test]
    fn a_name_that_was_given_once_is_every_new_instances() {
        let folder = nowhere().with_extension("name");
        let new = || Instance::new(Kind::Plugin, Some(folder.clone()));
        let (one, guessed) = (new(), new().save());
        assert!(!one.settings().choices.named, "nobody was asked yet");
        one.change(Change::Name("Anna".to_owned()));
        let choices = new().settings().choices;
        assert_eq!((choices.name.as_str(), choices.named), ("Anna", true));
        // A project's own name wins, and one that was only guessed does not.
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
    fn a_project_from_before_there_were_mixes_does_as_the_room_says() {
        let instance = instance(Kind::Plugin);
        instance.change(Change::Mix(Some(MixChoice::One)));
        instance.load(br#"{"rtjam": 1, "format": "pcm24", "layout": "dual-mono"}"#).expect("a project");
        assert_eq!(instance.settings().choices.mix, None);
    }

    #[test]
    fn the_key_is_in_the_project_only_where_it_was_asked_for() {
        let instance = instance(Kind::Plugin);
        let project = format!("{{\"rtjam\": 1, \"link\": \"{LINK}\"}}");
        instance.load(project.as_bytes()).expect("a project");
        let text = |i: &Instance| String::from_utf8(i.save()).expect("JSON");
        assert!(!text(&instance).contains("AQEHB") && text(&instance).contains("jam.example.org/lobby"));
        instance.change(Change::KeepKey(true));
        assert!(text(&instance).contains("#AQEHB"));
    }

    #[test]
    fn what_is_not_ours_changes_nothing() {
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
    fn nonsense_within_a_project_becomes_something_sensible() {
        let instance = instance(Kind::Plugin);
        let project =
            br#"{"rtjam": 7, "name": "", "format": "mp3", "packet": 3, "playout_ms": 1e30, "window": [0, 99999],
            "link": "http://x", "comfort": "much", "mix": "all of it", "seats": {"slots": [{"slot": 99}]}, "params": {"2": 1e300, "3": 0.7, "999999": 1.0}, "unknown": {}}"#;
        instance.load(project).expect("a project");
        let settings = instance.settings();
        let choices = settings.choices;
        assert_eq!((choices.packet, choices.window), (PacketSize::Auto, (520, 8192)));
        assert_eq!((settings.link, choices.name.as_str()), (None, "Musician"));
        assert_eq!(choices.mix, Some(MixChoice::Separate));
        assert_eq!((instance.value(Param::Room), instance.value(Param::SendMute)), (12.0, 1.0));
    }
}
