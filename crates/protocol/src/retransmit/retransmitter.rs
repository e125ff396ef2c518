//! The sending end of a hop: retransmits within a bandwidth limit.

use super::RETRANSMIT_WINDOW;
use super::packet_history::{PacketHistory, PacketId};
use crate::datagram::{DATAGRAM_OVERHEAD, Feedback, RetransmitWaits};
use crate::ids::SourceId;
use crate::seal::NonceCounter;
use crate::time::Micros;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

/// Datagrams of a lane that are remembered: 340 ms of one musician with 16 frames a packet, or of twelve musicians with
/// 192.
const LOG_SIZE: usize = 1024;

/// Copies end this long after the last feedback that welcomes them.
const COPY_DURATION: Micros = Micros::from_secs(1);

/// Validity of the waits that a receiver reports.
const WAITS_VALID_FOR: Micros = Micros::from_secs(5);

/// Arrival times vary, so a retransmission must fit into the wait with this margin.
const JITTER_MARGIN: Micros = Micros(700);

/// NACKed packets are retransmitted as long as at most one in this many is too late. At first a single late one ends that;
/// packets that are in time raise the trust up to the second number.
const TRUST_THRESHOLD: u8 = 8;
const MAX_TRUST: u8 = 32;

/// The largest distance of a copy from its carrier, in packets.
const MAX_COPY_DISTANCE: u64 = 32;

/// The most packets that wait for retransmission. Further ones are not retransmitted.
const MAX_PENDING: usize = 64;

/// The most credit in bytes: 85 ms of one musician's PCM16.
const MAX_CREDIT: usize = 16 * 1024;

/// Retransmits the packets of one lane.
///
/// For each datagram with new audio, the driver calls [`PacketHistory::keep`] with its plaintext and
/// [`Retransmitter::compose`], seals the result, and reports its counter by [`Retransmitter::record_sent`]. Then, and after
/// every [`Retransmitter::handle_feedback`], it calls [`Retransmitter::poll_retransmit`] until that returns `None`, sends
/// each packet in a datagram of its own, and reports its counter as well.
///
/// **Bandwidth limit.** Each retransmitted byte costs credit that a byte of new audio has earned, and at most 16 KiB of
/// credit are saved up. So a lane never carries more than twice its original traffic, whatever the feedback says, and
/// nothing is retransmitted unless feedback asks for it.
pub struct Retransmitter {
    log: Box<[SentDatagram]>,
    copies_until: Micros,
    waits: RetransmitWaits,
    waits_until: Micros,
    /// How reliably retransmissions arrived in time. Below [`TRUST_THRESHOLD`] copies are sent instead.
    trust: u8,
    pending: VecDeque<PacketId>,
    credit: usize,
    retransmitted: u64,
    lost: u32,
    recovered: u32,
}

/// A sent datagram.
#[derive(Clone, Copy, Default)]
struct SentDatagram {
    counter: u64,
    packet: PacketId,
    first_sent: Micros,
}

impl Default for Retransmitter {
    /// Nothing sent yet. Allocates.
    fn default() -> Retransmitter {
        Retransmitter {
            // Counters start at 1, so 0 marks an unused entry.
            log: vec![SentDatagram::default(); LOG_SIZE].into(),
            copies_until: Micros::ZERO,
            waits: RetransmitWaits::default(),
            waits_until: Micros::ZERO,
            trust: TRUST_THRESHOLD,
            pending: VecDeque::with_capacity(MAX_PENDING),
            credit: 0,
            retransmitted: 0,
            lost: 0,
            recovered: 0,
        }
    }
}

impl Retransmitter {
    /// Appends the plaintext of a datagram with new audio to `out`. While copies are welcome, a copy of an earlier packet
    /// follows, if it fits into a datagram of `limit` bytes; otherwise [`Retransmitter::poll_retransmit`] returns it.
    /// `history` belongs to the musician, and contains the new audio as `packet`.
    pub fn compose(
        &mut self,
        now: Micros,
        packet: PacketId,
        plain: &[u8],
        history: &PacketHistory,
        limit: usize,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(plain);
        let Some(copied) = self.earn_credit(now, packet, plain.len(), || Some(history)) else { return };
        let Some((bytes, _)) = history.get(copied) else { return };
        if DATAGRAM_OVERHEAD + plain.len() + bytes.len() > limit {
            self.enqueue(copied);
        } else if self.spend(bytes.len()) {
            out.extend_from_slice(bytes);
        }
    }

