//! Limits by address and for the whole server, so that nobody can crowd out the others. The defaults are too high to affect
//! a rehearsal. Listeners count separately and take nothing from musicians.
//!
//! | type | limits | thread |
//! |---|---|---|
//! | [`Limits`] | joins, sessions and wrong secrets by address; all sessions; memory | rooms |
//! | [`ConnectionLimit`] | seated control connections by address | acceptor |
//! | [`HalfOpenConnections`], [`HalfOpenTable`] | connections without a seat | acceptor |
//! | [`HandshakeQueue`] | the order and rate of TLS handshakes | acceptor |
//! | [`AddressCounts`] | the sessions of each address: one that has any has reserved places for connections | rooms, acceptor |
//! | [`ProxySettings`] | the address that a request behind a proxy counts for | acceptor |
//!
//! Time is an argument, so the tests run in virtual time.

mod address_counts;
mod bucket;
mod half_open;
mod half_open_guard;
mod handshake_queue;
mod proxy;

pub use address_counts::{AddressCounts, ConnectionLimit};
pub use bucket::Bucket;
pub use half_open::ConnectionStage;
pub use half_open_guard::{HalfOpenConnections, HalfOpenGuard};
pub use handshake_queue::{HandshakeQueue, HandshakeTicket};
pub use proxy::{Network, ProxySettings, TrustedProxies};
pub use rtjam_protocol::server::rooms::AddressKey;

use rtjam_protocol::control::{Refusal, Refused, SeatRole};
use rtjam_protocol::server::rooms::Origin;
use rtjam_protocol::{Micros, SessionId};
use std::collections::HashMap;
use std::net::IpAddr;

/// The interval at which an address can join after its burst.
const JOIN_INTERVAL: Micros = Micros::from_millis(200);

/// Wrong secrets of an address that are answered at once; after that, one per [`GUESS_INTERVAL`].
const GUESS_BURST: u32 = 10;
const GUESS_INTERVAL: Micros = Micros::from_secs(1);

/// The longest delay of the answer to a wrong secret: a connection without a seat lives for 10 s.
const LONGEST_GUESS_DELAY: Micros = Micros::from_secs(8);

/// When to retry after a refusal that lasts until somebody leaves.
const RETRY_WHEN_FULL_S: u32 = 30;

/// The most addresses with an account of their own. Further addresses share one account.
const ACCOUNTS: usize = 4096;

/// The limits that an operator can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// The most musicians from one address, and the most listeners.
    pub sessions_per_address: u32,
    /// Joins of one address at once, after that five a second. Listeners' joins count separately.
    pub join_burst: u32,
    /// The most sessions on the server; at most half of them are listeners.
    pub sessions: u32,
    /// The resident memory above which nobody new is seated, in MiB.
    pub memory_mib: u32,
    /// Whether loopback addresses are limited like others.
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

/// Counts joins, sessions and wrong secrets, and refuses what exceeds the limits.
pub struct Limits {
    settings: LimitSettings,
    shared_networks: Vec<Network>,
    accounts: HashMap<AddressKey, Account>,
    /// The account, address and role of each session.
    sessions: HashMap<SessionId, (AddressKey, IpAddr, SeatRole)>,
    seated: AddressCounts,
}

#[derive(Default)]
struct Account {
    /// Of musicians, and of listeners.
    roles: [RoleAccount; 2],
    guesses: Bucket,
}

#[derive(Default)]
struct RoleAccount {
    joins: Bucket,
    sessions: u32,
}

impl Account {
    fn role(&mut self, role: SeatRole) -> &mut RoleAccount {
        &mut self.roles[index(role)]
    }

    fn is_unused(&self, now: Micros) -> bool {
        self.roles.iter().all(|role| role.sessions == 0 && role.joins.is_full(now)) && self.guesses.is_full(now)
    }
}

/// The index of a role in [`Account::roles`].
fn index(role: SeatRole) -> usize {
    usize::from(role != SeatRole::Musician)
}

