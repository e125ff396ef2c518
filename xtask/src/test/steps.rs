//! The steps of `cargo xtask test`, in their order: those that fail soonest come first.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use super::count::Transcript;
use super::report::Outcome;
use super::{e2e, fuzz};
use crate::command::{self, Ended, Stop};
use crate::cross;
use crate::setup::{CARGO_DENY, CARGO_FUZZ, Tool};
use crate::workspace::Workspace;

pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// Whether it runs only if it is named.
    pub(super) on_request: bool,
    pub(super) needs_build_packages: bool,
    pub(super) needs_test_packages: bool,
    pub(super) tool: Option<&'static Tool>,
    /// Why the step cannot run on this system, if it cannot.
    pub(super) cannot_run: fn() -> Option<String>,
    pub(super) run: fn(&Workspace, &Stop) -> Outcome,
}

/// A step without requirements.
const PLAIN: Step = Step {
    name: "",
    what: "",
    on_request: false,
    needs_build_packages: false,
    needs_test_packages: false,
    tool: None,
    cannot_run: || None,
    run: |_, _| Outcome::Passed(None),
};
const BUILDS: Step = Step { needs_build_packages: true, ..PLAIN };

pub(super) const STEPS: &[Step] = &[
    Step { name: "fmt", what: "the code is formatted", run: fmt, ..PLAIN },
    Step {
        name: "deny",
        what: "licences, sources and duplicates of dependencies",
        tool: Some(&CARGO_DENY),
        run: |w, s| plain(&mut w.cargo(["deny", "check", "bans", "licenses", "sources"]), s),
        ..PLAIN
    },
    Step {
        name: "clippy",
        what: "clippy reports nothing",
        run: |w, s| plain(&mut w.cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]), s),
        ..BUILDS
    },
    Step {
        name: "doc",
        what: "the documentation builds without a warning",
        run: |w, s| plain(w.cargo(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"), s),
        ..BUILDS
    },
    Step {
        name: "no-std",
        what: "the protocol builds without a standard library",
        run: |w, s| plain(&mut w.cargo(["build", "--manifest-path", "crates/protocol/no-std/Cargo.toml"]), s),
        ..PLAIN
    },
    Step {
        name: "loom",
        what: "state that threads share, in every interleaving",
        run: |w, s| tests(&mut models(w), s),
        ..PLAIN
    },
    Step { name: "unit", what: "the tests of every crate", needs_test_packages: true, run: unit, ..BUILDS },
    Step { name: "release", what: "the programs and the plugin build as they are packaged", run: release, ..BUILDS },
    Step {
        name: "e2e",
        what: "the programs, end to end",
        needs_test_packages: true,
        cannot_run: || only_on_linux("the end-to-end tests need Linux"),
        run: e2e::run,
        ..BUILDS
    },
    Step {
        name: "fuzz",
        what: "each fuzz target for 20 s",
        needs_test_packages: true,
        tool: Some(&CARGO_FUZZ),
        cannot_run: || cfg!(windows).then(|| "the fuzzer does not run on Windows".to_owned()),
        run: |w, s| Outcome::from(fuzz::run(w, s, Duration::from_secs(20)).map(|_| ())),
        ..BUILDS
    },
    Step {
        name: "cross",
        what: "the products compile for Windows, arm64 and macOS; only if it is named",
        on_request: true,
        cannot_run: || only_on_linux("the compilers for other systems need Linux"),
        run: |w, s| Outcome::from(cross::compile_all(w, s)),
        ..PLAIN
    },
    Step { name: "jam", what: "`cargo xtask jam --seconds 15`", run: jam, ..BUILDS },
];

pub(crate) fn is_step(name: &str) -> bool {
    STEPS.iter().any(|step| step.name == name)
}

pub(crate) fn list() -> String {
    STEPS.iter().fold(String::new(), |mut text, step| {
        let _ = writeln!(text, "  {:<8} {}", step.name, step.what);
        text
    })
}

/// More than any step should take on two cores, built from nothing.
const LIMIT: Duration = Duration::from_secs(30 * 60);

fn plain(command: &mut Command, stop: &Stop) -> Outcome {
    Outcome::from(command::run(command, stop, LIMIT).and_then(|ended| match ended {
        Ended::Well => Ok(()),
        Ended::Badly(how) => Err(format!("{how}.")),
    }))
}

fn fmt(workspace: &Workspace, stop: &Stop) -> Outcome {
    // Packages outside the workspace are formatted separately.
    for manifest in [
        "Cargo.toml",
        "crates/protocol/fuzz/Cargo.toml",
        "tests/models/Cargo.toml",
        "crates/protocol/no-std/Cargo.toml",
    ] {
        let mut cargo = workspace.cargo(["fmt", "--check", "--manifest-path", manifest]);
        if manifest == "Cargo.toml" {
            cargo.arg("--all");
        }
        let outcome = plain(&mut cargo, stop);
        if matches!(outcome, Outcome::Failed(..)) {
            return outcome;
        }
    }
    Outcome::Passed(None)
}

fn unit(workspace: &Workspace, stop: &Stop) -> Outcome {
    let arguments = ["test", "--workspace", "--exclude", "rtjam-tests", "--no-fail-fast", "--", "--show-output"];
    tests(&mut workspace.cargo(arguments), stop)
}

/// The model checks, which are a separate package.
pub(crate) fn models(workspace: &Workspace) -> Command {
    workspace.cargo(["test", "--no-fail-fast", "--manifest-path", "tests/models/Cargo.toml", "--", "--show-output"])
}

fn release(workspace: &Workspace, stop: &Stop) -> Outcome {
    Outcome::from(workspace.build_release(stop).map(|_| ()))
}

fn jam(workspace: &Workspace, stop: &Stop) -> Outcome {
    let this = match std::env::current_exe() {
        Ok(this) => this,
        Err(e) => return Outcome::Failed(format!("cannot find this program: {e}."), None),
    };
    let mut jam = workspace.command(&this.to_string_lossy());
    plain(jam.args(["jam", "--seconds", "15", "--scratch"]), stop)
}

/// Runs `cargo test`, prints its output, and counts the tests.
fn tests(cargo: &mut Command, stop: &Stop) -> Outcome {
    super::skip_nothing_if_strict(cargo);
    let mut transcript = Transcript::default();
    let ended = command::run_reading(cargo, stop, LIMIT, |line| {
        if let Some(line) = transcript.read(line) {
            println!("{line}");
        }
    });
    let tests = transcript.tests;
    match ended {
        Ok(Ended::Well) if tests.passed == 0 => Outcome::Failed("no test ran.".to_owned(), Some(tests)),
        Ok(Ended::Well) => Outcome::Passed(Some(tests)),
        Ok(Ended::Badly(how)) => Outcome::Failed(format!("{how}."), Some(tests)),
        Err(sentence) => Outcome::Failed(sentence, Some(tests)),
    }
}

fn only_on_linux(reason: &str) -> Option<String> {
    (!cfg!(target_os = "linux")).then(|| reason.to_owned())
}
