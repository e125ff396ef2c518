//! The server's rooms: who is let in, who sits where, who is told what.
//!
//! [`Rooms`] is driven by inputs (`handle_*`) and drained by [`Rooms::poll_output`] after each of them.
//! Driver's contract: every [`Output`] is carried out in order; each [`Output::LookUp`] is answered by one
//! [`Rooms::handle_room`]; when the time of [`Rooms::poll_timeout`] has come, [`Rooms::handle_timeout`] is called. Sessions end when the media side says that they are silent, said goodbye, or when
//! their control connection said `bye`; losing a control connection alone ends nothing.

mod address;
mod admission;
mod caps;
mod gateway;
mod mixes;
mod moderation;
mod renewal;
mod rosters;
mod slots;

pub use address::{AddressKey, BadAddress};
pub use caps::{Caps, Origin};
pub use gateway::GatewayMusician;
pub use mixes::MixOrder;
pub use moderation::{Ban, Grant, Seated, Target, identity_text};
pub use rosters::COALESCE;
pub use slots::SlotRecord;

use crate::control::{
    ClientMessage, Features, Hello, MediaEndpoint, MemberAccess, MixChoice, Refusal, Refused, RosterEntry, Seat,
    SeatRole, ServerMessage, SessionKeys, Token, Welcome,
};
use crate::ids::{MusicianId, RoomName, SessionId, SourceId};
use crate::link::{Pin, Role, Secret};
use crate::seal::Suite;
use crate::time::Micros;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

/// The most musicians that fit into any room: more would not fit into a roster of [`MAX_TEXT`] bytes.
///
/// [`MAX_TEXT`]: crate::control::MAX_TEXT
pub const MAX_MUSICIANS: u16 = 240;

/// The most listeners that fit into any room.
pub const MAX_LISTENERS: u16 = 240;

/// A control connection, numbered by the driver; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Where random bytes come from.
pub trait Entropy {
    /// Fills `out` with bytes that nobody can guess.
    fn fill(&mut self, out: &mut [u8]);
}

/// Whether a signature (Ed25519) over a message is a musician's.
pub type Verify = fn(&MusicianId, &[u8], &[u8; 64]) -> bool;

/// What a server is, as far as its rooms must know.
pub struct Config {
    /// Pins of the keys that this server shows; a join signs one of them.
    pub pins: Vec<Pin>,
    /// Suites that it offers, best first.
    pub suites: Vec<Suite>,
    /// Where media goes.
    pub media: Vec<MediaEndpoint>,
    /// Media threads; sessions are dealt out to them in turn.
    pub media_threads: u8,
    /// Musicians that fit into one room, up to [`MAX_MUSICIANS`].
    pub max_musicians: u16,
    /// Listeners that fit into one room, up to [`MAX_LISTENERS`]: they are counted apart and take no musician's place.
    pub max_listeners: u16,
    /// What one identity and one address may have of them.
    pub caps: Caps,
    /// Checks signatures.
    pub verify: Verify,
}

/// The secret of one role, and how often it was renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleSecret {
    /// What opens the room.
    pub secret: Secret,
    /// How many secrets the role has had, this one included.
    pub generation: u32,
    /// The first generation whose sessions go on; sessions of earlier ones are over.
    pub valid_from: u32,
}

impl From<Secret> for RoleSecret {
    /// A secret that was never renewed.
    fn from(secret: Secret) -> RoleSecret {
        RoleSecret { secret, generation: 1, valid_from: 1 }
    }
}

/// A room's three secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets {
    /// For listeners.
    pub listener: RoleSecret,
    /// For musicians.
    pub musician: RoleSecret,
    /// For moderators.
    pub moderator: RoleSecret,
}

impl Secrets {
    /// The role that `secret` opens, and by which generation.
    pub fn role_of(&self, secret: &Secret) -> Option<Grant> {
        // All three are compared, whichever matches.
        [Role::Moderator, Role::Musician, Role::Listener].into_iter().fold(None, |found, role| {
            let RoleSecret { secret: known, generation, .. } = self.of(role);
            if known.matches(secret) { found.or(Some(Grant { role, generation: *generation })) } else { found }
        })
    }

    /// Whether a session that was admitted so may go on.
    pub fn admits(&self, grant: Grant) -> bool {
        grant.generation >= self.of(grant.role).valid_from
    }

    /// The secret of a role.
    pub fn of(&self, role: Role) -> &RoleSecret {
        match role {
            Role::Listener => &self.listener,
            Role::Musician => &self.musician,
            Role::Moderator => &self.moderator,
        }
    }
}

