//! Joining, leaving and refusals.

use crate::net::NetworkLink;
use crate::world::World;
use crate::{ms, two_playing};
use rtjam_protocol::RoomName;
use rtjam_protocol::SourceId;
use rtjam_protocol::client::{ClientState, MediaHealth};
use rtjam_protocol::control::{Refusal, Retry, SeatRole};
use rtjam_protocol::link::Secret;
use std::collections::BTreeSet;

/// Two musicians hear each other and not themselves.
#[test]
fn musicians_hear_only_others() {
    for seed in 1..6 {
        let world = two_playing(seed, NetworkLink::bad());
        let [a, b] = &world.clients[..] else { panic!("two clients") };
        assert_eq!((a.heard.keys().collect::<Vec<_>>(), b.heard.keys().collect::<Vec<_>>()), (vec![&2], vec![&1]));
        assert_eq!(
            (&a.sources[&2], &b.sources[&1]),
            (&BTreeSet::from([b.seat().source]), &BTreeSet::from([a.seat().source]))
        );
        // 200 packets a second, from one second after the start; a tenth is lost in both directions together.
        assert!(a.heard[&2].len() > 200 && b.heard[&1].len() > 200);
        assert_eq!(a.health(world.now), Some(MediaHealth::Flowing));
        assert_eq!(a.roster.iter().map(|m| m.source.0).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(a.roster, b.roster);
        let (rtt, room) = (a.session.clock().rtt().expect("measured"), a.session.clock().room_time(world.now));
        assert!((ms(50)..ms(80)).contains(&rtt), "{rtt:?}");
        // All clocks are equal here.
        assert!(room.is_some_and(|(t, _)| t.0.abs_diff(world.now.0) < 10_000));
    }
}

/// A second program of one identity is a musician of its own.
#[test]
fn second_program_is_another_musician() {
    let mut world = World::new(1, 8);
    world.musician(1);
    world.run_ms(500);
    world.musician(1);
    world.run_ms(1000);
    let [a, b] = &world.clients[..] else { panic!("two clients") };
    assert_eq!((a.seat().name.as_str(), b.seat().name.as_str()), ("Ann", "Ann 2"));
    assert_eq!((a.seat().source, b.seat().source), (SourceId(1), SourceId(2)));
    assert!(a.heard[&2].len() > 50 && b.heard[&1].len() > 50);
}

/// The others are informed at once when a musician leaves.
#[test]
fn leaving_informs_the_others() {
    let mut world = two_playing(1, NetworkLink::good());
    world.clients[0].session.leave();
    world.drain_client(0);
    world.run_ms(100);
    assert_eq!((world.clients[1].left.as_slice(), world.clients[1].roster.len()), (&["Ann".to_owned()][..], 1));
    assert_eq!((world.sessions(), world.clients[0].session.state()), (1, ClientState::Left));
}

/// A client that vanishes is gone after five seconds.
#[test]
fn vanished_clients_time_out() {
    let mut world = two_playing(1, NetworkLink::good());
    world.clients[0].link = NetworkLink::good().gone();
    world.run_ms(4900);
    assert_eq!((world.sessions(), world.clients[1].roster.len()), (2, 2));
    world.run_ms(300);
    assert_eq!((world.sessions(), world.clients[1].roster.len(), world.clients[1].left.len()), (1, 1, 1));
}

/// A full room admits a waiting client when a musician leaves.
#[test]
fn full_rooms_admit_after_a_leave() {
    let mut world = World::new(1, 2);
    for identity in 1..=3 {
        world.musician(identity);
        world.run_ms(500);
    }
    world.run_ms(5000);
    let refused = &world.clients[2].refusals;
    assert!(refused.len() >= 2 && refused.iter().all(|r| (r.reason, r.retry) == (Refusal::RoomFull, Retry::Later)));
    world.clients[0].session.leave();
    world.drain_client(0);
    let left = world.now;
    world.run_ms(2500);
    assert_eq!(world.clients[2].session.state(), ClientState::Joined);
    assert_eq!(world.clients[2].seat().source, SourceId(1));
    assert!(world.clients[1].hears_after(3, left).is_some());
}

/// Listeners hear, and take no musician's slot.
#[test]
fn listeners_hear_without_a_slot() {
    let mut world = World::new(1, 1);
    world.add(5, SeatRole::Listener, |_| {});
    world.run_ms(500);
    world.musician(1);
    world.run_ms(2000);
    let [listener, musician] = &world.clients[..] else { panic!("two clients") };
    assert_eq!((musician.seat().source, musician.session.state()), (SourceId(1), ClientState::Joined));
    assert!(listener.heard[&2].len() > 200 && musician.heard.is_empty());
    assert_eq!(listener.roster.iter().map(|m| m.source).collect::<Vec<_>>(), [SourceId(1)]);
}

/// A client that only watches gets rosters and takes no seat.
#[test]
fn watching_takes_no_seat() {
    let mut world = World::new(1, 1);
    world.add(5, SeatRole::None, |_| {});
    world.run_ms(500);
    world.musician(1);
    world.run_ms(500);
    assert_eq!(
        (world.clients[0].session.state(), world.clients[0].roster.len(), world.sessions()),
        (ClientState::Joined, 1, 1)
    );
}

/// Each refusal tells its reason and whether to retry.
#[test]
fn refusals_tell_reason_and_retry() {
    type Change = fn(&mut World);
    let wrong_secret: Change = |w| {
        w.add(1, SeatRole::Musician, |c| c.secret = Secret([9; 16]));
    };
    let listens: Change = |w| {
        w.add(1, SeatRole::Musician, |c| c.secret = Secret([1; 16]));
    };
    let no_suite: Change = |w| {
        w.add(1, SeatRole::Musician, |c| c.suites.clear());
    };
    let unknown: Change = |w| {
        w.store.exists = false;
        w.add(1, SeatRole::Musician, |c| c.room = RoomName::new("other").expect("a name"));
    };
    let disk_full: Change = |w| {
        w.store.works = false;
        w.musician(1);
    };
    let old: Change = |w| {
        w.tamper = Some(|t| t.replace(r#""version":1"#, r#""version":0"#));
        w.musician(1);
    };
    let stolen: Change = |w| {
        w.tamper = Some(|t| t.replace(r#""signature":""#, r#""signature":"A"#).replace("A\",\"name", "\",\"name"));
        w.musician(1);
    };
    let nonsense: Change = |w| {
        w.tamper = Some(|t| t.replace("hello", "seat"));
        w.musician(1);
    };
    for (change, reason, retry) in [
        (wrong_secret, Refusal::WrongSecret, Retry::Never),
        (listens, Refusal::RoleNotAllowed, Retry::Never),
        (no_suite, Refusal::Version, Retry::Never),
        (unknown, Refusal::WrongSecret, Retry::Never),
        (disk_full, Refusal::ServerUnable, Retry::Later),
        (old, Refusal::Version, Retry::Never),
        (stolen, Refusal::BadMessage, Retry::Never),
        (nonsense, Refusal::BadMessage, Retry::Never),
    ] {
        let mut world = World::new(1, 8);
        change(&mut world);
        world.run_ms(10_000);
        let client = &world.clients[0];
        let first = client.refusals.first().map(|r| (r.reason, r.retry));
        assert_eq!((first, world.sessions()), (Some((reason, retry)), 0));
        let tries_again = retry == Retry::Later;
        assert_eq!(
            (client.session.state() == ClientState::Connecting, client.refusals.len() > 1),
            (tries_again, tries_again)
        );
    }
}

/// A client gets in once the server has recovered.
#[test]
fn recovered_servers_admit_waiting_clients() {
    let mut world = World::new(1, 8);
    world.store.works = false;
    world.musician(1);
    world.run_ms(3000);
    world.store.works = true;
    world.run_ms(2500);
    assert_eq!(world.clients[0].session.state(), ClientState::Joined);
}

/// The datagram limit follows a path that shrinks and grows.
#[test]
fn datagram_limit_follows_the_path() {
    let mut world = World::new(3, 8);
    world.musician(1);
    world.clients[0].link.largest = 1100;
    world.run_ms(4000);
    assert_eq!(world.clients[0].session.datagram_limit(), 1000);
    world.clients[0].link.largest = 1472;
    world.run_ms(31_000);
    assert_eq!(world.clients[0].session.datagram_limit(), 1200);
}

/// The datagram limit is updated within three seconds after an address change.
#[test]
fn address_change_updates_datagram_limit() {
    let mut world = two_playing(3, NetworkLink::good());
    assert_eq!(world.clients[0].session.datagram_limit(), 1200);
    world.clients[0].link.largest = 1100;
    world.clients[0].address.set_port(50_000);
    world.run_ms(3000);
    assert_eq!(world.clients[0].session.datagram_limit(), 1000);
}
