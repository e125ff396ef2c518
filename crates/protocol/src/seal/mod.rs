//! Sealing: what keeps a session's datagrams private, genuine and unrepeated.
//!
//! Each session has two keys, one a direction, fresh at every join. A nonce is four zero bytes, the
//! lane (the sending thread) and a counter of 56 bits, and is used once: a [`SendLane`] counts, and
//! is neither `Clone` nor rewindable. A resend is a new datagram with a new counter.
//!
//! With the feature `rekey` each lane has keys of its own. The first is derived from the direction's key, each
//! further one from the one before, and a lane moves on after [`Limits::packets_per_key`] datagrams. The counter goes
//! on, so it alone says which key a datagram is sealed with:
//!
//! ```text
//! direction's key ──lane──▶ epoch 0 ──next──▶ epoch 1 ──next──▶ epoch 2 …
//! counter                   1 … 2^20          … 2^21            … 3 × 2^20
//! ```
//!
//! [`Direction`] makes both ends of the lanes of one direction.

mod direction;
mod epoch;
mod receive;
mod replay;
#[cfg(feature = "std")]
pub mod ring;
mod send;

pub use direction::Direction;
pub use receive::{OLD_KEY_OPENS_FOR, ReceiveKey};
pub use replay::{Freshness, ReplayWindow};
pub use send::SendLane;

use crate::datagram::{Frames, Header};
use crate::time::Micros;
use alloc::boxed::Box;
use core::fmt;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

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

/// A key of 32 bytes; it is overwritten when it is dropped. Suites with shorter keys use its first bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(pub [u8; 32]);

impl Key {
    /// No secret: what an erased key is.
    pub(crate) const ZERO: Key = Key([0; 32]);
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The number of a lane's key, as it stands in a datagram: wraps at 256.
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

    /// Works under `key` from now on, without allocating. What was made of the key before is overwritten.
    fn set_key(&mut self, key: &Key);
}

/// Makes the sealer of a suite under a key.
pub type MakeSealer = fn(Suite, &Key) -> Box<dyn Sealer>;

/// HKDF-Expand with SHA-256 (RFC 5869): 32 bytes made of a key and an `info`.
pub type Expand = fn(&Key, &[u8]) -> Key;

/// The primitives that sealing is built from. [`ring::CRYPTO`] is what the programs use.
#[derive(Clone, Copy, Debug)]
pub struct Crypto {
    /// Makes sealers.
    pub make_sealer: MakeSealer,
    /// Derives keys.
    pub expand: Expand,
    /// How much a key is used for. Both ends must have the same.
    pub limits: Limits,
}

/// How much a key is used for. `docs/PROTOCOL.md` says where the numbers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// With `rekey`: datagrams that a lane seals with one key; not 0.
    pub packets_per_key: u64,
    /// Without `rekey`: how long a session keeps its keys before it is replaced by another.
    pub keys_last: Micros,
    /// Failed attempts to open a datagram of AES-128-GCM, in one direction of a session.
    pub failed_opens_aes: u64,
    /// The same for ChaCha20-Poly1305.
    pub failed_opens_chacha: u64,
}

impl Limits {
    /// What the protocol prescribes; only tests have others.
    pub const STANDARD: Limits = Limits {
        packets_per_key: 1 << 20,
        keys_last: Micros::from_secs(30 * 60),
        failed_opens_aes: 1 << 52,
        failed_opens_chacha: 1 << 36,
    };

    const fn failed_opens(&self, suite: Suite) -> u64 {
        match suite {
            Suite::Aes128Gcm => self.failed_opens_aes,
            Suite::ChaCha20Poly1305 => self.failed_opens_chacha,
        }
    }
}

/// Why a datagram was dropped without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// Too short or too long, another version, another session, a key that is not in use.
    NotOurs,
    /// Seen before, or too old to tell.
    Replayed,
    /// Not genuine.
    DidNotOpen,
    /// Of one lane more than the sender may use.
    TooManyLanes,
    /// So many attempts to open have failed that nothing is opened any more: the session needs fresh keys.
    Exhausted,
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
