//! The Rust that builds for a target: where its standard library comes from.

use std::path::Path;
use std::process::Command;

use crate::command;
use crate::setup;
use crate::workspace::Workspace;

/// A Rust toolchain that can build for a target.
pub(super) struct Rust {
    triple: &'static str,
    std: Std,
}

/// Where the target's standard library comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Std {
    /// It is part of the workspace's toolchain.
    Installed,
    /// Built from the sources that are part of the workspace's toolchain.
    ToolchainSources,
    /// Built from the sources of Debian's packages, by their compiler.
    DebianSources,
}

impl Rust {
    /// Uses what is installed; otherwise asks rustup for the target, and otherwise installs Debian's packages.
    pub(super) fn for_target(workspace: &Workspace, triple: &'static str) -> Result<Self, String> {
        let sysroot = command::output(workspace.command("rustc").args(["--print", "sysroot"]))
            .ok_or("`rustc --print sysroot` fails. Install Rust from https://rustup.rs.")?;
        let rustlib = Path::new(sysroot.trim()).join("lib/rustlib");
        let is_installed = || rustlib.join(triple).join("lib").is_dir();
        let rustup_adds = || {
            let added = command::output(workspace.command("rustup").args(["target", "add", triple]));
            added.is_some() && is_installed()
        };
        let std = if is_installed() || rustup_adds() {
            Std::Installed
        } else if rustlib.join("src/rust/library/Cargo.lock").is_file() {
            Std::ToolchainSources
        } else {
            setup::system_packages(workspace, &[setup::RUST_SOURCES])?;
            Std::DebianSources
        };
        Ok(Self { triple, std })
    }

    /// Where the standard library comes from, in words.
    pub(super) fn what(&self) -> &'static str {
        match self.std {
            Std::Installed => "the toolchain's standard library",
            Std::ToolchainSources => "a standard library built from the toolchain's sources",
            Std::DebianSources => "a standard library built from Debian's rust-web-src",
        }
    }

    /// `cargo SUBCOMMAND` for the target.
    pub(super) fn cargo(&self, workspace: &Workspace, subcommand: &str) -> Command {
        let mut cargo = match self.std {
            Std::Installed | Std::ToolchainSources => workspace.cargo([subcommand]),
            Std::DebianSources => {
                let mut cargo = workspace.command("/usr/bin/cargo");
                // Only rustup's programs read `rust-toolchain.toml`; these are not.
                cargo.arg(subcommand).env("RUSTC", "/usr/bin/rustc").env_remove("RUSTUP_TOOLCHAIN");
                cargo
            }
        };
        cargo.args(["--target", self.triple]);
        if self.std != Std::Installed {
            // The option counts as unstable, also in a stable cargo.
            cargo.arg("-Zbuild-std=std,panic_unwind").env("RUSTC_BOOTSTRAP", "1");
        }
        cargo
    }
}
