//! The map on disk: `slots.json` in the config folder. `jam-control` only.

use super::{Record, SlotMap};
use crate::files;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The file's name in the config folder.
const FILE: &str = "slots.json";

#[derive(Serialize, Deserialize)]
struct Content {
    slots: Vec<Record>,
}

/// Where the map is kept.
#[derive(Clone, Debug)]
pub(crate) struct SlotFile {
    path: PathBuf,
}

impl SlotFile {
    /// In this config folder.
    pub(crate) fn in_folder(folder: &Path) -> SlotFile {
        SlotFile { path: folder.join(FILE) }
    }

    /// The map; empty where there is no file yet.
    ///
    /// # Errors
    /// A sentence's end: what is wrong with the file.
    pub(crate) fn read(&self) -> Result<SlotMap, String> {
        let Some(bytes) = files::read(&self.path).map_err(|e| self.named(&e))? else { return Ok(SlotMap::default()) };
        let content: Content = serde_json::from_slice(&bytes).map_err(|e| self.named(&e))?;
        Ok(SlotMap { records: content.slots })
    }

    /// Adds what `map` knows to what the file knows: other programs of the user write there too. A damaged file is
    /// replaced, for it only costs the musicians their old slots.
    ///
    /// # Errors
    /// A sentence's end: why it could not be written.
    pub(crate) fn merge(&self, map: &SlotMap) -> Result<(), String> {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = self.read().unwrap_or_default();
        all.merge(map);
        let content = Content { slots: all.records };
        let mut text = serde_json::to_string_pretty(&content).map_err(|e| self.named(&e))?;
        text.push('\n');
        files::replace(&self.path, text.as_bytes()).map_err(|e| self.named(&e))
    }

    fn named(&self, why: &dyn std::fmt::Display) -> String {
        format!("{}: {why}", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Who, tests::who};
    use super::*;
    use std::fs;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("rtjam-slots-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    fn map_of(all: &[Who]) -> SlotMap {
        let mut map = SlotMap::default();
        for who in all {
            map.take(*who, "Änne \"A\"", |_| true);
        }
        map
    }

    #[test]
    fn what_is_kept_is_read_next_time_with_what_others_kept() {
        let folder = folder("kept");
        let file = SlotFile::in_folder(&folder.join("new"));
        assert_eq!(file.read(), Ok(SlotMap::default()));
        let (ours, all) = (map_of(&[who(1)]), map_of(&[who(1), who(2)]));
        file.merge(&ours).expect("kept");
        file.merge(&all).expect("kept");
        file.merge(&ours).expect("kept");
        assert_eq!(file.read(), Ok(all));
        fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn a_damaged_file_is_told_and_costs_no_more_than_the_old_slots() {
        let folder = folder("damaged");
        fs::create_dir_all(&folder).expect("a folder");
        let file = SlotFile::in_folder(&folder);
        for damaged in [&b"{"[..], b"{\"slots\":[{\"slot\":0}]}", b"\xff", b""] {
            fs::write(folder.join(FILE), damaged).expect("written");
            assert!(file.read().is_err_and(|why| why.contains("slots.json")));
            file.merge(&map_of(&[who(3)])).expect("kept");
            assert_eq!(file.read(), Ok(map_of(&[who(3)])));
        }
        fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told() {
        let folder = folder("blocked");
        fs::write(&folder, "a file").expect("written");
        assert!(SlotFile::in_folder(&folder).merge(&map_of(&[who(1)])).is_err_and(|why| why.contains("slots.json")));
        fs::remove_file(&folder).expect("removed");
    }
}
