//! The session of an instance, and what is set beside the parameters. Never the audio thread.

use super::rooms::Rooms;
use rtjam_client::{Client, ClientOptions, Clock, Identity, Seats, State, Status, Wake};
use rtjam_engine::{Console, Engine, NetworkEnd};
use rtjam_protocol::control::tidy_name;
use rtjam_protocol::link::Link;
use rtjam_ui::editor_model::{Choices, JoinError};
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Which instance of this process is in which room.
static PRESENT: Mutex<Vec<(u64, Link)>> = Mutex::new(Vec::new());

/// The engine's network end and what goes with it, until the first join makes a client of them.
struct Seed {
    wake: Wake,
    network: NetworkEnd,
}

/// A session, or what it will be made of.
pub(super) struct Session {
    number: u64,
    clock: Clock,
    folder: Option<PathBuf>,
    seed: Option<Seed>,
    client: Option<Client>,
    pub(super) choices: Choices,
    /// The room, with its key if that is known.
    pub(super) link: Option<Link>,
    /// Who sat where, as long as there is no client to know it.
    seats: Seats,
    /// The project wants to be in its room, as soon as there is audio.
    pub(super) rejoin_due: bool,
    /// It came back by itself, muted.
    pub(super) came_back: bool,
    /// The rooms of this user, once they were read.
    recent: Option<Vec<Link>>,
}

impl Session {
    /// In no room. Opens no thread, socket or file.
    pub(super) fn new(clock: Clock, folder: Option<PathBuf>) -> (Engine, Console, Session) {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let wake = Wake::new();
        let (engine, network, console) = rtjam_engine::engine(random(), wake.closure());
        let session = Session {
            number: COUNT.fetch_add(1, Relaxed),
            clock,
            folder,
            seed: Some(Seed { wake, network }),
            client: None,
            choices: Choices::of(rtjam_ui::default_name()),
            link: None,
            seats: Seats::default(),
            rejoin_due: false,
            came_back: false,
            recent: None,
        };
        session.set_controls(&console);
        (engine, console, session)
    }

    /// Another engine with the same console, and a session that is in no room.
    pub(super) fn renew(&mut self, console: &Console) -> Engine {
        self.leave();
        self.seats = self.seats();
        self.client = None;
        let wake = Wake::new();
        let (engine, network) = rtjam_engine::engine_for(console, random(), wake.closure());
        self.seed = Some(Seed { wake, network });
        engine
    }

    /// Goes to the room of `link`, which may lack a key that is known here.
    pub(super) fn join(&mut self, link: &str, anyway: bool, console: &Console) -> Result<(), JoinError> {
        let link: Link = link.trim().parse()?;
        let rooms = self.rooms()?;
        let link = if link.opens() { Some(link) } else { rooms.with_key(&link) };
        let link = link.ok_or(JoinError::NoKey)?;
        if !anyway && self.is_joined_elsewhere(&link) {
            return Err(JoinError::AlreadyInRoom { room: link.room() });
        }
        self.ensure_client(console)?;
        rooms.remember(&link);
        self.recent = None;
        self.link = Some(link.clone());
        self.came_back = false;
        self.note_presence(Some(&link));
        if let Some(client) = &self.client {
            client.set_name(self.choices.name.clone());
            client.join(link);
        }
        Ok(())
    }

    /// Leaves the room.
    pub(super) fn leave(&mut self) {
        self.note_presence(None);
        (self.came_back, self.rejoin_due) = (false, false);
        if let Some(client) = &self.client {
            client.leave();
        }
    }

    /// Sends again after the loop guard.
    pub(super) fn resume_sending(&self) {
        if let Some(client) = &self.client {
            client.resume_sending();
        }
    }

    /// How it stands.
    pub(super) fn status(&self, console: &Console) -> Status {
        self.client.as_ref().map_or_else(|| Status::offline(console), Client::status)
    }

    /// Who sat where.
    pub(super) fn seats(&self) -> Seats {
        self.client.as_ref().map_or_else(|| self.seats.clone(), Client::seats)
    }

    /// Takes what a project kept of that, for the next join.
    pub(super) fn set_seats(&mut self, seats: Seats) {
        if let Some(client) = &self.client {
            client.set_seats(seats.clone());
        }
        self.seats = seats;
    }

    /// Whether it is in a room, or on the way.
    pub(super) fn is_in_room(&self) -> bool {
        self.client.as_ref().is_some_and(|c| matches!(c.status().state, State::Joined | State::Connecting))
    }

    /// Whether a fault has ended its threads.
    pub(super) fn has_failed(&self) -> bool {
        self.client.as_ref().is_some_and(Client::has_failed)
    }

    /// Whether there is a client, with its threads.
    #[cfg(test)]
    pub(super) fn has_client(&self) -> bool {
        self.client.is_some()
    }

    /// Does what the choices say.
    pub(super) fn set_controls(&self, console: &Console) {
        self.choices.steer(console);
        if let Some(client) = &self.client {
            client.set_format(self.choices.format);
            client.set_mix(self.choices.mix);
            client.set_pinned(self.choices.pinned.clone());
            client.set_name(self.choices.name.clone());
        }
    }

    /// Keeps the name for instances to come.
    pub(super) fn remember_name(&self) {
        if let Ok(rooms) = self.rooms() {
            rooms.remember_name(&self.choices.name);
        }
    }

    /// Takes the name that the user gave elsewhere, where none was given here.
    fn recall_name(&mut self) {
        if self.choices.named {
            return;
        }
        if let Some(name) = self.rooms().ok().and_then(|rooms| rooms.name()) {
            (self.choices.name, self.choices.named) = (tidy_name(&name), true);
        }
    }

    /// The rooms of this user, the last one first. Read once after each join, and the user's name with them.
    pub(super) fn recent(&mut self) -> &[Link] {
        if self.recent.is_none() {
            self.recall_name();
            self.recent = Some(self.rooms().map(|rooms| rooms.all()).unwrap_or_default());
        }
        self.recent.as_deref().unwrap_or_default()
    }

    fn rooms(&self) -> Result<Rooms, JoinError> {
        let folder = self.config_folder()?;
        Ok(Rooms::in_folder(&folder))
    }

    fn config_folder(&self) -> Result<PathBuf, JoinError> {
        let given = self.folder.clone();
        let usual = || directories::ProjectDirs::from("", "", "rtjam").map(|dirs| dirs.config_dir().to_owned());
        given.or_else(usual).ok_or(JoinError::NoHomeFolder)
    }

    /// Makes the client at the first join.
    fn ensure_client(&mut self, console: &Console) -> Result<(), JoinError> {
        if self.client.is_some() {
            return Ok(());
        }
        let folder = self.config_folder()?;
        let identity = Identity::load_or_create(&folder)?;
        let Some(Seed { wake, network }) = self.seed.take() else { return Err(JoinError::EngineGone) };
        let mut options = ClientOptions::new(identity, self.choices.name.clone());
        options.format = self.choices.format;
        options.mix = self.choices.mix;
        options.folder = Some(folder);
        let client = Client::new(options, self.clock, wake, network, console.clone());
        client.set_seats(self.seats.clone());
        self.client = Some(client);
        Ok(())
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

impl Drop for Session {
    fn drop(&mut self) {
        self.note_presence(None);
    }
}

/// Different for every engine: what std's hash maps are seeded with.
fn random() -> u32 {
    RandomState::new().hash_one(std::process::id()) as u32
}
