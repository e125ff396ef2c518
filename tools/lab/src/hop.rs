//! A traced network with retransmission: both ends are the protocol's own, and the trace is the downstream network.
//!
//! A copy arrives with the packet that carries it. A datagram that is sent at another time than the trace's packets has the
//! delay and loss of the previous packet. Feedback takes half of the round-trip time and is not lost.

use super::grid::Grid;
use super::sender::{Encoded, SOURCE};
use super::trace::Trace;
use rtjam_protocol::Micros;
use rtjam_protocol::SessionId;
use rtjam_protocol::datagram::{
    DATAGRAM_OVERHEAD, DatagramClass, DatagramHeader, Frame, Frames, MAX_DATAGRAM, write_audio,
};
use rtjam_protocol::retransmit::{
    Feedback, LossDetector, PacketHistory, ReceiverReport, RetransmitWaits, Retransmitter,
};
use rtjam_protocol::seal::{DidNotOpen, Key, KeyId, Lane, Nonce, NonceCounter, Sealer, SendLane};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An arrival, as the receiving thread passes it to the engine.
pub(super) struct Arrival {
    /// Arrival time.
    pub(super) at: Micros,
    /// Index of the packet in the trace.
    pub(super) packet: usize,
    /// Whether the packet is a retransmission.
    pub(super) again: bool,
}

/// A hop, on the receiver's clock.
pub(super) struct Hop<'a> {
    packets: &'a [Encoded],
    /// Send and arrival time of each packet, on the receiver's clock, and those that are never sent.
    sent: Vec<Micros>,
    arrived: Vec<Vec<Micros>>,
    skipped: &'a [usize],
    back: Micros,
    lane: SendLane,
    history: PacketHistory,
    sender: Retransmitter,
    receiver: LossDetector,
    /// Number of packets sent so far.
    next: usize,
    on_the_way: BTreeMap<(Micros, u64), Event>,
    events: u64,
    original_bytes: u64,
}

enum Event {
    /// A datagram arrives, for the first time or again.
    Datagram(Arc<[u8]>, bool),
    Feedback(Box<Feedback>),
}

