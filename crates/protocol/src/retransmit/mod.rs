//! Retransmission of lost packets, for each hop separately.
//!
//! A hop is one direction between a client and the server. The receiver of a hop detects losses by gaps in the datagram
//! counters, reports them as NACKs in feedback frames, and the sender retransmits.
//!
//! ```text
//! sender                                                       receiver
//! PacketHistory ─► Retransmitter ── audio, copies ──────────►  LossDetector
//!                      ▲                                           │
//!                      └────────────── Feedback ◄──────────────────┘
//! ```
//!
//! There are two ways of retransmission:
//!
//! * On **NACK**: the sender sends the missing packet again as soon as the feedback arrives. It does so if the packet can
//!   still arrive within the listener's retransmit wait.
//! * As **redundancy**: if a NACK would arrive too late, each new packet carries a copy of an earlier one while losses last.
//!   The distance between the two is as many packets as the listener waits for, so a burst of that many losses is repaired.
//!
//! Retransmissions never exceed the original traffic of a lane, whatever the feedback says: see [`Retransmitter`]. All types
//! are sans-IO, and both ends use them.

mod copy_guard;
mod duplicate_filter;
mod gap_tracker;
mod loss_detector;
mod packet_history;
mod retransmitter;

pub use crate::datagram::{Feedback, MissingCounters, RetransmitWaits};
pub use duplicate_filter::DuplicateFilter;
pub use loss_detector::{LossDetector, ReceiverReport};
pub use packet_history::{PacketHistory, PacketId};
pub use retransmitter::Retransmitter;

use crate::time::Micros;

/// Time for which sent packets are kept for retransmission.
pub const RETRANSMIT_WINDOW: Micros = Micros::from_millis(250);
