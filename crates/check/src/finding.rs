//! The result of checking one part of the machine.

use serde::Serialize;
use std::fmt;

/// Whether a part of the machine suits the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Verdict {
    /// It does.
    #[serde(rename = "ok")]
    Good,
    /// The program works, but musicians may hear the defect.
    #[serde(rename = "warn")]
    Warn,
    /// The program cannot work.
    #[serde(rename = "bad")]
    Bad,
}

impl Verdict {
    /// The exit code of a check whose worst verdict this is: 0 good, 3 warn, 1 bad. (2 is wrong usage.)
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Good => 0,
            Verdict::Warn => 3,
            Verdict::Bad => 1,
        }
    }
}

/// The result of checking one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The part's name.
    pub part: &'static str,
    /// Whether it suits.
    pub verdict: Verdict,
    /// The observation: a clause without a full stop.
    pub seen: String,
    /// What to do, in sentences.
    pub advice: Option<String>,
}

impl Finding {
    /// A part that suits.
    pub fn good(part: &'static str, seen: impl Into<String>) -> Finding {
        Finding { part, verdict: Verdict::Good, seen: seen.into(), advice: None }
    }

    /// A part with a defect that musicians may hear.
    pub fn warn(part: &'static str, seen: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { part, verdict: Verdict::Warn, seen: seen.into(), advice: Some(advice.into()) }
    }

    /// A part with which the program cannot work.
    pub fn bad(part: &'static str, seen: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Bad, ..Finding::warn(part, seen, advice) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.verdict {
            Verdict::Good => "ok",
            Verdict::Warn => "warn",
            Verdict::Bad => "bad",
        };
        write!(f, "{word:<5} {:<19} {}", self.part, self.seen)?;
        self.advice.iter().try_for_each(|advice| write!(f, "\n      -> {advice}"))
    }
}

/// The worst verdict of all findings.
pub fn worst_verdict(findings: &[Finding]) -> Verdict {
    findings.iter().map(|f| f.verdict).max().unwrap_or(Verdict::Good)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Advice stands on its own line, and the worst verdict counts.
    #[test]
    fn findings_are_rendered_and_ranked() {
        let good = Finding::good("clock", "fine");
        let warn = Finding::warn("disk", "nearly full", "Make room.");
        assert_eq!(good.to_string(), "ok    clock               fine");
        assert_eq!(warn.to_string(), "warn  disk                nearly full\n      -> Make room.");
        let bad = Finding::bad("ports", "taken", "End it.");
        let code = |findings: &[Finding]| worst_verdict(findings).exit_code();
        assert_eq!(code(std::slice::from_ref(&good)), 0);
        assert_eq!(code(&[good, warn.clone()]), 3);
        assert_eq!(code(&[bad, warn]), 1);
    }
}
