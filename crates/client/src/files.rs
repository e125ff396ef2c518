//! Small private files in the config folder: read whole, written so that a reader sees all of it or nothing.
//!
//! Never called on an audio thread or on `jam-send` and `jam-recv`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// More than any of our files has.
const MAX_LEN: u64 = 1 << 20;

/// Whose bytes a file has after [`create`].
#[derive(Debug)]
pub(crate) enum Kept {
    Ours,
    /// Somebody was faster.
    Theirs(Vec<u8>),
}

/// The file's bytes; `None` where there is no file.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_LEN).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Makes the file with mode 0600, unless it is there already.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> io::Result<Kept> {
    let draft = write_draft(path, bytes)?;
    // A hard link, unlike a rename, fails where the file exists.
    let linked = fs::hard_link(&draft, path);
    let result = match linked {
        Ok(()) => Ok(Kept::Ours),
        Err(_) if path.exists() => read(path).map(|theirs| Kept::Theirs(theirs.unwrap_or_default())),
        // No hard links on this file system.
        Err(_) => create_in_place(path, bytes),
    };
    let _ = fs::remove_file(&draft);
    result
}

/// Makes or replaces the file, mode 0600.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = write_draft(path, bytes)?;
    let renamed = fs::rename(&draft, path);
    if renamed.is_err() {
        let _ = fs::remove_file(&draft);
    }
    renamed
}

/// Writes beside `path` and says where.
fn write_draft(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    static DRAFTS: AtomicU32 = AtomicU32::new(0);
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    // Process and number: programs and threads that write at the same time do not share a draft.
    let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
    let draft = path.with_extension(format!("{}-{number}.new", std::process::id()));
    // Left by a process of this number that was killed.
    let _ = fs::remove_file(&draft);
    let written = write_new(&draft, bytes);
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written.map(|()| draft)
}

fn create_in_place(path: &Path, bytes: &[u8]) -> io::Result<Kept> {
    match write_new(path, bytes) {
        Ok(()) => Ok(Kept::Ours),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(Kept::Theirs(read(path)?.unwrap_or_default())),
        Err(e) => Err(e),
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
