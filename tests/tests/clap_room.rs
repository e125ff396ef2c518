//! A plugin in a room, observed by another musician.

use rtjam_tests::claphost::{AudioThread, HostRecording, IDS, Library, Plugin, project, use_private_home};
use rtjam_tests::musician::{JOIN, Musician, Options};
use rtjam_tests::room::Room;
use rtjam_tests::wait;
use serde_json::Value;
use std::time::Duration;

const MONITOR: u32 = 1;
const SEND_MUTE: u32 = 3;
const BYPASS: u32 = 4;
const LIMIT: Duration = Duration::from_secs(15);

/// Names of the other musicians in a status.
fn names(status: &Value) -> Vec<String> {
    let all = status["musicians"].as_array().cloned().unwrap_or_default();
    all.iter().filter_map(|m| m["name"].as_str().map(str::to_owned)).collect()
}

fn is_heard(host: &AudioThread<'_>, output: usize) -> bool {
    is_heard_in(&host.take(), output)
}

fn is_heard_in(take: &HostRecording, output: usize) -> bool {
    let last = take.got[output].len().saturating_sub(2_000);
    take.got[output][last..].iter().any(|s| s.abs() > 0.01)
}

/// An instance rejoins muted, keeps its seat while it is bypassed, paused or offline, and leaves when it is deleted.
#[test]
fn instance_lifecycle_in_a_room() {
    use_private_home();
    let room = Room::start();
    let mut cleo = Musician::start(&Options::demo("Cleo", &room.invite));
    cleo.wait_joined();
    let library = Library::load();
    let plugin = library.plugin(IDS[0]);
    assert!(plugin.load(project("Dora", &room.invite, ",\"playout_ms\":100").as_bytes()));
    let host = AudioThread::start(&plugin, 48_000, 128, 1, vec![0.2, -0.2]);
    let dora = |s: &Value| s["musicians"].as_array()?.iter().find(|m| m["name"] == "Dora").cloned();
    cleo.wait("Dora in the room", JOIN, dora);
    assert_eq!(plugin.value(SEND_MUTE), Some(1.0), "the instance rejoins muted");
    let silent = |s: &Value| dora(s).filter(|d| d["packets"].as_u64() > Some(100) && d["dbfs"][0] == -120.0);
    cleo.wait("packets of silence", LIMIT, silent);
    host.set(SEND_MUTE, 0.0);
    host.set(MONITOR, -60.0);
    let loud = |s: &Value| dora(s).filter(|d| d["dbfs"][0].as_f64() > Some(-20.0));
    cleo.wait("Dora's sound", LIMIT, loud);
    wait::until("Dora hears Cleo", LIMIT, || is_heard(&host, 0).then_some(()));

    // Bypass by the parameter: the musician's own signal passes bit for bit, the others hear silence, the seat stays.
    host.set(BYPASS, 1.0);
    let silent_now = |s: &Value| dora(s).filter(|d| d["dbfs"][0] == -120.0).and_then(|d| d["packets"].as_u64());
    let first = cleo.wait_new("silence from Dora", LIMIT, silent_now);
    cleo.wait_new("packets of silence", LIMIT, |s| silent_now(s).filter(|packets| *packets > first));
    host.take();
    wait::until("half a second", LIMIT, || (host.recorded() > 24_000).then_some(()));
    let bypassed = host.take();
    assert_eq!(bypassed.got[0], bypassed.sent, "the musician's own signal alone");
    host.set(BYPASS, 0.0);
    cleo.wait_new("Dora's sound after the bypass", LIMIT, loud);
    wait::until("Dora hears Cleo after the bypass", LIMIT, || is_heard(&host, 0).then_some(()));

    // Bypass by a host that stops calling: nothing is sent, the seat stays.
    host.pause(true);
    let before = cleo.wait_new("silence", LIMIT, |s| packets_while_silent(&dora(s)?));
    // The status comes once a second.
    for _ in 0..3 {
        let after = cleo.wait_new("still there", LIMIT, |s| packets_while_silent(&dora(s)?));
        assert_eq!(before, after, "packets were still sent");
    }
    host.pause(false);
    cleo.wait_new("Dora's sound again", LIMIT, loud);
    wait::until("Dora hears Cleo again", LIMIT, || is_heard(&host, 0).then_some(()));

    // Another rate and block size: the session continues.
    drop(host);
    let host = AudioThread::start(&plugin, 96_000, 1024, 1, [[0.2; 48], [-0.2; 48]].concat());
    cleo.wait_new("Dora's sound at another rate", LIMIT, loud);
    wait::until("Dora hears Cleo at another rate", LIMIT, || is_heard(&host, 0).then_some(()));

    // Offline rendering: nothing is sent, and the room is silent.
    assert!(plugin.set_offline(true));
    cleo.wait_new("nothing from Dora", LIMIT, |s| packets_while_silent(&dora(s)?));
    host.take();
    wait::until("a second of offline rendering", LIMIT, || (host.recorded() > 96_000).then_some(()));
    let bounce = host.take();
    assert!(bounce.got[0].iter().all(|s| *s == 0.0), "the monitor is off");
    host.set(MONITOR, 0.0);
    wait::until("a second of offline rendering", LIMIT, || (host.recorded() > 96_000).then_some(()));
    let bounce = host.take();
    let last = bounce.sent.len() - 48_000;
    assert_eq!(bounce.got[0][last..], bounce.sent[last..], "the musician's own signal at the monitor level");
    host.set(MONITOR, -60.0);
    assert!(plugin.set_offline(false));
    cleo.wait_new("Dora's sound after the offline rendering", LIMIT, loud);

    drop(host);
    drop(plugin);
    cleo.wait_new("Dora has left", LIMIT, |s| (s["state"] == "joined" && names(s).is_empty()).then_some(()));
}

