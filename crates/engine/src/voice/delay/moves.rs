//! Why the read cursor moves.

/// The reason of a move of the [read cursor](crate::voice::cursor).
///
/// Everything that measures against the cursor is told of every move, with its reason:
///
/// | told | counts |
/// |---|---|
/// | regulator | what it asked for, and the look-ahead of the drift filter |
/// | retransmit wait | its own moves as its length; all others that change the wait |
/// | fixed delay | all moves that change the wait; the look-ahead starts a new measurement |
/// | typical slack, mean wait | all moves that [change the wait](MoveReason::changes_wait) |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MoveReason {
    /// Frames were played.
    Played,
    /// The host skipped frames, and its timeline counts them as played.
    HostSkipped,
    /// The drift filter begins to look ahead (positive) or stops (negative).
    LookAhead,
    /// The regulator changes the playout delay.
    Regulated,
    /// The wait for retransmissions begins (negative) or ends (positive).
    RetransmitWait,
    /// Packets arrive earlier (positive) or later for good, so their slack stays what it was.
    StreamShifted,
    /// A fixed playout delay is restored.
    FixedDelay,
}

impl MoveReason {
    /// Whether the move changes how long packets wait before they are played, apart from the filter's own delay.
    pub(crate) fn changes_wait(self) -> bool {
        match self {
            MoveReason::Played | MoveReason::HostSkipped | MoveReason::LookAhead => false,
            MoveReason::Regulated | MoveReason::RetransmitWait | MoveReason::StreamShifted | MoveReason::FixedDelay => {
                true
            }
        }
    }
}
