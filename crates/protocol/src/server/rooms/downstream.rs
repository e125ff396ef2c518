//! What the server sends to each member: forwarded packets or a mix, and pinned musicians.

use super::registry::{Connection, Member, Rooms};
use super::types::{ConnectionId, DownstreamChange, MAX_MUSICIANS, RoomsOutput};
use crate::control::{DownstreamMode, MAX_PINNED, MixRequest, MixState, Refusal, SeatRole, ServerMessage};
use crate::ids::{SessionId, SourceId};
use crate::time::Micros;
use alloc::vec::Vec;

impl Rooms {
    pub(super) fn handle_mix(&mut self, connection: ConnectionId, request: MixRequest) {
        if request.balances.len() > usize::from(MAX_MUSICIANS) {
            return self.refuse(connection, Refusal::BadMessage);
        }
        let Some(Connection::Seated { session }) = self.connections.get(&connection) else { return };
        let session = *session;
        let Some(member) = self.members.get(&session) else { return };
        let mode = downstream_mode(member.seat, request.mode, member.room_mix);
        let changed = member.mix != mode;
        let room = &member.room;
        let plays = |m: &Member| m.room == *room && m.seat == SeatRole::Musician;
        let mut balances = request.balances;
        balances.retain(|b| self.members.values().any(|m| plays(m) && m.source == b.source));
        let change = DownstreamChange { session, mode, codec: request.codec, balances };
        self.outputs.push_back(RoomsOutput::Mix(change));
        if let Some(member) = self.members.get_mut(&session) {
            member.mix = mode;
        }
        if changed {
            self.send(connection, ServerMessage::Mix(MixState { mode, wait_us: None }));
        }
    }

    pub(super) fn handle_pin(&mut self, connection: ConnectionId, sources: Vec<SourceId>) {
        if sources.len() > MAX_PINNED {
            return self.refuse(connection, Refusal::BadMessage);
        }
        if let Some(Connection::Seated { session }) = self.connections.get(&connection) {
            self.outputs.push_back(RoomsOutput::Pin(*session, sources));
        }
    }

    /// The media side reports how long audio waits at the server before it is mixed for a session.
    pub fn handle_mix_waits(&mut self, session: SessionId, wait: Micros) {
        let Some(member) = self.members.get(&session).filter(|m| m.mix == DownstreamMode::Mixed) else { return };
        if let Some(connection) = member.connection {
            self.send(connection, ServerMessage::Mix(MixState::mixed(wait)));
        }
    }
}

/// The downstream mode of a seat: a mix for listeners; for musicians the requested mode, or the room's default.
pub(super) fn downstream_mode(
    seat: SeatRole,
    requested: Option<DownstreamMode>,
    room: DownstreamMode,
) -> DownstreamMode {
    if seat == SeatRole::Listener { DownstreamMode::Mixed } else { requested.unwrap_or(room) }
}
