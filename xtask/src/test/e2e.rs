//! The end-to-end tests: which of them share the machine, and their run.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::count::{Tests, Transcript};
use super::report::Outcome;
use crate::command::{self, Ended};
use crate::pool;
use crate::stop::Stop;
use crate::workspace::{TestProgram, Workspace};

/// Files whose tests mostly wait: for a window, a deadline, a status that comes once a second, or for one clean second of
/// several. They run some at a time, in this order: the longest first. Every other file has the machine for itself, because
/// JACK must keep time in it, or because it measures what would suffer from company. A new file runs alone until it is named
/// here.
const IN_COMPANY: &[&str] = &[
    "clap_editor",
    "failures",
    "lab",
    "clap_sound",
    "recovery",
    "window",
    "clap_room",
    "memory",
    "classic",
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
    "pedalboard",
    "listeners",
    "settings",
    "lib rtjam_tests",
];

/// How many files at a time: on two processors they still mostly wait.
const COMPANY: usize = 3;

/// What a file may take.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// The tests themselves are built as the unit tests are; the programs that they run are the release's.
pub(super) fn run(workspace: &Workspace, stop: &Stop) -> Outcome {
    match prepare(workspace, stop) {
        Ok((run, files)) => run.all(&files),
        Err(sentence) => Outcome::Failed(sentence, None),
    }
}

/// Runs only these files, each alone and with these arguments, on other programs and with further environment variables.
pub(crate) fn run_files(
    workspace: &Workspace,
    stop: &Stop,
    programs: PathBuf,
    chosen: &[(&str, &[&str])],
    environment: &[(&'static str, OsString)],
) -> Result<(), String> {
    let files = build(workspace, stop)?;
    let run = Run { workspace, stop, programs, environment: environment.to_vec(), sum: Mutex::default() };
    for (name, arguments) in chosen {
        let file =
            files.iter().find(|file| file.name == *name).ok_or(format!("there is no file of tests `{name}`."))?;
        run.live(file, arguments);
    }
    match run.outcome() {
        Outcome::Failed(sentence, _) => Err(sentence),
        Outcome::Passed(_) | Outcome::Skipped(_) => Ok(()),
    }
}

fn prepare<'a>(workspace: &'a Workspace, stop: &'a Stop) -> Result<(Run<'a>, Vec<TestProgram>), String> {
    let programs = workspace.build_release(stop)?;
    let files = build(workspace, stop)?;
    if let Some(name) = IN_COMPANY.iter().find(|name| !files.iter().any(|file| file.name == **name)) {
        return Err(format!("xtask's list of tests in company names `{name}`, and there is no such file."));
    }
    Ok((Run { workspace, stop, programs, environment: Vec::new(), sum: Mutex::default() }, files))
}

/// Builds the tests, and `editor`, which some of them open windows with.
fn build(workspace: &Workspace, stop: &Stop) -> Result<Vec<TestProgram>, String> {
    let mut editor = workspace.cargo(["build", "-p", "rtjam-stage", "--bins"]);
    workspace.build_executables(&mut editor, stop, "the build of the editor's stage")?;
    workspace.build_tests("rtjam-tests", stop)
}

struct Run<'a> {
    workspace: &'a Workspace,
    stop: &'a Stop,
    programs: PathBuf,
    environment: Vec<(&'static str, OsString)>,
    sum: Mutex<Sum>,
}

#[derive(Default)]
struct Sum {
    tests: Tests,
    /// Files, and how they ended.
    bad: Vec<String>,
}

impl Run<'_> {
    fn all(self, files: &[TestProgram]) -> Outcome {
        let place = |file: &TestProgram| IN_COMPANY.iter().position(|name| *name == file.name);
        let (mut company, alone): (Vec<&TestProgram>, Vec<&TestProgram>) =
            files.iter().partition(|file| place(file).is_some());
        company.sort_by_key(|file| place(file));
        println!("{} files, {COMPANY} at a time; then {}, each alone", company.len(), alone.len());
        pool::each(&company, COMPANY, |file| self.whole(file));
        pool::each(&alone, 1, |file| self.live(file, &[]));
        self.outcome()
    }

    fn outcome(self) -> Outcome {
        let Sum { tests, bad } = self.sum.into_inner().unwrap_or_else(PoisonError::into_inner);
        if self.stop.asked() {
            Outcome::Failed("stopped.".to_owned(), Some(tests))
        } else if !bad.is_empty() {
            Outcome::Failed(format!("{}.", bad.join(", ")), Some(tests))
        } else if tests.passed == 0 {
            Outcome::Failed("not one test ran.".to_owned(), Some(tests))
        } else {
            Outcome::Passed(Some(tests))
        }
    }

    /// Shows what the file's tests print when all of them are done.
    fn whole(&self, file: &TestProgram) {
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
        // Held while it prints, so that no other file's lines come between.
        let mut sum = self.sum.lock().unwrap_or_else(PoisonError::into_inner);
        print!("\n--- {}, {:.1} s\n{text}", file.name, begun.elapsed().as_secs_f64());
        sum.add(file, transcript.tests, ended);
    }

    /// Shows what the file's tests print as it comes.
    fn live(&self, file: &TestProgram, arguments: &[&str]) {
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
        self.sum.lock().unwrap_or_else(PoisonError::into_inner).add(file, transcript.tests, ended);
    }

    fn command(&self, file: &TestProgram) -> Command {
        let mut command = self.workspace.command(&file.path.to_string_lossy());
        // Where cargo would start it.
        command.current_dir(self.workspace.path("tests"));
        // One at a time within a file: most share a home, a display, or a JACK server.
        command.args(["--test-threads=1", "--show-output"]).env("RTJAM_BIN", &self.programs);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        super::skip_nothing_if_strict(&mut command);
        command
    }
}

impl Sum {
    fn add(&mut self, file: &TestProgram, mut tests: Tests, ended: Result<Ended, String>) {
        let how = match ended {
            Ok(Ended::Well) => None,
            Ok(Ended::Badly(how)) | Err(how) => Some(how),
        };
        if let Some(how) = how {
            // It may end without a failed test: by a signal, or by its time's end.
            tests.failed = tests.failed.max(1);
            self.bad.push(format!("{}: {how}", file.name));
        }
        for name in &mut tests.failures {
            *name = format!("{}: {name}", file.name);
        }
        self.tests += tests;
    }
}