/// What the store knows of a room.
#[derive(Clone, Debug)]
pub enum RoomRecord {
    /// It exists.
    Found {
        /// Its secrets.
        secrets: Secrets,
        /// Who sat where.
        slots: Vec<SlotRecord>,
        /// What those are sent who do not choose.
        mix: MixChoice,
        /// Who may not enter.
        bans: Vec<Ban>,
    },
    /// It exists; but nobody gets a new seat now. Whoever has one keeps it, and may resume or replace it.
    Limited {
        /// Its secrets.
        secrets: Secrets,
        /// Who sat where.
        slots: Vec<SlotRecord>,
        /// What those are sent who do not choose.
        mix: MixChoice,
        /// Who may not enter.
        bans: Vec<Ban>,
        /// What is said to those who would have got one.
        refused: Refused,
    },
    /// It does not exist, or the secret does not open it: whoever asks is told the same.
    Unknown,
    /// The store cannot tell.
    Unavailable,
}

/// What a seat that is asked for is, judged by the room's secrets. See [`Rooms::claim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A session that the same musician already has, by its token, or one that a moderator has ended.
    Resume,
    /// A seat, or to watch the room; the secret is right.
    Seat,
    /// Nothing: the secret is wrong, or the room is.
    Nothing,
}

/// What the driver must do.
#[derive(Debug)]
pub enum Output {
    /// Say this on a connection.
    Send(ConnectionId, ServerMessage),
    /// Close a connection, once what was said before has been sent.
    Close(ConnectionId),
    /// Read the room's record and pass it to [`Rooms::handle_room`].
    LookUp(ConnectionId, RoomName),
    /// The media side must accept and serve this session.
    Open(NewSession),
    /// The media side must forget this session.
    End(SessionId),
    /// The media side must send a session one mix from now on, or everyone separately, so.
    Mix(MixOrder),
    /// The media side must send a session these musicians whatever else is played.
    Pin(SessionId, Vec<SourceId>),
    /// Keep this for the next start.
    RememberSlot(RoomName, SlotRecord),
}

/// A session for the media side.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its number.
    pub session: SessionId,
    /// The connection that asked for it; `None` for a member who comes through a gateway.
    pub connection: Option<ConnectionId>,
    /// Whose it is.
    pub musician: MusicianId,
    /// Its room: it hears all others in there.
    pub room: RoomName,
    /// Under which number others hear it.
    pub source: SourceId,
    /// Whether what it sends is forwarded.
    pub sends: bool,
    /// Its keys.
    pub keys: SessionKeys,
    /// What of the others it is sent at first.
    pub mix: MixChoice,
    /// Optional features that are in use.
    pub features: Features,
    /// The session of the same member that this one takes over from. The media side sends to both until the client has
    /// been heard on the new one, and then says by [`Rooms::handle_session_over`] that the old one is over. Both have
    /// the same media thread.
    pub replaces: Option<SessionId>,
}

/// Who is where, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Rooms that someone has a seat in.
    pub rooms: usize,
    /// Seated musicians.
    pub musicians: usize,
    /// Seated listeners.
    pub listeners: usize,
    /// Control connections, those without a seat too.
    pub connections: usize,
}

/// All rooms of a server.
pub struct Rooms {
    config: Config,
    connections: BTreeMap<ConnectionId, Connection>,
    members: BTreeMap<SessionId, Member>,
    /// Of rosters, not told yet.
    changes: BTreeMap<RoomName, rosters::Changes>,
    newcomers: caps::Newcomers,
    /// Of sessions that a moderator ended; the newest last.
    dismissed: VecDeque<(Token, Refusal)>,
    /// Sessions that others have taken over from, and those.
    retired: BTreeMap<SessionId, SessionId>,
    outputs: VecDeque<Output>,
    next_thread: u8,
    going_down: bool,
}

enum Connection {
    Greeted { nonce: [u8; 32] },
    Introduced { hello: Hello },
    Waiting { hello: Hello, seat: Seat },
    Seated { session: SessionId },
    Watching { room: RoomName, admitted: Grant, roster_changes: bool },
}

struct Member {
    room: RoomName,
    musician: MusicianId,
    instance: u8,
    name: String,
    role: Role,
    /// By which secret; `None` for those who need none.
    admitted: Option<Grant>,
    /// Where its control connection, or a gateway musician's packets, came from last.
    origin: Option<Origin>,
    seat: SeatRole,
    source: SourceId,
    keys: SessionKeys,
    resume: Token,
    /// Of the session that this one took over from: the client may not have heard of it.
    former: Option<Token>,
    /// The keys have been used long enough.
    worn: bool,
    features: Features,
    connection: Option<ConnectionId>,
    via: MemberAccess,
    /// What it is sent, and what the room says for those who do not choose.
    mix: MixChoice,
    room_mix: MixChoice,
}

impl Member {
    fn entry(&self) -> RosterEntry {
        RosterEntry {
            source: self.source,
            name: self.name.clone(),
            musician: self.musician,
            instance: self.instance,
            classic: !self.via.has_identity(),
        }
    }
}

