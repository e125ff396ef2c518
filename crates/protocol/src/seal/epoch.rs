//! Key derivation: the successive keys of a lane.

use super::{Expand, Key, KeyId, Lane, NonceCounter, Sealer};
use crate::ids::SessionId;
use alloc::boxed::Box;

/// HKDF `info` of a lane's first key, derived from the direction's key.
const LANE_LABEL: &[u8; 12] = b"rtjam/1 lane";
/// HKDF `info` of a lane's next key, derived from the previous one.
const NEXT_LABEL: &[u8; 12] = b"rtjam/1 next";

const INFO_LEN: usize = 12 + 4 + 1;

/// Derives the keys of one lane.
#[derive(Clone, Copy)]
pub(super) struct KeySchedule {
    pub(super) expand: Expand,
    pub(super) session: SessionId,
    pub(super) lane: Lane,
    pub(super) packets_per_key: u64,
}

impl KeySchedule {
    /// The key of epoch 0.
    pub(super) fn first(&self, direction: &Key) -> Key {
        (self.expand)(direction, &self.info(LANE_LABEL))
    }

    fn next(&self, key: &Key) -> Key {
        (self.expand)(key, &self.info(NEXT_LABEL))
    }

    /// The epoch of a datagram.
    pub(super) const fn epoch_of(&self, counter: NonceCounter) -> u64 {
        counter.get().saturating_sub(1) / self.packets_per_key
    }

    /// The counter at which the key after the one of `epoch` is derived. It lies between a quarter and three quarters of
    /// the epoch and depends on lane and session, so that lanes with equal counters do not all derive at once.
    pub(super) fn prepare_at(&self, epoch: u64) -> u64 {
        // Fibonacci hashing: the high bits depend on the whole input.
        let number = u64::from(self.session.0) << 8 | u64::from(self.lane.number());
        let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let half = (self.packets_per_key / 2).max(1);
        epoch * self.packets_per_key + 1 + self.packets_per_key / 4 + spread % half
    }

    fn info(&self, label: &[u8; 12]) -> [u8; INFO_LEN] {
        let mut info = [0; INFO_LEN];
        info[..12].copy_from_slice(label);
        info[12..16].copy_from_slice(&self.session.0.to_be_bytes());
        info[16] = self.lane.number();
        info
    }
}

/// A lane's key of one epoch, with its cipher.
pub(super) struct EpochKey {
    pub(super) epoch: u64,
    key: Key,
    pub(super) sealer: Box<dyn Sealer>,
}

impl EpochKey {
    /// The key of epoch 0; `sealer` must use it.
    pub(super) fn first(key: Key, sealer: Box<dyn Sealer>) -> EpochKey {
        EpochKey { epoch: 0, key, sealer }
    }

    /// Becomes the key of epoch 0 of a lane.
    pub(super) fn begin(&mut self, key: Key) {
        self.sealer.set_key(&key);
        (self.epoch, self.key) = (0, key);
    }

    /// Becomes the key of a later epoch.
    pub(super) fn derive(&mut self, from: &EpochKey, epoch: u64, schedule: &KeySchedule) {
        self.key = from.key.clone();
        for _ in from.epoch..epoch {
            self.key = schedule.next(&self.key);
        }
        self.epoch = epoch;
        self.sealer.set_key(&self.key);
    }

    /// Erases the key.
    pub(super) fn erase(&mut self) {
        self.begin(Key::ZERO);
    }

    /// The key's id in datagrams, where the id of epoch 0 is `first`.
    pub(super) const fn id(&self, first: KeyId) -> KeyId {
        key_id(first, self.epoch)
    }
}

/// The id of an epoch's key in datagrams.
pub(super) const fn key_id(first: KeyId, epoch: u64) -> KeyId {
    KeyId(first.0.wrapping_add(epoch as u8))
}
