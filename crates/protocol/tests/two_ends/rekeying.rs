//! Keys that change while musicians play.

use crate::ms;
use crate::net::Link;
use crate::world::World;
use rtjam_protocol::Micros;
use rtjam_protocol::client::State;
use rtjam_protocol::seal::ring::CRYPTO;
use rtjam_protocol::seal::{Crypto, Lane, Limits, Rejected};

/// So few that each lane changes its key every 1.3 s.
const QUICK: Crypto = Crypto { limits: Limits { packets_per_key: 256, ..Limits::STANDARD }, ..CRYPTO };

/// Over many key changes on a bad network, with control down, no datagram is refused but second copies.
#[test]
fn key_changes_lose_nothing_without_control() {
    for seed in 1..4 {
        let mut world = World::new(seed, 8);
        world.crypto = QUICK;
        for identity in [1, 2] {
            let end = world.add(identity, rtjam_protocol::control::SeatRole::Musician, |c| c.crypto = QUICK);
            world.ends[end].link = Link::bad();
        }
        world.run_ms(2000);
        assert!(world.ends.iter().all(|e| e.session.state() == State::Joined));
        world.ends.iter_mut().for_each(|e| e.link.control = false);
        let from = world.now;
        world.run_ms(30_000);
        let to = world.now;
        world.run_ms(100);
        for (end, other) in [(0, 2), (1, 1)] {
            let e = &world.ends[end];
            assert_eq!((e.fresh, e.lost), (1, 0), "the session went on");
            assert!(e.longest_gap(other, from, to) < ms(100), "seed {seed}");
            assert!(e.rejected.iter().all(|why| *why == Rejected::Replayed), "{:?}", e.rejected);
        }
        assert!(world.rejected.iter().all(|why| *why == Rejected::Replayed), "{:?}", world.rejected);
        // 200 packets a second: at least 20 keys in each direction's lane of audio.
        for (up, lane) in [(true, Lane(0)), (false, Lane(1))] {
            let keys = world.keys_used(up, lane);
            assert!(keys >= 20, "{keys} keys, up: {up}");
        }
    }
}

