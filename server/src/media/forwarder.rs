//! Forwarding: seals queued packets for each recipient of their room and sends those for one recipient together.

use super::counters::{Dropped, ThreadCounters};
use super::forward_queue::{ForwardQueue, QueuedPacket, RoomNumber};
use super::overload::{FairQueue, RoomShare, Shedder, TURN};
use super::retransmit_buffer::RetransmitBuffer;
use super::route::{MediaPath, Recipient};
use super::socket::{MAX_SEGMENTS, MAX_SEND_BYTES, PolledSocket};
use super::speaker_selection::{Selection, SpeakerSelection};
use super::tap::{TapId, TapSet, Taps};
use crate::real_time::ServerClock;
use rtjam_protocol::Micros;
use rtjam_protocol::datagram::{DATAGRAM_OVERHEAD, DatagramClass, MAX_DATAGRAM};
use rtjam_protocol::retransmit::{Feedback, PacketId};
use rtjam_protocol::{SessionId, SourceId};
use std::collections::HashMap;
use std::sync::Arc;

/// How often a recipient's feedback makes the forwarder collect the waits of all recipients, which is costly in a large room.
const COLLECT_WAITS_EVERY: Micros = Micros::from_millis(250);

/// A round ends after this long, even if packets are still queued: others may have arrived in the meantime.
const LONGEST_ROUND: Micros = Micros::from_millis(1);

/// Forwards what one thread receives.
pub(super) struct Forwarder {
    rooms: HashMap<RoomNumber, ForwardedRoom>,
    /// Concatenated datagrams of one size for one recipient.
    sealed: Vec<u8>,
    /// The frames of one datagram.
    frames: Vec<u8>,
    /// Where the packets of this turn are in the retransmit buffer.
    stored: Vec<Option<PacketId>>,
    /// How long each recipient of one musician waits.
    claims: Vec<Micros>,
    fair_queue: FairQueue,
    /// Changed selections that must be reported to their rooms.
    selections: Vec<(Arc<Selection>, Arc<SpeakerSelection>)>,
    /// Which packets of the queue have been forwarded in this round.
    done: Vec<bool>,
    taps: Taps,
    counters: Arc<ThreadCounters>,
}

/// A room at one thread.
#[derive(Default)]
struct ForwardedRoom {
    recipients: Vec<Recipient>,
    retransmit_buffer: RetransmitBuffer,
    /// The consumers that want the room's packets.
    tapped: TapSet,
    share: RoomShare,
    shedder: Shedder,
    /// The greatest age of packets that are forwarded in this round; `None` for any age.
    oldest_allowed: Option<Micros>,
    /// Set in a crowded room.
    selection: Option<Arc<SpeakerSelection>>,
}

impl Forwarder {
    pub(super) fn new(counters: Arc<ThreadCounters>, taps: Taps) -> Forwarder {
        Forwarder {
            rooms: HashMap::new(),
            sealed: Vec::with_capacity(MAX_SEND_BYTES),
            frames: Vec::with_capacity(MAX_DATAGRAM),
            stored: Vec::new(),
            claims: Vec::new(),
            fair_queue: FairQueue::default(),
            selections: Vec::new(),
            done: Vec::new(),
            taps,
            counters,
        }
    }

    /// Forwards the room's packets to another recipient, too.
    pub(super) fn add(&mut self, room: RoomNumber, recipient: Recipient) {
        self.rooms.entry(room).or_default().recipients.push(recipient);
    }

    /// Starts or stops offering the room's packets to a tap.
    pub(super) fn set_tap(&mut self, room: RoomNumber, tap: TapId, on: bool) {
        if let Some(room) = self.rooms.get_mut(&room) {
            room.tapped.set(tap, on);
        }
    }

    /// Starts or stops forwarding to a recipient, who receives a mix instead.
    pub(super) fn set_forwarded(&mut self, room: RoomNumber, session: SessionId, on: bool) {
        if let Some(recipient) = self.recipient(room, session) {
            recipient.forwarded = on;
        }
    }

    /// The room has become crowded, or is not crowded any more.
    pub(super) fn set_selection(&mut self, room: RoomNumber, selection: Option<Arc<SpeakerSelection>>) {
        if let Some(room) = self.rooms.get_mut(&room) {
            room.recipients.iter_mut().for_each(Recipient::hear_all);
            room.selection = selection;
        }
    }

    /// The recipient receives these sources in any case.
    pub(super) fn pin(&mut self, room: RoomNumber, session: SessionId, pinned: Vec<SourceId>) {
        if let Some(recipient) = self.recipient(room, session) {
            recipient.pinned = pinned;
            // The next packet applies the selection again.
            recipient.selection_version = 0;
        }
    }

    fn recipient(&mut self, room: RoomNumber, session: SessionId) -> Option<&mut Recipient> {
        self.rooms.get_mut(&room)?.recipients.iter_mut().find(|r| r.session == session)
    }

    /// A selection that must be reported to its room, if any.
    pub(super) fn poll_selection(&mut self) -> Option<(Arc<Selection>, Arc<SpeakerSelection>)> {
        self.selections.pop()
    }

