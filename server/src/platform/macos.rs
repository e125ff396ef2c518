//! macOS.

/// The real-time priority of media threads, in the operator's words.
pub fn real_time_priority() -> String {
    "the time-constraint policy".to_owned()
}

/// `None`: the server does not ask macOS.
pub fn resident_kib() -> Option<u64> {
    None
}
