//! Paths of the workspace, and calls of cargo.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::command::{self, Ended, Stop};

pub(crate) struct Workspace {
    root: PathBuf,
}

/// A test program that cargo built.
#[derive(Debug, PartialEq)]
pub(crate) struct TestProgram {
    /// Name of the file in `tests/`, or "lib" or "bin" and the name of a crate with unit tests.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self { root: here.parent().unwrap_or(here).to_owned() }
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).stdin(Stdio::null());
        // What `cargo run` tells this program about itself would make build scripts that read it run again each time.
        for (name, _) in std::env::vars_os() {
            let is_ours =
                name.to_str().is_some_and(|n| n.starts_with("CARGO_PKG_") || n.starts_with("CARGO_MANIFEST_"));
            if is_ours {
                command.env_remove(name);
            }
        }
        command
    }

    pub(crate) fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let mut command = self.command(&cargo);
        command.args(arguments);
        command
    }

    /// Cargo's target folder.
    pub(crate) fn target_folder(&self) -> Result<PathBuf, String> {
        let text = command::output(&mut self.cargo(["metadata", "--no-deps", "--format-version", "1"]));
        let metadata: Option<serde_json::Value> = text.and_then(|text| serde_json::from_str(&text).ok());
        let folder = metadata.as_ref().and_then(|m| m.get("target_directory")?.as_str());
        folder.map(PathBuf::from).ok_or_else(|| "cargo does not say where it builds.".to_owned())
    }

    /// Builds the two programs and the plugin in release, as they are packaged, and returns their folder.
    pub(crate) fn build_release(&self, stop: &Stop) -> Result<PathBuf, String> {
        self.build_products("release", stop)
    }

    /// Builds the two programs and the plugin with a profile, and returns their folder.
    pub(crate) fn build_products(&self, profile: &str, stop: &Stop) -> Result<PathBuf, String> {
        let packages = ["-p", "rtjam-server", "-p", "rtjam", "-p", "rtjam-plugin"];
        let mut cargo = self.cargo(["build", "--profile", profile, "--bins", "--lib"]);
        self.build_executables(cargo.args(packages), stop, &format!("the {profile} build"))
    }

    /// Builds programs, and returns their folder.
    pub(crate) fn build_executables(&self, cargo: &mut Command, stop: &Stop, what: &str) -> Result<PathBuf, String> {
        cargo.arg("--message-format=json-render-diagnostics");
        let mut executables = Vec::new();
        build(cargo, stop, what, |line| executables.extend(executable_of(line)))?;
        let folder = executables.iter().find_map(|path| path.parent());
        folder.map(Path::to_owned).ok_or_else(|| "cargo built no program.".to_owned())
    }

    /// Builds the tests of a package, and returns the test programs sorted by name.
    pub(crate) fn build_tests(&self, package: &str, stop: &Stop) -> Result<Vec<TestProgram>, String> {
        let mut cargo = self.cargo(["test", "-p", package, "--no-run", "--message-format=json-render-diagnostics"]);
        let mut programs = Vec::new();
        build(&mut cargo, stop, "the build of the tests", |line| programs.extend(test_program_of(line)))?;
        programs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(programs)
    }
}

fn build(cargo: &mut Command, stop: &Stop, what: &str, on_line: impl FnMut(&str)) -> Result<(), String> {
    match command::run_reading(cargo, stop, Duration::from_secs(40 * 60), on_line)? {
        Ended::Well => Ok(()),
        Ended::Badly(how) => Err(format!("{what} failed ({how}).")),
    }
}

/// The executable in a line of cargo's JSON messages.
fn executable_of(line: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    Some(PathBuf::from(message.get("executable")?.as_str()?))
}

/// The test program in a line of cargo's JSON messages.
fn test_program_of(line: &str) -> Option<TestProgram> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let is_test = message.get("profile")?.get("test")?.as_bool()?;
    let target = message.get("target")?;
    let name = match (target.get("kind")?.get(0)?.as_str()?, target.get("name")?.as_str()?) {
        ("test", name) => name.to_owned(),
        (kind, name) => format!("{kind} {name}"),
    };
    let path = PathBuf::from(message.get("executable")?.as_str()?);
    is_test.then_some(TestProgram { name, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only messages with an executable name one.
    #[test]
    fn executables_are_read_from_messages() {
        let built = r#"{"reason":"compiler-artifact","target":{"name":"rtjam"},"executable":"/t/release/rtjam"}"#;
        assert_eq!(executable_of(built), Some(PathBuf::from("/t/release/rtjam")));
        assert_eq!(executable_of(r#"{"reason":"compiler-artifact","executable":null}"#), None);
        assert_eq!(executable_of("warning: not JSON"), None);
    }

    /// Test programs are distinguished from the programs that they run.
    #[test]
    fn tests_differ_from_programs() {
        let line = |kind, test| {
            let target = format!(r#"{{"kind":["{kind}"],"name":"load"}}"#);
            format!(r#"{{"target":{target},"profile":{{"test":{test}}},"executable":"/t/load-1"}}"#)
        };
        let named = |name: &str| Some(TestProgram { name: name.to_owned(), path: PathBuf::from("/t/load-1") });
        assert_eq!(test_program_of(&line("test", true)), named("load"));
        assert_eq!(test_program_of(&line("bin", true)), named("bin load"));
        assert_eq!(test_program_of(&line("bin", false)), None);
    }
}
