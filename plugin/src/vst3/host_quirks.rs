//! What some hosts cannot bear, known by their names.

/// Ardour and the mixer that is made of it.
const ARDOURS: [&str; 2] = ["Ardour", "Mixbus"];

/// Whether the host sets every parameter, in the first block after a load, to what it thought before: the project's
/// values would be lost, and a muted return would be heard. Ardour also holds the lock of its audio thread while a
/// plugin loads, and waits for it for ever when it is told of new values then (seen with 7.3). Such a host is told by
/// its first block's output changes, and that block's input changes are ignored.
pub(super) fn replays_after_load(host: &str) -> bool {
    ARDOURS.iter().any(|name| host.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ardour_and_mixbus_replay() {
        assert!(replays_after_load("Ardour") && replays_after_load("Mixbus32C"));
        assert!(!replays_after_load("REAPER") && !replays_after_load(""));
    }
}
