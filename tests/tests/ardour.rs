//! RTJam in a real DAW: Ardour on a JACK server, with musicians who play by the standalone program.

use rtjam_tests::ardour::{Ardour, CLIENT};
use rtjam_tests::claphost::project;
use rtjam_tests::jackd::Jackd;
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::room::Room;
use rtjam_tests::vst3::{Class, MULTI, RTJAM};
use rtjam_tests::{probe, realtime_stalls, sound};
use serde_json::Value;
use std::time::Duration;

const RATE: u32 = 48_000;
const SECONDS: usize = 3;
const SOON: Duration = Duration::from_secs(20);
/// Settings that carry audio exactly and tolerate a busy machine.
const EXACT: &str = ",\"format\":\"f32\",\"playout_ms\":150";

fn standalone<'a>(name: &'a str, room: &'a Room, jackd: &'a Jackd) -> Musician {
    let arguments = ["--backend", "jack", "--jack-name", name, "--no-connect", "--format", "f32", "--playout", "150"];
    let mut musician = Musician::start(&Options {
        name,
        link: &room.invite,
        arguments: &arguments,
        jack: Some(&jackd.name),
        prefix: &[],
    });
    musician.wait_joined();
    musician
}

/// Adds a track with a plugin that joins the room, muted; both have the name `name`.
fn insert(ardour: &mut Ardour, name: &str, class: &Class, outputs: u32, project: &str) {
    ardour.preset(class, name, project);
    let made = ardour.run(&format!("track({name:?}, {:?}, {name:?}, {outputs})", class.id));
    assert_eq!(made, outputs.to_string(), "outputs of the track {name}");
}

/// The musician `name` in a status, if they are audible (`loud`) or silent. All instances in a DAW have one identity: the
/// name of the second in the room ends with " 2".
fn musician_in(status: &Value, name: &str, loud: bool) -> Option<Value> {
    let is_them = |m: &&Value| m["name"].as_str().is_some_and(|n| n.split(' ').next() == Some(name));
    let them = status["musicians"].as_array()?.iter().find(is_them)?;
    let level = them["dbfs"][0].as_f64()?;
    (them["packets"].as_u64()? > 0 && if loud { level > -60.0 } else { level == -120.0 }).then(|| them.clone())
}

fn port(track: &str, channel: u32) -> String {
    format!("{CLIENT}:{track}/audio_out {channel}")
}

/// Plays a distinct signal into each port of `players`, and returns for each port of `ears` the index of the only signal
/// that it carries, or `None` if it is silent.
fn audible_players(jackd: &Jackd, players: &[&str], ears: &[String]) -> Vec<Option<usize>> {
    realtime_stalls::some_take(|n| {
        let signals: Vec<(&str, Vec<f32>)> = (0..)
            .zip(players)
            .map(|(i, p)| (*p, sound::noise_50_to_8000(SECONDS * RATE as usize, RATE, 10 * n + i)))
            .collect();
        let ports: Vec<&str> = ears.iter().map(String::as_str).collect();
        let take = probe::record(&jackd.name, &signals, &ports);
        let signal_in = |(ear, got): (&String, &Vec<f32>)| {
            let unclear = |Unclear { best }| format!("{ear}: best similarity {best:.5}, xruns at {:?}", take.xruns);
            only_signal_in(&take.sent, got).map_err(unclear)
        };
        ears.iter().zip(&take.got).map(signal_in).collect()
    })
}

/// Index of the signal in `sent` that is alone in the last second of `got`.
fn only_signal_in(sent: &[Vec<f32>], got: &[f32]) -> Result<Option<usize>, Unclear> {
    let second = RATE as usize;
    let (at, tail) = (got.len() - second, &got[got.len() - second..]);
    if tail.iter().all(|s| *s == 0.0) {
        return Ok(None);
    }
    let mut best = (0, 0.0);
    for (n, sent) in sent.iter().enumerate() {
        // The received signal was sent up to half a second earlier.
        let (lag, rough) = sound::delay_at(got, &shifted(sent, second / 2), at, 1_024, second / 2);
        if rough > 0.9 {
            let played = shifted(sent, second / 2);
            let alike = sound::similarity_at_fractional_delay(got, &played, at, second / 10, lag);
            if alike > best.1 {
                best = (n, alike);
            }
        }
    }
    println!("similarity {:.6}", best.1);
    if best.1 > 0.999 { Ok(Some(best.0)) } else { Err(Unclear { best: best.1 }) }
}

/// No signal is similar enough.
struct Unclear {
    best: f64,
}

/// `signal`, delayed by `by` frames.
fn shifted(signal: &[f32], by: usize) -> Vec<f32> {
    std::iter::repeat_n(0.0, by).chain(signal.iter().copied()).collect()
}

