//! The systems whose programs are built and packaged, and what every machine with such a system has.

use std::path::Path;

use super::compiler::Compiler;
use crate::debug_symbols::OBJCOPY;
use crate::requirements::Requirements;
use crate::setup::{self, Package};

pub(crate) struct System {
    /// In the names of folders and archives.
    pub(crate) name: &'static str,
    pub(crate) triple: &'static str,
    pub(super) compiler: Compiler,
    pub(super) packages: &'static [&'static [Package]],
    /// Libraries that every such system has, in lower case.
    libraries: &'static [&'static str],
    pub(super) program_suffix: &'static str,
    pub(crate) objcopy: &'static str,
    pub(super) runner: Runner,
    /// Programs that only its tests run: package and program. They lie in the folder `test`.
    pub(super) test_programs: &'static [(&'static str, &'static str)],
}

/// What runs a system's programs here.
#[derive(Clone, Copy)]
pub(super) enum Runner {
    /// This machine.
    Native,
    /// A file of end-to-end tests, which runs the packaged programs by an emulator; and packages.
    Tests(&'static str, &'static [&'static [Package]]),
}

/// The programs that RTJam consists of, beside the plugin.
pub(super) const PROGRAMS: [&str; 2] = ["rtjam-server", "rtjam"];

pub(super) const WINDOWS: System = System {
    name: "windows-x86_64",
    triple: "x86_64-pc-windows-gnu",
    compiler: Compiler::Mingw,
    packages: &[setup::CROSS_WINDOWS],
    libraries: WINDOWS_LIBRARIES,
    program_suffix: ".exe",
    objcopy: "x86_64-w64-mingw32-objcopy",
    runner: Runner::Tests("windows", &[setup::WINE, setup::BUILD]),
    test_programs: &[("rtjam-plugin-host", "plugin-host")],
};

pub(super) const LINUX: System = System {
    name: "linux-x86_64",
    triple: "x86_64-unknown-linux-gnu",
    compiler: Compiler::Zig("x86_64-linux-gnu.2.31"),
    packages: &[setup::BUILD, setup::PYTHON],
    libraries: LINUX_LIBRARIES,
    program_suffix: "",
    objcopy: OBJCOPY,
    runner: Runner::Native,
    test_programs: &[],
};

pub(super) const ARM64: System = System {
    name: "linux-arm64",
    triple: "aarch64-unknown-linux-gnu",
    compiler: Compiler::Zig("aarch64-linux-gnu.2.31"),
    packages: &[setup::CROSS_ARM64, setup::PYTHON],
    libraries: LINUX_LIBRARIES,
    program_suffix: "",
    objcopy: "aarch64-linux-gnu-objcopy",
    runner: Runner::Tests("arm64", &[setup::QEMU, setup::BUILD]),
    test_programs: &[],
};

/// All that `cargo xtask dist` makes archives of.
pub(crate) const SYSTEMS: &[System] = &[WINDOWS, LINUX, ARM64];

/// The newest glibc that a Linux program may need: that of Debian 11 and Ubuntu 20.04.
const GLIBC: (u32, u32) = (2, 31);

/// glibc's, and ALSA's, which the programs' packages name. Everything else is linked in or opened at run time.
const LINUX_LIBRARIES: &[&str] = &[
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
    "libasound.so.2",
];

/// Libraries of Windows 10.
const WINDOWS_LIBRARIES: &[&str] = &[
    "advapi32.dll",
    "api-ms-win-core-synch-l1-2-0.dll",
    "api-ms-win-core-winrt-error-l1-1-0.dll",
    "avrt.dll",
    "bcrypt.dll",
    "bcryptprimitives.dll",
    "combase.dll",
    "crypt32.dll",
    "dwmapi.dll",
    "gdi32.dll",
    "imm32.dll",
    "iphlpapi.dll",
    "kernel32.dll",
    "mmdevapi.dll",
    "msvcrt.dll",
    "ntdll.dll",
    "ole32.dll",
    "oleaut32.dll",
    "opengl32.dll",
    "propsys.dll",
    "rpcrt4.dll",
    "secur32.dll",
    "shell32.dll",
    "shlwapi.dll",
    "user32.dll",
    "userenv.dll",
    "uxtheme.dll",
    "winmm.dll",
    "ws2_32.dll",
];

impl System {
    pub(crate) fn is_linux(&self) -> bool {
        self.triple.contains("linux")
    }

    /// Fails if `file` needs what not every such system has. Returns the libraries in words.
    pub(crate) fn judge(&self, file: &Path) -> Result<String, String> {
        self.judge_needs(&Requirements::of(file)?).map_err(|why| format!("{} {why}.", file.display()))
    }

    fn judge_needs(&self, needs: &Requirements) -> Result<String, String> {
        let is_strange = |name: &&String| !self.libraries.contains(&name.to_lowercase().as_str());
        let strange: Vec<&str> = needs.libraries.iter().filter(is_strange).map(String::as_str).collect();
        if !strange.is_empty() {
            return Err(format!("needs {}, which {} may lack", strange.join(", "), self.name));
        }
        let mut words = needs.libraries.join(", ");
        if let Some((major, minor)) = needs.glibc {
            if (major, minor) > GLIBC {
                return Err(format!(
                    "needs glibc {major}.{minor}; the newest that it may need is {}.{}",
                    GLIBC.0, GLIBC.1
                ));
            }
            words.push_str(&format!("; glibc {major}.{minor}"));
        }
        Ok(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(libraries: &[&str], glibc: Option<(u32, u32)>) -> Requirements {
        let libraries = libraries.iter().map(|name| (*name).to_owned()).collect();
        Requirements { libraries, glibc, debian_architecture: None }
    }

    /// A library of the compiler's is named, whatever its case.
    #[test]
    fn compiler_libraries_are_refused() {
        assert!(WINDOWS.judge_needs(&needs(&["KERNEL32.dll", "ntdll.dll"], None)).is_ok());
        let why =
            WINDOWS.judge_needs(&needs(&["KERNEL32.dll", "libstdc++-6.dll"], None)).expect_err("it may be missing");
        assert!(why.contains("libstdc++-6.dll") && !why.contains("KERNEL32"), "{why}");
    }

    /// Glibc 2.31 is the newest that a program may need.
    #[test]
    fn newer_glibc_is_refused() {
        assert_eq!(ARM64.judge_needs(&needs(&["libc.so.6"], Some((2, 31)))).as_deref(), Ok("libc.so.6; glibc 2.31"));
        let why = LINUX.judge_needs(&needs(&["libc.so.6"], Some((2, 34)))).expect_err("it is too new");
        assert!(why.contains("glibc 2.34"), "{why}");
    }
}
