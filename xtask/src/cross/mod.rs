//! `cargo xtask cross`: builds for the systems of musicians on Debian, and tries there what an emulator runs.

mod compiler;
mod macos;
mod package;
mod rust;
mod system;
mod try_out;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::command::{self, Ended, Stop};
use crate::setup;
use crate::test::duration;
use crate::workspace::Workspace;
use compiler::{Compiler, Environment};
pub(crate) use package::{TEST, judge};
use rust::Rust;
pub(crate) use system::{SYSTEMS, System};

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    /// Names of [`TARGETS`].
    pub(crate) targets: Vec<String>,
    pub(crate) profile: String,
    /// Whether the programs are run after they are packaged.
    pub(crate) runs: bool,
}

/// The packages that are shipped, for cargo.
const PRODUCTS: [&str; 6] = ["-p", "rtjam-server", "-p", "rtjam", "-p", "rtjam-plugin"];

struct Target {
    name: &'static str,
    what: &'static str,
    run: fn(&Build) -> Result<(), String>,
}

const TARGETS: &[Target] = &[
    Target { name: "windows", what: "Windows, x86-64", run: |build| package::make(build, &system::WINDOWS) },
    Target {
        name: "arm64",
        what: "Linux, arm64: Raspberry Pi 4 and later",
        run: |build| package::make(build, &system::ARM64),
    },
    Target { name: "linux", what: "Linux, x86-64", run: |build| package::make(build, &system::LINUX) },
    Target {
        name: "macos-check",
        what: "macOS: compiles everything, links the programs, packages nothing",
        run: macos::check,
    },
];

pub(crate) fn is_target(name: &str) -> bool {
    TARGETS.iter().any(|target| target.name == name)
}

/// All targets, by name.
pub(crate) fn all() -> Vec<String> {
    TARGETS.iter().map(|target| target.name.to_owned()).collect()
}

pub(crate) fn list() -> String {
    TARGETS.iter().fold(String::new(), |mut text, target| {
        let _ = writeln!(text, "  {:<12} {}", target.name, target.what);
        text
    })
}

/// Builds, packages and tries each target.
pub(crate) fn run(workspace: &Workspace, stop: &Stop, options: &Options) -> Result<ExitCode, String> {
    for target in TARGETS.iter().filter(|target| options.targets.iter().any(|name| name == target.name)) {
        let build = Build { workspace, stop, target: target.name, profile: &options.profile, runs: options.runs };
        (target.run)(&build).map_err(|why| format!("cross {}: {why}", target.name))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Compiles the products for every other system and links nothing; a warning is an error.
pub(crate) fn compile_all(workspace: &Workspace, stop: &Stop) -> Result<(), String> {
    let build = Build { workspace, stop, target: "check", profile: "dev", runs: false };
    for system in [system::WINDOWS, system::ARM64] {
        let set_up = || Toolchain::set_up(&build, system.triple, system.compiler, system.packages);
        build.step(&format!("set-up for {}", system.triple), set_up)?.compile(&build)?;
    }
    let (triple, zig) = macos::TRIPLES[0];
    let set_up = || Toolchain::set_up(&build, triple, Compiler::Zig(zig), &[setup::PYTHON]);
    build.step(&format!("set-up for {triple}"), set_up)?.compile(&build)
}

/// What builds for one triple.
struct Toolchain {
    triple: &'static str,
    rust: Rust,
    environment: Environment,
    /// Cargo's target folder for other systems: the workspace's own builds keep theirs.
    folder: PathBuf,
}

impl Toolchain {
    fn set_up(
        build: &Build,
        triple: &'static str,
        compiler: Compiler,
        packages: &[&[setup::Package]],
    ) -> Result<Self, String> {
        setup::system_packages(build.workspace, packages)?;
        let environment = compiler.set_up(build.workspace, build.stop, triple)?;
        let rust = Rust::for_target(build.workspace, triple)?;
        Ok(Self { triple, rust, environment, folder: build.workspace.target_folder()?.join("cross") })
    }

    /// `cargo SUBCOMMAND` for the triple.
    fn cargo(&self, build: &Build, subcommand: &str) -> std::process::Command {
        let mut cargo = self.rust.cargo(build.workspace, subcommand);
        cargo.args(["--profile", build.profile, "--target-dir"]).arg(&self.folder);
        for (name, value) in &self.environment {
            cargo.env(name, value);
        }
        cargo
    }

    /// Compiles the products without linking them; a warning is an error.
    fn compile(&self, build: &Build) -> Result<(), String> {
        build.step(&format!("compiling for {}", self.triple), || {
            let mut cargo = self.cargo(build, "check");
            cargo.args(PRODUCTS).env("RUSTFLAGS", "-Dwarnings");
            match command::run(&mut cargo, build.stop, Duration::from_secs(40 * 60))? {
                Ended::Well => Ok(()),
                Ended::Badly(how) => Err(format!("it does not compile ({how}).")),
            }
        })
    }
}

/// A run for one target.
struct Build<'a> {
    workspace: &'a Workspace,
    stop: &'a Stop,
    /// On the command line.
    target: &'static str,
    profile: &'a str,
    runs: bool,
}

impl Build<'_> {
    /// Prints what a step does, and how long it took.
    fn step<T>(&self, what: &str, work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        println!("cross {}: {what}", self.target);
        let start = Instant::now();
        let done = work()?;
        println!("cross {}: {what}: done after {}", self.target, duration(start.elapsed()));
        Ok(done)
    }
}
