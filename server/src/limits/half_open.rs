//! Decides which half-open connections to close.
//!
//! A connection is half open from its acceptance until it is seated or closed. Every new connection is accepted. When all
//! places are taken, it replaces one of the address that has the most half-open connections: the one that has made no
//! progress for the longest. So a flood displaces its own connections, and an address with fewer of them loses none. A
//! TLS handshake and a greeting cost the client work, so they protect a connection for longer than bytes do.
//!
//! Addresses with a seated session, and trusted proxies, have reserved places, so musicians who reconnect always find one.
//!
//! [`HalfOpenTable`] uses neither sockets nor clocks: it returns the connections to close.

use rtjam_protocol::Micros;
use rtjam_protocol::server::rooms::AddressKey;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

/// How long a connection can live without progress while at most half of the places are taken.
const TIMEOUT: Micros = Micros::from_secs(10);

/// The timeout when all places are taken, for addresses that have more than [`FAIR_SHARE`] of them.
const SHORT_TIMEOUT: Micros = Micros::from_millis(1500);

/// The half-open connections of an address that always have the full timeout.
const FAIR_SHARE: usize = 16;

/// Identifies a half-open connection. Each id is used once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HalfOpenId(u64);

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionStage {
    /// Accepted; it has cost the client no work.
    Accepted,
    /// It has completed a TLS handshake or sent a request.
    Secured,
    /// It is a control connection.
    Control,
}

impl ConnectionStage {
    /// The time by which progress to this stage counts as more recent than it is.
    const fn head_start(self) -> Micros {
        match self {
            ConnectionStage::Accepted => Micros::ZERO,
            ConnectionStage::Secured => Micros::from_secs(2),
            ConnectionStage::Control => Micros::from_secs(4),
        }
    }
}

/// The client of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HalfOpenOwner {
    /// The account of its address.
    pub address: AddressKey,
    /// Whether it may use the places reserved for addresses with sessions and for proxies.
    pub known: bool,
}

/// All half-open connections.
#[derive(Debug)]
pub struct HalfOpenTable {
    strangers: Pool,
    known: Pool,
    connections: HashMap<HalfOpenId, HalfOpenConnection>,
    next: u64,
}

#[derive(Clone, Copy, Debug)]
struct HalfOpenConnection {
    owner: HalfOpenOwner,
    progress: Progress,
}

/// When a connection last made progress, plus its head start. The id makes it unique.
type Progress = (Micros, HalfOpenId);

#[derive(Debug)]
struct Pool {
    places: usize,
    taken: usize,
    by_address: HashMap<AddressKey, BTreeSet<Progress>>,
    /// For each address: the number of its connections, and the one whose progress is the oldest. The last rank loses a
    /// connection.
    ranks: BTreeSet<Rank>,
}

type Rank = (usize, Reverse<Progress>, AddressKey);

impl HalfOpenTable {
    /// An empty table with so many places for strangers, and so many for known addresses; at least one each.
    pub fn new(strangers: usize, known: usize) -> HalfOpenTable {
        HalfOpenTable { strangers: Pool::new(strangers), known: Pool::new(known), connections: HashMap::new(), next: 0 }
    }

    /// Adds an accepted connection. Returns its id, and the connection to close for it.
    pub fn enter(&mut self, now: Micros, owner: HalfOpenOwner) -> (HalfOpenId, Option<HalfOpenId>) {
        let id = HalfOpenId(self.next);
        self.next += 1;
        let evicted = self.insert(id, owner, (now + ConnectionStage::Accepted.head_start(), id));
        (id, evicted)
    }

    /// Notes the progress of a connection; ignores one that was evicted.
    pub fn advance(&mut self, now: Micros, id: HalfOpenId, stage: ConnectionStage) {
        if let Some(connection) = self.remove(id) {
            self.insert(id, connection.owner, (now + stage.head_start(), id));
        }
    }

    /// Sets the client that a proxy has named. Returns the connection to close for it.
    pub fn set_owner(&mut self, id: HalfOpenId, owner: HalfOpenOwner) -> Option<HalfOpenId> {
        let connection = self.remove(id)?;
        self.insert(id, owner, connection.progress)
    }

    /// Removes a connection that is seated or closed.
    pub fn leave(&mut self, id: HalfOpenId) {
        self.remove(id);
    }

    /// Removes the connections that have timed out, and returns them to be closed.
    pub fn expire(&mut self, now: Micros) -> Vec<HalfOpenId> {
        let mut expired = self.strangers.expired(now);
        expired.append(&mut self.known.expired(now));
        expired.iter().for_each(|id| self.leave(*id));
        expired
    }

    /// Removes one connection, a stranger's first, and returns it to be closed.
    pub fn evict(&mut self) -> Option<HalfOpenId> {
        let id = self.strangers.to_evict().or_else(|| self.known.to_evict())?;
        self.leave(id);
        Some(id)
    }

    fn insert(&mut self, id: HalfOpenId, owner: HalfOpenOwner, progress: Progress) -> Option<HalfOpenId> {
        let pool = self.pool(owner.known);
        let evicted = if pool.taken >= pool.places { pool.to_evict() } else { None };
        if let Some(evicted) = evicted {
            self.leave(evicted);
        }
        self.pool(owner.known).insert(owner.address, progress);
        self.connections.insert(id, HalfOpenConnection { owner, progress });
        evicted
    }

    fn remove(&mut self, id: HalfOpenId) -> Option<HalfOpenConnection> {
        let connection = self.connections.remove(&id)?;
        self.pool(connection.owner.known).remove(connection.owner.address, connection.progress);
        Some(connection)
    }

