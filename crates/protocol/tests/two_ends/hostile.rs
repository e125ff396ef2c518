//! Strangers.

use crate::net::Link;
use crate::{ms, two_playing};
use core::net::SocketAddr;

fn stranger() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 66], 666))
}

#[test]
fn a_stranger_gets_not_one_byte_and_changes_nothing() {
    let mut world = two_playing(3, Link::good());
    let paths = world.paths();
    let since = world.now;
    let genuine: Vec<Vec<u8>> = world.tap.iter().map(|(_, d)| d.clone()).collect();
    for i in 0..20_000 {
        let mut datagram = genuine[world.rng.below(genuine.len() as u64) as usize].clone();
        match i % 5 {
            // Replayed as it is.
            0 => {}
            1 => datagram.truncate(world.rng.below(datagram.len() as u64) as usize),
            2 => {
                let bit = world.rng.below(datagram.len() as u64 * 8) as usize;
                datagram[bit / 8] ^= 1 << (bit % 8);
            }
            // A counter that nobody has used, as high as can be.
            3 => datagram[7..14].fill(0xFF),
            _ => datagram.iter_mut().for_each(|b| *b = world.rng.next() as u8),
        }
        world.inject(stranger(), datagram);
        if i % 100 == 0 {
            world.run_ms(20);
        }
    }
    world.run_ms(1000);
    assert_eq!(world.sent_to.get(&stranger()), None);
    assert_eq!(world.paths(), paths);
    for (end, other) in [(0, 2), (1, 1)] {
        assert!(world.ends[end].longest_gap(other, since, world.now) < ms(20));
        assert_eq!((world.ends[end].fresh, world.ends[end].lost), (1, 0));
    }
}

#[test]
fn replayed_and_delayed_datagrams_move_no_path() {
    let mut world = two_playing(5, Link::bad());
    let old = world.ends[0].address;
    world.ends[0].address = SocketAddr::from(([10, 0, 0, 1], 50_001));
    world.run_ms(1000);
    let paths = world.paths();
    assert!(!paths.contains(&old));
    let sent_to_old = world.sent_to[&old];
    let mine: Vec<Vec<u8>> = world.tap.iter().filter(|(end, _)| *end == 0).map(|(_, d)| d.clone()).collect();
    // Until all of these, and some that are newer, have arrived or are lost.
    world.run_ms(100);
    for (i, datagram) in mine.iter().enumerate().rev().take(1000) {
        world.inject(if i % 2 == 0 { old } else { stranger() }, datagram.clone());
        world.run_ms(2);
    }
    assert_eq!((world.paths(), world.sent_to[&old], world.sent_to.get(&stranger())), (paths, sent_to_old, None));
}

#[test]
fn one_who_copies_datagrams_faster_than_the_network_gets_challenges_and_never_audio() {
    let mut world = two_playing(1, Link::good());
    let paths = world.paths();
    let before = world.now;
    for _ in 0..500 {
        let known = world.tap.len();
        world.run_ms(5);
        // What the first musician has just sent arrives from the stranger first.
        let copies: Vec<Vec<u8>> = world.tap[known..].iter().filter(|(e, _)| *e == 0).map(|(_, d)| d.clone()).collect();
        copies.into_iter().for_each(|d| world.inject(stranger(), d));
    }
    world.run_ms(500);
    let challenges = world.sent_to[&stranger()] / 41;
    assert!((1..=14).contains(&challenges), "{challenges}");
    assert_eq!(world.paths(), paths);
    assert!(world.ends[0].longest_gap(2, before, world.now) < ms(20));
    assert_eq!(world.ends[0].fresh, 1);
}
