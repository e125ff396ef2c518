//! Retransmission on one hop: two musicians, one behind a network that loses audio.

use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::relay::{Direction, Relay};
use rtjam_tests::room::Room;
use rtjam_tests::wait;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Frames per packet on the dummy backend.
const PACKET: u64 = 128;

/// One audio datagram in this many is lost.
const EVERY: usize = 40;

/// Number of losses per measurement.
const LOSSES: usize = 60;

const LIMIT: Duration = Duration::from_secs(150);

/// With a playout delay that tolerates a busy machine.
const DEMO: &[&str] = &["--backend", "dummy", "--source", "demo", "--playout", "40"];

struct Jam {
    ann: Musician,
    ben: Musician,
    relay: Relay,
    _room: Room,
}

/// Ann plays to Ben; her network loses nothing yet.
fn jam() -> Jam {
    let room = Room::start();
    let relay = Relay::in_front_of(room.port);
    let behind = relay.link(&room.invite);
    let mut ann = Musician::start(&Options { arguments: DEMO, ..Options::demo("Ann", &behind) });
    let mut ben = Musician::start(&Options { arguments: DEMO, ..Options::demo("Ben", &room.invite) });
    ann.wait_hears("Ben");
    ben.wait_hears("Ann");
    Jam { ann, ben, relay, _room: room }
}

fn musician<'a>(status: &'a Value, name: &str) -> Option<&'a Value> {
    status["musicians"].as_array()?.iter().find(|m| m["name"] == name)
}

fn count(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or_else(|| panic!("no {field} in {value}"))
}

/// Result of the losses in one direction while the listener's counts of `name` grew.
struct LossPeriod {
    lost: u64,
    concealed_frames: u64,
    recovered: u64,
}

/// Waits for a period in which nearly all losses were repaired: the first losses come before retransmission is active, and a
/// busy machine has gaps of its own.
fn wait_retransmitted(listener: &mut Musician, name: &str, relay: &Relay, way: Direction) -> LossPeriod {
    let deadline = Instant::now() + LIMIT;
    loop {
        let newest = |s: &Value| musician(s, name).cloned();
        let (lost, before) = (relay.lost(way), listener.wait_new("a status", LIMIT, newest));
        let enough = || (relay.lost(way) >= lost + LOSSES).then_some(());
        wait::within(LIMIT, enough).unwrap_or_else(|| panic!("no losses\n{}", listener.child.transcript()));
        let after = listener.wait_new("a status", LIMIT, newest);
        let grew = |field| count(&after, field) - count(&before, field);
        let lost = (relay.lost(way) - lost) as u64;
        let heard = LossPeriod { lost, concealed_frames: grew("concealed_frames"), recovered: grew("recovered") };
        if heard.concealed_frames < lost * PACKET / 4 && heard.recovered > lost / 2 {
            return heard;
        }
        let LossPeriod { concealed_frames, recovered, .. } = heard;
        let last = format!("{lost} lost, {concealed_frames} frames concealed, {recovered} retransmitted");
        assert!(Instant::now() < deadline, "{last}\n{}", listener.child.transcript());
    }
}

/// Audio that is lost on the way to the server is retransmitted on that hop.
#[test]
fn uplink_losses_are_retransmitted() {
    let Jam { mut ann, mut ben, relay, _room } = jam();
    relay.lose(Direction::Up, EVERY);
    let LossPeriod { lost, concealed_frames, recovered } = wait_retransmitted(&mut ben, "Ann", &relay, Direction::Up);
    println!("up: {lost} datagrams lost, {concealed_frames} frames concealed, {recovered} packets retransmitted");
    // Ann's status reports it, and its cost; the other hop lost nothing, apart from a busy machine's sockets.
    let tx =
        ann.wait_new("what the server missed", LIMIT, |s| Some(s["tx"].clone()).filter(|t| count(t, "recovered") > 0));
    assert!(count(&tx, "lost") > 0, "{tx}");
    // 128 frames of PCM16 are 571 bytes per datagram.
    let most = 571.0 * 8.0 * 375.0 / 1000.0;
    assert!(tx["extra_kbps"].as_f64().is_some_and(|kbps| kbps <= most * 1.5), "{tx}");
    let rx = ben.status().expect("a status")["rx"].clone();
    assert!(count(&rx, "lost") * 4 < lost, "{rx}");
}

/// Audio that is lost on the way from the server is retransmitted on that hop.
#[test]
fn downlink_losses_are_retransmitted() {
    let Jam { mut ann, mut ben, relay, _room } = jam();
    relay.lose(Direction::Down, EVERY);
    let LossPeriod { lost, concealed_frames, recovered } = wait_retransmitted(&mut ann, "Ben", &relay, Direction::Down);
    println!("down: {lost} datagrams lost, {concealed_frames} frames concealed, {recovered} packets retransmitted");
    let rx = ann.wait_new("what was sent again", LIMIT, |s| {
        Some(s["rx"].clone()).filter(|r| r["extra_kbps"].as_f64().is_some_and(|kbps| kbps > 0.0))
    });
    let most = 571.0 * 8.0 * 375.0 / 1000.0;
    assert!(count(&rx, "recovered") >= LOSSES as u64 / 2, "{rx}");
    assert!(count(&rx, "lost") > 0 && rx["extra_kbps"].as_f64().is_some_and(|kbps| kbps <= most * 1.5), "{rx}");
    let tx = ben.wait_new("what the server missed of Ben", LIMIT, |s| Some(s["tx"].clone()));
    assert!(count(&tx, "lost") * 4 < lost, "{tx}");
}

/// Without packet loss, nothing is retransmitted.
#[test]
fn no_loss_means_no_retransmission() {
    let Jam { ann, ben, relay: _relay, _room } = jam();
    for mut musician in [ann, ben] {
        let enough = |s: &Value| (count(&s["tx"], "packets") > 375 * 8).then(|| s.clone());
        let status = musician.wait("eight seconds of music", LIMIT, enough);
        // A busy machine may drop a datagram at a socket, which is then retransmitted.
        if count(&status["tx"], "lost") + count(&status["rx"], "lost") == 0 {
            assert_eq!(status["tx"]["extra_kbps"].as_f64(), Some(0.0), "{status}");
            assert_eq!(status["rx"]["extra_kbps"].as_f64(), Some(0.0), "{status}");
            let recovered = status["musicians"].as_array().expect("musicians").iter().map(|m| count(m, "recovered"));
            assert_eq!(recovered.sum::<u64>(), 0, "{status}");
        }
    }
}