/// Each musician is heard on the output of their slot, and a reopened project rejoins with the same slots.
#[test]
fn project_restores_musicians_and_outputs() {
    let Some(jackd) = Jackd::start(RATE, 256) else { return };
    let Some(mut ardour) = Ardour::start(&jackd) else { return };
    let room = Room::start();
    let mut ann = standalone("Ann", &room, &jackd);
    let _ben = standalone("Ben", &room, &jackd);
    let folder = ardour.home().join("song");
    let folder = folder.to_str().expect("a plain path").to_owned();
    ardour.run(&format!("create({folder:?}, \"song\", {RATE})"));
    // Uma's key stays in her config folder.
    let uma = project("Uma", &room.invite, EXACT).replace("\"keep_key\":true", "\"keep_key\":false");
    insert(&mut ardour, "Uma", &RTJAM, 2, &uma);
    insert(&mut ardour, "Vic", &MULTI, 26, &project("Vic", &room.invite, EXACT));
    // Uma's track drops the aux outputs.
    insert(&mut ardour, "Wes", &MULTI, 2, &project("Wes", &room.invite, EXACT));
    rejoin_muted(&mut ardour, &mut ann, &["Uma", "Vic", "Wes"]);
    ardour.set("Uma", "Room level", 0.25);
    ardour.set("Vic", "Monitor", 0.0);

    let players = ["Ann:in_1", "Ben:in_1", "Ardour:Uma/audio_in 1"];
    let slots: Vec<String> = (3..=26).step_by(2).map(|channel| port("Vic", channel)).collect();
    let before = audible_players(&jackd, &players, &slots);
    each_alone(&before, players.len());
    let ears = ["Ann:out_1".to_owned(), port("Uma", 1), port("Wes", 1)];
    let uma_alone = audible_players(&jackd, &players[2..], &ears);
    assert_eq!(uma_alone, [Some(0); 3], "at Ann's, on Uma's own track, and at Wes', who has no aux outputs");

    ardour.run("save()");
    ardour.run("close()");
    ann.wait_new("nobody of the project", SOON, |s| {
        let names: Vec<&str> = s["musicians"].as_array()?.iter().filter_map(|m| m["name"].as_str()).collect();
        (names == ["Ben"]).then_some(())
    });

    ardour.run(&format!("open({folder:?}, \"song\")"));
    rejoin_muted(&mut ardour, &mut ann, &["Uma", "Vic", "Wes"]);
    assert_eq!(ardour.value("Uma", "Room level"), 0.25);
    assert_eq!(ardour.value("Vic", "Monitor"), 0.0);
    assert_eq!(audible_players(&jackd, &players, &slots), before, "each musician has the same slot as before");
    ardour.run("close()");
}

/// Waits until all are in the room and stay muted, as after loading a project, and then unmutes them.
fn rejoin_muted(ardour: &mut Ardour, ann: &mut Musician, names: &[&str]) {
    let silent = |s: &Value| names.iter().all(|name| musician_in(s, name, false).is_some()).then_some(());
    ann.wait_new(&format!("{names:?}, muted"), SOON, silent);
    // Ardour sets all parameters once more to the values in the project.
    for _ in 0..2 {
        let still = ann.wait_new("another status", SOON, |s| Some(silent(s).is_some()));
        assert!(still, "a musician who rejoined with a project is audible");
    }
    for name in names {
        assert_eq!(ardour.value(name, "Send mute"), 1.0, "{name} is not shown as muted");
        ardour.set(name, "Send mute", 0.0);
    }
}

/// Each player is alone on one output, and nobody else is on any.
fn each_alone(found: &[Option<usize>], players: usize) {
    let count = |player| found.iter().filter(|p| **p == Some(player)).count();
    assert!((0..players).all(|player| count(player) == 1), "{found:?}");
    assert_eq!(found.iter().flatten().count(), players, "{found:?}");
}

/// Five instances in one project join as five musicians.
#[test]
fn five_instances_are_five_musicians() {
    let Some(jackd) = Jackd::start(RATE, 256) else { return };
    let Some(mut ardour) = Ardour::start(&jackd) else { return };
    // By default a person may have at most four seats in a room.
    let room = Room::start_with(&["--max-seats-per-identity", "5"]);
    let mut ann = standalone("Ann", &room, &jackd);
    let folder = ardour.home().join("band");
    ardour.run(&format!("create({:?}, \"band\", {RATE})", folder.to_str().expect("a plain path")));
    let names = ["Eve", "Finn", "Gus", "Hal", "Ida"];
    for name in names {
        insert(&mut ardour, name, &RTJAM, 2, &project(name, &room.invite, EXACT));
    }
    rejoin_muted(&mut ardour, &mut ann, &names);
    let inputs = names.map(|name| format!("{CLIENT}:{name}/audio_in 1"));
    let slot = |name| move |s: &Value| musician_in(s, name, false)?["slot"].as_u64();
    let ears = names.map(|name| format!("Ann:slot{:02}_1", ann.wait_new("a slot", SOON, slot(name))));
    let found = audible_players(&jackd, &inputs.each_ref().map(String::as_str), &ears);
    assert_eq!(found, [0, 1, 2, 3, 4].map(Some), "each on their own slot");
    ardour.run("close()");
    ann.wait_new("nobody left", SOON, |s| s["musicians"].as_array()?.is_empty().then_some(()));
}
