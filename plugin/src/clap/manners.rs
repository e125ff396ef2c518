//! What some hosts cannot bear, known by their names.

/// How a host is told of the values that came with a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manners {
    /// By a rescan, at once.
    Usual,
    /// Not at all: its answer to a rescan is to crash. The VST3 SDK's sample host, which its validator is, has no handler
    /// that clap-wrapper could tell.
    Deaf,
    /// By events in the next block. Ardour holds the lock of its audio thread while a VST3 plugin loads, and waits for
    /// it for ever when it is told of values then (seen with 7.3). It also sets, in that block, each parameter to what
    /// it thought before the load: the project's values would be lost, and a muted return would be heard.
    Replays,
}

/// Its validator.
const SDK: &str = "My VST3 HostApplication";

/// Ardour and the mixer that is made of it.
const ARDOURS: [&str; 2] = ["Ardour", "Mixbus"];

/// What clap-wrapper adds to the name of a VST3 host.
const AS_VST3: &str = "CLAP-as-VST3";

impl Manners {
    /// By the host's name.
    pub(super) fn of(host: &str) -> Manners {
        if host.contains(SDK) {
            Manners::Deaf
        } else if host.contains(AS_VST3) && ARDOURS.iter().any(|name| host.contains(name)) {
            Manners::Replays
        } else {
            Manners::Usual
        }
    }
}

/// Whether a host asks for edits while it has no audio, and then does not take them: clap-wrapper does. They wait for the
/// next block.
pub(super) fn forgets_edits(host: &str) -> bool {
    host.contains(AS_VST3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_that_would_hang_or_crash_are_treated_otherwise() {
        assert_eq!(Manners::of("Ardour (CLAP-as-VST3)"), Manners::Replays);
        assert_eq!(Manners::of("Ardour"), Manners::Usual);
        assert_eq!(Manners::of("REAPER (CLAP-as-VST3)"), Manners::Usual);
        assert_eq!(Manners::of("My VST3 HostApplication (CLAP-as-VST3)"), Manners::Deaf);
    }
}
