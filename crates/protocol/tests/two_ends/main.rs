//! Clients and a server over a bad network, in virtual time.

mod client;
#[path = "../common/mod.rs"]
mod common;
mod net;
mod world;

mod coming_back;
mod hostile;
mod joining;
mod rekeying;

use rtjam_protocol::Micros;
use rtjam_protocol::client::ClientState;
use world::World;

const fn ms(ms: u64) -> Micros {
    Micros::from_millis(ms)
}

/// Two musicians who have played for two seconds.
fn two_playing(seed: u64, link: net::NetworkLink) -> World {
    let mut world = World::new(seed, 8);
    for identity in [1, 2] {
        let client = world.musician(identity);
        world.clients[client].link = link.clone();
    }
    world.run_ms(2000);
    assert!(world.clients.iter().all(|e| e.session.state() == ClientState::Joined));
    world
}