/// A client without rekeying gets one new session after another in the same seat, and nobody hears a gap.
#[test]
fn old_client_is_reseated_without_gap() {
    for (seed, link) in [(1, Link::good()), (2, Link::bad())] {
        let mut world = World::new(seed, 8);
        let keys_last = Micros::from_secs(4);
        world.crypto = Crypto { limits: Limits { keys_last, ..QUICK.limits }, ..CRYPTO };
        world.tamper = Some(|text| text.replace(r#""rekey""#, r#""something else""#));
        for identity in [1, 2] {
            let end = world.musician(identity);
            world.ends[end].link = link.clone();
        }
        world.run_ms(2000);
        let from = world.now;
        let seats: Vec<_> = world.ends.iter().map(|e| e.seat().clone()).collect();
        world.run_ms(20_000);
        let to = world.now;
        world.run_ms(100);
        for (end, other) in [(0, 2), (1, 1)] {
            let e = &world.ends[end];
            assert!(e.fresh >= 4, "{} sessions", e.fresh);
            assert!(e.longest_gap(other, from, to) < ms(100), "{:?}", e.longest_gap(other, from, to));
            assert_eq!((e.lost, e.left.len(), e.seat()), (0, 0, &seats[end]));
            assert!(!e.heard.contains_key(&e.mark), "heard itself");
        }
        // Those that were taken over from have ended, but perhaps the last.
        assert!((2..=4).contains(&world.sessions()), "{} sessions", world.sessions());
    }
}

/// Whoever never heard of the session that took over gets another, and the one before goes on until then.
#[test]
fn lost_answer_to_reseating_is_repeated() {
    let mut world = World::new(3, 8);
    world.crypto = Crypto { limits: Limits { keys_last: Micros::from_secs(4), ..QUICK.limits }, ..CRYPTO };
    world.tamper = Some(|text| text.replace(r#""rekey""#, r#""something else""#));
    for identity in [1, 2] {
        world.musician(identity);
    }
    world.run_ms(2000);
    let from = world.now;
    // Control breaks again and again, now and then while the answer is on its way.
    for _ in 0..100 {
        let lasts = 90 + world.rng.below(200);
        world.run_ms(lasts);
        world.break_control(0);
    }
    world.run_ms(8000);
    let e = &world.ends[0];
    assert_eq!((e.lost, e.session.state()), (0, State::Joined));
    assert!(world.ends[1].longest_gap(1, from, world.now) < ms(100));
    assert!(world.sessions() <= 4, "{} sessions", world.sessions());
    assert_eq!(world.ends[1].roster.len(), 2);
}

/// An old server is asked for a new session by the client itself, in time, and the seat is kept.
#[test]
fn old_server_is_asked_for_another_session() {
    let mut world = World::new(6, 8);
    world.crypto = CRYPTO;
    world.tamper = Some(|text| text.replace(r#""rekey""#, r#""something else""#));
    let keys_last = Micros::ZERO;
    for identity in [1, 2] {
        let limits = Limits { keys_last, ..Limits::STANDARD };
        world.add(identity, rtjam_protocol::control::SeatRole::Musician, |c| c.crypto = Crypto { limits, ..CRYPTO });
    }
    world.run_ms(2000);
    let from = world.now;
    world.run_ms(5 * 60 * 1000);
    for (end, other) in [(0, 2), (1, 1)] {
        let e = &world.ends[end];
        assert_eq!((e.fresh, e.seat()), (2, &e.seats[0]));
        assert!(e.longest_gap(other, from, world.now) < ms(300), "{:?}", e.longest_gap(other, from, world.now));
    }
}

/// After too many forgeries, at either end, the session gives way to another one in the same seat.
#[test]
fn exhausted_keys_lead_to_another_session() {
    let limits = Limits { failed_opens_aes: 20, failed_opens_chacha: 20, ..Limits::STANDARD };
    let wary = Crypto { limits, ..CRYPTO };
    for server in [true, false] {
        let mut world = World::new(8, 8);
        world.crypto = if server { wary } else { CRYPTO };
        for identity in [1, 2] {
            let crypto = if server { CRYPTO } else { wary };
            world.add(identity, rtjam_protocol::control::SeatRole::Musician, |c| c.crypto = crypto);
        }
        world.run_ms(2000);
        let (_, genuine) = world.tap.iter().rev().find(|(end, _)| *end == 0).cloned().expect("it plays");
        for n in 0..21 {
            let mut forged = genuine.clone();
            forged[2] = if server { 0 } else { 1 };
            forged[7..14].copy_from_slice(&(500_000_u64 + n).to_be_bytes()[1..]);
            let (now, address) = (world.now, world.ends[1].address);
            if server { world.inject(address, forged) } else { world.ends[0].receive(now, forged) }
        }
        let begun = world.now;
        world.drain_end(0);
        world.run_ms(4000);
        let e = &world.ends[0];
        assert_eq!((e.session.state(), e.fresh, e.seat()), (State::Joined, 2, &e.seats[0]), "server: {server}");
        assert!(
            e.hears_after(2, begun + ms(2000)).is_some() && world.ends[1].longest_gap(1, begun, world.now) < ms(2000)
        );
        assert_eq!(world.ends[1].fresh, 1);
    }
}

/// A server that knows nothing of rekeying, and one whose musician does not, keep the session's key.
#[test]
fn one_old_end_keeps_one_key() {
    let mut world = World::new(5, 8);
    world.crypto = QUICK;
    world.tamper = Some(|text| text.replace(r#""rekey""#, r#""something else""#));
    for identity in [1, 2] {
        world.add(identity, rtjam_protocol::control::SeatRole::Musician, |c| c.crypto = QUICK);
    }
    world.run_ms(3000);
    let from = world.now;
    world.run_ms(5000);
    assert_eq!((world.keys_used(true, Lane(0)), world.keys_used(false, Lane(1))), (1, 1));
    assert!(world.ends[0].longest_gap(2, from, world.now) < ms(50));
}
