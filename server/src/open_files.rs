//! How many files and connections the process may have open.

/// As many as the hard limit allows; what most systems start programs with is far less.
#[cfg(unix)]
pub fn allow_many() {
    if let Some(mut limit) = limit()
        && limit.rlim_cur < limit.rlim_max
    {
        // Plenty for a full server, and small enough for systems that refuse "infinity".
        limit.rlim_cur = limit.rlim_max.min(65_536);
        // SAFETY: the call reads `limit`. It fails where the system has a lower limit still; then that one counts.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    }
}

/// What [`allow_many`] leads to; `None` where the system does not tell.
#[cfg(unix)]
pub fn allowed() -> Option<u64> {
    #[allow(clippy::useless_conversion, reason = "the types differ between systems")]
    limit().map(|limit| u64::from(limit.rlim_max.min(65_536)))
}

#[cfg(unix)]
fn limit() -> Option<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place to write to.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    (result == 0).then_some(limit)
}

/// Other systems have no such limit.
#[cfg(not(unix))]
pub fn allow_many() {}

/// Other systems have no such limit.
#[cfg(not(unix))]
pub fn allowed() -> Option<u64> {
    None
}
