//! How long a stream's sound waits before it is played.

mod beat_phase;
mod fixed_delay;
mod loss_record;
mod moves;
mod regulator;
mod retransmit_wait;
mod slack_histogram;
mod stall_bursts;
mod typical_slack;
mod warmup;

pub(crate) use beat_phase::{BeatPhase, common_step};
pub(crate) use fixed_delay::FixedDelay;
pub(crate) use moves::MoveReason;
pub(crate) use regulator::{ClockedArrival, DelayChange, Regulator};
pub(crate) use retransmit_wait::RetransmitWait;
pub(crate) use stall_bursts::StallBursts;
pub(crate) use typical_slack::TypicalSlack;
pub(crate) use warmup::Warmup;
