//! A test in a process of its own, on a screen that nobody sees: the host of a plugin's editor, which a bad plugin takes
//! down, with a home and a memory of its own.

use crate::child::Child;
use crate::display::Display;
use crate::scratch::Scratch;
use crate::skip::{has_program, skipped};
use std::process::Command;
use std::time::Duration;

/// Names the test that the process was started for.
const INSIDE: &str = "RTJAM_TEST_HOST";
/// What such a process says last.
const END: &str = "the host has ended well";
/// It ends within this time.
const LIMIT: Duration = Duration::from_secs(240);

/// Runs `host` in a process of its own with an empty home, without a screen. Gives what that process wrote on its error
/// output and how many entries its home has afterwards; `None` in that process itself. `test` is the calling test's name.
///
/// # Panics
/// When that process does not end well.
pub fn alone(test: &str, host: impl FnOnce()) -> Option<(String, usize)> {
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

/// Runs `host` in a process of its own. `test` is the calling test's name; `scale` the screen's.
///
/// # Panics
/// When that process does not end well.
pub fn on_a_screen(test: &str, scale: u32, host: impl FnOnce(&Display)) {
    run(test, scale, false, host);
}

/// The same; nothing in that process may write to standard error.
///
/// # Panics
/// When it does not end well, or something does.
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
    // One heap for all threads: else the C library keeps a little of each ended thread's, which is no leak of ours.
    display.shows(command.env("MALLOC_ARENA_MAX", "1"));
    let mut process = Child::start(&mut command, None);
    let code = process.wait_exit(LIMIT);
    assert_eq!(code, 0, "{}", process.transcript());
    let said = process.err().all();
    assert!(!quiet || said.is_empty(), "on standard error: {said:#?}");
    let lines = process.out().all();
    // Were there no test of that name, it would end well, too. The line may begin with what the test runner says.
    assert!(lines.iter().any(|line| line.ends_with(END)), "{}", process.transcript());
    lines.iter().for_each(|line| println!("{line}"));
}