impl Rooms {
    /// No rooms yet.
    pub fn new(config: Config) -> Rooms {
        Rooms {
            config: Config {
                max_musicians: config.max_musicians.min(MAX_MUSICIANS),
                max_listeners: config.max_listeners.min(MAX_LISTENERS),
                ..config
            },
            connections: BTreeMap::new(),
            members: BTreeMap::new(),
            changes: BTreeMap::new(),
            newcomers: caps::Newcomers::default(),
            dismissed: VecDeque::new(),
            retired: BTreeMap::new(),
            outputs: VecDeque::new(),
            next_thread: 0,
            going_down: false,
        }
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// From now on the server shows keys with these pins.
    pub fn set_pins(&mut self, pins: Vec<Pin>) {
        self.config.pins = pins;
    }

    /// How many musicians and listeners are seated in all rooms.
    pub fn seated(&self) -> usize {
        self.members.len()
    }

    /// Who is where, in numbers.
    pub fn census(&self) -> Census {
        let of = |seat| self.members.values().filter(|m| m.seat == seat).count();
        let rooms: BTreeSet<&RoomName> = self.members.values().map(|m| &m.room).collect();
        Census {
            rooms: rooms.len(),
            musicians: of(SeatRole::Musician),
            listeners: of(SeatRole::Listener),
            connections: self.connections.len(),
        }
    }

    /// A connection was made. `nonce` is fresh entropy.
    pub fn handle_connected(&mut self, connection: ConnectionId, nonce: [u8; 32]) {
        self.connections.insert(connection, Connection::Greeted { nonce });
        self.send(connection, ServerMessage::Welcome(Welcome { version: crate::control::VERSION, nonce }));
    }

    /// A connection said something. What comes after a refusal or a `bye` is not heard.
    pub fn handle_message(&mut self, now: Micros, connection: ConnectionId, message: ClientMessage) {
        if !self.connections.contains_key(&connection) {
            return;
        }
        match message {
            ClientMessage::Ping { id } => self.send(connection, ServerMessage::Pong { id }),
            ClientMessage::Hello(hello) => self.handle_hello(connection, hello),
            ClientMessage::Seat(seat) => self.handle_seat(connection, seat),
            ClientMessage::Mix(wish) => self.handle_mix(connection, wish),
            ClientMessage::Pin { sources } => self.handle_pin(connection, sources),
            ClientMessage::Bye => self.handle_bye(now, connection),
            ClientMessage::Unknown => {}
        }
    }

    /// A connection said what is no message.
    pub fn handle_bad_message(&mut self, connection: ConnectionId) {
        if self.connections.contains_key(&connection) {
            self.refuse(connection, Refusal::BadMessage);
        }
    }

    /// A connection has asked for more than the driver grants, and is refused.
    pub fn handle_limited(&mut self, connection: ConnectionId, refused: Refused) {
        if self.connections.contains_key(&connection) {
            self.refuse(connection, refused);
        }
    }

    /// A connection ended. Its session goes on as long as its media does.
    pub fn handle_disconnected(&mut self, connection: ConnectionId) {
        self.forget(connection);
    }

    /// The media side says that a session said goodbye or has been silent for too long.
    pub fn handle_session_over(&mut self, now: Micros, session: SessionId) {
        if !self.end_retired(session) {
            self.end_session(now, session);
        }
    }

    /// The server stops: everyone is told and hears nothing more, nobody is let in any more.
    pub fn handle_going_down(&mut self) {
        self.going_down = true;
        let all: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for connection in all {
            self.forget(connection);
            self.send(connection, ServerMessage::GoingDown);
            self.outputs.push_back(Output::Close(connection));
        }
    }

    fn handle_bye(&mut self, now: Micros, connection: ConnectionId) {
        match self.connections.remove(&connection) {
            Some(Connection::Seated { session }) => self.end_session(now, session),
            Some(_) => {}
            None => return,
        }
        self.outputs.push_back(Output::Close(connection));
    }

    fn end_session(&mut self, now: Micros, session: SessionId) {
        let Some(gone) = self.members.remove(&session) else { return };
        self.end_replaced_by(session);
        self.outputs.push_back(Output::End(session));
        if let Some(connection) = gone.connection
            && self.connections.remove(&connection).is_some()
        {
            self.outputs.push_back(Output::Close(connection));
        }
        if gone.seat == SeatRole::Musician {
            let left = ServerMessage::Left { source: gone.source, name: gone.name };
            let connections = self.connections_in(&gone.room);
            for (connection, _) in connections.into_iter().filter(|(_, knows_changes)| !knows_changes) {
                self.send(connection, left.clone());
            }
        }
        self.roster_changed(now, &gone.room, gone.seat, gone.source);
    }

    fn refuse(&mut self, connection: ConnectionId, refused: impl Into<Refused>) {
        self.forget(connection);
        self.send(connection, ServerMessage::Refused(refused.into()));
        self.outputs.push_back(Output::Close(connection));
    }

    /// Drops a connection without ending its session.
    fn forget(&mut self, connection: ConnectionId) {
        if let Some(Connection::Seated { session }) = self.connections.remove(&connection)
            && let Some(member) = self.members.get_mut(&session)
            && member.connection == Some(connection)
        {
            member.connection = None;
        }
    }

    fn send(&mut self, connection: ConnectionId, message: ServerMessage) {
        self.outputs.push_back(Output::Send(connection, message));
    }
}
