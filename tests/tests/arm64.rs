//! The programs for arm64 (`cargo xtask cross arm64`) on an emulated processor, in a room with this machine's own plugin.

use rtjam_tests::child::Child;
use rtjam_tests::claphost::{AudioThread, IDS, Library, project, use_private_home};
use rtjam_tests::machine::{self, Scratch};
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::room::{Room, START};
use rtjam_tests::{programs, sound, wait};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// Time limit for what takes two seconds on a real processor.
const LIMIT: Duration = Duration::from_secs(30);

/// The loader of Debian's C library for arm64, which the emulator finds itself.
const LOADER: &str = "/lib/ld-linux-aarch64.so.1";

/// The C library of the cross compiler, for machines without that one. A loader of one and a library of the other hang.
const SYSROOT: &str = "/usr/aarch64-linux-gnu";

/// Lets all programs of this process be those for arm64. Returns whether there are any; otherwise says what is missing.
fn use_arm64_programs() -> bool {
    static SCRIPTS: OnceLock<Option<Scratch>> = OnceLock::new();
    SCRIPTS.get_or_init(write_scripts).is_some()
}

/// A folder with a script for each program, which starts it in the emulator. What is missing is no failure, also where
/// nothing may be skipped: nothing but `cargo xtask cross` builds these programs.
fn write_scripts() -> Option<Scratch> {
    let folder = programs::target_folder().join("dist/linux-arm64");
    if !folder.join("rtjam-server").is_file() {
        eprintln!("skipped: there is no {}/rtjam-server; build it: cargo xtask cross arm64", folder.display());
        return None;
    }
    if !machine::has_program("qemu-aarch64") {
        eprintln!("skipped: qemu-aarch64 is not installed (package qemu-user)");
        return None;
    }
    let libraries = if !Path::new(LOADER).exists() && Path::new(SYSROOT).is_dir() {
        format!("-L {SYSROOT}")
    } else {
        String::new()
    };
    let scripts = Scratch::new("arm64");
    for name in ["rtjam", "rtjam-server"] {
        let script = scripts.path().join(name);
        let text = format!("#!/bin/sh\nexec qemu-aarch64 {libraries} '{}' \"$@\"\n", folder.join(name).display());
        fs::write(&script, text).expect("own folder");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("own file");
    }
    programs::choose_folder(scripts.path().to_owned());
    Some(scripts)
}

/// What a musician has received from the one other one.
fn heard(status: &Value) -> Option<(u64, u64, u64, f64)> {
    let other = &status["musicians"][0];
    let count = |name: &str| other[name].as_u64();
    Some((count("packets")?, count("lost")?, count("late")?, other["dbfs"][0].as_f64()?))
}

/// Two emulated musicians and the emulated server: each hears the other's demo for ten seconds.
#[test]
fn emulated_musicians_hear_each_other() {
    if !use_arm64_programs() {
        return;
    }
    // Several media threads if the emulator lets the server steer datagrams; one otherwise.
    let room = Room::start_with(&["--media-threads", "2"]);
    let mut ann = Musician::start(&Options::demo("Ann", &room.invite));
    let mut ben = Musician::start(&Options::demo("Ben", &room.invite));
    for (name, musician) in [("Ann", &mut ann), ("Ben", &mut ben)] {
        let loud = |s: &Value| heard(s).filter(|(packets, _, _, db)| *packets > 0 && *db > -40.0);
        let (packets, lost, late, _) = musician.wait("sound of the other", LIMIT, loud);
        let later = |s: &Value| heard(s).filter(|(now, ..)| *now >= packets + 3750);
        let (to, lost_to, late_to, db) = musician.wait_new("ten seconds of packets", LIMIT, later);
        let (count, lost, late) = (to - packets, lost_to - lost, late_to - late);
        let delay = musician.status().and_then(|s| s["musicians"][0]["playout_delay_ms"].as_f64());
        println!("{name} hears {db:.0} dB: {count} packets, {lost} lost, {late} late, playout delay {delay:?} ms");
        assert!(lost * 1000 <= count, "{lost} of {count} packets were lost");
    }
    let steers = room.child.err().all().iter().all(|line| !line.contains("only one media thread runs"));
    println!("the server runs {} under the emulator", if steers { "two media threads" } else { "one media thread" });
}

/// What an emulated musician plays from a file arrives in this machine's plugin by the emulated server, sample by sample.
#[test]
fn emulated_sound_reaches_a_native_plugin() {
    const SECONDS: usize = 2;
    const STRETCH: usize = 12_000;
    if !use_arm64_programs() {
        return;
    }
    use_private_home();
    let room = Room::start();
    let folder = Scratch::new("arm64-wav");
    let signal = sound::noise_16bit(SECONDS * 48_000, 7);
    let file = folder.path().join("noise.wav");
    write_wav(&file, &signal);
    let arguments = ["--backend", "dummy", "--source", file.to_str().expect("UTF-8")];
    let mut ann = Musician::start(&Options { arguments: &arguments, ..Options::dummy("Ann", &room.invite) });
    let library = Library::load();
    let plugin = library.plugin(IDS[0]);
    assert!(plugin.load(project("Ben", &room.invite, ",\"playout_ms\":100").as_bytes()));
    let host = AudioThread::start(&plugin, 48_000, 128, 1, vec![0.0]);
    ann.wait_joined();
    wait::until("the plugin hears Ann", LIMIT, || {
        let take = (host.recorded() > 12_000).then(|| host.take())?;
        take.got[0].iter().any(|s| s.abs() > 0.1).then_some(())
    });
    let twice = [&signal[..], &signal[..]].concat();
    let mut best = 0.0_f64;
    // A busy machine may disturb one stretch, but not every one.
    for _ in 0..6 {
        host.take();
        wait::until("a recording", LIMIT, || (host.recorded() > STRETCH).then_some(()));
        let heard = host.take().got.swap_remove(0);
        let (at, _) = sound::delay_at(&heard, &twice, 0, 512, signal.len() - 1);
        let alike = sound::similarity(&heard[..STRETCH], &twice[at..at + STRETCH]);
        println!("a quarter of a second: similarity {alike:.6}");
        best = best.max(alike);
        if best > 0.999 {
            return;
        }
    }
    panic!("the best similarity was {best:.4}\n{}", ann.child.transcript());
}

fn write_wav(path: &Path, signal: &[f32]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).expect("own folder");
    signal.iter().for_each(|s| writer.write_sample((s * 32768.0) as i16).expect("own file"));
    writer.finalize().expect("own file");
}

/// Both programs check an emulated machine without failing, and say what the emulator refuses.
#[test]
fn checks_run_where_the_emulator_refuses_much() {
    if !use_arm64_programs() {
        return;
    }
    let data = Scratch::new("arm64-data");
    let mut server = Command::new(programs::server());
    server.args(["check", "--listen", "127.0.0.1:0", "--data"]).arg(data.path());
    let mut client = Command::new(programs::rtjam());
    client.args(["check", "--seconds", "1"]).env("JACK_DEFAULT_SERVER", "rtjam-none");
    for (command, part) in [(&mut server, "GSO and GRO"), (&mut client, "wake-ups")] {
        let mut child = Child::start(command, None);
        let code = child.wait_exit(START);
        let lines = child.out().all();
        assert!([0, 1, 3].contains(&code) && lines.iter().any(|l| l.contains(part)), "{}", child.transcript());
        lines.iter().filter(|line| !line.starts_with("ok")).for_each(|line| println!("{line}"));
    }
}
