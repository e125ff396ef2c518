//! Runs the end-to-end tests, some of them in parallel.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::count::{Tests, Transcript};
use super::report::Outcome;
use crate::command::{self, Ended, Stop};
use crate::pool;
use crate::workspace::{TestProgram, Workspace};

/// Files whose tests mostly wait: for a window, a deadline, a status once a second, or one undisturbed second of several.
/// They run in parallel, in this order: the longest first. Any other file has the machine to itself, because JACK must keep
/// time in it, or because it measures. A new file runs alone until it is listed here.
const PARALLEL: &[&str] = &[
    "clap_editor",
    "failures",
    "lab",
    "lab_stalls",
    "clap_sound",
    "retransmission",
    "window",
    "clap_room",
    "legacy",
    "vst3_editor",
    "package",
    "room",
    "loop_guard",
    "clap_hostile",
    "clap_events",
    "clap_classes",
    "clap_state",
    "clap_life",
    "vst3_golden",
    "vst3_hostile",
    "vst3_life",
    "vst3_room",
    "editor",
    "listeners",
    "settings",
    "lib rtjam_tests",
];

/// Number of files that run in parallel: on two processors they still mostly wait.
const WORKERS: usize = 3;

/// Time limit for a file.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// The tests are built like the unit tests; the programs that they run are release builds.
pub(super) fn run(workspace: &Workspace, stop: &Stop) -> Outcome {
    match build_all(workspace, stop) {
        Ok((run, files)) => run.all(&files),
        Err(sentence) => Outcome::Failed(sentence, None),
    }
}

/// Runs only these files, each alone and with these arguments, on other programs and with additional environment variables.
pub(crate) fn run_files(
    workspace: &Workspace,
    stop: &Stop,
    programs: PathBuf,
    chosen: &[(&str, &[&str])],
    environment: &[(&'static str, OsString)],
) -> Result<(), String> {
    let files = build(workspace, stop)?;
    let run = Run { workspace, stop, programs, environment: environment.to_vec(), total: Mutex::default() };
    for (name, arguments) in chosen {
        let file = files.iter().find(|file| file.name == *name).ok_or(format!("there is no test file `{name}`."))?;
        run.run_live(file, arguments);
    }
    match run.outcome() {
        Outcome::Failed(sentence, _) => Err(sentence),
        Outcome::Passed(_) | Outcome::Skipped(_) => Ok(()),
    }
}

fn build_all<'a>(workspace: &'a Workspace, stop: &'a Stop) -> Result<(Run<'a>, Vec<TestProgram>), String> {
    let programs = workspace.build_release(stop)?;
    let files = build(workspace, stop)?;
    if let Some(name) = PARALLEL.iter().find(|name| !files.iter().any(|file| file.name == **name)) {
        return Err(format!("xtask's list of files that share the machine contains `{name}`, which does not exist."));
    }
    Ok((Run { workspace, stop, programs, environment: Vec::new(), total: Mutex::default() }, files))
}

/// Builds the tests, and `editor`, with which some of them open windows.
fn build(workspace: &Workspace, stop: &Stop) -> Result<Vec<TestProgram>, String> {
    let mut editor = workspace.cargo(["build", "-p", "rtjam-stage", "--bins"]);
    workspace.build_executables(&mut editor, stop, "the build of the program `editor`")?;
    workspace.build_tests("rtjam-tests", stop)
}

struct Run<'a> {
    workspace: &'a Workspace,
    stop: &'a Stop,
    programs: PathBuf,
    environment: Vec<(&'static str, OsString)>,
    total: Mutex<Total>,
}

#[derive(Default)]
struct Total {
    tests: Tests,
    /// Files that failed, and how they ended.
    bad: Vec<String>,
}

impl Run<'_> {
    fn all(self, files: &[TestProgram]) -> Outcome {
        let place = |file: &TestProgram| PARALLEL.iter().position(|name| *name == file.name);
        let (mut parallel, alone): (Vec<&TestProgram>, Vec<&TestProgram>) =
            files.iter().partition(|file| place(file).is_some());
        parallel.sort_by_key(|file| place(file));
        println!("{} files, {WORKERS} at a time; then {}, each alone", parallel.len(), alone.len());
        pool::each(&parallel, WORKERS, |file| self.run_quietly(file));
        pool::each(&alone, 1, |file| self.run_live(file, &[]));
        self.outcome()
    }

    fn outcome(self) -> Outcome {
        let Total { tests, bad } = self.total.into_inner().unwrap_or_else(PoisonError::into_inner);
        if self.stop.asked() {
            Outcome::Failed("stopped.".to_owned(), Some(tests))
        } else if !bad.is_empty() {
            Outcome::Failed(format!("{}.", bad.join(", ")), Some(tests))
        } else if tests.passed == 0 {
            Outcome::Failed("no test ran.".to_owned(), Some(tests))
        } else {
            Outcome::Passed(Some(tests))
        }
    }

    /// Runs a file and prints its output at the end.
    fn run_quietly(&self, file: &TestProgram) {
        if self.stop.asked() {
            return;
        }
        let (mut transcript, mut text, begun) = (Transcript::default(), String::new(), Instant::now());
        let ended = command::run_reading(self.command(file).stderr(Stdio::piped()), self.stop, LIMIT, |line| {
            if let Some(line) = transcript.read(line) {
                text.push_str(&line);
                text.push('\n');
            }
        });
        // Held while printing, so that the output of files does not mix.
        let mut total = self.total.lock().unwrap_or_else(PoisonError::into_inner);
        print!("\n--- {}, {:.1} s\n{text}", file.name, begun.elapsed().as_secs_f64());
        total.add(file, transcript.tests, ended);
    }

    /// Runs a file and prints its output as it comes.
    fn run_live(&self, file: &TestProgram, arguments: &[&str]) {
        if self.stop.asked() {
            return;
        }
        println!("\n--- {}", file.name);
        let mut transcript = Transcript::default();
        let ended = command::run_reading(self.command(file).args(arguments), self.stop, LIMIT, |line| {
            if let Some(line) = transcript.read(line) {
                println!("{line}");
            }
        });
        self.total.lock().unwrap_or_else(PoisonError::into_inner).add(file, transcript.tests, ended);
    }

    fn command(&self, file: &TestProgram) -> Command {
        let mut command = self.workspace.command(&file.path.to_string_lossy());
        // The folder in which cargo would start it.
        command.current_dir(self.workspace.path("tests"));
        // One test at a time within a file: most share a home folder, a display, or a JACK server.
        command.args(["--test-threads=1", "--show-output"]).env("RTJAM_BIN", &self.programs);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        super::skip_nothing_if_strict(&mut command);
        command
    }
}

impl Total {
    fn add(&mut self, file: &TestProgram, mut tests: Tests, ended: Result<Ended, String>) {
        let how = match ended {
            Ok(Ended::Well) => None,
            Ok(Ended::Badly(how)) | Err(how) => Some(how),
        };
        if let Some(how) = how {
            // A file may end without a failed test: by a signal, or at its time limit.
            tests.failed = tests.failed.max(1);
            self.bad.push(format!("{}: {how}", file.name));
        }
        for name in &mut tests.failures {
            *name = format!("{}: {name}", file.name);
        }
        self.tests += tests;
    }
}
