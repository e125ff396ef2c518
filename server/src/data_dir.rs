//! The data folder: its place, its permissions, and the lock that lets only one server use it.

use rtjam_platform::private::{self, Readers};
use std::fmt;
use std::fs::{DirEntry, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The database's file name in the folder.
pub const DATABASE: &str = "rooms.sqlite3";

/// The name of the file that a running server locks.
const LOCK: &str = "server.lock";

/// Why the data folder cannot be used.
#[derive(Debug)]
pub enum DataDirError {
    /// No folder was named, and the user has no home folder.
    NoHome,
    /// The folder cannot be written.
    NotWritable {
        /// The folder.
        dir: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The folder holds other things than rooms, and other users can read it.
    NotOurs(PathBuf),
    /// Other users can read a file or folder, and this user may not change that.
    Exposed {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Another server is using the folder.
    InUse(PathBuf),
}

/// The folder when none is named: `$STATE_DIRECTORY` (systemd), else the platform's.
///
/// # Errors
/// When the user has no home folder.
pub fn default_path() -> Result<PathBuf, DataDirError> {
    // systemd separates several folders with colons; the first is ours.
    let state = std::env::var("STATE_DIRECTORY").ok().and_then(|v| v.split(':').next().map(PathBuf::from));
    if let Some(dir) = state.filter(|dir| !dir.as_os_str().is_empty()) {
        return Ok(dir);
    }
    directories::ProjectDirs::from("", "", "rtjam-server")
        .map(|dirs| dirs.data_dir().to_owned())
        .ok_or(DataDirError::NoHome)
}

/// Creates the folder for its owner alone. Removes other users' access to a folder that exists.
///
/// # Errors
/// When the folder cannot be created, or other users' access cannot be removed.
pub fn create(dir: &Path) -> Result<(), DataDirError> {
    private::create_folder(dir).map_err(|e| not_writable(dir, e))?;
    make_folder_private(dir)
}

/// Removes other users' access to a folder. Refuses to touch one that holds other things and no rooms.
fn make_folder_private(dir: &Path) -> Result<(), DataDirError> {
    let readers = private::readers(dir).map_err(|e| not_writable(dir, e))?;
    if readers == Readers::OwnerOnly {
        return Ok(());
    }
    // The root of a new file system contains `lost+found`.
    let is_empty = || {
        let is_something = |entry: io::Result<DirEntry>| entry.map_or(true, |e| e.file_name() != "lost+found");
        std::fs::read_dir(dir).is_ok_and(|mut entries| !entries.any(is_something))
    };
    let is_ours = || [DATABASE, LOCK].iter().any(|file| dir.join(file).exists());
    if !is_empty() && (readers == Readers::AllUsers || !is_ours()) {
        return Err(DataDirError::NotOurs(dir.to_owned()));
    }
    restrict(dir)
}

fn restrict(path: &Path) -> Result<(), DataDirError> {
    private::restrict(path).map_err(|error| match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => not_writable(path, error),
        _ => DataDirError::Exposed { path: path.to_owned(), error },
    })?;
    tracing::warn!("other users could read {}; now only its owner can", path.display());
    Ok(())
}

/// Held by a running server. The system releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct ServerLock(#[expect(dead_code, reason = "the open file holds the lock")] File);

/// Locks the folder for one server.
///
/// # Errors
/// When another server has locked it, or the folder cannot be written.
pub fn lock(dir: &Path) -> Result<ServerLock, DataDirError> {
    let file = private_file(&dir.join(LOCK)).map_err(|e| not_writable(dir, e))?;
    match file.try_lock() {
        Ok(()) => Ok(ServerLock(file)),
        Err(TryLockError::WouldBlock) => Err(DataDirError::InUse(dir.to_owned())),
        Err(TryLockError::Error(e)) => Err(not_writable(dir, e)),
    }
}

/// Opens a file for reading and writing, and creates it if it is missing. Only its owner may read a new file.
///
/// # Errors
/// When the system refuses.
pub fn private_file(path: &Path) -> io::Result<File> {
    match private::create_file(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => OpenOptions::new().read(true).write(true).open(path),
        created => created,
    }
}

/// Removes other users' access to a file, if it exists.
///
/// # Errors
/// When other users have access to it and this user may not change that.
pub fn make_file_private(path: &Path) -> Result<(), DataDirError> {
    match private::readers(path) {
        Ok(Readers::Others | Readers::AllUsers) => restrict(path),
        Ok(Readers::OwnerOnly) | Err(_) => Ok(()),
    }
}

pub(crate) fn not_writable(dir: &Path, error: io::Error) -> DataDirError {
    DataDirError::NotWritable { dir: dir.to_owned(), error }
}

impl fmt::Display for DataDirError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataDirError::NoHome => {
                f.write_str("There is no home folder to keep the rooms in. Name a folder with --data DIR.")
            }
            DataDirError::NotWritable { dir, error } => {
                let dir = dir.display();
                match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => write!(
                        f,
                        "The disk with the data folder {dir} is full. Make room there, or name another folder with \
                         --data DIR."
                    ),
                    _ => write!(
                        f,
                        "The data folder {dir} cannot be written ({error}). Make it writable for this user, or name \
                         another folder with --data DIR."
                    ),
                }
            }
            DataDirError::NotOurs(dir) => write!(
                f,
                "Other users can read the data folder {}, and it holds other things too. Name a folder for RTJam alone \
                 with --data DIR.",
                dir.display()
            ),
            DataDirError::Exposed { path, error } => {
                let path = path.display();
                write!(
                    f,
                    "Other users can read {path}, which holds the rooms' secrets, and this user may not change that \
                     ({error}). Run the server as the owner of {path}, or name another folder with --data DIR."
                )
            }
            DataDirError::InUse(dir) => write!(
                f,
                "Another rtjam-server is running on the data folder {}. Stop that server first, or name another folder \
                 with --data DIR.",
                dir.display()
            ),
        }
    }
}

impl std::error::Error for DataDirError {}

impl crate::failure::OperatorError for DataDirError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_with_other_files_are_left_alone() {
        let dir = std::env::temp_dir().join(format!("rtjam-other-things-{}", std::process::id()));
        let readers = || private::readers(&dir).expect("there");
        std::fs::create_dir(&dir).expect("made");
        private::share_with_all(&dir).expect("ours");
        create(&dir).expect("an empty folder is accepted");
        assert_eq!(readers(), Readers::OwnerOnly);
        std::fs::write(dir.join("letters"), b"").expect("written");
        private::share_with_all(&dir).expect("ours");
        let error = create(&dir).expect_err("not ours").to_string();
        assert!(error.contains("folder for RTJam alone"), "{error}");
        assert_eq!(readers(), Readers::Others);
        private::restrict(&dir).expect("ours");
        create(&dir).expect("nobody else's");
        std::fs::remove_dir_all(&dir).expect("removed");
    }

    #[test]
    fn error_names_a_file_in_place_of_the_folder() {
        let file = std::env::temp_dir().join(format!("rtjam-in-the-way-{}", std::process::id()));
        std::fs::write(&file, b"").expect("a temporary file");
        let error = create(&file.join("data")).expect_err("a file is not a folder").to_string();
        std::fs::remove_file(&file).expect("it is still there");
        assert!(error.contains("cannot be written") && error.contains("--data"), "{error}");
    }
}
