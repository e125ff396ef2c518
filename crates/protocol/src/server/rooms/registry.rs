//! All rooms of a server and their members.

use super::caps::Newcomers;
use super::origin::Origin;
use super::types::{Census, ConnectionId, Grant, MAX_LISTENERS, MAX_MUSICIANS, NewSession, RoomsConfig, RoomsOutput};
use crate::control::{
    ClientMessage, DownstreamMode, Features, Hello, MemberAccess, Refusal, Refused, ResumeToken, RosterEntry,
    SeatRequest, SeatRole, ServerMessage, SessionKeys, Welcome,
};
use crate::ids::{MusicianId, RoomName, SessionId, SourceId};
use crate::link::{Pin, Role};
use crate::time::Micros;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

/// All rooms of a server.
pub struct Rooms {
    pub(super) config: RoomsConfig,
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
    pub(super) members: BTreeMap<SessionId, Member>,
    pub(super) pending_rosters: BTreeMap<RoomName, PendingRoster>,
    pub(super) newcomers: Newcomers,
    /// Tokens of the sessions that a moderator ended, newest last.
    pub(super) dismissed: VecDeque<(ResumeToken, Refusal)>,
    /// Sessions that were replaced without a gap, and the session that replaced each.
    pub(super) retired: BTreeMap<SessionId, SessionId>,
    pub(super) outputs: VecDeque<RoomsOutput>,
    pub(super) next_thread: u8,
    pub(super) going_down: bool,
}

/// A control connection and how far it has come.
pub(super) enum Connection {
    Greeted { nonce: [u8; 32] },
    Introduced { hello: Hello },
    Waiting { hello: Hello, seat: SeatRequest },
    Seated { session: SessionId },
    Watching { room: RoomName, admitted: Grant, roster_changes: bool },
}

/// A member of a room: a musician, a listener, or a gateway's listening session.
pub(super) struct Member {
    pub(super) room: RoomName,
    pub(super) musician: MusicianId,
    pub(super) instance: u8,
    pub(super) name: String,
    pub(super) role: Role,
    /// `None` for members that a gateway brought in without a secret.
    pub(super) admitted: Option<Grant>,
    /// Latest origin of the control connection, or of the gateway's packets.
    pub(super) origin: Option<Origin>,
    pub(super) seat: SeatRole,
    pub(super) source: SourceId,
    pub(super) keys: SessionKeys,
    pub(super) resume: ResumeToken,
    /// Token of the session that this one replaced. The client may still know only this one.
    pub(super) former: Option<ResumeToken>,
    /// The session's keys have reached their lifetime.
    pub(super) keys_expired: bool,
    pub(super) features: Features,
    pub(super) connection: Option<ConnectionId>,
    /// How the member reaches the room.
    pub(super) via: MemberAccess,
    pub(super) mix: DownstreamMode,
    /// The room's default.
    pub(super) room_mix: DownstreamMode,
}

/// Roster changes of a room that have not been announced yet.
pub(super) struct PendingRoster {
    pub(super) due: Micros,
    /// Slots whose musician joined, changed or left. The announcement looks up who has each slot at that time, so it is
    /// correct also for a connection that received the whole roster in between.
    pub(super) slots: BTreeSet<SourceId>,
    /// Connections that received the whole roster after the latest of these changes.
    pub(super) informed: BTreeSet<ConnectionId>,
}

impl Member {
    pub(super) fn roster_entry(&self) -> RosterEntry {
        RosterEntry {
            source: self.source,
            name: self.name.clone(),
            musician: self.musician,
            instance: self.instance,
            via: self.via,
        }
    }

    /// The member's session, for the media side.
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

impl Rooms {
    /// Rooms without members.
    pub fn new(config: RoomsConfig) -> Rooms {
        Rooms {
            config: RoomsConfig {
                max_musicians: config.max_musicians.min(MAX_MUSICIANS),
                max_listeners: config.max_listeners.min(MAX_LISTENERS),
                ..config
            },
            connections: BTreeMap::new(),
            members: BTreeMap::new(),
            pending_rosters: BTreeMap::new(),
            newcomers: Newcomers::default(),
            dismissed: VecDeque::new(),
            retired: BTreeMap::new(),
            outputs: VecDeque::new(),
            next_thread: 0,
            going_down: false,
        }
    }

    /// The next action for the driver.
    pub fn poll_output(&mut self) -> Option<RoomsOutput> {
        self.outputs.pop_front()
    }

    /// Replaces the pins of the keys that the server presents.
    pub fn set_pins(&mut self, pins: Vec<Pin>) {
        self.config.pins = pins;
    }

