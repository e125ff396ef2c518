//! `rtjam` as a JACK client: ports, connections, names, and a server that changes its period or disappears.

use rtjam_tests::child::Child;
use rtjam_tests::jackd::Jackd;
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::probe;
use rtjam_tests::room::Room;
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

fn on_jack<'a>(name: &'a str, room: &'a Room, jackd: &'a Jackd, arguments: &'a [&'a str]) -> Musician {
    Musician::start(&Options { name, link: &room.invite, arguments, jack: Some(&jackd.name), prefix: &[] })
}

/// The client has the documented ports and connects to the first two physical ports.
#[test]
fn jack_ports_follow_contract() {
    let Some(jackd) = Jackd::start(48_000, 128) else { return };
    let room = Room::start();
    let mut ann = on_jack("Ann", &room, &jackd, &["--backend", "jack", "--jack-name", "band"]);
    ann.wait_joined();
    let mut expected: Vec<String> = ["in_1", "in_2", "out_1", "out_2"].map(String::from).to_vec();
    expected.extend((1..=12).flat_map(|slot| (1..=2).map(move |c| format!("slot{slot:02}_{c}"))));
    let mut found = probe::ports(&jackd.name, "band:");
    found.sort();
    expected.iter_mut().for_each(|p| p.insert_str(0, "band:"));
    expected.sort();
    assert_eq!(found, expected);
    for (port, system) in [
        ("band:in_1", "system:capture_1"),
        ("band:in_2", "system:capture_2"),
        ("band:out_1", "system:playback_1"),
        ("band:out_2", "system:playback_2"),
    ] {
        assert_eq!(probe::connections(&jackd.name, port), [system]);
    }
}

/// `--no-connect` connects nothing, and a second client gets another name.
#[test]
fn no_connect_and_unique_names() {
    let Some(jackd) = Jackd::start(48_000, 128) else { return };
    let room = Room::start();
    let arguments = ["--backend", "jack", "--no-connect"];
    let mut ann = on_jack("Ann", &room, &jackd, &arguments);
    ann.wait_joined();
    let mut ben = on_jack("Ben", &room, &jackd, &arguments);
    ben.wait_joined();
    assert_eq!(probe::connections(&jackd.name, "rtjam:in_1"), [""; 0]);
    let inputs: Vec<String> = probe::ports(&jackd.name, "rtjam").into_iter().filter(|p| p.ends_with(":in_1")).collect();
    assert_eq!(inputs.len(), 2, "{inputs:?}");
    assert_ne!(inputs[0], inputs[1]);
}

/// The period may change while the client plays.
#[test]
fn period_change_keeps_playing() {
    let Some(jackd) = Jackd::start(48_000, 128) else { return };
    let room = Room::start();
    let _ann = on_jack("Ann", &room, &jackd, &["--backend", "jack", "--source", "demo"]);
    let mut ben = Musician::start(&Options::dummy("Ben", &room.invite));
    ben.wait_hears("Ann");
    for period in [256, 64, 1024] {
        let mut command = Command::new("jack_bufsize");
        let mut bufsize = Child::start(command.arg(period.to_string()).env("JACK_DEFAULT_SERVER", &jackd.name), None);
        bufsize.wait_exit(SOON);
        assert_eq!(probe::period(&jackd.name), period);
        let before = ben.wait_new("a status", SOON, |s| s["musicians"][0]["packets"].as_u64());
        ben.wait_new("sound that goes on", SOON, |s| {
            let ann = &s["musicians"][0];
            let loud = ann["dbfs"][0].as_f64().is_some_and(|db| db > -40.0);
            (loud && ann["packets"].as_u64()? > before + 100).then_some(())
        });
    }
}

/// A JACK server that disappears is reported, and used again when it is back.
#[test]
fn lost_jack_server_is_rejoined() {
    let Some(mut jackd) = Jackd::start(48_000, 128) else { return };
    let room = Room::start();
    let mut ann = on_jack("Ann", &room, &jackd, &["--backend", "jack", "--jack-name", "Ann", "--no-connect"]);
    let mut ben = Musician::start(&Options::dummy("Ben", &room.invite));
    ben.wait_hears("Ann");
    jackd.kill();
    ann.child.wait_err("JACK", Duration::from_secs(8));
    jackd.start_again(48_000, 64);
    let before = ben.status().and_then(|s| s["musicians"][0]["packets"].as_u64()).expect("a count");
    let more = |s: &serde_json::Value| s["musicians"][0]["packets"].as_u64().filter(|n| *n > before + 300);
    ben.wait_new("Ann's sound again", Duration::from_secs(15), more);
}

/// A guitar in input 2 goes to both channels; a channel that JACK does not have is an error that says what to do.
#[test]
fn input_two_goes_to_both_channels() {
    let Some(jackd) = Jackd::start(48_000, 128) else { return };
    let room = Room::start();
    let mut ann = on_jack("Ann", &room, &jackd, &["--backend", "jack", "--input-channels", "2"]);
    ann.wait_joined();
    for port in ["rtjam:in_1", "rtjam:in_2"] {
        assert_eq!(probe::connections(&jackd.name, port), ["system:capture_2"]);
    }
    ann.wait("the delay of the devices", SOON, |s| s["device_ms"].as_f64().filter(|ms| *ms > 0.0));
    let mut ben = on_jack("Ben", &room, &jackd, &["--backend", "jack", "--input-channels", "3"]);
    ben.child.wait_err("JACK has no input 3, only 2. Choose others with --input-channels.", SOON);
    assert_eq!(ben.child.wait_exit(SOON), 1, "{}", ben.child.transcript());
}
