//! The session of an instance: its client and its settings. Never the audio thread.

use rtjam_client::{Client, Clock, Seats, SessionState, Status, Wake};
use rtjam_engine::{Console, Engine};
use rtjam_protocol::control::tidy_name;
use rtjam_protocol::link::Link;
use rtjam_ui::editor_model::JoinError;
use rtjam_ui::settings::{Change, Choices, NoHomeFolder, RecentRooms, config_folder, default_name};
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// The rooms of this process's instances, by the number of the instance.
static PRESENT: Mutex<Vec<(u64, Link)>> = Mutex::new(Vec::new());

/// The client of an instance, in a room or not.
pub(super) struct InstanceSession {
    number: u64,
    clock: Clock,
    /// The config folder.
    folder: Result<PathBuf, NoHomeFolder>,
    client: Client,
    pub(super) choices: Choices,
    /// The room, with its key if that is known.
    pub(super) link: Option<Link>,
    /// Whether to rejoin the project's room as soon as there is audio.
    pub(super) rejoin_due: bool,
    /// Whether the instance has rejoined by itself, muted.
    pub(super) rejoined: bool,
    /// The recent rooms, once they have been read.
    recent: Option<Vec<Link>>,
}

impl InstanceSession {
    /// A session in no room. Opens no thread, socket or file.
    pub(super) fn new(clock: Clock, folder: Option<PathBuf>) -> (Engine, Console, InstanceSession) {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let wake = Wake::new();
        let (engine, network, console) = rtjam_engine::engine(random(), wake.closure());
        let folder = config_folder(folder);
        let choices = Choices::with_name(default_name());
        choices.apply_to_engine(&console);
        // Without a folder, `join` fails before the client would use it.
        let options = choices.client_options(folder.clone().unwrap_or_default());
        let session = InstanceSession {
            number: COUNT.fetch_add(1, Relaxed),
            clock,
            folder,
            client: Client::new(options, clock, wake, network, console.clone()),
            choices,
            link: None,
            rejoin_due: false,
            rejoined: false,
            recent: None,
        };
        (engine, console, session)
    }

    /// Replaces the client by one that is in no room. Returns its engine, which has the same console.
    pub(super) fn renew(&mut self, console: &Console) -> Engine {
        self.leave();
        let seats = self.client.seats();
        let wake = Wake::new();
        let (engine, network) = rtjam_engine::engine_for(console, random(), wake.closure());
        let options = self.choices.client_options(self.folder.clone().unwrap_or_default());
        self.client = Client::new(options, self.clock, wake, network, console.clone());
        self.client.set_seats(seats);
        engine
    }

    /// Joins the room of a link, which may lack its key if the user has joined that room before.
    pub(super) fn join(&mut self, link: &str, anyway: bool) -> Result<(), JoinError> {
        let rooms = self.rooms()?;
        let link = rooms.resolve(link)?;
        if !anyway && self.is_joined_elsewhere(&link) {
            return Err(JoinError::AlreadyInRoom { room: link.room() });
        }
        rooms.remember(&link);
        self.recent = None;
        self.link = Some(link.clone());
        self.rejoined = false;
        self.note_presence(Some(&link));
        self.choices.apply_to_client(&self.client);
        self.client.join(link);
        Ok(())
    }

    /// Leaves the room.
    pub(super) fn leave(&mut self) {
        self.note_presence(None);
        (self.rejoined, self.rejoin_due) = (false, false);
        self.client.leave();
    }

    /// Resumes sending after the loop guard has stopped it.
    pub(super) fn resume_sending(&self) {
        self.client.resume_sending();
    }

    pub(super) fn status(&self) -> Status {
        self.client.status()
    }

    /// Which musician sits in which slot.
    pub(super) fn seats(&self) -> Seats {
        self.client.seats()
    }

    /// Takes the seats of a project, for the next join.
    pub(super) fn set_seats(&mut self, seats: Seats) {
        self.client.set_seats(seats);
    }

    /// Whether the instance is in a room or is joining one.
    pub(super) fn is_in_room(&self) -> bool {
        matches!(self.client.status().state, SessionState::Joined | SessionState::Connecting)
    }

    /// Whether a fault has ended the client's threads.
    pub(super) fn has_failed(&self) -> bool {
        self.client.has_failed()
    }

    /// Applies the choices to the engine and the client.
    pub(super) fn apply_choices(&self, console: &Console) {
        self.choices.apply_to_engine(console);
        self.choices.apply_to_client(&self.client);
    }

    /// Keeps a name or a language for other instances.
    pub(super) fn remember(&self, change: &Change) {
        let Ok(rooms) = self.rooms() else { return };
        match change {
            Change::Name(_) => rooms.remember_name(&self.choices.name),
            Change::Language(language) => rooms.remember_language(*language),
            _ => {}
        }
    }

    /// The recent rooms, the latest first. Reads the file once after each join; takes the user's name and language from it
    /// where this instance has none.
    pub(super) fn recent(&mut self) -> &[Link] {
        if self.recent.is_none() {
            self.recent = Some(match self.rooms() {
                Ok(rooms) => {
                    self.recall_user(&rooms);
                    rooms.all()
                }
                Err(NoHomeFolder) => Vec::new(),
            });
        }
        self.recent.as_deref().unwrap_or_default()
    }

    fn recall_user(&mut self, rooms: &RecentRooms) {
        if !self.choices.named
            && let Some(name) = rooms.name()
        {
            (self.choices.name, self.choices.named) = (tidy_name(&name), true);
        }
        self.choices.language = self.choices.language.or_else(|| rooms.language());
    }

    fn rooms(&self) -> Result<RecentRooms, NoHomeFolder> {
        self.folder.as_deref().map(RecentRooms::in_folder).map_err(|e| *e)
    }

    fn is_joined_elsewhere(&self, link: &Link) -> bool {
        let room = link.without_key();
        let present = PRESENT.lock().unwrap_or_else(PoisonError::into_inner);
        present.iter().any(|(number, theirs)| *number != self.number && *theirs == room)
    }

    fn note_presence(&self, link: Option<&Link>) {
        let mut present = PRESENT.lock().unwrap_or_else(PoisonError::into_inner);
        present.retain(|(number, _)| *number != self.number);
        present.extend(link.map(|link| (self.number, link.without_key())));
    }
}

impl Drop for InstanceSession {
    fn drop(&mut self) {
        self.note_presence(None);
    }
}

/// Differs for every engine: the seed of std's hash maps.
fn random() -> u32 {
    RandomState::new().hash_one(std::process::id()) as u32
}
