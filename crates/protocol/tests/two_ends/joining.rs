//! Getting in, and being where one should be.

use crate::net::Link;
use crate::world::World;
use crate::{ms, two_playing};
use rtjam_protocol::RoomName;
use rtjam_protocol::SourceId;
use rtjam_protocol::client::{Health, State};
use rtjam_protocol::control::{Refusal, Retry, SeatRole};
use rtjam_protocol::link::Secret;
use std::collections::BTreeSet;

#[test]
fn two_musicians_hear_each_other_and_not_themselves() {
    for seed in 1..6 {
        let world = two_playing(seed, Link::bad());
        let [a, b] = &world.ends[..] else { panic!("two ends") };
        assert_eq!((a.heard.keys().collect::<Vec<_>>(), b.heard.keys().collect::<Vec<_>>()), (vec![&2], vec![&1]));
        assert_eq!(
            (&a.sources[&2], &b.sources[&1]),
            (&BTreeSet::from([b.seat().source]), &BTreeSet::from([a.seat().source]))
        );
        // 200 packets a second from a second after the start; a tenth is lost on the two ways.
        assert!(a.heard[&2].len() > 200 && b.heard[&1].len() > 200);
        assert_eq!(a.health(world.now), Some(Health::Flowing));
        assert_eq!(a.roster.iter().map(|m| m.source.0).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(a.roster, b.roster);
        let (rtt, room) = (a.session.clock().rtt().expect("measured"), a.session.clock().room_time(world.now));
        assert!((ms(50)..ms(80)).contains(&rtt), "{rtt:?}");
        // All clocks are the same here.
        assert!(room.is_some_and(|(t, _)| t.0.abs_diff(world.now.0) < 10_000));
    }
}

#[test]
fn a_second_program_of_one_musician_is_a_musician_of_its_own() {
    let mut world = World::new(1, 8);
    world.musician(1);
    world.run_ms(500);
    world.musician(1);
    world.run_ms(1000);
    let [a, b] = &world.ends[..] else { panic!("two ends") };
    assert_eq!((a.seat().name.as_str(), b.seat().name.as_str()), ("Ann", "Ann 2"));
    assert_eq!((a.seat().source, b.seat().source), (SourceId(1), SourceId(2)));
    assert!(a.heard[&2].len() > 50 && b.heard[&1].len() > 50);
}

#[test]
fn a_bye_is_told_to_the_others_at_once() {
    let mut world = two_playing(1, Link::good());
    world.ends[0].session.leave();
    world.drain_end(0);
    world.run_ms(100);
    assert_eq!((world.ends[1].left.as_slice(), world.ends[1].roster.len()), (&["Ann".to_owned()][..], 1));
    assert_eq!((world.sessions(), world.ends[0].session.state()), (1, State::Left));
}

#[test]
fn who_just_vanishes_is_gone_after_five_seconds() {
    let mut world = two_playing(1, Link::good());
    world.ends[0].link = Link::good().gone();
    world.run_ms(4900);
    assert_eq!((world.sessions(), world.ends[1].roster.len()), (2, 2));
    world.run_ms(300);
    assert_eq!((world.sessions(), world.ends[1].roster.len(), world.ends[1].left.len()), (1, 1, 1));
}

#[test]
fn a_full_room_admits_when_someone_leaves() {
    let mut world = World::new(1, 2);
    for identity in 1..=3 {
        world.musician(identity);
        world.run_ms(500);
    }
    world.run_ms(5000);
    let refused = &world.ends[2].refusals;
    assert!(refused.len() >= 2 && refused.iter().all(|r| (r.reason, r.retry) == (Refusal::RoomFull, Retry::Later)));
    world.ends[0].session.leave();
    world.drain_end(0);
    let left = world.now;
    world.run_ms(2500);
    assert_eq!(world.ends[2].session.state(), State::Joined);
    assert_eq!(world.ends[2].seat().source, SourceId(1));
    assert!(world.ends[1].hears_after(3, left).is_some());
}

#[test]
fn listeners_hear_and_take_no_musicians_slot() {
    let mut world = World::new(1, 1);
    world.add(5, SeatRole::Listener, |_| {});
    world.run_ms(500);
    world.musician(1);
    world.run_ms(2000);
    let [listener, musician] = &world.ends[..] else { panic!("two ends") };
    assert_eq!((musician.seat().source, musician.session.state()), (SourceId(1), State::Joined));
    assert!(listener.heard[&2].len() > 200 && musician.heard.is_empty());
    assert_eq!(listener.roster.iter().map(|m| m.source).collect::<Vec<_>>(), [SourceId(1)]);
}

#[test]
fn who_only_watches_sees_the_roster_and_takes_no_seat() {
    let mut world = World::new(1, 1);
    world.add(5, SeatRole::None, |_| {});
    world.run_ms(500);
    world.musician(1);
    world.run_ms(500);
    assert_eq!((world.ends[0].session.state(), world.ends[0].roster.len(), world.sessions()), (State::Joined, 1, 1));
}

#[test]
fn each_refusal_says_why_and_whether_to_try_again() {
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
        let end = &world.ends[0];
        let first = end.refusals.first().map(|r| (r.reason, r.retry));
        assert_eq!((first, world.sessions()), (Some((reason, retry)), 0));
        let tries_again = retry == Retry::Later;
        assert_eq!((end.session.state() == State::Connecting, end.refusals.len() > 1), (tries_again, tries_again));
    }
}

#[test]
fn a_server_that_could_not_take_anyone_does_when_it_can() {
    let mut world = World::new(1, 8);
    world.store.works = false;
    world.musician(1);
    world.run_ms(3000);
    world.store.works = true;
    world.run_ms(2500);
    assert_eq!(world.ends[0].session.state(), State::Joined);
}

#[test]
fn the_largest_datagram_of_a_small_path_is_found_and_again_when_the_path_grows() {
    let mut world = World::new(3, 8);
    world.musician(1);
    world.ends[0].link.largest = 1100;
    world.run_ms(4000);
    assert_eq!(world.ends[0].session.datagram_limit(), 1000);
    world.ends[0].link.largest = 1472;
    world.run_ms(31_000);
    assert_eq!(world.ends[0].session.datagram_limit(), 1200);
}

#[test]
fn a_musician_who_moves_to_a_smaller_path_knows_it_within_three_seconds() {
    let mut world = two_playing(3, Link::good());
    assert_eq!(world.ends[0].session.datagram_limit(), 1200);
    world.ends[0].link.largest = 1100;
    world.ends[0].address.set_port(50_000);
    world.run_ms(3000);
    assert_eq!(world.ends[0].session.datagram_limit(), 1000);
}
