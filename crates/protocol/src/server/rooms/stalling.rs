//! Tells a room whose computers stall, as the musicians report it.

use super::registry::{Connection, Member, Rooms};
use super::types::ConnectionId;
use crate::control::{SeatRole, ServerMessage, StallReport, StallingMusician};
use crate::ids::RoomName;
use crate::time::Micros;
use alloc::vec::Vec;

/// Time for which a change of stalls waits for further changes. Whatever the musicians of a room report, it gets at most one
/// list per second.
pub const STALL_COALESCE: Micros = Micros::from_secs(1);

impl Rooms {
    pub(super) fn handle_stalling(&mut self, now: Micros, connection: ConnectionId, stalls: Option<StallReport>) {
        let Some(Connection::Seated { session }) = self.connections.get(&connection) else { return };
        let Some(member) = self.members.get_mut(session) else { return };
        if member.seat == SeatRole::Musician && member.stalls != stalls {
            member.stalls = stalls;
            let room = member.room.clone();
            self.stalls_changed(now, room);
        }
    }

    /// A member is no longer in the room.
    pub(super) fn stalls_ended(&mut self, now: Micros, gone: &Member) {
        if gone.stalls.is_some() {
            self.stalls_changed(now, gone.room.clone());
        }
    }

    fn stalls_changed(&mut self, now: Micros, room: RoomName) {
        self.pending_stalls.entry(room).or_insert(now + STALL_COALESCE);
    }

    /// Sends the list to a connection that has none, unless it is empty.
    pub(super) fn send_stalling(&mut self, connection: ConnectionId, room: &RoomName) {
        let musicians = self.stalling_in(room);
        if !musicians.is_empty() {
            self.send(connection, ServerMessage::Stalling { musicians });
        }
    }

    /// Sends the lists that are due.
    pub(super) fn announce_stalls(&mut self, now: Micros) {
        let due: Vec<RoomName> =
            self.pending_stalls.iter().filter(|(_, due)| **due <= now).map(|(room, _)| room.clone()).collect();
        for room in due {
            self.pending_stalls.remove(&room);
            let message = ServerMessage::Stalling { musicians: self.stalling_in(&room) };
            for (connection, _) in self.connections_in(&room) {
                self.send(connection, message.clone());
            }
        }
    }

    /// Sorted by slot.
    fn stalling_in(&self, room: &RoomName) -> Vec<StallingMusician> {
        let stalling = |m: &Member| Some(StallingMusician { source: m.source, stalls: m.stalls? });
        let mut musicians: Vec<_> = self.seated_in(room, SeatRole::Musician).filter_map(stalling).collect();
        musicians.sort_by_key(|m| m.source);
        musicians
    }
}
