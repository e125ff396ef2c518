//! Load on a room server: many real musicians in one program, each with a session, keys and a socket of its own.
//!
//! | module | what lives there |
//! |---|---|
//! | [`options`] | what is asked for |
//! | [`rooms`] | an invite link for each room |
//! | [`classic`] | the same with classic packets |
//! | [`control`] | the control connections, on a thread of their own |
//! | [`player`] | one musician: a session, a socket, what was heard |
//! | [`garbage`] | garbage beside the music |
//! | [`inlet`] | receiving many datagrams at once, with the kernel's stamps |
//! | [`tally`] | what was heard of what was sent; how long it took |
//! | [`mod@run`] | joins, plays, counts, leaves |
//! | [`report`] | the figures |
//! | [`process`] | what the system knows of a program: memory, threads, descriptors |
//! | [`stamp`] | when a datagram left, by the kernel |
//!
//! One thread sends and receives, so that the whole load fits on one core; it takes what has arrived when it has time
//! to. Delays do not depend on that: they run from the moment before a datagram is handed to the kernel until the
//! kernel laid the forwarded one into its recipient's socket.

pub mod classic;
pub mod control;
pub mod garbage;
pub mod inlet;
pub mod options;
pub mod player;
pub mod process;
pub mod report;
pub mod rooms;
pub mod run;
pub mod stamp;
pub mod tally;

pub use options::{Arrivals, Options};
pub use report::Report;
pub use run::{run, run_beside};
