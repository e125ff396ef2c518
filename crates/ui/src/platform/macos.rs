//! macOS.

use std::env;
use std::path::PathBuf;

/// Folders of fonts.
pub(crate) fn font_folders() -> Vec<PathBuf> {
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    vec!["/System/Library/Fonts".into(), "/Library/Fonts".into(), home.join("Library/Fonts")]
}

/// Whether hosts measure windows in logical pixels.
pub(crate) const HOST_PIXELS_ARE_LOGICAL: bool = true;
