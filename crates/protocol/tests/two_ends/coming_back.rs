//! Networks, servers and connections that go and come back.

use crate::net::Link;
use crate::world::World;
use crate::{ms, two_playing};
use core::net::SocketAddr;
use rtjam_protocol::Micros;
use rtjam_protocol::client::{Health, State};
use rtjam_protocol::control::Refusal;
use rtjam_protocol::link::Secret;
use rtjam_protocol::room::RoleSecret;

/// Who sits where.
fn slots(world: &World) -> Vec<(u16, String)> {
    world.ends.iter().map(|e| (e.seat().source.0, e.seat().name.clone())).collect()
}

/// Both hear each other again at most `limit` after `since`.
fn assert_back(world: &World, since: Micros, limit: Micros) {
    for (end, other) in [(0, 2), (1, 1)] {
        let took = world.ends[end].hears_after(other, since);
        assert!(took.is_some_and(|t| t <= limit), "end {end} hears again after {took:?}");
        assert!(world.ends[end].longest_gap(other, since + limit, world.now) < ms(500));
    }
}

#[test]
fn after_three_seconds_without_network_the_same_session_goes_on() {
    for seed in 1..6 {
        let mut world = two_playing(seed, Link::bad());
        let before = slots(&world);
        world.ends[0].link = Link::bad().gone();
        world.run_ms(3000);
        world.ends[0].link = Link::bad();
        let back = world.now;
        world.run_ms(6000);
        assert_back(&world, back, ms(2000));
        assert_eq!((slots(&world), world.ends[0].fresh, world.ends[0].lost), (before, 1, 0));
    }
}

#[test]
fn after_twenty_seconds_without_network_a_musician_is_back_within_two_in_the_same_slot() {
    for seed in 1..6 {
        // Gone at any moment of the second, so that no dial's timing is favoured.
        let mut world = two_playing(seed, Link::bad());
        let before = slots(&world);
        world.ends[0].link = Link::bad().gone();
        world.run_ms(20_000 + seed * 170);
        assert_eq!(world.ends[1].roster.len(), 1);
        world.ends[0].link = Link::bad();
        let back = world.now;
        world.run_ms(6000);
        assert_back(&world, back, ms(2000));
        assert_eq!((slots(&world), world.ends[0].fresh, world.sessions()), (before, 2, 2));
    }
}

#[test]
fn whenever_the_network_returns_slot_and_name_are_the_same() {
    // Around the five seconds after which either end gives up.
    for gone_ms in (4000..7000).step_by(90) {
        let mut world = two_playing(gone_ms, Link::good());
        let before = slots(&world);
        world.ends[0].link = Link::good().gone();
        world.run_ms(gone_ms);
        world.ends[0].link = Link::good();
        let back = world.now;
        world.run_ms(9000);
        assert_back(&world, back, ms(2000));
        assert_eq!((slots(&world), world.sessions()), (before, 2), "{gone_ms} ms");
    }
}

#[test]
fn both_musicians_are_back_after_the_server_was_killed_and_started_again() {
    for (seed, pause) in [(1, 0), (2, 700), (3, 4000), (4, 30_000)] {
        let mut world = two_playing(seed, Link::bad());
        // The later one to arrive has the lower slot, so that order of arrival explains nothing.
        world.store.slots.iter_mut().for_each(|s| s.slot.0 = 3 - s.slot.0);
        world.kill_server();
        world.run_ms(pause);
        world.start_server();
        let up = world.now;
        world.run_ms(5000);
        assert_back(&world, up, ms(2000));
        let want = vec![(2, "Ann".to_owned()), (1, "Ben".to_owned())];
        assert_eq!((slots(&world), world.ends[0].fresh), (want, 2));
    }
}

#[test]
fn a_server_that_stops_on_purpose_says_so_and_is_awaited() {
    let mut world = two_playing(1, Link::good());
    let before = slots(&world);
    world.stop_server();
    world.run_ms(100);
    assert!(world.ends.iter().all(|e| e.going_down == 1 && e.lost == 1 && e.session.state() == State::Connecting));
    world.run_ms(5000);
    world.start_server();
    let up = world.now;
    world.run_ms(4000);
    assert_back(&world, up, ms(2000));
    assert_eq!(slots(&world), before);
}

#[test]
fn the_servers_goodbye_to_one_session_is_answered_by_a_new_one() {
    let mut world = two_playing(1, Link::good());
    let before = slots(&world);
    world.say_goodbye_to(0);
    let since = world.now;
    world.run_ms(3000);
    assert_back(&world, since, ms(1000));
    assert_eq!((slots(&world), world.ends[0].lost, world.ends[0].fresh, world.sessions()), (before, 1, 2, 2));
}

#[test]
fn losing_control_stops_no_sound_and_keeps_keys_and_counters() {
    let mut world = two_playing(1, Link::good());
    for _ in 0..5 {
        let broken = world.now;
        world.break_control(0);
        world.run_ms(2000);
        assert!(world.ends[1].longest_gap(1, broken, world.now) < ms(20));
    }
    let end = &world.ends[0];
    assert_eq!((end.seats.len(), end.fresh, end.session.state()), (6, 1, State::Joined));
}

