//! One hop with packet loss, in virtual time: what is retransmitted, what that costs, and what a malicious end can cause.

mod common;

use common::XorShift;
use rtjam_protocol::audio::{AudioHeader, Codec, Layout, Peak};
use rtjam_protocol::datagram::{
    DATAGRAM_OVERHEAD, DatagramClass, DatagramHeader, FRAME_HEADER_LEN, Frame, Frames, MAX_DATAGRAM, write_audio,
};
use rtjam_protocol::retransmit::{
    Feedback, LossDetector, MissingCounters, PacketHistory, ReceiverReport, RetransmitWaits, Retransmitter,
};
use rtjam_protocol::seal::{DidNotOpen, Key, KeyId, Lane, Nonce, NonceCounter, Sealer, SendLane};
use rtjam_protocol::{FramePosition, Micros, Sequence, SessionId, SourceId, StreamId};
use std::collections::{BTreeMap, BTreeSet};

const SOURCE: SourceId = SourceId(3);
const FRAMES: u16 = 128;
/// Duration of a packet in µs.
const SPAN: u64 = 128_000 / 48;

/// Does not encrypt: only the counters matter.
struct Open;

impl Sealer for Open {
    fn seal(&self, _: Nonce, _: &[u8], _: &mut [u8]) -> [u8; 16] {
        [0; 16]
    }

    fn open<'a>(&self, _: Nonce, _: &[u8], sealed: &'a mut [u8]) -> Result<&'a mut [u8], DidNotOpen> {
        Ok(sealed)
    }

    fn set_key(&mut self, _: &Key) {}
}

/// The network: the delay of a datagram, or `None` if it is lost.
type Network<'a> = &'a mut dyn FnMut(Micros) -> Option<Micros>;

/// One hop: sender, receiver, and the datagrams in flight.
struct Hop {
    now: Micros,
    lane: SendLane,
    history: PacketHistory,
    sender: Retransmitter,
    receiver: LossDetector,
    /// The listener's retransmit wait.
    wait: Micros,
    back: Micros,
    codec: Codec,
    up: BTreeMap<(Micros, u64), Vec<u8>>,
    down: BTreeMap<(Micros, u64), Feedback>,
    /// When each packet was sent, when it first arrived, and whether as a copy.
    sent: Vec<Micros>,
    came: BTreeMap<u32, (Micros, bool)>,
    original_bytes: u64,
    sent_bytes: u64,
    datagrams: u64,
    feedback: Vec<Feedback>,
}

impl Hop {
    fn new(wait_us: u64, back_us: u64) -> Hop {
        Hop {
            now: Micros::from_secs(1),
            lane: SendLane::new(Box::new(Open), SessionId(1), KeyId(0), Lane::from_number(2)),
            history: PacketHistory::new(SOURCE),
            sender: Retransmitter::default(),
            receiver: LossDetector::default(),
            wait: Micros(wait_us),
            back: Micros(back_us),
            codec: Codec::Pcm16,
            up: BTreeMap::new(),
            down: BTreeMap::new(),
            sent: Vec::new(),
            came: BTreeMap::new(),
            original_bytes: 0,
            sent_bytes: 0,
            datagrams: 0,
            feedback: Vec::new(),
        }
    }

    /// Sends packets at intervals of 2.7 ms.
    fn play(&mut self, packets: usize, network: Network<'_>) {
        let from = self.sent.len();
        let begin = self.now;
        for n in 0..packets {
            self.pass(begin + Micros(n as u64 * SPAN), network);
            self.send((from + n) as u32, network);
        }
        self.pass(begin + Micros(packets as u64 * SPAN), network);
    }

