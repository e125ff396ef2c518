//! Fresh keys for a musician whose client does not change keys by itself, without a gap.
//!
//! The client is made to ask for its session again: its control connection is closed, and it dials anew and resumes.
//! Instead of the session that it names it gets a new one in the same seat. The media side keeps the old session until
//! the client has been heard on the new one.

use super::admission::{fresh_keys, random};
use super::{Connection, ConnectionId, Entropy, Member, NewSession, Origin, Output, Rooms};
use crate::control::{Features, SeatRole, Token};
use crate::ids::SessionId;
use alloc::vec::Vec;

impl Rooms {
    /// The media side says that a session's keys have been used long enough. It gets fresh ones when its client resumes,
    /// which it is made to do.
    pub fn handle_worn(&mut self, session: SessionId) {
        let Some(member) = self.members.get_mut(&session) else { return };
        member.worn = true;
        if let Some(connection) = member.connection {
            self.forget(connection);
            self.outputs.push_back(Output::Close(connection));
        }
    }

    /// Whether who resumes with this token gets a new session: theirs is worn, or was, and they have not heard of the new
    /// one yet.
    pub(super) fn is_due_for_renewal(&self, session: SessionId, token: &Token) -> bool {
        self.members.get(&session).is_some_and(|m| m.worn || !m.resume.matches(token))
    }

    /// Seats the member in a new session.
    pub(super) fn renew(
        &mut self,
        (connection, origin): (ConnectionId, Origin),
        old: SessionId,
        offered: Features,
        entropy: &mut dyn Entropy,
    ) {
        let Some(mut member) = self.members.remove(&old) else { return };
        let session = self.fresh_session_on(old.media_thread(), entropy);
        // Where the client has not heard of `old`, it is still in the one before.
        let retired = if member.worn {
            member.former = Some(core::mem::replace(&mut member.resume, Token(random(entropy))));
            old
        } else {
            let before = self.retired.iter().find(|(_, heir)| **heir == old).map(|(retired, _)| *retired);
            member.resume = Token(random(entropy));
            self.outputs.push_back(Output::End(old));
            before.unwrap_or(old)
        };
        member.worn = false;
        member.origin = Some(origin);
        member.features = offered.and(Features::SUPPORTED);
        member.keys = fresh_keys(member.keys.suite, entropy);
        if let Some(last) = member.connection.replace(connection)
            && self.connections.remove(&last).is_some()
        {
            self.outputs.push_back(Output::Close(last));
        }
        self.retired.insert(retired, session);
        self.outputs.push_back(Output::Open(member.new_session(session, Some(retired))));
        let room = member.room.clone();
        self.members.insert(session, member);
        self.connections.insert(connection, Connection::Seated { session });
        self.say_joined(connection, session, false);
        // Nothing has changed for the others.
        self.send_roster(connection, &room);
    }

    /// Ends a session whose heir has been heard, or which has fallen silent. Whether it was one.
    pub(super) fn end_retired(&mut self, session: SessionId) -> bool {
        let was = self.retired.remove(&session).is_some();
        if was {
            self.outputs.push_back(Output::End(session));
        }
        was
    }

    /// Ends what a session that is over has replaced.
    pub(super) fn end_replaced_by(&mut self, heir: SessionId) {
        let of_heir: Vec<SessionId> =
            self.retired.iter().filter(|(_, h)| **h == heir).map(|(retired, _)| *retired).collect();
        for retired in of_heir {
            self.end_retired(retired);
        }
    }
}

impl Member {
    /// What the media side must know of the member's session.
    pub(super) fn new_session(&self, session: SessionId, replaces: Option<SessionId>) -> NewSession {
        NewSession {
            session,
            connection: self.connection,
            musician: self.musician,
            room: self.room.clone(),
            source: self.source,
            sends: self.seat == SeatRole::Musician,
            keys: self.keys.clone(),
            mix: self.mix,
            features: self.features,
            replaces,
        }
    }
}
