//! Skipping tests whose programs or permissions this machine lacks.

/// Prints that a test is skipped, and why. With `RTJAM_SKIP_NOTHING=1`, which CI on Debian sets, the test fails
/// instead.
///
/// # Panics
/// If skipping is forbidden.
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
