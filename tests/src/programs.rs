//! Paths of the programs and the plugin under test: in `$RTJAM_BIN`, otherwise beside the tests in cargo's target folder
//! (release first, then the tests' own profile).

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Where the programs are, if a test has chosen that.
static CHOSEN: OnceLock<PathBuf> = OnceLock::new();

/// From now on, takes the programs of this process's tests, but not the plugin, from `folder`.
pub fn choose_folder(folder: PathBuf) {
    CHOSEN.get_or_init(|| folder);
}

/// Path of `rtjam`.
pub fn rtjam() -> PathBuf {
    find("rtjam")
}

/// Path of `rtjam-server`.
pub fn server() -> PathBuf {
    find("rtjam-server")
}

/// Path of `editor`, the program of `tools/stage`, built beside the tests.
pub fn editor() -> PathBuf {
    let path = profile_folder().join(format!("editor{}", std::env::consts::EXE_SUFFIX));
    assert!(path.is_file(), "no {}; build it: cargo build -p rtjam-stage", path.display());
    path
}

/// Path of the plugin's library, from which the bundles are made.
pub fn plugin() -> PathBuf {
    find_file(format!("{}rtjam{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX))
}

fn find(name: &str) -> PathBuf {
    match CHOSEN.get() {
        Some(folder) => folder.join(name),
        None => find_file(format!("{name}{}", std::env::consts::EXE_SUFFIX)),
    }
}

fn find_file(file: String) -> PathBuf {
    let folders = folders();
    let found = folders.iter().map(|dir| dir.join(&file)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("no {file} in {folders:?}; build it: cargo build --release --workspace"))
}

fn folders() -> Vec<PathBuf> {
    if let Some(dir) = std::env::var_os("RTJAM_BIN") {
        return vec![dir.into()];
    }
    vec![target_folder().join("release"), profile_folder()]
}

/// Cargo's target folder.
pub fn target_folder() -> PathBuf {
    let profile = profile_folder();
    profile.parent().unwrap_or(&profile).to_owned()
}

/// A test is in target/PROFILE/deps, a program of this package in target/PROFILE.
fn profile_folder() -> PathBuf {
    let own = std::env::current_exe().expect("the test's own path is known");
    let folder = own.ancestors().skip(1).find(|dir| !dir.ends_with("deps"));
    folder.unwrap_or(Path::new(".")).to_owned()
}
