//! What a test needs of this machine: a temporary folder, and programs and permissions that may be missing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A temporary folder.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Creates a folder whose name contains its purpose.
    ///
    /// # Panics
    /// If the temporary folder is not writable.
    pub fn new(what: &str) -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rtjam-test-{what}-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary folder can be written");
        Scratch(path)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Prints that a test is skipped, and why. With `RTJAM_SKIP_NOTHING=1`, which CI on Debian sets, the test fails
/// instead.
///
/// # Panics
/// If skipping is forbidden.
pub fn skipped(reason: &str) {
    assert!(std::env::var_os("RTJAM_SKIP_NOTHING").is_none(), "would be skipped: {reason}");
    eprintln!("skipped: {reason}");
}

/// Whether `program` can be started.
pub fn has_program(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// Whether this process is root.
pub fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}
