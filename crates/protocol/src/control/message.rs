//! The messages.

use super::Features;
use super::b64::{self, as_base64};
use super::mix::{MixChoice, MixState, MixWish};
use crate::ids::{MusicianId, RoomName, SessionId, SourceId};
use crate::link::{Pin, Role, Secret};
use crate::seal::{Key, KeyId, Suite};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroize as _;

as_base64!(Secret);
as_base64!(Key);
as_base64!(Pin);
as_base64!(MusicianId);
as_base64!(Token);

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Who I am and what I can do.
    Hello(Hello),
    /// Where I want to sit, and as what.
    Seat(Seat),
    /// What of the others I want to be sent, and how.
    Mix(MixWish),
    /// Whom I want to hear in any case, in a room of more musicians than one is sent; in place of what was said before.
    Pin {
        /// At most [`MAX_PINNED`].
        sources: Vec<SourceId>,
    },
    /// I leave.
    Bye,
    /// Are you there?
    Ping {
        /// Returned in `pong`.
        id: u32,
    },
    /// A message of a later version.
    #[serde(other)]
    Unknown,
}

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The first word on a connection.
    Welcome(Welcome),
    /// You are in, or still in.
    Joined(Joined),
    /// You are not in.
    Refused(Refused),
    /// Everyone in the room, you included. Sent at first, and whenever it changes to those who do not know
    /// `roster_changes`.
    Roster {
        /// In order of their slots.
        musicians: Vec<RosterEntry>,
        /// How many listen besides. They are counted and not named.
        #[serde(default, skip_serializing_if = "is_zero")]
        listeners: u16,
    },
    /// Who joined, changed or left since the roster before. Sent in its place to those who know it.
    RosterChanges {
        /// Slots that nobody has any more.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left: Vec<SourceId>,
        /// Who has joined or changed, in order of their slots: in place of whoever had the slot before.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        musicians: Vec<RosterEntry>,
        /// How many listen besides.
        #[serde(default, skip_serializing_if = "is_zero")]
        listeners: u16,
    },
    /// Someone left. A `roster` follows. Those who know `roster_changes` are not told so.
    Left {
        /// Who.
        source: SourceId,
        /// Their name.
        name: String,
    },
    /// What of the others you are sent; said when it changes, and when more is known of it.
    Mix(MixState),
    /// Whom of the room you are not sent at the moment, because more musicians play than one can hear; in place of what was
    /// said before.
    Unheard {
        /// In order of their slots; empty when you hear everyone.
        sources: Vec<SourceId>,
    },
    /// You send more than a musician may, and the server drops what exceeds it; said again as long as it goes on.
    OverRate {
        /// Datagrams dropped for that since the session began.
        dropped: u64,
    },
    /// The server stops on purpose; joining again later can help.
    GoingDown,
    /// Yes.
    Pong {
        /// Of the `ping`.
        id: u32,
    },
    /// A message of a later version.
    #[serde(other)]
    Unknown,
}

/// The most musicians that one can pin.
pub const MAX_PINNED: usize = 32;

fn is_zero(count: &u16) -> bool {
    *count == 0
}

/// The server's first word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The highest version of the control messages that the server speaks.
    pub version: u16,
    /// To be signed by the musician.
    #[serde(with = "b64")]
    pub nonce: [u8; 32],
}

/// Identity and abilities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The version of the control messages that the client speaks.
    pub version: u16,
    /// The identity's public key.
    pub musician: MusicianId,
    /// Ed25519 over [`signed_text`](super::signed_text).
    #[serde(with = "b64")]
    pub signature: [u8; 64],
    /// How others shall see them.
    pub name: String,
    /// Suites in order of preference. Those of a later version are left out when reading.
    #[serde(deserialize_with = "known_suites")]
    pub suites: Vec<Suite>,
    /// Optional features that the client implements.
    #[serde(default, skip_serializing_if = "Features::is_empty")]
    pub features: Features,
}

fn known_suites<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Suite>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Offered {
        Known(Suite),
        Unknown(serde::de::IgnoredAny),
    }
    let offered = Vec::<Offered>::deserialize(d)?;
    Ok(offered.into_iter().filter_map(|s| if let Offered::Known(s) = s { Some(s) } else { None }).collect())
}

/// What a client wants to be in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeatRole {
    /// Sends and hears.
    Musician,
    /// Hears.
    Listener,
    /// Only the control connection.
    None,
}

