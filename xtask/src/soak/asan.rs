//! `cargo xtask soak asan`: end-to-end tests on programs built with AddressSanitizer.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{self, Stop};
use crate::test::e2e;
use crate::workspace::Workspace;

/// Test files in which `rtjam-server` and `rtjam` run in a room, and their arguments: audio both ways and on JACK, mixes,
/// listeners, packet loss, reconnection, legacy packets. It excludes tests of the plugin, whose host would have to be built
/// with the sanitizer, too, and tests of memory, of which the sanitizer uses much.
const FILES: &[(&str, &[&str])] = &[
    ("room", &[]),
    ("listeners", &[]),
    ("mixes", &[]),
    ("retransmission", &[]),
    ("restart", &[]),
    ("legacy", &[]),
    ("legacy_join", &["--skip", "plugin"]),
];

/// Options of the sanitizer. It searches programs for leaks when they end. It ignores globals of the same name: SQLite, which
/// is compiled with it, has two functions' own. Reports go to files, because tests collect standard error.
const OPTIONS: &str = "detect_leaks=1:detect_stack_use_after_return=1:detect_odr_violation=0:log_path=";

pub(super) fn run(workspace: &Workspace, stop: &Stop) -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        return Err("the end-to-end tests need Linux.".to_owned());
    }
    let folder = workspace.target_folder()?.join("asan");
    let programs = build(workspace, stop, &folder)?;
    let reports = folder.join("reports");
    // Reports of an earlier run.
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

/// Builds both programs in their own target folder. With `--target`, build scripts and procedural macros are not instrumented.
fn build(workspace: &Workspace, stop: &Stop, folder: &Path) -> Result<PathBuf, String> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = command::output(workspace.command(&rustc).arg("-vV")).unwrap_or_default();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc does not name its host.")?;
    let mut cargo = workspace.cargo(["build", "-p", "rtjam-server", "-p", "rtjam", "--bins", "--target", host]);
    cargo.arg("--target-dir").arg(folder);
    // The sanitizer's library is part of the stable toolchain; only the flag counts as unstable.
    cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address");
    workspace.build_executables(&mut cargo, stop, "the build with AddressSanitizer")
}

/// Prints all reports and returns their number.
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
