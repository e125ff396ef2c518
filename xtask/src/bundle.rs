//! `cargo xtask bundle` and `install`: the plugin as hosts want it, and where they look for it; the program beside it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::command::{self, Ended};
use crate::debug_symbols::{self, Keep};
use crate::setup;
use crate::stop::Stop;
use crate::workspace::Workspace;

/// The bundles, and the folder beside them in a user's plugin folders.
const BUNDLES: [&str; 2] = ["RTJam.clap", "RTJam.vst3"];

/// The program, as it is put beside the bundles.
const PROGRAM: &str = if cfg!(windows) { "rtjam.exe" } else { "rtjam" };

/// The folder beside the bundles with their debug information: a file `NAME.debug` for each.
const DEBUG: &str = "debug";

/// Builds the bundles and says what came of it.
pub(crate) fn run(workspace: &Workspace, stop: &Stop) -> Result<ExitCode, String> {
    let folder = bundle(workspace, stop)?;
    let debug = cfg!(target_os = "linux").then_some(DEBUG);
    for name in BUNDLES.into_iter().chain([PROGRAM]).chain(debug) {
        let path = folder.join(name);
        println!("{}: {:.1} MB", path.display(), size(&path).map_err(|e| told(&path, &e))? as f64 / 1e6);
    }
    println!("{}", needs(&folder.join(BUNDLES[0])).map_err(|e| told(&folder, &e))?);
    Ok(ExitCode::SUCCESS)
}

/// Builds the bundles and puts them where the user's hosts look.
pub(crate) fn install(workspace: &Workspace, stop: &Stop) -> Result<ExitCode, String> {
    let folder = bundle(workspace, stop)?;
    let places = places().ok_or("There is no home folder to install into. Set HOME.")?;
    put_all(&folder, &places)?;
    println!("Let your host scan its plugins, and insert RTJam on a track.");
    Ok(ExitCode::SUCCESS)
}

/// Puts each bundle of `folder` into its place, and says so.
fn put_all(folder: &Path, places: &[PathBuf; 2]) -> Result<(), String> {
    for (name, place) in BUNDLES.iter().zip(places) {
        let to = place.join(name);
        put(&folder.join(name), &to).map_err(|e| {
            format!(
                "{}. See that {} is a folder that you may write to, and start again.",
                told(&to, &e),
                place.display()
            )
        })?;
        println!("installed: {}", to.display());
    }
    Ok(())
}

/// The folder with the bundles: cargo's `target/bundled`.
fn bundle(workspace: &Workspace, stop: &Stop) -> Result<PathBuf, String> {
    setup::system_packages(workspace, &[setup::BUILD])?;
    let mut build = workspace.cargo(["build", "--release", "-p", "rtjam", "-p", "rtjam-plugin"]);
    match command::run(&mut build, stop, Duration::from_secs(40 * 60))? {
        Ended::Well => {}
        Ended::Badly(how) => return Err(format!("the release build failed ({how}).")),
    }
    let target = workspace.target_folder()?;
    // It looks for `bundler.toml` where the program stands.
    std::env::set_current_dir(workspace.path("")).map_err(|e| told(&workspace.path(""), &e))?;
    let made = nice_plug_xtask::bundle(&target, "rtjam", &["--release".to_owned()], false);
    made.map_err(|e| format!("the bundles cannot be made: {e:#}"))?;
    let (folder, built) = (target.join("bundled"), target.join("release").join(PROGRAM));
    put(&built, &folder.join(PROGRAM)).map_err(|e| told(&built, &e))?;
    if cfg!(target_os = "linux") {
        let debug = folder.join(DEBUG);
        remove(&debug).map_err(|e| told(&debug, &e))?;
        let files = libraries(&folder).map_err(|e| told(&folder, &e))?;
        for file in files.into_iter().chain([folder.join(PROGRAM)]) {
            // Names of functions stay, for the log of a fault.
            debug_symbols::split(workspace, &file, &debug, Keep::Names)?;
        }
    }
    Ok(folder)
}

/// The files of the bundles in a folder, folders within them included.
fn libraries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_library = path.extension().is_some_and(|e| e == "clap" || e == "so");
        if path.is_dir() {
            all.extend(libraries(&path)?);
        } else if is_library {
            all.push(path);
        }
    }
    Ok(all)
}

