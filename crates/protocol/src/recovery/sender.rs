//! The sending end of a hop: what to send again, and within which bounds.

use super::{Feedback, History, KEPT_FOR, PacketId, Waits};
use crate::datagram::DATAGRAM_OVERHEAD;
use crate::ids::SourceId;
use crate::seal::Counter;
use crate::time::Micros;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

/// Datagrams of a lane that are remembered: 340 ms of one musician at 16 frames, of twelve at 192.
const LOG: usize = 1024;

/// Copies go on for so long after the last feedback that asked for them.
const COPIES_LAST: Micros = Micros::from_secs(1);

/// What a receiver said that it waits holds for so long.
const WAITS_LAST: Micros = Micros::from_secs(5);

/// A packet is so much later than usual by chance: what must fit into the wait has this much to spare.
const MARGIN: Micros = Micros(700);

/// Resends are relied on while at most one in so many comes too late. A single one tells at the beginning; later what
/// came in time counts, up to the second number.
const TRUST: u8 = 8;
const MOST_TRUST: u8 = 32;

/// How many packets behind its carrier a copy is at the most.
const FARTHEST: u64 = 32;

/// Packets that wait to be sent again; what does not fit is not.
const MOST_WAITING: usize = 64;

/// Saved bandwidth, in bytes, is at most this: 85 ms of one musician's PCM16.
const MOST_CREDIT: usize = 16 * 1024;

/// Answers the feedback about one lane.
///
/// Driver's contract, for each datagram with new audio: [`History::keep`] its plain text, [`Sender::compose`] the
/// datagram, seal it, and tell [`Sender::sent`] its counter. Then, and after every
/// [`Sender::handle_feedback`], [`Sender::poll_again`] until it returns `None`, each in a datagram of its own that
/// [`Sender::sent`] is told of too.
///
/// **Bound.** Every byte sent again was earned by a byte sent for the first time, and at most 16 KiB are saved up. So
/// whatever the feedback says, this lane never carries more than twice what it would without, and nothing is sent
/// again before it was asked for.
pub struct Sender {
    log: Box<[Entry]>,
    copies_until: Micros,
    waits: Waits,
    waits_until: Micros,
    /// How well resends have been in time; below [`TRUST`] there are copies instead.
    trust: u8,
    again: VecDeque<PacketId>,
    credit: usize,
    extra: u64,
    lost: u32,
    recovered: u32,
}

/// What a datagram carried, and when that was first sent.
#[derive(Clone, Copy, Default)]
struct Entry {
    counter: u64,
    packet: PacketId,
    first_sent: Micros,
}

impl Default for Sender {
    fn default() -> Sender {
        Sender::new()
    }
}

impl Sender {
    /// Sends nothing twice until it is asked to. Allocates.
    pub fn new() -> Sender {
        Sender {
            // Counters begin at 1: 0 stands for none.
            log: vec![Entry::default(); LOG].into(),
            copies_until: Micros::ZERO,
            waits: Waits::default(),
            waits_until: Micros::ZERO,
            trust: TRUST,
            again: VecDeque::with_capacity(MOST_WAITING),
            credit: 0,
            extra: 0,
            lost: 0,
            recovered: 0,
        }
    }

    /// Appends to `out` the plain text of a datagram with new audio, and a copy of an earlier packet where copies are
    /// asked for and one fits into a datagram of `limit` bytes. One that does not fit travels alone, by
    /// [`Sender::poll_again`]. `history` is that of the musician whose audio it is, and has it as `packet`.
    pub fn compose(
        &mut self,
        now: Micros,
        packet: PacketId,
        plain: &[u8],
        history: &History,
        limit: usize,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(plain);
        let Some(copied) = self.first_time(now, packet, plain.len(), || Some(history)) else { return };
        let Some((bytes, _)) = history.get(copied) else { return };
        if DATAGRAM_OVERHEAD + plain.len() + bytes.len() > limit {
            self.ask(copied);
        } else if self.spend(bytes.len()) {
            out.extend_from_slice(bytes);
        }
    }

