//! A CLAP host without an interface: `plugin-host RTJam.clap LINK`.
//!
//! Two instances join the room, one plays noise, and the program prints what the other one hears, what a saved project
//! restores, and (on Windows) how often the editor opened. It exits with 0 if all of that is as it must be. It is made of the
//! host of the end-to-end tests, which themselves run only on Linux.

#![allow(clippy::expect_used, reason = "a test fails by a panic that says what is missing")]
#![allow(unreachable_pub, dead_code, unused_imports, reason = "parts of the tests' harness")]

#[path = "../../src/claphost/mod.rs"]
mod claphost;
#[path = "../../src/machine.rs"]
mod machine;
#[path = "../../src/programs.rs"]
mod programs;
#[path = "../../src/sound.rs"]
mod sound;
#[path = "../../src/wait.rs"]
mod wait;

#[cfg_attr(windows, path = "window/windows.rs")]
#[cfg_attr(not(windows), path = "window/none.rs")]
mod window;

use claphost::{AudioThread, IDS, Library, Plugin, project};
use std::time::{Duration, Instant};

const RATE: u32 = 48_000;
const BLOCK: u32 = 128;

const SEND_MUTE: u32 = 3;
const ROOM_LEVEL: u32 = 2;

/// How long the audio of one instance takes to reach the other after both have joined.
const LIMIT: Duration = Duration::from_secs(30);

/// Frames of a stretch that is compared, and the number of stretches.
const WINDOW: usize = 9_600;
const STRETCHES: usize = 6;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(link)) = (arguments.next(), arguments.next()) else {
        eprintln!("plugin-host RTJam.clap LINK");
        std::process::exit(2);
    };
    let library = Library::load_from(path.as_ref());
    println!("library: {} plugins", library.plugins().len());
    state(&library, &link);
    sound(&library, &link);
    window::open_editors(&library.plugin(IDS[1]), 20);
}

/// A project restores what was saved.
fn state(library: &Library, link: &str) {
    let plugin = library.plugin(IDS[0]);
    assert!(plugin.load(project("Ann", link, "").as_bytes()), "a project loads");
    let saved = plugin.save();
    let copy = library.plugin(IDS[0]);
    assert!(copy.load(&saved), "a saved project loads");
    assert_eq!(copy.save(), saved, "a copy saves the same");
    println!("state: {} bytes, restored", saved.len());
}

/// One instance hears what the other one plays.
fn sound(library: &Library, link: &str) {
    let join = |name: &str| -> Plugin {
        let plugin = library.plugin(IDS[0]);
        assert!(plugin.load(project(name, link, ",\"playout_ms\":60").as_bytes()), "a project loads");
        plugin
    };
    let (ann, ben) = (join("Ann"), join("Ben"));
    let noise = sound::noise_16bit(RATE as usize, 7);
    // A host's audio threads have real-time priority, and without it Windows lets them sleep too long.
    let plays = AudioThread::start_real_time(&ann, RATE, BLOCK, 1, noise.clone());
    let hears = AudioThread::start_real_time(&ben, RATE, BLOCK, 1, vec![0.0]);
    plays.set(SEND_MUTE, 0.0);
    hears.set(ROOM_LEVEL, 0.0);
    let begun = Instant::now();
    wait::until("the other instance is heard", LIMIT, || {
        let got = hears.take();
        got.got[0].iter().any(|s| s.abs() > 0.01).then_some(())
    });
    let joined = begun.elapsed();
    hears.take();
    wait::until("the end of the fade-in", LIMIT, || (hears.recorded() > 2 * RATE as usize).then_some(()));
    // Where in the loop a recording begins is unknown.
    let looped = [&noise[..], &noise[..]].concat();
    let stretch = || {
        hears.take();
        wait::until("enough to compare", LIMIT, || (hears.recorded() > WINDOW).then_some(()));
        let got = hears.take().got.swap_remove(0);
        let (at, _) = sound::delay_at(&got, &looped, 0, 512, noise.len() - 1);
        sound::similarity(&got[..WINDOW], &looped[at..at + WINDOW])
    };
    let similarities: Vec<f64> = (0..STRETCHES).map(|_| stretch()).collect();
    println!("sound: heard after {:.1} s, similarity {similarities:.6?}", joined.as_secs_f64());
    assert!(similarities.iter().all(|s| *s > 0.999), "what is heard is what was played");
}
