//! The VST3 plugin in a room, in a host that terminates it carelessly.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "a test fails by a panic that says what is missing")]

use rtjam_tests::child::Child;
use rtjam_tests::claphost::project;
use rtjam_tests::machine::Scratch;
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::room::Room;
use rtjam_tests::vst3::RTJAM;
use rtjam_tests::vst3host::{Buffers, Call, Module};
use serde_json::Value;
use std::io::{self, Write};
use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Holds the invite link in the process that is the host.
const INSIDE: &str = "RTJAM_TEST_VST3_ROOM";
/// `terminate` leaves the room, whatever references the host still holds.
#[test]
fn terminated_instance_leaves_its_room() {
    let home = Scratch::new("vst3-room");
    let room = Room::start();
    let mut ann = Musician::start(&Options::demo("Ann", &room.invite));
    ann.wait_joined();
    let mut command = Command::new(std::env::current_exe().expect("the test's own path is known"));
    command.args(["host_joins_and_terminates", "--exact", "--nocapture"]).env(INSIDE, &room.invite);
    for folder in ["HOME", "XDG_CONFIG_HOME"] {
        command.env(folder, home.path());
    }
    let (mut host, mut orders) = Child::start_with_stdin(&mut command);
    let names = |s: &Value| s["musicians"].as_array().map(Vec::len);
    ann.wait_new("Uma", Duration::from_secs(20), |s| (names(s) == Some(1)).then_some(()));
    writeln!(orders, "terminate").expect("the host listens");
    ann.wait_new("nobody", Duration::from_secs(20), |s| (names(s) == Some(0)).then_some(()));
    drop(orders);
    assert_eq!(host.wait_exit(Duration::from_secs(30)), 0, "{}", host.transcript());
}

/// The host of [`terminated_instance_leaves_its_room`]; does nothing unless that test started it. Terminates the
/// instance at the first line on standard input, and ends when standard input ends.
#[test]
fn host_joins_and_terminates() {
    let Ok(invite) = std::env::var(INSIDE) else { return };
    let module = Module::load();
    let effect = module.effect(RTJAM.name);
    assert!(effect.set_state(project("Uma", &invite, "").as_bytes()));
    effect.start(48_000.0, 64);
    let mut buffers = Buffers::new(64, 1);
    let (order, orders) = mpsc::channel();
    std::thread::spawn(move || io::stdin().lines().map_while(Result::ok).try_for_each(|line| order.send(line)));
    // A clock of 750 blocks per second.
    let begun = Instant::now();
    for block in 1.. {
        buffers.play(&effect, &Call::default());
        let due = begun + Duration::from_micros(1_333) * block;
        if orders.recv_timeout(due.saturating_duration_since(Instant::now())) != Err(RecvTimeoutError::Timeout) {
            break;
        }
    }
    effect.terminate();
    // Still active and not released: the end of the process is not what makes it leave.
    let _ = orders.recv();
}
