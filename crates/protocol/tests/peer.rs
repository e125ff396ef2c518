//! The server's end of one musician's media.

mod common;

use core::net::SocketAddr;
use rtjam_protocol::control::{Features, SessionKeys};
use rtjam_protocol::datagram::{Class, ClockRequest, Frame, Header, MAX_DATAGRAM, Probe, write_frame};
use rtjam_protocol::peer::{Heard, KEEP_ALIVE_EVERY, Peer};
use rtjam_protocol::recovery::{Feedback, Missing, Waits};
use rtjam_protocol::seal::{Key, KeyId, Lane, ReceiveKey, Rejected, SendLane, Suite, ring::CRYPTO};
use rtjam_protocol::{Micros, SessionId};
use std::collections::VecDeque;

/// A peer and the musician's keys for it.
struct Pair {
    peer: Peer,
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
        let peer = Peer::new(Micros::ZERO, up.receive(), down.send_lane(Lane(0)), 9);
        Pair { peer, send: up.send_lane(Lane(0)), receive: down.receive(), challenges: 0 }
    }

    fn seal(&mut self, frames: &[Frame<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        self.send.seal(Class::Session, &mut out, |out| frames.iter().for_each(|f| write_frame(f, out)));
        out
    }

    /// The peer takes a datagram; returns where media moved to.
    fn arrive(&mut self, now: Micros, from: SocketAddr, mut datagram: Vec<u8>) -> Result<Option<SocketAddr>, Rejected> {
        self.challenges = self.challenges.wrapping_add(1);
        let challenge = [self.challenges; 8];
        self.peer.handle_datagram(now, from, &mut datagram, || challenge).map(|Heard { moved_to, .. }| moved_to)
    }

    /// All that the peer sends now: address, bytes, first frame.
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

    /// Speaks from `from` until media goes there.
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

#[test]
fn a_path_with_a_long_round_trip_is_found() {
    let mut pair = Pair::new();
    let mut on_the_way = VecDeque::new();
    let mut found = None;
    // A datagram every 10 ms; what the server says takes 600 ms to come back as an answer.
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

#[test]
fn a_second_address_does_not_stop_the_first_from_being_found() {
    let mut pair = Pair::new();
    let first = pair.seal(&[clock()]);
    pair.arrive(ms(0), address(1), first).expect("opens");
    let challenge = pair.challenge(ms(0)).expect("challenged");
    // Someone on the path copies a datagram and is faster than the original.
    let copied = pair.seal(&[clock()]);
    pair.arrive(ms(300), address(66), copied).expect("opens");
    pair.drain(ms(300));
    let answer = pair.seal(&[Frame::PathResponse(challenge)]);
    assert_eq!(pair.arrive(ms(310), address(1), answer), Ok(Some(address(1))));
}

#[test]
fn an_answer_from_elsewhere_proves_nothing() {
    let mut pair = Pair::new();
    let first = pair.seal(&[clock()]);
    pair.arrive(ms(0), address(1), first).expect("opens");
    let challenge = pair.challenge(ms(0)).expect("challenged");
    let answer = pair.seal(&[Frame::PathResponse(challenge)]);
    assert_eq!(pair.arrive(ms(10), address(2), answer), Ok(None));
    assert_eq!(pair.peer.path(), None);
}

#[test]
fn an_answer_to_an_old_challenge_does_not_take_media_back() {
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

#[test]
fn only_the_newest_datagram_of_a_lane_moves_anything() {
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

#[test]
fn challenges_come_at_most_four_times_a_second_and_are_no_larger_than_their_cause() {
    let mut pair = Pair::new();
    let mut challenges = Vec::new();
    for now in (0..1000).map(ms) {
        let datagram = pair.seal(&[clock()]);
        let size = datagram.len();
        // A new address each time: the limit is the session's, not the address's.
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

#[test]
fn one_datagram_has_one_answer_however_much_it_asks() {
    let mut pair = Pair::new();
    pair.settle(ms(0), address(1));
    let greedy: Vec<Frame<'_>> = (0..8).map(|id| Frame::ClockRequest(ClockRequest { sent: Micros(id) })).collect();
    let datagram = pair.seal(&greedy);
    pair.arrive(ms(10), address(1), datagram).expect("opens");
    assert_eq!(pair.drain(ms(10)).len(), 1);
    // Probes that claim more than their share of the datagram.
    let mut datagram = Vec::new();
    pair.send.seal(Class::Session, &mut datagram, |out| {
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

#[test]
fn of_a_flood_of_feedback_so_much_is_read_as_an_honest_end_may_send() {
    let mut pair = Pair::new();
    pair.settle(ms(0), address(1));
    let newest = Header::read(&pair.seal(&[clock()])).expect("a header").counter;
    let (waits, missing) = (Waits::default(), Missing::default());
    let feedback = Feedback { lane: Lane(0), newest, copies: true, lost: 0, recovered: 0, waits, missing };
    let mut read = 0;
    // A second, 20,000 of them.
    for n in 0..20_000 {
        let mut datagram = pair.seal(&[Frame::Feedback(feedback)]);
        let now = ms(10) + Micros(n * 50);
        let heard = pair.peer.handle_datagram(now, address(1), &mut datagram, || [0; 8]).expect("opens");
        read += usize::from(heard.feedback.is_some());
    }
    assert!((3000..=4200).contains(&read), "{read}");
}

#[test]
fn a_probe_is_answered_in_its_own_size_and_never_in_a_larger_one() {
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
    pair.send.seal(Class::Session, &mut liar, |out| out.extend_from_slice(&[10, 0, 4, 0, 1, 4, 0]));
    pair.arrive(ms(20), address(1), liar).expect("opens");
    assert_eq!(pair.drain(ms(20)).len(), 0);
}

#[test]
fn a_challenge_elsewhere_does_not_delay_the_keep_alive() {
    let mut pair = Pair::new();
    pair.settle(ms(0), address(1));
    let other = pair.seal(&[clock()]);
    pair.arrive(ms(250), address(2), other).expect("opens");
    let mut sent = pair.drain(ms(250));
    sent.sort_by_key(|(to, ..)| *to);
    assert!(matches!(sent[..], [(_, _, Some(Frame::KeepAlive)), (_, _, Some(Frame::PathChallenge(_)))]), "{sent:?}");
    assert_eq!(pair.peer.poll_timeout(), ms(250) + KEEP_ALIVE_EVERY);
}

#[test]
fn a_datagram_larger_than_any_that_is_sent_does_not_open() {
    let mut pair = Pair::new();
    let mut large = Vec::new();
    pair.send.seal(Class::Media, &mut large, |out| out.resize(MAX_DATAGRAM, 0));
    assert_eq!(pair.arrive(ms(0), address(1), large), Err(Rejected::NotOurs));
}

#[test]
fn nothing_is_said_to_an_address_that_sent_nothing_genuine() {
    let mut pair = Pair::new();
    let mut forged = pair.seal(&[clock()]);
    *forged.last_mut().expect("bytes") ^= 1;
    assert_eq!(pair.arrive(ms(0), address(66), forged), Err(Rejected::DidNotOpen));
    assert_eq!(pair.drain(ms(1000)), []);
}

#[test]
fn a_goodbye_is_said_once_and_only_to_a_path_that_was_found() {
    let mut pair = Pair::new();
    pair.peer.end();
    assert_eq!(pair.drain(ms(0)), []);
    pair.settle(ms(0), address(1));
    pair.peer.end();
    pair.peer.end();
    assert_eq!(pair.drain(ms(0)).len(), 1);
}

/// A third lane of one musician is dropped, and the two that came first go on.
#[test]
fn a_third_uplink_lane_is_dropped() {
    let mut pair = Pair::new();
    let up = keys().uplink(SESSION, Features::SUPPORTED, CRYPTO);
    let mut lanes: Vec<SendLane> = [5, 9, 0].map(|n| up.send_lane(Lane(n))).into();
    let mut arrive = |lane: usize| {
        let mut out = Vec::new();
        lanes[lane].seal(Class::Media, &mut out, |out| write_frame(&clock(), out));
        pair.arrive(ms(0), address(1), out)
    };
    assert_eq!((arrive(0), arrive(1)), (Ok(None), Ok(None)));
    assert_eq!(arrive(2), Err(Rejected::TooManyLanes));
    assert_eq!((arrive(0), arrive(1), arrive(2)), (Ok(None), Ok(None), Err(Rejected::TooManyLanes)));
}
