//! Recovery, hop by hop: a receiver tells its sender what it misses, the sender sends it again.
//!
//! A hop is one way between a musician's end and the server. Its losses show in the counters of its datagrams, which
//! no other hop has touched: a number that never came is a datagram that this hop lost.
//!
//! ```text
//! sender                                              receiver
//! History ─► Sender ── audio, copies, resends ──►  Receiver ─► what is missing
//!              ▲                                       │
//!              └──────────────── Feedback ◄────────────┘
//! ```
//!
//! A lost packet comes again in one of two ways. A **resend** goes out when the feedback comes in; it is later than
//! the packet was by the time since that left, which the sender knows. Where the listener waits that long, nothing
//! else is sent. Where not, **copies** of earlier packets travel with the later ones, one with each, while losses
//! last: as many packets behind as the listener waits, so that a run of that many losses is mended.
//!
//! What is sent again never exceeds what was sent for the first time, whatever the feedback says: see [`Sender`].
//! All of it is sans-IO; both ends of both hops share it.

mod caution;
mod feedback;
mod gaps;
mod history;
mod receiver;
mod seen;
mod sender;

pub use feedback::{Feedback, Missing, Waits};
pub use history::{History, PacketId};
pub use receiver::{Receiver, Told};
pub use seen::Seen;
pub use sender::Sender;

use crate::time::Micros;

/// How long packets are kept for sending again.
pub const KEPT_FOR: Micros = Micros::from_millis(250);
