//! `cargo xtask test [STEP…]`: all checks.

mod count;
pub(crate) mod e2e;
pub(crate) mod fuzz;
mod report;
mod steps;

use std::process::{Command, ExitCode};
use std::time::Instant;

use crate::command::Stop;
use crate::setup;
use crate::workspace::Workspace;
use report::{Outcome, Row};
use steps::{STEPS, Step};

pub(crate) use report::duration;
pub(crate) use steps::{is_step, list, models};

/// Runs the named steps, or all of them, in the order of the table.
pub(crate) fn run(workspace: &Workspace, stop: &Stop, names: &[String]) -> Result<ExitCode, String> {
    let is_chosen = |step: &&Step| {
        if names.is_empty() { !step.on_request } else { names.iter().any(|name| name == step.name) }
    };
    let chosen: Vec<&Step> = STEPS.iter().filter(is_chosen).collect();
    let mut rows = Vec::new();

    let (set_up, row) = timed("set-up", || set_up(workspace, stop, &chosen));
    rows.push(row);
    if set_up {
        for step in chosen {
            heading(&format!("{}: {}", step.name, step.what));
            let (_, row) = timed(step.name, || one(workspace, stop, step));
            rows.push(row);
            if stop.asked() {
                break;
            }
        }
    }
    println!();
    print!("{}", report::closing(&rows));
    Ok(if report::all_well(&rows) && !stop.asked() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn skip_nothing_if_strict(tests: &mut Command) {
    if setup::is_strict() {
        tests.env("RTJAM_SKIP_NOTHING", "1");
    }
}

fn one(workspace: &Workspace, stop: &Stop, step: &Step) -> Outcome {
    if let Some(reason) = (step.cannot_run)() {
        return if setup::is_strict() {
            Outcome::Failed(format!("skipped: {reason}"), None)
        } else {
            Outcome::Skipped(reason)
        };
    }
    (step.run)(workspace, stop)
}

fn set_up(workspace: &Workspace, stop: &Stop, steps: &[&Step]) -> Outcome {
    let mut lists = Vec::new();
    if steps.iter().any(|step| step.needs_build_packages) {
        lists.push(setup::BUILD);
    }
    if steps.iter().any(|step| step.needs_test_packages) {
        lists.push(setup::TEST);
    }
    let tools = steps.iter().filter(|step| (step.cannot_run)().is_none()).filter_map(|step| step.tool);
    let hosts = steps.iter().any(|step| step.name == "e2e" && (step.cannot_run)().is_none());
    let outcome = setup::system_packages(workspace, &lists)
        .and_then(|()| if hosts { setup::pedalboard(workspace, stop) } else { Ok(()) })
        .and_then(|()| tools.into_iter().try_for_each(|tool| setup::tool(workspace, stop, tool)));
    Outcome::from(outcome)
}

/// Runs a step and prints its outcome and duration.
fn timed(name: &'static str, work: impl FnOnce() -> Outcome) -> (bool, Row) {
    let start = Instant::now();
    let outcome = work();
    let row = Row { name, outcome, took: start.elapsed() };
    println!("{}", report::line(&row));
    (!matches!(row.outcome, Outcome::Failed(..)), row)
}

fn heading(text: &str) {
    println!("\n=== {text}");
}