/// A wish for a seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// Which room.
    pub room: RoomName,
    /// As what.
    pub role: SeatRole,
    /// The room's secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// Which of the identity's sessions this is, as the last `joined` said: gives the same slot again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<u8>,
    /// Takes the session over that was given this token, with its keys and counters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Token>,
    /// Ends the session that was given this token, should it still live: its media is lost, and this seat is to
    /// have its slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Token>,
    /// What of the others to be sent from the first packet on; absent: as the room says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mix: Option<MixChoice>,
}

/// How a member takes part in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberAccess {
    /// With RTJam's own protocol.
    Direct,
    /// Through the gateway for legacy rtjam packets, which neither proves identities nor encrypts.
    Legacy,
}

impl MemberAccess {
    /// Whether the member's identity is proven.
    pub fn has_identity(self) -> bool {
        self == MemberAccess::Direct
    }
}

/// What takes a live session over. Lives in memory only, at both ends, and is overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub [u8; 16]);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Token {
    /// Whether the two are the same, in a time that does not depend on where they differ.
    pub fn matches(&self, other: &Token) -> bool {
        self.0.iter().zip(other.0).fold(0, |diff, (a, b)| diff | (a ^ b)) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// Which room.
    pub room: RoomName,
    /// What the secret allows.
    pub role: Role,
    /// Whether this is the session that the token named: keys and counters go on.
    pub resumed: bool,
    /// The session.
    pub session: SessionId,
    /// Under which number others hear this musician: their slot in the room.
    pub source: SourceId,
    /// The name as others see it, " 2" and so on included.
    pub name: String,
    /// Which of the identity's sessions this is, from 0.
    pub instance: u8,
    /// The keys of the session.
    pub keys: SessionKeys,
    /// Where media goes, best first.
    pub media: Vec<MediaEndpoint>,
    /// To resume by.
    pub resume: Token,
    /// What of the others is sent.
    #[serde(default, skip_serializing_if = "MixChoice::is_separate")]
    pub mix: MixChoice,
    /// Optional features that are in use: the client offered them and the server implements them.
    #[serde(default, skip_serializing_if = "Features::is_empty")]
    pub features: Features,
}

/// The keys of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionKeys {
    /// The chosen suite.
    pub suite: Suite,
    /// The keys' number.
    pub id: KeyId,
    /// From client to server.
    pub up: Key,
    /// From server to client.
    pub down: Key,
}

/// An address for media.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaEndpoint {
    /// Host or address; absent: the address that the control connection goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Port.
    pub port: u16,
    /// What is spoken there.
    pub kind: TransportKind,
}

/// What carries media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransportKind {
    /// Sealed datagrams on UDP.
    Udp,
    /// Something of a later version.
    #[serde(other)]
    Unknown,
}

/// One of the room's musicians.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterEntry {
    /// Their number in audio packets.
    pub source: SourceId,
    /// Their name.
    pub name: String,
    /// Their identity.
    pub musician: MusicianId,
    /// Which of the identity's sessions.
    pub instance: u8,
    /// They come by the classic packet: who they are is not known, and what they hear is not private. `musician` is made
    /// up for them.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub classic: bool,
}

/// No seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Why.
    pub reason: Refusal,
    /// Whether trying again can help.
    pub retry: Retry,
    /// Seconds until it can; absent: soon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u32>,
}

impl Refused {
    /// A refusal with the retry advice that belongs to its reason.
    pub fn new(reason: Refusal) -> Refused {
        Refused { reason, retry: reason.retry(), after: None }
    }

    /// The same, with the seconds after which trying again can help.
    pub fn after(reason: Refusal, seconds: u32) -> Refused {
        Refused { after: Some(seconds), ..Refused::new(reason) }
    }
}

impl From<Refusal> for Refused {
    fn from(reason: Refusal) -> Refused {
        Refused::new(reason)
    }
}

impl fmt::Display for Refused {
    /// What a musician should do, and when.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.retry, self.after, self.reason.while_waiting()) {
            (Retry::Later, Some(seconds), Some((why, _))) => write!(f, "{why} RTJam tries again in {seconds} s."),
            _ => self.reason.fmt(f),
        }
    }
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retry {
    /// Not without another link or program.
    Never,
    /// Somewhat later.
    Later,
    /// Advice of a later version: treated like `never`.
    #[serde(other)]
    Unknown,
}

