//! The plugin as VST3: its bundle, its classes, a preset.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The bundle's name.
pub const BUNDLE: &str = "RTJam.vst3";

/// One of the two plugins.
pub struct Class {
    /// As hosts show it.
    pub name: &'static str,
    /// By which hosts know it, in hexadecimal: the same for ever.
    pub id: &'static str,
}

/// With a stereo output.
pub const RTJAM: Class = Class { name: "RTJam", id: "092FE85FA0615831B507D3F9DE9CF41D" };
/// With an output for each slot besides.
pub const MULTI: Class = Class { name: "RTJam Multi", id: "3460C762CE67593CA1AA6950FB1F80EF" };

/// Makes a bundle of the plugin's library, as `cargo xtask bundle` lays it out.
///
/// # Panics
/// When it cannot be written.
pub fn bundle(library: &Path, to: &Path) {
    let folder = to.join("Contents").join(format!("{}-linux", std::env::consts::ARCH));
    fs::create_dir_all(&folder).expect("the bundle's folder can be made");
    let copy = folder.join("RTJam.so");
    fs::copy(library, &copy).expect("the library can be copied");
    // Ardour takes what it knows of a library that is as new as that for old.
    let file = fs::File::options().append(true).open(copy).expect("our own");
    file.set_modified(SystemTime::now() - Duration::from_secs(3_600)).expect("our own");
}

/// A preset file (`.vstpreset`) with what a project holds: a header with the class and where the list is, the state, the
/// list of chunks.
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

    #[test]
    fn a_presets_list_lies_behind_its_state() {
        let file = preset(&RTJAM, b"{}");
        assert_eq!(&file[..8], b"VST3\x01\0\0\0");
        assert_eq!(file[40..48], 50_u64.to_le_bytes());
        assert_eq!(&file[48..54], b"{}List");
        assert_eq!(file.len(), 50 + 8 + 4 + 16);
    }
}
