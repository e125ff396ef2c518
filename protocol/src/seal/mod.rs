//! Sealing: what keeps a session's datagrams private, genuine and unrepeated.
//!
//! Each session has two keys, one a direction, fresh at every join. A nonce is four zero bytes, the
//! lane (the sending thread) and a counter of 56 bits, and is used once: a [`SendLane`] counts, and
//! is neither `Clone` nor rewindable. A resend is a new datagram with a new counter.

mod replay;
#[cfg(feature = "std")]
pub mod ring;

pub use replay::{Freshness, ReplayWindow};

use crate::datagram::{Class, DATAGRAM_OVERHEAD, Frames, Header, MAX_DATAGRAM};
use crate::ids::SessionId;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Bytes of a seal's tag, in every suite.
pub const TAG_LEN: usize = 16;

/// The ciphers that two ends can agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Suite {
    /// AES-128-GCM: the faster one where the processor has AES instructions.
    #[serde(rename = "aes-128-gcm")]
    Aes128Gcm,
    /// ChaCha20-Poly1305: fast everywhere.
    #[serde(rename = "chacha20-poly1305")]
    ChaCha20Poly1305,
}

/// A session key of one direction. Suites with shorter keys use its first bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(pub [u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Which of a direction's keys: 0 until keys are renewed within a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeyId(pub u8);

/// A sending thread's own series of nonces under one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(pub u8);

/// A datagram's number within key and lane: 56 bits, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter(u64);

impl Counter {
    /// The last number. At 3000 datagrams a second it is 760,000 years away.
    pub const MAX: Counter = Counter((1 << 56) - 1);

    /// The number as an integer.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The counter of this number, the last one where that is too high.
    pub(crate) const fn of(n: u64) -> Counter {
        if n > Counter::MAX.0 { Counter::MAX } else { Counter(n) }
    }

    pub(crate) const fn from_bytes(b: [u8; 7]) -> Counter {
        Counter(u64::from_be_bytes([0, b[0], b[1], b[2], b[3], b[4], b[5], b[6]]))
    }

    pub(crate) const fn to_bytes(self) -> [u8; 7] {
        let [_, a, b, c, d, e, f, g] = self.0.to_be_bytes();
        [a, b, c, d, e, f, g]
    }
}

/// The nonce of a datagram: used once under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce(pub [u8; 12]);

impl Nonce {
    fn of(lane: Lane, counter: Counter) -> Nonce {
        // In the words that the cipher reads: a processor stalls where it reads at once what was written in pieces.
        let number = u64::from(lane.0) << 56 | counter.0;
        let mut n = [0; 12];
        n[..8].copy_from_slice(&(number >> 32).to_be_bytes());
        n[8..].copy_from_slice(&(number as u32).to_be_bytes());
        Nonce(n)
    }
}

/// The datagram was not sealed with this key, or was altered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DidNotOpen;

/// Authenticated encryption in place under one key.
pub trait Sealer: Send + Sync {
    /// Encrypts `plain` in place and returns the tag over it and `aad`. `nonce` must never have been used before.
    fn seal(&self, nonce: Nonce, aad: &[u8], plain: &mut [u8]) -> [u8; TAG_LEN];

    /// Decrypts in place; `sealed` ends with the tag. Returns the plain text.
    ///
    /// # Errors
    /// When it is not genuine.
    fn open<'a>(&self, nonce: Nonce, aad: &[u8], sealed: &'a mut [u8]) -> Result<&'a mut [u8], DidNotOpen>;
}

/// A sealer shared by the threads that send to one session.
pub type SharedSealer = Arc<dyn Sealer>;

/// Makes the sealer of a suite under a key.
pub type MakeSealer = fn(Suite, &Key) -> SharedSealer;

/// One thread's right to seal for one session and direction: owns the counter.
pub struct SendLane {
    sealer: SharedSealer,
    session: SessionId,
    key: KeyId,
    lane: Lane,
    last: u64,
}

impl SendLane {
    /// A lane that has not sealed anything. There must be only one with this key and lane.
    pub fn new(sealer: SharedSealer, session: SessionId, key: KeyId, lane: Lane) -> SendLane {
        SendLane { sealer, session, key, lane, last: 0 }
    }

