//! The last 250 ms of each musician of a room, for sending again.

use super::waiting::Packet;
use rtjam_protocol::retransmit::{PacketHistory, PacketId};
use rtjam_protocol::{Micros, SessionId, SourceId};
use std::collections::HashMap;

/// Of one room, what one thread received.
#[derive(Default)]
pub(super) struct Past(HashMap<SourceId, (SessionId, PacketHistory)>);

impl Past {
    /// Keeps a packet that is being handed on.
    pub(super) fn keep(&mut self, now: Micros, packet: &Packet, frames: &[u8]) -> Option<PacketId> {
        let fresh = || (packet.maker, PacketHistory::new(packet.source));
        let (maker, history) = self.0.entry(packet.source).or_insert_with(fresh);
        if *maker != packet.maker {
            (*maker, *history) = fresh();
        }
        history.keep(now, frames)
    }

    /// What a musician played.
    pub(super) fn of(&self, source: SourceId) -> Option<&PacketHistory> {
        self.0.get(&source).map(|(_, history)| history)
    }

    /// Who has that number in the room.
    pub(super) fn maker(&self, source: SourceId) -> Option<SessionId> {
        self.0.get(&source).map(|(maker, _)| *maker)
    }

    /// The musician has left.
    pub(super) fn forget(&mut self, session: SessionId) {
        self.0.retain(|_, (maker, _)| *maker != session);
    }
}
