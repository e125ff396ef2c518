//! `rtjam-server check`: looks at this machine as a server would use it, and says what to do.

mod disk;
mod machine;
mod network;
mod real_time;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

/// How a part of the machine is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// The server works, but musicians may hear it.
    Warn,
    /// The server cannot work.
    Bad,
}

/// What was found about one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which part.
    pub part: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen: a clause without a full stop.
    pub seen: String,
    /// What to do about it, in sentences.
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

/// Looks at everything; takes about a second. `listen` is where the server would listen, `data` its folder.
pub fn look(listen: Option<&[SocketAddr]>, data: &Path) -> Vec<Finding> {
    vec![
        network::ports(listen, data),
        network::buffers(),
        network::segmentation(),
        real_time::priority(),
        real_time::wake_ups(),
        machine::processor(),
        machine::clock(),
        machine::open_files(),
        disk::disk(data),
    ]
}

/// The worst of all.
pub fn worst(findings: &[Finding]) -> Verdict {
    findings.iter().map(|f| f.verdict).max().unwrap_or(Verdict::Good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_what_to_do_on_a_line_of_its_own_and_the_worst_counts() {
        let good = Finding::good("clock", "fine");
        let warn = Finding::warn("disk", "nearly full", "Make room.");
        assert_eq!(good.to_string(), "ok    clock               fine");
        assert_eq!(warn.to_string(), "warn  disk                nearly full\n      -> Make room.");
        let bad = Finding::bad("ports", "taken", "End it.");
        assert_eq!(worst(&[good.clone(), warn.clone()]), Verdict::Warn);
        assert_eq!(worst(&[bad, warn]), Verdict::Bad);
        assert_eq!(worst(&[good]), Verdict::Good);
    }
}
