//! Numbers and names that must not be mixed up.

use alloc::string::{String, ToString};
use core::fmt;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A session: one musician's end joined to one server. Its highest byte names the media thread that owns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub u32);

impl SessionId {
    /// The media thread (0–255) that receives this session's datagrams.
    pub const fn media_thread(self) -> u8 {
        (self.0 >> 24) as u8
    }
}

/// Who made an audio packet, within one room: the musician's slot there, from 1. 0 means "set by the server".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId(pub u16);

impl SourceId {
    /// The mix that the server makes for a recipient, in place of everyone separately.
    pub const MIX: SourceId = SourceId(u16::MAX);
}

/// One run of a sender's timeline: random, new whenever its frame positions start afresh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StreamId(pub u32);

/// An audio packet's number within its stream; counts up by one and wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sequence(pub u32);

impl Sequence {
    /// The number after this one.
    pub const fn next(self) -> Sequence {
        Sequence(self.0.wrapping_add(1))
    }

    /// How far this number is ahead of `other` (negative: behind), by the shorter way round.
    pub const fn ahead_of(self, other: Sequence) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }
}

/// A position on a sender's timeline: processed frames at 48 kHz since its stream began. Never song position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FramePosition(pub u64);

impl FramePosition {
    /// The position `frames` later.
    pub const fn plus(self, frames: u64) -> FramePosition {
        FramePosition(self.0.wrapping_add(frames))
    }

    /// How far this position is ahead of `other` (negative: behind).
    pub const fn ahead_of(self, other: FramePosition) -> i64 {
        self.0.wrapping_sub(other.0) as i64
    }
}

/// A musician's identity: the Ed25519 public key of the pair in their config folder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MusicianId(pub [u8; 32]);

impl fmt::Debug for MusicianId {
    /// The first bytes only: enough to tell two apart in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "{a:02x}{b:02x}{c:02x}{d:02x}…")
    }
}

/// A room's name: 1 to 64 bytes of UTF-8, no control characters, no space at either end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomName(String);

/// Why a text is no room name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRoomName;

impl fmt::Display for BadRoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a room name has 1 to 64 bytes, no control characters and no space at either end")
    }
}

impl core::error::Error for BadRoomName {}

impl RoomName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 64;

    /// Takes a name that keeps the rules.
    ///
    /// # Errors
    /// When it is empty, too long, or has control characters or space at an end.
    pub fn new(name: &str) -> Result<RoomName, BadRoomName> {
        let fits = !name.is_empty() && name.len() <= Self::MAX_LEN;
        if fits && name.trim() == name && !name.chars().any(char::is_control) {
            Ok(RoomName(name.to_string()))
        } else {
            Err(BadRoomName)
        }
    }

    /// The name.
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
