//! What one address may ask for, and what all of them together, so that nobody can crowd the others out. The
//! defaults are what a rehearsal never meets. Who listens counts apart from musicians, and takes nothing from them.
//!
//! | limit | counted by | thread |
//! |---|---|---|
//! | [`Limits`] | joins, sessions, wrong secrets: by address; sessions and memory: in all | lobby |
//! | [`Doors`] | seated control connections: by address | acceptor |
//! | [`HalfOpen`] | connections without a seat: which of them live | acceptor |
//! | [`Turns`] | TLS handshakes: whose is next | acceptor |
//! | [`SeatedAddresses`] | addresses with sessions, for whom places are kept | lobby, acceptor |
//! | [`TrustedProxies`] | which address a request behind a proxy counts for | acceptor |
//!
//! Time is an argument, so all of it is tested in virtual time.

mod bucket;
mod doors;
mod half_open;
mod memory;
mod proxy;
mod seated;
mod turns;

pub use bucket::Bucket;
pub use doors::Doors;
pub use half_open::{Caller, HalfOpen, PlaceId, Stage};
pub use memory::{resident_kib, resident_mib};
pub use proxy::{Network, TrustedProxies};
pub use rtjam_protocol::server::rooms::AddressKey;
pub use seated::SeatedAddresses;
pub use turns::{Turn, Turns};

use rtjam_protocol::control::{Refusal, Refused, SeatRole};
use rtjam_protocol::server::rooms::Origin;
use rtjam_protocol::{Micros, SessionId};
use std::collections::HashMap;
use std::net::IpAddr;

/// After a burst, an address may join this often.
const A_JOIN_EVERY: Micros = Micros::from_millis(200);

/// Wrong secrets of an address that are answered at once; after that one is [each of these](A_TRY_EVERY).
const TRIES_AT_ONCE: u32 = 10;
const A_TRY_EVERY: Micros = Micros::from_secs(1);

/// The longest that the answer to a wrong secret is held back; a connection without a seat lives for 10 s.
const LONGEST_HOLD: Micros = Micros::from_secs(8);

/// Seats become free by people's leaving; who waits for one asks this often.
const ASK_AGAIN_AFTER_S: u32 = 30;

/// Addresses that are told apart. More than that at a time, and the newest share one account.
const ACCOUNTS: usize = 4096;

/// How much is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// Musicians of one address; as many may listen besides.
    pub sessions_per_address: u32,
    /// Joins of one address at once; after that five a second. Listeners' are counted apart.
    pub join_burst: u32,
    /// Sessions in all; at most half of them listen.
    pub sessions: u32,
    /// Above this much resident memory nobody new is seated, MiB.
    pub memory_mib: u32,
    /// Whether loopback addresses are limited as all others are.
    pub limit_loopback: bool,
}

impl Default for LimitSettings {
    fn default() -> LimitSettings {
        LimitSettings {
            sessions_per_address: 256,
            join_burst: 300,
            sessions: 1000,
            memory_mib: 1024,
            limit_loopback: false,
        }
    }
}

/// The lobby's account of who asked for what.
pub struct Limits {
    settings: LimitSettings,
    /// Networks whose addresses many people share.
    shared: Vec<Network>,
    accounts: HashMap<AddressKey, Account>,
    sessions: HashMap<SessionId, (AddressKey, SeatRole)>,
    seated: SeatedAddresses,
}

#[derive(Default)]
struct Account {
    /// Of musicians, and of listeners.
    tallies: [Tally; 2],
    tries: Bucket,
}

#[derive(Default)]
struct Tally {
    joins: Bucket,
    sessions: u32,
}

impl Account {
    fn tally(&mut self, role: SeatRole) -> &mut Tally {
        &mut self.tallies[place(role)]
    }

    fn has_nothing(&self, now: Micros) -> bool {
        self.tallies.iter().all(|tally| tally.sessions == 0 && tally.joins.is_full(now)) && self.tries.is_full(now)
    }
}

