//! Newtypes for identifiers and counters, with their wrapping arithmetic.

use crate::secret_bytes::as_base64url;
use alloc::string::{String, ToString};
use core::fmt;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A session of one client with one server. The highest byte names the media thread that owns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub u32);

impl SessionId {
    /// The media thread (0–255) that receives this session's datagrams.
    pub const fn media_thread(self) -> u8 {
        (self.0 >> 24) as u8
    }
}

/// The sender of an audio packet within a room: the musician's slot, from 1. Clients send 0, and the server sets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId(pub u16);

impl SourceId {
    /// The mix that the server makes for one recipient.
    pub const MIX: SourceId = SourceId(u16::MAX);
}

/// One run of a sender's timeline. The sender chooses a random id whenever its frame positions restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StreamId(pub u32);

/// Number of an audio packet within its stream. It increments by one and wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sequence(pub u32);

impl Sequence {
    /// The following number.
    pub const fn next(self) -> Sequence {
        Sequence(self.0.wrapping_add(1))
    }

    /// How far this number is ahead of `other`, by the shorter way around. Negative if it is behind.
    pub const fn ahead_of(self, other: Sequence) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }
}

/// A position on a sender's timeline: frames processed at 48 kHz since the stream began. It is not the song position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FramePosition(pub u64);

impl FramePosition {
    /// The position `frames` later.
    pub const fn plus(self, frames: u64) -> FramePosition {
        FramePosition(self.0.wrapping_add(frames))
    }

    /// How far this position is ahead of `other`. Negative if it is behind.
    pub const fn ahead_of(self, other: FramePosition) -> i64 {
        self.0.wrapping_sub(other.0) as i64
    }
}

/// Number of a lane's key as it appears in datagrams. Wraps at 256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub u8);

/// Number of a datagram within its lane: 56 bits, starting at 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NonceCounter(u64);

impl NonceCounter {
    /// The last counter. At 3000 datagrams a second a lane reaches it after 760,000 years.
    pub const MAX: NonceCounter = NonceCounter((1 << 56) - 1);

    /// The counter `n`, at most [`NonceCounter::MAX`].
    pub const fn new(n: u64) -> NonceCounter {
        if n > NonceCounter::MAX.0 { NonceCounter::MAX } else { NonceCounter(n) }
    }

    /// The counter as an integer.
    pub const fn get(self) -> u64 {
        self.0
    }

    pub(crate) const fn from_bytes(b: [u8; 7]) -> NonceCounter {
        NonceCounter(u64::from_be_bytes([0, b[0], b[1], b[2], b[3], b[4], b[5], b[6]]))
    }

    pub(crate) const fn to_bytes(self) -> [u8; 7] {
        let [_, a, b, c, d, e, f, g] = self.0.to_be_bytes();
        [a, b, c, d, e, f, g]
    }
}

/// A musician's identity: an Ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MusicianId(pub [u8; 32]);

as_base64url!(MusicianId);

impl fmt::Debug for MusicianId {
    /// Shows the first four bytes, which tell identities apart in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "{a:02x}{b:02x}{c:02x}{d:02x}…")
    }
}

/// Name of a room: 1 to 64 bytes of UTF-8 without control characters and without white space at either end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomName(String);

/// The text is not a valid room name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRoomName;

impl fmt::Display for BadRoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a room name has 1 to 64 bytes, no control characters and no space at either end")
    }
}

impl core::error::Error for BadRoomName {}

impl RoomName {
    /// Maximum length in bytes.
    pub const MAX_LEN: usize = 64;

    /// Validates a name.
    ///
    /// # Errors
    /// When the name is empty, too long, contains control characters, or has white space at either end.
    pub fn new(name: &str) -> Result<RoomName, BadRoomName> {
        let fits = !name.is_empty() && name.len() <= Self::MAX_LEN;
        if fits && name.trim() == name && !name.chars().any(char::is_control) {
            Ok(RoomName(name.to_string()))
        } else {
            Err(BadRoomName)
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for RoomName {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RoomName {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<RoomName, D::Error> {
        let name = String::deserialize(d)?;
        RoomName::new(&name).map_err(serde::de::Error::custom)
    }
}