    fn send(&mut self, sequence: u32, network: Network<'_>) {
        let header = AudioHeader {
            source: SOURCE,
            stream: StreamId(1),
            sequence: Sequence(sequence),
            position: FramePosition(u64::from(sequence) * u64::from(FRAMES)),
            codec: self.codec,
            layout: Layout::Stereo,
            frames: FRAMES,
            peak: [Peak(0); 2],
        };
        let payload = vec![sequence as u8; usize::from(FRAMES) * 2 * self.codec.bytes_per_sample()];
        let mut plain = Vec::new();
        write_audio(&header, &payload, &mut plain);
        self.sent.push(self.now);
        self.original_bytes += (plain.len() + DATAGRAM_OVERHEAD) as u64;
        let packet = self.history.keep(self.now, &plain).expect("audio");
        let mut frames = Vec::new();
        self.sender.compose(self.now, packet, &plain, &self.history, MAX_DATAGRAM, &mut frames);
        let counter = self.transmit(&frames, network);
        self.sender.record_sent(counter, packet, self.now);
        self.retransmit(network);
    }

    fn retransmit(&mut self, network: Network<'_>) {
        loop {
            let mut frames = Vec::new();
            let Some((packet, first)) = self.sender.poll_retransmit(|_| Some(&self.history), &mut frames) else {
                return;
            };
            let counter = self.transmit(&frames, network);
            self.sender.record_sent(counter, packet, first);
        }
    }

    fn transmit(&mut self, frames: &[u8], network: Network<'_>) -> NonceCounter {
        let mut out = Vec::new();
        let counter = self.lane.seal(DatagramClass::Media, &mut out, |out| out.extend_from_slice(frames));
        assert!(out.len() <= MAX_DATAGRAM, "{} bytes", out.len());
        self.sent_bytes += out.len() as u64;
        self.datagrams += 1;
        assert!(self.sent_bytes <= 2 * self.original_bytes, "{} of {}", self.sent_bytes, self.original_bytes);
        if let Some(transit) = network(self.now) {
            self.up.insert((self.now + transit, self.datagrams), out);
        }
        counter
    }

    /// Delivers what arrives before `until`.
    fn pass(&mut self, until: Micros, network: Network<'_>) {
        loop {
            let up = self.up.keys().next().map(|(at, _)| *at);
            let down = self.down.keys().next().map(|(at, _)| *at);
            let timer = self.receiver.poll_timeout().map(|at| at.max(self.now));
            let Some(at) = [up, down, timer].into_iter().flatten().min().filter(|at| *at <= until) else { break };
            self.now = at;
            if up == Some(at) {
                let (_, datagram) = self.up.pop_first().expect("there is one");
                self.receive(&datagram);
            } else if down == Some(at) {
                let (_, feedback) = self.down.pop_first().expect("there is one");
                self.sender.handle_feedback(self.now, &feedback);
                self.retransmit(network);
            }
            self.poll_feedback();
            assert!(self.receiver.poll_timeout().is_none_or(|t| t > self.now), "a timeout that does not advance");
        }
        self.now = until;
    }

    fn receive(&mut self, datagram: &[u8]) {
        let header = DatagramHeader::read(datagram).expect("a header");
        self.receiver.handle_datagram(self.now, &header, datagram.len());
        for frame in Frames::new(&datagram[DatagramHeader::LEN..datagram.len() - 16]) {
            let (audio, copied) = match frame {
                Frame::Audio(audio) => (audio, false),
                Frame::Copy(audio) => (audio, true),
                other => panic!("{other:?}"),
            };
            let sequence = audio.header.sequence.0;
            assert!(audio.payload.iter().all(|b| *b == sequence as u8), "another packet's sound");
            self.came.entry(sequence).or_insert((self.now, copied));
        }
    }

    fn poll_feedback(&mut self) {
        let mut waits = RetransmitWaits::default();
        waits.add(SOURCE, self.wait);
        while let Some(feedback) = self.receiver.poll_feedback(self.now, || ReceiverReport { waits, recovered: 0 }) {
            self.down.insert((self.now + self.back, self.feedback.len() as u64), feedback);
            self.feedback.push(feedback);
        }
    }

