//! Handing on: what waits is sealed for each musician of its room, and what goes to one musician goes together.

use super::command::RoomKey;
use super::counters::{Counters, Dropped};
use super::mixer::Feed;
use super::past::Past;
use super::route::{Path, Recipient};
use super::socket::{MOST_AT_ONCE, MOST_BYTES_AT_ONCE};
use super::thread::Inlet;
use super::waiting::{Packet, Waiting};
use crate::clock::Clock;
use rtjam_protocol::Micros;
use rtjam_protocol::SessionId;
use rtjam_protocol::datagram::{Class, DATAGRAM_OVERHEAD, MAX_DATAGRAM};
use rtjam_protocol::recovery::{Feedback, PacketId};
use std::collections::HashMap;
use std::sync::Arc;

/// How long others wait is looked up for one listener's feedback this often: in a large room it is some work.
const TELL_WAITS_EVERY: Micros = Micros::from_millis(250);

/// Who hears what a thread receives.
pub(super) struct Forwarder {
    rooms: HashMap<RoomKey, Room>,
    /// Datagrams of one size for one musician, one behind the other.
    sealed: Vec<u8>,
    /// The frames of one datagram.
    frames: Vec<u8>,
    /// Where the packets that are being handed on lie in their musicians' histories.
    kept: Vec<Option<PacketId>>,
    feed: Feed,
    counters: Arc<Counters>,
}

/// A room as a thread sees it.
#[derive(Default)]
struct Room {
    recipients: Vec<Recipient>,
    past: Past,
    /// The mixer wants the room's packets.
    feeds: bool,
}

impl Forwarder {
    pub(super) fn new(counters: Arc<Counters>, feed: Feed) -> Forwarder {
        Forwarder {
            rooms: HashMap::new(),
            sealed: Vec::with_capacity(MOST_BYTES_AT_ONCE),
            frames: Vec::with_capacity(MAX_DATAGRAM),
            kept: Vec::new(),
            feed,
            counters,
        }
    }

    /// What is played in this room goes to this one too.
    pub(super) fn add(&mut self, room: RoomKey, recipient: Recipient) {
        self.rooms.entry(room).or_default().recipients.push(recipient);
    }

    /// The mixer wants what is played in this room, or no more.
    pub(super) fn feed(&mut self, room: RoomKey, on: bool) {
        if let Some(room) = self.rooms.get_mut(&room) {
            room.feeds = on;
        }
    }

    /// This one is sent everyone's packets, or a mix instead.
    pub(super) fn separate(&mut self, room: RoomKey, session: SessionId, on: bool) {
        let recipients = self.rooms.get_mut(&room).map(|r| &mut r.recipients);
        if let Some(recipient) = recipients.and_then(|r| r.iter_mut().find(|r| r.session == session)) {
            recipient.separate = on;
        }
    }

    /// Nothing goes to this one any more.
    pub(super) fn remove(&mut self, room: RoomKey, session: SessionId) {
        let Some(found) = self.rooms.get_mut(&room) else { return };
        found.recipients.retain(|r| r.session != session);
        found.past.forget(session);
        if found.recipients.is_empty() {
            self.rooms.remove(&room);
        }
    }

    /// Takes what a musician misses of this thread's lane to them, and sends again what helps. `tell` hears how long
    /// each musician is waited for by their listeners.
    pub(super) fn handle_feedback(
        &mut self,
        now: Micros,
        (room, session): (RoomKey, SessionId),
        feedback: &Feedback,
        inlets: &[Inlet],
        mut tell: impl FnMut(SessionId, Micros),
    ) {
        let Some(Room { recipients, past, .. }) = self.rooms.get_mut(&room) else { return };
        let Some(recipient) = recipients.iter_mut().find(|r| r.session == session) else { return };
        recipient.again.handle_feedback(now, feedback);
        if let Some(path) = recipient.route.load().as_deref() {
            send_again(recipient, path, past, &mut self.frames, &mut self.sealed, inlets, &self.counters);
        }
        if now.since(recipient.waits_told) < TELL_WAITS_EVERY {
            return;
        }
        recipient.waits_told = now;
        for (source, _) in feedback.waits.iter() {
            let Some(maker) = past.maker(source) else { continue };
            if let Some(least) = recipients.iter().filter_map(|r| r.again.wait_for(now, source)).min() {
                tell(maker, least);
            }
        }
    }

    /// Sends all that waits to everyone in its room but its maker. Returns how many datagrams that were.
    pub(super) fn hand_on(&mut self, waiting: &mut Waiting, inlets: &[Inlet], clock: &Clock) -> u64 {
        waiting.sort();
        let mut sent = 0;
        for packets in waiting.packets().chunk_by(|a, b| a.room == b.room) {
            let Some(Room { recipients, past, feeds }) = self.rooms.get_mut(&packets[0].room) else { continue };
            let now = clock.now();
            self.kept.clear();
            self.kept.extend(packets.iter().map(|p| past.keep(now, p, waiting.frames(p))));
            if *feeds {
                let took = packets.iter().filter(|p| self.feed.push(p.room, p.arrived, waiting.frames(p))).count();
                self.counters.dropped_many(Dropped::MixerFull, (packets.len() - took) as u64);
            }
            for recipient in recipients.iter_mut().filter(|r| r.separate) {
                let path = recipient.route.load();
                let Some(path) = path.as_deref() else { continue };
                let mut begin = 0;
                for (of, packets) in equal_sizes(packets) {
                    let kept = &self.kept[begin..begin + packets.len()];
                    begin += packets.len();
                    let sealed = &mut self.sealed;
                    let mut run = Run { now, past, kept, recipient, path, sealed, of, taken: 0, made: 0 };
                    run.send(packets, waiting, inlets);
                    let (made, taken) = (run.made, run.taken);
                    sent += taken;
                    self.counters.forwarded.add_many(taken);
                    self.counters.dropped_many(Dropped::NotSent, made - taken);
                }
                if recipient.again.has_again() {
                    send_again(recipient, path, past, &mut self.frames, &mut self.sealed, inlets, &self.counters);
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
    now: Micros,
    past: &'a Past,
    kept: &'a [Option<PacketId>],
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
        for (packet, kept) in packets.iter().zip(self.kept).filter(|(p, _)| p.maker != listener) {
            let Recipient { lane, again, .. } = &mut *self.recipient;
            let frames = waiting.frames(packet);
            let counter = lane.append(Class::Media, self.sealed, |out| out.extend_from_slice(frames));
            self.made += 1;
            if let Some(kept) = *kept {
                again.note(self.now, kept, frames.len(), || self.past.of(packet.source));
                again.sent(counter, kept, self.now);
            }
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

/// Sends one musician what is due to be sent again. All of it travels alone, so that no datagram becomes larger than
/// their path is known to carry, and what goes together keeps one size.
fn send_again(
    recipient: &mut Recipient,
    path: &Path,
    past: &Past,
    frames: &mut Vec<u8>,
    sealed: &mut Vec<u8>,
    inlets: &[Inlet],
    counters: &Counters,
) {
    let Some(inlet) = inlets.get(path.via.socket) else { return };
    loop {
        frames.clear();
        let Some((packet, first_sent)) = recipient.again.poll_again(|source| past.of(source), frames) else { return };
        let counter = recipient.lane.seal(Class::Media, sealed, |out| out.extend_from_slice(frames));
        recipient.again.sent(counter, packet, first_sent);
        match inlet.socket.send(sealed, path) {
            Ok(()) => counters.sent_again.add(),
            Err(_) => counters.dropped(Dropped::NotSent),
        }
    }
}
