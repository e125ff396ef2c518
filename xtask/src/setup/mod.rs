//! Installs what a command needs.

mod apt;
mod packages;
mod system;
mod tools;

pub(crate) use packages::{BUILD, CROSS_ARM64, CROSS_WINDOWS, DIST, PYTHON, Package, QEMU, RUST_SOURCES, TEST, WINE};
use system::Family;
pub(crate) use tools::{CARGO_DENY, CARGO_FUZZ, Tool};

use std::path::PathBuf;

use crate::command::Stop;
use crate::workspace::Workspace;

/// Everything that any command of this workspace needs.
pub(crate) fn everything(workspace: &Workspace, stop: &Stop) -> Result<(), String> {
    system_packages(workspace, &[BUILD, TEST])?;
    for tool in [&CARGO_DENY, &CARGO_FUZZ] {
        tools::install(workspace, stop, tool)?;
    }
    pedalboard(workspace, stop)?;
    println!("set-up: done");
    Ok(())
}

/// Installs missing packages on Debian and its relatives; on other systems prints what to install, and continues.
pub(crate) fn system_packages(workspace: &Workspace, lists: &[&[Package]]) -> Result<(), String> {
    match Family::here() {
        Family::Debian => apt::install_missing(workspace, lists),
        other => {
            println!("set-up: {}", system::advice(other));
            Ok(())
        }
    }
}

/// A Python environment with pedalboard, a plugin host, in cargo's target folder. Without it a test is skipped; if nothing
/// may be skipped, that is an error.
pub(crate) fn pedalboard(workspace: &Workspace, stop: &Stop) -> Result<(), String> {
    match tools::install_pedalboard(workspace, stop) {
        Err(why) if !is_strict() => {
            println!("set-up: {why} Its test will be skipped.");
            Ok(())
        }
        outcome => outcome,
    }
}

/// Installs zig, a C compiler and linker for other systems, and returns the path of its program.
pub(crate) fn zig(workspace: &Workspace, stop: &Stop) -> Result<PathBuf, String> {
    tools::install_zig(workspace, stop)
}

pub(crate) fn tool(workspace: &Workspace, stop: &Stop, tool: &Tool) -> Result<(), String> {
    tools::install(workspace, stop, tool)
}

/// Whether nothing may be skipped: in CI, as root, on a system for which all tests are made.
pub(crate) fn is_strict() -> bool {
    let in_ci = std::env::var_os("CI").is_some_and(|v| !v.is_empty() && v != "false" && v != "0");
    in_ci && Family::here() == Family::Debian && apt::is_root()
}
