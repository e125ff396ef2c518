//! Those who only listen: they hear the room, are counted apart, and take no musician's place.

use rtjam_tests::musician::{JOIN, Musician, Options, duet};
use rtjam_tests::room::Room;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_listener_hears_the_room_and_is_counted_and_heard_by_nobody() {
    let room = Room::start();
    let (mut ann, _ben) = duet(&room.invite, &room.invite);
    let link = room.invite_command(&["--role", "listener"]);
    let mut cat = Musician::start(&Options::demo("Cat", link.trim()));
    wait_mix(&mut cat);
    let status = cat.wait_new("a listener's status", SOON, |s| (s["listeners"] == 1).then(|| s.clone()));
    assert_eq!((&status["role"], &status["tx"]["packets"]), (&"listener".into(), &0.into()), "{status}");
    assert!(status["sentence"].as_str().is_some_and(|s| s.contains("You are a listener")), "{status}");
    let status = ann.wait_new("one who listens", SOON, |s| (s["listeners"] == 1).then(|| s.clone()));
    assert_eq!(status["musicians"].as_array().map(Vec::len), Some(1), "{status}");
    assert_eq!(status["role"], "musician");
    cat.child.signal(libc::SIGTERM);
    assert_eq!(cat.child.wait_exit(Duration::from_secs(2)), 0, "{}", cat.child.transcript());
    ann.wait_new("nobody who listens", SOON, |s| (s["listeners"] == 0).then_some(()));
}

#[test]
fn a_room_full_of_listeners_has_all_its_seats_for_musicians() {
    let room = Room::start_with(&["--max-musicians", "1", "--max-listeners", "1"]);
    let link = room.invite_command(&["--role", "listener"]);
    let mut cat = Musician::start(&Options::dummy("Cat", link.trim()));
    cat.wait_joined();
    let mut dan = Musician::start(&Options::dummy("Dan", link.trim()));
    dan.wait("a full room", JOIN, |s| s["sentence"].as_str()?.contains("The room is full").then_some(()));
    let mut ann = Musician::start(&Options::demo("Ann", &room.invite));
    ann.wait_joined();
    wait_mix(&mut cat);
}

/// Waits for sound in the mix.
fn wait_mix(listener: &mut Musician) {
    let loud = |s: &serde_json::Value| s["mix_stream"]["dbfs"][0].as_f64().is_some_and(|db| db > -60.0);
    listener.wait("sound in the mix", JOIN, |s| (s["mix"] == "one" && loud(s)).then_some(()));
}
