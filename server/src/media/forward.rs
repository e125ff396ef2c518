//! Handing on: what waits is sealed for each musician of its room, and what goes to one musician goes together.

use super::command::RoomKey;
use super::counters::{Counters, Dropped};
use super::route::{Path, Recipient};
use super::socket::{MOST_AT_ONCE, MOST_BYTES_AT_ONCE};
use super::thread::Inlet;
use super::waiting::{Packet, Waiting};
use crate::clock::Clock;
use rtjam_protocol::SessionId;
use rtjam_protocol::datagram::{Class, DATAGRAM_OVERHEAD};
use std::collections::HashMap;
use std::sync::Arc;

/// Who hears what a thread receives.
pub(super) struct Forwarder {
    rooms: HashMap<RoomKey, Vec<Recipient>>,
    /// Datagrams of one size for one musician, one behind the other.
    sealed: Vec<u8>,
    counters: Arc<Counters>,
}

impl Forwarder {
    pub(super) fn new(counters: Arc<Counters>) -> Forwarder {
        Forwarder { rooms: HashMap::new(), sealed: Vec::with_capacity(MOST_BYTES_AT_ONCE), counters }
    }

    /// What is played in this room goes to this one too.
    pub(super) fn add(&mut self, room: RoomKey, recipient: Recipient) {
        self.rooms.entry(room).or_default().push(recipient);
    }

    /// Nothing goes to this one any more.
    pub(super) fn remove(&mut self, room: RoomKey, session: SessionId) {
        let Some(recipients) = self.rooms.get_mut(&room) else { return };
        recipients.retain(|r| r.session != session);
        if recipients.is_empty() {
            self.rooms.remove(&room);
        }
    }

    /// Sends all that waits to everyone in its room but its maker. Returns how many datagrams that were.
    pub(super) fn hand_on(&mut self, waiting: &mut Waiting, inlets: &[Inlet], clock: &Clock) -> u64 {
        waiting.sort();
        let mut sent = 0;
        for packets in waiting.packets().chunk_by(|a, b| a.room == b.room) {
            let Some(recipients) = self.rooms.get_mut(&packets[0].room) else { continue };
            for recipient in recipients {
                let path = recipient.route.load();
                let Some(path) = path.as_deref() else { continue };
                for (of, packets) in equal_sizes(packets) {
                    let mut run = Run { recipient, path, sealed: &mut self.sealed, of, taken: 0, made: 0 };
                    run.send(packets, waiting, inlets);
                    let (made, taken) = (run.made, run.taken);
                    sent += taken;
                    self.counters.forwarded.add_many(taken);
                    self.counters.dropped_many(Dropped::NotSent, made - taken);
                }
            }
            let now = clock.now();
            packets.iter().for_each(|p| self.counters.forwarding_took(now.since(p.arrived)));
        }
        waiting.clear();
        sent
    }
}

/// Runs of packets that have one size, which is that of their frames.
fn equal_sizes(packets: &[Packet]) -> impl Iterator<Item = (usize, &[Packet])> {
    packets.chunk_by(|a, b| a.len == b.len).map(|run| (run[0].len, run))
}

/// Packets of one size on their way to one musician.
struct Run<'a> {
    recipient: &'a mut Recipient,
    path: &'a Path,
    sealed: &'a mut Vec<u8>,
    of: usize,
    made: u64,
    taken: u64,
}

impl Run<'_> {
    fn send(&mut self, packets: &[Packet], waiting: &Waiting, inlets: &[Inlet]) {
        let Some(inlet) = inlets.get(self.path.via.socket) else { return };
        let size = self.of + DATAGRAM_OVERHEAD;
        let at_once = MOST_AT_ONCE.min(MOST_BYTES_AT_ONCE / size);
        self.sealed.clear();
        let listener = self.recipient.session;
        for packet in packets.iter().filter(|p| p.maker != listener) {
            self.recipient.lane.append(Class::Media, self.sealed, |out| out.extend_from_slice(waiting.frames(packet)));
            self.made += 1;
            if self.sealed.len() >= at_once * size {
                self.flush(inlet, size);
            }
        }
        self.flush(inlet, size);
    }

    fn flush(&mut self, inlet: &Inlet, size: usize) {
        if !self.sealed.is_empty() {
            self.taken += inlet.socket.send_all(self.sealed, size, self.path) as u64;
            self.sealed.clear();
        }
    }
}
