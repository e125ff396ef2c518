//! Packets that were opened and wait to be handed on: a moment only, until all that arrived with them is opened too.

use super::command::RoomKey;
use rtjam_protocol::datagram::MAX_DATAGRAM;
use rtjam_protocol::{Micros, SessionId, SourceId};

/// The most packets that wait: 10 ms of 40 musicians with the shortest packets, several times over.
const MOST: usize = 1024;

/// A packet as the others shall get it.
#[derive(Clone, Copy)]
pub(super) struct Packet {
    pub(super) room: RoomKey,
    pub(super) maker: SessionId,
    pub(super) source: SourceId,
    pub(super) arrived: Micros,
    at: usize,
    pub(super) len: usize,
}

/// The packets of one thread. Its memory is taken once, and touched: a burst meets no page that the kernel has yet to give,
/// and the server needs no more after it than before.
pub(super) struct Waiting {
    packets: Vec<Packet>,
    bytes: Vec<u8>,
}

impl Waiting {
    pub(super) fn new() -> Waiting {
        // Zeros would be promised by the kernel, and given when they are written to.
        let mut bytes = vec![1; MOST * MAX_DATAGRAM];
        bytes.clear();
        Waiting { packets: Vec::with_capacity(MOST), bytes }
    }

    /// Adds what `write` appends; nothing when that is nothing.
    pub(super) fn push(
        &mut self,
        room: RoomKey,
        maker: SessionId,
        source: SourceId,
        arrived: Micros,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let at = self.bytes.len();
        write(&mut self.bytes);
        let len = self.bytes.len() - at;
        if len > 0 {
            self.packets.push(Packet { room, maker, source, arrived, at, len });
        }
    }

    /// Whether there is no room for more: they must be handed on first.
    pub(super) fn is_full(&self) -> bool {
        self.packets.len() >= MOST
    }

    /// Puts packets of a room side by side, and in it those of one size, each size in the order of arrival.
    pub(super) fn sort(&mut self) {
        self.packets.sort_unstable_by_key(|p| (p.room, p.len, p.at));
    }

    /// All of them, as they lie.
    pub(super) fn packets(&self) -> &[Packet] {
        &self.packets
    }

    /// A packet's frames.
    pub(super) fn frames(&self, packet: &Packet) -> &[u8] {
        &self.bytes[packet.at..packet.at + packet.len]
    }

    /// They have been handed on.
    pub(super) fn clear(&mut self) {
        self.packets.clear();
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_lie_together_and_in_them_equal_sizes_in_the_order_of_arrival() {
        let mut waiting = Waiting::new();
        let say = |waiting: &mut Waiting, room, text: &str, at| {
            waiting.push(RoomKey(room), SessionId(1), SourceId(1), Micros(at), |out| {
                out.extend_from_slice(text.as_bytes())
            });
        };
        for (room, text, at) in [(2, "b1", 5), (1, "long", 4), (1, "a1", 7), (2, "", 1), (1, "a2", 8), (2, "b2", 9)] {
            say(&mut waiting, room, text, at);
        }
        waiting.sort();
        let lies = |p: &Packet| String::from_utf8(waiting.frames(p).to_vec()).expect("text");
        assert_eq!(waiting.packets().iter().map(lies).collect::<Vec<_>>(), ["a1", "a2", "long", "b1", "b2"]);
        waiting.clear();
        assert!(waiting.packets().is_empty());
    }
}
