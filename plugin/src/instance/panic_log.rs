//! Panics of this library are written to a log file, which the musician can send to us. They never reach the host.

use std::backtrace::Backtrace;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::panic::{self, PanicHookInfo};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};

/// The log file of the last panic.
static LOG: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Writes every later panic of this library to a file. The hook does not affect the host: every Rust library has its own copy
/// of the standard library.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // Also on the audio thread: it is silent from here on, so it may wait for the disk.
            let log = folder().and_then(|folder| write(&folder, info));
            *LOG.lock().unwrap_or_else(PoisonError::into_inner) = log;
            // Standard error belongs to the host, except in tests.
            if cfg!(test) {
                previous(info);
            }
        }));
    });
}

/// The log file of the last panic.
pub(super) fn log() -> Option<PathBuf> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn folder() -> Option<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "rtjam")?;
    Some(dirs.state_dir().unwrap_or(dirs.data_local_dir()).join("faults"))
}

/// Writes the log. Users send it to us: it contains no link, no name and no path of the user.
fn write(folder: &Path, info: &PanicHookInfo<'_>) -> Option<PathBuf> {
    fs::create_dir_all(folder).ok()?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let path = folder.join(format!("rtjam-{now}-{}.log", std::process::id()));
    let mut text =
        format!("RTJam {} on {} {}\n", env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH);
    let thread = std::thread::current();
    let _ = writeln!(text, "thread {}: {info}", thread.name().unwrap_or("of the host"));
    let _ = writeln!(text, "{}", Backtrace::force_capture());
    let mut file = fs::OpenOptions::new().create(true).append(true).open(&path).ok()?;
    file.write_all(text.as_bytes()).ok()?;
    Some(path)
}
