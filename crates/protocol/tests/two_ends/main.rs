//! Musicians' ends and a server over a bad network, in virtual time.

#[path = "../common/mod.rs"]
mod common;
mod end;
mod net;
mod world;

mod coming_back;
mod hostile;
mod joining;
mod rekeying;

use rtjam_protocol::Micros;
use rtjam_protocol::client::State;
use world::World;

const fn ms(ms: u64) -> Micros {
    Micros::from_millis(ms)
}

/// Two musicians who have been playing for two seconds.
fn two_playing(seed: u64, link: net::Link) -> World {
    let mut world = World::new(seed, 8);
    for identity in [1, 2] {
        let end = world.musician(identity);
        world.ends[end].link = link.clone();
    }
    world.run_ms(2000);
    assert!(world.ends.iter().all(|e| e.session.state() == State::Joined));
    world
}
