//! Reads the output of tests with `--show-output`: counts the tests, and of the output of passed tests keeps only the reasons
//! for skipping.

use std::fmt;
use std::ops::AddAssign;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tests {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) ignored: u64,
    /// Passed tests that skipped a part.
    pub(super) skipped: u64,
    /// Names, for the summary.
    pub(super) failures: Vec<String>,
}

#[derive(Default)]
pub(super) struct Transcript {
    pub(super) tests: Tests,
    section: Section,
}

/// The current section of the output. Passed tests and failed tests each have two sections with the same heading, first
/// output, then names; the output of a test may look like a test run.
#[derive(Default)]
enum Section {
    #[default]
    Run,
    /// Output of the test of this name, once one was named.
    PassedOutput(String),
    PassedNames,
    FailedOutput,
    FailedNames,
}

impl Transcript {
    /// The part of the line to print, if any.
    pub(super) fn read(&mut self, line: &str) -> Option<String> {
        match (line, &mut self.section) {
            ("successes:", Section::Run) => self.section = Section::PassedOutput(String::new()),
            ("successes:", Section::PassedOutput(_)) => self.section = Section::PassedNames,
            ("failures:", Section::Run | Section::PassedNames) => {
                self.section = Section::FailedOutput;
                return Some(line.to_owned());
            }
            ("failures:", Section::FailedOutput) => {
                self.section = Section::FailedNames;
                return Some(line.to_owned());
            }
            (_, Section::PassedOutput(test)) => {
                if let Some(name) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
                    name.clone_into(test);
                }
                let reason = line.strip_prefix("skipped: ")?;
                self.tests.skipped += 1;
                return Some(format!("skipped: {test}: {reason}"));
            }
            (_, Section::FailedOutput) => return Some(line.to_owned()),
            (_, section) => {
                if let Some(counts) = line.strip_prefix("test result: ") {
                    self.tests.add(counts);
                    self.section = Section::Run;
                } else if let Some(name) = line.strip_prefix("test ").and_then(|l| l.strip_suffix(" ... FAILED")) {
                    self.tests.failures.push(name.to_owned());
                } else if matches!(section, Section::PassedNames) {
                    return None;
                }
                return Some(line.to_owned());
            }
        }
        None
    }
}

impl Tests {
    /// Adds counts such as "ok. 3 passed; 0 failed; 1 ignored; …".
    fn add(&mut self, counts: &str) {
        for part in counts.split([';', '.']) {
            let mut words = part.split_whitespace();
            let (Some(number), Some(what)) = (words.next().and_then(|w| w.parse::<u64>().ok()), words.next()) else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

impl AddAssign for Tests {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.skipped += other.skipped;
        self.failures.extend(other.failures);
    }
}

impl fmt::Display for Tests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tests passed, {} failed", self.passed, self.failed)?;
        for (number, what) in [(self.ignored, "ignored"), (self.skipped, "skipped in part")] {
            if number > 0 {
                write!(f, ", {number} {what}")?;
            }
        }
        for name in &self.failures {
            write!(f, "\n         failed: {name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "\
running 3 tests
test wire::link ... ok
test path::rebinding ... ok
test path::spoofed ... FAILED

successes:

---- wire::link stdout ----
chatter

---- path::rebinding stdout ----
running 1 test
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.50s
skipped: no root

successes:
    path::rebinding
    wire::link

failures:

---- path::spoofed stdout ----
one byte came back
test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.50s

failures:
    path::spoofed

test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.50s
test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
";

    /// Results in the output of tests are not counted; of that output only reasons for skipping and failures are shown.
    #[test]
    fn results_ignore_test_output() {
        let mut transcript = Transcript::default();
        let shown: Vec<String> = RUN.lines().filter_map(|line| transcript.read(line)).collect();
        let failures = vec!["path::spoofed".to_owned()];
        assert_eq!(transcript.tests, Tests { passed: 5, failed: 1, ignored: 1, skipped: 1, failures });
        assert!(shown.contains(&"skipped: path::rebinding: no root".to_owned()));
        assert!(shown.contains(&"one byte came back".to_owned()));
        assert!(!shown.iter().any(|line| line.contains("chatter")));
        let text = transcript.tests.to_string();
        assert_eq!(text.lines().next(), Some("5 tests passed, 1 failed, 1 ignored, 1 skipped in part"));
        assert!(text.ends_with("failed: path::spoofed"));
    }
}
