//! A million invalid datagrams to the server and to a musician.

use rtjam_load::garbage::{Answers, Garbage};
use rtjam_load::process;
use rtjam_tests::musician::{Musician, duet};
use rtjam_tests::realtime_stalls;
use rtjam_tests::relay::Relay;
use rtjam_tests::room::Room;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;

const MILLION: usize = 1_000_000;
/// One datagram every 20 µs, beside the audio.
const PER_SECOND: usize = 50_000;
/// Change of a program's memory that may have other causes.
const SLACK_KIB: u64 = 1024;

fn damage(m: &mut Musician) -> u64 {
    let sum = |s: &Value| {
        let other = &s["musicians"][0];
        Some(other["lost"].as_u64()? + other["late"].as_u64()? + other["concealed_frames"].as_u64()? / 128)
    };
    m.wait_new("a status", Duration::from_secs(3), sum)
}

/// A million bad datagrams get no answer and damage at most 1 % of the packets.
#[test]
fn server_ignores_million_bad_datagrams() {
    let room = Room::start();
    let relay = Relay::in_front_of(room.port);
    let (mut ann, mut ben) = duet(&relay.link(&room.invite), &room.invite);
    damage(&mut ann);
    let target = SocketAddr::from(([127, 0, 0, 1], room.port));
    let mut garbage = Garbage::new(1, relay.captured());
    // The first batch grows each of the server's buffers to its final size.
    garbage.send(target, MILLION / 100, PER_SECOND);
    realtime_stalls::some_take(|_| {
        let (before, memory) = ([damage(&mut ann), damage(&mut ben)], process::usage(room.child.pid()));
        assert_eq!(garbage.send(target, MILLION, PER_SECOND), Answers(0));
        let (after, now) = ([damage(&mut ann), damage(&mut ben)], process::usage(room.child.pid()));
        assert!(now.rss_kib <= memory.rss_kib + SLACK_KIB, "{memory:?} {now:?}");
        assert_eq!(now.descriptors, memory.descriptors);
        at_most_one_percent([after[0] - before[0], after[1] - before[1]])
    });
}

/// A million bad datagrams get no answer and damage at most 1 % of the packets.
#[test]
fn musician_ignores_million_bad_datagrams() {
    let room = Room::start();
    let relay = Relay::in_front_of(room.port);
    let (mut ann, _ben) = duet(&relay.link(&room.invite), &room.invite);
    damage(&mut ann);
    let from = relay.musicians();
    let [target] = from[..] else { panic!("one musician is behind the relay: {from:?}") };
    let mut garbage = Garbage::new(2, relay.captured());
    garbage.send(target, MILLION / 100, PER_SECOND);
    realtime_stalls::some_take(|_| {
        let (before, memory) = (damage(&mut ann), process::usage(ann.child.pid()));
        assert_eq!(garbage.send(target, MILLION, PER_SECOND), Answers(0));
        let (after, now) = (damage(&mut ann), process::usage(ann.child.pid()));
        assert!(now.rss_kib <= memory.rss_kib + SLACK_KIB, "{memory:?} {now:?}");
        at_most_one_percent([after - before])
    });
}

/// Packets of each musician that 20 s of garbage damaged, of 7,500.
fn at_most_one_percent<const N: usize>(damaged: [u64; N]) -> Result<(), [u64; N]> {
    eprintln!("packets damaged during 20 s of garbage: {damaged:?} of 7500 each");
    if damaged.iter().all(|damaged| *damaged <= 75) { Ok(()) } else { Err(damaged) }
}