    /// Number of packets from `from` on that had not arrived `allowed` after their regular time.
    fn missed(&self, from: usize, usual: u64, allowed: u64) -> usize {
        let there = |n: &usize| {
            let due = self.sent[*n] + Micros(usual + allowed);
            self.came.get(&(*n as u32)).is_some_and(|(at, _)| *at <= due)
        };
        (from..self.sent.len() - 100).filter(|n| !there(n)).count()
    }

    fn extra_share(&self) -> f64 {
        self.sender.retransmitted_bytes() as f64 / self.original_bytes as f64
    }
}

/// A delay of 10 ms, and these datagrams lost.
fn losing(mut lost: impl FnMut(u64) -> bool) -> impl FnMut(Micros) -> Option<Micros> {
    let mut n = 0;
    move |_| {
        n += 1;
        (!lost(n)).then_some(Micros(10_000))
    }
}

/// Gilbert's model: a share of losses, in bursts of a mean length.
fn bursts(share: f64, run: f64, seed: u64) -> impl FnMut(u64) -> bool {
    let (mut random, mut losing) = (XorShift::new(seed), false);
    move |_| {
        let bound = if losing { 1.0 - 1.0 / run } else { share / run };
        losing = (random.below(1_000_000) as f64) < bound * 1e6;
        losing
    }
}

/// Without losses nothing is retransmitted, and feedback is rare.
#[test]
fn clean_network_needs_no_retransmissions() {
    let mut hop = Hop::new(1000, 10_000);
    hop.play(375 * 60, &mut losing(|_| false));
    assert_eq!((hop.sender.retransmitted_bytes(), hop.datagrams), (0, 375 * 60));
    assert!((58..=60).contains(&hop.feedback.len()), "{}", hop.feedback.len());
    assert!(hop.feedback.iter().all(|f| !f.copies && f.missing.is_empty() && f.lost == 0));
}

/// Copies repair losses if a retransmission on NACK would be too late.
#[test]
fn copies_repair_losses_when_nacks_are_late() {
    let mut hop = Hop::new(SPAN + 1000, 10_000);
    hop.play(375 * 60, &mut losing(bursts(0.02, 1.0, 1)));
    let lost = hop.receiver.lost() as usize;
    assert!((300..600).contains(&lost), "{lost}");
    assert!(hop.missed(0, 10_000, SPAN) * 10 < lost, "{} of {lost}", hop.missed(0, 10_000, SPAN));
    assert!(hop.extra_share() < 1.0, "{}", hop.extra_share());
}

/// Copies repair a burst of losses if the listener waits for that long.
#[test]
fn copies_repair_bursts_within_wait() {
    let mut hop = Hop::new(6 * SPAN, 10_000);
    hop.play(375 * 120, &mut losing(bursts(0.02, 2.0, 2)));
    let lost = hop.receiver.lost() as usize;
    assert!(hop.missed(0, 10_000, 6 * SPAN) * 4 < lost, "{} of {lost}", hop.missed(0, 10_000, 6 * SPAN));
}

/// If the round trip fits into the wait, retransmissions on NACK repair losses at the cost of the lost packets.
#[test]
fn nacks_repair_losses_cheaply() {
    let mut hop = Hop::new(40_000, 10_000);
    hop.play(375 * 60, &mut losing(bursts(0.02, 2.0, 3)));
    let lost = hop.receiver.lost() as usize;
    assert!(lost > 200 && hop.missed(0, 10_000, 40_000) * 10 < lost, "{} of {lost}", hop.missed(0, 10_000, 40_000));
    assert!(hop.extra_share() < 0.04, "{}", hop.extra_share());
}

