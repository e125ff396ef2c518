//! The programs and the plugin for Windows, run by wine: a room, musicians, a plugin host. Each test prints what it measured.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "a test fails by a panic that says what is missing")]

use clap::Parser as _;
use rtjam_load::LoadOptions;
use rtjam_tests::child::Child;
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::room::{Room, free_port};
use rtjam_tests::wine::{Missing, Wine, built};
use serde_json::Value;
use std::time::Duration;

/// Wine starts slowly, even more so beside a build.
const START: Duration = Duration::from_secs(60);

/// Packets until both have settled: 5 s.
const SETTLED: u64 = 1_875;

/// Packets that are counted: 30 s.
const PLAY: u64 = 11_250;

/// The longest time for them, at 300 packets a second instead of 375.
const PLAY_LIMIT: Duration = Duration::from_secs(37);

/// The share of packets that may be lost: a thousandth. How many are late depends on what else the machine does.
const LOST_PER_MILLE: u64 = 1;

/// The median time from sending a packet to receiving it through the server.
const MEDIAN_US: u64 = 5_000;

/// Runs a test in a wine prefix, or says why it is skipped.
fn in_wine(test: impl FnOnce(&Wine) -> Result<(), Missing>) {
    if let Err(reason) = built("rtjam.exe").and_then(|_| Wine::start()).and_then(|wine| test(&wine)) {
        // Not `skipped`, which fails on CI: the build for Windows is no part of the suite.
        eprintln!("skipped: {reason}");
    }
}

/// A running `rtjam-server.exe`.
struct WindowsRoom {
    child: Child,
    invite: String,
    port: u16,
}

impl WindowsRoom {
    fn start(wine: &Wine) -> Result<WindowsRoom, Missing> {
        WindowsRoom::start_at(wine, free_port())
    }

    /// Starts a server on a port, with the data of the last one.
    fn start_at(wine: &Wine, port: u16) -> Result<WindowsRoom, Missing> {
        let (address, data) = (format!("127.0.0.1:{port}"), wine.folder("rooms"));
        let arguments = ["--listen", &address, "--public-address", &address, "--data", &data];
        let mut child = wine.start_program(&built("rtjam-server.exe")?, &arguments, None);
        let invite = child.wait_out("invite line", START, |l| l.strip_prefix("invite: ").map(str::to_owned));
        Ok(WindowsRoom { child, invite, port })
    }
}

/// Starts `rtjam.exe` on the dummy backend, playing the demo.
fn windows_musician(wine: &Wine, name: &str, link: &str) -> Result<Musician, Missing> {
    let config = wine.folder(name);
    let arguments = ["--headless", "--status-json", "--join", "-", "--name", name, "--config", &config];
    let audio = ["--backend", "dummy", "--source", "demo"];
    let child =
        wine.start_program(&built("rtjam.exe")?, &[&arguments[..], &audio].concat(), Some(&format!("{link}\n")));
    Ok(Musician::of(child))
}

/// What a musician has heard of the only other one.
fn heard(status: &Value) -> Option<&Value> {
    status["musicians"].as_array()?.first().filter(|m| m["packets"].as_u64() > Some(0))
}

/// Packets that a musician has got of the other one, how many were lost, and how many late.
fn counts(musician: &Musician) -> [u64; 3] {
    let status = musician.status().expect("a status");
    let other = heard(&status).expect("still there");
    ["packets", "lost", "late"].map(|key| other[key].as_u64().unwrap_or(0))
}

/// Waits until each has got so many more packets.
fn play(musicians: &mut [(&str, Musician)], packets: u64) {
    for (_, musician) in musicians {
        let until = counts(musician)[0] + packets;
        musician.wait("enough packets", PLAY_LIMIT, |s| (heard(s)?["packets"].as_u64()? >= until).then_some(()));
    }
}

/// Waits until two musicians have heard each other for 30 s, prints what was lost, and checks it.
fn assert_little_lost(musicians: &mut [(&str, Musician)]) {
    for (_, musician) in &mut *musicians {
        musician.wait("sound of the other one", START, |s| heard(s).map(drop));
    }
    play(musicians, SETTLED);
    let before: Vec<_> = musicians.iter().map(|(_, m)| counts(m)).collect();
    play(musicians, PLAY);
    for ((name, musician), before) in musicians.iter().zip(before) {
        let after = counts(musician);
        let [packets, lost, late] = [0, 1, 2].map(|count| after[count] - before[count]);
        println!("{name} heard {packets} packets of the other one, {lost} lost, {late} late");
        assert!(lost * 1000 <= (packets + lost) * LOST_PER_MILLE, "{}", musician.child.transcript());
    }
}

/// A server and two musicians, all on Windows. Two more on Linux measure how long the server takes.
#[test]
fn windows_server_forwards_promptly() {
    in_wine(|wine| {
        let mut room = WindowsRoom::start(wine)?;
        let invite = room.invite.clone();
        let mut musicians =
            [("Ann", windows_musician(wine, "Ann", &invite)?), ("Ben", windows_musician(wine, "Ben", &invite)?)];
        assert_little_lost(&mut musicians);
        drop(musicians);
        let line = format!("load --join {invite} --musicians 2 --seconds 20");
        let report =
            rtjam_load::run(&LoadOptions::try_parse_from(line.split(' ')).expect("flags"), |_| {}).expect("a run");
        println!("{}", report.json());
        assert!(report.forward_us[0] < MEDIAN_US);
        assert!(report.lost * 1000 <= report.expected * LOST_PER_MILLE);

        // State survives a kill.
        room.child.kill();
        let again = WindowsRoom::start_at(wine, room.port)?;
        assert_eq!(again.invite, invite);
        Ok(())
    });
}

/// A musician on Windows and one on Linux hear each other through a server on Linux.
#[test]
fn windows_and_linux_musicians_play_together() {
    in_wine(|wine| {
        let room = Room::start();
        let ann = windows_musician(wine, "Ann", &room.invite)?;
        let ben = Musician::start(&Options::demo("Ben", &room.invite));
        assert_little_lost(&mut [("Ann, on Windows,", ann), ("Ben, on Linux,", ben)]);
        Ok(())
    });
}

/// A host for Windows loads the plugin: two instances hear each other, a project is restored, the editor opens 20 times.
#[test]
fn windows_host_plays_the_plugin() {
    in_wine(|wine| {
        let room = Room::start();
        let (host, plugin) = (built("test/plugin-host.exe")?, built("RTJam.clap")?);
        let plugin = format!("Z:{}", plugin.display()).replace('/', "\\");
        let mut host = wine.start_program(&host, &[&plugin, &room.invite], None);
        let code = host.wait_exit(3 * START);
        println!("{}", host.out().all().join("\n"));
        assert_eq!(code, 0, "{}", host.transcript());
        Ok(())
    });
}
