//! Each failure produces a message that says what to do, and the documented exit code.

use rtjam_protocol::link::{InviteLink, Secret};
use rtjam_tests::child::Child;
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::namespace::Cable;
use rtjam_tests::relay::Relay;
use rtjam_tests::room::Room;
use rtjam_tests::{machine, machine::Scratch, programs};
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(8);

/// `link` after `change`.
fn altered_link(link: &str, change: impl FnOnce(&mut InviteLink)) -> String {
    let mut link: InviteLink = link.parse().expect("the server prints links");
    change(&mut link);
    link.to_string()
}

/// Runs `rtjam` with `link` and checks its exit code and the key words of its message.
fn exits_with(link: &str, code: i32, words: &str) {
    let mut ann = Musician::start(&Options::dummy("Ann", link));
    assert_eq!(ann.child.wait_exit(SOON), code, "{}", ann.child.transcript());
    ann.child.wait_err(words, SOON);
}

/// A wrong secret is refused.
#[test]
fn wrong_secret_exits_with_3() {
    let room = Room::start();
    let link = altered_link(&room.invite, |l| l.key.as_mut().expect("a key").secret = Secret([9; 16]));
    exits_with(&link, 3, "for a new one");
}

/// A renewed invitation makes the old one invalid.
#[test]
fn renewed_invite_replaces_old() {
    let room = Room::start();
    let renewed = room.invite_command(&["lobby", "--renew"]);
    assert_ne!(renewed, room.invite);
    exits_with(&room.invite, 3, "for a new one");
    Musician::start(&Options::dummy("Ann", &renewed)).wait_joined();
}

/// A musician who is removed from the room is told why and what to do, and the program ends.
#[test]
fn removed_musicians_are_told_why() {
    let room = Room::start();
    let mut link = room.invite.clone();
    for (command, words) in [
        (&["kick", "lobby", "Ann"][..], "removed you"),
        (&["invite", "lobby", "--renew"], "for a new one"),
        (&["ban", "lobby", "Ann"], "banned"),
    ] {
        let mut ann = Musician::start(&Options::dummy("Ann", &link));
        ann.wait_joined();
        let said = room.command(command);
        assert_eq!(ann.child.wait_exit(SOON), 3, "{}", ann.child.transcript());
        ann.child.wait_err(words, SOON);
        if command[0] == "invite" {
            link = said;
        }
    }
}

/// While another server has the room's address the musician keeps trying, and joins once the right one is back.
#[test]
fn wrong_server_is_retried() {
    let mut room = Room::start();
    room.child.kill();
    let mut wrong = Room::start_at(room.port);
    let mut ann = Musician::start(&Options::dummy("Ann", &room.invite));
    ann.child.wait_err("not the server", SOON);
    // For several attempts and pauses.
    for _ in 0..6 {
        ann.wait_new("another status", SOON, |s| (s["state"] == "connecting").then_some(()));
    }
    assert_eq!(ann.child.exit_code(), None, "the program keeps trying");
    wrong.child.kill();
    room.restart();
    ann.wait_new("status joined", SOON, |s| (s["state"] == "joined").then_some(()));
}

/// An unknown room is refused.
#[test]
fn unknown_room_exits_with_3() {
    let room = Room::start();
    exits_with(&room.invite.replace("/lobby#", "/attic#"), 3, "for a new one");
}

/// Text that is not a link is refused.
#[test]
fn malformed_link_exits_with_2() {
    exits_with("https://example.org/lobby", 2, "invite link");
}

/// A link that was not copied completely is refused.
#[test]
fn truncated_link_exits_with_2() {
    let room = Room::start();
    exits_with(&room.invite[..room.invite.len() - 3], 2, "whole link");
    let bare = room.invite.split('#').next().expect("a link");
    exits_with(bare, 2, "#");
}

/// An unknown flag or value is refused.
#[test]
fn wrong_flag_exits_with_2() {
    for arguments in [&["--payout", "10"][..], &["--format", "mp3"], &["--packet", "7"], &["--playout", "soon"]] {
        let mut command = Command::new(programs::rtjam());
        let mut child = Child::start(command.args(arguments), None);
        assert_eq!(child.wait_exit(SOON), 2, "{arguments:?}\n{}", child.transcript());
        assert!(!child.err().all().is_empty());
    }
}

