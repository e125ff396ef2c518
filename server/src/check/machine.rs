//! Checks processor, clock and open files.

use super::Finding;
use crate::platform::{is_clock_synchronised, open_file_limit};
use rtjam_check::{GOVERNOR_ADVICE, speeds_up_slowly};
use std::fs;
use std::thread::available_parallelism;

/// The properties of a processor that matter to the server.
struct ProcessorFacts {
    cores: usize,
    has_aes: bool,
    /// The frequency governor, if the system tells.
    governor: Option<String>,
    /// The share of time that the host gave to other machines since the start, in thousandths.
    stolen: u64,
}

/// Checks the processor.
pub(super) fn processor() -> Finding {
    judge_processor(&ProcessorFacts {
        cores: available_parallelism().map_or(1, usize::from),
        has_aes: has_aes(),
        governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        stolen: read("/proc/stat").and_then(|stat| stolen(&stat)).unwrap_or(0),
    })
}

fn judge_processor(p: &ProcessorFacts) -> Finding {
    const PART: &str = "processor";
    let aes = if p.has_aes { "AES in hardware" } else { "no AES in hardware" };
    let seen = format!("{} core{}, {aes}", p.cores, if p.cores == 1 { "" } else { "s" });
    if p.stolen >= 10 {
        let seen = format!("{seen}; the host took {} % of the time for other machines", p.stolen / 10);
        return Finding::warn(PART, seen, "Musicians hear that. Use a VM with dedicated processors.");
    }
    if let Some(governor) = p.governor.as_deref().filter(|g| speeds_up_slowly(g)) {
        return Finding::warn(PART, format!("{seen}; its frequency governor is `{governor}`"), GOVERNOR_ADVICE);
    }
    if p.cores == 1 {
        let advice = "Web page, database and audio share it. Use two cores or more.";
        return Finding::warn(PART, seen, advice);
    }
    Finding::good(PART, seen)
}

/// Reads the share of stolen time from `/proc/stat`, in thousandths.
fn stolen(stat: &str) -> Option<u64> {
    let numbers: Vec<u64> = stat.lines().next()?.split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
    // The last two columns, guest times, are included in the first two.
    let all: u64 = numbers.iter().take(8).sum();
    (numbers.get(7)? * 1000).checked_div(all)
}

fn has_aes() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return std::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    false
}

/// Checks the clocks.
pub(super) fn clock() -> Finding {
    let source = read("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    judge_clock(source.as_deref(), is_clock_synchronised())
}

fn judge_clock(source: Option<&str>, synchronised: Option<bool>) -> Finding {
    const PART: &str = "clock";
    let seen = format!("read by {}", source.unwrap_or("the system"));
    match (source, synchronised) {
        (Some("hpet" | "acpi_pm" | "jiffies" | "refined-jiffies"), _) => Finding::warn(
            PART,
            format!("{seen}, which is slow"),
            "The server reads the clock for each packet. Boot with clocksource=tsc if that clock is stable, or use another VM.",
        ),
        (_, Some(false)) => Finding::warn(
            PART,
            format!("{seen}; the time of day is not synchronised"),
            "Audio does not depend on it, but certificates and logs do. Run: sudo timedatectl set-ntp true",
        ),
        (_, Some(true)) => Finding::good(PART, format!("{seen}; the time of day is synchronised")),
        (_, None) => Finding::good(PART, seen),
    }
}

/// The most open files that the server needs.
const NEEDED_FILES: u64 = 4096;

/// Checks whether the process can have as many open files as a full server needs.
pub(super) fn open_files() -> Finding {
    judge_files(open_file_limit())
}

fn judge_files(allowed: Option<u64>) -> Finding {
    const PART: &str = "open files";
    match allowed {
        Some(n) if n < NEEDED_FILES => Finding::warn(
            PART,
            format!("at most {n}"),
            format!(
                "A full server needs {NEEDED_FILES}. Set LimitNOFILE={NEEDED_FILES} in the systemd unit, as the package does."
            ),
        ),
        Some(_) => Finding::good(PART, format!("at least {NEEDED_FILES}, enough for a full server")),
        None => Finding::good(PART, "this system reports no limit"),
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtjam_check::Verdict;

    #[test]
    fn unsuitable_processors_are_warned_about() {
        let suits = || ProcessorFacts { cores: 2, has_aes: true, governor: None, stolen: 9 };
        assert_eq!(judge_processor(&suits()), Finding::good("processor", "2 cores, AES in hardware"));
        let fast = ProcessorFacts { governor: Some("performance".to_owned()), ..suits() };
        assert_eq!(judge_processor(&fast).verdict, Verdict::Good);
        for (bad, said) in [
            (ProcessorFacts { stolen: 25, ..suits() }, "2 %"),
            (ProcessorFacts { governor: Some("powersave".to_owned()), ..suits() }, "powersave"),
            (ProcessorFacts { cores: 1, has_aes: false, ..suits() }, "1 core, no AES"),
        ] {
            let finding = judge_processor(&bad);
            assert!(finding.verdict == Verdict::Warn && finding.seen.contains(said), "{finding}");
        }
    }

    #[test]
    fn stolen_time_is_parsed() {
        assert_eq!(stolen("cpu  100 0 100 700 0 0 0 100 50 0\ncpu0 1 2 3"), Some(100));
        assert_eq!(stolen("cpu  0 0 0 0 0 0 0 0 0 0"), None);
        assert_eq!(stolen("nonsense"), None);
    }

    #[test]
    fn slow_or_unsynchronised_clocks_are_warned_about() {
        assert_eq!(judge_clock(Some("tsc"), Some(true)).verdict, Verdict::Good);
        assert_eq!(judge_clock(None, None).verdict, Verdict::Good);
        assert!(judge_clock(Some("hpet"), Some(true)).seen.contains("slow"));
        assert!(judge_clock(Some("kvm-clock"), Some(false)).advice.is_some_and(|a| a.contains("timedatectl")));
    }

    #[test]
    fn low_file_limits_are_warned_about() {
        assert_eq!(judge_files(Some(1024)).verdict, Verdict::Warn);
        assert_eq!(judge_files(Some(4096)).verdict, Verdict::Good);
    }
}
