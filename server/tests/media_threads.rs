//! Several media threads behind one port, each with sessions of its own.
#![cfg(target_os = "linux")]

mod support;

use rtjam_protocol::datagram::Frame;
use rtjam_protocol::{Sequence, SourceId};
use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::Duration;
use support::media::{QUIET, Received, TestMusician, audio, payload};
use support::{Server, TempDir};

const SOUND: [i16; 32] = [7; 32];

fn server(dir: &TempDir, threads: &str) -> Server {
    Server::start_with(dir, &["--listen", "127.0.0.1:0", "--media-threads", threads])
}

fn join<const N: usize>(server: &Server) -> [TestMusician; N] {
    std::array::from_fn(|who| TestMusician::join(&server.link, who as u8 + 1))
}

fn packets(heard: &[Received]) -> Vec<(SourceId, u32)> {
    let audio = |h: &Received| if let Received::Audio(source, Sequence(s), _) = h { Some((*source, *s)) } else { None };
    heard.iter().filter_map(audio).collect()
}

/// Every musician receives every other one, whatever thread they belong to.
#[test]
fn musicians_hear_each_other_across_threads() {
    let dir = TempDir::new();
    let server = server(&dir, "3");
    let mut musicians: [TestMusician; 6] = join(&server);
    let threads: BTreeSet<u8> = musicians.iter().map(|m| m.joined.session.media_thread()).collect();
    assert_eq!(threads, BTreeSet::from([0, 1, 2]));
    for sequence in 0..20 {
        musicians.iter_mut().for_each(|m| m.send_audio(sequence, &SOUND));
    }
    let sources = musicians.each_ref().map(|m| m.joined.source);
    for (musician, own) in musicians.iter_mut().zip(sources) {
        let heard = packets(&musician.listen(QUIET));
        for source in sources {
            let of_source: Vec<u32> = heard.iter().filter(|(s, _)| *s == source).map(|(_, n)| *n).collect();
            let all: Vec<u32> = if source == own { Vec::new() } else { (0..20).collect() };
            assert_eq!(of_source, all, "every packet once, in order, and none of the own");
        }
    }
}

/// A replayed datagram is dropped, whatever address it comes from.
#[test]
fn replayed_datagrams_are_dropped() {
    let dir = TempDir::new();
    let server = server(&dir, "2");
    let mut musicians: [TestMusician; 4] = join(&server);
    let sound = payload(&SOUND);
    for maker in 0..4 {
        let datagram = musicians[maker].seal(&audio(9, &sound));
        musicians[maker].send_raw(&datagram);
        for other in (0..4).filter(|o| *o != maker) {
            assert_eq!(packets(&musicians[other].listen(Duration::from_millis(50))).len(), 1);
        }
        // From many ports, between which the kernel would distribute by address.
        for _ in 0..16 {
            let copier = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            copier.send_to(&datagram, server.address()).expect("sent");
        }
    }
    assert!(musicians.iter_mut().all(|m| packets(&m.listen(QUIET)).is_empty()));
}

/// All threads send to a musician's new address.
#[test]
fn all_threads_follow_a_new_address() {
    let dir = TempDir::new();
    let server = server(&dir, "2");
    let mut musicians: [TestMusician; 4] = join(&server);
    for round in 1..=3 {
        for mover in 0..4 {
            musicians[mover].change_address();
            musicians[mover].settle();
            let number = round * 10 + mover as u32;
            musicians
                .iter_mut()
                .enumerate()
                .filter(|(i, _)| *i != mover)
                .for_each(|(_, m)| m.send_audio(number, &SOUND));
            // Musicians of both threads reach the new address.
            assert_eq!(packets(&musicians[mover].listen(QUIET)).len(), 3);
            musicians[mover].send_audio(number, &SOUND);
            for other in (0..4).filter(|o| *o != mover) {
                let heard = packets(&musicians[other].listen(Duration::from_millis(100)));
                assert!(heard.contains(&(musicians[mover].joined.source, number)), "{heard:?}");
            }
        }
    }
}

/// Musicians who join, leave and vanish cost the others no packet.
#[test]
fn joins_and_leaves_disturb_nobody() {
    let dir = TempDir::new();
    let server = server(&dir, "2");
    let [mut ann, mut ben] = join(&server);
    let (mut sequence, mut heard) = (0, [Vec::new(), Vec::new()]);
    let mut play = |ann: &mut TestMusician, ben: &mut TestMusician| {
        ann.send_audio(sequence, &SOUND);
        ben.send_audio(sequence, &SOUND);
        sequence += 1;
        heard[0].extend(packets(&ann.listen(Duration::from_millis(5))));
        heard[1].extend(packets(&ben.listen(Duration::from_millis(5))));
        sequence
    };
    for round in 0..12_u8 {
        let mut guests: Vec<TestMusician> =
            (0..4).map(|g| TestMusician::join(&server.link, 10 + round * 4 + g)).collect();
        guests.iter_mut().for_each(|g| g.send_audio(0, &SOUND));
        play(&mut ann, &mut ben);
        // Half of them say goodbye; the others vanish, and their ports close.
        guests.iter_mut().step_by(2).for_each(|g| g.send(&Frame::Goodbye));
        drop(guests);
        play(&mut ann, &mut ben);
    }
    let sent = play(&mut ann, &mut ben);
    heard[0].extend(packets(&ann.listen(QUIET)));
    heard[1].extend(packets(&ben.listen(QUIET)));
    for (heard, source) in heard.iter().zip([ben.joined.source, ann.joined.source]) {
        let of_source: Vec<u32> = heard.iter().filter(|(s, _)| *s == source).map(|(_, n)| *n).collect();
        assert_eq!(of_source, (0..sent).collect::<Vec<_>>());
    }
}
