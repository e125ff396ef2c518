//! A session at the thread that owns it.

use super::forward_queue::RoomNumber;
use super::playout_waits::agreed_wait;
use super::policer::Policer;
use super::route::{LocalEndpoint, MediaPath, Route};
use crate::statistics::SessionCounters;
use crate::statistics::uplink::UplinkMeter;
use rtjam_protocol::server::ServerSession;
use rtjam_protocol::{Micros, SessionId, SourceId};
use std::net::SocketAddr;
use std::sync::Arc;

/// A peer and its network paths.
pub(super) struct MediaSession {
    pub(super) peer: ServerSession,
    pub(super) room: RoomNumber,
    pub(super) source: SourceId,
    /// Whether what it sends is forwarded.
    pub(super) sends: bool,
    pub(super) life: Life,
    pub(super) uplink: UplinkMeter,
    pub(super) policer: Policer,
    /// The session from which this one takes over, until that one ends.
    pub(super) replaces: Option<SessionId>,
    /// Whether the rooms actor knows that another session should take over.
    pub(super) worn_told: bool,
    /// How long the mixer waits for late packets, while it mixes the session.
    mixer_wait: Option<Micros>,
    route: Arc<Route>,
    /// Where a challenge may go: the last path, other than the route, from which an authentic datagram arrived.
    candidate: Option<MediaPath>,
}

/// Life cycle of a session at its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It is served.
    Live,
    /// It said goodbye or fell silent; the rooms actor does not know yet.
    Over,
    /// The rooms actor knows, and will remove it.
    Reported,
}

impl MediaSession {
    pub(super) fn new(
        peer: ServerSession,
        room: RoomNumber,
        source: SourceId,
        sends: bool,
        route: Arc<Route>,
        counters: Arc<SessionCounters>,
    ) -> MediaSession {
        MediaSession {
            peer,
            room,
            source,
            sends,
            life: Life::Live,
            uplink: UplinkMeter::new(counters),
            policer: Policer::default(),
            replaces: None,
            worn_told: false,
            mixer_wait: None,
            route,
            candidate: None,
        }
    }

    /// Applies how long each recipient waits for late packets. The mixer is one of them, and its wait holds where it is
    /// shorter than what the others agree on.
    pub(super) fn set_claimed_waits(&mut self, claims: &mut Vec<Micros>) {
        if let (Some(mixer), [_] | []) = (self.mixer_wait, &claims[..]) {
            claims.push(mixer);
        }
        if let Some(wait) = agreed_wait(claims) {
            self.peer.set_wait(self.mixer_wait.map_or(wait, |mixer| mixer.min(wait)));
        }
    }

    /// Applies how long the mixer waits; the claims of the others come with their next feedback.
    pub(super) fn set_mixer_wait(&mut self, wait: Micros) {
        self.mixer_wait = Some(wait);
        self.peer.set_wait(wait);
    }

    /// Records the path of an authentic datagram. `moved_to` is the peer's new address, once it is validated.
    pub(super) fn record_arrival(&mut self, from: SocketAddr, local: LocalEndpoint, moved_to: Option<SocketAddr>) {
        if moved_to.is_some() {
            self.route.store(Some(MediaPath::new(from, local)));
            self.candidate = None;
        } else if self.peer.path() != Some(from) {
            if self.candidate.as_ref().is_none_or(|c| c.remote != from || c.local != local) {
                self.candidate = Some(MediaPath::new(from, local));
            }
        } else if self.route.load().as_ref().is_some_and(|p| p.local != local) {
            // The client now sends to another local address, and expects answers from there.
            self.route.store(Some(MediaPath::new(from, local)));
        }
    }

    /// Takes over the path of `former`, a session of the same member.
    pub(super) fn take_over(&mut self, former: &MediaSession) {
        self.peer.inherit_path(former.peer.path());
        self.route.store(former.route.load().as_deref().cloned());
    }

    /// The path to an address that the peer named.
    pub(super) fn path_to(&self, to: SocketAddr) -> Option<MediaPath> {
        if let Some(path) = self.route.load().as_deref().filter(|p| p.remote == to) {
            return Some(path.clone());
        }
        self.candidate.clone().filter(|c| c.remote == to)
    }

    pub(super) fn has_route(&self) -> bool {
        self.route.load().is_some()
    }

    /// Stops sending to the session.
    pub(super) fn close_route(&self) {
        self.route.store(None);
    }
}
