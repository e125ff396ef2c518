//! Runs what was packaged: a room and musicians, on this machine or by the emulators that tests use.

use std::path::Path;

use super::Build;
use super::system::{Runner, System};
use crate::jam;
use crate::setup;
use crate::test::e2e;

/// Seconds of the jam.
const SECONDS: u64 = 15;

/// Plays in a room of the packaged programs, and fails if a musician does not hear the other.
pub(super) fn try_out(build: &Build, system: &System, folder: &Path) -> Result<(), String> {
    match system.runner {
        Runner::Native => build.step(&format!("playing for {SECONDS} s"), || {
            let options = jam::Options { seconds: Some(SECONDS), scratch: true, bin: Some(folder.to_owned()) };
            jam::run(build.workspace, build.stop, &options).map(|_| ())
        }),
        Runner::Tests(file, packages) => {
            setup::system_packages(build.workspace, packages)?;
            // They play with this machine's own programs.
            let own = build.step("building this machine's programs", || {
                build.workspace.build_products(build.profile, build.stop)
            })?;
            build.step(&format!("running the tests `{file}`"), || {
                e2e::run_files(build.workspace, build.stop, own, &[(file, &[])], &[])
            })
        }
    }
}
