//! Linux.

use std::env;
use std::path::PathBuf;

/// Folders of fonts.
pub(crate) fn font_folders() -> Vec<PathBuf> {
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let shared = ["/usr/share/fonts", "/usr/local/share/fonts"].map(PathBuf::from);
    [home.join(".local/share/fonts"), home.join(".fonts")].into_iter().chain(shared).collect()
}

/// Whether hosts measure windows in logical pixels.
pub(crate) const HOST_PIXELS_ARE_LOGICAL: bool = false;
