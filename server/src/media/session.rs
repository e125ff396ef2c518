//! A session as the thread that owns it sees it.

use super::command::RoomKey;
use super::police::Policer;
use super::route::{Path, Route, Via};
use super::waits::agreed_wait;
use crate::statistics::{SessionFigures, Uplink};
use rtjam_protocol::server::ServerSession;
use rtjam_protocol::{Micros, SessionId, SourceId};
use std::net::SocketAddr;
use std::sync::Arc;

/// A peer, and what the sockets know of its addresses.
pub(super) struct Session {
    pub(super) peer: ServerSession,
    pub(super) room: RoomKey,
    pub(super) source: SourceId,
    /// Whether what it sends is forwarded.
    pub(super) sends: bool,
    pub(super) life: Life,
    pub(super) uplink: Uplink,
    pub(super) policer: Policer,
    /// The session that this one takes over from, until that is over.
    pub(super) replaces: Option<SessionId>,
    /// The lobby knows that another session should take over.
    pub(super) worn_told: bool,
    /// How long the mixer waits for what is late, while it mixes the session.
    desk_waits: Option<Micros>,
    route: Arc<Route>,
    /// The address that a challenge may go to: the last that something genuine came from besides the path's.
    candidate: Option<Path>,
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Served.
    Live,
    /// It said goodbye or has been silent; the lobby does not know yet.
    Over,
    /// The lobby knows, and will have it removed.
    Reported,
}

impl Session {
    pub(super) fn new(
        peer: ServerSession,
        room: RoomKey,
        source: SourceId,
        sends: bool,
        route: Arc<Route>,
        figures: Arc<SessionFigures>,
    ) -> Session {
        Session {
            peer,
            room,
            source,
            sends,
            life: Life::Live,
            uplink: Uplink::new(figures),
            policer: Policer::default(),
            replaces: None,
            worn_told: false,
            desk_waits: None,
            route,
            candidate: None,
        }
    }

    /// Takes note of how long each of the listeners' ends waits for what is late. The mixer is one of them, whose word
    /// holds where it waits less.
    pub(super) fn set_wait(&mut self, claims: &mut Vec<Micros>) {
        if let (Some(desk), [_] | []) = (self.desk_waits, &claims[..]) {
            claims.push(desk);
        }
        if let Some(wait) = agreed_wait(claims) {
            self.peer.set_wait(self.desk_waits.map_or(wait, |desk| desk.min(wait)));
        }
    }

    /// The mixer waits so long; what the others claim comes with their next feedback.
    pub(super) fn set_desk_wait(&mut self, wait: Micros) {
        self.desk_waits = Some(wait);
        self.peer.set_wait(wait);
    }

    /// Something genuine came from there.
    pub(super) fn note_arrival(&mut self, from: SocketAddr, via: Via, moved_to: Option<SocketAddr>) {
        if moved_to.is_some() {
            self.route.store(Some(Path::new(from, via)));
            self.candidate = None;
        } else if self.peer.path() != Some(from) {
            if self.candidate.as_ref().is_none_or(|c| c.remote != from || c.via != via) {
                self.candidate = Some(Path::new(from, via));
            }
        } else if self.route.load().as_ref().is_some_and(|p| p.via != via) {
            // They speak to another address of ours now, and expect answers from there.
            self.route.store(Some(Path::new(from, via)));
        }
    }

    /// Sends where `former` does, a session of the same member.
    pub(super) fn take_over(&mut self, former: &Session) {
        self.peer.inherit_path(former.peer.path());
        self.route.store(former.route.load().as_deref().cloned());
    }

    /// How to send to an address that the peer named.
    pub(super) fn way_to(&self, to: SocketAddr) -> Option<Path> {
        if let Some(path) = self.route.load().as_deref().filter(|p| p.remote == to) {
            return Some(path.clone());
        }
        self.candidate.clone().filter(|c| c.remote == to)
    }

    /// Whether anything goes there.
    pub(super) fn has_route(&self) -> bool {
        self.route.load().is_some()
    }

    /// Nothing goes there any more.
    pub(super) fn close_route(&self) {
        self.route.store(None);
    }
}