/// A full room is reported, and joined when a seat is free.
#[test]
fn full_room_is_retried() {
    let room = Room::start_with(&["--max-musicians", "1"]);
    let mut ann = Musician::start(&Options::dummy("Ann", &room.invite));
    ann.wait_joined();
    let mut ben = Musician::start(&Options::dummy("Ben", &room.invite));
    ben.child.wait_err("full", SOON);
    drop(ann);
    // Ann's program was killed: the server keeps her seat for five seconds.
    ben.wait("status joined", Duration::from_secs(12), |s| (s["state"] == "joined").then_some(()));
}

/// A host that cannot be found is named and retried.
#[test]
fn unresolvable_host_is_retried() {
    let room = Room::start();
    let link = room.invite.replace(&format!("127.0.0.1:{}", room.port), "no-such-host.invalid");
    let mut ann = Musician::start(&Options::dummy("Ann", &link));
    ann.child.wait_err("no-such-host.invalid", SOON);
    assert_eq!(ann.child.exit_code(), None, "the program keeps trying");
}

/// A server that does not answer is reported, and joined when it starts.
#[test]
fn unreachable_server_is_retried() {
    let mut room = Room::start();
    room.child.kill();
    let mut ann = Musician::start(&Options::dummy("Ann", &room.invite));
    ann.child.wait_err("server", SOON);
    assert_eq!(ann.status().map(|s| s["state"].clone()), Some("connecting".into()));
    room.restart();
    ann.wait_new("status joined", Duration::from_secs(4), |s| (s["state"] == "joined").then_some(()));
}

/// Blocked UDP is reported with the port.
#[test]
fn blocked_udp_names_its_port() {
    let room = Room::start();
    let relay = Relay::in_front_of(room.port);
    relay.pass_udp(false);
    let mut ann = Musician::start(&Options::dummy("Ann", &relay.link(&room.invite)));
    ann.child.wait_err(&format!("open UDP {}", room.port), Duration::from_secs(10));
    relay.pass_udp(true);
    let mut ben = Musician::start(&Options::dummy("Ben", &room.invite));
    ben.wait_hears("Ann");
}

/// A path that carries only small datagrams is reported and used.
#[test]
fn small_path_mtu_is_used() {
    let room = Room::start();
    let relay = Relay::in_front_of(room.port);
    relay.limit_size(900);
    let arguments = ["--backend", "dummy", "--source", "demo", "--format", "f32", "--packet", "256"];
    let link = relay.link(&room.invite);
    let mut ann = Musician::start(&Options { arguments: &arguments, ..Options::dummy("Ann", &link) });
    let mut ben = Musician::start(&Options::dummy("Ben", &room.invite));
    ann.child.wait_err("800 bytes", SOON);
    // 256 float frames are 2048 bytes: Ben receives them in parts of at most 800.
    ben.wait_hears("Ann");
    ben.wait_new("Ann's sound", SOON, |s| s["musicians"][0]["dbfs"][0].as_f64().filter(|db| *db > -40.0));
}

/// Without a JACK server, `--backend jack` says how to start one.
#[test]
fn missing_jack_server_exits_with_1() {
    let room = Room::start();
    let arguments = ["--backend", "jack"];
    let jack = Some("no-such-jack-server");
    let mut ann = Musician::start(&Options { arguments: &arguments, jack, ..Options::dummy("Ann", &room.invite) });
    assert_eq!(ann.child.wait_exit(SOON), 1, "{}", ann.child.transcript());
    ann.child.wait_err("JACK", SOON);
}

