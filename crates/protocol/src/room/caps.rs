//! How many seats of a room one identity and one address may have, and how many new identities come from an address.

use super::{AddressKey, Member, Rooms, SlotRecord};
use crate::control::{Hello, Refusal, Refused, Seat, SeatRole};
use crate::ids::{RoomName, SessionId};
use crate::time::Micros;
use alloc::collections::{BTreeMap, VecDeque};
use core::net::IpAddr;

/// The span in which new identities are counted.
const A_MINUTE: Micros = Micros::from_secs(60);

/// Rooms and addresses whose newcomers are counted; more than that at a time, and the oldest count goes.
const COUNTS: usize = 4096;

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its address.
    pub address: IpAddr,
    /// Many people share this address, as the operator says: what an address may have does not apply.
    pub exempt: bool,
}

impl Origin {
    /// What it counts as.
    pub fn key(&self) -> AddressKey {
        AddressKey::of(self.address)
    }
}

/// What one room grants. Musicians and listeners are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Seats of one identity.
    pub per_identity: u16,
    /// Seats of one address; `None`: all that the room has.
    pub per_address: Option<u16>,
    /// Identities of one address that were never in the room before, a minute.
    pub new_identities: u16,
}

impl Default for Caps {
    fn default() -> Caps {
        Caps { per_identity: 4, per_address: None, new_identities: 16 }
    }
}

/// When newcomers of each room and address were seated within the last minute, oldest first.
#[derive(Default)]
pub(super) struct Newcomers(BTreeMap<(RoomName, AddressKey, bool), VecDeque<Micros>>);

impl Newcomers {
    /// For how long no other newcomer of this kind is let in.
    fn wait(&self, now: Micros, key: &(RoomName, AddressKey, bool), most: u16) -> Option<Micros> {
        let lately = self.0.get(key)?.iter().filter(|at| now.since(**at) < A_MINUTE);
        // The wait ends when so many have become older than a minute that there is room for one.
        let first = lately.rev().nth(usize::from(most.max(1)) - 1)?;
        Some((*first + A_MINUTE).since(now))
    }

    fn note(&mut self, now: Micros, key: (RoomName, AddressKey, bool)) {
        let is_late = |times: &VecDeque<Micros>| times.back().is_none_or(|at| now.since(*at) >= A_MINUTE);
        if self.0.len() >= COUNTS {
            self.0.retain(|_, times| !is_late(times));
        }
        if self.0.len() >= COUNTS
            && let Some(oldest) = self.0.iter().min_by_key(|(_, times)| times.back().copied()).map(|(k, _)| k.clone())
        {
            self.0.remove(&oldest);
        }
        let times = self.0.entry(key).or_default();
        while times.front().is_some_and(|at| now.since(*at) >= A_MINUTE) {
            times.pop_front();
        }
        times.push_back(now);
    }
}

impl Rooms {
    /// Whether the room has a seat for another session of this identity from there. `replaced` is a session that this
    /// one takes the place of.
    pub(super) fn check_caps(
        &self,
        now: Micros,
        hello: &Hello,
        seat: &Seat,
        origin: Origin,
        replaced: Option<SessionId>,
        slots: &[SlotRecord],
    ) -> Result<(), Refused> {
        let caps = self.config.caps;
        let others = || self.others(&seat.room, seat.role, replaced);
        if others().filter(|m| m.musician == hello.musician).count() >= usize::from(caps.per_identity) {
            return Err(Refusal::TooManyInstances.into());
        }
        if origin.exempt {
            return Ok(());
        }
        let from_there = || others().filter(|m| m.origin.is_some_and(|o| o.key() == origin.key())).count();
        if caps.per_address.is_some_and(|most| from_there() >= usize::from(most)) {
            return Err(Refusal::TooManyFromNetwork.into());
        }
        if replaced.is_none() && self.is_newcomer(hello, seat, slots) {
            let key = (seat.room.clone(), origin.key(), seat.role == SeatRole::Musician);
            if let Some(wait) = self.newcomers.wait(now, &key, caps.new_identities) {
                let seconds = u32::try_from(wait.0.div_ceil(1_000_000)).unwrap_or(u32::MAX);
                return Err(Refused::after(Refusal::TooManyFromNetwork, seconds.max(1)));
            }
        }
        Ok(())
    }

    /// Counts a newcomer who has got a seat.
    pub(super) fn count_newcomer(
        &mut self,
        now: Micros,
        hello: &Hello,
        seat: &Seat,
        origin: Origin,
        slots: &[SlotRecord],
    ) {
        if !origin.exempt && self.is_newcomer(hello, seat, slots) {
            self.newcomers.note(now, (seat.room.clone(), origin.key(), seat.role == SeatRole::Musician));
        }
    }

    /// Whether this identity has neither a seat in the room nor a record of one.
    fn is_newcomer(&self, hello: &Hello, seat: &Seat, slots: &[SlotRecord]) -> bool {
        let is_here = |m: &Member| m.musician == hello.musician;
        !slots.iter().any(|s| s.musician == hello.musician) && !self.others(&seat.room, seat.role, None).any(is_here)
    }

    fn others(&self, room: &RoomName, seat: SeatRole, but: Option<SessionId>) -> impl Iterator<Item = &Member> {
        let counts = move |id: &SessionId, m: &Member| Some(*id) != but && m.room == *room && m.seat == seat;
        self.members.iter().filter(move |(id, m)| counts(id, m)).map(|(_, m)| m)
    }
}
