//! Handing on: what waits is sealed for each musician of its room, and what goes to one musician goes together.

use super::command::RoomKey;
use super::counters::{Counters, Dropped};
use super::crowd::{Choice, Crowd};
use super::mixer::Feed;
use super::past::Past;
use super::route::{Path, Recipient};
use super::share::{Share, TURN, Turns};
use super::shed::Shedder;
use super::socket::{MOST_AT_ONCE, MOST_BYTES_AT_ONCE};
use super::thread::Inlet;
use super::waiting::{Packet, Waiting};
use crate::clock::Clock;
use rtjam_protocol::Micros;
use rtjam_protocol::datagram::{DATAGRAM_OVERHEAD, DatagramClass, MAX_DATAGRAM};
use rtjam_protocol::retransmit::{Feedback, PacketId};
use rtjam_protocol::{SessionId, SourceId};
use std::collections::HashMap;
use std::sync::Arc;

/// How long others wait is looked up for one listener's feedback this often: in a large room it is some work.
const TELL_WAITS_EVERY: Micros = Micros::from_millis(250);

/// After this long a round ends, whatever waits still: others may have arrived meanwhile.
const LONGEST_ROUND: Micros = Micros::from_millis(1);

/// Who hears what a thread receives.
pub(super) struct Forwarder {
    rooms: HashMap<RoomKey, Room>,
    /// Datagrams of one size for one musician, one behind the other.
    sealed: Vec<u8>,
    /// The frames of one datagram.
    frames: Vec<u8>,
    /// Where the packets that are being handed on lie in their musicians' histories.
    kept: Vec<Option<PacketId>>,
    /// How long each listener of one musician waits.
    claims: Vec<Micros>,
    turns: Turns,
    /// What rooms should be told of whom their musicians are sent.
    chosen: Vec<(Arc<Choice>, Arc<Crowd>)>,
    /// What has been handed on in this round, by where it lies.
    done: Vec<bool>,
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
    /// What the room has had of the thread.
    share: Share,
    shedder: Shedder,
    /// How old packets may be that are handed on in this round; `None` for any age.
    oldest_allowed: Option<Micros>,
    /// In a room of more musicians than one is sent.
    crowd: Option<Arc<Crowd>>,
}

