//! Which half-open connections live: those that nobody has a seat by yet.
//!
//! A connection is half open from its acceptance until it is seated or closed. Everyone gets in; when the places are
//! taken, the connection that has made no progress for the longest is closed, among those of the address that has
//! most of them. So a flood displaces itself: an address that has fewer open than the flood's addresses loses none.
//! A handshake and a greeting, which cost whoever makes them, count as progress for longer than bytes do.
//!
//! Addresses with a seated session, and trusted proxies, have places of their own, so that who comes back to a
//! session finds one whatever strangers do.
//!
//! [`HalfOpen`] knows no sockets and no clocks: it says which connections to close.

use super::AddressKey;
use rtjam_protocol::Micros;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

/// How long a connection may make no progress, as long as there are plenty of places.
pub const PATIENCE: Micros = Micros::from_secs(10);

/// The same when all places are taken, for addresses that have more than [`SHARE`] of them.
pub const SHORT_PATIENCE: Micros = Micros::from_millis(1500);

/// Half-open connections of an address that are waited for patiently whatever the others do.
pub const SHARE: usize = 16;

/// A half-open connection. Numbers are not used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceId(u64);

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is accepted; whatever it has sent has cost it nothing.
    Accepted,
    /// It has completed a TLS handshake, or sent a request.
    Secured,
    /// It is a control connection.
    Control,
}

impl Stage {
    /// For how much younger than it is a connection is taken.
    const fn head_start(self) -> Micros {
        match self {
            Stage::Accepted => Micros::ZERO,
            Stage::Secured => Micros::from_secs(2),
            Stage::Control => Micros::from_secs(4),
        }
    }
}

/// Whose a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// What its address counts as.
    pub address: AddressKey,
    /// Whether it has one of the places for addresses with seated sessions and for proxies.
    pub known: bool,
}

/// All half-open connections.
#[derive(Debug)]
pub struct HalfOpen {
    strangers: Pool,
    known: Pool,
    places: HashMap<PlaceId, Place>,
    next: u64,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    caller: Caller,
    progress: Progress,
}

/// When a connection last made progress, its head start included; the number makes it unique.
type Progress = (Micros, PlaceId);

#[derive(Debug)]
struct Pool {
    most: usize,
    taken: usize,
    by_address: HashMap<AddressKey, BTreeSet<Progress>>,
    /// Of each address: how many it has, and which of them made progress longest ago. The last one is to lose one.
    ranks: BTreeSet<Rank>,
}

type Rank = (usize, Reverse<Progress>, AddressKey);

impl HalfOpen {
    /// No connections yet. There are places for so many `strangers`, and for so many of `known` addresses; at least
    /// one each.
    pub fn new(strangers: usize, known: usize) -> HalfOpen {
        HalfOpen { strangers: Pool::new(strangers), known: Pool::new(known), places: HashMap::new(), next: 0 }
    }

    /// A connection is accepted: its place, and the connection to close for it.
    pub fn enter(&mut self, now: Micros, caller: Caller) -> (PlaceId, Option<PlaceId>) {
        let id = PlaceId(self.next);
        self.next += 1;
        let evicted = self.take(id, caller, (now + Stage::Accepted.head_start(), id));
        (id, evicted)
    }

    /// A connection has made progress. Unknown ones, which are to close, make none.
    pub fn advance(&mut self, now: Micros, id: PlaceId, stage: Stage) {
        if let Some(place) = self.remove(id) {
            self.take(id, place.caller, (now + stage.head_start(), id));
        }
    }

    /// A proxy has said whose a connection is: the connection to close for it.
    pub fn is_of(&mut self, id: PlaceId, caller: Caller) -> Option<PlaceId> {
        let place = self.remove(id)?;
        self.take(id, caller, place.progress)
    }

    /// A connection is seated or closed.
    pub fn leave(&mut self, id: PlaceId) {
        self.remove(id);
    }

    /// The connections that have made no progress for too long; they are to be closed.
    pub fn expire(&mut self, now: Micros) -> Vec<PlaceId> {
        let mut expired = self.strangers.expired(now);
        expired.append(&mut self.known.expired(now));
        expired.iter().for_each(|id| self.leave(*id));
        expired
    }

    /// The connection to close where one must be, a stranger's first.
    pub fn evict(&mut self) -> Option<PlaceId> {
        let id = self.strangers.to_lose().or_else(|| self.known.to_lose())?;
        self.leave(id);
        Some(id)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.places.len()
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn take(&mut self, id: PlaceId, caller: Caller, progress: Progress) -> Option<PlaceId> {
        let pool = self.pool(caller.known);
        let evicted = if pool.taken >= pool.most { pool.to_lose() } else { None };
        if let Some(evicted) = evicted {
            self.leave(evicted);
        }
        self.pool(caller.known).insert(caller.address, progress);
        self.places.insert(id, Place { caller, progress });
        evicted
    }

    fn remove(&mut self, id: PlaceId) -> Option<Place> {
        let place = self.places.remove(&id)?;
        self.pool(place.caller.known).remove(place.caller.address, place.progress);
        Some(place)
    }

    fn pool(&mut self, known: bool) -> &mut Pool {
        if known { &mut self.known } else { &mut self.strangers }
    }
}

impl Pool {
    fn new(most: usize) -> Pool {
        Pool { most: most.max(1), taken: 0, by_address: HashMap::new(), ranks: BTreeSet::new() }
    }

    fn insert(&mut self, address: AddressKey, progress: Progress) {
        self.taken += 1;
        self.change(address, |all| all.insert(progress));
    }

    fn remove(&mut self, address: AddressKey, progress: Progress) {
        self.taken -= 1;
        self.change(address, |all| all.remove(&progress));
    }

