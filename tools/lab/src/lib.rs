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
//! | [`trace`] | send and arrival times of packets, as CSV |
//! | [`sound`], [`resample`] | test signals; sample rate conversion |
//! | [`grid`] | the receiver's callbacks and the sender's timeline on one clock |
//! | [`replay`] | sender, network and receiver in virtual time |
//! | `hop` | the network with retransmission |
//! | [`path`] | which position was heard at which time |
//! | [`gaps`], [`damage`] | audio that was not heard in time; audible damage |
//! | [`oracle`] | the best constant delay in hindsight |
//! | [`measure`], [`report`] | all results for one trace, and their JSON |
//! | [`aftermath`] | effects of stalls |
//! | [`step`] | response to a step of the network delay |
//! | [`table`], [`plot`] | all models side by side; one trace as a picture |
//! | [`conceal`], [`material`], [`spectrum`], [`prediction`] | concealment compared with other methods |

pub mod aftermath;
pub mod conceal;
pub mod damage;
pub mod gaps;
pub mod grid;
mod hop;
pub mod material;
pub mod measure;
pub mod model;
pub mod oracle;
pub mod path;
pub mod plot;
pub mod prediction;
pub mod random;
pub mod replay;
pub mod report;
pub mod resample;
pub mod sound;
pub mod spectrum;
pub mod stall;
pub mod step;
pub mod table;
pub mod trace;