/// Which of an account's tallies a role counts in.
fn place(role: SeatRole) -> usize {
    match role {
        SeatRole::Musician => 0,
        SeatRole::Listener | SeatRole::None => 1,
    }
}

impl Limits {
    /// Nobody has asked for anything yet. Whose sessions live is told to `seated`.
    pub fn new(settings: LimitSettings, seated: SeatedAddresses) -> Limits {
        Limits { settings, shared: Vec::new(), accounts: HashMap::new(), sessions: HashMap::new(), seated }
    }

    /// The same, where many people share the addresses of these networks: what a room grants to one address does not
    /// apply to them.
    #[must_use]
    pub fn exempting(self, shared: Vec<Network>) -> Limits {
        Limits { shared, ..self }
    }

    /// A connection's address, as rooms need to know it.
    pub fn origin(&self, from: IpAddr) -> Origin {
        let exempt = self.is_exempt(from) || self.shared.iter().any(|network| network.contains(from));
        Origin { address: from, exempt }
    }

    /// From now on so much is granted; whether loopback addresses are limited stays as it was.
    pub fn set(&mut self, settings: LimitSettings) {
        self.settings = LimitSettings { limit_loopback: self.settings.limit_loopback, ..settings };
    }

    /// An address asks for a seat, new or its own.
    ///
    /// # Errors
    /// When it has done so too often; what to tell it.
    pub fn ask(&mut self, now: Micros, from: IpAddr, role: SeatRole) -> Result<(), Refused> {
        if self.is_exempt(from) {
            return Ok(());
        }
        let burst = self.settings.join_burst;
        let taken = self.account(now, from).tally(role).joins.take(now, burst, A_JOIN_EVERY);
        taken.map_err(|wait| Refused::after(Refusal::TooManyJoins, seconds(wait)))
    }

    /// What to tell an address that wants one more session, if it cannot have it. `memory_mib` is what the server
    /// uses, where that is known.
    pub fn against_another_session(&self, from: IpAddr, role: SeatRole, memory_mib: Option<u64>) -> Option<Refused> {
        let settings = &self.settings;
        // Half of the sessions are for musicians alone.
        let listeners = || self.sessions.values().filter(|(_, role)| *role == SeatRole::Listener).count();
        let full = self.sessions.len() >= settings.sessions as usize
            || (role == SeatRole::Listener && listeners() >= settings.sessions as usize / 2)
            || memory_mib.is_some_and(|mib| mib > u64::from(settings.memory_mib));
        if full {
            return Some(Refused::after(Refusal::ServerFull, ASK_AGAIN_AFTER_S));
        }
        let most = settings.sessions_per_address;
        let has = self.accounts.get(&self.key(from)).map_or(0, |a| a.tallies[place(role)].sessions);
        let too_many = !self.is_exempt(from) && has >= most;
        too_many.then(|| Refused::after(Refusal::TooManySessions, ASK_AGAIN_AFTER_S))
    }

    /// An address has got a session.
    pub fn opened(&mut self, now: Micros, session: SessionId, from: IpAddr, role: SeatRole) {
        self.account(now, from).tally(role).sessions += 1;
        let key = self.key(from);
        self.sessions.insert(session, (key, role));
        self.seated.add(session, from);
    }

    /// A session has ended.
    pub fn ended(&mut self, session: SessionId) {
        let Some((key, role)) = self.sessions.remove(&session) else { return };
        self.seated.remove(session);
        if let Some(account) = self.accounts.get_mut(&key) {
            let tally = account.tally(role);
            tally.sessions = tally.sessions.saturating_sub(1);
        }
    }

    /// An address has shown a wrong secret: for how long to hold the answer back. Right ones are never held, for
    /// whoever has one is a musician, whatever somebody else behind the same address tries.
    pub fn wrong_secret(&mut self, now: Micros, from: IpAddr) -> Micros {
        if self.is_exempt(from) {
            return Micros::ZERO;
        }
        self.account(now, from).tries.borrow(now, TRIES_AT_ONCE, A_TRY_EVERY, LONGEST_HOLD)
    }

    fn is_exempt(&self, from: IpAddr) -> bool {
        from.to_canonical().is_loopback() && !self.settings.limit_loopback
    }

