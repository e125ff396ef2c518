//! Fuzz targets: each file of `fuzz_targets` in [`FOLDER`].

use std::fs;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::command::{self, Ended, Stop};
use crate::pool;
use crate::workspace::Workspace;

/// Package of the fuzz targets.
const FOLDER: &str = "crates/protocol/fuzz";

/// Runs each target for `time`, as many at once as there are processors, and returns their number. Each starts with the
/// committed inputs of `corpus/TARGET`; new ones stay in cargo's target folder. A crash leaves its input in `artifacts`.
pub(crate) fn run(workspace: &Workspace, stop: &Stop, time: Duration) -> Result<usize, String> {
    let targets = targets(workspace)?;
    // Without a sanitizer the stable compiler is sufficient: the code under test is safe Rust.
    let mut build = workspace.cargo(["fuzz", "build", "--fuzz-dir", FOLDER, "--sanitizer", "none"]);
    if let Ended::Badly(how) = command::run(&mut build, stop, Duration::from_secs(20 * 60))? {
        return Err(format!("the fuzz targets do not build ({how})."));
    }
    let found = Mutex::new(Vec::new());
    pool::each(&targets, pool::processors(), |target| {
        if !stop.asked()
            && let Err(sentence) = one(workspace, stop, target, time)
        {
            found.lock().unwrap_or_else(PoisonError::into_inner).push(sentence);
        }
    });
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    if stop.asked() {
        Err("stopped.".to_owned())
    } else if found.is_empty() {
        Ok(targets.len())
    } else {
        Err(found.join(" "))
    }
}

/// Runs one target and prints its output at the end, because another one may run in parallel.
fn one(workspace: &Workspace, stop: &Stop, target: &str, time: Duration) -> Result<(), String> {
    let found = workspace.target_folder()?.join("fuzz-corpus").join(target);
    fs::create_dir_all(&found).map_err(|e| format!("cannot make {}: {e}", found.display()))?;
    // The fuzzer adds to the first folder and only reads from the others.
    let mut fuzz = workspace.cargo(["fuzz", "run", "--fuzz-dir", FOLDER, "--sanitizer", "none", target]);
    fuzz.args([found, workspace.path(FOLDER).join("corpus").join(target)]);
    fuzz.arg("--").arg(format!("-max_total_time={}", time.as_secs()));
    fuzz.args(["-timeout=5", "-rss_limit_mb=1024", "-verbosity=0", "-print_final_stats=1"]);
    let mut text = format!("fuzz: {target}, {} s\n", time.as_secs());
    let ended = command::run_reading(fuzz.stderr(Stdio::piped()), stop, time + Duration::from_secs(300), |line| {
        text.push_str(line);
        text.push('\n');
    });
    print!("{text}");
    match ended? {
        Ended::Well => Ok(()),
        Ended::Badly(how) => {
            Err(format!("{target} found a failure ({how}); its input is in {FOLDER}/artifacts/{target}."))
        }
    }
}

fn targets(workspace: &Workspace) -> Result<Vec<String>, String> {
    let folder = workspace.path(FOLDER).join("fuzz_targets");
    let entries = fs::read_dir(&folder).map_err(|e| format!("cannot read {}: {e}", folder.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    if names.is_empty() { Err(format!("{} has no targets.", folder.display())) } else { Ok(names) }
}