    /// Forgets a session.
    pub(super) fn remove(&mut self, room: RoomNumber, session: SessionId) {
        let Some(found) = self.rooms.get_mut(&room) else { return };
        found.recipients.retain(|r| r.session != session);
        found.retransmit_buffer.forget(session);
        if found.recipients.is_empty() {
            self.rooms.remove(&room);
        }
    }

    /// Handles NACKs of a recipient for this thread's lane, and retransmits. `set_waits` receives, for each musician, how
    /// long the recipients wait for late packets.
    pub(super) fn handle_feedback(
        &mut self,
        now: Micros,
        (room, session): (RoomNumber, SessionId),
        feedback: &Feedback,
        sockets: &[PolledSocket],
        mut set_waits: impl FnMut(SessionId, &mut Vec<Micros>),
    ) {
        let Some(ForwardedRoom { recipients, retransmit_buffer, .. }) = self.rooms.get_mut(&room) else { return };
        let Some(recipient) = recipients.iter_mut().find(|r| r.session == session) else { return };
        recipient.retransmitter.handle_feedback(now, feedback);
        let route = recipient.route.load();
        if let Some(path) = route.as_deref() {
            let scratch = (&mut self.frames, &mut self.sealed);
            retransmit_buffer.retransmit(recipient, path, scratch, sockets, &self.counters);
        }
        if now.since(recipient.waits_told) < COLLECT_WAITS_EVERY {
            return;
        }
        recipient.waits_told = now;
        for (source, _) in feedback.waits.iter() {
            let Some(sender) = retransmit_buffer.sender(source) else { continue };
            self.claims.clear();
            self.claims.extend(recipients.iter().filter_map(|r| r.claimed_wait(now, source)));
            set_waits(sender, &mut self.claims);
        }
    }

    /// Forwards queued packets to everyone in their room but their sender: all of them, or as many as fit into
    /// [`LONGEST_ROUND`], each room in its turn. Returns how many datagrams were sent.
    pub(super) fn forward(&mut self, queue: &mut ForwardQueue, sockets: &[PolledSocket], clock: &ServerClock) -> u64 {
        if queue.is_empty() {
            return 0;
        }
        let begun = clock.now();
        self.shed_load(begun, queue);
        self.schedule(queue);
        self.done.clear();
        self.done.resize(queue.packets().len(), false);
        let mut sent = 0;
        while let Some(turn) = self.fair_queue.next() {
            let room = queue.packets()[turn.begin].room;
            let recipients = self.rooms.get(&room).map_or(1, |room| room.recipients.len()).max(1);
            let count = (TURN / recipients).clamp(1, turn.end - turn.begin);
            queue.sort_first(turn.begin..turn.end, count);
            let end = turn.begin + count;
            sent += self.send(room, &queue.packets()[turn.begin..end], queue, sockets, clock);
            self.done[turn.begin..end].fill(true);
            if let Some(room) = self.rooms.get_mut(&room) {
                self.fair_queue.record_served(turn, &mut room.share, end, count * recipients);
            }
            if clock.now().since(begun) >= LONGEST_ROUND {
                break;
            }
        }
        let done = &self.done;
        queue.remove(|index, _| done[index]);
        sent
    }

    /// If the queue is full, drops the older half of the packets of the room that has most to be forwarded.
    pub(super) fn make_room(&mut self, queue: &mut ForwardQueue) {
        if !queue.is_full() {
            return;
        }
        queue.sort();
        let work = |packets: &[QueuedPacket]| {
            packets.len() * self.rooms.get(&packets[0].room).map_or(1, |r| r.recipients.len())
        };
        let most = queue.packets().chunk_by(|a, b| a.room == b.room).max_by_key(|packets| work(packets));
        let Some((room, count)) = most.map(|packets| (packets[0].room, packets.len())) else { return };
        let mut ages: Vec<Micros> = queue.packets().iter().filter(|p| p.room == room).map(|p| p.arrived).collect();
        let (_, median, _) = ages.select_nth_unstable(count / 2);
        let median = *median;
        let dropped = queue.remove(|_, packet| packet.room == room && packet.arrived <= median);
        self.counters.add_dropped(Dropped::OverShare, dropped as u64);
    }

    /// Drops old packets of overloaded rooms.
    fn shed_load(&mut self, now: Micros, queue: &mut ForwardQueue) {
        queue.sort();
        let mut any = false;
        for packets in queue.packets().chunk_by(|a, b| a.room == b.room) {
            let Some(room) = self.rooms.get_mut(&packets[0].room) else { continue };
            let oldest = packets.iter().map(|p| now.since(p.arrived)).max().unwrap_or(Micros::ZERO);
            room.oldest_allowed = room.shedder.oldest_allowed(now, oldest);
            any |= room.oldest_allowed.is_some();
        }
        if any {
            let rooms = &self.rooms;
            let limit = |packet: &QueuedPacket| rooms.get(&packet.room).and_then(|room| room.oldest_allowed);
            let dropped = queue.remove(|_, p| limit(p).is_some_and(|limit| now.since(p.arrived) > limit));
            self.counters.add_dropped(Dropped::TooOld, dropped as u64);
        }
    }

