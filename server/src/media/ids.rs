//! Numbers on the media path.

/// A room's number at the media threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RoomKey(pub(super) u32);

/// A consumer of [taps](super::tap); it has one tap at each media thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TapId {
    /// The mixer.
    Mixer,
    #[cfg(test)]
    Test,
}

/// The consumers that want a room's audio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TapSet(u8);

impl TapSet {
    pub(super) fn set(&mut self, tap: TapId, on: bool) {
        let bit = 1 << tap as u8;
        self.0 = if on { self.0 | bit } else { self.0 & !bit };
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn contains(self, tap: TapId) -> bool {
        self.0 >> tap as u8 & 1 == 1
    }
}
