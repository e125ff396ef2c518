//! Workarounds for particular hosts, which are known by name.

/// Ardour and Mixbus, which derives from it.
const ARDOUR_HOSTS: [&str; 2] = ["Ardour", "Mixbus"];

/// Whether the host, in the first block after a load, sets every parameter to its value before the load.
///
/// With such a host the project's values would be lost, and a muted rejoin would be audible. Ardour 7.3 also deadlocks when
/// a plugin reports new values during a load, because it holds the lock of its audio thread. So such a host gets the values
/// as output changes of the first block, and the input changes of that block are ignored.
pub(super) fn replays_after_load(host: &str) -> bool {
    ARDOUR_HOSTS.iter().any(|name| host.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ardour_and_mixbus_replay() {
        assert!(replays_after_load("Ardour") && replays_after_load("Mixbus32C"));
        assert!(!replays_after_load("REAPER") && !replays_after_load(""));
    }
}
