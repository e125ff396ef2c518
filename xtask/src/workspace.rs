//! Where things are, and how cargo is called.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::command::{self, Ended};
use crate::stop::Stop;

pub(crate) struct Workspace {
    root: PathBuf,
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
        // What `cargo run` told this program about itself. Build scripts that look at it would run anew each time.
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

    /// Where cargo builds.
    pub(crate) fn target_folder(&self) -> Result<PathBuf, String> {
        let text = command::output(&mut self.cargo(["metadata", "--no-deps", "--format-version", "1"]));
        let metadata: Option<serde_json::Value> = text.and_then(|text| serde_json::from_str(&text).ok());
        let folder = metadata.as_ref().and_then(|m| m.get("target_directory")?.as_str());
        folder.map(PathBuf::from).ok_or_else(|| "cargo does not say where it builds.".to_owned())
    }

    /// Builds the two programs and the plugin in release, exactly as `jam` runs them, and returns the folder they are in.
    pub(crate) fn build_programs(&self, stop: &Stop) -> Result<PathBuf, String> {
        let mut cargo = self.cargo(["build", "--release", "-p", "rtjam-server", "-p", "rtjam", "--bins", "--lib"]);
        cargo.arg("--message-format=json-render-diagnostics");
        let mut executables = Vec::new();
        let ended = command::run_reading(&mut cargo, stop, Duration::from_secs(40 * 60), |line| {
            executables.extend(executable_of(line));
        })?;
        match ended {
            Ended::Well => {}
            Ended::Badly(how) => return Err(format!("the release build failed ({how}).")),
        }
        let folder = executables.iter().find_map(|path| path.parent());
        folder.map(Path::to_owned).ok_or_else(|| "cargo built no program.".to_owned())
    }
}

/// The executable that a line of cargo's JSON messages names.
fn executable_of(line: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    Some(PathBuf::from(message.get("executable")?.as_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_with_an_executable_name_one() {
        let built = r#"{"reason":"compiler-artifact","target":{"name":"rtjam"},"executable":"/t/release/rtjam"}"#;
        assert_eq!(executable_of(built), Some(PathBuf::from("/t/release/rtjam")));
        assert_eq!(executable_of(r#"{"reason":"compiler-artifact","executable":null}"#), None);
        assert_eq!(executable_of("warning: not JSON"), None);
    }
}
