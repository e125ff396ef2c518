//! Audible damage: blocks of 10 ms whose correlation with the sent audio is below 0.9 at the best local lag.
//!
//! Block length, threshold and range of lags are those of the report that compares RTJam with other systems. Only the
//! candidate lags differ: they come from the marks instead of bursts, and may be fractional, because a resampler may follow
//! the clock, and white noise does not correlate with itself at the nearest whole lag.

use super::position_path::{CHUNK, PositionPath};
use super::resample::between_frames;
use std::ops::Range;

/// Frames per block (10 ms).
pub const BLOCK: usize = 480;

/// A block with a lower correlation is damaged; above the second value the search ends.
const ALIKE: f64 = 0.9;
const ENOUGH: f64 = 0.98;

/// Range of lags around the block's own (2 ms), and around other lags.
const REACH: i64 = 96;
const NEAR: i64 = 8;

/// Other lags are candidates if they occur within this many chunks (375 ms) of the block.
const AROUND: usize = 18_000 / CHUNK;

/// Below the first level (−70 dBFS) a block is silent; it is damaged if the output is above the second (−50 dBFS).
const SILENT: f64 = 3e-4;
const AUDIBLE: f64 = 3e-3;

/// First positions of the damaged blocks in `span`, and the number of blocks.
pub fn damaged(path: &PositionPath, sent: &[f32], heard: &[f32], span: Range<usize>) -> (Vec<usize>, usize) {
    let mut chunk = path.places().iter().position(Option::is_some).unwrap_or(0);
    let blocks = span.len() / BLOCK;
    let starts = (0..blocks).map(|i| span.start + i * BLOCK);
    let bad = starts.filter(|&at| {
        chunk = chunk_of(path, at, chunk);
        !is_alike(path, chunk, &sent[at..at + BLOCK], heard, at)
    });
    (bad.collect(), blocks)
}

/// The chunk that plays position `at`, searched from `chunk` on.
fn chunk_of(path: &PositionPath, at: usize, mut chunk: usize) -> usize {
    let begins = |i: usize| Some((i * CHUNK) as f64 - path.places().get(i).copied().flatten()?.lag);
    while begins(chunk + 1).is_some_and(|p| p <= at as f64) {
        chunk += 1;
    }
    chunk
}

fn is_alike(path: &PositionPath, chunk: usize, sent: &[f32], heard: &[f32], at: usize) -> bool {
    let Some(own) = path.places().get(chunk).copied().flatten() else { return false };
    let own = own.lag.round() as i64;
    let at_lag = |lag: i64| {
        let from = usize::try_from(at as i64 + lag).ok()?;
        heard.get(from..from + BLOCK)
    };
    if rms(sent) < SILENT {
        return at_lag(own).is_some_and(|heard| rms(heard) < AUDIBLE);
    }
    let around = &path.places()[chunk.saturating_sub(AROUND)..(chunk + AROUND).min(path.places().len())];
    let mut others: Vec<i64> = around.iter().flatten().filter(|p| p.heard).map(|p| p.lag.round() as i64).collect();
    others.dedup();
    others.sort_unstable();
    others.dedup();
    let near = others.into_iter().flat_map(|lag| lag - NEAR..=lag + NEAR);
    let mut best = (0.0, own);
    for lag in std::iter::once(own).chain(near).chain(own - REACH..=own + REACH) {
        let like = at_lag(lag).map_or(0.0, |heard| likeness(sent, heard));
        if like > best.0 {
            best = (like, lag);
        }
        if best.0 > ENOUGH {
            break;
        }
    }
    best.0 >= ALIKE || is_alike_between(sent, heard, (at as i64 + best.1) as f64)
}

/// Whether a fractional lag next to `at` matches.
fn is_alike_between(sent: &[f32], heard: &[f32], at: f64) -> bool {
    let mut quarters = [-0.5, -0.25, 0.25, 0.5].into_iter().map(|part| at + part);
    quarters.any(|at| at >= 0.0 && likeness(sent, &between_frames(heard, at, BLOCK)) >= ALIKE)
}

fn likeness(a: &[f32], b: &[f32]) -> f64 {
    let product: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum();
    product / (rms(a) * rms(b) * a.len() as f64 + 1e-9)
}

fn rms(signal: &[f32]) -> f64 {
    (signal.iter().map(|s| f64::from(s * s)).sum::<f64>() / signal.len() as f64).sqrt()
}
