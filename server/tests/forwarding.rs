//! Forwarding of datagrams.

mod support;

use rtjam_protocol::Sequence;
use rtjam_protocol::SourceId;
use rtjam_protocol::control::{SeatRole, ServerMessage};
use rtjam_protocol::datagram::Frame;
use rtjam_protocol::link::Host;
use std::net::UdpSocket;
use std::time::{Duration, Instant};
use support::media::{QUIET, Received, TestMusician, audio, payload};
use support::{Server, TempDir, invite};

const SOUND: [i16; 32] = [7; 32];

fn sequences(heard: &[Received]) -> Vec<u32> {
    heard.iter().filter_map(|h| if let Received::Audio(_, Sequence(s), _) = h { Some(*s) } else { None }).collect()
}

/// Audio reaches all others in the room with its sender's number, and never its sender.
#[test]
fn audio_reaches_everyone_else_once() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let mut ann = TestMusician::join(&server.link, 1);
    let mut ben = TestMusician::join(&server.link, 2);
    let mut cleo = TestMusician::join(&server.link, 3);
    let mut elsewhere = TestMusician::join(&invite(&dir, &["elsewhere"]), 4);
    for sequence in 0..20 {
        ann.send_audio(sequence, &SOUND);
    }
    let all: Vec<Received> =
        (0..20).map(|s| Received::Audio(ann.joined.source, Sequence(s), payload(&SOUND))).collect();
    for other in [&mut ben, &mut cleo] {
        assert_eq!(other.listen(QUIET), all);
    }
    assert_eq!(ann.listen(QUIET), []);
    assert_eq!(elsewhere.listen(QUIET), []);
    assert_ne!(ann.joined.source, SourceId(777));
}

/// A server on all addresses answers from the address that a client uses.
#[test]
fn answers_come_from_the_addressed_ip() {
    let dir = TempDir::new();
    let server = Server::start_with(&dir, &["--listen", "0.0.0.0:0"]);
    let mut link = server.link.clone();
    // Only on Linux, 127.0.0.7 is another address of this machine.
    let others = if cfg!(target_os = "linux") { ["127.0.0.1", "127.0.0.7"] } else { ["127.0.0.1"; 2] };
    let mut musicians = others.map(|address| {
        link.host = Host::parse(address).expect("a host");
        TestMusician::join(&link, 1)
    });
    musicians[0].send_audio(1, &SOUND);
    // `TestMusician` checks the source address of each datagram.
    assert_eq!(sequences(&musicians[1].listen(QUIET)), [1]);
}

/// Listeners receive audio, and what they send is dropped.
#[test]
fn listeners_hear_but_are_silent() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let mut ann = TestMusician::join(&server.link, 1);
    let mut listener = TestMusician::join_as(&invite(&dir, &["--role", "listener"]), 2, SeatRole::Listener);
    ann.send_audio(1, &SOUND);
    // A listener receives a mix by default.
    assert_eq!(listener.wait_for("a mix", Received::source), SourceId::MIX);
    listener.send_audio(1, &SOUND);
    assert_eq!(ann.listen(QUIET), []);
}

/// Replayed, forged and malformed datagrams are dropped without an answer.
#[test]
fn bad_datagrams_get_no_answer() {
    let dir = TempDir::new();
    let server = Server::start_with(&dir, &["--listen", "127.0.0.1:0", "--log", "debug"]);
    let mut ann = TestMusician::join(&server.link, 1);
    let mut ben = TestMusician::join(&server.link, 2);
    let sound = payload(&SOUND);
    let datagram = ann.seal(&audio(1, &sound));
    ann.send_raw(&datagram);
    assert_eq!(sequences(&ben.listen(QUIET)), [1]);

    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    stranger.set_read_timeout(Some(QUIET)).expect("set");
    let mut forged = ann.seal(&audio(2, &sound));
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let mut long = datagram.clone();
    long.resize(3000, 0);
    for bad in [&datagram[..], &forged, &datagram[..20], &datagram[..1], &[], &[0; 1200], &[4; 1200], &long] {
        stranger.send_to(bad, server.address()).expect("sent");
    }
    assert!(stranger.recv_from(&mut [0; 100]).is_err(), "a stranger gets no answer");
    assert_eq!(ben.listen(QUIET), []);
    ann.send_audio(3, &SOUND);
    assert_eq!(sequences(&ben.listen(QUIET)), [3]);
}

