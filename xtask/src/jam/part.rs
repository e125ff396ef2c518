//! A running program of the jam: the server or a musician.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::scratch::Scratch;
use super::status::StatusLine;
use crate::command;
use crate::workspace::Workspace;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Server,
    You,
    Demo,
}

impl Who {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::You => "you",
            Self::Demo => "demo",
        }
    }
}

/// Output of a part.
pub(super) struct Event {
    pub(super) who: Who,
    pub(super) heard: Heard,
}

pub(super) enum Heard {
    Status(StatusLine),
    Line(String),
}

/// A running part, ended with its children on drop.
pub(super) struct Part {
    who: Who,
    child: Child,
    tail: Tail,
    has_ended: bool,
}

/// The last lines of standard error.
#[derive(Clone, Default)]
struct Tail(Arc<Mutex<VecDeque<String>>>);

pub(super) fn you(
    workspace: &Workspace,
    programs: &Path,
    scratch: Option<&Scratch>,
    invite: &str,
    events: &Sender<Event>,
) -> Result<Part, String> {
    let mut command = musician(workspace, programs, "You");
    command.args(["--backend", "auto"]);
    if let Some(scratch) = scratch {
        command.envs(Scratch::home(&scratch.folder("you")?));
    }
    join(Who::You, command, invite, events)
}

pub(super) fn demo(
    workspace: &Workspace,
    programs: &Path,
    scratch: &Scratch,
    invite: &str,
    events: &Sender<Event>,
) -> Result<Part, String> {
    let mut command = musician(workspace, programs, "Demo");
    command.args(["--backend", "dummy", "--source", "demo"]);
    command.envs(Scratch::home(&scratch.folder("demo")?));
    join(Who::Demo, command, invite, events)
}

/// The link is passed through standard input: an argument would show its secret to everyone on the machine.
fn musician(workspace: &Workspace, programs: &Path, name: &str) -> Command {
    let mut command = workspace.command(&programs.join("rtjam").to_string_lossy());
    command.args(["--headless", "--join", "-", "--status-json", "--name", name]).stdin(Stdio::piped());
    command
}

fn join(who: Who, command: Command, invite: &str, events: &Sender<Event>) -> Result<Part, String> {
    let mut part = Part::start(who, command, events)?;
    if let Some(mut stdin) = part.child.stdin.take() {
        // A program that has already ended is reported by `ended_early`, with its reason.
        let _ = writeln!(stdin, "{invite}");
    }
    Ok(part)
}

impl Part {
    pub(super) fn start(who: Who, mut command: Command, events: &Sender<Event>) -> Result<Self, String> {
        let mut child = command::spawn_group(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
        let tail = Tail::default();
        if let Some(stdout) = child.stdout.take() {
            let events = events.clone();
            read_lines(stdout, move |line| {
                let heard = match serde_json::from_str(&line) {
                    Ok(status) => Heard::Status(status),
                    Err(_) => Heard::Line(line),
                };
                events.send(Event { who, heard }).is_ok()
            });
        }
        if let Some(stderr) = child.stderr.take() {
            let events = events.clone();
            let tail = tail.clone();
            read_lines(stderr, move |line| {
                tail.push(line.clone());
                // Output of the server and of the demo matters only if they fail.
                who != Who::You || events.send(Event { who, heard: Heard::Line(line) }).is_ok()
            });
        }
        Ok(Self { who, child, tail, has_ended: false })
    }

    /// If the part has ended: how, with its last output.
    pub(super) fn ended_early(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        self.has_ended = true;
        // Its last output may not have been read yet.
        thread::sleep(std::time::Duration::from_millis(100));
        Some(format!("`{}` ended early ({}).{}", self.who.name(), command::in_words(status), self.tail.quoted()))
    }

    /// Ends the part, and reports if it did not end normally.
    pub(super) fn end(&mut self) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        match command::end_group(&mut self.child) {
            None => eprintln!("xtask: `{}` had to be killed: it did not end within 2 s.", self.who.name()),
            Some(status) if status.success() || is_by_request(status) => {}
            Some(status) => {
                let how = command::in_words(status);
                eprintln!("xtask: `{}` failed ({how}).{}", self.who.name(), self.tail.quoted());
            }
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.end();
    }
}

impl Tail {
    const LINES: usize = 12;

    fn push(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == Self::LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    fn quoted(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_empty() {
            return " It printed nothing.".to_owned();
        }
        lines.iter().fold(" Its last output:".to_owned(), |text, line| format!("{text}\n  {line}"))
    }
}

/// Whether SIGTERM killed it before it had installed its signal handler.
fn is_by_request(status: ExitStatus) -> bool {
    #[cfg(unix)]
    return std::os::unix::process::ExitStatusExt::signal(&status) == Some(libc::SIGTERM);
    #[cfg(not(unix))]
    return !status.success();
}

fn read_lines(from: impl Read + Send + 'static, mut on_line: impl FnMut(String) -> bool + Send + 'static) {
    thread::spawn(move || {
        let mut reader = BufReader::new(from);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|n| n > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            bytes.clear();
            if !on_line(line) {
                break;
            }
        }
    });
}
