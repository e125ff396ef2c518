//! Tools that cargo installs, and those that pip installs: pedalboard, a plugin host for Python, and zig.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::command::{self, Ended, Stop};
use crate::workspace::Workspace;

/// A cargo subcommand, at the version with which the tests were written.
pub(crate) struct Tool {
    /// `cargo SUBCOMMAND`; its package is `cargo-SUBCOMMAND`.
    subcommand: &'static str,
    version: &'static str,
}

pub(crate) const CARGO_DENY: Tool = Tool { subcommand: "deny", version: "0.20.2" };
pub(crate) const CARGO_FUZZ: Tool = Tool { subcommand: "fuzz", version: "0.13.2" };

/// Installs the tool unless it is there. A different installed version is used, and reported.
pub(super) fn install(workspace: &Workspace, stop: &Stop, tool: &Tool) -> Result<(), String> {
    let package = format!("cargo-{}", tool.subcommand);
    let installed = command::output(&mut workspace.cargo([tool.subcommand, "--version"]));
    match installed.as_deref().and_then(version) {
        Some(version) if version == tool.version => return Ok(()),
        Some(version) => {
            println!(
                "set-up: {package} {version} is installed and will be used; the tests were written with {}",
                tool.version
            );
            return Ok(());
        }
        None => {}
    }
    println!("set-up: installing {package} {}", tool.version);
    let start = Instant::now();
    // Unoptimised: it builds in a third of the time, and runs for seconds only.
    let versioned = format!("{package}@{}", tool.version);
    let mut cargo = workspace.cargo(["install", "--locked", "--debug", &versioned]);
    // Into a temporary folder, which cargo removes: the workspace's builds cannot reuse any of it.
    cargo.env_remove("CARGO_TARGET_DIR");
    match command::run(&mut cargo, stop, Duration::from_secs(30 * 60))? {
        Ended::Well => {
            println!("set-up: {package} took {} s", start.elapsed().as_secs());
            Ok(())
        }
        Ended::Badly(how) => Err(format!(
            "{package} could not be installed ({how}). To install it yourself: cargo install --locked {versioned}"
        )),
    }
}

/// The last word of "cargo-deny 0.20.2".
fn version(text: &str) -> Option<&str> {
    text.split_whitespace().last().filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
}

/// A package of Python's, in an environment of its own.
struct PythonPackage {
    name: &'static str,
    version: &'static str,
    /// Its environment, in cargo's target folder.
    folder: &'static str,
}

const PEDALBOARD: PythonPackage = PythonPackage { name: "pedalboard", version: "0.9.26", folder: "pedalboard" };
const ZIG: PythonPackage = PythonPackage { name: "ziglang", version: "0.17.1", folder: "tools/zig" };

pub(super) fn install_pedalboard(workspace: &Workspace, stop: &Stop) -> Result<(), String> {
    PEDALBOARD.install(workspace, stop).map(|_| ())
}

/// Installs zig, and returns the path of its program.
pub(super) fn install_zig(workspace: &Workspace, stop: &Stop) -> Result<PathBuf, String> {
    let python = ZIG.install(workspace, stop)?;
    let mut ask = workspace.command(&python.to_string_lossy());
    ask.args(["-c", "import ziglang; print(ziglang.__path__[0])"]);
    let folder = command::output(&mut ask).ok_or("Python does not find its package ziglang.")?;
    Ok(Path::new(folder.trim()).join("zig"))
}

impl PythonPackage {
    /// Installs the package unless it is there, and returns the path of its environment's Python.
    fn install(&self, workspace: &Workspace, stop: &Stop) -> Result<PathBuf, String> {
        let folder = workspace.target_folder()?.join(self.folder);
        let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
        let mut ask = workspace.command(&python.to_string_lossy());
        ask.args(["-c", "import sys; from importlib.metadata import version; print(version(sys.argv[1]))", self.name]);
        if python.is_file() && command::output(&mut ask).is_some_and(|version| version.trim() == self.version) {
            return Ok(python);
        }
        println!("set-up: installing {} {} into {}", self.name, self.version, folder.display());
        let mut venv = workspace.command("python3");
        self.step(venv.args(["-m", "venv"]).arg(&folder), stop)?;
        let mut pip = workspace.command(&python.to_string_lossy());
        let wanted = format!("{}=={}", self.name, self.version);
        // A build from source would take an hour, and needs libraries.
        self.step(pip.args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:", &wanted]), stop)?;
        Ok(python)
    }

    fn step(&self, command: &mut Command, stop: &Stop) -> Result<(), String> {
        let how = match command::run(command, stop, Duration::from_secs(10 * 60)) {
            Ok(Ended::Well) => return Ok(()),
            Ok(Ended::Badly(how)) => how,
            Err(sentence) => sentence,
        };
        Err(format!("{} {} could not be installed ({how}).", self.name, self.version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The version is the last word of the output.
    #[test]
    fn version_is_the_last_word() {
        assert_eq!(version("cargo-deny 0.20.2\n"), Some("0.20.2"));
        assert_eq!(version("cargo-fuzz 0.13.2\n"), Some("0.13.2"));
        assert_eq!(version(""), None);
        assert_eq!(version("error: no such command"), None);
    }
}
