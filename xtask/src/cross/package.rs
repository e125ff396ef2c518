//! Builds the programs and the plugin for a system, packages them in `target/dist`, and judges what they need.

use std::path::{Path, PathBuf};

use super::system::{PROGRAMS, System};
use super::try_out::try_out;
use super::{Build, PRODUCTS, Toolchain};
use crate::bundle::{self, BUNDLES};
#[cfg(unix)]
use crate::deb;

/// Folder beside the programs for those that only tests run.
pub(crate) const TEST: &str = "test";

pub(super) fn make(build: &Build, system: &System) -> Result<(), String> {
    let toolchain =
        build.step("set-up", || Toolchain::set_up(build, system.triple, system.compiler, system.packages))?;
    let what = format!("building with the profile {} and {}", build.profile, toolchain.rust.what());
    let built = build.step(&what, || {
        let mut cargo = toolchain.cargo(build, "build");
        cargo.args(["--bins", "--lib"]).args(PRODUCTS);
        build.workspace.build_executables(&mut cargo, build.stop, "the build")
    })?;
    for (package, _) in system.test_programs {
        build.step(&format!("building {package}"), || {
            let mut cargo = toolchain.cargo(build, "build");
            build.workspace.build_executables(cargo.args(["-p", package, "--bins"]), build.stop, "the build")
        })?;
    }
    let folder = folder(build, system)?;
    build.step(&format!("packaging in {}", folder.display()), || {
        lay_out(build, system, &toolchain, &built, &folder)?;
        judge(system, &folder)
    })?;
    if build.runs { try_out(build, system, &folder) } else { Ok(()) }
}

/// Where the packages of a system lie.
fn folder(build: &Build, system: &System) -> Result<PathBuf, String> {
    Ok(build.workspace.target_folder()?.join("dist").join(system.name))
}

fn lay_out(build: &Build, system: &System, toolchain: &Toolchain, built: &Path, folder: &Path) -> Result<(), String> {
    bundle::remove(folder).map_err(|e| bundle::told(folder, &e))?;
    // Cargo's name of the folder, which is not always the profile's.
    let profile = built.file_name().unwrap_or_default().to_string_lossy();
    let arguments = [format!("--target={}", system.triple), format!("--profile={profile}")];
    let bundles = bundle::make(build.workspace, &toolchain.folder, &arguments)?;
    let programs = PROGRAMS.map(|name| format!("{name}{}", system.program_suffix));
    let bundled = BUNDLES.map(|name| bundles.join(name));
    for from in programs.iter().map(|name| built.join(name)).chain(bundled) {
        let to = folder.join(from.file_name().unwrap_or_default());
        bundle::put(&from, &to).map_err(|e| bundle::told(&from, &e))?;
    }
    for (_, name) in system.test_programs {
        let file = format!("{name}{}", system.program_suffix);
        let (from, to) = (built.join(&file), folder.join(TEST).join(&file));
        bundle::put(&from, &to).map_err(|e| bundle::told(&from, &e))?;
    }
    bundle::split_debug_symbols(build.workspace, system.objcopy, folder, &programs)?;
    #[cfg(unix)]
    if system.is_linux() {
        for package in deb::PACKAGES {
            for made in deb::make(build.workspace, package, built, system.objcopy)? {
                let to = folder.join(made.file_name().unwrap_or_default());
                bundle::put(&made, &to).map_err(|e| bundle::told(&made, &e))?;
            }
        }
    }
    Ok(())
}

/// Prints the size and the needs of each program and library; fails if a system may lack one of them.
pub(crate) fn judge(system: &System, folder: &Path) -> Result<(), String> {
    let libraries = bundle::libraries(folder).map_err(|e| bundle::told(folder, &e))?;
    let programs = PROGRAMS.map(|name| folder.join(format!("{name}{}", system.program_suffix)));
    for file in programs.into_iter().chain(libraries) {
        let size = bundle::size(&file).map_err(|e| bundle::told(&file, &e))? as f64 / 1e6;
        println!("{}: {size:.1} MB; needs {}", file.display(), system.judge(&file)?);
    }
    Ok(())
}
