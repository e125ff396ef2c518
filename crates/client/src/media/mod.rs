//! Media on UDP: the socket, where datagrams go, and the thread `jam-recv` that takes what comes.

mod classic;
mod path;
mod receive;
mod socket;

pub(crate) use classic::{ClassicEar, FORGOTTEN_AFTER, Presence};
pub(crate) use path::Path;
pub(crate) use receive::{Ear, LastHeard, Note, Ways, What, run};
pub(crate) use socket::Mark;