/// Whoever is kicked is told so and stays away, also where the control connection is down at that moment.
#[test]
fn a_kicked_end_does_not_come_back() {
    for control_is_up in [true, false] {
        let mut world = two_playing(1, Link::good());
        if !control_is_up {
            world.break_control(0);
        }
        world.kick("Ann");
        world.run_ms(10_000);
        assert_eq!(world.ends[0].session.state(), State::Refused);
        assert_eq!(world.ends[0].refusals.iter().map(|r| r.reason).collect::<Vec<_>>(), [Refusal::Kicked]);
        assert_eq!((world.sessions(), world.ends[1].session.state()), (1, State::Joined));
    }
}

/// A renewed secret ends the session of an end that comes back by its token, and it is told why and stays away; where
/// sessions are to be kept, it resumes.
#[test]
fn a_token_is_bound_to_the_secrets_generation() {
    let mut world = two_playing(1, Link::good());
    let renewed = |valid_from| RoleSecret { secret: Secret([77; 16]), generation: 2, valid_from };
    world.store.secrets.musician = renewed(1);
    world.break_control(0);
    world.run_ms(2000);
    assert_eq!((world.ends[0].seats.len(), world.ends[0].fresh, world.ends[0].refusals.len()), (2, 1, 0));
    world.store.secrets.musician = renewed(2);
    world.break_control(0);
    world.run_ms(2000);
    for end in &world.ends {
        assert_eq!(end.session.state(), State::Refused);
        assert_eq!(end.refusals.iter().map(|r| r.reason).collect::<Vec<_>>(), [Refusal::SecretRenewed]);
    }
    // Whoever comes anew needs the new one.
    world.musician(3);
    world.run_ms(1000);
    assert_eq!(world.ends[2].session.state(), State::Refused);
}

#[test]
fn audio_follows_a_musician_to_another_address_within_half_a_second() {
    for seed in 1..10 {
        let mut world = two_playing(seed, Link::bad());
        let moved = world.now;
        let address = SocketAddr::from(([10, 0, 0, 1], 50_000 + seed as u16));
        world.ends[0].address = address;
        world.run_ms(3000);
        let took = world.ends[0].hears_after(2, moved);
        assert!(took.is_some_and(|t| t <= ms(500)), "{took:?}");
        assert!(world.paths().contains(&address));
        assert!(world.ends[1].longest_gap(1, moved, world.now) < ms(100), "the other way was not interrupted");
        assert_eq!((world.ends[0].fresh, world.ends[0].lost), (1, 0));
    }
}

#[test]
fn a_third_of_the_datagrams_lost_ends_nothing() {
    let mut world = two_playing(7, Link { loss: 31, ..Link::bad() });
    let since = world.now;
    world.run_ms(60_000);
    for (end, other) in [(0, 2), (1, 1)] {
        let e = &world.ends[end];
        assert_eq!((e.fresh, e.lost, e.session.state()), (1, 0, State::Joined));
        // Lost on either of the two ways; twice with both: 0.69².
        assert!(e.heard[&other].iter().filter(|t| **t > since).count() > 4000);
        assert!(e.longest_gap(other, since, world.now) < ms(500));
    }
}

#[test]
fn one_deaf_way_costs_neither_slot_nor_name() {
    let mut world = two_playing(1, Link::good());
    let before = slots(&world);
    // What the first musician sends arrives; what is sent to them does not; nor does control.
    world.ends[0].link = Link { down: false, control: false, ..Link::good() };
    // This end has given the session up; the server, which heard it until then, has not.
    world.run_ms(7000);
    assert_eq!((world.ends[0].lost, world.sessions()), (1, 2));
    world.ends[0].link = Link { down: false, ..Link::good() };
    world.run_ms(12_000);
    assert_eq!((slots(&world), world.sessions(), world.ends[1].roster.len()), (before.clone(), 2, 2));
    world.ends[0].link = Link::good();
    let back = world.now;
    world.run_ms(4000);
    assert_back(&world, back, ms(2000));
    assert_eq!(slots(&world), before);
}

#[test]
fn blocked_udp_is_said_and_stays_said_until_something_is_heard() {
    let mut world = World::new(1, 8);
    world.musician(1);
    world.musician(2);
    world.ends[0].link = Link::good().without_udp();
    world.run_ms(3500);
    let before = slots(&world);
    for _ in 0..300 {
        assert_eq!(world.ends[0].health(world.now), Some(Health::Blocked));
        world.run_ms(100);
    }
    assert!(world.ends[0].fresh > 1, "it has joined again");
    world.ends[0].link = Link::good();
    let open = world.now;
    world.run_ms(4000);
    assert_back(&world, open, ms(2000));
    assert_eq!((world.ends[0].health(world.now), slots(&world)), (Some(Health::Flowing), before));
}

#[test]
fn udp_that_is_cut_in_the_middle_of_a_jam_is_called_blocked_and_slot_and_name_stay() {
    let mut world = two_playing(1, Link::good());
    let before = slots(&world);
    world.ends[0].link = Link::good().without_udp();
    world.run_ms(2000);
    assert_eq!(world.ends[0].health(world.now), Some(Health::Interrupted));
    world.run_ms(9000);
    assert_eq!(world.ends[0].health(world.now), Some(Health::Blocked));
    world.run_ms(20_000);
    world.ends[0].link = Link::good();
    let open = world.now;
    world.run_ms(4000);
    assert_back(&world, open, ms(2000));
    assert_eq!(slots(&world), before);
}
