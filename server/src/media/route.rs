//! Where a musician's media goes: written by the thread that owns their session, read by every one that forwards.

use super::crowd::{Choice, Sources};
use arc_swap::{ArcSwapOption, Guard};
use rtjam_protocol::retransmit;
use rtjam_protocol::seal::SendLane;
use rtjam_protocol::{Micros, SessionId, SourceId};
use socket2::SockAddr;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// By which of our own addresses someone reaches us, and so the one that they expect answers from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Via {
    /// Which of the thread's sockets; all threads have theirs in the same order.
    pub(crate) socket: usize,
    /// The address that the datagram was sent to, where the system tells.
    pub(crate) local: Option<IpAddr>,
}

/// A way to a musician.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) remote: SocketAddr,
    pub(crate) via: Via,
    /// `remote`, as the system takes it.
    pub(crate) raw: SockAddr,
}

impl Path {
    pub(crate) fn new(remote: SocketAddr, via: Via) -> Path {
        Path { remote, via, raw: remote.into() }
    }
}

/// The validated way to a musician, if any. Reading it neither locks nor writes.
pub(super) struct Route(ArcSwapOption<Path>);

impl Route {
    pub(super) fn new() -> Route {
        Route(ArcSwapOption::empty())
    }

    pub(super) fn load(&self) -> Guard<Option<Arc<Path>>> {
        self.0.load()
    }

    /// Only the thread that owns the session.
    pub(super) fn store(&self, path: Option<Path>) {
        self.0.store(path.map(Arc::new));
    }
}

/// Someone whom a thread forwards to. The lane is that thread's alone.
pub(super) struct Recipient {
    pub(super) session: SessionId,
    /// Their slot: what comes from there is their own.
    pub(super) source: SourceId,
    /// A musician; else a listener.
    pub(super) sends: bool,
    pub(super) lane: SendLane,
    pub(super) route: Arc<Route>,
    /// Whether everyone's packets go there; else a mix does, which is the mixer's business.
    pub(super) separate: bool,
    /// What of the lane is sent again.
    pub(super) again: retransmit::Retransmitter,
    /// When their waits were last passed on.
    pub(super) waits_told: Micros,
    /// Whom they are sent in any case.
    pub(super) pinned: Vec<SourceId>,
    /// Whom they are sent.
    pub(super) heard: Sources,
    /// The choice from which that was made; 0 for none.
    pub(super) choice: u64,
}

impl Recipient {
    /// A room's choice holds for them from now on. Cheap where they know it already.
    pub(super) fn take_choice(&mut self, choice: &Choice) {
        if self.choice != choice.version {
            self.choice = choice.version;
            self.heard = Sources::heard(self.source, &self.pinned, &choice.order);
        }
    }

    /// They are sent everyone in the room from now on.
    pub(super) fn hear_all(&mut self) {
        (self.choice, self.heard) = (0, Sources::ALL);
    }

    /// How long this one waits for late packets of `source`, where that matters to what the source sends: a musician who
    /// is sent its packets.
    pub(super) fn claims_wait(&self, now: Micros, source: SourceId) -> Option<Micros> {
        self.again.wait_for(now, source).filter(|_| self.sends && self.separate)
    }
}
