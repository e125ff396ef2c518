//! Load on a room server: many musicians in one program, each with a session, keys and a socket.
//!
//! | module | what lives there |
//! |---|---|
//! | [`options`] | the command line |
//! | [`error`] | why a load cannot be run |
//! | [`rooms`] | an invite link for each room |
//! | [`legacy`] | the load of legacy packets |
//! | [`control`] | the control connections, on their own thread |
//! | [`musician`] | one musician: a session, a socket, the packets received |
//! | [`garbage`] | garbage datagrams during the load |
//! | [`batch_receiver`] | receives many datagrams at once, with the kernel's timestamps |
//! | [`reception`] | counts packets received, and their delays |
//! | [`mod@run`] | runs a load: join, play, count, leave |
//! | [`report`] | the results |
//! | [`process`] | memory, threads, descriptors and processor time of a process |
//! | [`timestamps`] | receives one datagram with its timestamp |
//!
//! One thread sends and receives, so that the whole load fits on one core; it receives when it has time. Delays do not depend
//! on that: they run from just before a datagram is passed to the kernel until the kernel has put the forwarded datagram into
//! the receiver's socket.

pub mod batch_receiver;
pub mod control;
pub mod error;
pub mod garbage;
pub mod legacy;
pub mod musician;
pub mod options;
pub mod process;
pub mod reception;
pub mod report;
pub mod rooms;
pub mod run;
pub mod timestamps;

pub use error::LoadError;
pub use options::{ArrivalPattern, LoadOptions};
pub use report::LoadReport;
pub use run::{run, run_beside};
