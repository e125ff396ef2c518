//! Reads what `cargo test -- --show-output` prints: counts the tests, and leaves of what passed tests print only why
//! something was skipped.

use std::fmt;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tests {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) ignored: u64,
    /// Passed ones that said that they could not have their part.
    pub(super) skipped: u64,
    /// Names, for the closing lines.
    pub(super) failures: Vec<String>,
}

#[derive(Default)]
pub(super) struct Transcript {
    pub(super) tests: Tests,
    /// Inside what passed tests printed: the test's name, once one was named.
    success: Option<String>,
}

impl Transcript {
    /// What to show of the line.
    pub(super) fn read(&mut self, line: &str) -> Option<String> {
        match line {
            "successes:" => {
                self.success.get_or_insert_default();
                return None;
            }
            "failures:" => self.success = None,
            _ => {}
        }
        if let Some((_, counts)) = line.split_once("test result: ") {
            self.success = None;
            self.tests.add(counts);
        }
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.tests.failures.push(name.to_owned());
        }
        let Some(test) = &mut self.success else { return Some(line.to_owned()) };
        if let Some(name) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
            name.clone_into(test);
        }
        let reason = line.strip_prefix("skipped: ")?;
        self.tests.skipped += 1;
        Some(format!("skipped: {test}: {reason}"))
    }
}

impl Tests {
    /// "ok. 3 passed; 0 failed; 1 ignored; …"
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
skipped: no root

successes:
    path::rebinding
    wire::link

failures:

---- path::spoofed stdout ----
one byte came back

test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.50s
test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
";

    #[test]
    fn results_add_up_and_only_skips_and_failures_are_shown_of_the_output() {
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
