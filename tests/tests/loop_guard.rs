//! Feedback through a room: a musician who sends loudly while the room is as loud is muted, and told how to resume.

use rtjam_tests::machine::Scratch;
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::room::Room;
use std::path::Path;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(6);

/// Writes a second of a 440 Hz sine with this RMS level, in dBFS.
fn sine(path: &Path, dbfs: f64) {
    let amplitude = 32_768.0 * 10_f64.powf(dbfs / 20.0) * std::f64::consts::SQRT_2;
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(path, spec).expect("the scratch folder can be written");
    for i in 0..48_000 {
        let sample = (f64::from(i) * 440.0 * std::f64::consts::TAU / 48_000.0).sin() * amplitude;
        for _ in 0..2 {
            wav.write_sample(sample as i16).expect("the scratch folder can be written");
        }
    }
    wav.finalize().expect("the scratch folder can be written");
}

/// Feedback is muted within two seconds; SIGUSR1 resumes sending.
#[test]
fn howl_is_muted_until_sigusr1() {
    let scratch = Scratch::new("loud");
    let room = Room::start();
    let start = |name: &str, dbfs| {
        let file = scratch.path().join(format!("{name}.wav"));
        sine(&file, dbfs);
        let arguments = ["--backend", "dummy", "--source", file.to_str().expect("a plain path")];
        Musician::start(&Options { arguments: &arguments, ..Options::dummy(name, &room.invite) })
    };
    let mut ann = start("Ann", -5.0);
    ann.wait_joined();
    // A loud signal alone is not feedback.
    let mut ben = Musician::start(&Options::dummy("Ben", &room.invite));
    let level =
        |s: &serde_json::Value| s["musicians"].as_array()?.iter().find(|m| m["name"] == "Ann")?["dbfs"][0].as_f64();
    for _ in 0..3 {
        ben.wait_new("Ann's howl", SOON, |s| level(s).filter(|db| *db > -6.0));
    }
    // Cleo stays below the guard's threshold and is as loud as feedback would be.
    let cleo = start("Cleo", -6.5);
    ann.child.wait_err("feedback", SOON);
    ben.wait_new("Ann's silence", SOON, |s| level(s).filter(|db| *db <= -120.0));
    drop(cleo);
    ann.wait_new("Cleo's absence", Duration::from_secs(8), |s| (s["musicians"].as_array()?.len() == 1).then_some(()));
    ann.child.signal(libc::SIGUSR1);
    ben.wait_new("Ann's howl again", SOON, |s| level(s).filter(|db| *db > -6.0));
}
