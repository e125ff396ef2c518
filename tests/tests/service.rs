//! `rtjam` as a service: its systemd units, and the program as they run it.

use rtjam_tests::child::Child;
use rtjam_tests::jackd::Jackd;
use rtjam_tests::machine::{self, Scratch};
use rtjam_tests::musician::{JOIN, Musician, Options};
use rtjam_tests::programs;
use rtjam_tests::room::Room;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

const UNITS: [&str; 2] = ["rtjam.service", "rtjam-jackd.service"];

/// A file of the package's sources.
fn packaged(name: &str) -> String {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let path = workspace.join("packaging").join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// systemd accepts both units. It checks that programs exist, so these are copies with the programs of this machine.
#[test]
fn systemd_accepts_both_units() {
    if !machine::has_program("systemd-analyze") {
        return machine::skipped("systemd-analyze is not installed (package systemd)");
    }
    let folder = Scratch::new("units");
    let paths = UNITS.map(|name| folder.path().join(name));
    for (name, path) in UNITS.iter().zip(&paths) {
        let program = programs::rtjam().display().to_string();
        let text = packaged(name).replace("=/usr/bin/rtjam ", &format!("={program} "));
        fs::write(path, text.replace("=/usr/bin/jackd", "=/bin/true")).expect("own folder");
    }
    let mut verify = Command::new("systemd-analyze");
    let output = verify.args(["verify", "--man=no"]).args(&paths).output().expect("it can be started");
    // Other units of this machine may be faulty.
    let complaints = String::from_utf8_lossy(&output.stderr);
    let ours: Vec<&str> = complaints.lines().filter(|l| UNITS.iter().any(|name| l.contains(name))).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

/// The scripts of the package are shell scripts, and the files that hold the user's choices survive an upgrade.
#[test]
fn package_scripts_are_valid() {
    for name in ["postinst", "prerm", "postrm"] {
        let mut shell = Child::start(Command::new("sh").arg("-n"), Some(&packaged(&format!("debian/rtjam/{name}"))));
        assert_eq!(shell.wait_exit(SOON), 0, "{name}: {}", shell.transcript());
    }
    assert_eq!(packaged("debian/rtjam/conffiles"), "/etc/rtjam/jackd.conf\n/etc/rtjam/rtjam.toml\n");
}

/// An imagined root folder in which the unit's commands run: settings below `etc`, everything else below `var`.
struct Machine(Scratch);

impl Machine {
    fn new(settings: &str) -> Machine {
        let machine = Machine(Scratch::new("service"));
        for folder in ["etc/rtjam", "var/lib/rtjam"] {
            fs::create_dir_all(machine.0.path().join(folder)).expect("own folder");
        }
        machine.write(settings);
        machine
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, settings: &str) {
        fs::write(self.path("etc/rtjam/rtjam.toml"), settings).expect("own folder");
    }

    /// Runs a command of the unit, with the unit's paths below this root folder.
    fn run(&self, key: &str, jack: &str) -> Child {
        let unit = packaged("rtjam.service");
        let line = unit.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('=')).expect("a line of the unit");
        let here = |word: &str| match word {
            "/usr/bin/rtjam" => programs::rtjam(),
            _ if word.starts_with("/etc/") || word.starts_with("/var/") => self.path(&word[1..]),
            _ => PathBuf::from(word),
        };
        let mut words = line.split_whitespace().map(here);
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words).env("JACK_DEFAULT_SERVER", jack).env("LC_ALL", "C.UTF-8");
        Child::start(&mut command, None)
    }
}

/// With a link in the settings the service plays in that room, follows changes, and keeps its identity apart from them.
#[test]
fn service_plays_as_its_unit_says() {
    let Some(jackd) = Jackd::start(48_000, 64) else { return };
    let room = Room::start();
    let settings = |more: &str| {
        let text = packaged("rtjam.toml")
            .replace("#join = \"rtjam://jam.example.org/lobby#KEY\"", &format!("join = \"{}\"", room.invite));
        text.replace("#name = \"Ann\"", "name = \"Ann\"") + more
    };
    let machine = Machine::new(&settings("source = \"demo\"\n"));
    assert_eq!(machine.run("ExecStartPre", &jackd.name).wait_exit(SOON), 0);
    let mut service = machine.run("ExecStart", &jackd.name);
    service.wait_err("audio: JACK (48000 Hz, 64 frames)", JOIN);
    let mut ben = Musician::start(&Options::dummy("Ben", &room.invite));
    let level = |s: &serde_json::Value| s["musicians"][0]["dbfs"][0].as_f64();
    ben.wait_hears("Ann");
    ben.wait("Ann's demo", JOIN, |s| level(s).filter(|db| *db > -40.0));
    machine.write(&settings("source = \"demo\"\nmute = true\n"));
    service.signal(libc::SIGHUP);
    ben.wait_new("Ann's silence", SOON, |s| level(s).filter(|db| *db <= -120.0));
    service.signal(libc::SIGTERM);
    assert_eq!(service.wait_exit(SOON), 0, "{}", service.transcript());
    let names = |folder: &str| {
        let entries = fs::read_dir(machine.path(folder)).expect("own folder");
        entries.map(|e| e.expect("readable").file_name().into_string().expect("UTF-8")).collect::<Vec<_>>()
    };
    assert_eq!(names("etc/rtjam"), ["rtjam.toml"]);
    assert!(names("var/lib/rtjam").contains(&"identity.p8".to_owned()));
}

/// Without a link the service ends with 2, after which systemd leaves it; without JACK with 1, after which systemd starts
/// it again.
#[test]
fn exit_codes_decide_over_a_restart() {
    let unit = packaged("rtjam.service");
    assert!(unit.contains("\nRestart=on-failure\n") && unit.contains("\nRestartPreventExitStatus=2 3\n"));
    let machine = Machine::new(&packaged("rtjam.toml"));
    assert_eq!(machine.run("ExecStartPre", "none").wait_exit(SOON), 0);
    let mut without_link = machine.run("ExecStart", "none");
    assert_eq!(without_link.wait_exit(SOON), 2, "{}", without_link.transcript());
    let room = Room::start();
    machine.write(&format!("backend = \"jack\"\njoin = \"{}\"\n", room.invite));
    let mut without_jack = machine.run("ExecStart", "rtjam-none");
    assert_eq!(without_jack.wait_exit(SOON), 1, "{}", without_jack.transcript());
    assert!(without_jack.err().all().concat().contains("JACK"), "{}", without_jack.transcript());
}
