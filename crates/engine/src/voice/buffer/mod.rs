//! Where a stream's packets and frames are kept: before they are played, and after.

mod history;
mod jitter_buffer;
mod sequence_window;

pub(crate) use history::{HISTORY, History};
pub(crate) use jitter_buffer::{JitterBuffer, KEPT, offset};
pub(crate) use sequence_window::{Arrival, SequenceWindow};