    fn pool(&mut self, known: bool) -> &mut Pool {
        if known { &mut self.known } else { &mut self.strangers }
    }
}

impl Pool {
    fn new(places: usize) -> Pool {
        Pool { places: places.max(1), taken: 0, by_address: HashMap::new(), ranks: BTreeSet::new() }
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

    fn to_evict(&self) -> Option<HalfOpenId> {
        self.ranks.last().map(|(_, Reverse((_, id)), _)| *id)
    }

    fn expired(&self, now: Micros) -> Vec<HalfOpenId> {
        let mut expired = Vec::new();
        for all in self.by_address.values() {
            let timeout = self.timeout(all.len());
            expired.extend(all.iter().take_while(|(since, _)| now.since(*since) >= timeout).map(|(_, id)| *id));
        }
        expired
    }

    /// The timeout for the connections of an address that has `connections` of them. It falls linearly once more than half
    /// of the places are taken.
    fn timeout(&self, connections: usize) -> Micros {
        let half = self.places / 2;
        if connections <= FAIR_SHARE || self.taken <= half {
            return TIMEOUT;
        }
        let over = (self.taken - half) as u64;
        Micros(TIMEOUT.0 - (TIMEOUT.0 - SHORT_TIMEOUT.0) * over / (self.places - half) as u64)
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

    fn stranger(n: u32) -> HalfOpenOwner {
        HalfOpenOwner { address: AddressKey::of(IpAddr::from((0xC633_0000_u32 + n).to_be_bytes())), known: false }
    }

    fn at(millis: u64) -> Micros {
        START + Micros::from_millis(millis)
    }

    fn fill(half_open: &mut HalfOpenTable, addresses: u32) -> Vec<HalfOpenId> {
        (0..1024).map(|n| half_open.enter(at(u64::from(n)), stranger(n % addresses)).0).collect()
    }

    #[test]
    fn floods_displace_their_own_connections() {
        let mut half_open = HalfOpenTable::new(1024, 8);
        let flood = fill(&mut half_open, 16);
        let (ann, evicted) = half_open.enter(at(1100), stranger(99));
        assert_eq!(evicted, Some(flood[0]));
        // Ten thousand more connections do not close Ann's.
        for n in 0..10_000 {
            let (_, evicted) = half_open.enter(at(1100), stranger(n % 16));
            assert!(evicted.is_some_and(|id| id != ann));
        }
        assert_eq!((half_open.connections.len(), half_open.strangers.ranks.len()), (1024, 17));
    }

    #[test]
    fn idlest_connection_is_evicted_among_equals() {
        let mut half_open = HalfOpenTable::new(4, 1);
        let ids: Vec<HalfOpenId> = (0..4).map(|n| half_open.enter(at(u64::from(n)), stranger(n)).0).collect();
        half_open.advance(at(10), ids[0], ConnectionStage::Secured);
        half_open.advance(at(11), ids[1], ConnectionStage::Accepted);
        let evicted: Vec<_> = (4..7).map(|n| half_open.enter(at(1000), stranger(n)).1).collect();
        assert_eq!(evicted, [Some(ids[2]), Some(ids[3]), Some(ids[1])]);
        // A completed handshake counts as two seconds more recent.
        assert_ne!(half_open.enter(at(2009), stranger(7)).1, Some(ids[0]));
    }

    #[test]
    fn known_addresses_have_reserved_places() {
        let mut half_open = HalfOpenTable::new(1024, 2);
        fill(&mut half_open, 1024);
        let known = |n| HalfOpenOwner { known: true, ..stranger(n) };
        let (first, evicted) = half_open.enter(START, known(5000));
        assert_eq!(evicted, None);
        half_open.enter(at(1), known(5000));
        assert_eq!(half_open.enter(at(2), known(5001)).1, Some(first));
        // A connection through a proxy takes one of the client's places once the proxy has named the client.
        let (through_proxy, _) = half_open.enter(at(3), known(6000));
        assert!(half_open.set_owner(through_proxy, stranger(7)).is_some());
        assert_eq!((half_open.known.taken, half_open.strangers.taken), (1, 1024));
    }

    /// Addresses with many connections have a shorter timeout when places are scarce.
    #[test]
    fn timeout_shrinks_when_places_are_scarce() {
        let mut half_open = HalfOpenTable::new(1024, 8);
        let (ann, _) = half_open.enter(START, stranger(99));
        for _ in 0..512 {
            half_open.enter(START, stranger(0));
        }
        assert!(half_open.expire(at(9900)).is_empty());
        for _ in 0..512 {
            half_open.enter(at(9000), stranger(0));
        }
        assert_eq!(half_open.expire(at(9900)).len(), 511);
        // With places to spare, the timeout is ten seconds for all.
        assert_eq!(half_open.expire(at(10_000)), [ann]);
        assert_eq!(half_open.expire(at(19_000)).len(), 512);
        assert!(half_open.connections.is_empty() && half_open.strangers.by_address.is_empty());
    }

    #[test]
    fn leaving_frees_the_place() {
        let mut half_open = HalfOpenTable::new(2, 1);
        let (first, _) = half_open.enter(START, stranger(1));
        let (second, _) = half_open.enter(START, stranger(1));
        half_open.leave(first);
        half_open.leave(first);
        assert_eq!(half_open.enter(START, stranger(2)).1, None);
        assert_eq!(half_open.evict(), Some(second));
        half_open.advance(START, second, ConnectionStage::Control);
        assert_eq!(half_open.connections.len(), 1);
    }
}
