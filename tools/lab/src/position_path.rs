//! Determines which position was heard at which time, from the marks in channel 2.
//!
//! Time is split into chunks of [`CHUNK`] output frames. A chunk that contains the marks of some position, with high
//! correlation and the level at which they were sent, was *heard* at that position's lag (output frame minus position).
//! Concealment repeats old marks; it is recognised because it never reaches a position that was not heard before. If nothing
//! was heard, the lag is that of the audio before and after. If those differ, the lag changes at a callback: the last one
//! that leaves a millisecond for a crossfade.

use super::grid::Grid;
use std::collections::VecDeque;

/// Frames per chunk: 0.67 ms.
pub const CHUNK: usize = 32;

/// Minimum correlation of marks. Random matches reach 0.8 over a window of the search.
const ALIKE: f64 = 0.9;

/// Above this correlation the frames match exactly, without interpolation.
const EXACT: f64 = 0.9999;

/// Frames compared by the search, and by its first test.
const WINDOW: usize = 96;
const GLANCE: usize = 16;

/// Number of recent lags that are tried first.
const RECENT: usize = 4;

/// A change of delay is audible at the earliest this many frames after it was made.
const FADE: f64 = 48.0;

/// Chunks whose lags differ by less belong to one stretch: a resampler follows the clock.
const SAME: f64 = 1.5;

/// What a chunk plays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChunkPosition {
    /// Output frame minus position, in frames.
    pub lag: f64,
    /// Whether the marks were heard; otherwise the lag is inferred.
    pub heard: bool,
}

/// The positions over time of a replay. Chunk `i` begins at output frame `i × CHUNK`.
pub struct PositionPath {
    places: Vec<Option<ChunkPosition>>,
}

impl PositionPath {
    /// All chunks: `None` before the first that was heard and after the last.
    pub fn places(&self) -> &[Option<ChunkPosition>] {
        &self.places
    }

    /// Chunks with their first output frame.
    pub fn iter(&self) -> impl Iterator<Item = (usize, ChunkPosition)> + '_ {
        self.places.iter().enumerate().filter_map(|(i, p)| Some((i * CHUNK, (*p)?)))
    }
}

/// Finds the path. `sent` are the marks by position, `heard` the output, both at 48 kHz; no delay exceeds `most_ms`.
pub fn follow(grid: &Grid, sent: &[f32], heard: &[f32], most_ms: f64) -> PositionPath {
    let mut finder = Finder::new(grid, sent, heard, most_ms);
    let lags: Vec<Option<f64>> = (0..heard.len() / CHUNK).map(|i| finder.find(i * CHUNK)).collect();
    let steady_runs = accepted(steady_runs(&lags));
    PositionPath { places: fill(grid, &steady_runs, &lags) }
}

/// Compares the output with the sent marks.
struct Finder<'a> {
    grid: &'a Grid,
    sent: &'a [f32],
    heard: &'a [f32],
    /// Sums of squares of `sent` before each frame.
    energy: Vec<f64>,
    most_frames: i64,
    recent: VecDeque<i64>,
}

impl<'a> Finder<'a> {
    fn new(grid: &'a Grid, sent: &'a [f32], heard: &'a [f32], most_ms: f64) -> Finder<'a> {
        let mut energy = vec![0.0];
        let mut sum = 0.0;
        for &s in sent {
            sum += f64::from(s) * f64::from(s);
            energy.push(sum);
        }
        Finder { grid, sent, heard, energy, most_frames: (most_ms * 48.0) as i64, recent: VecDeque::new() }
    }

    /// Lag of the chunk at output frame `n`, if it was heard.
    fn find(&mut self, n: usize) -> Option<f64> {
        let known = (0..self.recent.len()).find_map(|i| self.near(n, self.recent[i]));
        let lag = known.or_else(|| self.near(n, self.search(n)?))?;
        let whole = lag.round() as i64;
        self.recent.retain(|r| (r - whole).abs() > 2);
        self.recent.push_front(whole);
        self.recent.truncate(RECENT);
        Some(lag)
    }

    /// The best lag within two frames of `lag`, with its fraction.
    fn near(&self, n: usize, lag: i64) -> Option<f64> {
        let like = |lag: i64| self.likeness(n, lag, CHUNK);
        let at = like(lag);
        if at > EXACT {
            return Some(lag as f64);
        }
        let around = (lag - 2..=lag + 2).map(|lag| (lag, like(lag)));
        let (lag, at) = around.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|best| best.1 > ALIKE)?;
        if at > EXACT {
            return Some(lag as f64);
        }
        // Vertex of a parabola through three points.
        let [before, after] = [lag - 1, lag + 1].map(|lag| self.compare(n, lag, CHUNK).map_or(0.0, |c| c.0));
        let bend = before - 2.0 * at + after;
        let fraction = if bend < 0.0 { ((before - after) / (2.0 * bend)).clamp(-0.5, 0.5) } else { 0.0 };
        Some(lag as f64 + fraction)
    }

