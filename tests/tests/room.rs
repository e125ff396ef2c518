//! Two musicians in a room: audio, names, and the end of their programs.

use rtjam_tests::musician::{Musician, Options, duet};
use rtjam_tests::room::Room;
use serde_json::Value;
use std::time::Duration;

fn names(status: &Value) -> Vec<&str> {
    status["musicians"].as_array().into_iter().flatten().filter_map(|m| m["name"].as_str()).collect()
}

/// Two musicians hear each other and never themselves.
#[test]
fn musicians_hear_each_other() {
    let room = Room::start();
    let (mut ann, ben) = duet(&room.invite, &room.invite);
    let loud = |m: &Value| m["dbfs"][0].as_f64().is_some_and(|db| db > -40.0);
    ann.wait("Ben's demo above -40 dBFS", Duration::from_secs(5), |s| loud(&s["musicians"][0]).then_some(()));
    assert_eq!(names(&ann.status().expect("a status")), ["Ben"]);
    assert_eq!(names(&ben.status().expect("a status")), ["Ann"]);
}

/// The JSON status has every documented field.
#[test]
fn status_has_documented_fields() {
    let room = Room::start();
    let (mut ann, _ben) = duet(&room.invite, &room.invite);
    let status =
        ann.wait("a measured round trip", Duration::from_secs(5), |s| s["rtt_ms"].is_number().then(|| s.clone()));
    assert_eq!(status["state"], "joined");
    assert_eq!(status["room"], "lobby");
    for field in ["xruns", "callback_load_pct"] {
        assert!(status[field].is_number(), "{field}: {status}");
    }
    assert!(status["stalls"]["count"].is_u64(), "{status}");
    for field in ["packets", "dropped"] {
        assert!(status["tx"][field].is_u64(), "tx.{field}: {status}");
    }
    assert_eq!(status["tx"]["dbfs"].as_array().map(Vec::len), Some(2));
    let ben = &status["musicians"][0];
    assert_eq!(ben["slot"], 1);
    assert_eq!(ben["name"], "Ben");
    for field in ["packets", "lost", "late", "recovered", "concealed_frames"] {
        assert!(ben[field].is_u64(), "{field}: {status}");
    }
    assert!(ben["playout_delay_ms"].is_number(), "{status}");
    assert_eq!(ben["dbfs"].as_array().map(Vec::len), Some(2));
}

/// Silence is −120 dBFS, and losses are counted from the join on.
#[test]
fn silence_is_minus_120() {
    let room = Room::start();
    let mut ann = Musician::start(&Options::dummy("Ann", &room.invite));
    let mut ben = Musician::start(&Options::dummy("Ben", &room.invite));
    ann.wait_hears("Ben");
    ben.wait_hears("Ann");
    let quiet = ann.wait_new("Ben's status", Duration::from_secs(3), |s| Some(s["musicians"][0].clone()));
    assert_eq!(quiet["dbfs"], serde_json::json!([-120.0, -120.0]));
}

/// A musician who leaves is gone from the others' status within a second.
#[test]
fn leaving_is_seen_at_once() {
    let room = Room::start();
    let mut ann = Musician::start(&Options::demo("Ann", &room.invite));
    let mut ben = Musician::start(&Options::demo("Ben", &room.invite));
    ann.wait_hears("Ben");
    ben.child.signal(libc::SIGTERM);
    assert_eq!(ben.child.wait_exit(Duration::from_secs(1)), 0, "{}", ben.child.transcript());
    ann.wait_new("Ben's absence", Duration::from_millis(2100), |s| names(s).is_empty().then_some(()));
}

/// SIGINT ends the program within a second.
#[test]
fn sigint_exits_with_0() {
    let room = Room::start();
    let mut ann = Musician::start(&Options::demo("Ann", &room.invite));
    ann.wait_joined();
    ann.child.signal(libc::SIGINT);
    assert_eq!(ann.child.wait_exit(Duration::from_secs(1)), 0);
}

/// SIGTERM ends the program within a second, even if the room cannot be reached.
#[test]
fn sigterm_ends_while_connecting() {
    let mut ann = Musician::start(&Options::demo("Ann", &unreachable_link()));
    ann.wait("status connecting", Duration::from_secs(5), |s| (s["state"] == "connecting").then_some(()));
    ann.child.signal(libc::SIGTERM);
    assert_eq!(ann.child.wait_exit(Duration::from_secs(1)), 0);
}

/// A valid link to a port on which nothing listens.
fn unreachable_link() -> String {
    let room = Room::start();
    room.invite.clone()
}

/// A musician who is alone is shown the link to send to others.
#[test]
fn lone_musician_sees_the_link() {
    let room = Room::start();
    let mut ann = Musician::start(&Options::dummy("Ann", &room.invite));
    ann.wait_joined();
    ann.child.wait_err(&room.invite, Duration::from_secs(3));
}

/// Two programs with one identity are two musicians.
#[test]
fn two_programs_are_two_musicians() {
    let room = Room::start();
    let config = rtjam_tests::machine::Scratch::new("shared");
    let folder = config.path().to_str().expect("a plain path").to_string();
    let home = format!("HOME={folder}");
    let xdg = format!("XDG_CONFIG_HOME={folder}");
    let prefix = ["env", home.as_str(), xdg.as_str()];
    let options = Options { prefix: &prefix, ..Options::demo("Ann", &room.invite) };
    let mut first = Musician::start(&options);
    first.wait_joined();
    let mut second = Musician::start(&options);
    second.wait_hears("Ann");
    first.wait_hears("Ann 2");
}

/// The server informs the musicians when it stops, and stops within a second.
#[test]
fn stopping_server_informs_musicians() {
    let mut room = Room::start();
    let mut ann = Musician::start(&Options::demo("Ann", &room.invite));
    ann.wait_joined();
    room.child.signal(libc::SIGTERM);
    assert_eq!(room.child.wait_exit(Duration::from_secs(1)), 0, "{}", room.child.transcript());
    ann.child.wait_err("when it is back", Duration::from_secs(2));
    room.restart();
    ann.wait_new("status joined", Duration::from_secs(4), |s| (s["state"] == "joined").then_some(()));
}
