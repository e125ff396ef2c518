//! Interruptions of networks, servers and connections.

use crate::net::NetworkLink;
use crate::world::World;
use crate::{ms, two_playing};
use core::net::SocketAddr;
use rtjam_protocol::Micros;
use rtjam_protocol::client::{ClientState, MediaHealth};
use rtjam_protocol::control::Refusal;
use rtjam_protocol::link::Secret;
use rtjam_protocol::server::rooms::RoleSecret;

/// Slot and name of each client.
fn slots(world: &World) -> Vec<(u16, String)> {
    world.clients.iter().map(|e| (e.seat().source.0, e.seat().name.clone())).collect()
}

/// Both clients receive each other again within `limit` after `since`.
fn assert_back(world: &World, since: Micros, limit: Micros) {
    for (client, other) in [(0, 2), (1, 1)] {
        let took = world.clients[client].hears_after(other, since);
        assert!(took.is_some_and(|t| t <= limit), "client {client} receives again after {took:?}");
        assert!(world.clients[client].longest_gap(other, since + limit, world.now) < ms(500));
    }
}

/// The session survives three seconds without network.
#[test]
fn session_survives_three_seconds() {
    for seed in 1..6 {
        let mut world = two_playing(seed, NetworkLink::bad());
        let before = slots(&world);
        world.clients[0].link = NetworkLink::bad().gone();
        world.run_ms(3000);
        world.clients[0].link = NetworkLink::bad();
        let back = world.now;
        world.run_ms(6000);
        assert_back(&world, back, ms(2000));
        assert_eq!((slots(&world), world.clients[0].fresh, world.clients[0].lost), (before, 1, 0));
    }
}

/// After twenty seconds without network, a musician is back in the same slot within two seconds.
#[test]
fn musician_returns_after_twenty_seconds() {
    for seed in 1..6 {
        // Interrupted at different moments of a second, so that no dial's timing is favored.
        let mut world = two_playing(seed, NetworkLink::bad());
        let before = slots(&world);
        world.clients[0].link = NetworkLink::bad().gone();
        world.run_ms(20_000 + seed * 170);
        assert_eq!(world.clients[1].roster.len(), 1);
        world.clients[0].link = NetworkLink::bad();
        let back = world.now;
        world.run_ms(6000);
        assert_back(&world, back, ms(2000));
        assert_eq!((slots(&world), world.clients[0].fresh, world.sessions()), (before, 2, 2));
    }
}

/// Slot and name are the same after an interruption of any length.
#[test]
fn slot_and_name_survive_interruptions() {
    // Around the session timeout of five seconds.
    for gone_ms in (4000..7000).step_by(90) {
        let mut world = two_playing(gone_ms, NetworkLink::good());
        let before = slots(&world);
        world.clients[0].link = NetworkLink::good().gone();
        world.run_ms(gone_ms);
        world.clients[0].link = NetworkLink::good();
        let back = world.now;
        world.run_ms(9000);
        assert_back(&world, back, ms(2000));
        assert_eq!((slots(&world), world.sessions()), (before, 2), "{gone_ms} ms");
    }
}

/// Both musicians are back within two seconds after a killed server has restarted.
#[test]
fn musicians_return_after_server_restart() {
    for (seed, pause) in [(1, 0), (2, 700), (3, 4000), (4, 30_000)] {
        let mut world = two_playing(seed, NetworkLink::bad());
        // The client that arrives later has the lower slot, so the order of arrival does not explain the slots.
        world.store.slots.iter_mut().for_each(|s| s.slot.0 = 3 - s.slot.0);
        world.kill_server();
        world.run_ms(pause);
        world.start_server();
        let up = world.now;
        world.run_ms(5000);
        assert_back(&world, up, ms(2000));
        let want = vec![(2, "Ann".to_owned()), (1, "Ben".to_owned())];
        assert_eq!((slots(&world), world.clients[0].fresh), (want, 2));
    }
}

/// A server that stops announces it, and clients wait for it.
#[test]
fn clients_wait_for_a_stopped_server() {
    let mut world = two_playing(1, NetworkLink::good());
    let before = slots(&world);
    world.stop_server();
    world.run_ms(100);
    assert!(
        world.clients.iter().all(|e| e.going_down == 1 && e.lost == 1 && e.session.state() == ClientState::Connecting)
    );
    world.run_ms(5000);
    world.start_server();
    let up = world.now;
    world.run_ms(4000);
    assert_back(&world, up, ms(2000));
    assert_eq!(slots(&world), before);
}

/// A goodbye from the server leads to a new session.
#[test]
fn goodbye_leads_to_a_new_session() {
    let mut world = two_playing(1, NetworkLink::good());
    let before = slots(&world);
    world.say_goodbye_to(0);
    let since = world.now;
    world.run_ms(3000);
    assert_back(&world, since, ms(1000));
    assert_eq!((slots(&world), world.clients[0].lost, world.clients[0].fresh, world.sessions()), (before, 1, 2, 2));
}

/// Losing the control connection interrupts no audio and keeps keys and counters.
#[test]
fn losing_control_keeps_audio() {
    let mut world = two_playing(1, NetworkLink::good());
    for _ in 0..5 {
        let broken = world.now;
        world.break_control(0);
        world.run_ms(2000);
        assert!(world.clients[1].longest_gap(1, broken, world.now) < ms(20));
    }
    let client = &world.clients[0];
    assert_eq!((client.seats.len(), client.fresh, client.session.state()), (6, 1, ClientState::Joined));
}