impl<'a> Hop<'a> {
    /// The trace's network with the given round-trip time.
    pub(super) fn new(trace: &'a Trace, grid: &Grid, packets: &'a [Encoded], rtt: Micros) -> Hop<'a> {
        let arrived = trace.packets.iter().map(|p| p.arrived.iter().map(|&at| grid.local(at)).collect());
        let arrived: Vec<Vec<Micros>> = arrived.collect();
        let transits =
            trace.packets.iter().zip(&arrived).filter_map(|(p, a)| Some(a.first()?.0 as i64 - p.sent as i64));
        let shift = transits.min().unwrap_or(0) - trace.base_us as i64;
        let sent = trace.packets.iter().map(|p| Micros((p.sent as i64 + shift).max(0) as u64)).collect();
        Hop {
            packets,
            sent,
            arrived,
            skipped: &trace.skipped,
            back: Micros(rtt.0 / 2),
            lane: SendLane::new(Box::new(Plain), SessionId(1), KeyId(0), Lane::UPLINK[0]),
            history: PacketHistory::new(SOURCE),
            sender: Retransmitter::default(),
            receiver: LossDetector::default(),
            next: 0,
            on_the_way: BTreeMap::new(),
            events: 0,
            original_bytes: 0,
        }
    }

    /// Processes all events up to `now`; `wait` is how much later than usual a packet may arrive.
    pub(super) fn until(&mut self, now: Micros, wait: Micros, mut deliver: impl FnMut(Arrival)) {
        loop {
            let leaves = self.sent.get(self.next).copied();
            let comes = self.on_the_way.keys().next().map(|(at, _)| *at);
            let Some(at) = [leaves, comes].into_iter().flatten().min().filter(|at| *at <= now) else { return };
            if leaves == Some(at) {
                self.send(at);
                continue;
            }
            match self.on_the_way.pop_first().map(|(_, event)| event) {
                Some(Event::Datagram(datagram, first)) => {
                    self.receive(at, &datagram, first, &mut deliver);
                    self.ask(at, wait);
                }
                Some(Event::Feedback(feedback)) => {
                    self.sender.handle_feedback(at, &feedback);
                    self.send_again(at, self.next.saturating_sub(1));
                }
                None => {}
            }
        }
    }

    /// Retransmitted volume relative to the original volume.
    pub(super) fn extra_share(&self) -> f64 {
        self.sender.retransmitted_bytes() as f64 / self.original_bytes.max(1) as f64
    }

    fn send(&mut self, at: Micros) {
        let index = self.next;
        self.next += 1;
        if self.skipped.binary_search(&index).is_ok() {
            return;
        }
        let packet = &self.packets[index];
        let mut plain = Vec::new();
        write_audio(&packet.header, &packet.payload, &mut plain);
        self.original_bytes += (plain.len() + DATAGRAM_OVERHEAD) as u64;
        let Some(packet) = self.history.keep(at, &plain) else { return };
        let mut frames = Vec::new();
        self.sender.compose(at, packet, &plain, &self.history, MAX_DATAGRAM, &mut frames);
        let counter = self.launch(at, index, &frames);
        self.sender.record_sent(counter, packet, at);
        self.send_again(at, index);
    }

    fn send_again(&mut self, at: Micros, like: usize) {
        let mut frames = Vec::new();
        while let Some((packet, first_sent)) = self.sender.poll_retransmit(|_| Some(&self.history), &mut frames) {
            let counter = self.launch(at, like, &frames);
            self.sender.record_sent(counter, packet, first_sent);
            frames.clear();
        }
    }

    /// Sends a datagram now, with the delay and loss of packet `like`.
    fn launch(&mut self, at: Micros, like: usize, frames: &[u8]) -> NonceCounter {
        let mut out = Vec::new();
        let counter = self.lane.seal(DatagramClass::Media, &mut out, |out| out.extend_from_slice(frames));
        let datagram: Arc<[u8]> = out.into();
        for (copy, arrived) in self.arrived[like].iter().enumerate() {
            let transit = arrived.since(self.sent[like]);
            self.on_the_way.insert((at + transit, self.events), Event::Datagram(datagram.clone(), copy == 0));
            self.events += 1;
        }
        counter
    }

    fn receive(&mut self, at: Micros, datagram: &[u8], first: bool, deliver: &mut impl FnMut(Arrival)) {
        let Some(header) = DatagramHeader::read(datagram).filter(|_| first) else {
            // The replay window drops duplicates of the network.
            return;
        };
        self.receiver.handle_datagram(at, &header, datagram.len());
        for frame in Frames::new(&datagram[DatagramHeader::LEN..datagram.len() - 16]) {
            let (audio, again) = match frame {
                Frame::Audio(audio) => (audio, false),
                Frame::Copy(audio) => (audio, true),
                _ => continue,
            };
            let packet = audio.header.position.0 as usize / usize::from(audio.header.frames);
            deliver(Arrival { at, packet, again });
        }
    }

    fn ask(&mut self, at: Micros, wait: Micros) {
        let mut waits = RetransmitWaits::default();
        waits.add(SOURCE, wait);
        while let Some(feedback) = self.receiver.poll_feedback(at, || ReceiverReport { waits, recovered: 0 }) {
            self.on_the_way.insert((at + self.back, self.events), Event::Feedback(Box::new(feedback)));
            self.events += 1;
        }
    }
}

/// No encryption: nobody listens on the lab's network.
struct Plain;

impl Sealer for Plain {
    fn seal(&self, _: Nonce, _: &[u8], _: &mut [u8]) -> [u8; 16] {
        [0; 16]
    }

    fn open<'s>(&self, _: Nonce, _: &[u8], sealed: &'s mut [u8]) -> Result<&'s mut [u8], DidNotOpen> {
        Ok(sealed)
    }

    fn set_key(&mut self, _: &Key) {}
}
