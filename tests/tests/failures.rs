//! Every failure is a sentence that says what to do.

use rtjam_protocol::link::{InviteLink, Secret};
use rtjam_tests::child::Child;
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::namespace::Cable;
use rtjam_tests::relay::Relay;
use rtjam_tests::room::Room;
use rtjam_tests::{programs, scratch::Scratch, skip};
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(8);

/// `link` after `change`.
fn altered(link: &str, change: impl FnOnce(&mut InviteLink)) -> String {
    let mut link: InviteLink = link.parse().expect("the server prints links");
    change(&mut link);
    link.to_string()
}

/// Runs `rtjam` with `link` and waits for its end.
fn ends_with(link: &str, code: i32, sentence: &str) {
    let mut ann = Musician::start(&Options::dummy("Ann", link));
    assert_eq!(ann.child.wait_exit(SOON), code, "{}", ann.child.transcript());
    ann.child.wait_err(sentence, SOON);
}

#[test]
fn a_wrong_secret_is_refused_with_exit_code_3() {
    let room = Room::start();
    let link = altered(&room.invite, |l| l.key.as_mut().expect("a key").secret = Secret([9; 16]));
    ends_with(&link, 3, "Ask whoever runs the room for a new link");
}

#[test]
fn a_renewed_invitation_makes_the_old_one_invalid() {
    let room = Room::start();
    let renewed = room.invite_command(&["lobby", "--renew"]);
    assert_ne!(renewed, room.invite);
    ends_with(&room.invite, 3, "Ask whoever runs the room for a new link");
    Musician::start(&Options::dummy("Ann", &renewed)).wait_joined();
}

/// Whoever is put out of the room is told why and what to do, and their program ends.
#[test]
fn musicians_who_are_put_out_are_told_why() {
    let room = Room::start();
    let mut link = room.invite.clone();
    for (command, sentence) in [
        (&["kick", "lobby", "Ann"][..], "Whoever runs the room has removed you from it."),
        (&["invite", "lobby", "--renew"], "Ask whoever runs the room for a new link."),
        (&["ban", "lobby", "Ann"], "You are banned from this room."),
    ] {
        let mut ann = Musician::start(&Options::dummy("Ann", &link));
        ann.wait_joined();
        let said = room.command(command);
        assert_eq!(ann.child.wait_exit(SOON), 3, "{}", ann.child.transcript());
        ann.child.wait_err(sentence, SOON);
        if command[0] == "invite" {
            link = said;
        }
    }
}

/// While another server sits at the room's address the musician keeps trying, and joins once the right one is back.
#[test]
fn wrong_server_first_then_right_one() {
    let mut room = Room::start();
    room.child.kill();
    let mut wrong = Room::start_at(room.port);
    let mut ann = Musician::start(&Options::dummy("Ann", &room.invite));
    ann.child.wait_err("is not the server that the invitation was made for", SOON);
    // For several tries and pauses.
    for _ in 0..6 {
        ann.wait_new("another status", SOON, |s| (s["state"] == "connecting").then_some(()));
    }
    assert_eq!(ann.child.exit_code(), None, "the wrong server is retried");
    wrong.child.kill();
    room.restart();
    ann.wait_new("status joined", SOON, |s| (s["state"] == "joined").then_some(()));
}

#[test]
fn an_unknown_room_is_refused_with_exit_code_3() {
    let room = Room::start();
    ends_with(&room.invite.replace("/lobby#", "/attic#"), 3, "no longer valid");
}

#[test]
fn what_is_no_link_ends_with_exit_code_2() {
    ends_with("https://example.org/lobby", 2, "not an RTJam invite link");
}

#[test]
fn a_link_that_lost_its_end_ends_with_exit_code_2() {
    let room = Room::start();
    ends_with(&room.invite[..room.invite.len() - 3], 2, "Copy the whole link again");
    let bare = room.invite.split('#').next().expect("a link");
    ends_with(bare, 2, "#");
}

#[test]
fn a_wrong_flag_ends_with_exit_code_2() {
    for arguments in [&["--payout", "10"][..], &["--format", "mp3"], &["--packet", "7"], &["--playout", "soon"]] {
        let mut command = Command::new(programs::rtjam());
        let mut child = Child::start(command.args(arguments), None);
        assert_eq!(child.wait_exit(SOON), 2, "{arguments:?}\n{}", child.transcript());
        assert!(!child.err().all().is_empty());
    }
}