    /// Gives each room with packets its turn.
    fn schedule(&mut self, queue: &ForwardQueue) {
        self.fair_queue.begin();
        let mut begin = 0;
        for packets in queue.packets().chunk_by(|a, b| a.room == b.room) {
            let end = begin + packets.len();
            let share = self.rooms.get(&packets[0].room).map(|room| room.share);
            self.fair_queue.add(share.unwrap_or_default(), begin, end);
            begin = end;
        }
    }

    /// Sends a room's packets to everyone in it but their senders. Returns how many datagrams were sent.
    fn send(
        &mut self,
        room: RoomNumber,
        packets: &[QueuedPacket],
        queue: &ForwardQueue,
        sockets: &[PolledSocket],
        clock: &ServerClock,
    ) -> u64 {
        let Some(ForwardedRoom { recipients, retransmit_buffer, tapped, selection, .. }) = self.rooms.get_mut(&room)
        else {
            return 0;
        };
        let (now, mut sent) = (clock.now(), 0);
        self.stored.clear();
        self.stored.extend(packets.iter().map(|p| retransmit_buffer.store(now, p, queue.frames(p))));
        if !tapped.is_empty() {
            self.taps.offer(*tapped, packets, queue, &self.counters);
        }
        if let Some(selection) = selection {
            packets.iter().for_each(|p| selection.measure(now, p.source, queue.frames(p)));
            self.selections.extend(selection.decide(now).map(|changed| (changed, selection.clone())));
            if let Some(selected) = selection.selection().as_deref() {
                recipients.iter_mut().for_each(|recipient| recipient.apply_selection(selected));
            }
        }
        for recipient in recipients.iter_mut().filter(|r| r.forwarded) {
            let path = recipient.route.load();
            let Some(path) = path.as_deref() else { continue };
            let mut begin = 0;
            for (size, packets) in equal_sizes(packets) {
                let stored = &self.stored[begin..begin + packets.len()];
                begin += packets.len();
                let sealed = &mut self.sealed;
                let mut run =
                    SameSizeRun { now, retransmit_buffer, stored, recipient, path, sealed, size, accepted: 0, made: 0 };
                run.send(packets, queue, sockets);
                let (made, accepted) = (run.made, run.accepted);
                sent += accepted;
                self.counters.forwarded.add(accepted);
                self.counters.add_dropped(Dropped::NotSent, made - accepted);
            }
            if recipient.retransmitter.has_pending() {
                let scratch = (&mut self.frames, &mut self.sealed);
                retransmit_buffer.retransmit(recipient, path, scratch, sockets, &self.counters);
            }
        }
        let now = clock.now();
        packets.iter().for_each(|p| self.counters.record_forwarding(now.since(p.arrived)));
        sent
    }
}

/// Runs of packets whose frames have one size.
fn equal_sizes(packets: &[QueuedPacket]) -> impl Iterator<Item = (usize, &[QueuedPacket])> {
    packets.chunk_by(|a, b| a.len == b.len).map(|run| (run[0].len, run))
}

/// Packets of one size on their way to one recipient.
struct SameSizeRun<'a> {
    now: Micros,
    retransmit_buffer: &'a RetransmitBuffer,
    stored: &'a [Option<PacketId>],
    recipient: &'a mut Recipient,
    path: &'a MediaPath,
    sealed: &'a mut Vec<u8>,
    /// Size of each packet's frames.
    size: usize,
    /// Datagrams made, and datagrams that the system accepted.
    made: u64,
    accepted: u64,
}

impl SameSizeRun<'_> {
    fn send(&mut self, packets: &[QueuedPacket], queue: &ForwardQueue, sockets: &[PolledSocket]) {
        let Some(polled) = sockets.get(self.path.local.socket) else { return };
        let size = self.size + DATAGRAM_OVERHEAD;
        let at_once = MAX_SEGMENTS.min(MAX_SEND_BYTES / size);
        self.sealed.clear();
        // Compared by source and not by session: a member may briefly have two sessions.
        let (own, heard) = (self.recipient.source, self.recipient.heard);
        let is_for_recipient = |packet: &QueuedPacket| packet.source != own && heard.contains(packet.source);
        for (packet, stored) in packets.iter().zip(self.stored).filter(|(p, _)| is_for_recipient(p)) {
            let Recipient { lane, retransmitter, .. } = &mut *self.recipient;
            let frames = queue.frames(packet);
            let counter = lane.append(DatagramClass::Media, self.sealed, |out| out.extend_from_slice(frames));
            self.made += 1;
            if let Some(stored) = *stored {
                retransmitter
                    .record_original(self.now, stored, frames.len(), || self.retransmit_buffer.history(packet.source));
                retransmitter.record_sent(counter, stored, self.now);
            }
            if self.sealed.len() >= at_once * size {
                self.flush(polled, size);
            }
        }
        self.flush(polled, size);
    }

    fn flush(&mut self, polled: &PolledSocket, size: usize) {
        if !self.sealed.is_empty() {
            self.accepted += polled.socket.send_all(self.sealed, size, self.path) as u64;
            self.sealed.clear();
        }
    }
}