impl Limits {
    /// Begins without sessions. `seated` counts those of each address.
    pub fn new(settings: LimitSettings, seated: AddressCounts) -> Limits {
        Limits { settings, shared_networks: Vec::new(), accounts: HashMap::new(), sessions: HashMap::new(), seated }
    }

    /// Exempts networks whose addresses many people share from the rooms' limits by address.
    #[must_use]
    pub fn exempting(self, shared_networks: Vec<Network>) -> Limits {
        Limits { shared_networks, ..self }
    }

    /// A connection's address, and whether a room's limits by address apply to it.
    pub fn origin(&self, from: IpAddr) -> Origin {
        let exempt = self.is_exempt(from) || self.shared_networks.iter().any(|network| network.contains(from));
        Origin { address: from, exempt }
    }

    /// Applies new limits, except for `limit_loopback`, which stays as it is.
    pub fn reconfigure(&mut self, settings: LimitSettings) {
        self.settings = LimitSettings { limit_loopback: self.settings.limit_loopback, ..settings };
    }

    /// Charges an address for a join.
    ///
    /// # Errors
    /// When it joins too often: the refusal to send.
    pub fn charge_join(&mut self, now: Micros, from: IpAddr, role: SeatRole) -> Result<(), Refused> {
        if self.is_exempt(from) {
            return Ok(());
        }
        let burst = self.settings.join_burst;
        let taken = self.account(now, from).role(role).joins.take(now, burst, JOIN_INTERVAL);
        taken.map_err(|wait| Refused::after(Refusal::TooManyJoins, seconds(wait)))
    }

    /// The refusal to send to an address that can have no further session. `memory_mib` is the server's resident memory,
    /// if it is known.
    pub fn refuse_session(&self, from: IpAddr, role: SeatRole, memory_mib: Option<u64>) -> Option<Refused> {
        let settings = &self.settings;
        // Half of the sessions are reserved for musicians.
        let listeners = || self.sessions.values().filter(|(.., role)| *role == SeatRole::Listener).count();
        let full = self.sessions.len() >= settings.sessions as usize
            || (role == SeatRole::Listener && listeners() >= settings.sessions as usize / 2)
            || memory_mib.is_some_and(|mib| mib > u64::from(settings.memory_mib));
        if full {
            return Some(Refused::after(Refusal::ServerFull, RETRY_WHEN_FULL_S));
        }
        let most = settings.sessions_per_address;
        let has = self.accounts.get(&self.key(from)).map_or(0, |account| account.roles[index(role)].sessions);
        let too_many = !self.is_exempt(from) && has >= most;
        too_many.then(|| Refused::after(Refusal::TooManySessions, RETRY_WHEN_FULL_S))
    }

    /// Counts a session that has begun.
    pub fn session_opened(&mut self, now: Micros, session: SessionId, from: IpAddr, role: SeatRole) {
        self.account(now, from).role(role).sessions += 1;
        let key = self.key(from);
        self.sessions.insert(session, (key, from, role));
        self.seated.add(from, u32::MAX);
    }

    /// Counts a session that has ended.
    pub fn session_ended(&mut self, session: SessionId) {
        let Some((key, from, role)) = self.sessions.remove(&session) else { return };
        self.seated.remove(from);
        if let Some(account) = self.accounts.get_mut(&key) {
            let account = account.role(role);
            account.sessions = account.sessions.saturating_sub(1);
        }
    }

    /// Counts a wrong secret from an address, and returns how long to delay the answer. Answers to right secrets are never
    /// delayed: who has one is a musician, even if somebody else behind the same address guesses.
    pub fn wrong_secret_delay(&mut self, now: Micros, from: IpAddr) -> Micros {
        if self.is_exempt(from) {
            return Micros::ZERO;
        }
        self.account(now, from).guesses.borrow(now, GUESS_BURST, GUESS_INTERVAL, LONGEST_GUESS_DELAY)
    }