/// Copies begin with a loss, and end 30 s after a single one or 60 s after recurring ones.
#[test]
fn copies_last_as_long_as_losses() {
    let one = |n: u64| n == 375 * 10 + 50;
    let many = |n: u64| (375 * 10..375 * 20).contains(&n) && n % 100 == 50;
    for (lost, lasts) in [(&one as &dyn Fn(u64) -> bool, 30), (&many, 60)] {
        let (mut hop, mut network) = (Hop::new(2000, 10_000), losing(lost));
        hop.play(375 * 10, &mut network);
        assert_eq!(hop.sender.retransmitted_bytes(), 0);
        hop.play(375 * 10, &mut network);
        let during = hop.sender.retransmitted_bytes();
        assert!(during > 0);
        hop.play(375 * (lasts - 12), &mut network);
        let most = hop.sender.retransmitted_bytes();
        assert!(most > during && hop.feedback.last().is_some_and(|f| f.copies), "{lasts} s");
        hop.play(375 * 14, &mut network);
        let after = hop.sender.retransmitted_bytes();
        hop.play(375 * 60, &mut network);
        assert_eq!(hop.sender.retransmitted_bytes(), after, "{lasts} s");
        assert!(hop.feedback.last().is_some_and(|f| !f.copies), "{lasts} s");
    }
}

/// A copy that does not fit into the datagram is sent in its own.
#[test]
fn oversized_copies_travel_alone() {
    let mut hop = Hop::new(SPAN + 1000, 10_000);
    hop.codec = Codec::F32;
    hop.play(375 * 30, &mut losing(bursts(0.02, 1.0, 4)));
    let lost = hop.receiver.lost() as usize;
    assert!(hop.datagrams > 375 * 50, "{}", hop.datagrams);
    assert!(hop.missed(0, 10_000, SPAN) * 4 < lost, "{} of {lost}", hop.missed(0, 10_000, SPAN));
}

/// Reordered datagrams are rarely reported as lost.
#[test]
fn reordering_is_not_loss() {
    let mut hop = Hop::new(2000, 10_000);
    let mut random = XorShift::new(5);
    let mut network = |_| Some(Micros(if random.chance(2) { 13_000 + random.below(5000) } else { 10_000 }));
    hop.play(375 * 60, &mut network);
    assert_eq!(hop.receiver.lost(), 0);
    assert!(hop.feedback.iter().all(|f| !f.copies));
    assert!(hop.extra_share() < 0.002, "{}", hop.extra_share());
}

/// Copies pause on a network where they cause more losses than they repair.
#[test]
fn harmful_copies_are_paused() {
    // The network carries 1.2 times the audio's bandwidth and drops the rest. Now and then it drops another datagram.
    let mut hop = Hop::new(SPAN + 1000, 10_000);
    let (mut n, mut free_at) = (0_u64, Micros::ZERO);
    let before: std::cell::Cell<u64> = std::cell::Cell::new(0);
    let mut lost_to_copies = 0;
    for _ in 0..375 * 120 {
        let bytes = &before;
        let size = hop.original_bytes.max(1);
        let mut network = |now: Micros| {
            n += 1;
            let queue = free_at.since(now);
            if n % 400 == 7 || queue.0 > 20_000 {
                lost_to_copies += u64::from(queue.0 > 20_000);
                return None;
            }
            // A datagram with a copy takes twice as long.
            let doubled = bytes.get() > 0;
            free_at = free_at.max(now) + Micros(if doubled { SPAN * 2 * 10 / 12 } else { SPAN * 10 / 12 });
            Some(Micros(10_000 + queue.0))
        };
        let extra = hop.sender.retransmitted_bytes();
        hop.play(1, &mut network);
        before.set(hop.sender.retransmitted_bytes() - extra);
        let _ = size;
    }
    let share = lost_to_copies as f64 / n as f64;
    assert!(share < 0.04, "{share} lost for copies");
    assert!(hop.extra_share() < 0.15, "{}", hop.extra_share());
}

