//! Collects what goes to legacy sources in a round, so that packets for one source leave in one system call.

use super::sources::{LegacySources, To};
use crate::media::socket::{MAX_SEGMENTS, MAX_SEND_BYTES, MediaSocket};
use rtjam_protocol::Micros;
use rtjam_protocol::legacy::{BEAT, LegacyHeader, MAX_PACKET, set_server_time};

/// The most packets in a round.
const CAPACITY: usize = 256;

/// The packets of one round. Allocates once.
pub(super) struct Outbox {
    packets: Vec<OutboxPacket>,
    bytes: Vec<u8>,
    /// Packets for one source.
    bundle: Vec<u8>,
}

#[derive(Clone, Copy)]
struct OutboxPacket {
    to: To,
    at: usize,
    len: usize,
}

impl Outbox {
    pub(super) fn new() -> Outbox {
        Outbox {
            packets: Vec::with_capacity(CAPACITY),
            bytes: Vec::with_capacity(CAPACITY * MAX_PACKET),
            bundle: Vec::with_capacity(MAX_SEND_BYTES),
        }
    }

    /// Adds a packet whose `frames` frames `audio` writes. The next [`Outbox::flush`] sends it.
    pub(super) fn add(&mut self, to: To, header: &LegacyHeader, frames: usize, audio: impl FnOnce(&mut Vec<u8>)) {
        let at = self.bytes.len();
        header.write(frames, &mut self.bytes, audio);
        self.packets.push(OutboxPacket { to, at, len: self.bytes.len() - at });
    }

    /// Whether it must be flushed before more is added.
    pub(super) fn is_full(&self) -> bool {
        self.packets.len() >= CAPACITY
    }

    /// Sends all packets. Returns how many datagrams it made, and how many of them the system accepted.
    pub(super) fn flush(&mut self, now: Micros, sources: &mut LegacySources, socket: &MediaSocket) -> (u64, u64) {
        // Packets of one length are adjacent, each length in the order in which they were added.
        self.packets.sort_unstable_by_key(|packet| (packet.len, packet.at));
        let (mut made, mut accepted) = (0, 0);
        for source in sources.seated_sources() {
            for packets in self.packets.chunk_by(|a, b| a.len == b.len) {
                let (size, bundle) = (packets[0].len, &mut self.bundle);
                let at_once = MAX_SEGMENTS.min(MAX_SEND_BYTES / size);
                bundle.clear();
                for packet in packets {
                    if !source.receives(packet.to) || !source.pay(packet.len) {
                        continue;
                    }
                    let begin = bundle.len();
                    bundle.extend_from_slice(&self.bytes[packet.at..packet.at + packet.len]);
                    set_server_time(&mut bundle[begin..], source.clock(now), BEAT);
                    made += 1;
                    if bundle.len() >= at_once * size {
                        accepted += socket.send_all(bundle, size, &source.path) as u64;
                        bundle.clear();
                    }
                }
                if !bundle.is_empty() {
                    accepted += socket.send_all(bundle, size, &source.path) as u64;
                }
            }
        }
        self.packets.clear();
        self.bytes.clear();
        (made, accepted)
    }
}
