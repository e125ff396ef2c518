//! Where a session's media goes. The thread that owns the session writes it; every thread that forwards reads it.

use super::speaker_selection::{Selection, SourceSet};
use arc_swap::{ArcSwapOption, Guard};
use rtjam_protocol::retransmit;
use rtjam_protocol::seal::SendLane;
use rtjam_protocol::{Micros, SessionId, SourceId};
use socket2::SockAddr;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The server's end of a path: answers leave from where the datagrams arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LocalEndpoint {
    /// Index of the thread's socket; all threads have theirs in the same order.
    pub(crate) socket: usize,
    /// The local address to which datagrams are sent, where the system reports it.
    pub(crate) address: Option<IpAddr>,
}

/// A network path to a client.
#[derive(Clone, Debug)]
pub(crate) struct MediaPath {
    pub(crate) remote: SocketAddr,
    pub(crate) local: LocalEndpoint,
    /// `remote` in the system's form.
    pub(crate) raw: SockAddr,
}

impl MediaPath {
    pub(crate) fn new(remote: SocketAddr, local: LocalEndpoint) -> MediaPath {
        MediaPath { remote, local, raw: remote.into() }
    }
}

/// The validated path of a session, if any. Reading it neither locks nor writes.
pub(super) struct Route(ArcSwapOption<MediaPath>);

impl Route {
    pub(super) fn new() -> Route {
        Route(ArcSwapOption::empty())
    }

    pub(super) fn load(&self) -> Guard<Option<Arc<MediaPath>>> {
        self.0.load()
    }

    /// Sets the path. Only the thread that owns the session.
    pub(super) fn store(&self, path: Option<MediaPath>) {
        self.0.store(path.map(Arc::new));
    }
}

/// A session to which a thread forwards. The lane belongs to that thread alone.
pub(super) struct Recipient {
    pub(super) session: SessionId,
    /// The recipient's own number; its own packets do not return to it.
    pub(super) source: SourceId,
    /// Whether this is a musician; otherwise it is a listener.
    pub(super) sends: bool,
    pub(super) lane: SendLane,
    pub(super) route: Arc<Route>,
    /// Whether it receives everyone's packets; otherwise it receives a mix, which the mixer sends.
    pub(super) forwarded: bool,
    /// Decides which packets of the lane are retransmitted.
    pub(super) retransmitter: retransmit::Retransmitter,
    /// When the waits that it claims were last passed on.
    pub(super) waits_told: Micros,
    /// The sources that it receives in any case.
    pub(super) pinned: Vec<SourceId>,
    /// The sources that it receives.
    pub(super) heard: SourceSet,
    /// Version of the selection from which `heard` was made; 0 for none.
    pub(super) selection_version: u64,
}

impl Recipient {
    /// Applies a room's selection, unless it is applied already.
    pub(super) fn apply_selection(&mut self, selection: &Selection) {
        if self.selection_version != selection.version {
            self.selection_version = selection.version;
            self.heard = SourceSet::received_by(self.source, &self.pinned, &selection.speakers);
        }
    }

    /// From now on it receives everyone in the room.
    pub(super) fn hear_all(&mut self) {
        (self.selection_version, self.heard) = (0, SourceSet::ALL);
    }

    /// How long it waits for late packets of `source`, where that matters to the sender: a musician who receives its
    /// packets.
    pub(super) fn claimed_wait(&self, now: Micros, source: SourceId) -> Option<Micros> {
        self.retransmitter.wait_for(now, source).filter(|_| self.sends && self.forwarded)
    }
}
