//! The program as the editor sees it.

use super::window_state::WindowState;
use crate::config::ProgramConfig;
use rtjam_client::{Client, Status};
use rtjam_engine::Console;
use rtjam_protocol::link::Link;
use rtjam_ui::audio::{AudioAction, AudioState};
use rtjam_ui::editor_model::{EditorModel, InstanceCondition, JoinError, Kind};
use rtjam_ui::params::{Param, Values, apply};
use rtjam_ui::settings::{AudioChoices, Change, Choices, GivenSettings, RecentRoom, RecentRooms, SETTINGS, Settings};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The model of the program's window. The editor and the main loop share it. Any thread.
pub(crate) struct ProgramModel {
    /// Gone once the program has left the room for good.
    client: Weak<Client>,
    console: Console,
    values: Values,
    inner: Mutex<Inner>,
}

struct Inner {
    choices: Choices,
    link: Option<Link>,
    rooms: Vec<Link>,
    folder: PathBuf,
    audio: AudioState,
    audio_actions: Vec<AudioAction>,
    /// What was chosen on the audio page, now or at an earlier start.
    audio_chosen: GivenSettings,
    /// Whether the window state has changed since it was saved.
    changed: bool,
    /// A joined room that is not in `rooms.json` yet.
    joined: Option<Link>,
}

impl ProgramModel {
    /// A model that shows `config` and, where it gives no room, the last one.
    pub(super) fn new(
        client: &Arc<Client>,
        console: Console,
        config: &ProgramConfig,
        state: &WindowState,
        folder: PathBuf,
        last: Option<Link>,
    ) -> ProgramModel {
        let audio = AudioState {
            choices: config.audio.choices.clone(),
            is_due: state.is_first_start() && config.audio.choices == AudioChoices::default(),
            ..AudioState::default()
        };
        let inner = Inner {
            choices: Choices { look: state.look(), window: state.size(), ..config.choices.clone() },
            link: config.link.clone().or(last),
            rooms: state.recent_rooms(&folder),
            folder,
            audio,
            audio_actions: Vec::new(),
            audio_chosen: state.audio(),
            changed: false,
            joined: None,
        };
        let client = Arc::downgrade(client);
        let model = ProgramModel { client, console, values: Values::default(), inner: Mutex::new(inner) };
        model.follow(config);
        model
    }

    /// Shows another configuration. The engine has it already.
    pub(super) fn follow(&self, config: &ProgramConfig) {
        self.values.set(Param::Monitor, config.monitor.db());
        self.values.set(Param::Room, f64::from(config.room.0));
        self.show_mute(config.mute);
        let mut inner = self.inner();
        let (look, window) = (inner.choices.look, inner.choices.window);
        inner.choices = Choices { look, window, ..config.choices.clone() };
        if config.link.is_some() {
            inner.link.clone_from(&config.link);
        }
    }

    /// The present or the next room.
    pub(super) fn link(&self) -> Option<Link> {
        self.inner().link.clone()
    }

    pub(super) fn show_mute(&self, mute: bool) {
        self.values.set(Param::SendMute, f64::from(u8::from(mute)));
    }

    /// Shows the audio system. Whether the page is due stays as it is.
    pub(super) fn show_audio(&self, audio: AudioState) {
        let mut inner = self.inner();
        let is_due = inner.audio.is_due;
        inner.audio = AudioState { is_due, ..audio };
    }

    /// What the user has asked for on the audio page since the last call.
    pub(super) fn take_audio_actions(&self) -> Vec<AudioAction> {
        std::mem::take(&mut self.inner().audio_actions)
    }

    /// Remembers what the user has changed on the audio page, and nothing that only the command line or the file gives.
    pub(super) fn remember_audio(&self, before: &AudioChoices, after: &AudioChoices) {
        let (before, after) = (before.to_given(), after.to_given());
        let mut inner = self.inner();
        for setting in SETTINGS {
            let text = after.get(setting.key).filter(|text| before.get(setting.key).as_ref() != Some(text));
            // It is a value of the same setting.
            let _ = text.map(|text| inner.audio_chosen.set(setting.key, &text));
        }
        inner.changed = true;
    }

    /// The audio page does not open by itself any more.
    pub(super) fn close_audio_page(&self) {
        let mut inner = self.inner();
        inner.audio.is_due = false;
        inner.changed = true;
    }

    /// Moves the joined room to the front of the recent rooms, and returns its link.
    pub(super) fn note_joined(&self) -> Option<Link> {
        let mut inner = self.inner();
        let link = inner.link.clone()?;
        if inner.rooms.first() != Some(&link) {
            inner.rooms.retain(|known| known.without_key() != link.without_key());
            inner.rooms.insert(0, link.clone());
            inner.joined = Some(link.clone());
        }
        Some(link)
    }

    /// Writes what has changed since the last call.
    pub(super) fn save(&self) {
        let mut inner = self.inner();
        let joined = inner.joined.take();
        let (monitor, room) = (self.value(Param::Monitor), self.value(Param::Room));
        let state = std::mem::take(&mut inner.changed)
            .then(|| WindowState::of(&inner.choices, monitor, room, &inner.audio_chosen, inner.audio.is_due));
        let folder = inner.folder.clone();
        drop(inner);
        if let Some(link) = joined {
            RecentRooms::in_folder(&folder).remember(&link);
        }
        if let Some(state) = state {
            state.write(&folder);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EditorModel for ProgramModel {
    fn kind(&self) -> Kind {
        Kind::Standalone
    }

    fn status(&self) -> Status {
        let client = self.client.upgrade();
        client.map_or_else(|| Status::offline(&self.console), |client| client.status())
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
        let mut inner = self.inner();
        let rooms = RecentRooms::in_folder(&inner.folder);
        let link = rooms.resolve(link)?;
        inner.link = Some(link.clone());
        inner.changed = true;
        if let Some(client) = self.client.upgrade() {
            inner.choices.apply_to_client(&client);
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
        Settings {
            link: inner.link.as_ref().map(ToString::to_string),
            recent: inner.rooms.iter().take(RecentRooms::LISTED).map(RecentRoom::from).collect(),
            choices: inner.choices.clone(),
        }
    }

    fn change(&self, change: Change) {
        let mut inner = self.inner();
        inner.changed = true;
        inner.choices.apply(change);
        inner.choices.apply_to_engine(&self.console);
        if let Some(client) = self.client.upgrade() {
            inner.choices.apply_to_client(&client);
        }
    }

    /// The program does not outlive a fault of its own.
    fn restart(&self) {}

    fn audio(&self) -> Option<AudioState> {
        Some(self.inner().audio.clone())
    }

    fn ask_audio(&self, action: AudioAction) {
        self.inner().audio_actions.push(action);
    }
}
