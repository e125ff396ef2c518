//! The sending end of a lane.

use super::epoch::{EpochKey, KeySchedule};
use super::{Counter, Key, KeyId, Lane, Nonce, Sealer};
use crate::datagram::{Class, Header};
use crate::ids::SessionId;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;

/// One thread's right to seal for one session and direction: owns the counter. Sealing does not allocate, apart from
/// growing the buffer that it is given.
pub struct SendLane {
    session: SessionId,
    lane: Lane,
    first: KeyId,
    last: u64,
    current: EpochKey,
    changes: Option<Box<Changes>>,
}

/// When a lane changes keys, and to which.
struct Changes {
    schedule: KeySchedule,
    /// The key of the epoch after the current one, once `prepare_at` has passed.
    ahead: EpochKey,
    prepare_at: u64,
    change_at: u64,
}

impl SendLane {
    /// A lane that seals with one key for as long as it lives, and has not sealed anything. There must be only one with
    /// this key and lane. [`Direction::send_lane`](super::Direction::send_lane) makes those of a session.
    pub fn new(sealer: Box<dyn Sealer>, session: SessionId, key: KeyId, lane: Lane) -> SendLane {
        SendLane { session, lane, first: key, last: 0, current: EpochKey::first(Key::ZERO, sealer), changes: None }
    }

    /// A lane that changes keys. `unused` is room for the next one.
    pub(super) fn changing(current: EpochKey, unused: EpochKey, schedule: KeySchedule, first: KeyId) -> SendLane {
        let (prepare_at, change_at) = (schedule.prepare_at(0), schedule.packets_per_key + 1);
        let changes = Some(Box::new(Changes { schedule, ahead: unused, prepare_at, change_at }));
        SendLane { session: schedule.session, lane: schedule.lane, first, last: 0, current, changes }
    }

    /// How many datagrams the lane has sealed.
    pub fn sealed(&self) -> u64 {
        self.last
    }

    /// Whether the lane changes keys by itself.
    pub fn changes_keys(&self) -> bool {
        self.changes.is_some()
    }

    /// Makes one datagram in `out` (cleared first): `write_frames` appends the frames to it. Returns its counter.
    pub fn seal(&mut self, class: Class, out: &mut Vec<u8>, write_frames: impl FnOnce(&mut Vec<u8>)) -> Counter {
        out.clear();
        self.append(class, out, write_frames)
    }

    /// Makes one datagram behind what is in `out`: `write_frames` appends the frames to it. Returns its counter.
    pub fn append(&mut self, class: Class, out: &mut Vec<u8>, write_frames: impl FnOnce(&mut Vec<u8>)) -> Counter {
        self.last += 1;
        if let Some(changes) = &mut self.changes {
            changes.pass(self.last, &mut self.current);
        }
        // Never wraps: 2^56 datagrams are not sent in a session's life.
        let counter = Counter(self.last);
        let begin = out.len();
        let key = self.current.id(self.first);
        Header { class, key, lane: self.lane, session: self.session, counter }.write(out);
        write_frames(out);
        let (head, frames) = out[begin..].split_at_mut(Header::LEN);
        let tag = self.current.sealer.seal(Nonce::of(self.lane, counter), head, frames);
        out.extend_from_slice(&tag);
        counter
    }
}

impl Changes {
    /// The datagram of this counter is about to be sealed with `current`.
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
