//! The receiving end of one direction of a session.

use super::direction::DirectionKeys;
use super::epoch::{EpochKey, KeySchedule, key_id};
use super::{
    Freshness, KeyId, KeyLimits, Lane, Nonce, NonceCounter, OpenedDatagram, Rejected, ReplayWindow, Sealer, Suite,
};
use crate::datagram::{DATAGRAM_OVERHEAD, DatagramHeader, MAX_DATAGRAM};
use crate::ids::SessionId;
use crate::time::Micros;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::mem;

/// A lane's previous key opens reordered datagrams for this long after the first datagram under the new key.
pub const OLD_KEY_OPENS_FOR: Micros = Micros::from_secs(3);

/// After this long without a valid datagram, a lane may skip several keys: its path was interrupted.
const CUT_OFF_AFTER: Micros = Micros::from_secs(1);

/// The most keys that a lane may skip, and how often the receiver tries that. The limits matter because a forged datagram
/// can claim any counter.
const MOST_KEYS_AHEAD: u64 = 255;
const LEAP_EVERY: Micros = Micros::from_secs(1);

/// Opens the datagrams of one direction of a session, and rejects replayed ones.
pub struct ReceiveKey {
    session: SessionId,
    first: KeyId,
    keys: Keys,
    // A lane is added only when one of its datagrams has opened, so forged datagrams cannot make the map grow.
    lanes: BTreeMap<Lane, Box<ReceiveLane>>,
    /// The lane that a first, not yet authenticated datagram claims.
    claimed: Option<Box<ReceiveLane>>,
    leap_at: Micros,
    failed: u64,
    most_failed: u64,
    most_lanes: usize,
    key_lifetime: Option<Micros>,
}

enum Keys {
    /// One key for all lanes and the whole session.
    One(Box<dyn Sealer>),
    /// Successive keys for each lane.
    Changing(DirectionKeys),
}

struct ReceiveLane {
    lane: Lane,
    window: ReplayWindow,
    keys: Option<LaneKeys>,
}

impl DirectionKeys {
    /// The receiving end of all lanes of this direction.
    pub fn receive(&self) -> ReceiveKey {
        let most_failed = self.crypto.limits.failed_opens(self.suite);
        let keys = if self.rekeys {
            Keys::Changing(self.clone())
        } else {
            Keys::One((self.crypto.make_sealer)(self.suite, &self.key))
        };
        ReceiveKey {
            key_lifetime: self.key_lifetime(),
            ..ReceiveKey::with(keys, self.session, self.first, most_failed)
        }
    }
}

impl ReceiveKey {
    /// The receiving end under a single key. [`DirectionKeys::receive`] creates the one of a session.
    pub fn new(sealer: Box<dyn Sealer>, session: SessionId, key: KeyId) -> ReceiveKey {
        ReceiveKey::with(Keys::One(sealer), session, key, KeyLimits::STANDARD.failed_opens(Suite::ChaCha20Poly1305))
    }

    fn with(keys: Keys, session: SessionId, first: KeyId, most_failed: u64) -> ReceiveKey {
        ReceiveKey {
            session,
            first,
            keys,
            lanes: BTreeMap::new(),
            claimed: None,
            leap_at: Micros::ZERO,
            failed: 0,
            most_failed,
            most_lanes: usize::from(u8::MAX) + 1,
            key_lifetime: None,
        }
    }

    /// Accepts the first `most` lanes with a valid datagram and no others, which limits the memory that a malicious sender
    /// can occupy.
    pub fn limit_lanes(mut self, most: usize) -> ReceiveKey {
        self.most_lanes = most;
        self
    }

    /// The session.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// How long the key may be used; `None` if lanes change their keys.
    pub fn key_lifetime(&self) -> Option<Micros> {
        self.key_lifetime
    }

    /// Whether the limit of failed attempts has been reached. Then no datagram opens.
    pub fn is_exhausted(&self) -> bool {
        self.failed >= self.most_failed
    }

    /// Opens a datagram in place. Allocates only for the first datagram of a lane.
    ///
    /// # Errors
    /// When the datagram is not valid. Its bytes are then overwritten.
    pub fn open<'a>(&mut self, now: Micros, datagram: &'a mut [u8]) -> Result<OpenedDatagram<'a>, Rejected> {
        let header = DatagramHeader::read(datagram).ok_or(Rejected::NotOurs)?;
        let fits = (DATAGRAM_OVERHEAD..=MAX_DATAGRAM).contains(&datagram.len());
        if header.session != self.session || !fits {
            return Err(Rejected::NotOurs);
        }
        if self.is_exhausted() {
            return Err(Rejected::Exhausted);
        }
        let is_new = !self.lanes.contains_key(&header.lane);
        if is_new && self.lanes.len() >= self.most_lanes {
            return Err(Rejected::TooManyLanes);
        }
        let ReceiveKey { first, keys, lanes, claimed, leap_at, .. } = self;
        let lane = match lanes.get_mut(&header.lane) {
            Some(lane) if lane.window.check(header.counter) == Freshness::Stale => return Err(Rejected::Replayed),
            Some(lane) => lane,
            None => claim(claimed, keys, header.lane),
        };
        let (head, sealed) = datagram.split_at_mut(DatagramHeader::LEN);
        let sealer = match (&*keys, &mut lane.keys) {
            (_, Some(keys)) => keys.find(now, *first, &header, leap_at).ok_or(Rejected::NotOurs)?,
            (Keys::One(sealer), _) if header.key == *first => &**sealer,
            _ => return Err(Rejected::NotOurs),
        };
        let nonce = Nonce::of(header.lane, header.counter);
        let Ok(plain) = sealer.open(nonce, head, sealed) else {
            self.failed += 1;
            return Err(Rejected::DidNotOpen);
        };
        let newest = lane.window.mark(header.counter) == Freshness::Newest;
        if let Some(keys) = &mut lane.keys {
            keys.opened(now, header.counter);
        }
        if is_new && let Some(lane) = claimed.take() {
            lanes.insert(header.lane, lane);
        }
        Ok(OpenedDatagram { header, newest, plain })
    }
}

