//! What this process uses.

/// Resident memory in MiB, where the system tells.
pub fn resident_mib() -> Option<u64> {
    resident_kib().map(|kib| kib / 1024)
}

/// The same in KiB.
#[cfg(target_os = "linux")]
pub fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Elsewhere the cap on memory is the operating system's.
#[cfg(not(target_os = "linux"))]
pub fn resident_kib() -> Option<u64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn this_process_uses_some() {
        assert!(super::resident_mib().is_some_and(|mib| (1..10_000).contains(&mib)));
    }
}
