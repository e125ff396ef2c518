//! How a musician's clock runs against ours, and reading between frames to follow it.

mod drift;
mod fractional_delay;
mod inter_sample_ceiling;
mod time_base;

pub(crate) use drift::{Drift, DriftFinding};
pub(crate) use fractional_delay::{AHEAD, FractionalDelay};
pub(crate) use inter_sample_ceiling::InterSampleCeiling;
pub(crate) use time_base::{PacketTiming, TimeBase};
