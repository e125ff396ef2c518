//! The instrument for playout: traces of packet arrivals, played through the real engine in virtual time.
//!
//! ```text
//! model ─► trace ─► replay (engine to engine) ─► what was heard ─► path ─┬─► delay ─────────┐
//!            │                                                          ├─► gaps ─► oracle ─┼─► report, table, plot
//!            └─► grid: callbacks, sender's timeline                     └─► damage ─────────┘
//! ```
//!
//! Nothing that is reported rests on the engine's own word: channel 1 carries the sound, channel 2 a faint
//! noise of which any half millisecond tells its position. The engine's counters stand beside, to compare.
//!
//! | module | what lives there |
//! |---|---|
//! | [`model`], [`random`] | seeded bad networks, with their figures |
//! | [`stall`] | hosts and servers that stall |
//! | [`trace`] | packets sent and arrived, as CSV |
//! | [`sound`], [`resample`] | what is played; rates |
//! | [`grid`] | the receiver's callbacks and the sender's timeline on one clock |
//! | [`replay`] | sender, network and receiver in virtual time |
//! | `hop` | the network with recovery: what is asked for and sent again |
//! | [`path`] | which position was heard when |
//! | [`gaps`], [`damage`] | what was not heard; what a listener would notice |
//! | [`oracle`] | the best constant delay in hindsight |
//! | [`measure`], [`report`] | all of it for one trace, and as JSON |
//! | [`aftermath`] | what stalls leave behind |
//! | [`step`] | how a jump of the network's delay is followed |
//! | [`table`], [`plot`] | all models side by side; one trace as a picture |
//! | [`conceal`], [`material`], [`spectrum`], [`prediction`] | what gaps sound like, beside other ways to fill them |

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
