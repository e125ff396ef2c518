//! Attackers.

use crate::net::NetworkLink;
use crate::{ms, two_playing};
use core::net::SocketAddr;

fn stranger() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 66], 666))
}

/// A stranger gets no reply and changes nothing.
#[test]
fn strangers_get_no_reply() {
    let mut world = two_playing(3, NetworkLink::good());
    let paths = world.paths();
    let since = world.now;
    let genuine: Vec<Vec<u8>> = world.tap.iter().map(|(_, d)| d.clone()).collect();
    for i in 0..20_000 {
        let mut datagram = genuine[world.rng.below(genuine.len() as u64) as usize].clone();
        match i % 5 {
            // Replayed unaltered.
            0 => {}
            1 => datagram.truncate(world.rng.below(datagram.len() as u64) as usize),
            2 => {
                let bit = world.rng.below(datagram.len() as u64 * 8) as usize;
                datagram[bit / 8] ^= 1 << (bit % 8);
            }
            // The highest possible counter.
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
    for (client, other) in [(0, 2), (1, 1)] {
        assert!(world.clients[client].longest_gap(other, since, world.now) < ms(20));
        assert_eq!((world.clients[client].fresh, world.clients[client].lost), (1, 0));
    }
}

/// Replayed and delayed datagrams do not move a path.
#[test]
fn replays_do_not_move_paths() {
    let mut world = two_playing(5, NetworkLink::bad());
    let old = world.clients[0].address;
    world.clients[0].address = SocketAddr::from(([10, 0, 0, 1], 50_001));
    world.run_ms(1000);
    let paths = world.paths();
    assert!(!paths.contains(&old));
    let sent_to_old = world.sent_to[&old];
    let mine: Vec<Vec<u8>> = world.tap.iter().filter(|(client, _)| *client == 0).map(|(_, d)| d.clone()).collect();
    // Until these and some newer ones have arrived or are lost.
    world.run_ms(100);
    for (i, datagram) in mine.iter().enumerate().rev().take(1000) {
        world.inject(if i % 2 == 0 { old } else { stranger() }, datagram.clone());
        world.run_ms(2);
    }
    assert_eq!((world.paths(), world.sent_to[&old], world.sent_to.get(&stranger())), (paths, sent_to_old, None));
}

/// An attacker who copies datagrams and is faster than the network gets challenges but no audio.
#[test]
fn copying_attackers_get_no_audio() {
    let mut world = two_playing(1, NetworkLink::good());
    let paths = world.paths();
    let before = world.now;
    for _ in 0..500 {
        let known = world.tap.len();
        world.run_ms(5);
        // The attacker's copy of each datagram arrives before the original.
        let copies: Vec<Vec<u8>> = world.tap[known..].iter().filter(|(e, _)| *e == 0).map(|(_, d)| d.clone()).collect();
        copies.into_iter().for_each(|d| world.inject(stranger(), d));
    }
    world.run_ms(500);
    let challenges = world.sent_to[&stranger()] / 41;
    assert!((1..=14).contains(&challenges), "{challenges}");
    assert_eq!(world.paths(), paths);
    assert!(world.clients[0].longest_gap(2, before, world.now) < ms(20));
    assert_eq!(world.clients[0].fresh, 1);
}