    /// Number of members of all rooms.
    pub fn seated(&self) -> usize {
        self.members.len()
    }

    /// Counts rooms, members and connections.
    pub fn census(&self) -> Census {
        let of = |seat| self.members.values().filter(|m| m.seat == seat).count();
        let rooms: BTreeSet<&RoomName> = self.members.values().map(|m| &m.room).collect();
        Census {
            rooms: rooms.len(),
            musicians: of(SeatRole::Musician),
            listeners: of(SeatRole::Listener),
            connections: self.connections.len(),
        }
    }

    /// A control connection opened. `nonce` is fresh entropy.
    pub fn handle_connected(&mut self, connection: ConnectionId, nonce: [u8; 32]) {
        self.connections.insert(connection, Connection::Greeted { nonce });
        self.send(connection, ServerMessage::Welcome(Welcome { version: crate::control::VERSION, nonce }));
    }

    /// A message arrived on a connection. Messages after a refusal or a `bye` are ignored.
    pub fn handle_message(&mut self, now: Micros, connection: ConnectionId, message: ClientMessage) {
        if !self.connections.contains_key(&connection) {
            return;
        }
        match message {
            ClientMessage::Ping { id } => self.send(connection, ServerMessage::Pong { id }),
            ClientMessage::Hello(hello) => self.handle_hello(connection, hello),
            ClientMessage::Seat(seat) => self.handle_seat(connection, seat),
            ClientMessage::Mix(request) => self.handle_mix(connection, request),
            ClientMessage::Pin { sources } => self.handle_pin(connection, sources),
            ClientMessage::Bye => self.handle_bye(now, connection),
            ClientMessage::Unknown => {}
        }
    }

    /// The driver refuses a connection: by its own limits, or because a text was not a message.
    pub fn handle_refused(&mut self, connection: ConnectionId, refused: impl Into<Refused>) {
        if self.connections.contains_key(&connection) {
            self.refuse(connection, refused);
        }
    }

    /// A connection closed. Its session lives as long as its media does.
    pub fn handle_disconnected(&mut self, connection: ConnectionId) {
        self.forget(connection);
    }

    /// The media side reports that a session said goodbye or timed out.
    pub fn handle_session_over(&mut self, now: Micros, session: SessionId) {
        if !self.end_retired(session) {
            self.end_session(now, session);
        }
    }

    /// The server stops: announces it on every connection, closes them all and admits nobody.
    pub fn handle_going_down(&mut self) {
        self.going_down = true;
        let all: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for connection in all {
            self.forget(connection);
            self.send(connection, ServerMessage::GoingDown);
            self.outputs.push_back(RoomsOutput::Close(connection));
        }
    }

    fn handle_bye(&mut self, now: Micros, connection: ConnectionId) {
        match self.connections.remove(&connection) {
            Some(Connection::Seated { session }) => self.end_session(now, session),
            Some(_) => {}
            None => return,
        }
        self.outputs.push_back(RoomsOutput::Close(connection));
    }

    pub(super) fn end_session(&mut self, now: Micros, session: SessionId) {
        let Some(gone) = self.members.remove(&session) else { return };
        self.end_replaced_by(session);
        self.outputs.push_back(RoomsOutput::End(session));
        self.close(gone.connection);
        if gone.seat == SeatRole::Musician {
            let left = ServerMessage::Left { source: gone.source, name: gone.name };
            let connections = self.connections_in(&gone.room);
            for (connection, _) in connections.into_iter().filter(|(_, knows_changes)| !knows_changes) {
                self.send(connection, left.clone());
            }
        }
        self.roster_changed(now, &gone.room, gone.seat, gone.source);
    }

    pub(super) fn refuse(&mut self, connection: ConnectionId, refused: impl Into<Refused>) {
        self.forget(connection);
        self.send(connection, ServerMessage::Refused(refused.into()));
        self.outputs.push_back(RoomsOutput::Close(connection));
    }

    /// Closes the connection that a member had, if it is still open.
    pub(super) fn close(&mut self, connection: Option<ConnectionId>) {
        if let Some(connection) = connection.filter(|c| self.connections.remove(c).is_some()) {
            self.outputs.push_back(RoomsOutput::Close(connection));
        }
    }

    /// Removes a connection without ending its session.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        if let Some(Connection::Seated { session }) = self.connections.remove(&connection)
            && let Some(member) = self.members.get_mut(&session)
            && member.connection == Some(connection)
        {
            member.connection = None;
        }
    }

    pub(super) fn send(&mut self, connection: ConnectionId, message: ServerMessage) {
        self.outputs.push_back(RoomsOutput::Send(connection, message));
    }
}
