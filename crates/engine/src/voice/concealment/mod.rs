//! Packet loss concealment (PLC): what is played where frames are missing.

mod concealer;
mod concealment_rate;
mod linear_prediction;
mod waveform_match;

pub(crate) use concealer::Concealer;
pub(crate) use concealment_rate::ConcealmentRate;
