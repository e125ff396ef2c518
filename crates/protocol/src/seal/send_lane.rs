//! The sending end of a lane.

use super::epoch::{EpochKey, KeySchedule};
use super::{Key, KeyId, Lane, Nonce, NonceCounter, Sealer};
use crate::datagram::{DatagramClass, DatagramHeader};
use crate::ids::SessionId;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;

/// The sending end of a lane. It owns the lane's counter, so a lane has exactly one. Sealing allocates only to grow the
/// output buffer.
pub struct SendLane {
    session: SessionId,
    lane: Lane,
    first: KeyId,
    last: u64,
    current: EpochKey,
    changes: Option<Box<KeyChanges>>,
}

/// Key changes of a lane.
struct KeyChanges {
    schedule: KeySchedule,
    /// The key of the next epoch, once `prepare_at` has passed.
    ahead: EpochKey,
    prepare_at: u64,
    change_at: u64,
}

impl SendLane {
    /// A lane that always uses one key. There must be no other one with this key and lane.
    /// [`DirectionKeys::send_lane`](super::DirectionKeys::send_lane) creates those of a session.
    pub fn new(sealer: Box<dyn Sealer>, session: SessionId, key: KeyId, lane: Lane) -> SendLane {
        SendLane { session, lane, first: key, last: 0, current: EpochKey::first(Key::ZERO, sealer), changes: None }
    }

    /// A lane that changes its key. `unused` is a placeholder for the next key.
    pub(super) fn changing(current: EpochKey, unused: EpochKey, schedule: KeySchedule, first: KeyId) -> SendLane {
        let (prepare_at, change_at) = (schedule.prepare_at(0), schedule.packets_per_key + 1);
        let changes = Some(Box::new(KeyChanges { schedule, ahead: unused, prepare_at, change_at }));
        SendLane { session: schedule.session, lane: schedule.lane, first, last: 0, current, changes }
    }

    /// Number of datagrams sealed.
    pub fn sealed(&self) -> u64 {
        self.last
    }

    /// Whether the lane changes its key.
    pub fn changes_keys(&self) -> bool {
        self.changes.is_some()
    }

    /// Writes a datagram to `out`, which is cleared first. `write_frames` appends the frames. Returns the datagram's
    /// counter.
    pub fn seal(
        &mut self,
        class: DatagramClass,
        out: &mut Vec<u8>,
        write_frames: impl FnOnce(&mut Vec<u8>),
    ) -> NonceCounter {
        out.clear();
        self.append(class, out, write_frames)
    }

    /// Appends a datagram to `out`. `write_frames` appends the frames. Returns the datagram's counter.
    pub fn append(
        &mut self,
        class: DatagramClass,
        out: &mut Vec<u8>,
        write_frames: impl FnOnce(&mut Vec<u8>),
    ) -> NonceCounter {
        self.last += 1;
        if let Some(changes) = &mut self.changes {
            changes.pass(self.last, &mut self.current);
        }
        // Never reaches the limit: no session sends 2^56 datagrams.
        let counter = NonceCounter::new(self.last);
        let begin = out.len();
        let key = self.current.id(self.first);
        DatagramHeader { class, key, lane: self.lane, session: self.session, counter }.write(out);
        write_frames(out);
        let (head, frames) = out[begin..].split_at_mut(DatagramHeader::LEN);
        let tag = self.current.sealer.seal(Nonce::of(self.lane, counter), head, frames);
        out.extend_from_slice(&tag);
        counter
    }
}

impl KeyChanges {
    /// Prepares for the datagram with this counter, which is sealed with `current` afterwards.
    fn pass(&mut self, counter: u64, current: &mut EpochKey) {
        if counter == self.change_at {
            mem::swap(current, &mut self.ahead);
            self.ahead.erase();
            self.change_at += self.schedule.packets_per_key;
            self.prepare_at = self.schedule.prepare_at(current.epoch);
        }
        if counter == self.prepare_at {
            self.ahead.derive(current, current.epoch + 1, &self.schedule);
        }
    }
}