/// Steps of the wall clock do not disturb the audio.
#[test]
fn wall_clock_steps_are_harmless() {
    let library = ["x86_64", "aarch64"].map(|a| format!("/usr/lib/{a}-linux-gnu/faketime/libfaketime.so.1"));
    let Some(library) = library.iter().find(|path| std::path::Path::new(path).exists()) else {
        return machine::skipped("libfaketime is not installed (package libfaketime)");
    };
    let room = Room::start();
    let folder = Scratch::new("clock");
    let file = folder.path().join("clock");
    std::fs::write(&file, "+0").expect("the scratch folder can be written");
    let preload = format!("LD_PRELOAD={library}");
    let stamp = format!("FAKETIME_TIMESTAMP_FILE={}", file.display());
    let prefix = ["env", &preload, &stamp, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"];
    let arguments = ["--backend", "dummy", "--source", "demo"];
    let mut ben = Musician::start(&Options { arguments: &arguments, ..Options::dummy("Ben", &room.invite) });
    let mut ann =
        Musician::start(&Options { prefix: &prefix, arguments: &arguments, ..Options::dummy("Ann", &room.invite) });
    ann.wait_hears("Ben");
    ben.wait_hears("Ann");
    let concealed = |m: &mut Musician| m.wait_new("a status", SOON, |s| s["musicians"][0]["concealed_frames"].as_u64());
    let before = (concealed(&mut ann), concealed(&mut ben));
    for step in ["+3d", "-400d", "+0"] {
        std::fs::write(&file, step).expect("the scratch folder can be written");
        concealed(&mut ann);
        concealed(&mut ben);
    }
    let after = (concealed(&mut ann), concealed(&mut ben));
    assert!(after.0 - before.0 < 4800 && after.1 - before.1 < 4800, "{before:?} {after:?}");
}

/// If a name has a dead IPv6 address and a working IPv4 address, the musician joins by IPv4.
#[test]
fn dead_ipv6_falls_back_to_ipv4() {
    let Some(cable) = Cable::create() else { return };
    let hosts = Hosts::write(&cable.right, "fd78::9 jam.test\n10.78.0.1 jam.test\n");
    let data = Scratch::new("dual");
    let mut server = Command::new("ip");
    server.args(["netns", "exec", &cable.left]).arg(programs::server());
    server.args(["--listen", "0.0.0.0:7891", "--public-address", "jam.test:7891"]).arg("--data").arg(data.path());
    let mut server = Child::start(&mut server, None);
    let link = server.wait_out("invite line", SOON, |l| l.strip_prefix("invite: ").map(str::to_string));
    let prefix = ["ip", "netns", "exec", &cable.right];
    let mut ann = Musician::start(&Options { prefix: &prefix, ..Options::dummy("Ann", &link) });
    ann.wait("status joined", Duration::from_secs(5), |s| (s["state"] == "joined").then_some(()));
    ann.wait("a round trip by UDP", Duration::from_secs(5), |s| s["rtt_ms"].as_f64());
    drop(hosts);
}

/// A link with a link-local address and an interface is joined; without an interface the musician is asked to name one.
#[test]
fn link_local_addresses_need_an_interface() {
    let Some(cable) = Cable::create() else { return };
    let data = Scratch::new("scope");
    let mut server = Command::new("ip");
    server.args(["netns", "exec", &cable.left]).arg(programs::server()).arg("--data").arg(data.path());
    server.args(["--listen", "[fe80::78:1%jam0]:7891", "--public-address", "[fe80::78:1%jam0]:7891"]);
    let mut server = Child::start(&mut server, None);
    let link = server.wait_out("invite line", SOON, |l| l.strip_prefix("invite: ").map(str::to_string));
    let prefix = ["ip", "netns", "exec", &cable.right];
    let mut ann = Musician::start(&Options { prefix: &prefix, ..Options::demo("Ann", &link) });
    let mut ben = Musician::start(&Options { prefix: &prefix, ..Options::demo("Ben", &link) });
    ann.wait_hears("Ben");
    ben.wait_hears("Ann");
    let bare = link.replace("%25jam0", "");
    assert_ne!(bare, link);
    let mut cem = Musician::start(&Options { prefix: &prefix, ..Options::dummy("Cem", &bare) });
    cem.wait("the interface is asked for", SOON, |s| {
        s["sentence"].as_str().filter(|m| m.contains("[fe80::78:1%25eth0]")).map(drop)
    });
}

/// `/etc/hosts` of a namespace.
struct Hosts(std::path::PathBuf);

impl Hosts {
    fn write(namespace: &str, text: &str) -> Hosts {
        let folder = std::path::Path::new("/etc/netns").join(namespace);
        std::fs::create_dir_all(&folder).expect("root can write /etc/netns");
        std::fs::write(folder.join("hosts"), text).expect("root can write /etc/netns");
        Hosts(folder)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
