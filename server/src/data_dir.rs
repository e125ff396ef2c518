//! The data folder: where it is, who may read it, and that one server alone uses it.

use crate::Failure;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The folder where none is named: `$STATE_DIRECTORY` (systemd), else the platform's.
///
/// # Errors
/// When the user has no home folder.
pub fn default_path() -> Result<PathBuf, Failure> {
    // systemd lists several folders with colons between them; the first is ours.
    let state = std::env::var("STATE_DIRECTORY").ok().and_then(|v| v.split(':').next().map(PathBuf::from));
    if let Some(dir) = state.filter(|dir| !dir.as_os_str().is_empty()) {
        return Ok(dir);
    }
    directories::ProjectDirs::from("", "", "rtjam-server")
        .map(|dirs| dirs.data_dir().to_owned())
        .ok_or_else(|| Failure::new("There is no home folder to keep the rooms in. Name a folder with --data DIR."))
}

/// Makes the folder, for its owner alone, unless it is there.
///
/// # Errors
/// When it cannot be made.
pub fn create(dir: &Path) -> Result<(), Failure> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|e| not_writable(dir, &e))
}

/// Held by a running server; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct ServerLock(#[expect(dead_code, reason = "holding the file is what locks")] File);

/// Takes the folder for one server.
///
/// # Errors
/// When another server has it, or the folder cannot be written.
pub fn lock(dir: &Path) -> Result<ServerLock, Failure> {
    let file = private_file(&dir.join("server.lock")).map_err(|e| not_writable(dir, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(ServerLock(file)),
        Err(TryLockError::WouldBlock) => Err(Failure::new(format!(
            "Another rtjam-server is running on the data folder {}. Stop that one first, or give this one a folder \
             of its own with --data DIR.",
            dir.display()
        ))),
        Err(TryLockError::Error(e)) => Err(not_writable(dir, &e)),
    }
}

/// Opens a file for reading and writing that only its owner may read; makes it where it is missing.
///
/// # Errors
/// When the system says so.
pub fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

pub(crate) fn not_writable(dir: &Path, error: &io::Error) -> Failure {
    let dir = dir.display();
    Failure::new(match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("The disk with the data folder {dir} is full. Make room there, or name another with --data DIR.")
        }
        _ => format!(
            "The data folder {dir} cannot be written ({error}). Make it writable for this user, or name another with \
             --data DIR."
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_way_is_named_with_what_to_do() {
        let file = std::env::temp_dir().join(format!("rtjam-in-the-way-{}", std::process::id()));
        std::fs::write(&file, b"").expect("a temporary file");
        let error = create(&file.join("data")).expect_err("a file is no folder").to_string();
        std::fs::remove_file(&file).expect("it is still there");
        assert!(error.contains("cannot be written") && error.contains("--data"), "{error}");
    }
}
