//! `rtjam-server check` on this machine.

mod support;

use std::net::TcpListener;
use std::process::{Command, Output};
use support::{TempDir, program};

const PARTS: [&str; 9] = [
    "ports",
    "kernel buffers",
    "GSO and GRO",
    "real-time priority",
    "wake-ups",
    "processor",
    "clock",
    "open files",
    "disk",
];

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// Every part is checked, and the exit code tells the worst verdict.
#[test]
fn exit_code_tells_the_worst_verdict() {
    let dir = TempDir::new();
    let output =
        program().args(["check", "--listen", "127.0.0.1:0", "--data"]).arg(dir.data()).output().expect("it runs");
    let lines = lines(&output);
    for part in PARTS {
        assert!(lines.iter().any(|l| l.get(6..).is_some_and(|rest| rest.starts_with(part))), "{part}: {lines:?}");
    }
    let warns = lines.iter().any(|l| l.starts_with("warn"));
    assert_eq!(output.status.code(), Some(if warns { 3 } else { 0 }), "{lines:?}");
    // Each warning is followed by advice.
    let advice = lines.iter().filter(|l| l.starts_with("      -> ")).count();
    assert_eq!(advice, lines.iter().filter(|l| l.starts_with("warn")).count());
    assert!(!dir.data().exists(), "the check leaves no folder behind");
}

#[test]
fn taken_port_exits_with_1() {
    let dir = TempDir::new();
    let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = other.local_addr().expect("bound").to_string();
    let output = program().args(["check", "--listen", &address, "--data"]).arg(dir.data()).output().expect("it runs");
    let lines = lines(&output);
    assert_eq!(output.status.code(), Some(1), "{lines:?}");
    assert!(lines[0].starts_with("bad   ports") && lines[1].contains("is taken"), "{lines:?}");
}

#[cfg(unix)]
#[test]
fn low_file_limit_exits_with_3() {
    let dir = TempDir::new();
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 256; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_rtjam-server"), "check", "--listen"]);
    let output = shell.args(["127.0.0.1:0", "--data"]).arg(dir.data()).output().expect("it runs");
    let lines = lines(&output);
    assert_eq!(output.status.code(), Some(3), "{lines:?}");
    assert!(lines.iter().any(|l| l.contains("open files") && l.contains("at most 256")), "{lines:?}");
    assert!(lines.iter().any(|l| l.contains("LimitNOFILE=4096")), "{lines:?}");
}

#[test]
fn help_explains_the_exit_codes() {
    let output = program().args(["check", "--help"]).output().expect("it runs");
    let help = String::from_utf8_lossy(&output.stdout);
    assert!(help.contains("Exit codes: 0 all is well") && help.contains("3 it works"), "{help}");
}
