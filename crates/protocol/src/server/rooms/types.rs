//! What the rooms are configured with, are told and ask for.

use super::caps::Caps;
use super::origin::AddressKey;
use super::slots::SlotRecord;
use crate::audio::Codec;
use crate::control::{DownstreamMode, Features, MediaEndpoint, MixBalance, Refused, ServerMessage, SessionKeys};
use crate::ids::{MusicianId, RoomName, SessionId, SourceId};
use crate::link::{Pin, Role, Secret};
use crate::seal::Suite;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The most musicians in any room. A roster of more could exceed [`MAX_TEXT`](crate::control::MAX_TEXT) bytes.
pub const MAX_MUSICIANS: u16 = 240;

/// The most listeners in any room.
pub const MAX_LISTENERS: u16 = 240;

/// A control connection. The driver numbers them and never reuses a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A source of random bytes.
pub trait Entropy {
    /// Fills `out` with unpredictable bytes.
    fn fill(&mut self, out: &mut [u8]);
}

/// Checks an Ed25519 signature of a musician over a message.
pub type Verify = fn(&MusicianId, &[u8], &[u8; 64]) -> bool;

/// Configuration of [`Rooms`](super::Rooms).
pub struct RoomsConfig {
    /// Pins of the keys that the server presents. A client signs one of them when it joins.
    pub pins: Vec<Pin>,
    /// Cipher suites that the server offers.
    pub suites: Vec<Suite>,
    /// Media endpoints, best first.
    pub media: Vec<MediaEndpoint>,
    /// Number of media threads. New sessions are assigned to them in turn.
    pub media_threads: u8,
    /// The most musicians in one room, up to [`MAX_MUSICIANS`].
    pub max_musicians: u16,
    /// The most listeners in one room, up to [`MAX_LISTENERS`]. Listeners take no musician's seat.
    pub max_listeners: u16,
    /// Limits per identity and per address.
    pub caps: Caps,
    /// Checks signatures.
    pub verify: Verify,
}

/// The secret of one role, with its renewal history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleSecret {
    /// The current secret.
    pub secret: Secret,
    /// Number of secrets that the role has had, including this one.
    pub generation: u32,
    /// Sessions admitted by an earlier generation than this one are ended.
    pub valid_from: u32,
}

impl From<Secret> for RoleSecret {
    /// A secret that has never been renewed.
    fn from(secret: Secret) -> RoleSecret {
        RoleSecret { secret, generation: 1, valid_from: 1 }
    }
}

/// The role and the generation of the secret that admitted a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The secret's role.
    pub role: Role,
    /// The secret's generation.
    pub generation: u32,
}

/// The three secrets of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSecrets {
    /// Admits listeners.
    pub listener: RoleSecret,
    /// Admits musicians.
    pub musician: RoleSecret,
    /// Admits moderators.
    pub moderator: RoleSecret,
}

impl RoomSecrets {
    /// The role and generation of `secret`, or `None` if it is not one of the room's secrets.
    pub fn role_of(&self, secret: &Secret) -> Option<Grant> {
        // Always compares all three, so that the time taken does not tell which one matches.
        [Role::Moderator, Role::Musician, Role::Listener].into_iter().fold(None, |found, role| {
            let RoleSecret { secret: known, generation, .. } = self.of(role);
            if known.matches(secret) { found.or(Some(Grant { role, generation: *generation })) } else { found }
        })
    }

    /// Whether a session with this grant may continue.
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

/// A ban from a room: of an identity, an address, or both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Display name at the time of the ban.
    pub name: String,
    /// Banned identity.
    pub musician: Option<MusicianId>,
    /// Banned address.
    pub address: Option<AddressKey>,
}

impl Ban {
    /// Whether the ban applies to this identity or this address.
    pub fn hits(&self, musician: &MusicianId, address: Option<AddressKey>) -> bool {
        self.musician.as_ref() == Some(musician) || (self.address.is_some() && self.address == address)
    }
}

/// The store's answer to [`RoomsOutput::LookUp`].
#[derive(Clone, Debug)]
pub enum RoomRecord {
    /// The room exists.
    Found {
        /// Its secrets.
        secrets: RoomSecrets,
        /// Who had which slot.
        slots: Vec<SlotRecord>,
        /// Downstream mode of clients that do not request one.
        mix: DownstreamMode,
        /// Its bans.
        bans: Vec<Ban>,
        /// The refusal for clients that ask for a new session, if a limit of the server allows none. Existing sessions may
        /// be resumed and replaced.
        limit: Option<Refused>,
    },
    /// The room does not exist. Clients are refused as if their secret were wrong.
    Unknown,
    /// The store failed.
    Unavailable,
}

/// What a connection's seat request is entitled to, see [`Rooms::claim`](super::Rooms::claim).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeatClaim {
    /// The musician's existing session, named by its token, or one that a moderator ended.
    Resume,
    /// A new seat, or to watch the room: the secret is valid.
    Seat,
    /// Nothing: the room or the secret is wrong.
    Nothing,
}

/// An action for the driver.
#[derive(Debug)]
pub enum RoomsOutput {
    /// Send a message on a connection.
    Send(ConnectionId, ServerMessage),
    /// Close a connection after its earlier messages have been sent.
    Close(ConnectionId),
    /// Read the room's record and pass it to [`Rooms::handle_room`](super::Rooms::handle_room).
    LookUp(ConnectionId, RoomName),
    /// The media side opens this session.
    Open(NewSession),
    /// The media side closes this session.
    End(SessionId),
    /// The media side changes what it sends to a session.
    Mix(DownstreamChange),
    /// The media side always forwards these musicians to a session.
    Pin(SessionId, Vec<SourceId>),
    /// Store the slot, so that it survives a restart.
    RememberSlot(RoomName, SlotRecord),
}

/// A new media session.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The session.
    pub session: SessionId,
    /// The connection that asked for it; `None` if a gateway did.
    pub connection: Option<ConnectionId>,
    /// Identity of the member.
    pub musician: MusicianId,
    /// Room whose other members the session receives.
    pub room: RoomName,
    /// Source number in the audio frames that others receive.
    pub source: SourceId,
    /// Whether audio from the session is forwarded.
    pub sends: bool,
    /// The session's keys.
    pub keys: SessionKeys,
    /// The initial downstream mode.
    pub mix: DownstreamMode,
    /// Optional features in use.
    pub features: Features,
    /// The earlier session of the same member that this one replaces without a gap. Both belong to the same media thread.
    /// The media side sends to both until it has received from the new one, and then reports the end of the earlier one by
    /// [`Rooms::handle_session_over`](super::Rooms::handle_session_over).
    pub replaces: Option<SessionId>,
}

/// What the media side sends to a session from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownstreamChange {
    /// The receiving session.
    pub session: SessionId,
    /// Forwarded packets or one mix.
    pub mode: DownstreamMode,
    /// Codec of the mix.
    pub codec: Codec,
    /// Gains of the mix. Musicians that are not listed have unity gain.
    pub balances: Vec<MixBalance>,
}

/// Numbers of rooms, members and connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Rooms with at least one member.
    pub rooms: usize,
    /// Musicians.
    pub musicians: usize,
    /// Listeners.
    pub listeners: usize,
    /// Control connections, including those without a seat.
    pub connections: usize,
}
