//! Lanes of the server to its sessions. A lane is a sequence of nonces under a session's downlink key and has one owner; this
//! is the only place that assigns them.

use rtjam_protocol::seal::Lane;

/// The largest number of media threads: each has two of the 256 lanes to every session, and the mixer has one.
pub const MAX_THREADS: u8 = 64;

/// Who seals by a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LaneOwner {
    /// The media thread of this number, for packets that it forwards.
    Forwarder(usize),
    /// The session's own media thread, for answers, challenges and keep-alives.
    Session(usize),
    /// The mixer.
    Mixer,
}

impl LaneOwner {
    const MIXER: u8 = 254;

    /// The owner's lane.
    pub(super) const fn lane(self) -> Lane {
        match self {
            LaneOwner::Forwarder(thread) => Lane((thread * 2) as u8),
            LaneOwner::Session(thread) => Lane((thread * 2 + 1) as u8),
            LaneOwner::Mixer => Lane(LaneOwner::MIXER),
        }
    }

    /// The owner of a lane that a NACK names.
    pub(super) fn of(lane: Lane) -> LaneOwner {
        let thread = usize::from(lane.0) / 2;
        match lane.0 {
            LaneOwner::MIXER => LaneOwner::Mixer,
            even if even.is_multiple_of(2) => LaneOwner::Forwarder(thread),
            _ => LaneOwner::Session(thread),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No two owners share a lane, and each lane leads back to its owner.
    #[test]
    fn lanes_are_unique() {
        let threads = 0..usize::from(MAX_THREADS);
        let all = threads.flat_map(|n| [LaneOwner::Forwarder(n), LaneOwner::Session(n)]).chain([LaneOwner::Mixer]);
        let mut seen = std::collections::HashSet::new();
        for owner in all {
            assert!(seen.insert(owner.lane().0), "{owner:?}");
            assert_eq!(LaneOwner::of(owner.lane()), owner);
        }
    }
}