/// Audio moves to a new address only after it has answered a challenge.
#[test]
fn new_address_must_answer_a_challenge() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let mut ann = TestMusician::join(&server.link, 1);
    let mut ben = TestMusician::join(&server.link, 2);
    let old = ben.socket.try_clone().expect("a second handle");
    old.set_read_timeout(Some(QUIET)).expect("set");

    ben.change_address();
    ben.answers = false;
    let challenge = ben.challenged();
    // Without an answer, audio stays on the old path.
    ann.send_audio(1, &SOUND);
    assert!(!ben.listen(QUIET).iter().any(Received::is_audio));
    assert!(old.recv_from(&mut [0; 2048]).is_ok());

    ben.answers = true;
    let start = Instant::now();
    ben.send(&Frame::PathResponse(challenge));
    let mut sequence = 2;
    while !ben.listen(Duration::from_millis(10)).iter().any(Received::is_audio) {
        assert!(start.elapsed() < Duration::from_millis(500), "audio does not continue within 500 ms");
        ann.send_audio(sequence, &SOUND);
        sequence += 1;
    }
}

/// A copy of a datagram from another address does not move the session.
#[test]
fn copied_datagrams_move_no_session() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let mut ann = TestMusician::join(&server.link, 1);
    let mut ben = TestMusician::join(&server.link, 2);
    let sound = payload(&SOUND);
    let (old, new) = (ben.seal(&audio(1, &sound)), ben.seal(&audio(2, &sound)));
    ben.send_raw(&new);
    assert_eq!(sequences(&ann.listen(QUIET)), [2]);
    let copier = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    copier.set_read_timeout(Some(QUIET)).expect("set");
    for copy in [&new, &old] {
        copier.send_to(copy, server.address()).expect("sent");
    }
    assert!(copier.recv_from(&mut [0; 2048]).is_err());
    ann.send_audio(1, &SOUND);
    assert_eq!(sequences(&ben.listen(QUIET)), [1]);
}

#[test]
fn server_sends_every_200_ms() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let ann = TestMusician::join(&server.link, 1);
    let start = Instant::now();
    ann.socket.set_read_timeout(Some(Duration::from_millis(450))).expect("set");
    for _ in 0..5 {
        ann.socket.recv_from(&mut [0; 2048]).expect("a datagram at least every 200 ms");
    }
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
}

#[test]
fn silent_sessions_end_after_five_seconds() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let mut ann = TestMusician::join(&server.link, 1);
    let ben = TestMusician::join(&server.link, 2);
    let (start, source) = (Instant::now(), ben.joined.source);
    // Ann keeps playing; only Ben is silent.
    let mut heard = Vec::new();
    for sequence in 0.. {
        if start.elapsed() > Duration::from_millis(4500) {
            break;
        }
        ann.send_audio(sequence, &SOUND);
        heard.extend(ann.listen(Duration::from_millis(100)));
    }
    assert_eq!(heard, []);
    let left = ann.control.wait_for_a_leave();
    assert_eq!(left, source);
    let took = start.elapsed();
    assert!(took > Duration::from_millis(4500) && took < Duration::from_secs(7), "{took:?}");
}

#[test]
fn goodbye_ends_the_session() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let mut ann = TestMusician::join(&server.link, 1);
    let mut ben = TestMusician::join(&server.link, 2);
    ben.send(&Frame::Goodbye);
    let start = Instant::now();
    ann.control.wait_for_a_leave();
    assert!(start.elapsed() < Duration::from_secs(2));
    while ben.control.hear().is_some() {}
}

/// On SIGTERM and SIGINT the server says goodbye to everyone and exits within a second.
#[cfg(unix)]
#[test]
fn shutdown_tells_everyone_within_a_second() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let dir = TempDir::new();
        let mut server = Server::start(&dir);
        let mut ann = TestMusician::join(&server.link, 1);
        server.signal(signal);
        let (code, took) = server.wait();
        assert_eq!(code, Some(0));
        assert!(took < Duration::from_secs(1), "{took:?}");
        ann.wait_for("a goodbye", |h| (*h == Received::Goodbye).then_some(()));
        ann.control.wait_for(|m| (*m == ServerMessage::GoingDown).then_some(()));
        assert_eq!(ann.control.hear(), None);
        assert!(server.log().contains("datagrams: received"), "{}", server.log());
    }
}
