//! The data folder: where it is, who may read it, and that one server alone uses it.

use crate::Failure;
use std::fs::{DirBuilder, DirEntry, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The database's name in the folder.
pub const DATABASE: &str = "rooms.sqlite3";

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

/// Makes the folder, for its owner alone. Where it is there, others lose their access to it.
///
/// # Errors
/// When it cannot be made, or cannot be closed to others.
pub fn create(dir: &Path) -> Result<(), Failure> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|e| not_writable(dir, &e))?;
    close_folder(dir)
}

/// Takes a folder from all but its owner. One that holds other things and no rooms is left as it is, and refused.
#[cfg(unix)]
fn close_folder(dir: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(dir).map_err(|e| not_writable(dir, &e))?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    // A fresh file system has a folder of its own.
    let is_empty = || {
        let is_something = |entry: io::Result<DirEntry>| entry.map_or(true, |e| e.file_name() != "lost+found");
        std::fs::read_dir(dir).is_ok_and(|mut entries| !entries.any(is_something))
    };
    // Everybody's folder, such as /tmp, has the sticky bit.
    let is_shared = mode & 0o1000 != 0;
    if !is_empty() && (is_shared || !dir.join(DATABASE).exists()) {
        return Err(Failure::new(format!(
            "The data folder {} is open to other users and holds other things too. Name a folder of its own with \
             --data DIR.",
            dir.display()
        )));
    }
    close(dir, mode, 0o700)
}

/// Elsewhere folders are as the system makes them.
#[cfg(not(unix))]
fn close_folder(_: &Path) -> Result<(), Failure> {
    Ok(())
}

#[cfg(unix)]
fn close(path: &Path, mode: u32, to: u32) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    let shown = path.display();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(to)).map_err(|e| match e.kind() {
        io::ErrorKind::ReadOnlyFilesystem => not_writable(path, &e),
        _ => Failure::new(format!(
            "{shown} holds the rooms' secrets and is open to other users, and this user may not change that ({e}). Run \
             the server as the owner of {shown}, or name another folder with --data DIR."
        )),
    })?;
    tracing::warn!("{shown} was open to other users (mode {:03o}); its mode is {to:03o} now", mode & 0o777);
    Ok(())
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

/// Takes a file from all but its owner.
///
/// # Errors
/// When others have access to it, and this user may not change that.
#[cfg(unix)]
pub fn close_file(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    // There may be no such file.
    let Ok(found) = std::fs::metadata(path) else { return Ok(()) };
    let mode = found.permissions().mode();
    if mode & 0o077 == 0 { Ok(()) } else { close(path, mode, 0o600) }
}

/// Elsewhere files are as their folder is.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub fn close_file(_: &Path) -> Result<(), Failure> {
    Ok(())
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

    #[cfg(unix)]
    #[test]
    fn a_folder_of_other_things_is_left_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = std::env::temp_dir().join(format!("rtjam-other-things-{}", std::process::id()));
        let mode = |mode| std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(mode)).expect("ours");
        let seen = || std::fs::metadata(&dir).expect("there").permissions().mode() & 0o7777;
        std::fs::create_dir(&dir).expect("made");
        mode(0o755);
        create(&dir).expect("an empty one is taken");
        assert_eq!(seen(), 0o700);
        std::fs::write(dir.join("letters"), b"").expect("written");
        for open in [0o755, 0o1777] {
            mode(open);
            let error = create(&dir).expect_err("not ours").to_string();
            assert!(error.contains("folder of its own"), "{error}");
            assert_eq!(seen(), open);
        }
        mode(0o700);
        create(&dir).expect("nobody else's");
        std::fs::remove_dir_all(&dir).expect("removed");
    }

    #[test]
    fn a_file_in_the_way_is_named_with_what_to_do() {
        let file = std::env::temp_dir().join(format!("rtjam-in-the-way-{}", std::process::id()));
        std::fs::write(&file, b"").expect("a temporary file");
        let error = create(&file.join("data")).expect_err("a file is no folder").to_string();
        std::fs::remove_file(&file).expect("it is still there");
        assert!(error.contains("cannot be written") && error.contains("--data"), "{error}");
    }
}
