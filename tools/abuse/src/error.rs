//! Why an attack could not be run.

use crate::raw_client::JoinError;
use std::fmt;
use std::io;

/// Why an attack could not be measured. It says nothing about the server's defences.
#[derive(Debug)]
pub enum AttackError {
    /// The network namespaces could not be made.
    NoTestbed(&'static str),
    /// The server or one of its commands failed.
    Server(String),
    /// A client that should have a seat has none.
    NoSeat(JoinError),
    /// The server sent nothing to a client with a seat.
    NoPath,
    /// The honest musicians could not play.
    Honest(String),
    /// A system call failed.
    Io(io::Error),
}

impl fmt::Display for AttackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttackError::NoTestbed(reason) => f.write_str(reason),
            AttackError::Server(said) => write!(f, "the server's program: {said}"),
            AttackError::NoSeat(failed) => write!(f, "no seat: {failed}"),
            AttackError::NoPath => f.write_str("the server sent nothing to a musician who has joined"),
            AttackError::Honest(said) => write!(f, "the honest musicians: {said}"),
            AttackError::Io(error) => write!(f, "a system call failed: {error}"),
        }
    }
}

impl std::error::Error for AttackError {}

impl From<io::Error> for AttackError {
    fn from(error: io::Error) -> AttackError {
        AttackError::Io(error)
    }
}

impl From<JoinError> for AttackError {
    fn from(failed: JoinError) -> AttackError {
        AttackError::NoSeat(failed)
    }
}
