//! C compilers and linkers for other systems: MinGW for Windows, and zig, whose one package has the C libraries of Linux
//! (in every version of glibc) and of macOS.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::command::Stop;
use crate::setup;
use crate::workspace::Workspace;

#[derive(Clone, Copy)]
pub(super) enum Compiler {
    Mingw,
    /// With zig's name of the target.
    Zig(&'static str),
}

/// Environment variables for cargo.
pub(super) type Environment = Vec<(String, OsString)>;

impl Compiler {
    /// Installs the compiler, and returns what tells cargo to use it for `triple`. The packages of the system must be there.
    pub(super) fn set_up(self, workspace: &Workspace, stop: &Stop, triple: &str) -> Result<Environment, String> {
        let folder = workspace.target_folder()?.join("tools");
        match self {
            Self::Mingw => mingw(&folder.join(triple), triple),
            Self::Zig(target) => {
                let zig = setup::zig(workspace, stop)?;
                let cache = folder.join("zig-cache");
                zig_environment(&zig, &cache, &folder.join(triple), triple, target)
            }
        }
    }
}

/// Names that cc and cargo read. `flags` are rustc's.
fn environment(triple: &str, cc: OsString, ar: OsString, flags: OsString) -> Environment {
    let (lower, upper) = (triple.replace('-', "_"), triple.replace('-', "_").to_uppercase());
    vec![
        (format!("CC_{lower}"), cc.clone()),
        (format!("AR_{lower}"), ar),
        (format!("CARGO_TARGET_{upper}_LINKER"), cc),
        (format!("CARGO_TARGET_{upper}_RUSTFLAGS"), flags),
    ]
}

/// `libShell32.a`: a crate writes the name so, MinGW has it in lower case, and Linux tells the two apart. Its constants are in
/// `libuuid.a`.
fn mingw(folder: &Path, triple: &str) -> Result<Environment, String> {
    write(&folder.join("libShell32.a"), "INPUT(-lshell32 -luuid)\n")?;
    let mut flags = OsString::from("-Clink-arg=-static -Lnative=");
    flags.push(folder);
    Ok(environment(triple, "x86_64-w64-mingw32-gcc-posix".into(), "x86_64-w64-mingw32-ar".into(), flags))
}

fn zig_environment(zig: &Path, cache: &Path, folder: &Path, triple: &str, target: &str) -> Result<Environment, String> {
    let (cc, ar) = (folder.join("cc"), folder.join("ar"));
    let (zig, cache) = (zig.display(), cache.display());
    let head = format!("#!/bin/sh\n# Made by `cargo xtask cross`.\nexport ZIG_GLOBAL_CACHE_DIR='{cache}'\n");
    write_program(&cc, &format!("{head}{FILTER}exec '{zig}' cc -target {target} -fno-sanitize=all \"$@\"\n"))?;
    write_program(&ar, &format!("{head}exec '{zig}' ar \"$@\"\n"))?;
    let is_linux = triple.contains("linux");
    // Debian's libasound is for a newer glibc than the programs may need. On the system that runs them, it has its own.
    let flags = if is_linux { "-Clink-arg=-Wl,--allow-shlib-undefined" } else { "" };
    let mut all = environment(triple, cc.into(), ar.into(), flags.into());
    if is_linux {
        let (processor, lower) = (target.split('-').next().unwrap_or_default(), triple.replace('-', "_"));
        write(&folder.join("jack.pc"), JACK)?;
        let libraries = format!("{}:/usr/lib/{processor}-linux-gnu/pkgconfig:/usr/share/pkgconfig", folder.display());
        all.push((format!("PKG_CONFIG_LIBDIR_{lower}"), libraries.into()));
        all.push((format!("PKG_CONFIG_ALLOW_CROSS_{lower}"), "1".into()));
    } else {
        // Build scripts would ask for Apple's SDK; zig has the part of it that is free.
        all.push(("SDKROOT".to_owned(), folder.into()));
    }
    Ok(all)
}

/// What `pkg-config` says about libjack, which jack-sys asks for. The programs open the library at run time and link nothing
/// of it.
const JACK: &str = "Name: jack\nDescription: opened at run time\nVersion: 1.9\n";

/// Options of gcc, clang and Apple's linker that zig does not know: targets in other words, Apple's SDK and frameworks. zig
/// unwinds by its own library.
const FILTER: &str = r#"count=$#
skip=
while [ $count -gt 0 ]; do
    option=$1
    shift
    count=$((count - 1))
    if [ -n "$skip" ]; then
        skip=
        continue
    fi
    case "$option" in
    --target=* | -mmacosx-version-min=* | -liconv | -lobjc) ;;
    -arch | -isysroot | -framework) skip=1 ;;
    -lgcc_s | -lgcc_eh) set -- "$@" -lunwind ;;
    *) set -- "$@" "$option" ;;
    esac
done
"#;

/// Writes a script that can be run.
fn write_program(path: &Path, text: &str) -> Result<(), String> {
    write(path, text)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))
            .map_err(|e| format!("cannot make {} executable: {e}.", path.display()))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let written = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        // A new date would let cargo build everything again.
        if fs::read_to_string(path).is_ok_and(|there| there == text) { Ok(()) } else { fs::write(path, text) }
    };
    written().map_err(|e| format!("cannot write {}: {e}.", path.display()))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// The script passes what zig knows, in its order and with its spaces, and drops an option with its value.
    #[test]
    fn zig_receives_what_it_knows() {
        let folder = std::env::temp_dir().join(format!("rtjam-zig-{}", std::process::id()));
        let told = zig_environment(Path::new("/bin/echo"), &folder, &folder, "aarch64-apple-darwin", "aarch64-macos");
        told.expect("written");
        let mut cc = std::process::Command::new(folder.join("cc"));
        cc.args([
            "-O3",
            "--target=arm64-apple-macosx",
            "-arch",
            "arm64",
            "a  b.c",
            "-framework",
            "Security",
            "-lgcc_s",
            "-o",
            "x",
        ]);
        let said = String::from_utf8(cc.output().expect("it runs").stdout).expect("text");
        assert_eq!(said.trim(), "cc -target aarch64-macos -fno-sanitize=all -O3 a  b.c -lunwind -o x");
        fs::remove_dir_all(folder).expect("our own");
    }
}
