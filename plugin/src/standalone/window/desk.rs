//! The program as its window sees it.

use super::kept::Kept;
use crate::board::{Board, Change, Condition, Kind, NotJoining, RecentRoom, Settings};
use crate::params::{Param, Values, apply};
use crate::standalone::config::{self, Config};
use crate::standalone::settings::{Monitor, Playout};
use crate::standalone::settings_file::SettingsFolder;
use rtjam_client::{Client, Rx, State, Status, Tx};
use rtjam_engine::{Console, PacketSize, SILENCE_DBFS};
use rtjam_protocol::control::tidy_name;
use rtjam_protocol::link::InviteLink;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// What the window draws from; the main loop looks at it too. Any thread.
pub(crate) struct Desk {
    /// Gone once the program has left.
    client: Weak<Client>,
    console: Console,
    values: Values,
    inner: Mutex<Inner>,
}

struct Inner {
    settings: Settings,
    link: Option<InviteLink>,
    rooms: Vec<InviteLink>,
    /// What is the matter with the audio system.
    audio: Option<String>,
    /// Something is to be kept.
    changed: bool,
}

impl Desk {
    /// `kept`: what was set in the window before.
    pub(crate) fn new(
        client: &Arc<Client>,
        console: Console,
        config: &Config,
        kept: &Kept,
        last: Option<InviteLink>,
    ) -> Desk {
        let rooms = kept.rooms();
        let link = config.link.clone().or(last);
        let settings = Settings {
            name: String::new(),
            format: config.format.0,
            packet: PacketSize::Auto,
            playout: rtjam_engine::Playout::Auto,
            comfort: config.comfort,
            layout: config.layout.0,
            link: None,
            recent: Vec::new(),
            keep_key: false,
            rejoin: false,
            look: kept.look(),
            window: kept.size(),
        };
        let inner = Mutex::new(Inner { settings, link, rooms, audio: None, changed: false });
        let desk = Desk { client: Arc::downgrade(client), console, values: Values::default(), inner };
        desk.follow(config);
        desk
    }

    /// Takes over settings that were made elsewhere. The engine has them already.
    pub(crate) fn follow(&self, config: &Config) {
        let monitor = match config.monitor {
            Monitor::Off => f64::NEG_INFINITY,
            Monitor::On(db) => f64::from(db.0),
        };
        self.values.set(Param::Monitor, monitor);
        self.values.set(Param::Room, f64::from(config.room.0));
        self.values.set(Param::SendMute, f64::from(u8::from(config.mute)));
        let mut inner = self.inner();
        let settings = &mut inner.settings;
        settings.name.clone_from(&config.name);
        settings.format = config.format.0;
        settings.packet = config.packet.map_or(PacketSize::Auto, |p| PacketSize::Frames(p.0));
        settings.playout = match config.playout {
            Playout::Auto => rtjam_engine::Playout::Auto,
            Playout::Fixed(ms) => rtjam_engine::Playout::Fixed { ms },
        };
        settings.comfort = config.comfort;
        settings.layout = config.layout.0;
        if config.link.is_some() {
            inner.link.clone_from(&config.link);
        }
    }

    /// Where it is, or goes next.
    pub(crate) fn link(&self) -> Option<InviteLink> {
        self.inner().link.clone()
    }

    /// Shows that the own sound is sent, or not.
    pub(crate) fn show_mute(&self, mute: bool) {
        self.values.set(Param::SendMute, f64::from(u8::from(mute)));
    }

    /// Shows what is the matter with the audio system, or that nothing is any more.
    pub(crate) fn show_audio(&self, sentence: Option<String>) {
        self.inner().audio = sentence;
    }

    /// The room was reached: it comes first among those of before. Gives its link.
    pub(crate) fn reached(&self) -> Option<InviteLink> {
        let mut inner = self.inner();
        let link = inner.link.clone()?;
        if inner.rooms.first() != Some(&link) {
            inner.rooms.retain(|known| known.without_key() != link.without_key());
            inner.rooms.insert(0, link.clone());
            inner.changed = true;
        }
        Some(link)
    }

