//! Finds audio that was not heard in time.
//!
//! A frame is concealed if its packet was lost, or was found only after the callback that plays the frame's position. With
//! the path known, this is exact arithmetic. In addition, if the marks were not heard for longer than a fade although the
//! packets were there, the audio counts as concealed.

use super::oracle::Arrivals;
use super::position_path::{CHUNK, ChunkPosition, PositionPath};
use std::ops::Range;

/// Unheard consecutive frames that a fade or splice may cause (10 ms).
const FADES: usize = 480;

/// Missing audio of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Output frames of each gap.
    pub runs: Vec<Range<usize>>,
    /// Number of concealed frames.
    pub concealed: u64,
    /// Packets that arrived after their first frame was due.
    pub late: usize,
}

impl Gaps {
    /// Frames of the longest gap.
    pub fn longest(&self) -> usize {
        self.runs.iter().map(Range::len).max().unwrap_or(0)
    }
}

/// Finds the gaps in the measured positions.
pub fn find(path: &PositionPath, arrivals: &Arrivals<'_>) -> Gaps {
    let mut gaps = Gaps::default();
    let mut late = vec![false; arrivals.found.len()];
    // Consecutive unheard chunks: their beginning, and the part that arithmetic explains.
    let mut unheard: Option<(usize, usize, ChunkPosition)> = None;
    for (from, place) in path.iter() {
        let missing = chunk(from, place, arrivals, &mut gaps, &mut late);
        if place.heard {
            end_unheard(unheard.take(), from, place, arrivals, &mut gaps);
        } else if counts(from, place, arrivals) {
            let (_, explained, _) = unheard.get_or_insert((from, 0, place));
            *explained += missing;
        }
    }
    gaps.late = late.iter().filter(|l| **l).count();
    gaps
}

/// Counts the concealed frames of a chunk.
fn chunk(from: usize, place: ChunkPosition, arrivals: &Arrivals<'_>, gaps: &mut Gaps, late: &mut [bool]) -> usize {
    let mut missing = 0;
    for n in from..from + CHUNK {
        let Some(position) = position(n, place, arrivals) else { continue };
        let index = position / arrivals.packet;
        let callback = (n as f64 / arrivals.grid.block() + 1e-9).floor();
        if arrivals.found[index].is_some_and(|found| found as f64 <= callback) {
            continue;
        }
        missing += 1;
        late[index] |= arrivals.found[index].is_some() && position % arrivals.packet == 0;
        match gaps.runs.last_mut() {
            Some(run) if run.end == n => run.end += 1,
            _ => gaps.runs.push(n..n + 1),
        }
    }
    gaps.concealed += missing as u64;
    missing
}

fn end_unheard(
    unheard: Option<(usize, usize, ChunkPosition)>,
    to: usize,
    then: ChunkPosition,
    arrivals: &Arrivals<'_>,
    gaps: &mut Gaps,
) {
    let Some((from, explained, before)) = unheard else { return };
    // Time that the sender's host lost cannot be heard.
    let slip = |n: usize, place: ChunkPosition| arrivals.grid.given_slip(n as f64 - place.lag);
    let never_there = (slip(to, then) - slip(from, before)).max(0.0) as usize;
    let left = (to - from).saturating_sub(explained + never_there);
    if left > FADES {
        gaps.concealed += (left - FADES) as u64;
        gaps.runs.retain(|run| run.end <= from);
        gaps.runs.push(from..to);
    }
}

fn counts(n: usize, place: ChunkPosition, arrivals: &Arrivals<'_>) -> bool {
    position(n, place, arrivals).is_some()
}

/// The position that frame `n` plays, if it is measured.
fn position(n: usize, place: ChunkPosition, arrivals: &Arrivals<'_>) -> Option<usize> {
    let position = usize::try_from((n as f64 - place.lag).round() as i64).ok()?;
    (arrivals.span.contains(&position) && position / arrivals.packet < arrivals.found.len()).then_some(position)
}
