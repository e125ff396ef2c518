//! `cargo xtask bundle` and `install`: builds the plugin's bundles, and installs them for plugin hosts, with the program.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::command::{self, Ended, Stop};
use crate::debug_symbols::{self, Keep, OBJCOPY};
use crate::requirements::Requirements;
use crate::setup;
use crate::workspace::Workspace;

/// The bundles, which are also the names in a user's plugin folders.
pub(crate) const BUNDLES: [&str; 2] = ["RTJam.clap", "RTJam.vst3"];

/// The program, which lies beside the bundles.
const PROGRAM: &str = if cfg!(windows) { "rtjam.exe" } else { "rtjam" };

/// Folder beside the bundles for their debug information, one file `NAME.debug` each.
pub(crate) const DEBUG: &str = "debug";

/// Builds the bundles and prints their sizes and requirements.
pub(crate) fn run(workspace: &Workspace, stop: &Stop) -> Result<ExitCode, String> {
    let folder = bundle(workspace, stop)?;
    let debug = cfg!(target_os = "linux").then_some(DEBUG);
    for name in BUNDLES.into_iter().chain([PROGRAM]).chain(debug) {
        let path = folder.join(name);
        println!("{}: {:.1} MB", path.display(), size(&path).map_err(|e| told(&path, &e))? as f64 / 1e6);
    }
    println!("{}", needs(&folder.join(BUNDLES[0]))?);
    Ok(ExitCode::SUCCESS)
}

/// Builds the bundles and copies them into the user's plugin folders.
pub(crate) fn install(workspace: &Workspace, stop: &Stop) -> Result<ExitCode, String> {
    let folder = bundle(workspace, stop)?;
    let places = places().ok_or("There is no home folder to install into. Set HOME.")?;
    put_all(&folder, &places)?;
    println!("Let your host scan its plugins, and insert RTJam on a track.");
    Ok(ExitCode::SUCCESS)
}

/// Installs each bundle of `folder` into its place, and prints it.
fn put_all(folder: &Path, places: &[PathBuf; 2]) -> Result<(), String> {
    for (name, place) in BUNDLES.iter().zip(places) {
        let to = place.join(name);
        put(&folder.join(name), &to).map_err(|e| {
            format!(
                "{}. Check that {} is a folder that you may write to, and start again.",
                told(&to, &e),
                place.display()
            )
        })?;
        println!("installed: {}", to.display());
    }
    Ok(())
}

/// Builds the bundles and returns their folder, `bundled` in cargo's target folder.
fn bundle(workspace: &Workspace, stop: &Stop) -> Result<PathBuf, String> {
    setup::system_packages(workspace, &[setup::BUILD])?;
    let mut build = workspace.cargo(["build", "--release", "-p", "rtjam", "-p", "rtjam-plugin"]);
    match command::run(&mut build, stop, Duration::from_secs(40 * 60))? {
        Ended::Well => {}
        Ended::Badly(how) => return Err(format!("the release build failed ({how}).")),
    }
    let target = workspace.target_folder()?;
    let folder = make(workspace, &target, &["--release".to_owned()])?;
    let built = target.join("release").join(PROGRAM);
    put(&built, &folder.join(PROGRAM)).map_err(|e| told(&built, &e))?;
    if cfg!(target_os = "linux") {
        split_debug_symbols(workspace, OBJCOPY, &folder, &[PROGRAM])?;
    }
    Ok(folder)
}

/// Makes the bundles of the plugin that cargo built into `target` with these arguments, and returns their folder.
pub(crate) fn make(workspace: &Workspace, target: &Path, arguments: &[String]) -> Result<PathBuf, String> {
    // It looks for `bundler.toml` in the current folder.
    std::env::set_current_dir(workspace.path("")).map_err(|e| told(&workspace.path(""), &e))?;
    let made = nice_plug_xtask::bundle(target, "rtjam", arguments, false);
    made.map_err(|e| format!("cannot make the bundles: {e:#}"))?;
    Ok(target.join("bundled"))
}

/// Moves the debug information of the bundles and programs in `folder` into its folder [`DEBUG`].
pub(crate) fn split_debug_symbols(
    workspace: &Workspace,
    objcopy: &str,
    folder: &Path,
    programs: &[impl AsRef<Path>],
) -> Result<(), String> {
    let debug = folder.join(DEBUG);
    remove(&debug).map_err(|e| told(&debug, &e))?;
    let files = libraries(folder).map_err(|e| told(folder, &e))?;
    for file in files.into_iter().chain(programs.iter().map(|name| folder.join(name))) {
        // Keep function names for crash logs.
        debug_symbols::split(workspace, objcopy, &file, &debug, Keep::Names)?;
    }
    Ok(())
}

/// Binaries of the bundles in a folder, searched recursively.
pub(crate) fn libraries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_library = path.extension().is_some_and(|e| e == "clap" || e == "so" || e == "vst3");
        if path.is_dir() {
            all.extend(libraries(&path)?);
        } else if is_library {
            all.push(path);
        }
    }
    Ok(all)
}

/// Plugin folders of the user for CLAP and for VST3.
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

/// Copies a file or folder next to its destination and moves it there: a host that has the old one open keeps it.
pub(crate) fn put(from: &Path, to: &Path) -> io::Result<()> {
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

pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    }
}

pub(crate) fn size(path: &Path) -> io::Result<u64> {
    let about = fs::metadata(path)?;
    if !about.is_dir() {
        return Ok(about.len());
    }
    fs::read_dir(path)?.map(|entry| size(&entry?.path())).sum()
}

/// The library's requirements, as a sentence.
fn needs(library: &Path) -> Result<String, String> {
    if !cfg!(target_os = "linux") {
        return Ok("It needs no other libraries than the system's.".to_owned());
    }
    let (major, minor) = Requirements::of(library)?.glibc.unwrap_or((2, 0));
    Ok(format!("It needs glibc {major}.{minor} or newer, because it was built on this system."))
}

pub(crate) fn told(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both bundles can be installed repeatedly, and an error says what to do.
    #[test]
    fn bundles_are_reinstalled() {
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

    /// The destination may be a file or a folder.
    #[test]
    fn put_replaces_files_and_folders() {
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
