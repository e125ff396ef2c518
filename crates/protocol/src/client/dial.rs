//! Decides when to dial control connections.
//!
//! A dial may hang for seconds if its packets were sent into an interrupted network, because TCP repeats them ever more
//! rarely. So another dial starts in parallel after a second, up to four at a time. The client uses the first connection on
//! which the server sends something.

use crate::link::Pin;
use crate::time::Micros;
use alloc::vec::Vec;

/// A control connection that the driver opens for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialId(pub u32);

const FIRST_BACKOFF: Micros = Micros::from_millis(200);
const MAX_BACKOFF: Micros = Micros::from_secs(1);
/// Maximum pause after reaching a server with a wrong key.
const MAX_WRONG_SERVER_BACKOFF: Micros = Micros::from_secs(5);
/// A dial without an answer ends after this long.
const DIAL_TIMEOUT: Micros = Micros::from_secs(4);
const PARALLEL_AFTER: Micros = Micros::from_secs(1);
const MAX_PARALLEL: usize = 4;

pub(super) struct Dials {
    /// Oldest first.
    pending: Vec<Dialing>,
    next_id: u32,
    retry_at: Option<Micros>,
    backoff: Micros,
}

struct Dialing {
    id: DialId,
    began: Micros,
    give_up_at: Micros,
    server: Option<Pin>,
    /// Whether a seat has been requested on it. No other dial may request one until this one has failed.
    seat_requested: bool,
}

impl Dials {
    pub(super) fn new() -> Dials {
        Dials { pending: Vec::new(), next_id: 0, retry_at: None, backoff: FIRST_BACKOFF }
    }

    /// Whether no dial is pending or scheduled.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.retry_at.is_none()
    }

    pub(super) fn contains(&self, id: DialId) -> bool {
        self.pending.iter().any(|d| d.id == id)
    }

    /// The dial on which a seat has been requested.
    pub(super) fn seat_requested(&self) -> Option<DialId> {
        self.pending.iter().find(|d| d.seat_requested).map(|d| d.id)
    }

    pub(super) fn start(&mut self, now: Micros) -> DialId {
        let id = DialId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        self.retry_at = None;
        self.pending.push(Dialing {
            id,
            began: now,
            give_up_at: now + DIAL_TIMEOUT,
            server: None,
            seat_requested: false,
        });
        id
    }

    /// Records the server's key. Returns false if the dial is not pending.
    pub(super) fn open(&mut self, id: DialId, server: Pin) -> bool {
        let dialing = self.pending.iter_mut().find(|d| d.id == id);
        dialing.map(|d| d.server = Some(server)).is_some()
    }

    /// The server sent its first message: requests a seat on this connection, unless another one has. Returns the server's
    /// key.
    pub(super) fn request_seat(&mut self, now: Micros, id: DialId) -> Option<Pin> {
        if self.seat_requested().is_some() {
            return None;
        }
        let dialing = self.pending.iter_mut().find(|d| d.id == id)?;
        let server = dialing.server?;
        (dialing.seat_requested, dialing.give_up_at) = (true, now + DIAL_TIMEOUT);
        Some(server)
    }

    /// Removes a dial. Returns whether it was pending.
    pub(super) fn remove(&mut self, id: DialId) -> bool {
        let before = self.pending.len();
        self.pending.retain(|d| d.id != id);
        self.pending.len() < before
    }

    /// Removes all dials except `keep`. Returns the ones to hang up.
    pub(super) fn remove_all_but(&mut self, keep: Option<DialId>) -> Vec<DialId> {
        let gone = self.pending.iter().map(|d| d.id).filter(|id| Some(*id) != keep).collect();
        self.pending.retain(|d| Some(d.id) == keep);
        gone
    }

    /// Removes the dials that timed out. Returns the ones to hang up.
    pub(super) fn expire(&mut self, now: Micros) -> Vec<DialId> {
        let late = self.pending.iter().filter(|d| d.give_up_at <= now).map(|d| d.id).collect();
        self.pending.retain(|d| d.give_up_at > now);
        late
    }

    /// A connection is in use: resets the backoff.
    pub(super) fn succeed(&mut self) {
        self.retry_at = None;
        self.backoff = FIRST_BACKOFF;
    }

    /// Schedules a dial after a pause that doubles with each failure, unless another one is pending or scheduled.
    pub(super) fn retry_later(&mut self, now: Micros) {
        self.back_off(now, MAX_BACKOFF);
    }

    /// Like [`Dials::retry_later`] with longer pauses: a wrong server may answer for hours.
    pub(super) fn retry_after_wrong_server(&mut self, now: Micros) {
        self.back_off(now, MAX_WRONG_SERVER_BACKOFF);
    }

    fn back_off(&mut self, now: Micros, longest: Micros) {
        if self.is_idle() {
            self.retry_at = Some(now + self.backoff.min(longest));
            self.backoff = Micros((self.backoff.0 * 2).min(longest.0));
        }
    }

    /// Schedules the next dial.
    pub(super) fn retry_at(&mut self, at: Micros) {
        self.retry_at = Some(at);
    }

    pub(super) fn is_due(&self, now: Micros) -> bool {
        self.next_at().is_some_and(|at| at <= now)
    }

    pub(super) fn poll_timeout(&self) -> Option<Micros> {
        let give_up = self.pending.iter().map(|d| d.give_up_at).min();
        [give_up, self.next_at()].into_iter().flatten().min()
    }

    fn next_at(&self) -> Option<Micros> {
        let newest =
            self.pending.last().filter(|_| self.pending.len() < MAX_PARALLEL && self.seat_requested().is_none());
        self.retry_at.or(newest.map(|d| d.began + PARALLEL_AFTER))
    }
}
