//! Who is sent one mix, and how; whom somebody wants to be sent in any case.

use super::{Connection, ConnectionId, Member, Output, Rooms};
use crate::audio::Codec;
use crate::control::{MAX_PINNED, MixBalance, MixChoice, MixState, MixWish, Refusal, SeatRole, ServerMessage};
use crate::ids::{SessionId, SourceId};
use crate::time::Micros;
use alloc::vec::Vec;

/// What the media side must send a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MixOrder {
    /// Whom.
    pub session: SessionId,
    /// One mix, or everyone separately.
    pub take: MixChoice,
    /// How a mix is written.
    pub codec: Codec,
    /// How loud musicians of the room are in it; unity for those that are not named.
    pub balances: Vec<MixBalance>,
}

impl Rooms {
    pub(super) fn handle_mix(&mut self, connection: ConnectionId, wish: MixWish) {
        if wish.balances.len() > usize::from(super::MAX_MUSICIANS) {
            return self.refuse(connection, Refusal::BadMessage);
        }
        let Some(Connection::Seated { session }) = self.connections.get(&connection) else { return };
        let session = *session;
        let Some(member) = self.members.get(&session) else { return };
        let take = choose(member.seat, wish.take, member.room_mix);
        let changed = member.mix != take;
        let room = &member.room;
        let plays = |m: &Member| m.room == *room && m.seat == SeatRole::Musician;
        let mut balances = wish.balances;
        balances.retain(|b| self.members.values().any(|m| plays(m) && m.source == b.source));
        self.outputs.push_back(Output::Mix(MixOrder { session, take, codec: wish.codec, balances }));
        if let Some(member) = self.members.get_mut(&session) {
            member.mix = take;
        }
        if changed {
            self.send(connection, ServerMessage::Mix(MixState { take, wait_us: None }));
        }
    }

    pub(super) fn handle_pin(&mut self, connection: ConnectionId, sources: Vec<SourceId>) {
        if sources.len() > MAX_PINNED {
            return self.refuse(connection, Refusal::BadMessage);
        }
        if let Some(Connection::Seated { session }) = self.connections.get(&connection) {
            self.outputs.push_back(Output::Pin(*session, sources));
        }
    }

    /// The media side says how long sound waits before it is mixed for a session.
    pub fn handle_mix_waits(&mut self, session: SessionId, wait: Micros) {
        let Some(member) = self.members.get(&session).filter(|m| m.mix == MixChoice::One) else { return };
        if let Some(connection) = member.connection {
            self.send(connection, ServerMessage::Mix(MixState::waits(wait)));
        }
    }
}

/// Who listens gets a mix; a musician what they choose, else what the room says.
pub(super) fn choose(seat: SeatRole, wish: Option<MixChoice>, room: MixChoice) -> MixChoice {
    if seat == SeatRole::Listener { MixChoice::One } else { wish.unwrap_or(room) }
}
