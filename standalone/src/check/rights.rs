//! Checks what this user may do: real-time priority and locked memory.

use super::system_files::SystemFiles;
use crate::backends::{AudioHealth, raise_priority};
use rtjam_check::Finding;
use std::thread;

/// What JACK locks at most: its shared memory is about 100 MB large.
const LOCKED_BY_JACK: u64 = 128 << 20;

/// The capability that lifts the limit of locked memory (capabilities(7)).
const CAP_IPC_LOCK: u32 = 14;

/// Checks whether an audio thread gets real-time priority, by asking for it.
pub(super) fn priority(files: &SystemFiles) -> Option<Finding> {
    if !files.is_linux() {
        return None;
    }
    // On a thread of its own, because the thread keeps the priority.
    let granted = thread::spawn(|| {
        let health = AudioHealth::default();
        raise_priority(&health);
        !health.take_priority_denied()
    });
    Some(judge_priority(files, granted.join().unwrap_or(false)))
}

fn judge_priority(files: &SystemFiles, granted: bool) -> Finding {
    const PART: &str = "real-time priority";
    if granted {
        return Finding::good(PART, "is granted to audio threads");
    }
    let limit = limit(files, "Max realtime priority").map_or_else(String::new, |n| format!(" (limit {n})"));
    let advice = format!("Audio drops out whenever another program is busy. {}", allow(files));
    Finding::warn(PART, format!("is refused to audio threads{limit}"), advice)
}

/// Checks whether JACK can keep its memory from being swapped out.
pub(super) fn locked_memory(files: &SystemFiles) -> Option<Finding> {
    const PART: &str = "locked memory";
    let limit = limit(files, "Max locked memory")?;
    if limit == "unlimited" || has_capability(files, CAP_IPC_LOCK) {
        return Some(Finding::good(PART, "is not limited"));
    }
    let bytes: u64 = limit.parse().ok()?;
    let seen = format!("at most {} MiB", bytes >> 20);
    if bytes >= LOCKED_BY_JACK {
        return Some(Finding::good(PART, seen));
    }
    let advice =
        format!("JACK cannot lock its memory, and may have to wait until it is read from disk. {}", allow(files));
    Some(Finding::warn(PART, seen, advice))
}

/// How the user gets both rights.
fn allow(files: &SystemFiles) -> String {
    let join = match is_in_group(files, "audio") {
        Some(true) => "",
        _ => "sudo usermod -aG audio $USER && ",
    };
    format!("Run: {join}sudo dpkg-reconfigure -p high jackd2 (answer yes). Then log in again.")
}

/// The soft limit of this process.
fn limit(files: &SystemFiles, name: &str) -> Option<String> {
    let limits = files.read("proc/self/limits")?;
    let values = limits.lines().find_map(|line| line.strip_prefix(name))?;
    Some(values.split_whitespace().next()?.to_owned())
}

fn has_capability(files: &SystemFiles, number: u32) -> bool {
    let effective = status(files, "CapEff:").and_then(|hex| u64::from_str_radix(&hex, 16).ok());
    effective.is_some_and(|set| set >> number & 1 == 1)
}

/// Whether this process is in a group. `None`: there is no such group, or the system does not tell.
fn is_in_group(files: &SystemFiles, name: &str) -> Option<bool> {
    let groups = files.read("etc/group")?;
    let line = groups.lines().find(|line| line.split(':').next() == Some(name))?;
    let number = line.split(':').nth(2)?;
    Some(status(files, "Groups:")?.split_whitespace().any(|group| group == number))
}

fn status(files: &SystemFiles, key: &str) -> Option<String> {
    let status = files.read("proc/self/status")?;
    Some(status.lines().find_map(|line| line.strip_prefix(key))?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::system_files::tests::FakeSystem;
    use super::*;
    use rtjam_check::Verdict;

    const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units\n\
         Max locked memory         8388608              8388608              bytes\n\
         Max realtime priority     0                    95                   \n";

    fn system(groups: &str) -> FakeSystem {
        FakeSystem::new()
            .with("proc/self/limits", LIMITS)
            .with("proc/self/status", &format!("Name:\trtjam\nGroups:\t{groups}\nCapEff:\t0000000000000000\n"))
            .with("etc/group", "root:x:0:\naudio:x:29:pulse\nusers:x:100:\n")
    }

    /// Who is in the group "audio" is not told to join it.
    #[test]
    fn refused_priority_names_the_missing_step() {
        let outside = judge_priority(&system("100 27").files(), false);
        assert!(outside.verdict == Verdict::Warn && outside.seen.contains("limit 0"), "{outside}");
        assert!(outside.advice.is_some_and(|a| a.contains("usermod -aG audio") && a.contains("dpkg-reconfigure")));
        let inside = judge_priority(&system("29 100").files(), false);
        assert!(inside.advice.is_some_and(|a| !a.contains("usermod") && a.contains("dpkg-reconfigure")));
        assert_eq!(judge_priority(&system("100").files(), true).verdict, Verdict::Good);
    }

    #[test]
    fn small_memory_limit_is_warned_about() {
        let verdict = |limits: &str, effective: &str| {
            let system = system("100").with("proc/self/limits", limits);
            let system = system.with("proc/self/status", &format!("Groups:\t\nCapEff:\t{effective}\n"));
            locked_memory(&system.files()).map(|finding| finding.verdict)
        };
        assert_eq!(verdict(LIMITS, "0"), Some(Verdict::Warn));
        assert_eq!(verdict(LIMITS, "000001ffffffffff"), Some(Verdict::Good));
        assert_eq!(verdict(&LIMITS.replace("8388608", "unlimited"), "0"), Some(Verdict::Good));
        assert_eq!(verdict(&LIMITS.replace("8388608", "268435456"), "0"), Some(Verdict::Good));
        assert_eq!(verdict("nonsense", "0"), None);
    }
}
