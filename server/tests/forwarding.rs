//! What happens to datagrams.

mod support;

use rtjam_protocol::Sequence;
use rtjam_protocol::SourceId;
use rtjam_protocol::control::{SeatRole, ServerMessage};
use rtjam_protocol::datagram::Frame;
use rtjam_protocol::link::Host;
use std::net::UdpSocket;
use std::time::{Duration, Instant};
use support::media::{Heard, Musician, QUIET, audio, payload};
use support::{Server, TempDir, invite};

const SOUND: [i16; 32] = [7; 32];

fn sequences(heard: &[Heard]) -> Vec<u32> {
    heard.iter().filter_map(|h| if let Heard::Audio(_, Sequence(s), _) = h { Some(*s) } else { None }).collect()
}

#[test]
fn audio_goes_to_all_others_under_the_makers_number_and_never_back() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let mut ann = Musician::join(&server.link, 1);
    let mut ben = Musician::join(&server.link, 2);
    let mut cleo = Musician::join(&server.link, 3);
    let mut elsewhere = Musician::join(&invite(&dir, &["elsewhere"]), 4);
    for sequence in 0..20 {
        ann.send_audio(sequence, &SOUND);
    }
    let all: Vec<Heard> = (0..20).map(|s| Heard::Audio(ann.joined.source, Sequence(s), payload(&SOUND))).collect();
    for other in [&mut ben, &mut cleo] {
        assert_eq!(other.listen(QUIET), all);
    }
    assert_eq!(ann.listen(QUIET), []);
    assert_eq!(elsewhere.listen(QUIET), []);
    assert_ne!(ann.joined.source, SourceId(777));
}

#[test]
fn a_server_on_all_addresses_answers_from_the_one_that_was_spoken_to() {
    let dir = TempDir::new();
    let server = Server::start_with(&dir, &["--listen", "0.0.0.0:0"]);
    let mut link = server.link.clone();
    // 127.0.0.7 is another address of this machine on Linux alone.
    let others = if cfg!(target_os = "linux") { ["127.0.0.1", "127.0.0.7"] } else { ["127.0.0.1"; 2] };
    let mut musicians = others.map(|address| {
        link.host = Host::parse(address).expect("a host");
        Musician::join(&link, 1)
    });
    musicians[0].send_audio(1, &SOUND);
    // `Musician` looks at the address that a datagram comes from.
    assert_eq!(sequences(&musicians[1].listen(QUIET)), [1]);
}

#[test]
fn a_listener_hears_and_is_not_heard() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let mut ann = Musician::join(&server.link, 1);
    let mut listener = Musician::join_as(&invite(&dir, &["--role", "listener"]), 2, SeatRole::Listener);
    ann.send_audio(1, &SOUND);
    // Not Ann's packets, but a mix of them.
    assert_eq!(listener.wait_for("a mix", Heard::source), SourceId::MIX);
    listener.send_audio(1, &SOUND);
    assert_eq!(ann.listen(QUIET), []);
}

#[test]
fn replayed_and_forged_datagrams_go_nowhere_and_get_no_answer() {
    let dir = TempDir::new();
    let server = Server::start_with(&dir, &["--listen", "127.0.0.1:0", "--log", "debug"]);
    let mut ann = Musician::join(&server.link, 1);
    let mut ben = Musician::join(&server.link, 2);
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
    assert!(stranger.recv_from(&mut [0; 100]).is_err(), "not one byte for a stranger");
    assert_eq!(ben.listen(QUIET), []);
    ann.send_audio(3, &SOUND);
    assert_eq!(sequences(&ben.listen(QUIET)), [3]);
}

#[test]
fn a_new_address_is_followed_once_it_has_answered_a_challenge() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let mut ann = Musician::join(&server.link, 1);
    let mut ben = Musician::join(&server.link, 2);
    let old = ben.socket.try_clone().expect("a second handle");
    old.set_read_timeout(Some(QUIET)).expect("set");

    ben.change_address();
    ben.answers = false;
    let challenge = ben.challenged();
    // Not answered yet: audio stays on the old path.
    ann.send_audio(1, &SOUND);
    assert!(!ben.listen(QUIET).iter().any(Heard::is_audio));
    assert!(old.recv_from(&mut [0; 2048]).is_ok());

    ben.answers = true;
    let start = Instant::now();
    ben.send(&Frame::PathResponse(challenge));
    let mut sequence = 2;
    while !ben.listen(Duration::from_millis(10)).iter().any(Heard::is_audio) {
        assert!(start.elapsed() < Duration::from_millis(500), "sound goes on within 500 ms");
        ann.send_audio(sequence, &SOUND);
        sequence += 1;
    }
}

#[test]
fn a_copy_of_a_datagram_from_elsewhere_moves_nothing() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let mut ann = Musician::join(&server.link, 1);
    let mut ben = Musician::join(&server.link, 2);
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
fn a_session_hears_from_the_server_every_200_ms() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let ann = Musician::join(&server.link, 1);
    let start = Instant::now();
    ann.socket.set_read_timeout(Some(Duration::from_millis(450))).expect("set");
    for _ in 0..5 {
        ann.socket.recv_from(&mut [0; 2048]).expect("something at least every 200 ms");
    }
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
}

#[test]
fn whoever_is_silent_for_five_seconds_has_left() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let mut ann = Musician::join(&server.link, 1);
    let ben = Musician::join(&server.link, 2);
    let (start, source) = (Instant::now(), ben.joined.source);
    // Ann plays on: only Ben is silent.
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
fn a_goodbye_ends_a_session_at_once() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let mut ann = Musician::join(&server.link, 1);
    let mut ben = Musician::join(&server.link, 2);
    ben.send(&Frame::Goodbye);
    let start = Instant::now();
    ann.control.wait_for_a_leave();
    assert!(start.elapsed() < Duration::from_secs(2));
    while ben.control.hear().is_some() {}
}

#[cfg(unix)]
#[test]
fn a_server_that_is_asked_to_end_tells_everyone_and_ends_within_a_second() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let dir = TempDir::new();
        let mut server = Server::start(&dir);
        let mut ann = Musician::join(&server.link, 1);
        server.signal(signal);
        let (code, took) = server.wait();
        assert_eq!(code, Some(0));
        assert!(took < Duration::from_secs(1), "{took:?}");
        ann.wait_for("a goodbye", |h| (*h == Heard::Goodbye).then_some(()));
        ann.control.wait_for(|m| (*m == ServerMessage::GoingDown).then_some(()));
        assert_eq!(ann.control.hear(), None);
        assert!(server.log().contains("datagrams: received"), "{}", server.log());
    }
}
