//! Who is told that the musicians and listeners of a room have changed.
//!
//! Changes wait for [`COALESCE`], so that many at once become one message. A connection that knows `roster_changes` is
//! told those alone who joined, changed or left; others are sent the whole roster.

use super::{Connection, ConnectionId, Member, Rooms};
use crate::control::{RosterEntry, SeatRole, ServerMessage};
use crate::ids::{RoomName, SourceId};
use crate::time::Micros;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// The longest that a change of a roster waits for others.
pub const COALESCE: Micros = Micros::from_millis(50);

/// What has changed in a room since its members were last told.
pub(super) struct Changes {
    due: Micros,
    /// Slots whose musician came, changed or left. Who has it now is looked up when it is told, so the same message is
    /// right for a connection that was sent the whole roster meanwhile.
    slots: BTreeSet<SourceId>,
    /// Connections that were sent the whole roster after the last of these changes.
    told: BTreeSet<ConnectionId>,
}

impl Rooms {
    /// When [`Rooms::handle_timeout`] is next needed.
    pub fn poll_timeout(&self) -> Option<Micros> {
        self.changes.values().map(|changes| changes.due).min()
    }

    /// The time of [`Rooms::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Micros) {
        while let Some(room) = self.changes.iter().find(|(_, c)| c.due <= now).map(|(room, _)| room.clone()) {
            if let Some(changes) = self.changes.remove(&room) {
                self.tell_changes(&room, &changes);
            }
        }
    }

    /// A member of a room came, changed or left; its connections are told within [`COALESCE`]. Of a listener the number
    /// alone is told.
    pub(super) fn roster_changed(&mut self, now: Micros, room: &RoomName, seat: SeatRole, source: SourceId) {
        // An ear, which is nobody, is in no roster.
        if seat == SeatRole::None {
            return;
        }
        let none = || Changes { due: now + COALESCE, slots: BTreeSet::new(), told: BTreeSet::new() };
        let changes = self.changes.entry(room.clone()).or_insert_with(none);
        changes.told.clear();
        if seat == SeatRole::Musician {
            changes.slots.insert(source);
        }
    }

    /// Tells one connection the whole roster.
    pub(super) fn send_roster(&mut self, connection: ConnectionId, room: &RoomName) {
        let roster = self.roster(room);
        self.send(connection, roster);
        if let Some(changes) = self.changes.get_mut(room) {
            changes.told.insert(connection);
        }
    }

    fn tell_changes(&mut self, room: &RoomName, changes: &Changes) {
        let mut connections = self.connections_in(room);
        connections.retain(|(connection, _)| !changes.told.contains(connection));
        if connections.iter().any(|(_, knows_changes)| !knows_changes) {
            let roster = self.roster(room);
            for (connection, _) in connections.iter().filter(|(_, knows_changes)| !knows_changes) {
                self.send(*connection, roster.clone());
            }
        }
        let there = self.musicians(room);
        let has_changed = |entry: &RosterEntry| changes.slots.contains(&entry.source);
        let left = changes.slots.iter().filter(|slot| !there.iter().any(|entry| entry.source == **slot));
        let message = ServerMessage::RosterChanges {
            left: left.copied().collect(),
            musicians: there.iter().filter(|entry| has_changed(entry)).cloned().collect(),
            listeners: self.listeners(room),
        };
        for (connection, _) in connections.iter().filter(|(_, knows_changes)| *knows_changes) {
            self.send(*connection, message.clone());
        }
    }

    fn roster(&self, room: &RoomName) -> ServerMessage {
        ServerMessage::Roster { musicians: self.musicians(room), listeners: self.listeners(room) }
    }

    /// In order of their slots.
    fn musicians(&self, room: &RoomName) -> Vec<RosterEntry> {
        let mut musicians: Vec<RosterEntry> = self.seated_in(room, SeatRole::Musician).map(Member::entry).collect();
        musicians.sort_by_key(|m| m.source);
        musicians
    }

    fn listeners(&self, room: &RoomName) -> u16 {
        // There are never more than MAX_LISTENERS.
        u16::try_from(self.seated_in(room, SeatRole::Listener).count()).unwrap_or(u16::MAX)
    }

    fn seated_in(&self, room: &RoomName, seat: SeatRole) -> impl Iterator<Item = &Member> {
        self.members.values().filter(move |m| m.room == *room && m.seat == seat)
    }

    /// The connections that are told of a room's changes, and whether they know `roster_changes`.
    pub(super) fn connections_in(&self, room: &RoomName) -> Vec<(ConnectionId, bool)> {
        let knows_changes = |c: &Connection| match c {
            Connection::Seated { session } => {
                self.members.get(session).filter(|m| m.room == *room).map(|m| m.features.roster_changes)
            }
            Connection::Watching { room: watched, roster_changes, .. } => (watched == room).then_some(*roster_changes),
            _ => None,
        };
        self.connections.iter().filter_map(|(id, c)| Some((*id, knows_changes(c)?))).collect()
    }
}
