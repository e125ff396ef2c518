//! macOS, of which nothing runs here: everything is compiled, and the programs are linked.

use std::path::Path;

use goblin::mach::{Mach, MachO};

use super::compiler::Compiler;
use super::{Build, Toolchain};
use crate::setup;

/// The two processors of Macs, and zig's names of them.
pub(super) const TRIPLES: [(&str, &str); 2] =
    [("aarch64-apple-darwin", "aarch64-macos"), ("x86_64-apple-darwin", "x86_64-macos")];

/// Starts of the names that Apple's frameworks and its Objective-C runtime define. Their files are part of Apple's SDK, so they
/// are not linked.
const FRAMEWORKS: &[&str] = &[
    "_AU",
    "_Audio",
    "_Authorization",
    "_CF",
    "_CMSDecoder",
    "_CMSEncode",
    "_SSLCopy",
    "_SSLCreate",
    "_SSLGet",
    "_SSLSet",
    "_Sec",
    "_kCF",
    "_kSec",
    "_OBJC_CLASS_",
    "_class_",
    "_ivar_",
    "_method_",
    "_objc_",
    "_object_",
    "_protocol_",
    "_sel_",
];

/// For each processor: compiles all products, where a warning is an error, and links both programs, `rtjam` without a window.
pub(super) fn check(build: &Build) -> Result<(), String> {
    for (triple, zig) in TRIPLES {
        let what = format!("set-up for {triple}");
        let toolchain = build.step(&what, || Toolchain::set_up(build, triple, Compiler::Zig(zig), &[setup::PYTHON]))?;
        toolchain.compile(build)?;
        build.step(&format!("linking for {triple}"), || {
            let mut cargo = toolchain.cargo(build, "build");
            cargo.args(["-p", "rtjam-server", "-p", "rtjam", "--bins", "--no-default-features"]);
            // The system looks for the frameworks' symbols when it loads the program; `judge` reads which they are.
            cargo.env("RUSTFLAGS", "-Clink-arg=-Wl,-undefined,dynamic_lookup");
            // Cargo strips by a program that only rustup has.
            cargo.env(format!("CARGO_PROFILE_{}_STRIP", build.profile.to_uppercase()), "none");
            let folder = build.workspace.build_executables(&mut cargo, build.stop, "the build")?;
            ["rtjam-server", "rtjam"].iter().try_for_each(|name| judge(&folder.join(name)))
        })?;
    }
    Ok(())
}

/// Fails if a symbol is missing that no framework defines. Otherwise prints what is left to the frameworks.
fn judge(file: &Path) -> Result<(), String> {
    let bytes = std::fs::read(file).map_err(|e| format!("cannot read {}: {e}.", file.display()))?;
    let Ok(Mach::Binary(program)) = Mach::parse(&bytes) else {
        return Err(format!("{} is not a program of macOS.", file.display()));
    };
    let left = left_to_load_time(&program);
    let is_missing = |name: &&&str| !FRAMEWORKS.iter().any(|start| name.starts_with(start));
    let missing: Vec<&str> = left.iter().filter(is_missing).copied().collect();
    if !missing.is_empty() {
        return Err(format!("{} lacks {}.", file.display(), missing.join(", ")));
    }
    let size = bytes.len() as f64 / 1e6;
    println!("{}: {size:.1} MB; {} symbols are those of Apple's frameworks", file.display(), left.len());
    Ok(())
}

/// Symbols that no library of the link defines.
fn left_to_load_time<'a>(program: &MachO<'a>) -> Vec<&'a str> {
    /// The library's number of such a symbol: `SELF_LIBRARY_ORDINAL` by zig's linker, `DYNAMIC_LOOKUP_ORDINAL` by Apple's.
    const NO_LIBRARY: [u16; 2] = [0, 0xfe];
    let undefined = program.symbols().flatten().filter(|(_, symbol)| symbol.is_undefined() && symbol.is_global());
    undefined.filter(|(_, symbol)| NO_LIBRARY.contains(&(symbol.n_desc >> 8))).map(|(name, _)| name).collect()
}
