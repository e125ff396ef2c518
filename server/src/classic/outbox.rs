//! What goes to classic sources in a round: gathered, so that the packets to one of them leave in one call.

use super::figures::ClassicFigures;
use super::sources::Sources;
use crate::media::{MOST_AT_ONCE, MOST_BYTES_AT_ONCE, MediaSocket};
use rtjam_protocol::Micros;
use rtjam_protocol::legacy::{self, BEAT, LegacyHeader, MAX_PACKET};
use std::net::SocketAddr;

/// Packets that wait for the end of a round.
const MOST: usize = 256;

/// Whom a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// All who are sent everyone's packets, but the one who made it.
    AllBut(Option<SocketAddr>),
    /// One, whatever they are sent.
    One(SocketAddr),
}

/// Packets of one round. Its memory is taken once.
pub(super) struct Outbox {
    packets: Vec<Packet>,
    bytes: Vec<u8>,
    /// What goes to one source.
    bundle: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Packet {
    to: To,
    at: usize,
    len: usize,
}

impl Outbox {
    pub(super) fn new() -> Outbox {
        Outbox {
            packets: Vec::with_capacity(MOST),
            bytes: Vec::with_capacity(MOST * MAX_PACKET),
            bundle: Vec::with_capacity(MOST_BYTES_AT_ONCE),
        }
    }

    /// A packet of so many frames, which `audio` writes. It leaves with the next [`Outbox::flush`].
    pub(super) fn add(&mut self, to: To, header: &LegacyHeader, frames: usize, audio: impl FnOnce(&mut Vec<u8>)) {
        let at = self.bytes.len();
        header.write(frames, &mut self.bytes, audio);
        self.packets.push(Packet { to, at, len: self.bytes.len() - at });
    }

    /// Whether it must be flushed before more is added.
    pub(super) fn is_full(&self) -> bool {
        self.packets.len() >= MOST
    }

    /// Sends all that was added. Returns how many packets went out.
    pub(super) fn flush(
        &mut self,
        now: Micros,
        sources: &mut Sources,
        socket: &MediaSocket,
        figures: &ClassicFigures,
    ) -> u64 {
        // Those of one length side by side, each length in the order in which they were added.
        self.packets.sort_unstable_by_key(|packet| (packet.len, packet.at));
        let (mut made, mut taken) = (0, 0);
        for source in sources.seated_sources() {
            for packets in self.packets.chunk_by(|a, b| a.len == b.len) {
                let (size, bundle) = (packets[0].len, &mut self.bundle);
                let at_once = MOST_AT_ONCE.min(MOST_BYTES_AT_ONCE / size);
                bundle.clear();
                for packet in packets {
                    if !source.is_sent(packet.to) || !source.pay(packet.len) {
                        continue;
                    }
                    let begin = bundle.len();
                    bundle.extend_from_slice(&self.bytes[packet.at..packet.at + packet.len]);
                    legacy::set_server_time(&mut bundle[begin..], source.clock(now), BEAT);
                    made += 1;
                    if bundle.len() >= at_once * size {
                        taken += socket.send_all(bundle, size, &source.path) as u64;
                        bundle.clear();
                    }
                }
                if !bundle.is_empty() {
                    taken += socket.send_all(bundle, size, &source.path) as u64;
                }
            }
        }
        self.packets.clear();
        self.bytes.clear();
        figures.sent.add_many(taken);
        figures.not_sent.add_many(made - taken);
        taken
    }
}
