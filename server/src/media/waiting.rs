//! Packets that were opened and wait to be handed on: a moment only, until all that arrived with them is opened too, or
//! until it is their room's turn.

use super::command::RoomKey;
use rtjam_protocol::datagram::MAX_DATAGRAM;
use rtjam_protocol::{Micros, SessionId, SourceId};
use std::ops::Range;

/// The most packets that wait: 10 ms of 40 musicians with the shortest packets, several times over.
const MOST: usize = 1024;

/// A packet as the others shall get it.
#[derive(Clone, Copy)]
pub(super) struct Packet {
    pub(super) room: RoomKey,
    pub(super) maker: SessionId,
    pub(super) source: SourceId,
    pub(super) arrived: Micros,
    pub(super) len: usize,
    /// In the order of arrival.
    number: u64,
    slot: u16,
}

/// The packets of one thread. Its memory is taken once, and touched: a burst meets no page that the kernel has yet to give,
/// and the server needs no more after it than before.
pub(super) struct Waiting {
    packets: Vec<Packet>,
    slots: Vec<Vec<u8>>,
    free: Vec<u16>,
    next: u64,
}

impl Waiting {
    pub(super) fn new() -> Waiting {
        // Zeros would be promised by the kernel, and given when they are written to.
        let slot = |_| {
            let mut bytes = vec![1; MAX_DATAGRAM];
            bytes.clear();
            bytes
        };
        let free = (0..MOST as u16).rev().collect();
        Waiting { packets: Vec::with_capacity(MOST), slots: (0..MOST).map(slot).collect(), free, next: 0 }
    }

    /// Adds what `write` appends; nothing when that is nothing. Returns whether there was room for it.
    pub(super) fn push(
        &mut self,
        room: RoomKey,
        maker: SessionId,
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
            self.packets.push(Packet { room, maker, source, arrived, len, number: self.next, slot });
            self.next += 1;
        } else {
            self.free.push(slot);
        }
        true
    }

    /// Whether there is no room for more: they must be handed on first.
    pub(super) fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Puts packets of a room side by side, and in it those of one size, each size in the order of arrival.
    pub(super) fn sort(&mut self) {
        self.packets.sort_unstable_by_key(|p| (p.room, p.len, p.number));
    }

    /// Puts the first `count` to arrive of these before the others, and by their size.
    pub(super) fn sort_first(&mut self, range: Range<usize>, count: usize) {
        let packets = &mut self.packets[range];
        if count < packets.len() {
            packets.sort_unstable_by_key(|p| p.number);
        }
        packets[..count].sort_unstable_by_key(|p| (p.len, p.number));
    }

    /// All of them, as they lie.
    pub(super) fn packets(&self) -> &[Packet] {
        &self.packets
    }

    /// A packet's frames.
    pub(super) fn frames(&self, packet: &Packet) -> &[u8] {
        &self.slots[usize::from(packet.slot)]
    }

    /// Forgets those of which `is_done` says so, by where they lie. Returns how many.
    pub(super) fn forget(&mut self, is_done: impl Fn(usize, &Packet) -> bool) -> usize {
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

    fn say(waiting: &mut Waiting, room: u32, text: &str, at: u64) -> bool {
        waiting.push(RoomKey(room), SessionId(1), SourceId(1), Micros(at), |out| {
            out.extend_from_slice(text.as_bytes());
        })
    }

    fn all(waiting: &Waiting) -> Vec<String> {
        let lies = |p: &Packet| String::from_utf8(waiting.frames(p).to_vec()).expect("text");
        waiting.packets().iter().map(lies).collect()
    }

    #[test]
    fn rooms_lie_together_and_in_them_equal_sizes_in_the_order_of_arrival() {
        let mut waiting = Waiting::new();
        for (room, text, at) in [(2, "b1", 5), (1, "long", 4), (1, "a1", 7), (2, "", 1), (1, "a2", 8), (2, "b2", 9)] {
            assert!(say(&mut waiting, room, text, at));
        }
        waiting.sort();
        assert_eq!(all(&waiting), ["a1", "a2", "long", "b1", "b2"]);
        waiting.sort_first(0..3, 2);
        assert_eq!(all(&waiting), ["a1", "long", "a2", "b1", "b2"]);
        assert_eq!(waiting.forget(|at, _| at < 2), 2);
        assert_eq!(all(&waiting), ["a2", "b1", "b2"]);
    }

    /// What is forgotten makes room, however much has waited before.
    #[test]
    fn room_is_found_again_and_again() {
        let mut waiting = Waiting::new();
        for round in 0..5 {
            let taken = (0..2 * MOST).filter(|_| say(&mut waiting, 1, "x", round)).count();
            assert_eq!(taken, if round == 0 { MOST } else { MOST / 2 });
            assert!(waiting.is_full());
            assert_eq!(waiting.forget(|at, _| at % 2 == 0), MOST / 2);
        }
        assert!(!waiting.is_empty() && !waiting.is_full());
    }
}
