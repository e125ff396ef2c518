//! The messages of both ends.

use super::downstream::{DownstreamMode, MixRequest, MixState};
use super::refusal::Refused;
use crate::features::{Features, known_only};
use crate::ids::{MusicianId, RoomName, SessionId, SourceId};
use crate::link::{Role, Secret};
use crate::seal::{SessionKeys, Suite};
use crate::secret_bytes::{self, secret};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

secret!(ResumeToken);

/// A message from the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Identity and capabilities.
    Hello(Hello),
    /// Request for a seat in a room.
    Seat(SeatRequest),
    /// Request for what the client receives.
    Mix(MixRequest),
    /// Musicians that the client always receives in a room with more musicians than the server forwards. Replaces the
    /// earlier list.
    Pin {
        /// At most [`MAX_PINNED`] sources.
        sources: Vec<SourceId>,
    },
    /// The client leaves.
    Bye,
    /// Keep-alive.
    Ping {
        /// Returned in `pong`.
        id: u32,
    },
    /// An unknown message type.
    #[serde(other)]
    Unknown,
}

/// A message from the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// First message on a connection.
    Welcome(Welcome),
    /// The client has a seat, new or resumed.
    Joined(Joined),
    /// The client has no seat. The connection closes.
    Refused(Refused),
    /// All musicians of the room. Sent after `joined`, and after every change to clients without the feature
    /// `roster-changes`.
    Roster {
        /// Sorted by slot.
        musicians: Vec<RosterEntry>,
        /// Number of listeners.
        #[serde(default, skip_serializing_if = "is_zero")]
        listeners: u16,
    },
    /// Changes since the previous roster. Sent to clients with the feature `roster-changes`.
    RosterChanges {
        /// Slots that became empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left: Vec<SourceId>,
        /// Musicians who joined or changed, sorted by slot. Each replaces the previous musician of the slot.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        musicians: Vec<RosterEntry>,
        /// Number of listeners.
        #[serde(default, skip_serializing_if = "is_zero")]
        listeners: u16,
    },
    /// A musician left. A `roster` follows. Not sent to clients with the feature `roster-changes`.
    Left {
        /// The musician.
        source: SourceId,
        /// Their display name.
        name: String,
    },
    /// What the client receives. Sent whenever it changes.
    Mix(MixState),
    /// Musicians that the client does not receive because the room has more than the server forwards. Replaces the earlier
    /// list.
    Unheard {
        /// Sorted by slot; empty if the client receives everyone.
        sources: Vec<SourceId>,
    },
    /// The client sends more than the server accepts from one session. Repeated as long as that lasts.
    OverRate {
        /// Datagrams dropped for this reason since the session began.
        dropped: u64,
    },
    /// The server shuts down.
    GoingDown,
    /// Reply to `ping`.
    Pong {
        /// Id of the `ping`.
        id: u32,
    },
    /// An unknown message type.
    #[serde(other)]
    Unknown,
}

/// The most musicians that a client can pin.
pub const MAX_PINNED: usize = 32;

fn is_zero(count: &u16) -> bool {
    *count == 0
}

/// The server's first message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Highest version of the control messages that the server supports.
    pub version: u16,
    /// Nonce that the client signs.
    #[serde(with = "secret_bytes")]
    pub nonce: [u8; 32],
}

/// The client's identity and capabilities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the control messages that the client uses.
    pub version: u16,
    /// Public key of the identity.
    pub musician: MusicianId,
    /// Ed25519 signature over [`signed_text`](super::signed_text).
    #[serde(with = "secret_bytes")]
    pub signature: [u8; 64],
    /// Display name.
    pub name: String,
    /// Cipher suites in order of preference. Unknown suites are skipped.
    #[serde(deserialize_with = "known_only")]
    pub suites: Vec<Suite>,
    /// Optional features that the client supports.
    #[serde(default, skip_serializing_if = "Features::is_empty")]
    pub features: Features,
}

/// How a client takes part in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeatRole {
    /// Sends and receives audio.
    Musician,
    /// Receives audio.
    Listener,
    /// Has only the control connection.
    None,
}

/// A request for a seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatRequest {
    /// The room.
    pub room: RoomName,
    /// How the client takes part.
    pub role: SeatRole,
    /// The room's secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// The session's instance number from the last `joined`. It selects the same slot again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<u8>,
    /// Token of a live session that continues with its keys and counters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<ResumeToken>,
    /// Token of a session whose media is lost. The server ends that session if it is still alive, and gives its slot to
    /// this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<ResumeToken>,
    /// Initial downstream mode; `None` selects the room's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mix: Option<DownstreamMode>,
}

/// Authorizes its holder to resume a session. Both ends keep it in memory only, and it is zeroized on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct ResumeToken(pub [u8; 16]);

/// The client's seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// The room.
    pub room: RoomName,
    /// Role of the secret.
    pub role: Role,
    /// Whether this is the session that `resume` named. Its keys and counters continue.
    pub resumed: bool,
    /// The session.
    pub session: SessionId,
    /// The musician's source number in audio packets: the slot.
    pub source: SourceId,
    /// Display name, including a number such as " 2".
    pub name: String,
    /// Number of this session among those of the same identity, from 0.
    pub instance: u8,
    /// The session's keys.
    pub keys: SessionKeys,
    /// Media endpoints, best first.
    pub media: Vec<MediaEndpoint>,
    /// Token to resume the session.
    pub resume: ResumeToken,
    /// Downstream mode.
    #[serde(default, skip_serializing_if = "DownstreamMode::is_forwarded")]
    pub mix: DownstreamMode,
    /// Optional features in use: those that both ends support.
    #[serde(default, skip_serializing_if = "Features::is_empty")]
    pub features: Features,
}

/// An address for media.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaEndpoint {
    /// Host name or address; `None` is the address of the control connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Port.
    pub port: u16,
    /// Transport protocol.
    pub kind: TransportKind,
}

/// A transport protocol for media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransportKind {
    /// Sealed datagrams on UDP.
    Udp,
    /// An unknown transport.
    #[serde(other)]
    Unknown,
}

/// A musician in a roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterEntry {
    /// Source number in audio packets.
    pub source: SourceId,
    /// Display name.
    pub name: String,
    /// Identity. Musicians without one have a stand-in.
    pub musician: MusicianId,
    /// Number of this session among those of the same identity.
    pub instance: u8,
    /// How they reach the room.
    #[serde(rename = "classic", default, skip_serializing_if = "MemberAccess::is_direct")]
    pub via: MemberAccess,
}

/// How a member reaches the room. In JSON it is the flag `classic`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
pub enum MemberAccess {
    /// By this protocol.
    #[default]
    Direct,
    /// Through the gateway for legacy rtjam packets. The member has no identity, and what it receives is not encrypted.
    Legacy,
}

impl MemberAccess {
    /// Whether the member uses this protocol.
    pub fn is_direct(&self) -> bool {
        *self == MemberAccess::Direct
    }

    /// Whether the member has an identity of its own. Members without one are banned by address.
    pub fn has_identity(self) -> bool {
        self == MemberAccess::Direct
    }
}

impl From<bool> for MemberAccess {
    fn from(legacy: bool) -> MemberAccess {
        if legacy { MemberAccess::Legacy } else { MemberAccess::Direct }
    }
}

impl From<MemberAccess> for bool {
    fn from(via: MemberAccess) -> bool {
        via == MemberAccess::Legacy
    }
}