    /// In place of [`Sender::compose`] where copies travel alone: a datagram with `len` bytes of new audio goes out.
    /// `history`, that of the musician whose audio it is, is looked up only where copies are asked for.
    pub fn note<'h>(
        &mut self,
        now: Micros,
        packet: PacketId,
        len: usize,
        history: impl FnOnce() -> Option<&'h History>,
    ) {
        if let Some(copied) = self.first_time(now, packet, len, history) {
            self.ask(copied);
        }
    }

    /// The datagram was sealed with this counter.
    pub fn sent(&mut self, counter: Counter, packet: PacketId, first_sent: Micros) {
        let counter = counter.get();
        self.log[(counter % LOG as u64) as usize] = Entry { counter, packet, first_sent };
    }

    /// Takes what the receiver says.
    pub fn handle_feedback(&mut self, now: Micros, feedback: &Feedback) {
        (self.waits, self.waits_until) = (feedback.waits, now + WAITS_LAST);
        (self.lost, self.recovered) = (feedback.lost, feedback.recovered);
        let newest = feedback.newest.get();
        for behind in feedback.missing.iter() {
            let counter = newest.saturating_sub(behind);
            let entry = &mut self.log[(counter % LOG as u64) as usize];
            if counter == 0 || entry.counter != counter {
                continue;
            }
            // Sent again once: what of that is lost has a counter of its own.
            entry.counter = 0;
            let Entry { packet, first_sent, .. } = *entry;
            let late = now.since(first_sent);
            if late + MARGIN > self.wait(now, packet.source) {
                self.trust = self.trust.saturating_sub(TRUST);
            } else {
                self.trust = self.trust.saturating_add(1).min(MOST_TRUST);
                if !self.copies(now) {
                    self.ask(packet);
                }
            }
        }
        let copies = feedback.copies && self.trust < TRUST;
        self.copies_until = if copies { now + COPIES_LAST } else { now };
    }

    /// Appends a packet that is due to be sent again to `out`, and says which, and when it was first sent.
    /// `history` gives a musician's.
    pub fn poll_again<'h>(
        &mut self,
        history: impl Fn(SourceId) -> Option<&'h History>,
        out: &mut Vec<u8>,
    ) -> Option<(PacketId, Micros)> {
        while let Some(packet) = self.again.pop_front() {
            let Some((bytes, first_sent)) = history(packet.source).and_then(|h| h.get(packet)) else { continue };
            if self.spend(DATAGRAM_OVERHEAD + bytes.len()) {
                out.extend_from_slice(bytes);
                return Some((packet, first_sent));
            }
        }
        None
    }

    /// Whether something waits for [`Sender::poll_again`].
    pub fn has_again(&self) -> bool {
        !self.again.is_empty()
    }

    /// Bytes of UDP payload that were sent again, since the session began.
    pub fn extra_bytes(&self) -> u64 {
        self.extra
    }

    /// What the receiver last said of this hop: datagrams that never came, and packets that only copies and resends
    /// brought. Both wrap.
    pub fn told(&self) -> (u32, u32) {
        (self.lost, self.recovered)
    }

    /// How long the receiver waits for a musician's packets, where it has said so lately.
    pub fn wait_for(&self, now: Micros, source: SourceId) -> Option<Micros> {
        self.waits.of(source).filter(|_| now < self.waits_until)
    }

    /// Whether copies are sent now.
    fn copies(&self, now: Micros) -> bool {
        now < self.copies_until
    }

    /// Earns what new audio pays for; says which packet should be copied with it, if any.
    fn first_time<'h>(
        &mut self,
        now: Micros,
        packet: PacketId,
        len: usize,
        history: impl FnOnce() -> Option<&'h History>,
    ) -> Option<PacketId> {
        self.credit = (self.credit + DATAGRAM_OVERHEAD + len).min(MOST_CREDIT);
        let history = if self.copies(now) { history()? } else { return None };
        history.behind(packet, self.behind(now, history))
    }

    fn wait(&self, now: Micros, source: SourceId) -> Micros {
        self.wait_for(now, source).unwrap_or(Micros::ZERO)
    }

    /// How many packets behind its carrier a copy is: as many as the listener waits for, one at the least.
    fn behind(&self, now: Micros, history: &History) -> u32 {
        let span = history.span().0.max(1);
        let wait = self.wait(now, history.source()).0.min(KEPT_FOR.0);
        (wait.saturating_sub(MARGIN.0) / span).clamp(1, FARTHEST) as u32
    }

    fn ask(&mut self, packet: PacketId) {
        if self.again.len() < MOST_WAITING {
            self.again.push_back(packet);
        }
    }

    fn spend(&mut self, bytes: usize) -> bool {
        let left = self.credit.checked_sub(bytes);
        self.credit = left.unwrap_or(self.credit);
        self.extra += left.map_or(0, |_| bytes as u64);
        left.is_some()
    }
}
