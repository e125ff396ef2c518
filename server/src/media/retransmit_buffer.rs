//! Retransmission: the last 250 ms of each musician, and what NACKs ask for.

use super::counters::{Dropped, ThreadCounters};
use super::forward_queue::QueuedPacket;
use super::route::{MediaPath, Recipient};
use super::socket::PolledSocket;
use rtjam_protocol::datagram::DatagramClass;
use rtjam_protocol::retransmit::{PacketHistory, PacketId};
use rtjam_protocol::{Micros, SessionId, SourceId};
use std::collections::HashMap;

/// The packets that one thread has received of a room's musicians.
#[derive(Default)]
pub(super) struct RetransmitBuffer(HashMap<SourceId, (SessionId, PacketHistory)>);

impl RetransmitBuffer {
    /// Stores a packet that is being forwarded.
    pub(super) fn store(&mut self, now: Micros, packet: &QueuedPacket, frames: &[u8]) -> Option<PacketId> {
        let fresh = || (packet.sender, PacketHistory::new(packet.source));
        let (sender, history) = self.0.entry(packet.source).or_insert_with(fresh);
        if *sender != packet.sender {
            (*sender, *history) = fresh();
        }
        history.keep(now, frames)
    }

    /// The packets of a musician.
    pub(super) fn history(&self, source: SourceId) -> Option<&PacketHistory> {
        self.0.get(&source).map(|(_, history)| history)
    }

    /// The session that sends as `source`.
    pub(super) fn sender(&self, source: SourceId) -> Option<SessionId> {
        self.0.get(&source).map(|(sender, _)| *sender)
    }

    /// Drops the packets of a session that has ended.
    pub(super) fn forget(&mut self, session: SessionId) {
        self.0.retain(|_, (sender, _)| *sender != session);
    }

    /// Retransmits what is due to a recipient, each packet in a datagram of its own: no datagram becomes larger than the
    /// path is known to carry. `frames` and `sealed` are scratch space.
    pub(super) fn retransmit(
        &self,
        recipient: &mut Recipient,
        path: &MediaPath,
        (frames, sealed): (&mut Vec<u8>, &mut Vec<u8>),
        sockets: &[PolledSocket],
        counters: &ThreadCounters,
    ) {
        let Some(polled) = sockets.get(path.local.socket) else { return };
        loop {
            frames.clear();
            let next = recipient.retransmitter.poll_retransmit(|source| self.history(source), frames);
            let Some((packet, first_sent)) = next else { return };
            let counter = recipient.lane.seal(DatagramClass::Media, sealed, |out| out.extend_from_slice(frames));
            recipient.retransmitter.record_sent(counter, packet, first_sent);
            match polled.socket.send(sealed, path) {
                Ok(()) => counters.retransmitted.increment(),
                Err(_) => counters.count_dropped(Dropped::NotSent),
            }
        }
    }
}
