//! What a session is made of, what it tells its driver, how it stands.

use super::DialId;
use crate::control::{MediaEndpoint, MixState, MixWish, Refused, RosterEntry, SeatRole};
use crate::ids::{MusicianId, RoomName, SourceId};
use crate::link::Secret;
use crate::seal::{Crypto, ReceiveKey, Suite};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// Signs as a musician (Ed25519: the same text gives the same signature).
pub trait Signer: Send {
    /// The public key.
    fn musician(&self) -> MusicianId;
    /// A signature that the public key verifies.
    fn sign(&self, text: &[u8]) -> [u8; 64];
}

/// What a session is to be.
pub struct Config {
    /// Which room.
    pub room: RoomName,
    /// As what.
    pub role: SeatRole,
    /// What opens it.
    pub secret: Secret,
    /// The musician's name.
    pub name: String,
    /// Suites, best first.
    pub suites: Vec<Suite>,
    /// Which of the identity's sessions this was last time, if known.
    pub instance: Option<u8>,
    /// What datagrams are sealed with.
    pub crypto: Crypto,
    /// What of the others to be sent, and how.
    pub mix: MixWish,
}

/// What the driver must know or do.
pub enum Event {
    /// Open a control connection, beside those that are open or being opened: each ends by its own `HangUp`.
    Dial(DialId),
    /// Close that control connection.
    HangUp(DialId),
    /// In the room. `receive` is there unless the session before goes on.
    Joined {
        /// What others see and hear this musician as.
        seat: MySeat,
        /// Where media goes.
        media: Vec<MediaEndpoint>,
        /// Opens what the server sends.
        receive: Option<Box<ReceiveKey>>,
    },
    /// Everyone in the room, with names that can be shown as they are.
    Roster {
        /// In order of their slots.
        musicians: Vec<RosterEntry>,
        /// How many listen besides.
        listeners: u16,
    },
    /// What of the others is sent from now on; after [`Event::Joined`], and whenever it changes.
    Mix(MixState),
    /// Whom this end is not sent at the moment; in place of what was said before.
    Unheard(Vec<SourceId>),
    /// The server drops part of what this end sends, because it is too much: so many datagrams since the session began.
    OverRate(u64),
    /// Someone left.
    Left {
        /// Who.
        source: SourceId,
        /// Their name.
        name: String,
    },
    /// Not in the room. By the advice in it the session tries again or has ended.
    Refused(Refused),
    /// The server stops on purpose; the session waits for it.
    GoingDown,
    /// The media session is over (server gone or restarted); a new one is being sought.
    MediaLost,
}

/// A musician's own place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MySeat {
    /// The number in audio packets that others hear.
    pub source: SourceId,
    /// The name that others see.
    pub name: String,
    /// Which of the identity's sessions.
    pub instance: u8,
}

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Seeking the server or a seat.
    Connecting,
    /// In the room, and the media path works or is being found.
    Joined,
    /// The server refused for good.
    Refused,
    /// Left.
    Left,
}
