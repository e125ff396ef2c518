//! pedalboard, a plugin host for Python, in an environment of its own.

use std::time::Duration;

use crate::command::{self, Ended};
use crate::stop::Stop;
use crate::workspace::Workspace;

/// As the tests were made with.
const VERSION: &str = "0.9.26";

/// Installs it into the folder `pedalboard` of cargo's target folder, unless it is there.
pub(super) fn install(workspace: &Workspace, stop: &Stop) -> Result<(), String> {
    let folder = workspace.target_folder()?.join("pedalboard");
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let mut ask = workspace.command(&python.to_string_lossy());
    ask.args(["-c", "from importlib.metadata import version; print(version('pedalboard'))"]);
    if python.is_file() && command::output(&mut ask).is_some_and(|version| version.trim() == VERSION) {
        return Ok(());
    }
    println!("set-up: installing pedalboard {VERSION} into {}", folder.display());
    let mut venv = workspace.command("python3");
    step(venv.args(["-m", "venv"]).arg(&folder), stop)?;
    let mut pip = workspace.command(&python.to_string_lossy());
    let wanted = format!("pedalboard=={VERSION}");
    // Built from source it would need an hour, and libraries.
    step(pip.args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:", &wanted]), stop)
}

fn step(command: &mut std::process::Command, stop: &Stop) -> Result<(), String> {
    let how = match command::run(command, stop, Duration::from_secs(10 * 60)) {
        Ok(Ended::Well) => return Ok(()),
        Ok(Ended::Badly(how)) => how,
        Err(sentence) => sentence,
    };
    Err(format!("pedalboard {VERSION} could not be installed ({how})."))
}
