//! Key changes while musicians play.

use crate::ms;
use crate::net::NetworkLink;
use crate::world::World;
use rtjam_protocol::Micros;
use rtjam_protocol::client::ClientState;
use rtjam_protocol::seal::ring::CRYPTO;
use rtjam_protocol::seal::{Crypto, KeyLimits, Lane, Rejected};

/// Each lane changes its key every 1.3 s.
const QUICK: Crypto = Crypto { limits: KeyLimits { packets_per_key: 256, ..KeyLimits::STANDARD }, ..CRYPTO };

/// Over many key changes on a bad network without control, only duplicates are rejected.
#[test]
fn key_changes_lose_nothing_without_control() {
    for seed in 1..4 {
        let mut world = World::new(seed, 8);
        world.crypto = QUICK;
        for identity in [1, 2] {
            let client = world.add(identity, rtjam_protocol::control::SeatRole::Musician, |c| c.crypto = QUICK);
            world.clients[client].link = NetworkLink::bad();
        }
        world.run_ms(2000);
        assert!(world.clients.iter().all(|e| e.session.state() == ClientState::Joined));
        world.clients.iter_mut().for_each(|e| e.link.control = false);
        let from = world.now;
        world.run_ms(30_000);
        let to = world.now;
        world.run_ms(100);
        for (client, other) in [(0, 2), (1, 1)] {
            let e = &world.clients[client];
            assert_eq!((e.fresh, e.lost), (1, 0), "the session went on");
            assert!(e.longest_gap(other, from, to) < ms(100), "seed {seed}");
            assert!(e.rejected.iter().all(|why| *why == Rejected::Replayed), "{:?}", e.rejected);
        }
        assert!(world.rejected.iter().all(|why| *why == Rejected::Replayed), "{:?}", world.rejected);
        // 200 packets a second need at least 20 keys in each direction's audio lane.
        for (up, lane) in [(true, Lane::UPLINK[0]), (false, Lane::forwarding(0))] {
            let keys = world.keys_used(up, lane);
            assert!(keys >= 20, "{keys} keys, up: {up}");
        }
    }
}

