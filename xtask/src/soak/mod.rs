//! `cargo xtask soak NAME`: tests that take too long for `cargo xtask test`.

mod asan;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::command::{self, Ended, Stop};
use crate::cross;
use crate::setup;
use crate::test::{fuzz, models};
use crate::workspace::Workspace;

struct Soak {
    name: &'static str,
    what: &'static str,
    run: fn(&Workspace, &Stop) -> Result<(), String>,
}

const SOAKS: &[Soak] = &[
    Soak {
        name: "asan",
        what: "end-to-end tests of a room, on programs built with AddressSanitizer: about 20 minutes, mostly for the build",
        run: asan::run,
    },
    Soak {
        name: "cross",
        what: "release builds for every other system, and what emulators run of them: about an hour, mostly for the builds",
        run: cross_all,
    },
    Soak { name: "fuzz", what: "each fuzz target for 10 minutes", run: fuzz_long },
    Soak {
        name: "loom",
        what: "the model checks of `cargo xtask test loom` with more steps: about 5 minutes",
        run: loom_long,
    },
    Soak {
        name: "memory",
        what: "10 minutes in a room: peak memory of server and musicians, and whether it grows",
        run: |workspace, stop| soak_program(workspace, stop, "memory"),
    },
    Soak {
        name: "server",
        what: "20 minutes with 20 musicians who join, leave and move, at 2 % loss: memory, descriptors, time to return",
        run: |workspace, stop| soak_program(workspace, stop, "server"),
    },
    Soak {
        name: "stalls",
        what: "playout with 182 kinds of stalls on 3 networks, in virtual time: an hour; prints which are beyond a bound",
        run: |workspace, stop| program(workspace, stop, ["rtjam-lab", "lab", "stalls"], None),
    },
];

pub(crate) fn is_known(name: &str) -> bool {
    SOAKS.iter().any(|soak| soak.name == name)
}

pub(crate) fn list() -> String {
    SOAKS.iter().fold(String::new(), |mut text, soak| {
        let _ = writeln!(text, "  {:<8} {}", soak.name, soak.what);
        text
    })
}

pub(crate) fn run(workspace: &Workspace, stop: &Stop, name: &str) -> Result<ExitCode, String> {
    let soak = SOAKS.iter().find(|soak| soak.name == name).ok_or("there is no such soak test.")?;
    setup::system_packages(workspace, &[setup::BUILD, setup::TEST])?;
    let start = Instant::now();
    (soak.run)(workspace, stop).map_err(|sentence| format!("soak {name}: {sentence}"))?;
    println!("soak {name}: passed after {} s", start.elapsed().as_secs());
    Ok(ExitCode::SUCCESS)
}

fn cross_all(workspace: &Workspace, stop: &Stop) -> Result<(), String> {
    let options = cross::Options { targets: cross::all(), profile: "release".to_owned(), runs: true };
    cross::run(workspace, stop, &options).map(|_| ())
}

fn fuzz_long(workspace: &Workspace, stop: &Stop) -> Result<(), String> {
    setup::tool(workspace, stop, &setup::CARGO_FUZZ)?;
    fuzz::run(workspace, stop, Duration::from_secs(600)).map(|_| ())
}

fn loom_long(workspace: &Workspace, stop: &Stop) -> Result<(), String> {
    let mut models = models(workspace);
    match command::run(models.env("RTJAM_LONG_MODELS", "1"), stop, Duration::from_secs(2 * 3600))? {
        Ended::Well => Ok(()),
        Ended::Badly(how) => Err(format!("{how}.")),
    }
}

/// Runs a test of the program `soak`.
fn soak_program(workspace: &Workspace, stop: &Stop, name: &str) -> Result<(), String> {
    let programs = workspace.build_release(stop)?;
    program(workspace, stop, ["rtjam-soak", "soak", name], Some(programs))
}

/// Runs a program of a package with one argument, and tells it where the programs under test are.
fn program(
    workspace: &Workspace,
    stop: &Stop,
    [package, name, argument]: [&str; 3],
    programs: Option<PathBuf>,
) -> Result<(), String> {
    let mut cargo = workspace.cargo(["run", "--release", "-p", package, "--bin", name, "--", argument]);
    cargo.envs(programs.map(|programs| ("RTJAM_BIN", programs)));
    match command::run(&mut cargo, stop, Duration::from_secs(24 * 3600))? {
        Ended::Well => Ok(()),
        Ended::Badly(how) => Err(format!("{how}.")),
    }
}
