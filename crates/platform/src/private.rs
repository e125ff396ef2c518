//! Files and folders that only their owner can read: mode 0600 and 0700 on Unix. On Windows an access control list that
//! permits the user, the administrators and the system, and that new files inherit from a folder.

use crate::system;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

/// Who else can read a file or folder. Administrators, who can read everything, do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Nobody but its owner.
    OwnerOnly,
    /// Other users, too.
    Others,
    /// It is a folder in which all users keep files of their own, such as `/tmp`.
    AllUsers,
}

/// Who can read a file or folder.
///
/// # Errors
/// It does not exist, or the system does not tell.
pub fn readers(path: &Path) -> io::Result<Readers> {
    system::readers(path)
}

/// Removes other users' access to a file or folder.
///
/// # Errors
/// The system refuses.
pub fn restrict(path: &Path) -> io::Result<()> {
    system::restrict(path)
}

/// Lets all users read a file or folder, for tests.
///
/// # Errors
/// The system refuses.
pub fn share_with_all(path: &Path) -> io::Result<()> {
    system::share_with_all(path)
}

/// Creates a file that only its owner can read, and opens it for reading and writing.
///
/// # Errors
/// `AlreadyExists`, or the system refuses.
pub fn create_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    let file = system::private_mode(&mut options).open(path)?;
    system::restrict_new(path)?;
    Ok(file)
}

/// Creates a folder, with its parents, that only its owner can read. An existing folder keeps its permissions.
///
/// # Errors
/// The system refuses.
pub fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    system::private_folder_mode(DirBuilder::new().recursive(true)).create(path)?;
    system::restrict_new(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::path::PathBuf;
    use std::{env, fs, process};

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            Scratch(env::temp_dir().join(format!("rtjam-private-{name}-{}", process::id())))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// New files and folders are private, and their owner can use them.
    #[test]
    fn new_files_are_private() {
        let folder = Scratch::new("new");
        create_folder(&folder.0.join("inner")).expect("created");
        create_folder(&folder.0.join("inner")).expect("exists");
        assert_eq!(readers(&folder.0.join("inner")).expect("there"), Readers::OwnerOnly);
        let path = folder.0.join("inner").join("key");
        create_file(&path).expect("created").write_all(b"secret").expect("written");
        assert_eq!(readers(&path).expect("there"), Readers::OwnerOnly);
        assert_eq!(create_file(&path).expect_err("exists").kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).expect("its owner reads it"), b"secret");
        assert!(readers(&folder.0.join("missing")).is_err());
    }

    /// A file that others can read becomes private.
    #[test]
    fn restricted_files_become_private() {
        let folder = Scratch::new("open");
        create_folder(&folder.0).expect("created");
        let path = folder.0.join("open");
        fs::write(&path, b"secret").expect("written");
        share_with_all(&path).expect("its owner may");
        assert_eq!(readers(&path).expect("there"), Readers::Others);
        restrict(&path).expect("restricted");
        assert_eq!(readers(&path).expect("there"), Readers::OwnerOnly);
        assert_eq!(fs::read(&path).expect("its owner reads it"), b"secret");
    }
}
