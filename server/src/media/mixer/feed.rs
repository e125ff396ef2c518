//! Packets on their way from a media thread to the mixer.

use super::super::command::RoomKey;
use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use rtjam_protocol::Micros;
use rtjam_protocol::datagram::MAX_DATAGRAM;

/// Packets that may wait: two ticks of 64 musicians with the shortest packets. 1.3 MB, which the system gives only where
/// they are used.
const WAITING: usize = 1024;

/// An opened packet: frames as others get them.
pub(in super::super) struct FedPacket {
    pub(super) room: RoomKey,
    pub(super) arrived: Micros,
    len: u16,
    frames: [u8; MAX_DATAGRAM],
}

impl FedPacket {
    pub(super) fn frames(&self) -> &[u8] {
        &self.frames[..usize::from(self.len)]
    }
}

/// A media thread's end.
pub(in super::super) struct Feed(HeapProd<FedPacket>);

impl Feed {
    /// Hands a packet over; says whether there was room. Neither waits nor allocates.
    pub(in super::super) fn push(&mut self, room: RoomKey, arrived: Micros, frames: &[u8]) -> bool {
        let mut packet = FedPacket { room, arrived, len: 0, frames: [0; MAX_DATAGRAM] };
        let Some(place) = packet.frames.get_mut(..frames.len()) else { return false };
        place.copy_from_slice(frames);
        packet.len = frames.len() as u16;
        self.0.try_push(packet).is_ok()
    }
}

/// The mixer's end.
pub(in super::super) struct Fed(HeapCons<FedPacket>);

impl Fed {
    /// All that has come, oldest first.
    pub(super) fn take(&mut self) -> impl Iterator<Item = FedPacket> + '_ {
        self.0.pop_iter()
    }
}

/// A ring.
pub(in super::super) fn feed() -> (Feed, Fed) {
    let (producer, consumer) = HeapRb::new(WAITING).split();
    (Feed(producer), Fed(consumer))
}
