//! Announces changes of a room's roster.
//!
//! A change waits for [`COALESCE`], so that simultaneous changes make one message. Connections with the feature
//! `roster-changes` receive only the changes, all others the whole roster.

use super::registry::{Connection, Member, PendingRoster, Rooms};
use super::types::ConnectionId;
use crate::control::{RosterEntry, SeatRole, ServerMessage};
use crate::ids::{RoomName, SourceId};
use crate::time::Micros;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// Time for which a roster change waits for further changes.
pub const COALESCE: Micros = Micros::from_millis(50);

impl Rooms {
    /// When [`Rooms::handle_timeout`] is next due.
    pub fn poll_timeout(&self) -> Option<Micros> {
        let rosters = self.pending_rosters.values().map(|changes| changes.due);
        rosters.chain(self.pending_stalls.values().copied()).min()
    }

    /// Announces the changes that are due.
    pub fn handle_timeout(&mut self, now: Micros) {
        while let Some(room) = self.pending_rosters.iter().find(|(_, c)| c.due <= now).map(|(room, _)| room.clone()) {
            if let Some(changes) = self.pending_rosters.remove(&room) {
                self.announce(&room, &changes);
            }
        }
        self.announce_stalls(now);
    }

    /// Schedules the announcement that a member joined, changed or left. Listeners are announced only by their number.
    pub(super) fn roster_changed(&mut self, now: Micros, room: &RoomName, seat: SeatRole, source: SourceId) {
        // A gateway's listening session is not in the roster.
        if seat == SeatRole::None {
            return;
        }
        let none = || PendingRoster { due: now + COALESCE, slots: BTreeSet::new(), informed: BTreeSet::new() };
        let changes = self.pending_rosters.entry(room.clone()).or_insert_with(none);
        changes.informed.clear();
        if seat == SeatRole::Musician {
            changes.slots.insert(source);
        }
    }

    pub(super) fn send_roster(&mut self, connection: ConnectionId, room: &RoomName) {
        let roster = self.roster(room);
        self.send(connection, roster);
        if let Some(changes) = self.pending_rosters.get_mut(room) {
            changes.informed.insert(connection);
        }
        self.send_stalling(connection, room);
    }

    fn announce(&mut self, room: &RoomName, changes: &PendingRoster) {
        let mut connections = self.connections_in(room);
        connections.retain(|(connection, _)| !changes.informed.contains(connection));
        if connections.iter().any(|(_, knows_changes)| !knows_changes) {
            let roster = self.roster(room);
            for (connection, _) in connections.iter().filter(|(_, knows_changes)| !knows_changes) {
                self.send(*connection, roster.clone());
            }
        }
        let present = self.musicians(room);
        let has_changed = |entry: &RosterEntry| changes.slots.contains(&entry.source);
        let left = changes.slots.iter().filter(|slot| !present.iter().any(|entry| entry.source == **slot));
        let message = ServerMessage::RosterChanges {
            left: left.copied().collect(),
            musicians: present.iter().filter(|entry| has_changed(entry)).cloned().collect(),
            listeners: self.listeners(room),
        };
        for (connection, _) in connections.iter().filter(|(_, knows_changes)| *knows_changes) {
            self.send(*connection, message.clone());
        }
    }

    fn roster(&self, room: &RoomName) -> ServerMessage {
        ServerMessage::Roster { musicians: self.musicians(room), listeners: self.listeners(room) }
    }

    /// Sorted by slot.
    fn musicians(&self, room: &RoomName) -> Vec<RosterEntry> {
        let mut musicians: Vec<RosterEntry> =
            self.seated_in(room, SeatRole::Musician).map(Member::roster_entry).collect();
        musicians.sort_by_key(|m| m.source);
        musicians
    }

    fn listeners(&self, room: &RoomName) -> u16 {
        u16::try_from(self.seated_in(room, SeatRole::Listener).count()).unwrap_or(u16::MAX)
    }

    pub(super) fn seated_in(&self, room: &RoomName, seat: SeatRole) -> impl Iterator<Item = &Member> {
        self.members.values().filter(move |m| m.room == *room && m.seat == seat)
    }

    /// The connections that receive a room's roster, and whether each has the feature `roster-changes`.
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
