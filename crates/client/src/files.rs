//! Small private files in the config folder. They are read whole and replaced atomically.
//!
//! Never called on the audio thread, `jam-send` or `jam-recv`.

use rtjam_platform::private;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Larger than any of these files; what follows is not read.
const MAX_LEN: u64 = 1 << 20;

/// The outcome of [`create`].
#[derive(Debug)]
pub(crate) enum Created {
    New,
    /// The file existed, with this content.
    Existing(Vec<u8>),
}

/// Reads a file; `None` if it does not exist.
///
/// # Errors
/// The file exists and cannot be read.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_LEN).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Creates the file, readable for its owner only, unless it exists.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> io::Result<Created> {
    let draft = write_draft(path, bytes)?;
    // A hard link, unlike a rename, fails where the file exists.
    let linked = fs::hard_link(&draft, path);
    let result = match linked {
        Ok(()) => Ok(Created::New),
        Err(_) if path.exists() => read(path).map(|existing| Created::Existing(existing.unwrap_or_default())),
        // The file system has no hard links.
        Err(_) => create_in_place(path, bytes),
    };
    let _ = fs::remove_file(&draft);
    result
}

/// Creates or replaces the file atomically, readable for its owner only.
///
/// # Errors
/// The file cannot be written; the old one stays.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = write_draft(path, bytes)?;
    let renamed = fs::rename(&draft, path);
    if renamed.is_err() {
        let _ = fs::remove_file(&draft);
    }
    renamed
}

/// Writes a temporary file beside `path` and returns its path.
fn write_draft(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    static DRAFTS: AtomicU32 = AtomicU32::new(0);
    if let Some(folder) = path.parent() {
        private::create_folder(folder)?;
    }
    // Named by process and number: programs and threads that write at the same time use different drafts.
    let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
    let draft = path.with_extension(format!("{}-{number}.new", std::process::id()));
    // May be left over from a killed process of the same number.
    let _ = fs::remove_file(&draft);
    let written = write_new(&draft, bytes);
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written.map(|()| draft)
}

fn create_in_place(path: &Path, bytes: &[u8]) -> io::Result<Created> {
    match write_new(path, bytes) {
        Ok(()) => Ok(Created::New),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(Created::Existing(read(path)?.unwrap_or_default())),
        Err(e) => Err(e),
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = private::create_file(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
