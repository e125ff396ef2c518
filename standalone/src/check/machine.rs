//! Checks processor, kernel, swap and network.

use super::system_files::SystemFiles;
use rtjam_check::{Finding, GOVERNOR_ADVICE, speeds_up_slowly};

/// Checks the frequency governor of every processor.
pub(super) fn governor(files: &SystemFiles) -> Option<Finding> {
    const PART: &str = "processor";
    const FOLDER: &str = "sys/devices/system/cpu";
    let of = |cpu: &String| files.read(&format!("{FOLDER}/{cpu}/cpufreq/scaling_governor"));
    let mut governors: Vec<String> = files.names(FOLDER).iter().filter_map(of).collect();
    governors.sort_unstable();
    governors.dedup();
    let seen = format!("its frequency governor is {}", governors.join(" and "));
    match governors.iter().any(|name| speeds_up_slowly(name)) {
        true => Some(Finding::warn(PART, seen, GOVERNOR_ADVICE)),
        false => (!governors.is_empty()).then(|| Finding::good(PART, seen)),
    }
}

/// How the kernel interrupts its own work for a thread of higher priority.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Preemption {
    RealTime,
    Full,
    /// Only where the kernel's code offers it.
    Partial,
    /// Chosen at boot; this machine does not tell how.
    Unknown,
}

/// Checks whether the kernel interrupts its own work for audio.
pub(super) fn kernel(files: &SystemFiles) -> Option<Finding> {
    const PART: &str = "kernel";
    let release = files.read("proc/sys/kernel/osrelease")?;
    let finding = match preemption(files, &release)? {
        Preemption::RealTime => Finding::good(PART, format!("{release}, PREEMPT_RT")),
        Preemption::Full => Finding::good(PART, format!("{release}, fully preemptible")),
        Preemption::Unknown => Finding::good(PART, format!("{release}, PREEMPT_DYNAMIC")),
        Preemption::Partial => Finding::warn(
            PART,
            format!("{release} does not interrupt its own work for audio"),
            "Short periods may drop out. Add preempt=full to the kernel's command line, or install a real-time kernel \
             (Debian: linux-image-rt-amd64 or linux-image-rt-arm64).",
        ),
    };
    Some(finding)
}

fn preemption(files: &SystemFiles, release: &str) -> Option<Preemption> {
    let version = files.read("proc/sys/kernel/version")?;
    let has = |word: &str| version.split_whitespace().any(|w| w == word);
    if has("PREEMPT_RT") {
        return Some(Preemption::RealTime);
    }
    if !has("PREEMPT_DYNAMIC") {
        return Some(if has("PREEMPT") { Preemption::Full } else { Preemption::Partial });
    }
    let command_line = files.read("proc/cmdline").unwrap_or_default();
    let config = || files.read(&format!("boot/config-{release}")).unwrap_or_default();
    let chosen = command_line.split_whitespace().filter_map(|word| word.strip_prefix("preempt=")).next_back();
    Some(match chosen {
        Some("none" | "voluntary") => Preemption::Partial,
        Some(_) => Preemption::Full,
        None => built_in_preemption(&config()),
    })
}

/// The preemption that the kernel's build configuration chooses.
fn built_in_preemption(config: &str) -> Preemption {
    let has = |line: &str| config.lines().any(|l| l == line);
    if has("CONFIG_PREEMPT_NONE=y") || has("CONFIG_PREEMPT_VOLUNTARY=y") {
        Preemption::Partial
    } else if has("CONFIG_PREEMPT=y") || has("CONFIG_PREEMPT_LAZY=y") {
        Preemption::Full
    } else {
        Preemption::Unknown
    }
}

/// Checks whether memory has been swapped to a disk.
pub(super) fn swap(files: &SystemFiles) -> Option<Finding> {
    const PART: &str = "swap";
    let table = files.read("proc/swaps")?;
    let lines: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    let on_disk: Vec<_> =
        lines.iter().filter(|line| line.first().is_some_and(|f| !f.starts_with("/dev/zram"))).collect();
    let used_kib: u64 = on_disk.iter().filter_map(|line| line.get(3)?.parse::<u64>().ok()).sum();
    Some(match (on_disk.is_empty(), used_kib) {
        (true, _) => Finding::good(PART, "no memory is swapped to a disk"),
        (false, 0) => Finding::good(PART, "on, but unused"),
        (false, kib) => Finding::warn(
            PART,
            format!("{} MiB of memory are on a disk", kib.div_ceil(1024)),
            "A program that needs them waits for the disk. Close other programs, then run: sudo swapoff -a",
        ),
    })
}

/// Checks whether the way to the Internet is Wi-Fi.
pub(super) fn network(files: &SystemFiles) -> Option<Finding> {
    const PART: &str = "network";
    let table = files.read("proc/net/route")?;
    Some(match default_interface(&table) {
        None => Finding::warn(
            PART,
            "there is no default route for IPv4",
            "You can only play on your own network. Connect the machine to the router by cable.",
        ),
        Some(name) if is_wifi(files, name) => Finding::warn(
            PART,
            format!("the default route is {name}, which is Wi-Fi"),
            "Wi-Fi delays packets irregularly, so RTJam has to wait longer for each. Connect the machine to the router \
             by cable, and switch Wi-Fi off: sudo rfkill block wifi",
        ),
        Some(name) => Finding::good(PART, format!("the default route is {name}, which is not Wi-Fi")),
    })
}