/// Packet count of a musician who is silent.
fn packets_while_silent(musician: &Value) -> Option<u64> {
    (musician["dbfs"][0] == -120.0).then(|| musician["packets"].as_u64())?
}

/// Two instances in one project join as two musicians.
#[test]
fn two_instances_are_two_musicians() {
    use_private_home();
    let room = Room::start();
    let mut cleo = Musician::start(&Options::dummy("Cleo", &room.invite));
    cleo.wait_joined();
    let library = Library::load();
    let plugins = [library.plugin(IDS[0]), library.plugin(IDS[1])];
    for plugin in &plugins {
        assert!(plugin.load(project("Eve", &room.invite, "").as_bytes()));
    }
    let hosts: Vec<_> = plugins.iter().map(|p| AudioThread::start(p, 48_000, 64, 1, vec![0.0])).collect();
    cleo.wait_new("Eve and Eve 2", LIMIT, |s| {
        let mut names = names(s);
        names.sort();
        (names == ["Eve", "Eve 2"]).then_some(())
    });
    // They stay when they are deactivated.
    drop(hosts);
    for _ in 0..3 {
        let seated = cleo.wait_new("another status", LIMIT, |s| Some(names(s).len()));
        assert_eq!(seated, 2, "both are still there");
    }
}

/// The key of a room is stored in the user's folder, not in the project.
#[test]
fn room_key_stays_outside_project() {
    let home = use_private_home();
    let room = Room::start();
    let library = Library::load();
    let plugin = library.plugin(IDS[0]);
    let with_key = project("Finn", &room.invite, "").replace("\"keep_key\":true", "\"keep_key\":false");
    assert!(plugin.load(with_key.as_bytes()));
    assert!(plugin.activate(48_000.0, 64));
    let (bare, key) = room.invite.split_once('#').expect("a link with a key");
    let saved = String::from_utf8(plugin.save()).expect("JSON");
    assert!(saved.contains(bare) && !saved.contains(key), "{saved}");
    let rooms = wait::until("the stored key", LIMIT, || std::fs::read_to_string(home.join("rtjam/rooms.json")).ok());
    assert!(rooms.contains(key));
    drop(plugin);

    // The project is opened again and finds the key.
    let mut cleo = Musician::start(&Options::dummy("Cleo", &room.invite));
    cleo.wait_joined();
    let plugin = library.plugin(IDS[0]);
    assert!(plugin.load(saved.as_bytes()));
    assert!(plugin.activate(48_000.0, 64));
    cleo.wait_new("Finn", LIMIT, |s| (names(s) == ["Finn"]).then_some(()));
}

/// Indices of the aux outputs that are audible.
fn heard_slots(host: &AudioThread<'_>) -> Vec<usize> {
    let take = host.take();
    (1..13).filter(|output| is_heard_in(&take, *output)).collect()
}

/// A project stores the slots of the musicians, and which instance of its user it was.
#[test]
fn project_keeps_slots_and_identity() {
    let home = use_private_home();
    let room = Room::start();
    let _cleo = Musician::start(&Options::demo("Cleo", &room.invite));
    let library = Library::load();
    let open = |state: &str| {
        let plugin = library.plugin(IDS[1]);
        assert!(plugin.load(state.as_bytes()));
        plugin
    };
    fn playing(plugin: &Plugin) -> AudioThread<'_> {
        AudioThread::start(plugin, 48_000, 128, 13, vec![0.0])
    }
    let state = |plugin: &Plugin| String::from_utf8(plugin.save()).expect("JSON");
    let seats = |state: &str| serde_json::from_str::<Value>(state).expect("JSON")["seats"].clone();
    let plugin = open(&project("Gus", &room.invite, ",\"playout_ms\":100,\"comfort\":\"safe\""));
    let host = playing(&plugin);
    // Earlier tests of this file leave musicians in the user's slot file, so which slot is free depends on them.
    let slot = wait::until("Cleo is heard on one slot", LIMIT, || match heard_slots(&host)[..] {
        [slot] => Some(slot),
        _ => None,
    });
    drop(host);
    let saved = state(&plugin);
    assert!(saved.contains("\"comfort\":\"safe\""), "{saved}");
    assert_eq!(seats(&saved)["instance"], 0, "{saved}");
    assert_eq!(seats(&saved)["slots"][0]["name"], "Cleo", "{saved}");
    assert_eq!(seats(&saved)["slots"][0]["slot"], slot, "{saved}");
    drop(plugin);

    // In this project Cleo has slot 9, regardless of the user's other projects, and this was the user's third instance.
    let moved = saved
        .replace(&format!("\"slot\":{slot}"), "\"slot\":9")
        .replace("\"instance\":0,\"slots\"", "\"instance\":2,\"slots\"");
    assert_ne!(moved, saved);
    assert!(std::fs::read_to_string(home.join("rtjam/slots.json")).expect("there").contains("Cleo"));
    let plugin = open(&moved);
    // The stored slots are kept even before the instance has joined.
    assert_eq!(seats(&state(&plugin)), seats(&moved));
    let host = playing(&plugin);
    wait::until("Cleo is heard on her slot of the project", LIMIT, || (heard_slots(&host) == [9]).then_some(()));
    wait::until("the stored instance number", LIMIT, || (seats(&state(&plugin))["instance"] == 2).then_some(()));
    assert_eq!(seats(&state(&plugin))["slots"][0]["slot"], 9);
}
