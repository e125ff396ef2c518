//! Shared by the server's tests: the program as a process, and a musician without a client.
#![allow(dead_code, unreachable_pub, reason = "each test file is a program that uses some of this")]

pub mod control;
pub mod media;

use rtjam_protocol::link::InviteLink;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A deadline that suffices on a busy machine.
pub const SOON: Duration = Duration::from_secs(10);

/// A folder that is removed when this is dropped.
pub struct TempDir(pub PathBuf);

impl TempDir {
    pub fn new() -> TempDir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rtjam-server-it-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        TempDir(path)
    }

    pub fn data(&self) -> PathBuf {
        self.0.join("data")
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtjam-server"));
    command.env_remove("STATE_DIRECTORY");
    command
}

/// Runs the program to its end.
pub fn run(arguments: &[&str]) -> Output {
    program().args(arguments).stdin(Stdio::null()).output().expect("the program runs")
}

/// Runs a command that fails; returns its exit code and stderr.
pub fn failure(command: &mut Command) -> (Option<i32>, String) {
    let output = command.stdin(Stdio::null()).output().expect("the program runs");
    assert!(output.stdout.is_empty(), "{output:?}");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

pub fn invite(dir: &TempDir, arguments: &[&str]) -> InviteLink {
    let output = program().arg("invite").args(arguments).arg("--data").arg(dir.data()).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text").parse().expect("a link, and nothing else")
}

/// A running server.
pub struct Server {
    pub child: Child,
    pub page: String,
    pub link: InviteLink,
    log: PathBuf,
}

impl Server {
    /// Starts a server on a free port of 127.0.0.1.
    pub fn start(dir: &TempDir) -> Server {
        Server::start_with(dir, &["--listen", "127.0.0.1:0"])
    }

    pub fn start_with(dir: &TempDir, arguments: &[&str]) -> Server {
        Server::launch(dir, program().arg("--data").arg(dir.data()).args(arguments))
    }

    /// Starts a command that becomes a server, and reads the two lines that it prints.
    pub fn launch(dir: &TempDir, command: &mut Command) -> Server {
        let log = dir.0.join("log");
        let stderr = File::create(&log).expect("a log file");
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().expect("the program runs");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for _ in 0..2 {
                let mut line = String::new();
                let _ = out.read_line(&mut line);
                let _ = send.send(line);
            }
        });
        let line = |prefix: &str| {
            let line = lines.recv_timeout(SOON).unwrap_or_default();
            let rest = line.strip_prefix(prefix).map(|rest| rest.trim_end().to_owned());
            rest.unwrap_or_else(|| panic!("{line:?} does not begin with {prefix}; {}", read(&log)))
        };
        let page = line("page: ");
        let link = line("invite: ").parse().expect("a link");
        Server { child, page, link, log }
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.link.host.to_string().parse().expect("an address"), self.link.port)
    }

    pub fn log(&self) -> String {
        read(&self.log)
    }

    pub fn wait_for_log(&self, text: &str) {
        eventually(&format!("{text:?} in the log"), || self.log().contains(text));
    }

    #[cfg(unix)]
    pub fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).expect("a process number");
        // SAFETY: the call signals our own child, which has not been waited for.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    /// Waits for the end of the process; returns its exit code and the time that it took.
    pub fn wait(&mut self) -> (Option<i32>, Duration) {
        let start = Instant::now();
        let mut status = None;
        eventually("the server's end", || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        (status.and_then(|s| s.code()), start.elapsed())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Waits for a condition.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < deadline, "timed out waiting for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sends a plain HTTP request and returns the answer.
pub fn http(address: SocketAddr, request_line: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(SOON)).expect("set");
    let request = format!("{request_line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Whether tests can make namespaces; reports a skipped test if not.
pub fn has_namespaces() -> bool {
    let has = cfg!(target_os = "linux")
        && Command::new("unshare").args(["--mount", "--net", "true"]).status().is_ok_and(|s| s.success());
    if !has {
        skipped("needs Linux and root to make namespaces");
    }
    has
}

/// Reports a skipped test; fails it if nothing may be skipped (`RTJAM_SKIP_NOTHING=1`).
pub fn skipped(reason: &str) {
    assert!(std::env::var_os("RTJAM_SKIP_NOTHING").is_none(), "would be skipped: {reason}");
    eprintln!("skipped: {reason}");
}
