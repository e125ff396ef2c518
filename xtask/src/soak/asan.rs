//! `cargo xtask soak asan`: end-to-end tests on programs that AddressSanitizer watches.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::command;
use crate::stop::Stop;
use crate::test::e2e;
use crate::workspace::Workspace;

/// Files of end-to-end tests in which `rtjam-server` and `rtjam` do what they do in a room, and what to tell each: sound both
/// ways and on JACK, mixes, listeners, loss, reconnection, the classic packet. Tests of the plugin are left out, for its host
/// would have to be built like this, too; and those that judge memory, of which the sanitizer takes its own.
const FILES: &[(&str, &[&str])] = &[
    ("room", &[]),
    ("listeners", &[]),
    ("mixes", &[]),
    ("recovery", &[]),
    ("restart", &[]),
    ("classic", &[]),
    ("classic_join", &["--skip", "plugin"]),
];

/// How the sanitizer runs. A program that ends by itself is searched for leaks then, too. Globals of the same name are no
/// error: in SQLite, whose build script takes part, they are two functions' own. The path is where reports go, for tests
/// collect what programs write to standard error.
const OPTIONS: &str = "detect_leaks=1:detect_stack_use_after_return=1:detect_odr_violation=0:log_path=";

pub(super) fn run(workspace: &Workspace, stop: &Stop) -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        return Err("the end-to-end tests need Linux.".to_owned());
    }
    let folder = workspace.target_folder()?.join("asan");
    let programs = build(workspace, stop, &folder)?;
    let reports = folder.join("reports");
    // What an earlier run left there.
    if let Err(e) = fs::remove_dir_all(&reports)
        && e.kind() != std::io::ErrorKind::NotFound
    {
        return Err(format!("cannot empty {}: {e}", reports.display()));
    }
    fs::create_dir_all(&reports).map_err(|e| format!("cannot make {}: {e}", reports.display()))?;

    let mut options = OsString::from(OPTIONS);
    options.push(reports.join("report"));
    let ended = e2e::run_files(workspace, stop, programs, FILES, &[("ASAN_OPTIONS", options)]);
    let found = show(&reports)?;
    match (found, ended) {
        (0, ended) => ended,
        (found, _) => {
            Err(format!("AddressSanitizer made {found} reports, shown above and kept in {}.", reports.display()))
        }
    }
}

/// Builds both programs in a folder of their own. With `--target`, build scripts and procedural macros stay as they are.
fn build(workspace: &Workspace, stop: &Stop, folder: &Path) -> Result<PathBuf, String> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = command::output(workspace.command(&rustc).arg("-vV")).unwrap_or_default();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc does not name its host.")?;
    let mut cargo = workspace.cargo(["build", "-p", "rtjam-server", "-p", "rtjam", "--bins", "--target", host]);
    cargo.arg("--target-dir").arg(folder);
    // The sanitizer's library comes with the stable toolchain; only the flag counts as unstable.
    cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address");
    workspace.build_executables(&mut cargo, stop, "the build with AddressSanitizer")
}

/// Prints every report; returns how many there are.
fn show(reports: &Path) -> Result<usize, String> {
    let entries = fs::read_dir(reports).map_err(|e| format!("cannot read {}: {e}", reports.display()))?;
    let mut found = 0;
    for path in entries.flatten().map(|entry| entry.path()) {
        let text = fs::read(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        println!("\n--- {}\n{}", path.display(), String::from_utf8_lossy(&text));
        found += 1;
    }
    Ok(found)
}
