//! Processor, clock, open files.

use super::Finding;
use std::fs;
use std::thread::available_parallelism;

/// What a processor can do for the server.
struct Processor {
    cores: usize,
    has_aes: bool,
    /// How its clock is governed, where the system tells.
    governor: Option<String>,
    /// Of the time since the start, the part that the host gave to other machines, in parts of a thousand.
    stolen: u64,
}

/// Whether the processor suits.
pub(super) fn processor() -> Finding {
    judge_processor(&Processor {
        cores: available_parallelism().map_or(1, usize::from),
        has_aes: has_aes(),
        governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        stolen: read("/proc/stat").and_then(|stat| stolen(&stat)).unwrap_or(0),
    })
}

fn judge_processor(p: &Processor) -> Finding {
    const PART: &str = "processor";
    let aes = if p.has_aes { "AES in hardware" } else { "no AES in hardware" };
    let seen = format!("{} core{}, {aes}", p.cores, if p.cores == 1 { "" } else { "s" });
    if p.stolen >= 10 {
        let seen = format!("{seen}; the host took {} % of the time for other machines", p.stolen / 10);
        return Finding::warn(PART, seen, "Musicians hear that. Take a VM with processors of its own.");
    }
    if let Some(governor) = p.governor.as_deref().filter(|g| matches!(*g, "powersave" | "ondemand" | "conservative")) {
        let advice = "The processor wakes slowly from rest. sudo cpupower frequency-set -g performance";
        return Finding::warn(PART, format!("{seen}; its clock is governed by `{governor}`"), advice);
    }
    if p.cores == 1 {
        let advice = "Web page, database and audio share it. Two cores keep them apart.";
        return Finding::warn(PART, seen, advice);
    }
    Finding::good(PART, seen)
}

/// From `/proc/stat`: the steal column of the first line against all of it, in parts of a thousand.
fn stolen(stat: &str) -> Option<u64> {
    let numbers: Vec<u64> = stat.lines().next()?.split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
    // The last two columns, guests, are contained in the first two.
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

/// Whether the clocks suit.
pub(super) fn clock() -> Finding {
    let source = read("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    judge_clock(source.as_deref(), is_synchronised())
}

fn judge_clock(source: Option<&str>, synchronised: Option<bool>) -> Finding {
    const PART: &str = "clock";
    let seen = format!("read by {}", source.unwrap_or("the system's own way"));
    match (source, synchronised) {
        (Some("hpet" | "acpi_pm" | "jiffies" | "refined-jiffies"), _) => Finding::warn(
            PART,
            format!("{seen}, which is slow"),
            "Each packet reads the clock. Boot with clocksource=tsc if the processor's is stable, or take another VM.",
        ),
        (_, Some(false)) => Finding::warn(
            PART,
            format!("{seen}; its time of day is not kept by a time server"),
            "Music does not depend on it, certificates and logs do. sudo timedatectl set-ntp true",
        ),
        (_, Some(true)) => Finding::good(PART, format!("{seen}, its time of day kept by a time server")),
        (_, None) => Finding::good(PART, seen),
    }
}

#[cfg(target_os = "linux")]
fn is_synchronised() -> Option<bool> {
    // SAFETY: a struct of integers, for which zero is a value; no modes means that nothing is set.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: `state` is a valid place to write to.
    let result = unsafe { libc::adjtimex(&raw mut state) };
    // TIME_ERROR: the clock is not synchronised.
    (result >= 0).then_some(result != libc::TIME_ERROR)
}

#[cfg(not(target_os = "linux"))]
fn is_synchronised() -> Option<bool> {
    None
}

/// What the server needs at most: connections of either kind, and some.
const FILES: u64 = 4096;

/// Whether there may be as many connections as the server takes.
pub(super) fn open_files() -> Finding {
    judge_files(crate::open_files::allowed())
}

fn judge_files(allowed: Option<u64>) -> Finding {
    const PART: &str = "open files";
    match allowed {
        Some(n) if n < FILES => Finding::warn(
            PART,
            format!("at most {n}"),
            format!("A full server needs {FILES}. LimitNOFILE={FILES} in the systemd unit (the package's has it)."),
        ),
        Some(_) => Finding::good(PART, format!("at least {FILES}, as a full server needs")),
        None => Finding::good(PART, "not limited in a way that this system tells"),
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_processor_that_others_use_sleeps_or_is_alone_is_pointed_out() {
        let suits = || Processor { cores: 2, has_aes: true, governor: None, stolen: 9 };
        assert_eq!(judge_processor(&suits()), Finding::good("processor", "2 cores, AES in hardware"));
        let fast = Processor { governor: Some("performance".to_owned()), ..suits() };
        assert_eq!(judge_processor(&fast).verdict, Verdict::Good);
        for (bad, said) in [
            (Processor { stolen: 25, ..suits() }, "2 %"),
            (Processor { governor: Some("powersave".to_owned()), ..suits() }, "powersave"),
            (Processor { cores: 1, has_aes: false, ..suits() }, "1 core, no AES"),
        ] {
            let finding = judge_processor(&bad);
            assert!(finding.verdict == Verdict::Warn && finding.seen.contains(said), "{finding}");
        }
    }

    #[test]
    fn stolen_time_is_read_from_what_the_kernel_writes() {
        assert_eq!(stolen("cpu  100 0 100 700 0 0 0 100 50 0\ncpu0 1 2 3"), Some(100));
        assert_eq!(stolen("cpu  0 0 0 0 0 0 0 0 0 0"), None);
        assert_eq!(stolen("nonsense"), None);
    }

    #[test]
    fn a_slow_clock_and_one_that_nobody_keeps_are_pointed_out() {
        assert_eq!(judge_clock(Some("tsc"), Some(true)).verdict, Verdict::Good);
        assert_eq!(judge_clock(None, None).verdict, Verdict::Good);
        assert!(judge_clock(Some("hpet"), Some(true)).seen.contains("slow"));
        assert!(judge_clock(Some("kvm-clock"), Some(false)).advice.is_some_and(|a| a.contains("timedatectl")));
    }

    #[test]
    fn too_few_open_files_are_pointed_out() {
        assert_eq!(judge_files(Some(1024)).verdict, Verdict::Warn);
        assert_eq!(judge_files(Some(4096)).verdict, Verdict::Good);
    }
}
