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