    /// Makes one datagram in `out` (cleared first): `write_frames` appends the frames to it. Returns its counter.
    pub fn seal(&mut self, class: Class, out: &mut Vec<u8>, write_frames: impl FnOnce(&mut Vec<u8>)) -> Counter {
        out.clear();
        self.append(class, out, write_frames)
    }

    /// Makes one datagram behind what is in `out`: `write_frames` appends the frames to it. Returns its counter.
    pub fn append(&mut self, class: Class, out: &mut Vec<u8>, write_frames: impl FnOnce(&mut Vec<u8>)) -> Counter {
        self.last += 1;
        // Never wraps: 2^56 datagrams are not sent in a session's life.
        let counter = Counter(self.last);
        let begin = out.len();
        Header { class, key: self.key, lane: self.lane, session: self.session, counter }.write(out);
        write_frames(out);
        let (head, frames) = out[begin..].split_at_mut(Header::LEN);
        let tag = self.sealer.seal(Nonce::of(self.lane, counter), head, frames);
        out.extend_from_slice(&tag);
        counter
    }
}

/// Why a datagram was dropped without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// Too short or too long, another version, another session, another key.
    NotOurs,
    /// Seen before, or too old to tell.
    Replayed,
    /// Not genuine.
    DidNotOpen,
    /// Of one lane more than the sender may use.
    TooManyLanes,
}

/// A datagram that opened.
pub struct Opened<'a> {
    /// Its header.
    pub header: Header,
    /// Whether it has the highest counter of its lane so far: the newest word of its sender.
    pub newest: bool,
    /// The plain text: frames.
    pub plain: &'a mut [u8],
}

impl Opened<'_> {
    /// Walks the frames.
    pub fn frames(&self) -> Frames<'_> {
        Frames::new(self.plain)
    }
}

/// The receiving end of one session and direction: opens, and refuses what it has seen.
pub struct ReceiveKey {
    sealer: SharedSealer,
    session: SessionId,
    key: KeyId,
    // A lane gets its window only when a datagram of it has opened, so strangers cannot make these grow.
    windows: BTreeMap<Lane, Box<ReplayWindow>>,
    most_lanes: usize,
}

impl ReceiveKey {
    /// Nothing received yet.
    pub fn new(sealer: SharedSealer, session: SessionId, key: KeyId) -> ReceiveKey {
        ReceiveKey { sealer, session, key, windows: BTreeMap::new(), most_lanes: usize::from(u8::MAX) + 1 }
    }

    /// Accepts the first `most` lanes that something genuine comes by, and no other: what a hostile sender can make
    /// the receiver remember.
    pub fn limit_lanes(mut self, most: usize) -> ReceiveKey {
        self.most_lanes = most;
        self
    }

    /// Opens a datagram in place.
    ///
    /// # Errors
    /// When it is not ours, not genuine, seen before, or of a lane too many. The bytes are then worthless.
    pub fn open<'a>(&mut self, datagram: &'a mut [u8]) -> Result<Opened<'a>, Rejected> {
        let header = Header::read(datagram).ok_or(Rejected::NotOurs)?;
        let fits = (DATAGRAM_OVERHEAD..=MAX_DATAGRAM).contains(&datagram.len());
        if header.session != self.session || header.key != self.key || !fits {
            return Err(Rejected::NotOurs);
        }
        match self.windows.get(&header.lane) {
            Some(window) if window.check(header.counter) == Freshness::Stale => return Err(Rejected::Replayed),
            None if self.windows.len() >= self.most_lanes => return Err(Rejected::TooManyLanes),
            _ => {}
        }
        let (head, sealed) = datagram.split_at_mut(Header::LEN);
        let nonce = Nonce::of(header.lane, header.counter);
        let plain = self.sealer.open(nonce, head, sealed).map_err(|DidNotOpen| Rejected::DidNotOpen)?;
        let newest = self.windows.entry(header.lane).or_default().mark(header.counter) == Freshness::Newest;
        Ok(Opened { header, newest, plain })
    }
}
