//! The plugin as VST3: bundle, classes and presets.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Name of the bundle.
pub const BUNDLE: &str = "RTJam.vst3";

/// One of the two plugins.
pub struct Class {
    /// Name that hosts show.
    pub name: &'static str,
    /// Class id in hexadecimal; it never changes.
    pub id: &'static str,
}

/// RTJam with one stereo output.
pub const RTJAM: Class = Class { name: "RTJam", id: "092FE85FA0615831B507D3F9DE9CF41D" };
/// RTJam with an additional output per slot.
pub const MULTI: Class = Class { name: "RTJam Multi", id: "3460C762CE67593CA1AA6950FB1F80EF" };

/// Makes a bundle of the plugin's library, with the layout of `cargo xtask bundle`.
///
/// # Panics
/// If the bundle cannot be written.
pub fn bundle(library: &Path, to: &Path) {
    let folder = to.join("Contents").join(format!("{}-linux", std::env::consts::ARCH));
    fs::create_dir_all(&folder).expect("the bundle's folder can be made");
    let copy = folder.join("RTJam.so");
    fs::copy(library, &copy).expect("the library can be copied");
    // Ardour treats cached data about such a new library as stale.
    let file = fs::File::options().append(true).open(copy).expect("our own");
    file.set_modified(SystemTime::now() - Duration::from_secs(3_600)).expect("our own");
}

/// A preset file (`.vstpreset`) that holds a project: a header with the class and the offset of the list, the state, and
/// the list of chunks.
pub fn preset(class: &Class, state: &[u8]) -> Vec<u8> {
    let (begin, size) = (48_u64, state.len() as u64);
    let mut file = b"VST3\x01\0\0\0".to_vec();
    file.extend_from_slice(class.id.as_bytes());
    file.extend_from_slice(&(begin + size).to_le_bytes());
    file.extend_from_slice(state);
    file.extend_from_slice(b"List\x01\0\0\0Comp");
    file.extend_from_slice(&begin.to_le_bytes());
    file.extend_from_slice(&size.to_le_bytes());
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list of chunks of a preset follows the state.
    #[test]
    fn preset_list_follows_state() {
        let file = preset(&RTJAM, b"{}");
        assert_eq!(&file[..8], b"VST3\x01\0\0\0");
        assert_eq!(file[40..48], 50_u64.to_le_bytes());
        assert_eq!(&file[48..54], b"{}List");
        assert_eq!(file.len(), 50 + 8 + 4 + 16);
    }
}
