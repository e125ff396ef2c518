//! Runs a command to its end, and ends it with all of its children on a request to stop or at its time limit.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::{consts, flag};

/// A request to stop this program, made by SIGINT, SIGTERM or SIGHUP.
#[derive(Clone)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn register() -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        flag::register(consts::SIGINT, asked.clone())?;
        flag::register(consts::SIGTERM, asked.clone())?;
        #[cfg(unix)]
        flag::register(consts::SIGHUP, asked.clone())?;
        Ok(Self(asked))
    }

    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How a command ended.
pub(crate) enum Ended {
    Well,
    /// In words, such as "exit code 101".
    Badly(String),
}

/// Runs `command` in its own process group for at most `limit`.
pub(crate) fn run(command: &mut Command, stop: &Stop, limit: Duration) -> Result<Ended, String> {
    let child = spawn_group(command)?;
    wait(child, stop, limit, || {})
}

/// Like [`run`], but passes each line that the command prints to `on_line` instead of the terminal. This includes standard
/// error only if the caller has piped it.
pub(crate) fn run_reading(
    command: &mut Command,
    stop: &Stop,
    limit: Duration,
    mut on_line: impl FnMut(&str),
) -> Result<Ended, String> {
    let mut child = spawn_group(command.stdout(Stdio::piped()))?;
    let (sender, lines) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        forward(stdout, sender.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        forward(stderr, sender);
    } else {
        drop(sender);
    }
    let ended = wait(child, stop, limit, || lines.try_iter().for_each(|line| on_line(&line)));
    // The rest of the output, while it flows: a process that the command left running may hold the pipe open.
    while let Ok(line) = lines.recv_timeout(Duration::from_millis(500)) {
        on_line(&line);
    }
    ended
}

fn forward(from: impl Read + Send + 'static, to: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if to.send(line).is_err() {
                break;
            }
        }
    });
}

/// Runs `command` in this program's process group, so that it can use the terminal (sudo asks for a password there).
pub(crate) fn run_in_terminal(command: &mut Command) -> Result<Ended, String> {
    let status = command.status().map_err(|e| cannot_start(command, &e))?;
    Ok(ended(status))
}

/// Output of `command`, if it succeeds.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Starts `command` as the leader of a new process group. On Linux it receives SIGTERM when this program dies; call this on
/// a thread that outlives the child, because Linux watches the thread that started it.
pub(crate) fn spawn_group(command: &mut Command) -> Result<Child, String> {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::process::CommandExt as _;
        // SAFETY: between fork and exec; prctl is one system call on plain integers and touches no memory of ours.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                Ok(())
            });
        }
    }
    command.spawn().map_err(|e| cannot_start(command, &e))
}

/// Ends the child's group: SIGTERM, up to 2 s for the child, then SIGKILL for the rest of the group. `None` if the child
/// had to be killed.
pub(crate) fn end_group(child: &mut Child) -> Option<ExitStatus> {
    if let Ok(Some(status)) = child.try_wait() {
        return Some(status);
    }
    ask_to_end(child);
    let deadline = Instant::now() + Duration::from_secs(2);
    while Instant::now() < deadline {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(10));
    }
    kill_group(child);
    None
}

#[cfg(unix)]
pub(crate) fn ask_to_end(child: &mut Child) {
    signal_group(child, libc::SIGTERM);
}

#[cfg(not(unix))]
pub(crate) fn ask_to_end(_child: &mut Child) {}

fn kill_group(child: &mut Child) {
    #[cfg(unix)]
    signal_group(child, libc::SIGKILL);
    let _ = child.kill();
    let _ = child.wait();
}

/// The child must not have been waited for: until then its process id cannot be reused.
#[cfg(unix)]
fn signal_group(child: &Child, signal: libc::c_int) {
    if let Ok(group) = libc::pid_t::try_from(child.id()) {
        // SAFETY: a system call on integers; `spawn_group` created the group.
        unsafe { libc::kill(-group, signal) };
    }
}

fn wait(mut child: Child, stop: &Stop, limit: Duration, mut meanwhile: impl FnMut()) -> Result<Ended, String> {
    let start = Instant::now();
    loop {
        meanwhile();
        match child.try_wait() {
            Ok(Some(status)) => return Ok(ended(status)),
            Ok(None) => {}
            Err(e) => return Err(format!("cannot wait for a command: {e}")),
        }
        if stop.asked() {
            end_group(&mut child);
            return Err("stopped.".to_owned());
        }
        if start.elapsed() > limit {
            end_group(&mut child);
            return Ok(Ended::Badly(format!("not done after {} s", limit.as_secs())));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn ended(status: ExitStatus) -> Ended {
    if status.success() { Ended::Well } else { Ended::Badly(in_words(status)) }
}

/// In words, such as "exit code 3" or "signal 15".
pub(crate) fn in_words(status: ExitStatus) -> String {
    if let Some(code) = status.code() {
        return format!("exit code {code}");
    }
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("signal {signal}");
    }
    status.to_string()
}

fn cannot_start(command: &Command, error: &io::Error) -> String {
    format!("cannot start `{}`: {error}", command.get_program().to_string_lossy())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null());
        command
    }

    /// The caller receives the printed lines and the exit code.
    #[test]
    fn lines_and_exit_code_arrive() {
        let stop = Stop::register().expect("signal handlers");
        let mut lines = Vec::new();
        let ended = run_reading(&mut shell("echo one; echo two; exit 3"), &stop, Duration::from_secs(10), |line| {
            lines.push(line.to_owned());
        });
        assert!(matches!(ended, Ok(Ended::Badly(how)) if how == "exit code 3"));
        assert_eq!(lines, ["one", "two"]);
    }

    /// Lines on standard error arrive if the caller has piped it.
    #[test]
    fn piped_stderr_lines_arrive() {
        let stop = Stop::register().expect("signal handlers");
        let mut lines = Vec::new();
        let mut both = shell("echo one; echo two >&2");
        let ended = run_reading(both.stderr(Stdio::piped()), &stop, Duration::from_secs(10), |line| {
            lines.push(line.to_owned());
        });
        assert!(matches!(ended, Ok(Ended::Well)));
        lines.sort();
        assert_eq!(lines, ["one", "two"]);
    }

    /// At its time limit a command ends with its children.
    #[test]
    fn timeout_ends_the_whole_group() {
        let stop = Stop::register().expect("signal handlers");
        let mut grandchild = String::new();
        let start = Instant::now();
        let ended = run_reading(&mut shell("sleep 60 & echo $!; wait"), &stop, Duration::from_millis(300), |line| {
            line.clone_into(&mut grandchild);
        });
        assert!(matches!(ended, Ok(Ended::Badly(how)) if how.starts_with("not done")));
        assert!(start.elapsed() < Duration::from_secs(5));
        let pid: libc::pid_t = grandchild.parse().expect("a process id");
        // SAFETY: signal 0 only checks whether the process exists.
        let is_there = || unsafe { libc::kill(pid, 0) } == 0;
        let deadline = Instant::now() + Duration::from_secs(5);
        while is_there() && !is_zombie(pid) {
            assert!(Instant::now() < deadline, "the grandchild still runs");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether the process has ended but has not been waited for.
    fn is_zombie(pid: libc::pid_t) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
    }
}