    /// Searches all possible lags for one that the next milliseconds match.
    fn search(&self, n: usize) -> Option<i64> {
        let least = n as i64 - self.grid.position_at(n as f64).ceil() as i64 - 2;
        (least..least + self.most_frames)
            .find(|&lag| self.likeness(n, lag, GLANCE) > 0.7 && self.likeness(n, lag, WINDOW) > ALIKE)
    }

    /// Normalised correlation; 0 if there is nothing to compare or the levels differ.
    fn likeness(&self, n: usize, lag: i64, frames: usize) -> f64 {
        let alike = self.compare(n, lag, frames).filter(|(_, gain)| (0.8..1.25).contains(gain));
        alike.map_or(0.0, |(correlation, _)| correlation)
    }

    /// Normalised correlation, and the level of the marks relative to the sent ones.
    fn compare(&self, n: usize, lag: i64, frames: usize) -> Option<(f64, f64)> {
        let p = usize::try_from(n as i64 - lag).ok()?;
        let (sent, heard) = (self.sent.get(p..p + frames)?, self.heard.get(n..n + frames)?);
        let there = self.energy[p + frames] - self.energy[p];
        let (product, here) = products(sent, heard);
        (here > 0.0).then(|| (product / (there * here).sqrt(), product / there))
    }
}

/// Inner products of two signals, and of the second with itself. Eight separate sums can be vectorised.
fn products(a: &[f32], b: &[f32]) -> (f64, f64) {
    let (mut ab, mut bb) = ([0.0_f32; 8], [0.0_f32; 8]);
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for i in 0..8 {
            ab[i] += a[i] * b[i];
            bb[i] += b[i] * b[i];
        }
    }
    (f64::from(ab.iter().sum::<f32>()), f64::from(bb.iter().sum::<f32>()))
}

/// Consecutive chunks that were heard with one lag.
#[derive(Clone, Copy, Debug)]
struct SteadyRun {
    /// First chunk, and the one after the last.
    from: usize,
    to: usize,
    first_lag: f64,
    last_lag: f64,
}

fn steady_runs(lags: &[Option<f64>]) -> Vec<SteadyRun> {
    let mut all: Vec<SteadyRun> = Vec::new();
    for (i, lag) in lags.iter().enumerate() {
        let Some(lag) = *lag else { continue };
        match all.last_mut() {
            Some(last) if last.to == i && (last.last_lag - lag).abs() < SAME => {
                (last.to, last.last_lag) = (i + 1, lag);
            }
            _ => all.push(SteadyRun { from: i, to: i + 1, first_lag: lag, last_lag: lag }),
        }
    }
    all
}

/// Removes steady_runs that only repeat earlier positions, unless new ones follow with the same lag.
fn accepted(all: Vec<SteadyRun>) -> Vec<SteadyRun> {
    let mut newest = f64::NEG_INFINITY;
    let mut is_new: Vec<bool> = all
        .iter()
        .map(|s| {
            let end = (s.to * CHUNK) as f64 - s.last_lag;
            let new = end > newest + 8.0;
            newest = newest.max(end);
            new
        })
        .collect();
    let mut next_lag = f64::NAN;
    for (new, stretch) in is_new.iter_mut().zip(&all).rev() {
        *new |= (stretch.last_lag - next_lag).abs() < SAME;
        if *new {
            next_lag = stretch.first_lag;
        }
    }
    all.into_iter().zip(is_new).filter_map(|(s, new)| new.then_some(s)).collect()
}

fn fill(grid: &Grid, steady_runs: &[SteadyRun], lags: &[Option<f64>]) -> Vec<Option<ChunkPosition>> {
    let mut places = vec![None; lags.len()];
    for (i, stretch) in steady_runs.iter().enumerate() {
        for at in stretch.from..stretch.to {
            places[at] = lags[at].map(|lag| ChunkPosition { lag, heard: true });
        }
        let Some(next) = steady_runs.get(i + 1) else { break };
        let change = change_between(grid, stretch, next);
        for (at, place) in places.iter_mut().enumerate().take(next.from).skip(stretch.to) {
            let lag = if at < change { stretch.last_lag } else { next.first_lag };
            *place = Some(ChunkPosition { lag, heard: false });
        }
    }
    places
}

