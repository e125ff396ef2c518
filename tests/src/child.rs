//! A program that runs.

use crate::wait;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child as Process, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A started program whose output is collected line by line. Dropping it kills it.
pub struct Child {
    process: Process,
    name: String,
    out: Lines,
    err: Lines,
}

/// Lines written so far.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// All lines so far.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The newest line that `pick` takes.
    pub fn newest<T>(&self, pick: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().find_map(|line| pick(line))
    }

    /// How many lines there are.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn collect(&self, from: impl Read + Send + 'static) {
        let lines = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                lines.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
    }
}

impl Child {
    /// Starts `command`, with `input` on its standard input (closed after it).
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command, input: Option<&str>) -> Child {
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut child = Child::spawn(command, stdin);
        if let (Some(text), Some(mut pipe)) = (input, child.process.stdin.take()) {
            // A program that ended already says so by its exit code.
            let _ = pipe.write_all(text.as_bytes());
        }
        child
    }

    /// Starts `command`, and gives its standard input.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_to_talk(command: &mut Command) -> (Child, ChildStdin) {
        let mut child = Child::spawn(command, Stdio::piped());
        let pipe = child.process.stdin.take().expect("its input is piped");
        (child, pipe)
    }

    fn spawn(command: &mut Command, stdin: Stdio) -> Child {
        let name = command.get_program().to_string_lossy().into_owned();
        let spawned = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut process = spawned.unwrap_or_else(|e| panic!("{name} cannot be started: {e}"));
        let (out, err) = (Lines::default(), Lines::default());
        out.collect(process.stdout.take().expect("its output is piped"));
        err.collect(process.stderr.take().expect("its errors are piped"));
        Child { process, name, out, err }
    }

    /// What it wrote to standard output.
    pub fn out(&self) -> &Lines {
        &self.out
    }

    /// What it wrote to standard error.
    pub fn err(&self) -> &Lines {
        &self.err
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Waits for a line on standard output that `pick` takes.
    ///
    /// # Panics
    /// When there is none within `limit`, or the program ends.
    pub fn wait_out<T>(&mut self, what: &str, limit: Duration, pick: impl Fn(&str) -> Option<T>) -> T {
        let lines = self.out.clone();
        self.wait(what, limit, move || lines.newest(&pick))
    }

    /// Waits for a line on standard error that contains `text`.
    ///
    /// # Panics
    /// When there is none within `limit`, or the program ends.
    pub fn wait_err(&mut self, text: &str, limit: Duration) -> String {
        let lines = self.err.clone();
        self.wait(text, limit, move || lines.newest(|l| l.contains(text).then(|| l.to_string())))
    }

    fn wait<T>(&mut self, what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
        let found = wait::within(limit, || match look() {
            Some(found) => Some(Some(found)),
            // What it wrote last may still be on its way through the pipe.
            None => self.exit_code().map(|_| wait::within(Duration::from_millis(200), &mut look)),
        });
        found.flatten().unwrap_or_else(|| panic!("{}: no {what}\n{}", self.name, self.transcript()))
    }

    /// Asks it to end by `signal`.
    pub fn signal(&self, signal: libc::c_int) {
        // SAFETY: kill has no memory effects; the process is our child and not yet reaped, so the number is its own.
        unsafe { libc::kill(self.process.id() as libc::pid_t, signal) };
    }

    /// Its exit code, when it has ended; -1 when a signal ended it.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.process.try_wait().ok().flatten().map(code)
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it has not ended within `limit`.
    pub fn wait_exit(&mut self, limit: Duration) -> i32 {
        match wait::within(limit, || self.exit_code()) {
            Some(code) => {
                // The pipes' last lines.
                let quiet = (self.out.count(), self.err.count());
                wait::within(Duration::from_millis(100), || {
                    (quiet != (self.out.count(), self.err.count())).then_some(())
                });
                code
            }
            None => panic!("{} has not ended within {limit:?}\n{}", self.name, self.transcript()),
        }
    }

    /// Kills it at once, as a crash would.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Asks it to end by SIGTERM, and kills it when it has not within `limit`.
    pub fn end(&mut self, limit: Duration) {
        self.signal(libc::SIGTERM);
        if wait::within(limit, || self.exit_code()).is_none() {
            self.kill();
        }
    }

    /// All it wrote, for a failed test's message.
    pub fn transcript(&self) -> String {
        format!("--- stdout\n{}\n--- stderr\n{}", self.out.all().join("\n"), self.err.all().join("\n"))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or(-1)
}
