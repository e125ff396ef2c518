//! The receiving end of one direction of a session.

use super::direction::Direction;
use super::epoch::{EpochKey, KeySchedule, key_id};
use super::{Counter, Freshness, KeyId, Lane, Limits, Nonce, Opened, Rejected, ReplayWindow, Sealer, Suite};
use crate::datagram::{DATAGRAM_OVERHEAD, Header, MAX_DATAGRAM};
use crate::ids::SessionId;
use crate::time::Micros;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::mem;

/// A lane's old key opens for so long after the first datagram under the new one: what was overtaken still counts.
pub const OLD_KEY_OPENS_FOR: Micros = Micros::from_secs(3);

/// A lane of which nothing has opened for this long may be several keys ahead: the way from its sender was cut.
const CUT_OFF_AFTER: Micros = Micros::from_secs(1);

/// So many keys ahead at most, and how often that is tried: anybody can claim any counter.
const MOST_KEYS_AHEAD: u64 = 255;
const LEAP_EVERY: Micros = Micros::from_secs(1);

/// The receiving end of one session and direction: opens, and refuses what it has seen.
pub struct ReceiveKey {
    session: SessionId,
    first: KeyId,
    keys: Keys,
    // A lane gets its place only when a datagram of it has opened, so strangers cannot make these grow.
    lanes: BTreeMap<Lane, Box<ReceiveLane>>,
    /// The lane that a datagram claims to be the first of.
    claimed: Option<Box<ReceiveLane>>,
    leap_at: Micros,
    failed: u64,
    most_failed: u64,
    most_lanes: usize,
    key_lasts: Option<Micros>,
}

enum Keys {
    /// One for all lanes, for as long as the session lives.
    One(Box<dyn Sealer>),
    /// Each lane's own, one after the other.
    Changing(Direction),
}

struct ReceiveLane {
    lane: Lane,
    window: ReplayWindow,
    keys: Option<LaneKeys>,
}

impl ReceiveKey {
    /// Opens what is sealed with one key, in whatever lane; nothing received yet.
    /// [`Direction::receive`] makes that of a session.
    pub fn new(sealer: Box<dyn Sealer>, session: SessionId, key: KeyId) -> ReceiveKey {
        ReceiveKey::with(Keys::One(sealer), session, key, Limits::STANDARD.failed_opens(Suite::ChaCha20Poly1305))
    }

    pub(super) fn of(direction: Direction) -> ReceiveKey {
        let (session, first) = (direction.session, direction.first);
        let most_failed = direction.crypto.limits.failed_opens(direction.suite);
        let key_lasts = direction.key_lasts();
        let keys = if direction.rekeys {
            Keys::Changing(direction)
        } else {
            Keys::One((direction.crypto.make_sealer)(direction.suite, &direction.key))
        };
        ReceiveKey { key_lasts, ..ReceiveKey::with(keys, session, first, most_failed) }
    }

    fn with(keys: Keys, session: SessionId, first: KeyId, most_failed: u64) -> ReceiveKey {
        let (lanes, claimed) = (BTreeMap::new(), None);
        let (leap_at, failed, most_lanes) = (Micros::ZERO, 0, usize::from(u8::MAX) + 1);
        ReceiveKey { session, first, keys, lanes, claimed, leap_at, failed, most_failed, most_lanes, key_lasts: None }
    }

    /// Accepts the first `most` lanes that something genuine comes by, and no other: what a hostile sender can make
    /// the receiver remember.
    pub fn limit_lanes(mut self, most: usize) -> ReceiveKey {
        self.most_lanes = most;
        self
    }

    /// The session that it opens datagrams of.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// How long the key may be used, where it does not change.
    pub fn key_lasts(&self) -> Option<Micros> {
        self.key_lasts
    }

    /// Whether so many attempts to open have failed that nothing is opened any more.
    pub fn is_exhausted(&self) -> bool {
        self.failed >= self.most_failed
    }

    /// Opens a datagram in place. Does not allocate, but for the first datagram of a lane.
    ///
    /// # Errors
    /// When it is not ours, not genuine, seen before, or of a lane too many. The bytes are then worthless.
    pub fn open<'a>(&mut self, now: Micros, datagram: &'a mut [u8]) -> Result<Opened<'a>, Rejected> {
        let header = Header::read(datagram).ok_or(Rejected::NotOurs)?;
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
        let (head, sealed) = datagram.split_at_mut(Header::LEN);
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
        Ok(Opened { header, newest, plain })
    }
}

/// The place of a lane of which nothing has opened yet. There is one of them, and it is made once.
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

/// A lane's keys as its receiver has them.
struct LaneKeys {
    schedule: KeySchedule,
    current: EpochKey,
    /// Of a later epoch; erased until it is needed.
    ahead: EpochKey,
    /// Of the epoch before, until then; erased otherwise.
    old: EpochKey,
    old_until: Option<Micros>,
    opened_at: Option<Micros>,
}

impl LaneKeys {
    fn new(direction: &Direction, lane: Lane) -> LaneKeys {
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

    /// Stands at epoch 0 of a lane of which nothing has opened.
    fn begin(&mut self, direction: &Direction, lane: Lane) {
        self.schedule = direction.schedule(lane);
        self.current.begin(self.schedule.first(&direction.key));
        // What is ahead is of another lane.
        self.ahead.epoch = 0;
    }

    /// What may open a datagram; `None` when its key is not in use any more, or not yet. Costs a derivation at most,
    /// apart from leaps.
    fn find(&mut self, now: Micros, first: KeyId, header: &Header, leap_at: &mut Micros) -> Option<&dyn Sealer> {
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

    /// Whether so many keys may be left out.
    fn may_leap(&self, now: Micros, keys: u64, leap_at: &mut Micros) -> bool {
        let cut_off = self.opened_at.is_none_or(|at| now.since(at) >= CUT_OFF_AFTER);
        let may = cut_off && keys <= MOST_KEYS_AHEAD && now >= *leap_at;
        if may {
            *leap_at = now + LEAP_EVERY;
        }
        may
    }

    /// A datagram has opened with the key that [`LaneKeys::find`] gave.
    fn opened(&mut self, now: Micros, counter: Counter) {
        let epoch = self.schedule.epoch_of(counter);
        self.opened_at = Some(now);
        if self.old_until.is_some_and(|until| until <= now) {
            self.old_until = None;
            self.old.erase();
        }
        if epoch > self.current.epoch {
            // The current one becomes the old one.
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
