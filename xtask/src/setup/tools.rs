//! Tools that cargo installs.

use std::time::{Duration, Instant};

use crate::command::{self, Ended};
use crate::stop::Stop;
use crate::workspace::Workspace;

/// A subcommand of cargo, at the version that the tests were made with.
pub(crate) struct Tool {
    /// `cargo SUBCOMMAND`; its package is `cargo-SUBCOMMAND`.
    subcommand: &'static str,
    version: &'static str,
}

pub(crate) const CARGO_DENY: Tool = Tool { subcommand: "deny", version: "0.20.2" };
pub(crate) const CARGO_FUZZ: Tool = Tool { subcommand: "fuzz", version: "0.13.2" };

/// Installs the tool unless it is there. Another version that somebody chose is left alone and named.
pub(super) fn install(workspace: &Workspace, stop: &Stop, tool: &Tool) -> Result<(), String> {
    let package = format!("cargo-{}", tool.subcommand);
    let installed = command::output(&mut workspace.cargo([tool.subcommand, "--version"]));
    match installed.as_deref().and_then(version) {
        Some(version) if version == tool.version => return Ok(()),
        Some(version) => {
            println!("set-up: {package} {version} is there and is used; the tests were made with {}", tool.version);
            return Ok(());
        }
        None => {}
    }
    println!("set-up: installing {package} {}", tool.version);
    let start = Instant::now();
    // Unoptimised: it builds in a third of the time, and runs for seconds.
    let versioned = format!("{package}@{}", tool.version);
    let mut cargo = workspace.cargo(["install", "--locked", "--debug", &versioned]);
    // Into a temporary folder that cargo removes: nothing of it is of use to the workspace's builds.
    cargo.env_remove("CARGO_TARGET_DIR");
    match command::run(&mut cargo, stop, Duration::from_secs(30 * 60))? {
        Ended::Well => {
            println!("set-up: {package} took {} s", start.elapsed().as_secs());
            Ok(())
        }
        Ended::Badly(how) => {
            Err(format!("{package} could not be installed ({how}). By hand: cargo install --locked {versioned}"))
        }
    }
}

/// The last word of "cargo-deny 0.20.2".
fn version(text: &str) -> Option<&str> {
    text.split_whitespace().last().filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_last_word() {
        assert_eq!(version("cargo-deny 0.20.2\n"), Some("0.20.2"));
        assert_eq!(version("cargo-fuzz 0.13.2\n"), Some("0.13.2"));
        assert_eq!(version(""), None);
        assert_eq!(version("error: no such command"), None);
    }
}