/// No feedback makes a sender send more than twice its original traffic. [`Hop::transmit`] checks that for every
/// datagram.
#[test]
fn forged_feedback_cannot_exceed_the_limit() {
    for seed in 1..40 {
        let mut hop = Hop::new(2000, 10_000);
        hop.codec = if seed % 2 == 0 { Codec::Pcm16 } else { Codec::F32 };
        let mut random = XorShift::new(seed);
        let mut network = losing(|_| false);
        for _ in 0..2000 {
            let packets = random.below(4) as usize;
            hop.play(packets, &mut network);
            for _ in 0..random.below(4) {
                let mut waits = RetransmitWaits::default();
                waits.add(SOURCE, Micros(random.below(700_000)));
                let mut missing = MissingCounters::default();
                (0..random.below(200)).for_each(|_| missing.mark(random.below(150)));
                let counter = hop.lane_counter() + random.below(10);
                let feedback = Feedback {
                    lane: Lane::from_number(2),
                    newest: counter_of(counter),
                    copies: random.chance(80),
                    lost: random.next() as u32,
                    recovered: 0,
                    waits,
                    missing,
                };
                hop.sender.handle_feedback(hop.now, &feedback);
                hop.retransmit(&mut network);
            }
        }
        assert!(hop.extra_share() > 0.5, "{}", hop.extra_share());
    }
}

impl Hop {
    fn lane_counter(&self) -> u64 {
        self.datagrams
    }
}

/// A counter, read from a datagram's header.
fn counter_of(n: u64) -> NonceCounter {
    let mut bytes = [4; DatagramHeader::LEN];
    bytes[7..].copy_from_slice(&n.to_be_bytes()[1..]);
    DatagramHeader::read(&bytes).expect("a header").counter
}

/// Feedback is at most a sixteenth of the received bytes, whatever the sender does.
#[test]
fn feedback_is_a_sixteenth_at_most() {
    for seed in 1..20 {
        let mut random = XorShift::new(seed);
        let (mut receiver, mut now, mut counter) = (LossDetector::default(), Micros::from_secs(1), 1_u64);
        let (mut heard, mut said) = (0, 0);
        for _ in 0..20_000 {
            now += Micros(random.below(3000));
            counter = match random.below(20) {
                0 => random.next() >> 8,
                1 => counter.saturating_sub(random.below(300)),
                n => counter + n,
            };
            let (class, lane) = (DatagramClass::Media, Lane::from_number(random.below(100) as u8));
            let header =
                DatagramHeader { class, key: KeyId(0), lane, session: SessionId(1), counter: counter_of(counter) };
            let size = 40 + random.below(600) as usize;
            heard += size;
            receiver.handle_datagram(now, &header, size);
            let mut waits = RetransmitWaits::default();
            (0..32).for_each(|n| waits.add(SourceId(n), Micros(2000)));
            while let Some(feedback) = receiver.poll_feedback(now, || ReceiverReport { waits, recovered: 1 }) {
                let mut body = Vec::new();
                rtjam_protocol::datagram::write_frame(&Frame::Feedback(feedback), &mut body);
                assert!(body.len() <= Feedback::MAX_LEN + FRAME_HEADER_LEN);
                said += body.len() + DATAGRAM_OVERHEAD;
            }
            assert!(receiver.poll_timeout().is_none_or(|at| at > now));
        }
        assert!(said <= heard / 16 + 2000, "{said} for {heard}");
    }
}

/// Feedback ends when nothing arrives.
#[test]
fn silence_ends_feedback() {
    let mut hop = Hop::new(2000, 10_000);
    hop.play(3000, &mut losing(|n| n % 50 == 0));
    let said = hop.feedback.len();
    hop.pass(hop.now + Micros::from_secs(300), &mut losing(|_| true));
    assert!(hop.feedback.len() < said + 130, "{} more", hop.feedback.len() - said);
    assert_eq!(hop.receiver.poll_timeout(), None);
    let seen: BTreeSet<u32> = hop.came.keys().copied().collect();
    assert!(seen.len() > 2900);
}
