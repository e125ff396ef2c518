//! Why the read cursor moves.

/// The reason of a move of the [read cursor](crate::voice::cursor).
///
/// Everything that measures against the cursor is told of every move, with its reason, and matches on all reasons:
///
/// | told | counts |
/// |---|---|
/// | regulator | what it asked for, and the look-ahead of the drift filter |
/// | retransmit wait | its own moves as its length, all others as moves of the stream |
/// | fixed delay | all moves; the look-ahead starts a new measurement |
/// | typical slack, mean wait | all moves that change how long packets wait |
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