/// Why there is no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The client speaks no version that the server speaks.
    Version,
    /// A message was none, or came out of order.
    BadMessage,
    /// The signature is not the identity's.
    BadSignature,
    /// The secret is not the room's, or no longer; or there is no such room.
    WrongSecret,
    /// The secret does not allow that role.
    RoleNotAllowed,
    /// There is no such room. Earlier servers said so; now they say [`Refusal::WrongSecret`], so that strangers do not
    /// learn which rooms there are.
    UnknownRoom,
    /// All seats are taken.
    RoomFull,
    /// The server cannot take anyone now: it stops, or its disk is full.
    ServerUnable,
    /// All seats of the whole server are taken, or its memory is.
    ServerFull,
    /// The client's address has as many sessions as one may have.
    TooManySessions,
    /// The client's address has joined too often within a short time.
    TooManyJoins,
    /// The identity has as many seats in the room as one may have.
    TooManyInstances,
    /// The client's address has as many seats in the room as one may have, or too many new identities come from it.
    TooManyFromNetwork,
    /// The secret that admitted the session was renewed.
    SecretRenewed,
    /// A moderator ended the session.
    Kicked,
    /// The identity or the address is banned from the room.
    Banned,
    /// A reason of a later version.
    #[serde(other)]
    Unknown,
}

impl Refusal {
    /// Whether trying again can help.
    pub const fn retry(self) -> Retry {
        match self {
            Refusal::RoomFull
            | Refusal::ServerUnable
            | Refusal::ServerFull
            | Refusal::TooManySessions
            | Refusal::TooManyJoins
            | Refusal::TooManyInstances
            | Refusal::TooManyFromNetwork => Retry::Later,
            _ => Retry::Never,
        }
    }

    /// As it is written in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Refusal::Version => "version",
            Refusal::BadMessage => "bad_message",
            Refusal::BadSignature => "bad_signature",
            Refusal::WrongSecret => "wrong_secret",
            Refusal::RoleNotAllowed => "role_not_allowed",
            Refusal::UnknownRoom => "unknown_room",
            Refusal::RoomFull => "room_full",
            Refusal::ServerUnable => "server_unable",
            Refusal::ServerFull => "server_full",
            Refusal::TooManySessions => "too_many_sessions",
            Refusal::TooManyJoins => "too_many_joins",
            Refusal::TooManyInstances => "too_many_instances",
            Refusal::TooManyFromNetwork => "too_many_from_network",
            Refusal::SecretRenewed => "secret_renewed",
            Refusal::Kicked => "kicked",
            Refusal::Banned => "banned",
            Refusal::Unknown => "unknown",
        }
    }

    /// For reasons that pass: what is the matter, and what happens meanwhile.
    const fn while_waiting(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Refusal::RoomFull => ("The room is full.", "RTJam joins as soon as a seat is free."),
            Refusal::ServerUnable => ("The server cannot take anyone just now.", "RTJam keeps trying."),
            Refusal::ServerFull => ("All seats of this server are taken.", "RTJam joins as soon as one is free."),
            Refusal::TooManySessions => (
                "Your network has all the seats that it may have on this server.",
                "RTJam joins as soon as one is free.",
            ),
            Refusal::TooManyJoins => ("Your network has joined too often just now.", "RTJam keeps trying."),
            Refusal::TooManyInstances => (
                "You are in this room as often as one may be: leave it in another window or on another computer.",
                "RTJam joins as soon as a seat is free for you.",
            ),
            Refusal::TooManyFromNetwork => {
                ("Too many from your network are joining this room, or are in it.", "RTJam keeps trying.")
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Refusal {
    /// What a musician should do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((why, meanwhile)) = self.while_waiting() {
            return write!(f, "{why} {meanwhile}");
        }
        f.write_str(match self {
            Refusal::Version => "The server speaks another version of RTJam. Update the older of the two.",
            Refusal::BadMessage => "The server did not understand this program. Update RTJam on both ends.",
            Refusal::BadSignature => "The server did not accept this identity. Try again.",
            Refusal::WrongSecret => "The invitation is no longer valid. Ask whoever runs the room for a new link.",
            Refusal::RoleNotAllowed => "This invitation is for listening only. Ask for a musician's link.",
            Refusal::SecretRenewed => {
                "The invitation to this room was renewed, and yours is no longer valid. Ask whoever runs the room for a \
                 new link."
            }
            Refusal::Kicked => {
                "Whoever runs the room has removed you from it. Talk to them; after that you can join again."
            }
            Refusal::Banned => "You are banned from this room. Talk to whoever runs it.",
            Refusal::UnknownRoom => "There is no such room on this server. Ask for a new link.",
            _ => "The server refused, for a reason that this version does not know. Update RTJam.",
        })
    }
}

impl Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u8(self.0)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<KeyId, D::Error> {
        u8::deserialize(d).map(KeyId)
    }
}
