//! One direction of a session: creates both ends of its lanes.

use super::epoch::{EpochKey, KeySchedule};
use super::send_lane::SendLane;
use super::{Crypto, Key, KeyId, Lane, SessionKeys, Suite};
use crate::features::Features;
use crate::ids::SessionId;
use crate::time::Micros;

/// The key of one direction of a session, and how it is used.
#[derive(Clone)]
pub struct DirectionKeys {
    pub(super) crypto: Crypto,
    pub(super) session: SessionId,
    pub(super) suite: Suite,
    pub(super) first: KeyId,
    pub(super) key: Key,
    pub(super) rekeys: bool,
}

impl SessionKeys {
    /// The direction from the client to the server.
    pub fn uplink(&self, session: SessionId, features: Features, crypto: Crypto) -> DirectionKeys {
        self.direction(&self.up, session, features, crypto)
    }

    /// The direction from the server to the client.
    pub fn downlink(&self, session: SessionId, features: Features, crypto: Crypto) -> DirectionKeys {
        self.direction(&self.down, session, features, crypto)
    }

    fn direction(&self, key: &Key, session: SessionId, features: Features, crypto: Crypto) -> DirectionKeys {
        let rekeys = features.rekey;
        DirectionKeys { crypto, session, suite: self.suite, first: self.id, key: key.clone(), rekeys }
    }
}

impl DirectionKeys {
    /// A new sending end of a lane. Call it only once for each lane: a second one would repeat nonces.
    pub fn send_lane(&self, lane: Lane) -> SendLane {
        if !self.rekeys {
            let sealer = (self.crypto.make_sealer)(self.suite, &self.key);
            return SendLane::new(sealer, self.session, self.first, lane);
        }
        let schedule = self.schedule(lane);
        let key = schedule.first(&self.key);
        let sealer = (self.crypto.make_sealer)(self.suite, &key);
        SendLane::changing(EpochKey::first(key, sealer), self.unused_key(), schedule, self.first)
    }

    /// How long the key may be used; `None` if lanes change their keys.
    pub fn key_lifetime(&self) -> Option<Micros> {
        (!self.rekeys).then_some(self.crypto.limits.key_lifetime)
    }

    pub(super) fn schedule(&self, lane: Lane) -> KeySchedule {
        let packets_per_key = self.crypto.limits.packets_per_key.max(1);
        KeySchedule { expand: self.crypto.expand, session: self.session, lane, packets_per_key }
    }

    /// A placeholder for a key that is not derived yet.
    pub(super) fn unused_key(&self) -> EpochKey {
        EpochKey::first(Key::ZERO, (self.crypto.make_sealer)(self.suite, &Key::ZERO))
    }
}