    /// The account that an address has, or would get.
    fn key(&self, from: IpAddr) -> AddressKey {
        let key = AddressKey::of(from);
        let has_room = self.accounts.contains_key(&key) || self.accounts.len() < ACCOUNTS;
        if has_room { key } else { AddressKey::SHARED }
    }

    fn account(&mut self, now: Micros, from: IpAddr) -> &mut Account {
        if self.accounts.len() >= ACCOUNTS && !self.accounts.contains_key(&AddressKey::of(from)) {
            self.accounts.retain(|_, account| !account.has_nothing(now));
        }
        self.accounts.entry(self.key(from)).or_default()
    }
}

/// Whole seconds, rounded up.
fn seconds(span: Micros) -> u32 {
    u32::try_from(span.0.div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7));
    const BEN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 8));
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const PLAYS: SeatRole = SeatRole::Musician;
    const LISTENS: SeatRole = SeatRole::Listener;
    const START: Micros = Micros::from_secs(1000);

    fn limits() -> Limits {
        Limits::new(
            LimitSettings { sessions_per_address: 2, join_burst: 3, sessions: 4, ..LimitSettings::default() },
            SeatedAddresses::default(),
        )
    }

    fn at(millis: u64) -> Micros {
        START + Micros::from_millis(millis)
    }

    #[test]
    fn a_rehearsal_behind_one_address_never_meets_the_defaults() {
        let mut limits = Limits::new(LimitSettings::default(), SeatedAddresses::default());
        for n in 0..256 {
            assert_eq!(limits.ask(START, ANN, PLAYS), Ok(()));
            assert_eq!(limits.against_another_session(ANN, PLAYS, Some(300)), None);
            limits.opened(START, SessionId(n), ANN, PLAYS);
        }
        // All of them reconnect at once.
        let again = (0..44).all(|_| limits.ask(START, ANN, PLAYS).is_ok());
        assert!(again && limits.ask(START, ANN, PLAYS).is_err());
    }

    #[test]
    fn joins_beyond_the_burst_are_told_when_and_others_are_not_concerned() {
        let mut limits = limits();
        assert!((0..3).all(|_| limits.ask(at(0), ANN, PLAYS).is_ok()));
        assert_eq!(limits.ask(at(0), ANN, PLAYS), Err(Refused::after(Refusal::TooManyJoins, 1)));
        assert_eq!(limits.ask(at(0), BEN, PLAYS), Ok(()));
        assert!(limits.ask(at(199), ANN, PLAYS).is_err());
        assert_eq!(limits.ask(at(200), ANN, PLAYS), Ok(()));
        assert!(limits.ask(at(200), ANN, PLAYS).is_err());
    }

    #[test]
    fn an_address_gets_as_many_sessions_as_it_may_have_and_another_when_one_ends() {
        let mut limits = limits();
        limits.opened(START, SessionId(1), ANN, PLAYS);
        limits.opened(START, SessionId(2), ANN, PLAYS);
        let refused = limits.against_another_session(ANN, PLAYS, None);
        assert_eq!(refused, Some(Refused::after(Refusal::TooManySessions, 30)));
        assert_eq!(limits.against_another_session(BEN, PLAYS, None), None);
        limits.ended(SessionId(1));
        limits.ended(SessionId(1));
        assert_eq!(limits.against_another_session(ANN, PLAYS, None), None);
    }

    #[test]
    fn the_server_is_full_by_sessions_or_by_memory() {
        let mut limits = limits();
        assert_eq!(limits.against_another_session(HERE, PLAYS, Some(1024)), None);
        let full = Some(Refused::after(Refusal::ServerFull, 30));
        assert_eq!(limits.against_another_session(HERE, PLAYS, Some(1025)), full);
        (0..4).for_each(|n| limits.opened(START, SessionId(n), HERE, PLAYS));
        assert_eq!(limits.against_another_session(BEN, PLAYS, None), full);
    }

    #[test]
    fn half_of_the_servers_sessions_are_for_musicians_alone() {
        let mut limits = limits();
        assert_eq!(limits.settings.sessions, 4);
        limits.opened(START, SessionId(1), HERE, LISTENS);
        assert_eq!(limits.against_another_session(HERE, LISTENS, None), None);
        limits.opened(START, SessionId(2), HERE, LISTENS);
        let full = Some(Refused::after(Refusal::ServerFull, 30));
        assert_eq!(limits.against_another_session(HERE, LISTENS, None), full);
        assert_eq!(limits.against_another_session(HERE, PLAYS, None), None);
        limits.ended(SessionId(1));
        assert_eq!(limits.against_another_session(HERE, LISTENS, None), None);
    }

    #[test]
    fn listeners_take_neither_joins_nor_sessions_from_musicians_of_their_address() {
        let mut limits = Limits::new(LimitSettings { sessions: 100, ..limits().settings }, SeatedAddresses::default());
        (0..2).for_each(|n| limits.opened(START, SessionId(n), ANN, LISTENS));
        let too_many = Some(Refused::after(Refusal::TooManySessions, 30));
        assert_eq!(limits.against_another_session(ANN, LISTENS, None), too_many);
        while limits.ask(START, ANN, LISTENS).is_ok() {}
        assert_eq!(limits.ask(START, ANN, PLAYS), Ok(()));
        assert_eq!(limits.against_another_session(ANN, PLAYS, None), None);
        (2..4).for_each(|n| limits.opened(START, SessionId(n), ANN, PLAYS));
        limits.ended(SessionId(0));
        assert_eq!(limits.against_another_session(ANN, PLAYS, None), too_many);
        assert_eq!(limits.against_another_session(ANN, LISTENS, None), None);
    }

    #[test]
    fn wrong_secrets_are_counted_apart_and_answered_ever_more_slowly() {
        let mut limits = limits();
        assert!((0..10).all(|_| limits.wrong_secret(START, ANN) == Micros::ZERO));
        let holds: Vec<u64> = (0..12).map(|_| limits.wrong_secret(START, ANN).0 / 1_000_000).collect();
        assert_eq!(holds, [1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 8]);
        assert_eq!(limits.ask(START, ANN, PLAYS), Ok(()));
        assert_eq!(limits.wrong_secret(START, BEN), Micros::ZERO);
        let later = START + Micros::from_secs(30);
        assert_eq!(limits.wrong_secret(later, ANN), Micros::ZERO);
    }

    #[test]
    fn loopback_is_exempt_unless_it_is_to_be_limited() {
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().expect("an address");
        let mut free = limits();
        for here in [HERE, mapped] {
            assert!(
                (0..100)
                    .all(|_| free.ask(START, here, PLAYS).is_ok() && free.wrong_secret(START, here) == Micros::ZERO)
            );
        }
        let mut limited =
            Limits::new(LimitSettings { limit_loopback: true, ..free.settings }, SeatedAddresses::default());
        assert!((0..3).all(|_| limited.ask(START, HERE, PLAYS).is_ok()));
        assert!(limited.ask(START, HERE, PLAYS).is_err());
    }

    #[test]
    fn however_many_addresses_ask_the_accounts_stay_few_and_those_with_sessions_are_kept() {
        let mut limits = limits();
        limits.opened(START, SessionId(1), ANN, PLAYS);
        let address = |n: u32| IpAddr::from((0xC633_0000_u32 + n).to_be_bytes());
        for n in 0..60_000 {
            let _ = limits.ask(START, address(n), PLAYS);
        }
        assert!(limits.accounts.len() <= ACCOUNTS + 1, "{}", limits.accounts.len());
        // Those without an account of their own share one, until others' are forgotten.
        assert!(limits.ask(START, address(70_000), PLAYS).is_err());
        assert_eq!(limits.ask(at(5000), address(70_000), PLAYS), Ok(()));
        assert!(limits.accounts.len() < 10);
        limits.opened(at(5000), SessionId(2), ANN, PLAYS);
        assert!(limits.against_another_session(ANN, PLAYS, None).is_some());
    }
}