/// A client without rekeying gets new sessions in the same seat without an audible gap.
#[test]
fn old_clients_renew_without_gap() {
    for (seed, link) in [(1, NetworkLink::good()), (2, NetworkLink::bad())] {
        let mut world = World::new(seed, 8);
        let key_lifetime = Micros::from_secs(4);
        world.crypto = Crypto { limits: KeyLimits { key_lifetime, ..QUICK.limits }, ..CRYPTO };
        world.tamper = Some(|text| text.replace(r#""rekey""#, r#""something else""#));
        for identity in [1, 2] {
            let client = world.musician(identity);
            world.clients[client].link = link.clone();
        }
        world.run_ms(2000);
        let from = world.now;
        let seats: Vec<_> = world.clients.iter().map(|e| e.seat().clone()).collect();
        world.run_ms(20_000);
        let to = world.now;
        world.run_ms(100);
        for (client, other) in [(0, 2), (1, 1)] {
            let e = &world.clients[client];
            assert!(e.fresh >= 4, "{} sessions", e.fresh);
            assert!(e.longest_gap(other, from, to) < ms(100), "{:?}", e.longest_gap(other, from, to));
            assert_eq!((e.lost, e.left.len(), e.seat()), (0, 0, &seats[client]));
            assert!(!e.heard.contains_key(&e.mark), "heard itself");
        }
        // Replaced sessions have ended, except perhaps the last.
        assert!((2..=4).contains(&world.sessions()), "{} sessions", world.sessions());
    }
}

/// A client that did not hear of its new session gets another one, and the earlier one continues until then.
#[test]
fn lost_renewals_are_repeated() {
    let mut world = World::new(3, 8);
    world.crypto = Crypto { limits: KeyLimits { key_lifetime: Micros::from_secs(4), ..QUICK.limits }, ..CRYPTO };
    world.tamper = Some(|text| text.replace(r#""rekey""#, r#""something else""#));
    for identity in [1, 2] {
        world.musician(identity);
    }
    world.run_ms(2000);
    let from = world.now;
    // Control breaks repeatedly, sometimes while a reply is on its way.
    for _ in 0..100 {
        let lasts = 90 + world.rng.below(200);
        world.run_ms(lasts);
        world.break_control(0);
    }
    world.run_ms(8000);
    let e = &world.clients[0];
    assert_eq!((e.lost, e.session.state()), (0, ClientState::Joined));
    assert!(world.clients[1].longest_gap(1, from, world.now) < ms(100));
    assert!(world.sessions() <= 4, "{} sessions", world.sessions());
    assert_eq!(world.clients[1].roster.len(), 2);
}

/// A client asks an old server for a new session in time, and keeps its seat.
#[test]
fn old_servers_are_asked_to_renew() {
    let mut world = World::new(6, 8);
    world.crypto = CRYPTO;
    world.tamper = Some(|text| text.replace(r#""rekey""#, r#""something else""#));
    let key_lifetime = Micros::ZERO;
    for identity in [1, 2] {
        let limits = KeyLimits { key_lifetime, ..KeyLimits::STANDARD };
        world.add(identity, rtjam_protocol::control::SeatRole::Musician, |c| c.crypto = Crypto { limits, ..CRYPTO });
    }
    world.run_ms(2000);
    let from = world.now;
    world.run_ms(5 * 60 * 1000);
    for (client, other) in [(0, 2), (1, 1)] {
        let e = &world.clients[client];
        assert_eq!((e.fresh, e.seat()), (2, &e.seats[0]));
        assert!(e.longest_gap(other, from, world.now) < ms(300), "{:?}", e.longest_gap(other, from, world.now));
    }
}

/// After too many forgeries at either end, another session in the same seat replaces this one.
#[test]
fn exhausted_keys_replace_the_session() {
    let limits = KeyLimits { failed_opens_aes: 20, failed_opens_chacha: 20, ..KeyLimits::STANDARD };
    let wary = Crypto { limits, ..CRYPTO };
    for server in [true, false] {
        let mut world = World::new(8, 8);
        world.crypto = if server { wary } else { CRYPTO };
        for identity in [1, 2] {
            let crypto = if server { CRYPTO } else { wary };
            world.add(identity, rtjam_protocol::control::SeatRole::Musician, |c| c.crypto = crypto);
        }
        world.run_ms(2000);
        let (_, genuine) = world.tap.iter().rev().find(|(client, _)| *client == 0).cloned().expect("it plays");
        for n in 0..21 {
            let mut forged = genuine.clone();
            forged[2] = if server { Lane::UPLINK[0] } else { Lane::forwarding(0) }.number();
            forged[7..14].copy_from_slice(&(500_000_u64 + n).to_be_bytes()[1..]);
            let (now, address) = (world.now, world.clients[1].address);
            if server { world.inject(address, forged) } else { world.clients[0].receive(now, forged) }
        }
        let begun = world.now;
        world.drain_client(0);
        world.run_ms(4000);
        let e = &world.clients[0];
        assert_eq!((e.session.state(), e.fresh, e.seat()), (ClientState::Joined, 2, &e.seats[0]), "server: {server}");
        assert!(
            e.hears_after(2, begun + ms(2000)).is_some()
                && world.clients[1].longest_gap(1, begun, world.now) < ms(2000)
        );
        assert_eq!(world.clients[1].fresh, 1);
    }
}

/// With one end that cannot rekey, the session keeps its key.
#[test]
fn ends_without_rekey_keep_one_key() {
    let mut world = World::new(5, 8);
    world.crypto = QUICK;
    world.tamper = Some(|text| text.replace(r#""rekey""#, r#""something else""#));
    for identity in [1, 2] {
        world.add(identity, rtjam_protocol::control::SeatRole::Musician, |c| c.crypto = QUICK);
    }
    world.run_ms(3000);
    let from = world.now;
    world.run_ms(5000);
    assert_eq!((world.keys_used(true, Lane::UPLINK[0]), world.keys_used(false, Lane::forwarding(0))), (1, 1));
    assert!(world.clients[0].longest_gap(2, from, world.now) < ms(50));
}
