//! The program as its window sees it.

use super::kept::Kept;
use crate::config::Config;
use crate::settings::{Monitor, Playout};
use crate::settings_file::SettingsFolder;
use rtjam_client::{Client, Status, StatusNotice};
use rtjam_engine::{Console, PacketSize};
use rtjam_protocol::link::Link;
use rtjam_ui::editor_model::{Change, Choices, EditorModel, InstanceCondition, JoinError, Kind, RecentRoom, Settings};
use rtjam_ui::params::{Param, Values, apply};
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
    choices: Choices,
    link: Option<Link>,
    rooms: Vec<Link>,
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
        last: Option<Link>,
    ) -> Desk {
        let rooms = kept.rooms();
        let link = config.link.clone().or(last);
        let choices = Choices { look: kept.look(), window: kept.size(), ..Choices::of(String::new()) };
        let inner = Mutex::new(Inner { choices, link, rooms, audio: None, changed: false });
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
        let choices = &mut inner.choices;
        (choices.name, choices.named) = (config.name.clone(), config.named);
        choices.format = config.format.0;
        choices.packet = config.packet.map_or(PacketSize::Auto, |p| PacketSize::Frames(p.0));
        choices.playout = match config.playout {
            Playout::Auto => rtjam_engine::Playout::Auto,
            Playout::Fixed(ms) => rtjam_engine::Playout::Fixed { ms },
        };
        choices.comfort = config.comfort;
        choices.layout = config.layout.0;
        choices.mix = config.mix.0;
        choices.pinned.clone_from(&config.pinned);
        if config.link.is_some() {
            inner.link.clone_from(&config.link);
        }
    }

    /// Where it is, or goes next.
    pub(crate) fn link(&self) -> Option<Link> {
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
    pub(crate) fn reached(&self) -> Option<Link> {
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
            Kept::of(&inner.choices, self.value(Param::Monitor), self.value(Param::Room), &inner.rooms)
        };
        kept.write(folder);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EditorModel for Desk {
    fn kind(&self) -> Kind {
        Kind::Standalone
    }

    fn status(&self) -> Status {
        let mut status = self.client.upgrade().map_or_else(Status::default, |client| client.status());
        status.notices.extend(self.inner().audio.clone().map(StatusNotice::AudioSystem));
        status
    }

    fn console(&self) -> Console {
        self.console.clone()
    }

    fn condition(&self) -> InstanceCondition {
        InstanceCondition::Fine
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

    fn join(&self, link: &str, _: bool) -> Result<(), JoinError> {
        let link: Link = link.trim().parse()?;
        if !link.opens() {
            return Err(JoinError::NoKey);
        }
        let mut inner = self.inner();
        inner.link = Some(link.clone());
        inner.changed = true;
        if let Some(client) = self.client.upgrade() {
            // A name that was changed since is told with it.
            client.set_name(inner.choices.name.clone());
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
        let room = |link: &Link| RecentRoom { name: link.place(), link: link.to_string() };
        Settings {
            link: inner.link.as_ref().map(ToString::to_string),
            recent: inner.rooms.iter().map(room).collect(),
            choices: inner.choices.clone(),
        }
    }

    fn change(&self, change: Change) {
        let mut inner = self.inner();
        inner.changed = true;
        inner.choices.apply(change);
        inner.choices.steer(&self.console);
        if let Some(client) = self.client.upgrade() {
            client.set_format(inner.choices.format);
            client.set_mix(inner.choices.mix);
            client.set_pinned(inner.choices.pinned.clone());
        }
    }

    /// The program has no fault that it outlives.
    fn restart(&self) {}
}
