//! Configuration, events and states of a client's session.

use super::dial::DialId;
use crate::control::{MediaEndpoint, MixRequest, MixState, Refused, Release, RosterEntry, SeatRole, StallingMusician};
use crate::ids::{MusicianId, RoomName, SourceId};
use crate::link::Secret;
use crate::seal::{Crypto, ReceiveKey, Suite};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// Signs as a musician. Ed25519 is deterministic: equal texts have equal signatures.
pub trait Signer: Send {
    /// The public key.
    fn musician(&self) -> MusicianId;
    /// Signs a text.
    fn sign(&self, text: &[u8]) -> [u8; 64];
}

/// Configuration of a [`ClientSession`](super::ClientSession).
pub struct ClientConfig {
    /// Room to join.
    pub room: RoomName,
    /// How the client takes part.
    pub role: SeatRole,
    /// The room's secret.
    pub secret: Secret,
    /// Display name.
    pub name: String,
    /// Cipher suites, best first.
    pub suites: Vec<Suite>,
    /// Instance number of the previous session, if known.
    pub instance: Option<u8>,
    /// Cryptographic primitives.
    pub crypto: Crypto,
    /// What the client receives.
    pub mix: MixRequest,
    /// The client's release: [`Release::OWN`].
    pub release: Release,
}

/// An event or an action for the driver.
pub enum ClientEvent {
    /// Open a control connection, in addition to others. Each one ends by its own [`ClientEvent::HangUp`].
    Dial(DialId),
    /// Close a control connection.
    HangUp(DialId),
    /// The client has a seat.
    Joined {
        /// The client's own seat.
        seat: OwnSeat,
        /// Media endpoints, best first.
        media: Vec<MediaEndpoint>,
        /// Opens the server's datagrams; `None` if the previous session continues.
        receive: Option<Box<ReceiveKey>>,
    },
    /// The roster changed. Its names are clean.
    Roster {
        /// Sorted by slot.
        musicians: Vec<RosterEntry>,
        /// Number of listeners.
        listeners: u16,
    },
    /// What the client receives. Follows [`ClientEvent::Joined`], and repeats after every change.
    Mix(MixState),
    /// Musicians that the client does not receive. Replaces the earlier list.
    Unheard(Vec<SourceId>),
    /// Musicians whose computers stall. Replaces the earlier list; a new control connection starts with an empty one.
    Stalling(Vec<StallingMusician>),
    /// The server drops datagrams of the session because it sends too much: number of datagrams since the session began.
    OverRate(u64),
    /// A musician left.
    Left {
        /// The musician.
        source: SourceId,
        /// Display name.
        name: String,
    },
    /// The server refused. By its retry advice the session tries again, or has ended.
    Refused(Refused),
    /// The server shuts down. The session waits for it.
    GoingDown,
    /// The media session is lost. The client requests a new one.
    MediaLost,
}

/// The client's own seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnSeat {
    /// Source number in audio packets.
    pub source: SourceId,
    /// Display name, with a number if another musician has the same.
    pub name: String,
    /// Number of this session among those of the same identity.
    pub instance: u8,
}

/// State of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientState {
    /// Dials the server, or waits for a seat.
    Connecting,
    /// Has a seat.
    Joined,
    /// Refused permanently.
    Refused,
    /// Left.
    Left,
}