    fn is_exempt(&self, from: IpAddr) -> bool {
        from.to_canonical().is_loopback() && !self.settings.limit_loopback
    }

    /// The key of the account that an address has, or would get.
    fn key(&self, from: IpAddr) -> AddressKey {
        let key = AddressKey::of(from);
        let has_room = self.accounts.contains_key(&key) || self.accounts.len() < ACCOUNTS;
        if has_room { key } else { AddressKey::SHARED }
    }

    fn account(&mut self, now: Micros, from: IpAddr) -> &mut Account {
        if self.accounts.len() >= ACCOUNTS && !self.accounts.contains_key(&AddressKey::of(from)) {
            self.accounts.retain(|_, account| !account.is_unused(now));
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
            AddressCounts::default(),
        )
    }

    fn at(millis: u64) -> Micros {
        START + Micros::from_millis(millis)
    }

    /// By default 256 musicians behind one address can join, and all of them can reconnect at once.
    #[test]
    fn defaults_do_not_affect_rehearsals() {
        let mut limits = Limits::new(LimitSettings::default(), AddressCounts::default());
        for n in 0..256 {
            assert_eq!(limits.charge_join(START, ANN, PLAYS), Ok(()));
            assert_eq!(limits.refuse_session(ANN, PLAYS, Some(300)), None);
            limits.session_opened(START, SessionId(n), ANN, PLAYS);
        }
        let again = (0..44).all(|_| limits.charge_join(START, ANN, PLAYS).is_ok());
        assert!(again && limits.charge_join(START, ANN, PLAYS).is_err());
    }

    /// A refusal says when to retry, and does not affect other addresses.
    #[test]
    fn joins_beyond_the_burst_are_refused() {
        let mut limits = limits();
        assert!((0..3).all(|_| limits.charge_join(at(0), ANN, PLAYS).is_ok()));
        assert_eq!(limits.charge_join(at(0), ANN, PLAYS), Err(Refused::after(Refusal::TooManyJoins, 1)));
        assert_eq!(limits.charge_join(at(0), BEN, PLAYS), Ok(()));
        assert!(limits.charge_join(at(199), ANN, PLAYS).is_err());
        assert_eq!(limits.charge_join(at(200), ANN, PLAYS), Ok(()));
        assert!(limits.charge_join(at(200), ANN, PLAYS).is_err());
    }

    #[test]
    fn ended_sessions_free_their_addresss_places() {
        let mut limits = limits();
        limits.session_opened(START, SessionId(1), ANN, PLAYS);
        limits.session_opened(START, SessionId(2), ANN, PLAYS);
        let refused = limits.refuse_session(ANN, PLAYS, None);
        assert_eq!(refused, Some(Refused::after(Refusal::TooManySessions, 30)));
        assert_eq!(limits.refuse_session(BEN, PLAYS, None), None);
        limits.session_ended(SessionId(1));
        limits.session_ended(SessionId(1));
        assert_eq!(limits.refuse_session(ANN, PLAYS, None), None);
    }

    #[test]
    fn sessions_and_memory_can_fill_the_server() {
        let mut limits = limits();
        assert_eq!(limits.refuse_session(HERE, PLAYS, Some(1024)), None);
        let full = Some(Refused::after(Refusal::ServerFull, 30));
        assert_eq!(limits.refuse_session(HERE, PLAYS, Some(1025)), full);
        (0..4).for_each(|n| limits.session_opened(START, SessionId(n), HERE, PLAYS));
        assert_eq!(limits.refuse_session(BEN, PLAYS, None), full);
    }

