//! A JACK server with the dummy driver.

use crate::child::Child;
use crate::{machine, realtime_stalls, wait};
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

/// A running jackd with its own server name.
pub struct Jackd {
    /// `JACK_DEFAULT_SERVER` of its clients.
    pub name: String,
    child: Child,
    _alone: MutexGuard<'static, ()>,
}

/// The JACK library finds its server through the environment, which is shared by the process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Dead servers are cleared before this process first uses the JACK library, which keeps the list of servers mapped.
static CLEAR: Once = Once::new();

impl Jackd {
    /// Starts jackd; returns `None`, and says so on stderr, if it is not installed.
    ///
    /// # Panics
    /// If jackd is installed and does not start, or if skipping is forbidden.
    pub fn start(rate: u32, period: u32) -> Option<Jackd> {
        if !machine::has_program("jackd") {
            machine::skipped("jackd is not installed (package jackd2)");
            return None;
        }
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        CLEAR.call_once(clear_dead_servers);
        realtime_stalls::avoid();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("rt{}n{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Some(Jackd { child: start(&name, rate, period), name, _alone })
    }

    /// Stops the server's process for a while, which is an xrun.
    pub fn pause(&self, time: Duration) {
        self.child.signal(libc::SIGSTOP);
        wait::for_period(Instant::now() + time);
        self.child.signal(libc::SIGCONT);
    }

    /// Kills the server as a crash would; its clients see it disappear.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// Starts a server with the same name again.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start_again(&mut self, rate: u32, period: u32) {
        self.child = start(&self.name, rate, period);
    }
}

impl Drop for Jackd {
    fn drop(&mut self) {
        // A killed server keeps its slot among the eight that JACK has.
        self.child.end(Duration::from_secs(3));
    }
}

fn start(name: &str, rate: u32, period: u32) -> Child {
    let mut said = String::new();
    // Occasionally a server that starts while another one ends fails to come up.
    for _ in 0..3 {
        match launch(name, rate, period) {
            Ok(child) => return child,
            Err(NotUp { output }) => said = output,
        }
    }
    panic!("jackd does not start\n{said}")
}

/// JACK has slots for eight servers, and a killed server keeps its slot until somebody clears it.
fn clear_dead_servers() {
    if is_jackd_running() {
        return;
    }
    for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("jack") {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_jackd_running() -> bool {
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    names.filter_map(|p| fs::read_to_string(p.path().join("comm")).ok()).any(|name| name.starts_with("jackd"))
}

/// Starts a server and waits until it answers.
fn launch(name: &str, rate: u32, period: u32) -> Result<Child, NotUp> {
    let mut command = Command::new("jackd");
    // A client that is busy for long, such as a DAW that opens a project, is not disconnected.
    command.args(["-n", name, "-R", "-P", "60", "-t", "20000", "-d", "dummy"]);
    command.args(["-r", &rate.to_string(), "-p", &period.to_string()]);
    end_with_this_thread(&mut command);
    let mut child = Child::start(&mut command, None);
    let up = wait::within(Duration::from_secs(5), || {
        if child.exit_code().is_some() { Some(false) } else { answers(name).then_some(true) }
    });
    if up == Some(true) { Ok(child) } else { Err(NotUp { output: child.transcript() }) }
}

/// A server that did not come up.
struct NotUp {
    output: String,
}

/// A test that is stopped runs no destructors, and jackd has its own process group.
fn end_with_this_thread(command: &mut Command) {
    // SAFETY: between fork and exec; prctl is one system call on plain integers and touches no memory of ours.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            Ok(())
        });
    }
}

/// Asks from another process, so that a missing server leaves no trace in this one.
fn answers(name: &str) -> bool {
    let mut command = Command::new("jack_wait");
    command.args(["-s", name, "-c"]).env("JACK_NO_START_SERVER", "1").env("JACK_DEFAULT_SERVER", name);
    command.output().is_ok_and(|o| {
        String::from_utf8_lossy(&o.stdout).contains("running")
            && !String::from_utf8_lossy(&o.stdout).contains("not running")
    })
}
