//! The server's end of one client's media session.

mod common;

use core::net::SocketAddr;
use rtjam_protocol::control::{Features, SessionKeys};
use rtjam_protocol::datagram::{ClockRequest, DatagramClass, DatagramHeader, Frame, MAX_DATAGRAM, Probe, write_frame};
use rtjam_protocol::retransmit::{Feedback, MissingCounters, RetransmitWaits};
use rtjam_protocol::seal::{Key, KeyId, Lane, ReceiveKey, Rejected, SendLane, Suite, ring::CRYPTO};
use rtjam_protocol::server::{KEEP_ALIVE_EVERY, ReceivedDatagram, ServerSession};
use rtjam_protocol::{Micros, SessionId};
use std::collections::VecDeque;

/// A server session and the client's keys.
struct Pair {
    peer: ServerSession,
    send: SendLane,
    receive: ReceiveKey,
    challenges: u8,
}

const SESSION: SessionId = SessionId(7);

fn keys() -> SessionKeys {
    SessionKeys { suite: Suite::Aes128Gcm, id: KeyId(0), up: Key([1; 32]), down: Key([2; 32]) }
}

impl Pair {
    fn new() -> Pair {
        let keys = keys();
        let up = keys.uplink(SESSION, Features::SUPPORTED, CRYPTO);
        let down = keys.downlink(SESSION, Features::SUPPORTED, CRYPTO);
        let peer = ServerSession::new(Micros::ZERO, up.receive(), down.send_lane(Lane::session(0)), 9);
        Pair { peer, send: up.send_lane(Lane::UPLINK[0]), receive: down.receive(), challenges: 0 }
    }

    fn seal(&mut self, frames: &[Frame<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        self.send.seal(DatagramClass::Session, &mut out, |out| frames.iter().for_each(|f| write_frame(f, out)));
        out
    }

    /// Passes a datagram to the session. Returns the new path, if it changed.
    fn arrive(&mut self, now: Micros, from: SocketAddr, mut datagram: Vec<u8>) -> Result<Option<SocketAddr>, Rejected> {
        self.challenges = self.challenges.wrapping_add(1);
        let challenge = [self.challenges; 8];
        self.peer
            .handle_datagram(now, from, &mut datagram, || challenge)
            .map(|ReceivedDatagram { moved_to, .. }| moved_to)
    }

    /// All that the session sends now: address, size, first frame.
    fn drain(&mut self, now: Micros) -> Vec<(SocketAddr, usize, Option<Frame<'static>>)> {
        let (mut all, mut out) = (Vec::new(), Vec::new());
        while let Some(to) = self.peer.poll_transmit(now, &mut out) {
            let size = out.len();
            let opened = self.receive.open(now, &mut out).expect("genuine");
            let frame = match opened.frames().next() {
                Some(Frame::PathChallenge(data)) => Some(Frame::PathChallenge(data)),
                Some(Frame::KeepAlive) => Some(Frame::KeepAlive),
                Some(Frame::ProbeReply(p)) => Some(Frame::ProbeReply(p)),
                Some(Frame::ClockReply(c)) => Some(Frame::ClockReply(c)),
                _ => None,
            };
            all.push((to, size, frame));
        }
        all
    }

    /// Sends from `from` until it is the path.
    fn settle(&mut self, now: Micros, from: SocketAddr) {
        let hello = self.seal(&[clock()]);
        self.arrive(now, from, hello).expect("opens");
        let challenge = self.challenge(now).expect("challenged");
        let answer = self.seal(&[Frame::PathResponse(challenge)]);
        assert_eq!(self.arrive(now, from, answer), Ok(Some(from)));
    }

    fn challenge(&mut self, now: Micros) -> Option<[u8; 8]> {
        self.drain(now).into_iter().find_map(|(_, _, frame)| match frame {
            Some(Frame::PathChallenge(data)) => Some(data),
            _ => None,
        })
    }
}

fn clock() -> Frame<'static> {
    Frame::ClockRequest(ClockRequest { sent: Micros(1) })
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], port))
}

const fn ms(ms: u64) -> Micros {
    Micros::from_millis(ms)
}

/// A path is validated even if the round trip exceeds the interval between challenges.
#[test]
fn paths_with_long_round_trips_are_found() {
    let mut pair = Pair::new();
    let mut on_the_way = VecDeque::new();
    let mut found = None;
    // A datagram every 10 ms. A challenge is answered after 600 ms.
    for now in (0..2000).step_by(10).map(ms) {
        let datagram = pair.seal(&[clock()]);
        pair.arrive(now, address(1), datagram).expect("opens");
        on_the_way.extend(pair.challenge(now).map(|data| (now + ms(600), data)));
        if let Some((_, data)) = on_the_way.pop_front_if(|(due, _)| *due <= now) {
            let answer = pair.seal(&[Frame::PathResponse(data)]);
            found = found.or(pair.arrive(now, address(1), answer).expect("opens"));
        }
    }
    assert_eq!(found, Some(address(1)));
}

