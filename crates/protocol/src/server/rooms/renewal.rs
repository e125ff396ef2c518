//! Replaces the keys of a session whose client cannot rekey, without a gap.
//!
//! The server closes the client's control connection, so that the client connects again and resumes. In reply it gets a
//! new session in the same seat, with fresh keys. The media side keeps the old session open until it has received from
//! the client on the new one.

use super::admission::{fresh_keys, random};
use super::origin::Origin;
use super::registry::{Connection, Rooms};
use super::types::{ConnectionId, Entropy, RoomsOutput};
use crate::control::{Features, ResumeToken};
use crate::ids::SessionId;
use alloc::vec::Vec;

impl Rooms {
    /// The media side reports that a session's keys have reached their lifetime. The session gets fresh keys when its client
    /// resumes, and the client resumes because its control connection is closed here.
    pub fn handle_keys_expired(&mut self, session: SessionId) {
        let Some(member) = self.members.get_mut(&session) else { return };
        member.keys_expired = true;
        if let Some(connection) = member.connection {
            self.forget(connection);
            self.outputs.push_back(RoomsOutput::Close(connection));
        }
    }

    /// Whether a client that resumes with this token gets a new session: its keys have expired, or they have been replaced
    /// and the client does not know the new session yet.
    pub(super) fn is_due_for_renewal(&self, session: SessionId, token: &ResumeToken) -> bool {
        self.members.get(&session).is_some_and(|m| m.keys_expired || !m.resume.matches(token))
    }

    /// Moves the member to a new session.
    pub(super) fn renew(
        &mut self,
        (connection, origin): (ConnectionId, Origin),
        old: SessionId,
        offered: Features,
        entropy: &mut dyn Entropy,
    ) {
        let Some(mut member) = self.members.remove(&old) else { return };
        let session = self.fresh_session_on(old.media_thread(), entropy);
        // A client that has not heard of `old` is still in the session before it.
        let retired = if member.keys_expired {
            member.former = Some(core::mem::replace(&mut member.resume, ResumeToken(random(entropy))));
            old
        } else {
            let before = self.retired.iter().find(|(_, successor)| **successor == old).map(|(retired, _)| *retired);
            member.resume = ResumeToken(random(entropy));
            self.outputs.push_back(RoomsOutput::End(old));
            before.unwrap_or(old)
        };
        member.keys_expired = false;
        member.origin = Some(origin);
        member.features = offered.and(Features::SUPPORTED);
        member.keys = fresh_keys(member.keys.suite, entropy);
        self.close(member.connection.replace(connection));
        self.retired.insert(retired, session);
        self.outputs.push_back(RoomsOutput::Open(member.new_session(session, Some(retired))));
        let room = member.room.clone();
        self.members.insert(session, member);
        self.connections.insert(connection, Connection::Seated { session });
        self.say_joined(connection, session, false);
        // The roster of the others is unchanged.
        self.send_roster(connection, &room);
    }

    /// Ends a replaced session. Returns whether the session was one.
    pub(super) fn end_retired(&mut self, session: SessionId) -> bool {
        let was = self.retired.remove(&session).is_some();
        if was {
            self.outputs.push_back(RoomsOutput::End(session));
        }
        was
    }

    /// Ends the sessions that `successor` replaced.
    pub(super) fn end_replaced_by(&mut self, successor: SessionId) {
        let replaced: Vec<SessionId> =
            self.retired.iter().filter(|(_, h)| **h == successor).map(|(retired, _)| *retired).collect();
        for retired in replaced {
            self.end_retired(retired);
        }
    }
}