/// First chunk with the lag of the second stretch.
fn change_between(grid: &Grid, before: &SteadyRun, after: &SteadyRun) -> usize {
    if (before.last_lag - after.first_lag).abs() < SAME {
        return after.from;
    }
    let shown = (after.from * CHUNK) as f64 - FADE;
    let callback = (shown / grid.block()).floor() * grid.block();
    ((callback / CHUNK as f64).round() as usize).clamp(before.to, after.from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;
    use crate::sound::marks;

    fn grid() -> Grid {
        Grid::new(&Model::Lan.generate(5.0, 1, 64), 64, 64, 48_000, 0.0)
    }

    /// Output if output frame `n` plays position `n − lag(n)`.
    fn played(sent: &[f32], frames: usize, lag: impl Fn(usize) -> f64) -> Vec<f32> {
        let at = |n: usize| {
            let p = n as f64 - lag(n);
            let whole = p.floor() as usize;
            let part = (p - p.floor()) as f32;
            sent[whole] + (sent[whole + 1] - sent[whole]) * part
        };
        (0..frames).map(at).collect()
    }

    /// A constant delay is found exactly.
    #[test]
    fn constant_delay_is_found_exactly() {
        let (grid, sent) = (grid(), marks(200_000));
        let lag = grid.frame_at(0.0).ceil() + 700.0;
        let mut heard = vec![0.0; lag as usize];
        heard.extend_from_slice(&sent[..96_000]);
        let path = follow(&grid, &sent, &heard, 100.0);
        assert!(path.iter().count() > 2900);
        assert!(path.iter().all(|(_, place)| place == ChunkPosition { lag, heard: true }));
    }

    /// A change of delay in either direction is found where it was made.
    #[test]
    fn changes_of_delay_are_located() {
        let (grid, sent) = (grid(), marks(200_000));
        for change in [-300.0, 333.0] {
            let mut heard = played(&sent[10_000..], 64_000, |n| if n < 32_000 { 0.0 } else { change });
            heard.splice(0..0, vec![0.0; 12_800]);
            // The path begins at position 10000, output frame 12800.
            let path = follow(&grid, &sent, &heard, 300.0);
            let changed: Vec<usize> =
                path.iter().zip(path.iter().skip(1)).filter(|(a, b)| a.1.lag != b.1.lag).map(|(_, b)| b.0).collect();
            assert_eq!(changed.len(), 1, "{change}");
            assert!(changed[0].abs_diff(44_800) <= 64, "{change}: {changed:?}");
            assert_eq!(path.iter().last().unwrap().1.lag, 2_800.0 + change);
        }
    }

    /// Repeated audio in a gap is not taken for its position.
    #[test]
    fn concealment_is_not_a_position() {
        let (grid, sent) = (grid(), marks(200_000));
        let mut heard = vec![0.0; 12_800];
        heard.extend_from_slice(&sent[10_000..80_000]);
        // 512 frames are missing and are filled with the audio of 700 frames before.
        heard.copy_within(40_000 - 700..40_512 - 700, 40_000);
        let path = follow(&grid, &sent, &heard, 300.0);
        assert!(path.iter().all(|(_, place)| place.lag == 2_800.0));
        let missed: Vec<usize> = path.iter().filter(|(_, p)| !p.heard).map(|(n, _)| n).collect();
        assert_eq!(missed, (40_000..40_512).step_by(CHUNK).collect::<Vec<_>>());
    }

    /// A resampler that follows the clock is found to a fraction of a frame.
    #[test]
    fn clock_drift_is_found_precisely() {
        let (grid, sent) = (grid(), marks(200_000));
        let lag = |n: usize| 500.0 + n as f64 * 100e-6;
        let mut heard = played(&sent[10_000..], 96_000, |n| lag(n) - 500.0 - 20.0);
        heard.splice(0..0, vec![0.0; 12_800]);
        let path = follow(&grid, &sent, &heard, 300.0);
        let off = |(n, place): (usize, ChunkPosition)| (place.lag - 2_780.0 - (n as f64 - 12_784.0) * 100e-6).abs();
        let off: Vec<f64> = path.iter().skip(2).map(off).collect();
        let (worst, mean) = (off.iter().copied().fold(0.0, f64::max), off.iter().sum::<f64>() / off.len() as f64);
        assert!(worst < 0.3 && mean < 0.1 && off.len() > 2900, "{worst} {mean}");
    }
}