    #[test]
    fn half_of_the_sessions_are_for_musicians() {
        let mut limits = limits();
        assert_eq!(limits.settings.sessions, 4);
        limits.session_opened(START, SessionId(1), HERE, LISTENS);
        assert_eq!(limits.refuse_session(HERE, LISTENS, None), None);
        limits.session_opened(START, SessionId(2), HERE, LISTENS);
        let full = Some(Refused::after(Refusal::ServerFull, 30));
        assert_eq!(limits.refuse_session(HERE, LISTENS, None), full);
        assert_eq!(limits.refuse_session(HERE, PLAYS, None), None);
        limits.session_ended(SessionId(1));
        assert_eq!(limits.refuse_session(HERE, LISTENS, None), None);
    }

    /// Listeners take neither joins nor sessions from the musicians of their address.
    #[test]
    fn listeners_take_nothing_from_musicians() {
        let mut limits = Limits::new(LimitSettings { sessions: 100, ..limits().settings }, AddressCounts::default());
        (0..2).for_each(|n| limits.session_opened(START, SessionId(n), ANN, LISTENS));
        let too_many = Some(Refused::after(Refusal::TooManySessions, 30));
        assert_eq!(limits.refuse_session(ANN, LISTENS, None), too_many);
        while limits.charge_join(START, ANN, LISTENS).is_ok() {}
        assert_eq!(limits.charge_join(START, ANN, PLAYS), Ok(()));
        assert_eq!(limits.refuse_session(ANN, PLAYS, None), None);
        (2..4).for_each(|n| limits.session_opened(START, SessionId(n), ANN, PLAYS));
        limits.session_ended(SessionId(0));
        assert_eq!(limits.refuse_session(ANN, PLAYS, None), too_many);
        assert_eq!(limits.refuse_session(ANN, LISTENS, None), None);
    }

    /// Wrong secrets have a budget of their own, and each is answered later than the one before.
    #[test]
    fn wrong_secrets_are_answered_ever_later() {
        let mut limits = limits();
        assert!((0..10).all(|_| limits.wrong_secret_delay(START, ANN) == Micros::ZERO));
        let delays: Vec<u64> = (0..12).map(|_| limits.wrong_secret_delay(START, ANN).0 / 1_000_000).collect();
        assert_eq!(delays, [1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 8]);
        assert_eq!(limits.charge_join(START, ANN, PLAYS), Ok(()));
        assert_eq!(limits.wrong_secret_delay(START, BEN), Micros::ZERO);
        let later = START + Micros::from_secs(30);
        assert_eq!(limits.wrong_secret_delay(later, ANN), Micros::ZERO);
    }

    #[test]
    fn loopback_is_exempt_by_default() {
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().expect("an address");
        let mut free = limits();
        for here in [HERE, mapped] {
            assert!((0..100).all(|_| free.charge_join(START, here, PLAYS).is_ok()
                && free.wrong_secret_delay(START, here) == Micros::ZERO));
        }
        let mut limited =
            Limits::new(LimitSettings { limit_loopback: true, ..free.settings }, AddressCounts::default());
        assert!((0..3).all(|_| limited.charge_join(START, HERE, PLAYS).is_ok()));
        assert!(limited.charge_join(START, HERE, PLAYS).is_err());
    }

    /// The number of accounts is bounded, and addresses with sessions keep theirs.
    #[test]
    fn accounts_are_bounded() {
        let mut limits = limits();
        limits.session_opened(START, SessionId(1), ANN, PLAYS);
        let address = |n: u32| IpAddr::from((0xC633_0000_u32 + n).to_be_bytes());
        for n in 0..60_000 {
            let _ = limits.charge_join(START, address(n), PLAYS);
        }
        assert!(limits.accounts.len() <= ACCOUNTS + 1, "{}", limits.accounts.len());
        // Addresses without an account of their own share one until unused accounts are removed.
        assert!(limits.charge_join(START, address(70_000), PLAYS).is_err());
        assert_eq!(limits.charge_join(at(5000), address(70_000), PLAYS), Ok(()));
        assert!(limits.accounts.len() < 10);
        limits.session_opened(at(5000), SessionId(2), ANN, PLAYS);
        assert!(limits.refuse_session(ANN, PLAYS, None).is_some());
    }
}
