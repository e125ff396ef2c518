//! The slot map on disk: `slots.json` in the config folder. `jam-control` only.

use super::map::SlotMap;
use crate::files;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The file's name in the config folder.
const FILE: &str = "slots.json";

/// The file that keeps the slot map.
#[derive(Clone, Debug)]
pub(crate) struct SlotFile {
    path: PathBuf,
}

impl SlotFile {
    pub(crate) fn in_folder(folder: &Path) -> SlotFile {
        SlotFile { path: folder.join(FILE) }
    }

    /// Reads the map; it is empty if there is no file yet.
    ///
    /// # Errors
    /// The file cannot be read or holds no slot map.
    pub(crate) fn read(&self) -> Result<SlotMap, SlotFileError> {
        let Some(bytes) = files::read(&self.path).map_err(|e| self.error(&e))? else { return Ok(SlotMap::default()) };
        serde_json::from_slice(&bytes).map_err(|e| self.error(&e))
    }

    /// Adds the records of `map` to the file, which other programs of the user write too. A damaged file is replaced:
    /// all that is lost is who had which slot.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn merge(&self, map: &SlotMap) -> Result<(), SlotFileError> {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = self.read().unwrap_or_default();
        all.merge(map);
        let mut text = serde_json::to_string_pretty(&all).map_err(|e| self.error(&e))?;
        text.push('\n');
        files::replace(&self.path, text.as_bytes()).map_err(|e| self.error(&e))
    }

    fn error(&self, reason: &dyn fmt::Display) -> SlotFileError {
        SlotFileError { path: self.path.clone(), reason: reason.to_string() }
    }
}

/// The slot map cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotFileError {
    /// The file.
    pub path: PathBuf,
    /// The reason, as the system or the JSON reader gives it.
    pub reason: String,
}

impl fmt::Display for SlotFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for SlotFileError {}

#[cfg(test)]
mod tests {
    use super::super::map::{SlotOwner, tests::owner};
    use super::*;
    use std::fs;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("rtjam-slots-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    fn map_of(all: &[SlotOwner]) -> SlotMap {
        let mut map = SlotMap::default();
        for owner in all {
            map.assign(*owner, "Änne \"A\"", |_| true);
        }
        map
    }

    /// The file holds the records of all programs that merged into it.
    #[test]
    fn merged_maps_are_read_back() {
        let folder = folder("kept");
        let file = SlotFile::in_folder(&folder.join("new"));
        assert_eq!(file.read(), Ok(SlotMap::default()));
        let (ours, all) = (map_of(&[owner(1)]), map_of(&[owner(1), owner(2)]));
        file.merge(&ours).expect("kept");
        file.merge(&all).expect("kept");
        file.merge(&ours).expect("kept");
        assert_eq!(file.read(), Ok(all));
        fs::remove_dir_all(&folder).expect("removed");
    }

    /// A damaged file is an error when read, and is replaced by the next merge.
    #[test]
    fn damaged_file_is_replaced() {
        let folder = folder("damaged");
        fs::create_dir_all(&folder).expect("a folder");
        let file = SlotFile::in_folder(&folder);
        for damaged in [&b"{"[..], b"{\"slots\":[{\"slot\":0}]}", b"\xff", b""] {
            fs::write(folder.join(FILE), damaged).expect("written");
            assert!(file.read().is_err_and(|why| why.to_string().contains("slots.json")));
            file.merge(&map_of(&[owner(3)])).expect("kept");
            assert_eq!(file.read(), Ok(map_of(&[owner(3)])));
        }
        fs::remove_dir_all(&folder).expect("removed");
    }

    /// The error names the file.
    #[test]
    fn unwritable_folder_is_an_error() {
        let folder = folder("blocked");
        fs::write(&folder, "a file").expect("written");
        assert!(
            SlotFile::in_folder(&folder)
                .merge(&map_of(&[owner(1)]))
                .is_err_and(|why| why.to_string().contains("slots.json"))
        );
        fs::remove_file(&folder).expect("removed");
    }
}