    /// Keeps what was set, if anything was since.
    pub(crate) fn keep(&self, folder: &SettingsFolder) {
        let kept = {
            let mut inner = self.inner();
            if !std::mem::take(&mut inner.changed) {
                return;
            }
            Kept::of(&inner.settings, self.value(Param::Monitor), self.value(Param::Room), &inner.rooms)
        };
        kept.write(folder);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board for Desk {
    fn kind(&self) -> Kind {
        Kind::Standalone
    }

    fn status(&self) -> Status {
        let mut status = self.client.upgrade().map_or_else(nothing, |client| client.status());
        status.notices.extend(self.inner().audio.clone());
        status
    }

    fn console(&self) -> Console {
        self.console.clone()
    }

    fn condition(&self) -> Condition {
        Condition::Fine
    }

    fn value(&self, param: Param) -> f64 {
        self.values.get(param)
    }

    fn begin(&self, _: Param) {}

    fn set(&self, param: Param, value: f64) {
        let value = self.values.set(param, value);
        apply(&self.console, param, value);
        self.inner().changed = true;
    }

    fn end(&self, _: Param) {}

    fn join(&self, link: &str, _: bool) -> Result<(), NotJoining> {
        let link = config::read_link(link).map_err(NotJoining::Wrong)?;
        let mut inner = self.inner();
        inner.link = Some(link.clone());
        inner.changed = true;
        if let Some(client) = self.client.upgrade() {
            // A name that was changed since is told with it.
            client.set_name(inner.settings.name.clone());
            client.join(link);
        }
        Ok(())
    }

    fn leave(&self) {
        if let Some(client) = self.client.upgrade() {
            client.leave();
        }
    }

    fn resume_sending(&self) {
        if let Some(client) = self.client.upgrade() {
            client.resume_sending();
        }
    }

    fn settings(&self) -> Settings {
        let inner = self.inner();
        let room =
            |link: &InviteLink| RecentRoom { name: format!("{} at {}", link.room, link.host), link: link.to_string() };
        Settings {
            link: inner.link.as_ref().map(ToString::to_string),
            recent: inner.rooms.iter().map(room).collect(),
            ..inner.settings.clone()
        }
    }

    fn change(&self, change: Change) {
        let mut inner = self.inner();
        inner.changed = true;
        let settings = &mut inner.settings;
        match change {
            Change::Name(name) => settings.name = tidy_name(&name),
            Change::Format(format) => {
                settings.format = format;
                if let Some(client) = self.client.upgrade() {
                    client.set_format(format);
                }
            }
            Change::Packet(packet) => {
                settings.packet = packet;
                self.console.set_packet_size(packet);
            }
            Change::Comfort(comfort) => {
                settings.comfort = comfort;
                self.console.set_comfort(comfort);
            }
            Change::Playout(playout) => {
                settings.playout = playout;
                self.console.set_playout(playout);
            }
            Change::Layout(layout) => {
                settings.layout = layout;
                self.console.set_layout(layout);
            }
            // A program has no project.
            Change::KeepKey(_) | Change::Rejoin(_) => {}
            Change::Look(look) => settings.look = look,
            Change::Window(width, height) => settings.window = (width, height),
        }
    }

    /// The program has no fault that it outlives.
    fn restart(&self) {}
}

/// While the program ends.
fn nothing() -> Status {
    Status {
        state: State::Offline,
        room: None,
        rtt_ms: None,
        xruns: None,
        device_ms: None,
        callback_load_pct: None,
        tx: Tx { packets: 0, dropped: 0, dbfs: [SILENCE_DBFS; 2], lost: 0, recovered: 0, extra_kbps: 0.0 },
        rx: Rx { lost: 0, extra_kbps: 0.0 },
        musicians: Vec::new(),
        you: None,
        sentence: None,
        notices: Vec::new(),
    }
}
