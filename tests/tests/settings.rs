//! The settings file: keys are flags, the command line takes precedence, errors are reported with their line.

use rtjam_tests::child::Child;
use rtjam_tests::machine::Scratch;
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::programs;
use rtjam_tests::room::Room;
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

/// A config folder with this `rtjam.toml`.
fn folder(text: &str) -> Scratch {
    let scratch = Scratch::new("settings");
    write(&scratch, text);
    scratch
}

fn write(scratch: &Scratch, text: &str) {
    std::fs::write(scratch.path().join("rtjam.toml"), text).expect("the scratch folder can be written");
}

fn path(scratch: &Scratch) -> &str {
    scratch.path().to_str().expect("a plain path")
}

/// An unknown key and an invalid value are reported with their line.
#[test]
fn settings_errors_name_their_line() {
    for (text, line, what) in [
        ("# mine\nname = \"Ann\"\nplayuot = \"auto\"\n", "line 3", "playout"),
        ("packet = 128\nformat = \"mp3\"\n", "line 2", "pcm16"),
        ("name = \"Ann\nmute = true\n", "line 1", "rtjam.toml"),
    ] {
        let scratch = folder(text);
        let mut command = Command::new(programs::rtjam());
        let mut child = Child::start(command.args(["--headless", "--config", path(&scratch)]), None);
        assert_eq!(child.wait_exit(SOON), 2, "{}", child.transcript());
        let said = child.err().all().join("\n");
        assert!(said.contains(line) && said.contains(what), "{text}\n{said}");
    }
}

/// SIGHUP reloads the file, and the command line still takes precedence.
#[test]
fn sighup_reloads_settings() {
    let room = Room::start();
    let scratch = folder("mute = false\nsource = \"demo\"\nbackend = \"jack\"\n");
    let arguments = ["--backend", "dummy", "--config", path(&scratch)];
    let mut ann = Musician::start(&Options { arguments: &arguments, ..Options::dummy("Ann", &room.invite) });
    let mut ben = Musician::start(&Options::dummy("Ben", &room.invite));
    let level = |s: &serde_json::Value| s["musicians"][0]["dbfs"][0].as_f64();
    ben.wait("Ann's demo", Duration::from_secs(10), |s| level(s).filter(|db| *db > -40.0));
    write(&scratch, "mute = true\nsource = \"demo\"\nbackend = \"jack\"\n");
    ann.child.signal(libc::SIGHUP);
    ben.wait_new("Ann's silence", SOON, |s| level(s).filter(|db| *db <= -120.0));
    // An error introduced meanwhile changes nothing and ends nothing.
    write(&scratch, "mute = maybe\n");
    ann.child.signal(libc::SIGHUP);
    ann.child.wait_err("line 1", SOON);
    write(&scratch, "mute = false\nsource = \"demo\"\n");
    ann.child.signal(libc::SIGHUP);
    ben.wait_new("Ann's demo again", SOON, |s| level(s).filter(|db| *db > -40.0));
}
