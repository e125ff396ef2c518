//! Runs the bodies of the fuzz targets on pseudo-random bytes and on the corpus.

#[path = "../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "the fuzz targets are the other users")]
mod bodies;

use bodies::{client_session, control, datagram, legacy, link, retransmit, room};
use std::path::Path;

/// Bytes from a xorshift generator.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

type Body = fn(&[u8]);

fn feed(body: Body, longest: u64) {
    for seed in 1..4000_u64 {
        body(&noise(seed, (seed * 7 % longest) as usize));
    }
}

/// Random bytes are a link or an error, and links round-trip.
#[test]
fn links_survive_noise() {
    feed(link, 60);
    feed(|bytes| link(&bytes.iter().map(|b| b % 95 + 32).collect::<Vec<u8>>()), 60);
}

/// Random bytes are a control message or an error, and messages round-trip.
#[test]
fn messages_survive_noise() {
    feed(control, 200);
    for text in [&br#"{"type":"ping","id":4}"#[..], br#"{"type":"going_down","x":[]}"#] {
        control(text);
        feed(|bytes| control(&[br#"{"type":""#, bytes, br#""}"#].concat()), 9);
    }
}

/// Random and altered datagrams never open, and sealed ones open once.
#[test]
fn only_authentic_datagrams_open() {
    feed(datagram, 300);
}

/// Random bytes are a legacy packet or an error, and packets round-trip.
#[test]
fn legacy_packets_survive_noise() {
    feed(legacy, 1100);
}

/// No feedback causes more retransmissions than original traffic.
#[test]
fn retransmission_stays_within_its_limit() {
    feed(retransmit, 400);
}

/// No sequence of events violates the invariants of a client's session.
#[test]
fn client_session_keeps_its_invariants() {
    feed(client_session, 2000);
}

/// No sequence of events violates the invariants of the rooms.
#[test]
fn rooms_keep_their_invariants() {
    feed(room, 2000);
}

/// The committed corpus of each target passes.
#[test]
fn committed_corpus_passes() {
    let targets: [(&str, Body); 7] = [
        ("link", link),
        ("control", control),
        ("datagram", datagram),
        ("client_session", client_session),
        ("room", room),
        ("legacy", legacy),
        ("retransmit", retransmit),
    ];
    for (target, body) in targets {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let inputs = std::fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
        for input in inputs {
            body(&std::fs::read(input.expect("a folder entry").path()).expect("a readable file"));
        }
    }
}