#[test]
fn a_full_room_is_said_and_joined_when_a_seat_is_free() {
    let room = Room::start_with(&["--max-musicians", "1"]);
    let mut ann = Musician::start(&Options::dummy("Ann", &room.invite));
    ann.wait_joined();
    let mut ben = Musician::start(&Options::dummy("Ben", &room.invite));
    ben.child.wait_err("The room is full", SOON);
    drop(ann);
    // Ann's end was a crash: the server waits five seconds for her.
    ben.wait("status joined", Duration::from_secs(12), |s| (s["state"] == "joined").then_some(()));
}

#[test]
fn a_host_that_cannot_be_found_is_named_and_tried_again() {
    let room = Room::start();
    let link = room.invite.replace(&format!("127.0.0.1:{}", room.port), "no-such-host.invalid");
    let mut ann = Musician::start(&Options::dummy("Ann", &link));
    ann.child.wait_err("no-such-host.invalid", SOON);
    assert_eq!(ann.child.exit_code(), None, "an unreachable room is retried for ever");
}

#[test]
fn a_server_that_does_not_answer_is_said_and_joined_when_it_comes() {
    let mut room = Room::start();
    room.child.kill();
    let mut ann = Musician::start(&Options::dummy("Ann", &room.invite));
    ann.child.wait_err("server", SOON);
    assert_eq!(ann.status().map(|s| s["state"].clone()), Some("connecting".into()));
    room.restart();
    ann.wait_new("status joined", Duration::from_secs(4), |s| (s["state"] == "joined").then_some(()));
}

#[test]
fn udp_that_does_not_get_through_is_named_with_its_port() {
    let room = Room::start();
    let relay = Relay::before(room.port);
    relay.udp(false);
    let mut ann = Musician::start(&Options::dummy("Ann", &relay.link(&room.invite)));
    let sentence = ann.child.wait_err("The room answers but audio does not get through", Duration::from_secs(10));
    assert!(sentence.contains(&format!("open UDP {}", room.port)), "{sentence}");
    relay.udp(true);
    let mut ben = Musician::start(&Options::dummy("Ben", &room.invite));
    ben.wait_hears("Ann");
}

#[test]
fn a_path_that_carries_only_small_datagrams_is_said_and_used() {
    let room = Room::start();
    let relay = Relay::before(room.port);
    relay.largest(900);
    let arguments = ["--backend", "dummy", "--source", "demo", "--format", "f32", "--packet", "256"];
    let link = relay.link(&room.invite);
    let mut ann = Musician::start(&Options { arguments: &arguments, ..Options::dummy("Ann", &link) });
    let mut ben = Musician::start(&Options::dummy("Ben", &room.invite));
    ann.child.wait_err("800 bytes", SOON);
    // 256 float frames are 2048 bytes: Ben hears them in parts of at most 800.
    ben.wait_hears("Ann");
    ben.wait_new("Ann's sound", SOON, |s| s["musicians"][0]["dbfs"][0].as_f64().filter(|db| *db > -40.0));
}

#[test]
fn without_a_jack_server_backend_jack_says_how_to_start_one_and_ends_with_1() {
    let room = Room::start();
    let arguments = ["--backend", "jack"];
    let jack = Some("no-such-jack-server");
    let mut ann = Musician::start(&Options { arguments: &arguments, jack, ..Options::dummy("Ann", &room.invite) });
    assert_eq!(ann.child.wait_exit(SOON), 1, "{}", ann.child.transcript());
    ann.child.wait_err("JACK", SOON);
}

#[test]
fn a_wall_clock_that_is_stepped_changes_nothing() {
    let library = ["x86_64", "aarch64"].map(|a| format!("/usr/lib/{a}-linux-gnu/faketime/libfaketime.so.1"));
    let Some(library) = library.iter().find(|path| std::path::Path::new(path).exists()) else {
        return skip::skipped("libfaketime is not installed (package libfaketime)");
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

/// The name has a dead IPv6 address first and a living IPv4 one.
#[test]
fn dead_ipv6_does_not_keep_a_musician_out_while_ipv4_works() {
    let Some(cable) = Cable::lay() else { return };
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

/// A link-local address is joined by the interface that its link names, and sound flows there; without an interface the
/// musician is told to name one.
#[test]
fn link_local_addresses_are_joined_by_interface() {
    let Some(cable) = Cable::lay() else { return };
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
