//! Panics of this library: written down, for the musician to send. They never reach the host.

use std::backtrace::Backtrace;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::panic::{self, PanicHookInfo};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};

/// Where the last fault is written down.
static LOG: Mutex<Option<PathBuf>> = Mutex::new(None);

/// From now on every panic in this library is written to a file. The hook is the library's own: every Rust library has
/// another copy of the standard library.
pub(super) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // On the audio thread too: it is silent from here on, so it may as well wait for the disk.
            let log = folder().and_then(|folder| write_down(&folder, info));
            *LOG.lock().unwrap_or_else(PoisonError::into_inner) = log;
            // A host's standard error is not ours; a test's is.
            if cfg!(test) {
                before(info);
            }
        }));
    });
}

/// The file about the last fault.
pub(super) fn log() -> Option<PathBuf> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn folder() -> Option<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "rtjam")?;
    Some(dirs.state_dir().unwrap_or(dirs.data_local_dir()).join("faults"))
}

/// What it says goes to others: no link, no name, no path of the user's.
fn write_down(folder: &Path, info: &PanicHookInfo<'_>) -> Option<PathBuf> {
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
