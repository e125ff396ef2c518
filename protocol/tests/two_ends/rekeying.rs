//! Keys that change while musicians play.

use crate::ms;
use crate::net::Link;
use crate::world::World;
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
