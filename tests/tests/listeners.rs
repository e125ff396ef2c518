//! Listeners: they hear the room, are counted separately, and take no musician's seat.

use rtjam_tests::musician::{JOIN, Musician, Options, duet};
use rtjam_tests::room::Room;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

/// A listener hears the room, is counted, and is heard by nobody.
#[test]
fn listener_hears_but_is_silent() {
    let room = Room::start();
    let (mut ann, _ben) = duet(&room.invite, &room.invite);
    let link = room.invite_command(&["--role", "listener"]);
    let mut cat = Musician::start(&Options::demo("Cat", link.trim()));
    wait_mix(&mut cat);
    let status = cat.wait_new("a listener's status", SOON, |s| (s["listeners"] == 1).then(|| s.clone()));
    assert_eq!((&status["role"], &status["tx"]["packets"]), (&"listener".into(), &0.into()), "{status}");
    assert!(status["sentence"].as_str().is_some_and(|s| s.contains("listen")), "{status}");
    let status = ann.wait_new("one who listens", SOON, |s| (s["listeners"] == 1).then(|| s.clone()));
    assert_eq!(status["musicians"].as_array().map(Vec::len), Some(1), "{status}");
    assert_eq!(status["role"], "musician");
    cat.child.signal(libc::SIGTERM);
    assert_eq!(cat.child.wait_exit(Duration::from_secs(2)), 0, "{}", cat.child.transcript());
    ann.wait_new("nobody who listens", SOON, |s| (s["listeners"] == 0).then_some(()));
}

/// A room that is full of listeners still has all of its seats for musicians.
#[test]
fn listeners_leave_musicians_seats() {
    let room = Room::start_with(&["--max-musicians", "1", "--max-listeners", "1"]);
    let link = room.invite_command(&["--role", "listener"]);
    let mut cat = Musician::start(&Options::dummy("Cat", link.trim()));
    cat.wait_joined();
    let mut dan = Musician::start(&Options::dummy("Dan", link.trim()));
    dan.wait("a full room", JOIN, |s| s["sentence"].as_str()?.contains("full").then_some(()));
    let mut ann = Musician::start(&Options::demo("Ann", &room.invite));
    ann.wait_joined();
    wait_mix(&mut cat);
}

/// Waits until the listener's mix is audible.
fn wait_mix(listener: &mut Musician) {
    let loud = |s: &serde_json::Value| s["mix_stream"]["dbfs"][0].as_f64().is_some_and(|db| db > -60.0);
    listener.wait("sound in the mix", JOIN, |s| (s["mix"] == "one" && loud(s)).then_some(()));
}
