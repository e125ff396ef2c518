//! What a machine may lack.

/// Says that a test is skipped, and why. Where nothing may be skipped (`RTJAM_SKIP_NOTHING=1`, as in CI on
/// Debian), it fails instead.
///
/// # Panics
/// Where nothing may be skipped.
pub fn skipped(reason: &str) {
    assert!(std::env::var_os("RTJAM_SKIP_NOTHING").is_none(), "would be skipped: {reason}");
    eprintln!("skipped: {reason}");
}

/// Whether `program` can be started.
pub fn has_program(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// Whether this process is root.
pub fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions.
    unsafe { libc::geteuid() == 0 }
}