/// Where hosts look for CLAP and for VST3.
fn places() -> Option<[PathBuf; 2]> {
    let under = |variable: &str, parts: [&str; 2]| {
        let base = PathBuf::from(std::env::var_os(variable)?);
        Some(parts.map(|part| base.join(part)))
    };
    if cfg!(target_os = "macos") {
        under("HOME", ["Library/Audio/Plug-Ins/CLAP", "Library/Audio/Plug-Ins/VST3"])
    } else if cfg!(windows) {
        under("LOCALAPPDATA", ["Programs\\Common\\CLAP", "Programs\\Common\\VST3"])
    } else {
        under("HOME", [".clap", ".vst3"])
    }
}

/// Copies a file or folder beside its place and moves it there: a host that has the old one open keeps it.
fn put(from: &Path, to: &Path) -> io::Result<()> {
    let fresh = to.with_extension("new");
    remove(&fresh)?;
    copy(from, &fresh)?;
    remove(to)?;
    fs::rename(&fresh, to)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    if !from.is_dir() {
        return fs::copy(from, to).map(|_| ());
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    }
}

fn size(path: &Path) -> io::Result<u64> {
    let about = fs::metadata(path)?;
    if !about.is_dir() {
        return Ok(about.len());
    }
    fs::read_dir(path)?.map(|entry| size(&entry?.path())).sum()
}

/// What the library needs of the system that it is loaded on.
fn needs(library: &Path) -> io::Result<String> {
    if !cfg!(target_os = "linux") {
        return Ok("It needs nothing but the system.".to_owned());
    }
    let bytes = fs::read(library)?;
    let (major, minor) = newest_glibc(&bytes);
    Ok(format!("It needs glibc {major}.{minor} or newer, as it was built here."))
}

/// The newest version among the names of glibc's symbols.
fn newest_glibc(bytes: &[u8]) -> (u32, u32) {
    const MARK: &[u8] = b"GLIBC_";
    let versions = bytes.windows(MARK.len() + 8).filter(|w| w.starts_with(MARK)).filter_map(|w| {
        let text = String::from_utf8_lossy(&w[MARK.len()..]).into_owned();
        let mut numbers = text.split(|c: char| !c.is_ascii_digit());
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    });
    versions.max().unwrap_or((2, 0))
}

fn told(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_symbol_counts_not_the_longest_number() {
        assert_eq!(newest_glibc(b"..GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.9\0GLIBC_PRIVATE\0"), (2, 34));
        assert_eq!(newest_glibc(b""), (2, 0));
    }

    #[test]
    fn both_bundles_are_installed_again_and_again_and_an_error_says_what_to_do() {
        let folder = std::env::temp_dir().join(format!("rtjam-install-{}", std::process::id()));
        let (made, home) = (folder.join("bundled"), folder.join("home"));
        let places = [home.join(".clap"), home.join(".vst3")];
        let library = "RTJam.vst3/Contents/x86_64-linux/RTJam.so";
        for text in ["first", "second"] {
            fs::create_dir_all(made.join("RTJam.vst3/Contents/x86_64-linux")).expect("writable");
            fs::write(made.join("RTJam.clap"), text).expect("writable");
            fs::write(made.join(library), text).expect("writable");
            put_all(&made, &places).expect("installed");
            for installed in [places[0].join("RTJam.clap"), places[1].join(library)] {
                assert_eq!(fs::read_to_string(installed).expect("there"), text);
            }
            for place in &places {
                assert_eq!(fs::read_dir(place).expect("there").count(), 1, "nothing is left over");
            }
        }
        fs::remove_dir_all(&places[1]).expect("our own");
        fs::write(&places[1], "no folder").expect("writable");
        let why = put_all(&made, &places).expect_err("it cannot");
        assert!(why.contains(".vst3 is a folder that you may write to"), "{why}");
        fs::remove_dir_all(folder).expect("our own");
    }

    #[test]
    fn what_is_put_replaces_files_and_folders() {
        let folder = std::env::temp_dir().join(format!("rtjam-put-{}", std::process::id()));
        let (from, to) = (folder.join("a/B.vst3"), folder.join("home/.vst3/B.vst3"));
        for text in ["one", "two"] {
            fs::create_dir_all(from.join("Contents")).expect("writable");
            fs::write(from.join("Contents/lib"), text).expect("writable");
            put(&from, &to).expect("it is put");
            assert_eq!(fs::read_to_string(to.join("Contents/lib")).expect("there"), text);
            assert_eq!(size(&to).expect("there"), 3);
            let file = folder.join("home/.clap/B.clap");
            put(&from.join("Contents/lib"), &file).expect("it is put");
            assert_eq!(fs::read_to_string(file).expect("there"), text);
        }
        fs::remove_dir_all(folder).expect("our own");
    }
}
