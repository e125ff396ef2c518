//! Which control connections are being dialled, and when the next one is.
//!
//! A dial that nobody answers may hang for seconds: its packets went into a network that was gone, and are
//! repeated ever more rarely. So another is begun beside it after a second, up to four at a time, and the first
//! that the server speaks on is used.

use crate::link::Pin;
use crate::time::Micros;
use alloc::vec::Vec;

/// A control connection that the driver was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialId(pub u32);

const FIRST_BACKOFF: Micros = Micros::from_millis(200);
const MAX_BACKOFF: Micros = Micros::from_secs(1);
/// The longest pause after a dial that reached a server with another key.
const MAX_WRONG_SERVER_BACKOFF: Micros = Micros::from_secs(5);
/// What answered nothing for this long is given up.
const PATIENCE: Micros = Micros::from_secs(4);
const BESIDE_AFTER: Micros = Micros::from_secs(1);
const MAX_AT_ONCE: usize = 4;

pub(super) struct Dials {
    /// In the order of their beginning.
    under_way: Vec<Dialing>,
    next_id: u32,
    again_at: Option<Micros>,
    backoff: Micros,
}

struct Dialing {
    id: DialId,
    began: Micros,
    give_up_at: Micros,
    server: Option<Pin>,
    /// A seat is being asked for on it: no other may ask until it has failed.
    introduced: bool,
}

impl Dials {
    pub(super) fn new() -> Dials {
        Dials { under_way: Vec::new(), next_id: 0, again_at: None, backoff: FIRST_BACKOFF }
    }

    /// Nothing is under way, and nothing is planned.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty() && self.again_at.is_none()
    }

    pub(super) fn contains(&self, id: DialId) -> bool {
        self.under_way.iter().any(|d| d.id == id)
    }

    /// The one on which a seat is being asked for.
    pub(super) fn introduced(&self) -> Option<DialId> {
        self.under_way.iter().find(|d| d.introduced).map(|d| d.id)
    }

    pub(super) fn start(&mut self, now: Micros) -> DialId {
        let id = DialId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        self.again_at = None;
        self.under_way.push(Dialing { id, began: now, give_up_at: now + PATIENCE, server: None, introduced: false });
        id
    }

    /// Takes note of the key that the server showed; false when nobody waits for that connection any more.
    pub(super) fn open(&mut self, id: DialId, server: Pin) -> bool {
        let dialing = self.under_way.iter_mut().find(|d| d.id == id);
        dialing.map(|d| d.server = Some(server)).is_some()
    }

    /// The server spoke first on this connection: the one to ask for a seat on, unless another is already.
    pub(super) fn introduce(&mut self, now: Micros, id: DialId) -> Option<Pin> {
        if self.introduced().is_some() {
            return None;
        }
        let dialing = self.under_way.iter_mut().find(|d| d.id == id)?;
        let server = dialing.server?;
        (dialing.introduced, dialing.give_up_at) = (true, now + PATIENCE);
        Some(server)
    }

    /// Drops one; false when it was none.
    pub(super) fn remove(&mut self, id: DialId) -> bool {
        let before = self.under_way.len();
        self.under_way.retain(|d| d.id != id);
        self.under_way.len() < before
    }

    /// Drops all but `keep`; returns what to hang up.
    pub(super) fn remove_all_but(&mut self, keep: Option<DialId>) -> Vec<DialId> {
        let gone = self.under_way.iter().map(|d| d.id).filter(|id| Some(*id) != keep).collect();
        self.under_way.retain(|d| Some(d.id) == keep);
        gone
    }

    /// Drops what has waited for too long; returns what to hang up.
    pub(super) fn expire(&mut self, now: Micros) -> Vec<DialId> {
        let late = self.under_way.iter().filter(|d| d.give_up_at <= now).map(|d| d.id).collect();
        self.under_way.retain(|d| d.give_up_at > now);
        late
    }

    /// The connection is a session's now: the next failure is a first one.
    pub(super) fn succeed(&mut self) {
        self.again_at = None;
        self.backoff = FIRST_BACKOFF;
    }

    /// Dials again after a pause that doubles with each failure, unless another dial is under way or planned.
    pub(super) fn again_later(&mut self, now: Micros) {
        self.back_off(now, MAX_BACKOFF);
    }

    /// The same with a longer pause: the wrong server answers, and may answer for hours.
    pub(super) fn again_after_wrong_server(&mut self, now: Micros) {
        self.back_off(now, MAX_WRONG_SERVER_BACKOFF);
    }

    fn back_off(&mut self, now: Micros, longest: Micros) {
        if self.is_idle() {
            self.again_at = Some(now + self.backoff.min(longest));
            self.backoff = Micros((self.backoff.0 * 2).min(longest.0));
        }
    }

    /// Dials again at that time, and not before.
    pub(super) fn again_at(&mut self, at: Micros) {
        self.again_at = Some(at);
    }

    pub(super) fn is_due(&self, now: Micros) -> bool {
        self.next_at().is_some_and(|at| at <= now)
    }

    pub(super) fn poll_timeout(&self) -> Option<Micros> {
        let give_up = self.under_way.iter().map(|d| d.give_up_at).min();
        [give_up, self.next_at()].into_iter().flatten().min()
    }

    fn next_at(&self) -> Option<Micros> {
        let newest =
            self.under_way.last().filter(|_| self.under_way.len() < MAX_AT_ONCE && self.introduced().is_none());
        self.again_at.or(newest.map(|d| d.began + BESIDE_AFTER))
    }
}