    fn change(&mut self, address: AddressKey, change: impl FnOnce(&mut BTreeSet<Progress>) -> bool) {
        let all = self.by_address.entry(address).or_default();
        if let Some(rank) = rank(address, all) {
            self.ranks.remove(&rank);
        }
        change(all);
        match rank(address, all) {
            Some(rank) => {
                self.ranks.insert(rank);
            }
            None => {
                self.by_address.remove(&address);
            }
        }
    }

    fn to_lose(&self) -> Option<PlaceId> {
        self.ranks.last().map(|(_, Reverse((_, id)), _)| *id)
    }

    fn expired(&self, now: Micros) -> Vec<PlaceId> {
        let mut expired = Vec::new();
        for all in self.by_address.values() {
            let patience = self.patience(all.len());
            expired.extend(all.iter().take_while(|(since, _)| now.since(*since) >= patience).map(|(_, id)| *id));
        }
        expired
    }

    /// Ten seconds until half of the places are taken; from there on ever less.
    fn patience(&self, of_address: usize) -> Micros {
        let half = self.most / 2;
        if of_address <= SHARE || self.taken <= half {
            return PATIENCE;
        }
        let over = (self.taken - half) as u64;
        Micros(PATIENCE.0 - (PATIENCE.0 - SHORT_PATIENCE.0) * over / (self.most - half) as u64)
    }
}

fn rank(address: AddressKey, all: &BTreeSet<Progress>) -> Option<Rank> {
    all.first().map(|oldest| (all.len(), Reverse(*oldest), address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    const START: Micros = Micros::from_secs(100);

    fn stranger(n: u32) -> Caller {
        Caller { address: AddressKey::of(IpAddr::from((0xC633_0000_u32 + n).to_be_bytes())), known: false }
    }

    fn at(millis: u64) -> Micros {
        START + Micros::from_millis(millis)
    }

    fn full(half_open: &mut HalfOpen, addresses: u32) -> Vec<PlaceId> {
        (0..1024).map(|n| half_open.enter(at(u64::from(n)), stranger(n % addresses)).0).collect()
    }

    #[test]
    fn a_flood_displaces_its_own_oldest() {
        let mut half_open = HalfOpen::new(1024, 8);
        let flood = full(&mut half_open, 16);
        let (ann, evicted) = half_open.enter(at(1100), stranger(99));
        assert_eq!(evicted, Some(flood[0]));
        // Ten thousand more, and nobody closes Ann's.
        for n in 0..10_000 {
            let (_, evicted) = half_open.enter(at(1100), stranger(n % 16));
            assert!(evicted.is_some_and(|id| id != ann));
        }
        assert_eq!((half_open.len(), half_open.strangers.ranks.len()), (1024, 17));
    }

    #[test]
    fn among_equals_the_one_without_progress_loses() {
        let mut half_open = HalfOpen::new(4, 1);
        let ids: Vec<PlaceId> = (0..4).map(|n| half_open.enter(at(u64::from(n)), stranger(n)).0).collect();
        half_open.advance(at(10), ids[0], Stage::Secured);
        half_open.advance(at(11), ids[1], Stage::Accepted);
        let evicted: Vec<_> = (4..7).map(|n| half_open.enter(at(1000), stranger(n)).1).collect();
        assert_eq!(evicted, [Some(ids[2]), Some(ids[3]), Some(ids[1])]);
        // Who has completed a handshake is taken for two seconds younger.
        assert_ne!(half_open.enter(at(2009), stranger(7)).1, Some(ids[0]));
    }

    #[test]
    fn known_addresses_have_places_of_their_own() {
        let mut half_open = HalfOpen::new(1024, 2);
        full(&mut half_open, 1024);
        let known = |n| Caller { known: true, ..stranger(n) };
        let (first, evicted) = half_open.enter(START, known(5000));
        assert_eq!(evicted, None);
        half_open.enter(at(1), known(5000));
        assert_eq!(half_open.enter(at(2), known(5001)).1, Some(first));
        // What a proxy passes on counts for whom it says.
        let (passed_on, _) = half_open.enter(at(3), known(6000));
        assert!(half_open.is_of(passed_on, stranger(7)).is_some());
        assert_eq!((half_open.known.taken, half_open.strangers.taken), (1, 1024));
    }

    #[test]
    fn crowds_are_waited_for_less_when_places_are_rare() {
        let mut half_open = HalfOpen::new(1024, 8);
        let (ann, _) = half_open.enter(START, stranger(99));
        for _ in 0..512 {
            half_open.enter(START, stranger(0));
        }
        assert!(half_open.expire(at(9900)).is_empty());
        for _ in 0..512 {
            half_open.enter(at(9000), stranger(0));
        }
        assert_eq!(half_open.expire(at(9900)).len(), 511);
        // With places to spare, everyone has ten seconds.
        assert_eq!(half_open.expire(at(10_000)), [ann]);
        assert_eq!(half_open.expire(at(19_000)).len(), 512);
        assert!(half_open.is_empty() && half_open.strangers.by_address.is_empty());
    }

    #[test]
    fn whoever_leaves_makes_room() {
        let mut half_open = HalfOpen::new(2, 1);
        let (first, _) = half_open.enter(START, stranger(1));
        let (second, _) = half_open.enter(START, stranger(1));
        half_open.leave(first);
        half_open.leave(first);
        assert_eq!(half_open.enter(START, stranger(2)).1, None);
        assert_eq!(half_open.evict(), Some(second));
        half_open.advance(START, second, Stage::Control);
        assert_eq!(half_open.len(), 1);
    }
}
