//! What a musician notices when server or network go away and come back.

use rtjam_tests::musician::{Musician, Options, duet};
use rtjam_tests::namespace::Cable;
use rtjam_tests::relay::Relay;
use rtjam_tests::room::Room;
use rtjam_tests::{child::Child, programs, scratch::Scratch, wait};
use serde_json::Value;
use std::process::Command;
use std::time::{Duration, Instant};

/// A status comes once a second; what must be true within two seconds is seen within three.
const BACK: Duration = Duration::from_millis(3100);

/// Packets heard of the one other musician, while joined.
fn heard(status: &Value) -> Option<u64> {
    if status["state"] == "joined" { status["musicians"][0]["packets"].as_u64() } else { None }
}

/// Waits until `musician` hears more than before.
fn wait_flows(musician: &mut Musician, limit: Duration) -> Value {
    let first = musician.wait_new("sound", limit, heard);
    let more = |s: &Value| heard(s).filter(|n| *n > first + 100).map(|_| s.clone());
    musician.wait_new("sound that goes on", Duration::from_millis(2500), more)
}

#[test]
fn after_a_crash_of_the_server_both_are_back_within_two_seconds_on_the_same_slots() {
    let mut room = Room::start();
    let mut musicians = ["Ann", "Ben", "Cleo"].map(|name| Musician::start(&Options::demo(name, &room.invite)));
    for m in &mut musicians {
        m.wait("all three", Duration::from_secs(10), |s| (slots(s).len() == 2).then_some(()));
    }
    let before: Vec<_> = musicians.iter().map(|m| slots(&m.status().expect("a status"))).collect();
    let invite = room.invite.clone();
    room.crash_and_restart();
    assert_eq!(room.invite, invite, "the same link must still work");
    for (m, before) in musicians.iter_mut().zip(&before) {
        m.wait_new("the same musicians on the same slots", BACK, |s| {
            let sounding = s["musicians"].as_array()?.iter().all(|m| m["packets"].as_u64() > Some(0));
            (s["state"] == "joined" && sounding && slots(s) == *before).then_some(())
        });
    }
}

fn slots(status: &Value) -> Vec<(String, u64)> {
    let musicians = status["musicians"].as_array().into_iter().flatten();
    let mut slots: Vec<_> =
        musicians.filter_map(|m| Some((m["name"].as_str()?.to_string(), m["slot"].as_u64()?))).collect();
    slots.sort();
    slots
}

#[test]
fn a_nat_that_forgets_its_table_is_followed_within_half_a_second() {
    let room = Room::start();
    let relay = Relay::before(room.port);
    let (mut ann, mut ben) = duet(&relay.link(&room.invite), &room.invite);
    let before = wait_flows(&mut ben, BACK);
    relay.rebind();
    let after = wait_flows(&mut ben, BACK);
    let lost = |s: &Value| s["musicians"][0]["lost"].as_u64().unwrap_or(u64::MAX);
    // What Ann sends keeps its way through the new port at once; what she hears pauses until the new path is proven.
    assert!(lost(&after) - lost(&before) < 20, "{before}\n{after}");
    let heard_by_ann = wait_flows(&mut ann, BACK);
    let concealed = heard_by_ann["musicians"][0]["concealed_frames"].as_u64().expect("a count");
    assert!(concealed < 24_000 + 4_800, "half a second is 24000 frames: {concealed}");
}

#[test]
fn old_packets_replayed_from_elsewhere_move_nothing_and_get_no_answer() {
    let room = Room::start();
    let relay = Relay::before(room.port);
    let (mut ann, mut ben) = duet(&relay.link(&room.invite), &room.invite);
    wait_flows(&mut ann, BACK);
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    stranger.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout can be set");
    for datagram in relay.captured().iter().rev().take(2000).rev() {
        stranger.send_to(datagram, ("127.0.0.1", room.port)).expect("sent");
    }
    let answer = stranger.recv(&mut [0; 1500]);
    assert!(answer.is_err(), "the server answered a replayed datagram with {answer:?} bytes");
    wait_flows(&mut ann, BACK);
    wait_flows(&mut ben, BACK);
}

#[test]
fn losing_the_control_connection_alone_stops_no_sound() {
    let room = Room::start();
    let relay = Relay::before(room.port);
    let (mut ann, _ben) = duet(&relay.link(&room.invite), &room.invite);
    relay.tcp(false);
    let before = wait_flows(&mut ann, BACK);
    for _ in 0..4 {
        wait_flows(&mut ann, BACK);
    }
    let after = wait_flows(&mut ann, BACK);
    let concealed = |s: &Value| s["musicians"][0]["concealed_frames"].as_u64().expect("a count");
    assert!(concealed(&after) - concealed(&before) < 4800, "{before}\n{after}");
    relay.tcp(true);
    wait_flows(&mut ann, BACK);
}

/// The server in one namespace, Ann in another one; the cable between them is pulled.
#[test]
fn after_a_network_outage_longer_than_the_server_waits_a_musician_is_back_within_two_seconds() {
    let Some(cable) = Cable::lay() else { return };
    let data = Scratch::new("outage");
    let mut server = Command::new("ip");
    server.args(["netns", "exec", &cable.left]).arg(programs::server());
    server.args(["--listen", "0.0.0.0:7891", "--public-address", "10.78.0.1:7891"]).arg("--data").arg(data.path());
    let mut server = Child::start(&mut server, None);
    let link =
        server.wait_out("invite line", Duration::from_secs(10), |l| l.strip_prefix("invite: ").map(str::to_string));
    let (left, right) = (["ip", "netns", "exec", &cable.left], ["ip", "netns", "exec", &cable.right]);
    let mut ann = Musician::start(&Options { prefix: &left, ..Options::demo("Ann", &link) });
    let mut ben = Musician::start(&Options { prefix: &right, ..Options::demo("Ben", &link) });
    ann.wait_hears("Ben");
    let slot = ben.wait_hears("Ann")["slot"].clone();
    cable.plug(false);
    ann.wait_new("Ben's absence", Duration::from_secs(9), |s| {
        s["musicians"].as_array().is_some_and(Vec::is_empty).then_some(())
    });
    cable.plug(true);
    let plugged = Instant::now();
    let back = wait_flows(&mut ben, BACK);
    eprintln!("back and heard after {:?} (a status comes once a second)", plugged.elapsed());
    assert_eq!(back["musicians"][0]["slot"], slot);
    wait::until("Ann hears Ben again", BACK, || ann.status().as_ref().and_then(heard));
}