/// A second address does not keep the first from being validated.
#[test]
fn competing_addresses_do_not_block_validation() {
    let mut pair = Pair::new();
    let first = pair.seal(&[clock()]);
    pair.arrive(ms(0), address(1), first).expect("opens");
    let challenge = pair.challenge(ms(0)).expect("challenged");
    // An attacker on the path copies a datagram and is faster than the original.
    let copied = pair.seal(&[clock()]);
    pair.arrive(ms(300), address(66), copied).expect("opens");
    pair.drain(ms(300));
    let answer = pair.seal(&[Frame::PathResponse(challenge)]);
    assert_eq!(pair.arrive(ms(310), address(1), answer), Ok(Some(address(1))));
}

/// A path response from another address validates nothing.
#[test]
fn responses_from_other_addresses_are_ignored() {
    let mut pair = Pair::new();
    let first = pair.seal(&[clock()]);
    pair.arrive(ms(0), address(1), first).expect("opens");
    let challenge = pair.challenge(ms(0)).expect("challenged");
    let answer = pair.seal(&[Frame::PathResponse(challenge)]);
    assert_eq!(pair.arrive(ms(10), address(2), answer), Ok(None));
    assert_eq!(pair.peer.path(), None);
}

/// A late response to an old challenge does not move the path back.
#[test]
fn old_responses_do_not_move_the_path() {
    let mut pair = Pair::new();
    pair.settle(ms(0), address(1));
    let moved = pair.seal(&[clock()]);
    pair.arrive(ms(1000), address(2), moved).expect("opens");
    let old = pair.challenge(ms(1000)).expect("challenged");
    let late = pair.seal(&[Frame::PathResponse(old)]);
    pair.settle(ms(1300), address(3));
    assert_eq!(pair.arrive(ms(1400), address(2), late), Ok(None));
    assert_eq!(pair.peer.path(), Some(address(3)));
}

/// Only the newest datagram of a lane can move the path.
#[test]
fn only_newest_datagrams_move_the_path() {
    let mut pair = Pair::new();
    pair.settle(ms(0), address(1));
    let delayed = pair.seal(&[clock()]);
    let newer = pair.seal(&[clock()]);
    let replayed = newer.clone();
    pair.arrive(ms(500), address(1), newer).expect("opens");
    pair.drain(ms(500));
    assert_eq!(pair.arrive(ms(510), address(2), delayed), Ok(None));
    assert_eq!(pair.arrive(ms(520), address(2), replayed), Err(Rejected::Replayed));
    assert!(pair.drain(ms(520)).iter().all(|(to, ..)| *to == address(1)));
}

/// There are at most four challenges a second, none larger than its cause.
#[test]
fn challenges_are_limited() {
    let mut pair = Pair::new();
    let mut challenges = Vec::new();
    for now in (0..1000).map(ms) {
        let datagram = pair.seal(&[clock()]);
        let size = datagram.len();
        // A new address each time: the limit applies to the session and not to the address.
        pair.arrive(now, address(1000 + now.0 as u16 / 1000), datagram).expect("opens");
        for (_, sent, _) in pair.drain(now) {
            assert!(sent <= size);
            challenges.push(now);
        }
    }
    assert_eq!(challenges.len(), 4);
    let tiny = pair.seal(&[Frame::KeepAlive]);
    pair.arrive(ms(2000), address(1), tiny).expect("opens");
    assert_eq!(pair.drain(ms(2000)).len(), 0, "a challenge is larger than a keep-alive");
}

/// One datagram gets one reply, however many requests it contains.
#[test]
fn each_datagram_gets_one_reply() {
    let mut pair = Pair::new();
    pair.settle(ms(0), address(1));
    let greedy: Vec<Frame<'_>> = (0..8).map(|id| Frame::ClockRequest(ClockRequest { sent: Micros(id) })).collect();
    let datagram = pair.seal(&greedy);
    pair.arrive(ms(10), address(1), datagram).expect("opens");
    assert_eq!(pair.drain(ms(10)).len(), 1);
    // Probes that claim more than their share of the datagram.
    let mut datagram = Vec::new();
    pair.send.seal(DatagramClass::Session, &mut datagram, |out| {
        for id in 0..8 {
            out.extend_from_slice(&[10, 0, 4, 0, id, 4, 0]);
        }
        out.extend_from_slice(&[200, 4, 100]);
        out.resize(1100, 0);
    });
    let size = datagram.len();
    pair.arrive(ms(20), address(1), datagram).expect("opens");
    let sent: usize = pair.drain(ms(20)).iter().map(|(_, size, _)| size).sum();
    assert!(0 < sent && sent <= size, "{sent} bytes for {size}");
}

