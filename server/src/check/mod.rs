//! `rtjam-server check`: checks what a server needs from this machine, and says what to do.

mod disk;
mod machine;
mod network;
mod scheduling;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

/// Whether a part of the machine suits a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It does.
    Good,
    /// The server works, but musicians may hear the defect.
    Warn,
    /// The server cannot work.
    Bad,
}

/// The result of checking one part.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    fn good(part: &'static str, seen: impl Into<String>) -> Finding {
        Finding { part, verdict: Verdict::Good, seen: seen.into(), advice: None }
    }

    fn warn(part: &'static str, seen: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { part, verdict: Verdict::Warn, seen: seen.into(), advice: Some(advice.into()) }
    }

    fn bad(part: &'static str, seen: impl Into<String>, advice: impl Into<String>) -> Finding {
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

/// Checks every part, in about a second. The server would listen on `listen`, and `data` is its folder.
pub fn run(listen: Option<&[SocketAddr]>, data: &Path) -> Vec<Finding> {
    vec![
        network::ports(listen, data),
        network::buffers(),
        network::segmentation(),
        scheduling::priority(),
        scheduling::wake_ups(),
        machine::processor(),
        machine::clock(),
        machine::open_files(),
        disk::disk(data),
    ]
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
        assert_eq!(worst_verdict(&[good.clone(), warn.clone()]), Verdict::Warn);
        assert_eq!(worst_verdict(&[bad, warn]), Verdict::Bad);
        assert_eq!(worst_verdict(&[good]), Verdict::Good);
    }
}