/// The slot for a lane without a valid datagram. It is allocated once and reused.
fn claim<'c>(claimed: &'c mut Option<Box<ReceiveLane>>, keys: &Keys, lane: Lane) -> &'c mut ReceiveLane {
    let place = claimed.get_or_insert_with(|| Box::new(ReceiveLane::new(keys, lane)));
    if place.lane != lane {
        place.lane = lane;
        if let (Some(lane_keys), Keys::Changing(direction)) = (&mut place.keys, keys) {
            lane_keys.begin(direction, lane);
        }
    }
    place
}

impl ReceiveLane {
    fn new(keys: &Keys, lane: Lane) -> ReceiveLane {
        let keys = match keys {
            Keys::One(_) => None,
            Keys::Changing(direction) => Some(LaneKeys::new(direction, lane)),
        };
        ReceiveLane { lane, window: ReplayWindow::default(), keys }
    }
}

/// The keys of a lane at its receiver.
struct LaneKeys {
    schedule: KeySchedule,
    current: EpochKey,
    /// The key of a later epoch; erased until it is needed.
    ahead: EpochKey,
    /// The key of the previous epoch; erased after `old_until`.
    old: EpochKey,
    old_until: Option<Micros>,
    opened_at: Option<Micros>,
}

impl LaneKeys {
    fn new(direction: &DirectionKeys, lane: Lane) -> LaneKeys {
        let mut keys = LaneKeys {
            schedule: direction.schedule(lane),
            current: direction.unused_key(),
            ahead: direction.unused_key(),
            old: direction.unused_key(),
            old_until: None,
            opened_at: None,
        };
        keys.begin(direction, lane);
        keys
    }

    /// Resets to epoch 0 of a lane without a valid datagram.
    fn begin(&mut self, direction: &DirectionKeys, lane: Lane) {
        self.schedule = direction.schedule(lane);
        self.current.begin(self.schedule.first(&direction.key));
        // The next key belonged to another lane.
        self.ahead.epoch = 0;
    }

    /// The cipher that may open a datagram; `None` if its key is not in use. Derives at most one key, unless the lane skips
    /// keys.
    fn find(
        &mut self,
        now: Micros,
        first: KeyId,
        header: &DatagramHeader,
        leap_at: &mut Micros,
    ) -> Option<&dyn Sealer> {
        let (epoch, current) = (self.schedule.epoch_of(header.counter), self.current.epoch);
        if header.key != key_id(first, epoch) {
            return None;
        }
        let key = if epoch == current {
            &self.current
        } else if epoch < current {
            let opens = epoch + 1 == current && self.old_until.is_some_and(|until| now < until);
            opens.then_some(&self.old)?
        } else {
            if self.ahead.epoch != epoch {
                if epoch > current + 1 && !self.may_leap(now, epoch - current, leap_at) {
                    return None;
                }
                self.ahead.derive(&self.current, epoch, &self.schedule);
            }
            &self.ahead
        };
        Some(&*key.sealer)
    }

    /// Whether the lane may skip this many keys.
    fn may_leap(&self, now: Micros, keys: u64, leap_at: &mut Micros) -> bool {
        let cut_off = self.opened_at.is_none_or(|at| now.since(at) >= CUT_OFF_AFTER);
        let may = cut_off && keys <= MOST_KEYS_AHEAD && now >= *leap_at;
        if may {
            *leap_at = now + LEAP_EVERY;
        }
        may
    }

    /// Records that a datagram opened with the key of [`LaneKeys::find`].
    fn opened(&mut self, now: Micros, counter: NonceCounter) {
        let epoch = self.schedule.epoch_of(counter);
        self.opened_at = Some(now);
        if self.old_until.is_some_and(|until| until <= now) {
            self.old_until = None;
            self.old.erase();
        }
        if epoch > self.current.epoch {
            mem::swap(&mut self.old, &mut self.current);
            mem::swap(&mut self.current, &mut self.ahead);
            self.ahead.erase();
            if self.old.epoch + 1 == epoch {
                self.old_until = Some(now + OLD_KEY_OPENS_FOR);
            } else {
                self.old_until = None;
                self.old.erase();
            }
        }
        let (current, counter) = (self.current.epoch, counter.get());
        if epoch == current && counter >= self.schedule.prepare_at(epoch) && self.ahead.epoch != epoch + 1 {
            self.ahead.derive(&self.current, epoch + 1, &self.schedule);
        }
    }
}