/// From a flood of feedback, only the rate of an honest client is processed.
#[test]
fn feedback_floods_are_limited() {
    let mut pair = Pair::new();
    pair.settle(ms(0), address(1));
    let newest = DatagramHeader::read(&pair.seal(&[clock()])).expect("a header").counter;
    let (waits, missing) = (RetransmitWaits::default(), MissingCounters::default());
    let feedback = Feedback { lane: Lane::from_number(0), newest, copies: true, lost: 0, recovered: 0, waits, missing };
    let mut read = 0;
    // 20,000 within a second.
    for n in 0..20_000 {
        let mut datagram = pair.seal(&[Frame::Feedback(feedback)]);
        let now = ms(10) + Micros(n * 50);
        let heard = pair.peer.handle_datagram(now, address(1), &mut datagram, || [0; 8]).expect("opens");
        read += usize::from(heard.feedback.is_some());
    }
    assert!((3000..=4200).contains(&read), "{read}");
}

/// A probe is answered in its own size and never in a larger one.
#[test]
fn probe_replies_have_the_probe_size() {
    let mut pair = Pair::new();
    pair.settle(ms(0), address(1));
    for size in [540, 800, MAX_DATAGRAM as u16] {
        let probe = pair.seal(&[Frame::Probe(Probe { id: 1, size })]);
        pair.arrive(ms(10), address(1), probe).expect("opens");
        assert_eq!(
            pair.drain(ms(10)),
            [(address(1), usize::from(size), Some(Frame::ProbeReply(Probe { id: 1, size })))]
        );
    }
    let mut liar = Vec::new();
    pair.send.seal(DatagramClass::Session, &mut liar, |out| out.extend_from_slice(&[10, 0, 4, 0, 1, 4, 0]));
    pair.arrive(ms(20), address(1), liar).expect("opens");
    assert_eq!(pair.drain(ms(20)).len(), 0);
}

/// A challenge to another address does not delay the keep-alive.
#[test]
fn challenges_do_not_delay_keep_alives() {
    let mut pair = Pair::new();
    pair.settle(ms(0), address(1));
    let other = pair.seal(&[clock()]);
    pair.arrive(ms(250), address(2), other).expect("opens");
    let mut sent = pair.drain(ms(250));
    sent.sort_by_key(|(to, ..)| *to);
    assert!(matches!(sent[..], [(_, _, Some(Frame::KeepAlive)), (_, _, Some(Frame::PathChallenge(_)))]), "{sent:?}");
    assert_eq!(pair.peer.poll_timeout(), ms(250) + KEEP_ALIVE_EVERY);
}

/// Datagrams above the maximum size do not open.
#[test]
fn oversized_datagrams_are_rejected() {
    let mut pair = Pair::new();
    let mut large = Vec::new();
    pair.send.seal(DatagramClass::Media, &mut large, |out| out.resize(MAX_DATAGRAM, 0));
    assert_eq!(pair.arrive(ms(0), address(1), large), Err(Rejected::NotOurs));
}

/// An address that sent only forged datagrams gets no reply.
#[test]
fn forged_datagrams_get_no_reply() {
    let mut pair = Pair::new();
    let mut forged = pair.seal(&[clock()]);
    *forged.last_mut().expect("bytes") ^= 1;
    assert_eq!(pair.arrive(ms(0), address(66), forged), Err(Rejected::DidNotOpen));
    assert_eq!(pair.drain(ms(1000)), []);
}

/// A goodbye is sent once, and only to a validated path.
#[test]
fn goodbyes_go_to_the_path_once() {
    let mut pair = Pair::new();
    pair.peer.end();
    assert_eq!(pair.drain(ms(0)), []);
    pair.settle(ms(0), address(1));
    pair.peer.end();
    pair.peer.end();
    assert_eq!(pair.drain(ms(0)).len(), 1);
}

/// Datagrams of a third lane are dropped, and the first two lanes continue.
#[test]
fn third_uplink_lane_is_dropped() {
    let mut pair = Pair::new();
    let up = keys().uplink(SESSION, Features::SUPPORTED, CRYPTO);
    let mut lanes: Vec<SendLane> = [5, 9, 0].map(|n| up.send_lane(Lane::from_number(n))).into();
    let mut arrive = |lane: usize| {
        let mut out = Vec::new();
        lanes[lane].seal(DatagramClass::Media, &mut out, |out| write_frame(&clock(), out));
        pair.arrive(ms(0), address(1), out)
    };
    assert_eq!((arrive(0), arrive(1)), (Ok(None), Ok(None)));
    assert_eq!(arrive(2), Err(Rejected::TooManyLanes));
    assert_eq!((arrive(0), arrive(1), arrive(2)), (Ok(None), Ok(None), Err(Rejected::TooManyLanes)));
}
