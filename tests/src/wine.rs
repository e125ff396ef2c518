//! Programs for Windows, run by wine in a prefix of their own.

use crate::child::Child;
use crate::display::Display;
use crate::machine::{Scratch, has_program};
use crate::programs::target_folder;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where Debian's package wine64 has its programs, which are not on the path.
const DEBIAN: &str = "/usr/lib/wine";

/// The compiler of the stub library.
const COMPILER: &str = "x86_64-w64-mingw32-gcc";

/// The library that wine 8 lacks: one function, by an older one.
const STUB: &str = "bcryptprimitives.dll";
const STUB_SOURCE: &str = "#include <windows.h>\n#include <bcrypt.h>\n\
    __declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T count) {\n\
    return BCryptGenRandom(NULL, bytes, (ULONG)count, BCRYPT_USE_SYSTEM_PREFERRED_RNG) == 0;\n}\n";

/// The command that gives wine real-time priority. Wine passes each call of a program on a socket, a timer or a completion
/// port to one server process. With ordinary priority these calls queue behind builds: a call takes 0.1 ms on an idle machine
/// and up to 7 ms on a busy one.
const REAL_TIME: [&str; 3] = ["chrt", "--rr", "20"];

/// What this machine lacks for these tests.
pub struct Missing(String);

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A wine prefix with a screen of its own. Dropping it ends all of its programs.
pub struct Wine {
    program: PathBuf,
    prefix: Scratch,
    real_time: bool,
    display: Display,
}

impl Wine {
    /// Makes a prefix, which takes about ten seconds.
    ///
    /// # Errors
    /// What is missing on this machine.
    pub fn start() -> Result<Wine, Missing> {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&folders).chain([PathBuf::from(DEBIAN)]);
        let program = folders.map(|folder| folder.join("wine64")).find(|path| path.is_file());
        let program = program.ok_or_else(|| Missing("needs wine (Debian: wine64)".to_owned()))?;
        let real_time = Command::new(REAL_TIME[0]).args(&REAL_TIME[1..]).arg("true").stderr(Stdio::null()).status();
        let real_time = real_time.is_ok_and(|status| status.success());
        if !has_program("Xvfb") {
            return Err(Missing("needs a virtual screen (Debian: xvfb)".to_owned()));
        }
        let wine = Wine { program, prefix: Scratch::new("wine"), real_time, display: Display::start(1) };
        let made =
            wine.command(Path::new("wineboot.exe")).arg("--init").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !made.is_ok_and(|status| status.success()) {
            return Err(Missing("wine cannot make a prefix".to_owned()));
        }
        wine.add_stub()?;
        Ok(wine)
    }

    /// A command for a program for Windows.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = if self.real_time {
            let mut command = Command::new(REAL_TIME[0]);
            command.args(&REAL_TIME[1..]).arg(&self.program);
            command
        } else {
            Command::new(&self.program)
        };
        command.arg(program).env("WINEPREFIX", self.prefix.path()).env("WINEDEBUG", "-all");
        // Without this, wine asks whether to download .NET and a browser.
        command.env("WINEDLLOVERRIDES", "mscoree,mshtml=");
        self.display.set_for(&mut command);
        command
    }

    /// Starts a program for Windows and writes `input` to its standard input.
    pub fn start_program(&self, program: &Path, arguments: &[&str], input: Option<&str>) -> Child {
        Child::start(self.command(program).args(arguments), input)
    }

    /// A Windows path of an existing folder in the prefix, which only one caller uses.
    pub fn folder(&self, name: &str) -> String {
        std::fs::create_dir_all(self.prefix.path().join("drive_c").join(name)).expect("the prefix can be written");
        format!("C:\\{name}")
    }

    fn add_stub(&self) -> Result<(), Missing> {
        let system = self.prefix.path().join("drive_c/windows/system32");
        if system.join(STUB).exists() {
            return Ok(());
        }
        if !has_program(COMPILER) {
            return Err(Missing(format!("needs {COMPILER} (Debian: gcc-mingw-w64-x86-64)")));
        }
        let source = self.prefix.path().join("stub.c");
        std::fs::write(&source, STUB_SOURCE).expect("the prefix can be written");
        let mut compile = Command::new(COMPILER);
        compile.arg("-shared").arg(&source).arg("-o").arg(system.join(STUB)).arg("-lbcrypt");
        if compile.status().is_ok_and(|status| status.success()) {
            Ok(())
        } else {
            Err(Missing(format!("{STUB} does not compile")))
        }
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        let server = self.program.with_file_name("wineserver64");
        let server = if server.is_file() { server } else { self.program.with_file_name("wineserver") };
        let _ = Command::new(server).arg("-k").env("WINEPREFIX", self.prefix.path()).status();
    }
}

/// A file of the build for Windows: in `$RTJAM_WINDOWS`, otherwise where `cargo xtask cross windows` puts it.
///
/// # Errors
/// It has not been built.
pub fn built(file: &str) -> Result<PathBuf, Missing> {
    let folder = std::env::var_os("RTJAM_WINDOWS").map(PathBuf::from);
    let path = folder.unwrap_or_else(|| target_folder().join("dist/windows-x86_64")).join(file);
    if path.is_file() {
        Ok(path)
    } else {
        Err(Missing(format!("no {}; build it: cargo xtask cross windows", path.display())))
    }
}
