//! A child process whose output is collected.

use crate::wait::{self, Lines};
use std::io::Write;
use std::process::{Child as Process, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A started program whose output is collected line by line. Dropping it kills it.
pub struct Child {
    process: Process,
    name: String,
    out: Lines,
    err: Lines,
}

impl Child {
    /// Starts `command` and writes `input` to its standard input, which is then closed.
    ///
    /// # Panics
    /// If the program cannot be started.
    pub fn start(command: &mut Command, input: Option<&str>) -> Child {
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut child = Child::spawn(command, stdin);
        if let (Some(text), Some(mut pipe)) = (input, child.process.stdin.take()) {
            // A program that has already ended reports why by its exit code.
            let _ = pipe.write_all(text.as_bytes());
        }
        child
    }

    /// Starts `command` and returns its standard input.
    ///
    /// # Panics
    /// If the program cannot be started.
    pub fn start_with_stdin(command: &mut Command) -> (Child, ChildStdin) {
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

    /// Its standard output.
    pub fn out(&self) -> &Lines {
        &self.out
    }

    /// Its standard error.
    pub fn err(&self) -> &Lines {
        &self.err
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Waits for a line on standard output for which `pick` returns a value.
    ///
    /// # Panics
    /// If there is none within `limit`, or if the program ends.
    pub fn wait_out<T>(&mut self, what: &str, limit: Duration, pick: impl Fn(&str) -> Option<T>) -> T {
        let lines = self.out.clone();
        self.wait(what, limit, move || lines.newest(&pick))
    }

    /// Waits for a line on standard error that contains `text`.
    ///
    /// # Panics
    /// If there is none within `limit`, or if the program ends.
    pub fn wait_err(&mut self, text: &str, limit: Duration) -> String {
        let lines = self.err.clone();
        self.wait(text, limit, move || lines.newest(|l| l.contains(text).then(|| l.to_string())))
    }

    fn wait<T>(&mut self, what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
        let found = wait::within(limit, || match look() {
            Some(found) => Some(Some(found)),
            // Its last output may still be in the pipe.
            None => self.exit_code().map(|_| wait::within(Duration::from_millis(200), &mut look)),
        });
        found.flatten().unwrap_or_else(|| panic!("{}: no {what}\n{}", self.name, self.transcript()))
    }

    /// Sends a signal to the program.
    pub fn signal(&self, signal: libc::c_int) {
        // SAFETY: kill has no memory effects; the process is our child and not yet reaped, so the number is its own.
        unsafe { libc::kill(self.process.id() as libc::pid_t, signal) };
    }

    /// Its exit code once it has ended; -1 if a signal ended it.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.process.try_wait().ok().flatten().map(code)
    }

    /// Waits for the program to end and returns its exit code.
    ///
    /// # Panics
    /// If it has not ended within `limit`.
    pub fn wait_exit(&mut self, limit: Duration) -> i32 {
        match wait::within(limit, || self.exit_code()) {
            Some(code) => {
                // Collect the last lines in the pipes.
                let quiet = (self.out.count(), self.err.count());
                wait::within(Duration::from_millis(100), || {
                    (quiet != (self.out.count(), self.err.count())).then_some(())
                });
                code
            }
            None => panic!("{} has not ended within {limit:?}\n{}", self.name, self.transcript()),
        }
    }

    /// Kills the program at once, as a crash would.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Ends the program by SIGTERM, or by SIGKILL after `limit`.
    pub fn end(&mut self, limit: Duration) {
        self.signal(libc::SIGTERM);
        if wait::within(limit, || self.exit_code()).is_none() {
            self.kill();
        }
    }

    /// All of its output, for the message of a failed test.
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