impl Forwarder {
    pub(super) fn new(counters: Arc<Counters>, feed: Feed) -> Forwarder {
        Forwarder {
            rooms: HashMap::new(),
            sealed: Vec::with_capacity(MOST_BYTES_AT_ONCE),
            frames: Vec::with_capacity(MAX_DATAGRAM),
            kept: Vec::new(),
            claims: Vec::new(),
            turns: Turns::default(),
            chosen: Vec::new(),
            done: Vec::new(),
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

    /// The room has more musicians than one is sent, or not any more.
    pub(super) fn crowd(&mut self, room: RoomKey, crowd: Option<Arc<Crowd>>) {
        if let Some(room) = self.rooms.get_mut(&room) {
            room.recipients.iter_mut().for_each(Recipient::hear_all);
            room.crowd = crowd;
        }
    }

    /// This one is sent these musicians in any case.
    pub(super) fn pin(&mut self, room: RoomKey, session: SessionId, pinned: Vec<SourceId>) {
        let recipients = self.rooms.get_mut(&room).map(|r| &mut r.recipients);
        if let Some(recipient) = recipients.and_then(|r| r.iter_mut().find(|r| r.session == session)) {
            recipient.pinned = pinned;
            // The next packet finds out whom they are sent.
            recipient.choice = 0;
        }
    }

    /// What a room should be told of whom its musicians are sent, if there is news.
    pub(super) fn poll_choice(&mut self) -> Option<(Arc<Choice>, Arc<Crowd>)> {
        self.chosen.pop()
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

    /// Takes what a musician misses of this thread's lane to them, and sends again what helps. `tell` hears for how long
    /// each of a musician's listeners waits for them.
    pub(super) fn handle_feedback(
        &mut self,
        now: Micros,
        (room, session): (RoomKey, SessionId),
        feedback: &Feedback,
        inlets: &[Inlet],
        mut tell: impl FnMut(SessionId, &mut Vec<Micros>),
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
            self.claims.clear();
            self.claims.extend(recipients.iter().filter_map(|r| r.claims_wait(now, source)));
            tell(maker, &mut self.claims);
        }
    }

    /// Sends what waits to everyone in its room but its maker: all of it, or what can be done in a moment, each room in its
    /// turn. Returns how many datagrams that were.
    pub(super) fn hand_on(&mut self, waiting: &mut Waiting, inlets: &[Inlet], clock: &Clock) -> u64 {
        if waiting.is_empty() {
            return 0;
        }
        let begun = clock.now();
        self.drop_old(begun, waiting);
        self.take_turns(waiting);
        self.done.clear();
        self.done.resize(waiting.packets().len(), false);
        let mut sent = 0;
        while let Some(turn) = self.turns.next() {
            let room = waiting.packets()[turn.begin].room;
            let listeners = self.rooms.get(&room).map_or(1, |room| room.recipients.len()).max(1);
            let count = (TURN / listeners).clamp(1, turn.end - turn.begin);
            waiting.sort_first(turn.begin..turn.end, count);
            let end = turn.begin + count;
            sent += self.send(room, &waiting.packets()[turn.begin..end], waiting, inlets, clock);
            self.done[turn.begin..end].fill(true);
            if let Some(room) = self.rooms.get_mut(&room) {
                self.turns.served(turn, &mut room.share, end, count * listeners);
            }
            if clock.now().since(begun) >= LONGEST_ROUND {
                break;
            }
        }
        let done = &self.done;
        waiting.forget(|at, _| done[at]);
        sent
    }

    /// Where nothing more fits: drops the older half of what waits for the room that has most to be forwarded.
    pub(super) fn make_room(&mut self, waiting: &mut Waiting) {
        if !waiting.is_full() {
            return;
        }
        waiting.sort();
        let work =
            |packets: &[Packet]| packets.len() * self.rooms.get(&packets[0].room).map_or(1, |r| r.recipients.len());
        let most = waiting.packets().chunk_by(|a, b| a.room == b.room).max_by_key(|packets| work(packets));
        let Some((room, count)) = most.map(|packets| (packets[0].room, packets.len())) else { return };
        let mut ages: Vec<Micros> = waiting.packets().iter().filter(|p| p.room == room).map(|p| p.arrived).collect();
        let (_, median, _) = ages.select_nth_unstable(count / 2);
        let median = *median;
        let dropped = waiting.forget(|_, packet| packet.room == room && packet.arrived <= median);
        self.counters.dropped_many(Dropped::OverShare, dropped as u64);
    }

    /// Drops what has waited too long, of the rooms whose packets have not been handed on in time for a while.
    fn drop_old(&mut self, now: Micros, waiting: &mut Waiting) {
        waiting.sort();
        let mut any = false;
        for packets in waiting.packets().chunk_by(|a, b| a.room == b.room) {
            let Some(room) = self.rooms.get_mut(&packets[0].room) else { continue };
            let oldest = packets.iter().map(|p| now.since(p.arrived)).max().unwrap_or(Micros::ZERO);
            room.oldest_allowed = room.shedder.oldest_allowed(now, oldest);
            any |= room.oldest_allowed.is_some();
        }
        if any {
            let rooms = &self.rooms;
            let limit = |packet: &Packet| rooms.get(&packet.room).and_then(|room| room.oldest_allowed);
            let dropped = waiting.forget(|_, p| limit(p).is_some_and(|limit| now.since(p.arrived) > limit));
            self.counters.dropped_many(Dropped::TooOld, dropped as u64);
        }
    }

    fn take_turns(&mut self, waiting: &Waiting) {
        self.turns.begin();
        let mut begin = 0;
        for packets in waiting.packets().chunk_by(|a, b| a.room == b.room) {
            let end = begin + packets.len();
            let share = self.rooms.get(&packets[0].room).map(|room| room.share);
            self.turns.add(share.unwrap_or_default(), begin, end);
            begin = end;
        }
    }

    /// Sends a room's packets to everyone there but their makers. Returns how many datagrams that were.
    fn send(&mut self, room: RoomKey, packets: &[Packet], waiting: &Waiting, inlets: &[Inlet], clock: &Clock) -> u64 {
        let Some(Room { recipients, past, feeds, crowd, .. }) = self.rooms.get_mut(&room) else { return 0 };
        let (now, mut sent) = (clock.now(), 0);
        self.kept.clear();
        self.kept.extend(packets.iter().map(|p| past.keep(now, p, waiting.frames(p))));
        if *feeds {
            let took = packets.iter().filter(|p| self.feed.push(p.room, p.arrived, waiting.frames(p))).count();
            self.counters.dropped_many(Dropped::MixerFull, (packets.len() - took) as u64);
        }
        if let Some(crowd) = crowd {
            packets.iter().for_each(|p| crowd.hear(now, p.source, waiting.frames(p)));
            self.chosen.extend(crowd.decide(now).map(|choice| (choice, crowd.clone())));
            if let Some(choice) = crowd.choice().as_deref() {
                recipients.iter_mut().for_each(|recipient| recipient.take_choice(choice));
            }
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
            if recipient.again.has_pending() {
                send_again(recipient, path, past, &mut self.frames, &mut self.sealed, inlets, &self.counters);
            }
        }
        let now = clock.now();
        packets.iter().for_each(|p| self.counters.forwarding_took(now.since(p.arrived)));
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
        // Not by session: one may have two for a moment.
        let (listener, heard) = (self.recipient.source, self.recipient.heard);
        let goes = |packet: &Packet| packet.source != listener && heard.has(packet.source);
        for (packet, kept) in packets.iter().zip(self.kept).filter(|(p, _)| goes(p)) {
            let Recipient { lane, again, .. } = &mut *self.recipient;
            let frames = waiting.frames(packet);
            let counter = lane.append(DatagramClass::Media, self.sealed, |out| out.extend_from_slice(frames));
            self.made += 1;
            if let Some(kept) = *kept {
                again.record_original(self.now, kept, frames.len(), || self.past.of(packet.source));
                again.record_sent(counter, kept, self.now);
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
        let Some((packet, first_sent)) = recipient.again.poll_retransmit(|source| past.of(source), frames) else {
            return;
        };
        let counter = recipient.lane.seal(DatagramClass::Media, sealed, |out| out.extend_from_slice(frames));
        recipient.again.record_sent(counter, packet, first_sent);
        match inlet.socket.send(sealed, path) {
            Ok(()) => counters.sent_again.add(),
            Err(_) => counters.dropped(Dropped::NotSent),
        }
    }
}
