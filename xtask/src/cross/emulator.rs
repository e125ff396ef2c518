//! Runs what was built: a room and two musicians, on this machine or on an emulator of another.

use std::path::{Path, PathBuf};

use super::Build;
use super::compiler::write_program;
use super::system::System;
use crate::jam;
use crate::setup::{self, Package};

/// What runs a system's programs here.
#[derive(Clone, Copy)]
pub(super) enum Runner {
    /// This machine.
    Native,
    /// An emulator of the processor, called with these words before the program; and its packages.
    Emulator(&'static str, &'static [Package]),
}

/// Seconds of the jam.
const SECONDS: u64 = 15;

/// Plays in a room of the packaged programs, and fails if a musician does not hear the other.
pub(super) fn try_out(build: &Build, system: &System, folder: &Path) -> Result<(), String> {
    let programs = match system.runner {
        Runner::Native => folder.to_owned(),
        Runner::Emulator(words, packages) => {
            setup::system_packages(build.workspace, &[packages])?;
            emulated(build, system, words, folder)?
        }
    };
    build.step(&format!("playing for {SECONDS} s"), || {
        let options = jam::Options { seconds: Some(SECONDS), scratch: true, bin: Some(programs) };
        jam::run(build.workspace, build.stop, &options).map(|_| ())
    })
}

/// A folder with a script for each program, which starts the emulator.
fn emulated(build: &Build, system: &System, words: &str, folder: &Path) -> Result<PathBuf, String> {
    let scripts = build.workspace.target_folder()?.join("tools").join(system.triple).join("emulated");
    for name in super::package::PROGRAMS {
        let program = folder.join(format!("{name}{}", system.program_suffix));
        write_program(&scripts.join(name), &format!("#!/bin/sh\nexec {words} '{}' \"$@\"\n", program.display()))?;
    }
    Ok(scripts)
}
