//! The printed results of the steps.

use std::fmt::Write as _;
use std::time::Duration;

use super::count::Tests;

/// How a step ended.
pub(super) enum Outcome {
    /// With the tests that it ran, if it counts tests.
    Passed(Option<Tests>),
    Skipped(String),
    Failed(String, Option<Tests>),
}

impl From<Result<(), String>> for Outcome {
    fn from(result: Result<(), String>) -> Self {
        match result {
            Ok(()) => Self::Passed(None),
            Err(sentence) => Self::Failed(sentence, None),
        }
    }
}

pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) outcome: Outcome,
    pub(super) took: Duration,
}

pub(super) fn all_well(rows: &[Row]) -> bool {
    rows.iter().all(|row| !matches!(row.outcome, Outcome::Failed(..)))
}

/// A step as one line.
pub(super) fn line(row: &Row) -> String {
    let (word, more) = match &row.outcome {
        Outcome::Passed(None) => ("passed", String::new()),
        Outcome::Passed(Some(tests)) => ("passed", tests.to_string()),
        Outcome::Skipped(reason) => ("skipped", format!("skipped: {reason}")),
        Outcome::Failed(sentence, None) => ("FAILED", sentence.clone()),
        Outcome::Failed(sentence, Some(tests)) => ("FAILED", format!("{sentence} {tests}")),
    };
    format!("{:<8} {word:<8} {:>8}  {more}", row.name, duration(row.took)).trim_end().to_owned()
}

/// The table, the commands that rerun failed steps, and a last line with the number of passes and failures: each test, and
/// each step that counts no tests.
pub(super) fn closing(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let _ = writeln!(text, "{}", line(row));
    }
    let total: Duration = rows.iter().map(|row| row.took).sum();
    let _ = writeln!(text, "{:<8} {:<8} {:>8}", "total", "", duration(total));
    for row in rows.iter().filter(|row| matches!(row.outcome, Outcome::Failed(..))) {
        let alone = if row.name == "set-up" { "setup".to_owned() } else { format!("test {}", row.name) };
        let _ = writeln!(text, "Failed: {}. To run only it: cargo xtask {alone}", row.name);
    }
    let (passed, failed) = rows.iter().map(counts).fold((0, 0), |(p, f), (passed, failed)| (p + passed, f + failed));
    let _ = writeln!(text, "{passed} passed, {failed} failed");
    text
}

fn counts(row: &Row) -> (u64, u64) {
    match &row.outcome {
        Outcome::Passed(None) => (1, 0),
        Outcome::Passed(Some(tests)) => (tests.passed, 0),
        Outcome::Skipped(_) => (0, 0),
        Outcome::Failed(_, None) => (0, 1),
        // A step can fail without a failed test: if it does not compile, or if it ran no test.
        Outcome::Failed(_, Some(tests)) => (tests.passed, tests.failed.max(1)),
    }
}

/// Seconds, or minutes and seconds.
pub(crate) fn duration(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if seconds < 100.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{}:{:02} min", took.as_secs() / 60, took.as_secs() % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &'static str, outcome: Outcome, seconds: u64) -> Row {
        Row { name, outcome, took: Duration::from_secs(seconds) }
    }

    /// The last line counts tests and steps.
    #[test]
    fn last_line_counts_everything() {
        let rows = [
            row("fmt", Outcome::Passed(None), 1),
            row("unit", Outcome::Passed(Some(Tests { passed: 40, ..Tests::default() })), 100),
            row("fuzz", Outcome::Skipped("no fuzzer here".to_owned()), 0),
        ];
        assert!(all_well(&rows));
        let text = closing(&rows);
        assert_eq!(text.lines().last(), Some("41 passed, 0 failed"));
        assert!(text.contains("skipped: no fuzzer here") && text.contains("1:40 min") && text.contains("1:41 min"));
    }

    /// A failed step is named with the command that reruns it.
    #[test]
    fn failed_steps_show_rerun_command() {
        let rows = [
            row("clippy", Outcome::Failed("exit code 101.".to_owned(), None), 9),
            row(
                "unit",
                Outcome::Failed("exit code 101.".to_owned(), Some(Tests { passed: 3, failed: 2, ..Tests::default() })),
                9,
            ),
            row("e2e", Outcome::Failed("exit code 101.".to_owned(), Some(Tests::default())), 9),
        ];
        assert!(!all_well(&rows));
        let text = closing(&rows);
        assert!(text.contains("Failed: clippy. To run only it: cargo xtask test clippy"), "{text}");
        assert_eq!(text.lines().last(), Some("3 passed, 4 failed"));
    }
}