/// A kicked client is told so and stays away, also if its control connection is down.
#[test]
fn kicked_clients_stay_away() {
    for control_is_up in [true, false] {
        let mut world = two_playing(1, NetworkLink::good());
        if !control_is_up {
            world.break_control(0);
        }
        world.kick("Ann");
        world.run_ms(10_000);
        assert_eq!(world.clients[0].session.state(), ClientState::Refused);
        assert_eq!(world.clients[0].refusals.iter().map(|r| r.reason).collect::<Vec<_>>(), [Refusal::Kicked]);
        assert_eq!((world.sessions(), world.clients[1].session.state()), (1, ClientState::Joined));
    }
}

/// A renewed secret ends the session of a client that resumes, unless the operator keeps sessions.
#[test]
fn tokens_are_bound_to_secret_generation() {
    let mut world = two_playing(1, NetworkLink::good());
    let renewed = |valid_from| RoleSecret { secret: Secret([77; 16]), generation: 2, valid_from };
    world.store.secrets.musician = renewed(1);
    world.break_control(0);
    world.run_ms(2000);
    assert_eq!((world.clients[0].seats.len(), world.clients[0].fresh, world.clients[0].refusals.len()), (2, 1, 0));
    world.store.secrets.musician = renewed(2);
    world.break_control(0);
    world.run_ms(2000);
    for client in &world.clients {
        assert_eq!(client.session.state(), ClientState::Refused);
        assert_eq!(client.refusals.iter().map(|r| r.reason).collect::<Vec<_>>(), [Refusal::SecretRenewed]);
    }
    // New clients need the new secret.
    world.musician(3);
    world.run_ms(1000);
    assert_eq!(world.clients[2].session.state(), ClientState::Refused);
}

/// Audio follows a musician to another address within half a second.
#[test]
fn audio_follows_an_address_change() {
    for seed in 1..10 {
        let mut world = two_playing(seed, NetworkLink::bad());
        let moved = world.now;
        let address = SocketAddr::from(([10, 0, 0, 1], 50_000 + seed as u16));
        world.clients[0].address = address;
        world.run_ms(3000);
        let took = world.clients[0].hears_after(2, moved);
        assert!(took.is_some_and(|t| t <= ms(500)), "{took:?}");
        assert!(world.paths().contains(&address));
        assert!(world.clients[1].longest_gap(1, moved, world.now) < ms(100), "the other way was not interrupted");
        assert_eq!((world.clients[0].fresh, world.clients[0].lost), (1, 0));
    }
}

/// A session survives the loss of a third of the datagrams.
#[test]
fn session_survives_heavy_loss() {
    let mut world = two_playing(7, NetworkLink { loss: 31, ..NetworkLink::bad() });
    let since = world.now;
    world.run_ms(60_000);
    for (client, other) in [(0, 2), (1, 1)] {
        let e = &world.clients[client];
        assert_eq!((e.fresh, e.lost, e.session.state()), (1, 0, ClientState::Joined));
        // Lost in one of two directions: 0.69² arrive.
        assert!(e.heard[&other].iter().filter(|t| **t > since).count() > 4000);
        assert!(e.longest_gap(other, since, world.now) < ms(500));
    }
}

/// An interruption in one direction costs neither slot nor name.
#[test]
fn one_way_interruption_keeps_slot() {
    let mut world = two_playing(1, NetworkLink::good());
    let before = slots(&world);
    // What the first client sends arrives, but it receives neither media nor control messages.
    world.clients[0].link = NetworkLink { down: false, control: false, ..NetworkLink::good() };
    // The client has given the session up; the server, which still receives, has not.
    world.run_ms(7000);
    assert_eq!((world.clients[0].lost, world.sessions()), (1, 2));
    world.clients[0].link = NetworkLink { down: false, ..NetworkLink::good() };
    world.run_ms(12_000);
    assert_eq!((slots(&world), world.sessions(), world.clients[1].roster.len()), (before.clone(), 2, 2));
    world.clients[0].link = NetworkLink::good();
    let back = world.now;
    world.run_ms(4000);
    assert_back(&world, back, ms(2000));
    assert_eq!(slots(&world), before);
}

/// Blocked UDP is reported until something arrives.
#[test]
fn blocked_udp_is_reported() {
    let mut world = World::new(1, 8);
    world.musician(1);
    world.musician(2);
    world.clients[0].link = NetworkLink::good().without_udp();
    world.run_ms(3500);
    let before = slots(&world);
    for _ in 0..300 {
        assert_eq!(world.clients[0].health(world.now), Some(MediaHealth::Blocked));
        world.run_ms(100);
    }
    assert!(world.clients[0].fresh > 1, "it has joined again");
    world.clients[0].link = NetworkLink::good();
    let open = world.now;
    world.run_ms(4000);
    assert_back(&world, open, ms(2000));
    assert_eq!((world.clients[0].health(world.now), slots(&world)), (Some(MediaHealth::Flowing), before));
}

/// UDP that stops during a session is reported as blocked, and slot and name are kept.
#[test]
fn interrupted_udp_becomes_blocked() {
    let mut world = two_playing(1, NetworkLink::good());
    let before = slots(&world);
    world.clients[0].link = NetworkLink::good().without_udp();
    world.run_ms(2000);
    assert_eq!(world.clients[0].health(world.now), Some(MediaHealth::Interrupted));
    world.run_ms(9000);
    assert_eq!(world.clients[0].health(world.now), Some(MediaHealth::Blocked));
    world.run_ms(20_000);
    world.clients[0].link = NetworkLink::good();
    let open = world.now;
    world.run_ms(4000);
    assert_back(&world, open, ms(2000));
    assert_eq!(slots(&world), before);
}
