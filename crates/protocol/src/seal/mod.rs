//! Encrypts and authenticates datagrams, and rejects replayed ones.
//!
//! Each session has two fresh keys, one for each direction. A nonce consists of four zero bytes, the lane and a counter of
//! 56 bits. No nonce is used twice: a [`SendLane`] owns its counter, and can neither be cloned nor reset. A retransmission
//! is a new datagram with a new counter.
//!
//! With the feature `rekey`, each lane has keys of its own. The first one is derived from the direction's key, each further
//! one from its predecessor, and a lane changes its key after [`KeyLimits::packets_per_key`] datagrams. The counter
//! continues, so it determines the key of a datagram:
//!
//! ```text
//! direction's key ──lane──▶ epoch 0 ──next──▶ epoch 1 ──next──▶ epoch 2 …
//! counter                   1 … 2^20          … 2^21            … 3 × 2^20
//! ```
//!
//! [`DirectionKeys`] creates both ends of the lanes of one direction. [`Lane`] assigns the lane numbers.

mod direction;
mod epoch;
mod receive_key;
mod replay;
#[cfg(feature = "std")]
pub mod ring;
mod send_lane;

pub use direction::DirectionKeys;
pub use receive_key::{OLD_KEY_OPENS_FOR, ReceiveKey};
pub use replay::{Freshness, ReplayWindow};
pub use send_lane::SendLane;

pub use crate::datagram::TAG_LEN;
pub use crate::ids::{KeyId, NonceCounter};
pub use crate::lane::Lane;

use crate::datagram::{DatagramHeader, Frames};
use crate::secret_bytes::secret;
use crate::time::Micros;
use alloc::boxed::Box;
use serde::{Deserialize, Serialize};

/// A cipher suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Suite {
    /// AES-128-GCM: faster on processors with AES instructions.
    #[serde(rename = "aes-128-gcm")]
    Aes128Gcm,
    /// ChaCha20-Poly1305: fast on all processors.
    #[serde(rename = "chacha20-poly1305")]
    ChaCha20Poly1305,
}

/// A key of 32 bytes. Suites with shorter keys use its first bytes. Zeroized on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(pub [u8; 32]);

impl Key {
    /// The value of an erased key.
    pub(crate) const ZERO: Key = Key([0; 32]);
}

secret!(Key);

/// The keys of a session, one for each direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionKeys {
    /// Cipher suite.
    pub suite: Suite,
    /// Key id of the first key.
    pub id: KeyId,
    /// Key from the client to the server.
    pub up: Key,
    /// Key from the server to the client.
    pub down: Key,
}

/// The nonce of a datagram. It must not be used twice under one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce(pub [u8; 12]);

impl Nonce {
    fn of(lane: Lane, counter: NonceCounter) -> Nonce {
        // Written in the words that the cipher reads: processors stall on a read that spans several recent writes.
        let number = u64::from(lane.number()) << 56 | counter.get();
        let mut n = [0; 12];
        n[..8].copy_from_slice(&(number >> 32).to_be_bytes());
        n[8..].copy_from_slice(&(number as u32).to_be_bytes());
        Nonce(n)
    }
}

/// The datagram was sealed with another key, or was altered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DidNotOpen;

/// Authenticated encryption in place under one key.
pub trait Sealer: Send + Sync {
    /// Encrypts `plain` in place and returns the tag over it and `aad`. `nonce` must not have been used before.
    fn seal(&self, nonce: Nonce, aad: &[u8], plain: &mut [u8]) -> [u8; TAG_LEN];

    /// Decrypts `sealed`, which ends with the tag, in place. Returns the plaintext.
    ///
    /// # Errors
    /// When the tag does not match.
    fn open<'a>(&self, nonce: Nonce, aad: &[u8], sealed: &'a mut [u8]) -> Result<&'a mut [u8], DidNotOpen>;

    /// Replaces the key without allocating, and erases the previous one.
    fn set_key(&mut self, key: &Key);
}

/// Creates the sealer of a suite under a key.
pub type MakeSealer = fn(Suite, &Key) -> Box<dyn Sealer>;

/// HKDF-Expand with SHA-256 (RFC 5869): derives 32 bytes from a key and an `info`.
pub type Expand = fn(&Key, &[u8]) -> Key;

/// The cryptographic primitives. The programs use [`ring::CRYPTO`].
#[derive(Clone, Copy, Debug)]
pub struct Crypto {
    /// Creates sealers.
    pub make_sealer: MakeSealer,
    /// Derives keys.
    pub expand: Expand,
    /// Limits on the use of keys. Both ends must use the same.
    pub limits: KeyLimits,
}

/// Limits on the use of keys. `docs/PROTOCOL.md` explains the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyLimits {
    /// With `rekey`: the number of datagrams that a lane seals with one key. Not 0.
    pub packets_per_key: u64,
    /// Without `rekey`: the time after which another session replaces this one.
    pub key_lifetime: Micros,
    /// The most failed attempts to open datagrams in one direction of a session, for AES-128-GCM.
    pub failed_opens_aes: u64,
    /// The same for ChaCha20-Poly1305.
    pub failed_opens_chacha: u64,
}

impl KeyLimits {
    /// The limits of the protocol. Only tests use others.
    pub const STANDARD: KeyLimits = KeyLimits {
        packets_per_key: 1 << 20,
        key_lifetime: Micros::from_secs(30 * 60),
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

/// Why a datagram is dropped. It is never answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// Its length, version or session is wrong, or its key is not in use.
    NotOurs,
    /// Its counter was used before, or is too old to tell.
    Replayed,
    /// It was forged or altered.
    DidNotOpen,
    /// Its sender uses more lanes than allowed.
    TooManyLanes,
    /// The limit of failed attempts has been reached. The session needs fresh keys.
    Exhausted,
}

/// A datagram that opened.
pub struct OpenedDatagram<'a> {
    /// The header.
    pub header: DatagramHeader,
    /// Whether the datagram has the highest counter of its lane so far.
    pub newest: bool,
    /// The plaintext: frames.
    pub plain: &'a mut [u8],
}

impl OpenedDatagram<'_> {
    /// Iterates over the frames.
    pub fn frames(&self) -> Frames<'_> {
        Frames::new(self.plain)
    }
}
