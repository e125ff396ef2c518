//! Runs a test in its own process, with its own home folder and memory, and on a virtual screen if it needs one: a plugin
//! that crashes takes only that process down.

use crate::child::Child;
use crate::display::Display;
use crate::machine::Scratch;
use crate::machine::{has_program, skipped};
use std::process::Command;
use std::time::Duration;

/// Environment variable that names the test which the process runs.
const INSIDE: &str = "RTJAM_TEST_HOST";
/// Last line of output of such a process.
const END: &str = "the host has ended normally";
/// Time limit for such a process.
const LIMIT: Duration = Duration::from_secs(240);

/// Runs `host` in its own process with an empty home folder and no screen. Returns that process's error output and the
/// number of entries in its home folder; `None` inside that process. `test` is the name of the calling test.
///
/// # Panics
/// If that process fails.
pub fn in_own_process(test: &str, host: impl FnOnce()) -> Option<(String, usize)> {
    if std::env::var(INSIDE).is_ok_and(|inside| inside == test) {
        host();
        println!("{END}");
        return None;
    }
    let home = Scratch::new("alone");
    let mut command = Command::new(std::env::current_exe().expect("the test's own path is known"));
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(INSIDE, test);
    for folder in ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"] {
        command.env(folder, home.path());
    }
    let output = command.output().expect("it runs");
    let [said, errors] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success() && said.contains(END), "{said}{errors}");
    print!("{said}");
    Some((errors, std::fs::read_dir(home.path()).expect("our own").count()))
}

/// Runs `host` in its own process on a virtual screen of the given scale. `test` is the name of the calling test.
///
/// # Panics
/// If that process fails.
pub fn on_a_screen(test: &str, scale: u32, host: impl FnOnce(&Display)) {
    run(test, scale, false, host);
}

/// The same at scale 1; that process must not write to standard error.
///
/// # Panics
/// If that process fails or writes to standard error.
pub fn on_a_quiet_screen(test: &str, host: impl FnOnce(&Display)) {
    run(test, 1, true, host);
}

fn run(test: &str, scale: u32, quiet: bool, host: impl FnOnce(&Display)) {
    if std::env::var(INSIDE).is_ok_and(|inside| inside == test) {
        host(&Display::ours());
        println!("{END}");
        return;
    }
    if !(has_program("Xvfb") && has_program("xdotool")) {
        return skipped("windows need Xvfb and xdotool");
    }
    let (display, home) = (Display::start(scale), Scratch::new("host"));
    let mut command = Command::new(std::env::current_exe().expect("the test's own path is known"));
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(INSIDE, test);
    for folder in ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"] {
        command.env(folder, home.path());
    }
    // One heap for all threads: otherwise the C library keeps some memory of each ended thread, which is not our leak.
    display.set_for(command.env("MALLOC_ARENA_MAX", "1"));
    let mut process = Child::start(&mut command, None);
    let code = process.wait_exit(LIMIT);
    assert_eq!(code, 0, "{}", process.transcript());
    let said = process.err().all();
    assert!(!quiet || said.is_empty(), "standard error: {said:#?}");
    let lines = process.out().all();
    // Without a test of that name the process would also succeed. The line may begin with output of the test runner.
    assert!(lines.iter().any(|line| line.ends_with(END)), "{}", process.transcript());
    lines.iter().for_each(|line| println!("{line}"));
}
