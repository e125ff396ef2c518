//! Several media threads behind one port: each session belongs to one of them, and nobody notices.
#![cfg(target_os = "linux")]

mod support;

use rtjam_protocol::datagram::Frame;
use rtjam_protocol::{Sequence, SourceId};
use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::Duration;
use support::media::{Heard, Musician, QUIET, audio, payload};
use support::{Server, TempDir};

const SOUND: [i16; 32] = [7; 32];

fn server(dir: &TempDir, threads: &str) -> Server {
    Server::start_with(dir, &["--listen", "127.0.0.1:0", "--media-threads", threads])
}

fn join<const N: usize>(server: &Server) -> [Musician; N] {
    std::array::from_fn(|who| Musician::join(&server.link, who as u8 + 1))
}

fn packets(heard: &[Heard]) -> Vec<(SourceId, u32)> {
    let audio = |h: &Heard| if let Heard::Audio(source, Sequence(s), _) = h { Some((*source, *s)) } else { None };
    heard.iter().filter_map(audio).collect()
}

#[test]
fn everyone_hears_everyone_whatever_thread_they_are_on() {
    let dir = TempDir::new();
    let server = server(&dir, "3");
    let mut musicians: [Musician; 6] = join(&server);
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
            assert_eq!(of_source, all, "in order, once, and never back");
        }
    }
}

#[test]
fn a_replayed_datagram_goes_nowhere_wherever_it_comes_from() {
    let dir = TempDir::new();
    let server = server(&dir, "2");
    let mut musicians: [Musician; 4] = join(&server);
    let sound = payload(&SOUND);
    for maker in 0..4 {
        let datagram = musicians[maker].seal(&audio(9, &sound));
        musicians[maker].send_raw(&datagram);
        for other in (0..4).filter(|o| *o != maker) {
            assert_eq!(packets(&musicians[other].listen(Duration::from_millis(50))).len(), 1);
        }
        // From many ports, as the kernel would deal them out by address.
        for _ in 0..16 {
            let copier = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            copier.send_to(&datagram, server.address()).expect("sent");
        }
    }
    assert!(musicians.iter_mut().all(|m| packets(&m.listen(QUIET)).is_empty()));
}

#[test]
fn a_new_address_is_followed_by_all_threads() {
    let dir = TempDir::new();
    let server = server(&dir, "2");
    let mut musicians: [Musician; 4] = join(&server);
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
            // Of both threads' musicians, at the new address.
            assert_eq!(packets(&musicians[mover].listen(QUIET)).len(), 3);
            musicians[mover].send_audio(number, &SOUND);
            for other in (0..4).filter(|o| *o != mover) {
                let heard = packets(&musicians[other].listen(Duration::from_millis(100)));
                assert!(heard.contains(&(musicians[mover].joined.source, number)), "{heard:?}");
            }
        }
    }
}

#[test]
fn musicians_who_come_go_and_vanish_disturb_nobody() {
    let dir = TempDir::new();
    let server = server(&dir, "2");
    let [mut ann, mut ben] = join(&server);
    let (mut sequence, mut heard) = (0, [Vec::new(), Vec::new()]);
    let mut play = |ann: &mut Musician, ben: &mut Musician| {
        ann.send_audio(sequence, &SOUND);
        ben.send_audio(sequence, &SOUND);
        sequence += 1;
        heard[0].extend(packets(&ann.listen(Duration::from_millis(5))));
        heard[1].extend(packets(&ben.listen(Duration::from_millis(5))));
        sequence
    };
    for round in 0..12_u8 {
        let mut guests: Vec<Musician> = (0..4).map(|g| Musician::join(&server.link, 10 + round * 4 + g)).collect();
        guests.iter_mut().for_each(|g| g.send_audio(0, &SOUND));
        play(&mut ann, &mut ben);
        // Half of them say goodbye; the others are gone without a word, and their ports with them.
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