/// The interface of the default route with the lowest metric.
fn default_interface(table: &str) -> Option<&str> {
    const EVERYWHERE: &str = "00000000";
    let routes = table.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (interface, destination, metric, mask) = (words.first()?, words.get(1)?, words.get(6)?, words.get(7)?);
        (*destination == EVERYWHERE && *mask == EVERYWHERE).then_some((metric.parse::<u32>().ok()?, *interface))
    });
    routes.min().map(|(_, interface)| interface)
}

fn is_wifi(files: &SystemFiles, interface: &str) -> bool {
    ["wireless", "phy80211"].iter().any(|mark| files.exists(&format!("sys/class/net/{interface}/{mark}")))
}

#[cfg(test)]
mod tests {
    use super::super::system_files::tests::FakeSystem;
    use super::*;
    use rtjam_check::Verdict;

    #[test]
    fn slow_governor_of_any_core_is_named() {
        let path = |n: u32| format!("sys/devices/system/cpu/cpu{n}/cpufreq/scaling_governor");
        let system = FakeSystem::new().with(&path(0), "performance\n").with(&path(1), "performance\n");
        let good = governor(&system.files()).expect("known");
        assert_eq!((good.verdict, good.seen.as_str()), (Verdict::Good, "its frequency governor is performance"));
        let system = system.with(&path(1), "ondemand\n");
        let slow = governor(&system.files()).expect("known");
        assert!(slow.verdict == Verdict::Warn && slow.seen.ends_with("ondemand and performance"), "{slow}");
    }

    #[test]
    fn preemption_is_read_from_version_boot_and_build() {
        let of = |version: &str, command_line: &str, config: &str| {
            let system = FakeSystem::new()
                .with("proc/sys/kernel/version", version)
                .with("proc/cmdline", command_line)
                .with("boot/config-6.1", config);
            preemption(&system.files(), "6.1").expect("known")
        };
        let dynamic = "#1 SMP PREEMPT_DYNAMIC Debian 6.1";
        assert_eq!(of("#1 SMP PREEMPT_RT Debian", "", ""), Preemption::RealTime);
        assert_eq!(of("#1 SMP PREEMPT Debian 1:6.6.51", "", ""), Preemption::Full);
        assert_eq!(of("#1 SMP Debian", "", ""), Preemption::Partial);
        assert_eq!(of(dynamic, "", "CONFIG_PREEMPT_VOLUNTARY=y"), Preemption::Partial);
        assert_eq!(of(dynamic, "quiet preempt=full", "CONFIG_PREEMPT_VOLUNTARY=y"), Preemption::Full);
        assert_eq!(of(dynamic, "preempt=none", "CONFIG_PREEMPT=y"), Preemption::Partial);
        assert_eq!(of(dynamic, "", "# CONFIG_PREEMPT_NONE is not set\nCONFIG_PREEMPT=y"), Preemption::Full);
        assert_eq!(of(dynamic, "", ""), Preemption::Unknown);
    }

    #[test]
    fn swap_counts_only_used_space_on_disks() {
        let verdict = |lines: &str| {
            let table = format!("Filename Type Size Used Priority\n{lines}");
            swap(&FakeSystem::new().with("proc/swaps", &table).files()).expect("known")
        };
        assert_eq!(verdict("").verdict, Verdict::Good);
        assert_eq!(verdict("/var/swap file 102396 0 -2").verdict, Verdict::Good);
        assert_eq!(verdict("/dev/zram0 partition 102396 5000 100").verdict, Verdict::Good);
        let used = verdict("/dev/zram0 partition 9 9 100\n/var/swap file 102396 1500 -2");
        assert!(used.verdict == Verdict::Warn && used.seen.contains("2 MiB"), "{used}");
    }

    #[test]
    fn wifi_counts_only_as_default_route() {
        let table = |wifi: u32, cable: u32| {
            let head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";
            let line = |name, metric| format!("{name}\t00000000\t010200C0\t0003\t0\t0\t{metric}\t00000000\t0\t0\t0\n");
            let local = "wlan0\t000200C0\t00000000\t0001\t0\t0\t1\t00FFFFFF\t0\t0\t0\n";
            format!("{head}{}{}{local}", line("wlan0", wifi), line("eth0", cable))
        };
        let judge = |table: &str| {
            let system = FakeSystem::new().with("proc/net/route", table).with("sys/class/net/wlan0/wireless/link", "");
            network(&system.files()).expect("known")
        };
        assert_eq!(judge(&table(600, 100)).seen, "the default route is eth0, which is not Wi-Fi");
        assert!(judge(&table(100, 600)).advice.is_some_and(|a| a.contains("rfkill")));
        assert!(judge("Iface\n").seen.contains("no default route"));
    }
}
