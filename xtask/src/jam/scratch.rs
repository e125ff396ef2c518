//! A temporary folder for the room's data and the second musician's identity.

use std::fs;
use std::path::{Path, PathBuf};

/// A temporary folder, removed on drop.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("rtjam-jam-{}", std::process::id()));
        let mut folder = fs::DirBuilder::new();
        // It will contain keys and secrets.
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        folder.create(&path).map_err(|e| format!("cannot make the folder {}: {e}", path.display()))?;
        Ok(Self(path))
    }

    /// Creates a folder in it.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.0.join(name);
        fs::create_dir_all(&path).map_err(|e| format!("cannot make the folder {}: {e}", path.display()))?;
        Ok(path)
    }

    /// Environment variables under which a program keeps its settings, data and identity in `folder`.
    pub(super) fn home(folder: &Path) -> Vec<(&'static str, PathBuf)> {
        vec![
            ("HOME", folder.to_owned()),
            ("XDG_CONFIG_HOME", folder.join("config")),
            ("XDG_DATA_HOME", folder.join("data")),
            ("XDG_STATE_HOME", folder.join("state")),
            ("XDG_CACHE_HOME", folder.join("cache")),
            ("APPDATA", folder.join("roaming")),
            ("LOCALAPPDATA", folder.join("local")),
        ]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
