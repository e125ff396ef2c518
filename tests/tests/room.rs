//! Two musicians in a room: who hears whom, how they are named, how they end.

use rtjam_tests::musician::{Musician, Options, duet};
use rtjam_tests::room::Room;
use serde_json::Value;
use std::time::Duration;

fn names(status: &Value) -> Vec<&str> {
    status["musicians"].as_array().into_iter().flatten().filter_map(|m| m["name"].as_str()).collect()
}

#[test]
fn two_musicians_hear_each_other_and_never_themselves() {
    let room = Room::start();
    let (mut ann, ben) = duet(&room.invite, &room.invite);
    let loud = |m: &Value| m["dbfs"][0].as_f64().is_some_and(|db| db > -40.0);
    ann.wait("Ben's demo above -40 dBFS", Duration::from_secs(5), |s| loud(&s["musicians"][0]).then_some(()));
    assert_eq!(names(&ann.status().expect("a status")), ["Ben"]);
    assert_eq!(names(&ben.status().expect("a status")), ["Ann"]);
}

#[test]
fn status_has_every_field_of_its_contract() {
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

#[test]
fn silence_is_minus_120_and_losses_are_counted_since_joining() {
    let room = Room::start();
    let mut ann = Musician::start(&Options::dummy("Ann", &room.invite));
    let mut ben = Musician::start(&Options::dummy("Ben", &room.invite));
    ann.wait_hears("Ben");
    ben.wait_hears("Ann");
    let quiet = ann.wait_new("Ben's status", Duration::from_secs(3), |s| Some(s["musicians"][0].clone()));
    assert_eq!(quiet["dbfs"], serde_json::json!([-120.0, -120.0]));
}

#[test]
fn a_musician_who_leaves_is_gone_from_the_other_ones_status_within_a_second() {
    let room = Room::start();
    let mut ann = Musician::start(&Options::demo("Ann", &room.invite));
    let mut ben = Musician::start(&Options::demo("Ben", &room.invite));
    ann.wait_hears("Ben");
    ben.child.signal(libc::SIGTERM);
    assert_eq!(ben.child.wait_exit(Duration::from_secs(1)), 0, "{}", ben.child.transcript());
    ann.wait_new("Ben's absence", Duration::from_millis(2100), |s| names(s).is_empty().then_some(()));
}

#[test]
fn sigint_ends_within_a_second_with_exit_code_0() {
    let room = Room::start();
    let mut ann = Musician::start(&Options::demo("Ann", &room.invite));
    ann.wait_joined();
    ann.child.signal(libc::SIGINT);
    assert_eq!(ann.child.wait_exit(Duration::from_secs(1)), 0);
}

#[test]
fn sigterm_ends_within_a_second_also_while_the_room_cannot_be_reached() {
    let mut ann = Musician::start(&Options::demo("Ann", &unreachable_link()));
    ann.wait("status connecting", Duration::from_secs(5), |s| (s["state"] == "connecting").then_some(()));
    ann.child.signal(libc::SIGTERM);
    assert_eq!(ann.child.wait_exit(Duration::from_secs(1)), 0);
}

/// A whole link to a port where nothing listens.
fn unreachable_link() -> String {
    let room = Room::start();
    room.invite.clone()
}

#[test]
fn a_musician_alone_is_shown_the_link_to_send() {
    let room = Room::start();
    let mut ann = Musician::start(&Options::dummy("Ann", &room.invite));
    ann.wait_joined();
    ann.child.wait_err(&room.invite, Duration::from_secs(3));
}

#[test]
fn two_programs_of_one_musician_are_two_musicians() {
    let room = Room::start();
    let config = rtjam_tests::scratch::Scratch::new("shared");
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

#[test]
fn the_server_tells_the_musicians_when_it_ends_and_ends_within_a_second() {
    let mut room = Room::start();
    let mut ann = Musician::start(&Options::demo("Ann", &room.invite));
    ann.wait_joined();
    room.child.signal(libc::SIGTERM);
    assert_eq!(room.child.wait_exit(Duration::from_secs(1)), 0, "{}", room.child.transcript());
    ann.child.wait_err("going down", Duration::from_secs(2));
    room.restart();
    ann.wait_new("status joined", Duration::from_secs(4), |s| (s["state"] == "joined").then_some(()));
}
