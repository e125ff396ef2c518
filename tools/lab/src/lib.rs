//! Measures playout: plays traces of packet arrivals through the real engine in virtual time.
//!
//! ```text
//! model ─► trace ─► replay (engine to engine) ─► output ─────────► path ─┬─► delay ─────────┐
//!            │                                                          ├─► gaps ─► oracle ─┼─► report, table, plot
//!            └─► grid: callbacks, sender's timeline                     └─► damage ─────────┘
//! ```
//!
//! No result relies on the engine's own counters: channel 1 carries the audio, channel 2 faint noise of which any half
//! millisecond identifies its position. The engine's counters are reported for comparison.
//!
//! | module | what lives there |
//! |---|---|
//! | [`model`], [`random`] | seeded models of bad networks |
//! | [`stall`] | stalls of hosts and servers |
//! | [`stall_bounds`] | bounds for playout between hosts that stall, and many stalls to hold against them |
//! | [`trace`] | send and arrival times of packets, as CSV |
//! | [`sound`], [`resample`] | test signals; sample rate conversion |
//! | [`grid`] | the receiver's callbacks and the sender's timeline on one clock |
//! | [`replay`] | sender, network and receiver in virtual time |
//! | `hop` | the network with retransmission |
//! | `sender` | the sending end of a replay |
//! | [`position_path`] | which position was heard at which time |
//! | [`gaps`], [`damage`] | audio that was not heard in time; audible damage |
//! | [`oracle`] | the best constant delay in hindsight |
//! | [`measure`], [`statistics`], [`report`] | all results for one trace, and their JSON |
//! | [`aftermath`] | effects of stalls |
//! | [`delay_step`] | response to a step of the network delay |
//! | [`table`], [`plot`] | all models side by side; one trace as a picture |
//! | [`conceal`], [`material`], [`spectrum`], [`prediction`] | concealment compared with other methods |

pub mod aftermath;
pub mod conceal;
pub mod damage;
pub mod delay_step;
pub mod gaps;
pub mod grid;
mod hop;
pub mod material;
pub mod measure;
pub mod model;
pub mod oracle;
pub mod plot;
pub mod position_path;
pub mod prediction;
pub mod random;
pub mod replay;
pub mod report;
pub mod resample;
mod sender;
pub mod sound;
pub mod spectrum;
pub mod stall;
pub mod stall_bounds;
pub mod statistics;
pub mod table;
pub mod trace;
