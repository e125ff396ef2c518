//! Runs what was built: a room and two musicians, on this machine or on an emulator of another.

use std::path::{Path, PathBuf};

use super::Build;
use super::compiler::write_program;
use super::system::{PROGRAMS, Runner, System};
use crate::jam;
use crate::setup;
use crate::test::e2e;

/// Seconds of the jam.
const SECONDS: u64 = 15;

/// Plays in a room of the packaged programs, and fails if a musician does not hear the other.
pub(super) fn try_out(build: &Build, system: &System, folder: &Path) -> Result<(), String> {
    match system.runner {
        Runner::Native => jam(build, folder.to_owned()),
        Runner::Emulator(words, packages) => {
            setup::system_packages(build.workspace, &[packages])?;
            jam(build, emulated(build, system, words, folder)?)
        }
        Runner::Tests(file, packages) => {
            setup::system_packages(build.workspace, packages)?;
            // They play with this machine's own programs.
            let own = build.step("building this machine's programs", || build.workspace.build_release(build.stop))?;
            build.step(&format!("running the tests `{file}`"), || {
                e2e::run_files(build.workspace, build.stop, own, &[(file, &[])], &[])
            })
        }
    }
}

fn jam(build: &Build, programs: PathBuf) -> Result<(), String> {
    build.step(&format!("playing for {SECONDS} s"), || {
        let options = jam::Options { seconds: Some(SECONDS), scratch: true, bin: Some(programs) };
        jam::run(build.workspace, build.stop, &options).map(|_| ())
    })
}

/// A folder with a script for each program, which starts the emulator.
fn emulated(build: &Build, system: &System, words: &str, folder: &Path) -> Result<PathBuf, String> {
    let scripts = build.workspace.target_folder()?.join("tools").join(system.triple).join("emulated");
    for name in PROGRAMS {
        let program = folder.join(format!("{name}{}", system.program_suffix));
        write_program(&scripts.join(name), &format!("#!/bin/sh\nexec {words} '{}' \"$@\"\n", program.display()))?;
    }
    Ok(scripts)
}