    /// Replaces [`Retransmitter::compose`] where copies are sent in datagrams of their own: records that a datagram with
    /// `len` bytes of new audio is sent. `history` is called only while copies are welcome.
    pub fn record_original<'h>(
        &mut self,
        now: Micros,
        packet: PacketId,
        len: usize,
        history: impl FnOnce() -> Option<&'h PacketHistory>,
    ) {
        if let Some(copied) = self.earn_credit(now, packet, len, history) {
            self.enqueue(copied);
        }
    }

    /// Records the counter of a sealed datagram.
    pub fn record_sent(&mut self, counter: NonceCounter, packet: PacketId, first_sent: Micros) {
        let counter = counter.get();
        self.log[(counter % LOG_SIZE as u64) as usize] = SentDatagram { counter, packet, first_sent };
    }

    /// Takes the receiver's feedback.
    pub fn handle_feedback(&mut self, now: Micros, feedback: &Feedback) {
        (self.waits, self.waits_until) = (feedback.waits, now + WAITS_VALID_FOR);
        (self.lost, self.recovered) = (feedback.lost, feedback.recovered);
        let newest = feedback.newest.get();
        for behind in feedback.missing.iter() {
            let counter = newest.saturating_sub(behind);
            let entry = &mut self.log[(counter % LOG_SIZE as u64) as usize];
            if counter == 0 || entry.counter != counter {
                continue;
            }
            // Retransmitted once: if the retransmission is lost, its own counter is reported.
            entry.counter = 0;
            let SentDatagram { packet, first_sent, .. } = *entry;
            let late = now.since(first_sent);
            if late + JITTER_MARGIN > self.wait(now, packet.source) {
                self.trust = self.trust.saturating_sub(TRUST_THRESHOLD);
            } else {
                self.trust = self.trust.saturating_add(1).min(MAX_TRUST);
                if !self.sends_copies(now) {
                    self.enqueue(packet);
                }
            }
        }
        let copies = feedback.copies && self.trust < TRUST_THRESHOLD;
        self.copies_until = if copies { now + COPY_DURATION } else { now };
    }

    /// Appends the next packet to retransmit to `out`. Returns its id and the time when it was first sent. `history` looks
    /// up a musician's history.
    pub fn poll_retransmit<'h>(
        &mut self,
        history: impl Fn(SourceId) -> Option<&'h PacketHistory>,
        out: &mut Vec<u8>,
    ) -> Option<(PacketId, Micros)> {
        while let Some(packet) = self.pending.pop_front() {
            let Some((bytes, first_sent)) = history(packet.source).and_then(|h| h.get(packet)) else { continue };
            if self.spend(DATAGRAM_OVERHEAD + bytes.len()) {
                out.extend_from_slice(bytes);
                return Some((packet, first_sent));
            }
        }
        None
    }

    /// Whether a packet waits for [`Retransmitter::poll_retransmit`].
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Bytes of UDP payload retransmitted since the session began.
    pub fn retransmitted_bytes(&self) -> u64 {
        self.retransmitted
    }

    /// The receiver's latest counts of lost datagrams and of packets recovered by retransmission. Both wrap.
    pub fn reported_loss(&self) -> (u32, u32) {
        (self.lost, self.recovered)
    }

    /// The retransmit wait of a source, if the receiver has reported it lately.
    pub fn wait_for(&self, now: Micros, source: SourceId) -> Option<Micros> {
        self.waits.of(source).filter(|_| now < self.waits_until)
    }

    fn sends_copies(&self, now: Micros) -> bool {
        now < self.copies_until
    }

    /// Earns credit for new audio. Returns the packet to copy along with it, if any.
    fn earn_credit<'h>(
        &mut self,
        now: Micros,
        packet: PacketId,
        len: usize,
        history: impl FnOnce() -> Option<&'h PacketHistory>,
    ) -> Option<PacketId> {
        self.credit = (self.credit + DATAGRAM_OVERHEAD + len).min(MAX_CREDIT);
        let history = if self.sends_copies(now) { history()? } else { return None };
        history.behind(packet, self.copy_distance(now, history))
    }

    fn wait(&self, now: Micros, source: SourceId) -> Micros {
        self.wait_for(now, source).unwrap_or(Micros::ZERO)
    }

    /// How many packets behind its carrier a copy is: as many as the listener waits for, and at least one.
    fn copy_distance(&self, now: Micros, history: &PacketHistory) -> u32 {
        let packet_duration = history.packet_duration().0.max(1);
        let wait = self.wait(now, history.source()).0.min(RETRANSMIT_WINDOW.0);
        (wait.saturating_sub(JITTER_MARGIN.0) / packet_duration).clamp(1, MAX_COPY_DISTANCE) as u32
    }

    fn enqueue(&mut self, packet: PacketId) {
        if self.pending.len() < MAX_PENDING {
            self.pending.push_back(packet);
        }
    }

    fn spend(&mut self, bytes: usize) -> bool {
        let left = self.credit.checked_sub(bytes);
        self.credit = left.unwrap_or(self.credit);
        self.retransmitted += left.map_or(0, |_| bytes as u64);
        left.is_some()
    }
}
