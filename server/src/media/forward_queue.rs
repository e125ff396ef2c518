//! Opened packets that wait to be forwarded: until all datagrams of the round have been opened, or until it is their room's
//! turn.

use rtjam_protocol::datagram::MAX_DATAGRAM;
use rtjam_protocol::{Micros, SessionId, SourceId};
use std::ops::Range;

/// Several times 10 ms of 40 musicians with the shortest packets.
const CAPACITY: usize = 1024;

/// A room's number at the media threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RoomNumber(pub(super) u32);

/// A packet in the queue.
#[derive(Clone, Copy)]
pub(super) struct QueuedPacket {
    pub(super) room: RoomNumber,
    pub(super) sender: SessionId,
    pub(super) source: SourceId,
    pub(super) arrived: Micros,
    pub(super) len: usize,
    /// Numbers packets in the order of arrival.
    number: u64,
    slot: u16,
}

/// The queue of one thread. All memory is allocated and touched at the start, so a burst causes neither page faults nor
/// growth.
pub(super) struct ForwardQueue {
    packets: Vec<QueuedPacket>,
    slots: Vec<Vec<u8>>,
    free: Vec<u16>,
    next: u64,
}

impl ForwardQueue {
    pub(super) fn new() -> ForwardQueue {
        // The kernel would provide zeroed pages only when they are written to.
        let slot = |_| {
            let mut bytes = vec![1; MAX_DATAGRAM];
            bytes.clear();
            bytes
        };
        let free = (0..CAPACITY as u16).rev().collect();
        ForwardQueue { packets: Vec::with_capacity(CAPACITY), slots: (0..CAPACITY).map(slot).collect(), free, next: 0 }
    }

    /// Adds the packet that `write` appends, unless it is empty. Returns `false` when the queue is full.
    pub(super) fn push(
        &mut self,
        room: RoomNumber,
        sender: SessionId,
        source: SourceId,
        arrived: Micros,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let Some(slot) = self.free.pop() else { return false };
        let bytes = &mut self.slots[usize::from(slot)];
        bytes.clear();
        write(bytes);
        let len = bytes.len();
        if len > 0 {
            self.packets.push(QueuedPacket { room, sender, source, arrived, len, number: self.next, slot });
            self.next += 1;
        } else {
            self.free.push(slot);
        }
        true
    }

    pub(super) fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Sorts by room, then by size, then by arrival.
    pub(super) fn sort(&mut self) {
        self.packets.sort_unstable_by_key(|p| (p.room, p.len, p.number));
    }

    /// Moves the `count` oldest packets of the range to its front and sorts them by size, then by arrival.
    pub(super) fn sort_first(&mut self, range: Range<usize>, count: usize) {
        let packets = &mut self.packets[range];
        if count < packets.len() {
            packets.sort_unstable_by_key(|p| p.number);
        }
        packets[..count].sort_unstable_by_key(|p| (p.len, p.number));
    }

    /// All packets in their present order.
    pub(super) fn packets(&self) -> &[QueuedPacket] {
        &self.packets
    }

    pub(super) fn frames(&self, packet: &QueuedPacket) -> &[u8] {
        &self.slots[usize::from(packet.slot)]
    }

    /// Removes the packets for which `is_done` returns `true`, given their index. Returns how many.
    pub(super) fn remove(&mut self, is_done: impl Fn(usize, &QueuedPacket) -> bool) -> usize {
        let (free, before, mut at) = (&mut self.free, self.packets.len(), 0);
        self.packets.retain(|packet| {
            let done = is_done(at, packet);
            at += 1;
            if done {
                free.push(packet.slot);
            }
            !done
        });
        before - self.packets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &mut ForwardQueue, room: u32, text: &str, at: u64) -> bool {
        queue.push(RoomNumber(room), SessionId(1), SourceId(1), Micros(at), |out| {
            out.extend_from_slice(text.as_bytes());
        })
    }

    fn all(queue: &ForwardQueue) -> Vec<String> {
        let text = |p: &QueuedPacket| String::from_utf8(queue.frames(p).to_vec()).expect("text");
        queue.packets().iter().map(text).collect()
    }

    /// Packets are sorted by room, size and arrival.
    #[test]
    fn packets_are_grouped_by_room() {
        let mut queue = ForwardQueue::new();
        for (room, text, at) in [(2, "b1", 5), (1, "long", 4), (1, "a1", 7), (2, "", 1), (1, "a2", 8), (2, "b2", 9)] {
            assert!(push(&mut queue, room, text, at));
        }
        queue.sort();
        assert_eq!(all(&queue), ["a1", "a2", "long", "b1", "b2"]);
        queue.sort_first(0..3, 2);
        assert_eq!(all(&queue), ["a1", "long", "a2", "b1", "b2"]);
        assert_eq!(queue.remove(|at, _| at < 2), 2);
        assert_eq!(all(&queue), ["a2", "b1", "b2"]);
    }

    /// Removed packets free their slots.
    #[test]
    fn removed_packets_free_slots() {
        let mut queue = ForwardQueue::new();
        for round in 0..5 {
            let taken = (0..2 * CAPACITY).filter(|_| push(&mut queue, 1, "x", round)).count();
            assert_eq!(taken, if round == 0 { CAPACITY } else { CAPACITY / 2 });
            assert!(queue.is_full());
            assert_eq!(queue.remove(|at, _| at % 2 == 0), CAPACITY / 2);
        }
        assert!(!queue.is_empty() && !queue.is_full());
    }
}
