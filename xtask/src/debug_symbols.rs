//! Separates debug information: programs and libraries ship without it, and debuggers find it in a file of its own.

use std::path::{Path, PathBuf};

use crate::command;
use crate::workspace::Workspace;

/// Symbols that stay in a program or library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Function names, which crash logs show.
    Names,
    /// Only what is needed at run time.
    Nothing,
}

/// Moves the debug information of `file` into `folder/NAME.debug` and returns that path. `file` refers to it by name and
/// checksum, so debuggers find it beside `file`, in a folder `.debug` there, and under `/usr/lib/debug`.
///
/// `objcopy` is the program of that name for the file's system; it is part of binutils like the linker. Not for macOS.
pub(crate) fn split(
    workspace: &Workspace,
    objcopy: &str,
    file: &Path,
    folder: &Path,
    keep: Keep,
) -> Result<PathBuf, String> {
    let name = file.file_name().ok_or_else(|| format!("{} is no file.", file.display()))?;
    let mut symbols = folder.join(name).into_os_string();
    symbols.push(".debug");
    let symbols = PathBuf::from(symbols);
    std::fs::create_dir_all(folder).map_err(|e| format!("{} cannot be made: {e}.", folder.display()))?;
    run(workspace, objcopy, &["--only-keep-debug"], file, Some(&symbols))?;
    let mut link = std::ffi::OsString::from("--add-gnu-debuglink=");
    link.push(&symbols);
    let strip = if keep == Keep::Names { "--strip-debug" } else { "--strip-unneeded" };
    run(workspace, objcopy, &[strip.as_ref(), link.as_os_str()], file, None)?;
    Ok(symbols)
}

/// The program for files of the system that this one runs on.
pub(crate) const OBJCOPY: &str = "objcopy";

fn run<A: AsRef<std::ffi::OsStr>>(
    workspace: &Workspace,
    objcopy: &str,
    options: &[A],
    file: &Path,
    to: Option<&Path>,
) -> Result<(), String> {
    let mut command = workspace.command(objcopy);
    command.args(options).arg(file).args(to);
    command::output(&mut command).map(|_| ()).ok_or_else(|| {
        format!(
            "{objcopy} fails on {}. It is part of binutils; check that `{objcopy} --version` works.",
            file.display()
        )
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::fs;

    /// Names and sizes of the sections of a file.
    fn sections(workspace: &Workspace, file: &Path) -> String {
        command::output(workspace.command("objdump").arg("-h").arg(file)).expect("objdump reads it")
    }

    /// The program refers to the file with its debug information.
    #[test]
    fn debug_information_moves_to_a_file() {
        let workspace = Workspace::find();
        let folder = std::env::temp_dir().join(format!("rtjam-symbols-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("writable");
        let own = std::env::current_exe().expect("the test's own path is known");
        for keep in [Keep::Names, Keep::Nothing] {
            let file = folder.join("program");
            fs::copy(&own, &file).expect("copied");
            let before = fs::metadata(&file).expect("there").len();
            assert!(sections(&workspace, &file).contains(".debug_line"), "the test has debug information");
            let symbols = split(&workspace, OBJCOPY, &file, &folder.join("debug"), keep).expect("split");
            assert_eq!(symbols, folder.join("debug/program.debug"));
            let (left, moved) = (sections(&workspace, &file), sections(&workspace, &symbols));
            assert!(!left.contains(".debug_line") && left.contains(".gnu_debuglink"), "{left}");
            assert!(moved.contains(".debug_line"), "{moved}");
            let names = command::output(workspace.command("nm").arg(&file)).unwrap_or_default();
            assert_eq!(names.contains("debug_symbols"), keep == Keep::Names);
            assert!(fs::metadata(&file).expect("there").len() < before);
            // The program still runs.
            let tests = command::output(workspace.command(file.to_str().expect("UTF-8")).arg("--list"));
            assert!(tests.expect("it runs").contains("debug_information_moves"));
        }
        fs::remove_dir_all(folder).expect("our own");
    }
}
