//! Taps: bounded rings by which other threads receive the audio of a room. A consumer that falls behind loses packets of its
//! own, which are counted, and delays nobody.

use super::counters::{Dropped, ThreadCounters};
use super::forward_queue::{ForwardQueue, Packet};
use super::ids::{RoomKey, TapId, TapSet};
use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use rtjam_protocol::Micros;
use rtjam_protocol::datagram::MAX_DATAGRAM;

/// Packets that a tap holds: two mixer ticks of 64 musicians with the shortest packets. 1.3 MB, which the system provides
/// once it is used.
const CAPACITY: usize = 1024;

/// An opened packet on its way to a consumer.
pub(super) struct TapPacket {
    pub(super) room: RoomKey,
    pub(super) arrived: Micros,
    len: u16,
    frames: [u8; MAX_DATAGRAM],
}

impl TapPacket {
    pub(super) fn frames(&self) -> &[u8] {
        &self.frames[..usize::from(self.len)]
    }
}

/// A media thread's end of a tap.
pub(super) struct TapProducer {
    id: TapId,
    ring: HeapProd<TapPacket>,
    /// The reason under which lost packets are counted.
    overflow: Dropped,
}

/// A consumer's end of a tap.
pub(super) struct TapConsumer(HeapCons<TapPacket>);

/// Both ends of a tap. Packets that do not fit are counted under `overflow`.
pub(super) fn tap(id: TapId, overflow: Dropped) -> (TapProducer, TapConsumer) {
    let (producer, consumer) = HeapRb::new(CAPACITY).split();
    (TapProducer { id, ring: producer, overflow }, TapConsumer(consumer))
}

impl TapProducer {
    /// Copies a packet into the ring. Returns whether it fitted. Neither waits nor allocates.
    fn push(&mut self, room: RoomKey, arrived: Micros, frames: &[u8]) -> bool {
        let mut packet = TapPacket { room, arrived, len: 0, frames: [0; MAX_DATAGRAM] };
        let Some(place) = packet.frames.get_mut(..frames.len()) else { return false };
        place.copy_from_slice(frames);
        packet.len = frames.len() as u16;
        self.ring.try_push(packet).is_ok()
    }
}

impl TapConsumer {
    /// Takes all packets that have arrived, oldest first.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = TapPacket> + '_ {
        self.0.pop_iter()
    }
}

/// The taps of one media thread.
pub(super) struct Taps(pub(super) Vec<TapProducer>);

impl Taps {
    /// Offers packets of a room to the consumers in `wanted`, and counts what does not fit.
    pub(super) fn offer(
        &mut self,
        wanted: TapSet,
        packets: &[Packet],
        queue: &ForwardQueue,
        counters: &ThreadCounters,
    ) {
        for tap in self.0.iter_mut().filter(|tap| wanted.contains(tap.id)) {
            let fitted = packets.iter().filter(|p| tap.push(p.room, p.arrived, queue.frames(p))).count();
            counters.add_dropped(tap.overflow, (packets.len() - fitted) as u64);
        }
    }
}
