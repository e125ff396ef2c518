//! What the server asks of the operating system: random bytes, open files, memory.

use ring::rand::{SecureRandom, SystemRandom};
use rtjam_protocol::server::rooms::Entropy;

/// The operating system's random number generator.
pub struct Random(SystemRandom);

impl Random {
    /// Opens the generator.
    pub fn new() -> Random {
        Random(SystemRandom::new())
    }

    /// An array of random bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

impl Default for Random {
    fn default() -> Self {
        Random::new()
    }
}

impl Entropy for Random {
    fn fill(&mut self, out: &mut [u8]) {
        // Predictable keys would be worse than a crash.
        self.0.fill(out).expect("the operating system provides random bytes");
    }
}

/// The most open files that the server asks for: enough when it is full, and accepted by systems that refuse "infinity".
#[cfg(unix)]
const MOST_OPEN_FILES: libc::rlim_t = 65_536;

/// Raises the soft limit of open files to the hard limit, since most systems start programs with a low one.
#[cfg(unix)]
pub fn raise_open_file_limit() {
    if let Some(mut limit) = open_files()
        && limit.rlim_cur < limit.rlim_max
    {
        limit.rlim_cur = limit.rlim_max.min(MOST_OPEN_FILES);
        // SAFETY: the call reads `limit`. It fails where the system has a lower limit, which then remains.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    }
}

/// The limit after [`raise_open_file_limit`]; `None` if the system does not tell.
#[cfg(unix)]
pub fn open_file_limit() -> Option<u64> {
    #[allow(clippy::useless_conversion, reason = "the types differ between systems")]
    open_files().map(|limit| u64::from(limit.rlim_max.min(MOST_OPEN_FILES)))
}

#[cfg(unix)]
fn open_files() -> Option<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the call writes to `limit`, which is valid for writes.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    (result == 0).then_some(limit)
}

/// Does nothing: other systems have no such limit.
#[cfg(not(unix))]
pub fn raise_open_file_limit() {}

/// `None`: other systems have no such limit.
#[cfg(not(unix))]
pub fn open_file_limit() -> Option<u64> {
    None
}

/// This process's resident memory in MiB, if the system tells.
pub fn resident_mib() -> Option<u64> {
    resident_kib().map(|kib| kib / 1024)
}

/// This process's resident memory in KiB, if the system tells.
#[cfg(target_os = "linux")]
pub fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// `None`: on other systems the operating system alone limits memory.
#[cfg(not(target_os = "linux"))]
pub fn resident_kib() -> Option<u64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn resident_memory_is_plausible() {
        assert!(super::resident_mib().is_some_and(|mib| (1..10_000).contains(&mib)));
    }
}
