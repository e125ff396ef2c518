//! The user's own map from musicians to aux outputs: a musician gets the slot that they had last time.
//!
//! Slots are numbered from 0 here, as strips are: strip 0 is aux output 1.

mod file;
mod map;
mod seating;

pub(crate) use file::SlotFile;
pub use file::SlotFileError;
pub(crate) use map::{SlotMap, SlotOwner};
pub(crate) use seating::Seating;
pub use seating::Seats;
