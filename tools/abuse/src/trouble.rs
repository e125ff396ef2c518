//! Why an attack could not be carried out.

use crate::guest::Failed;
use std::fmt;
use std::io;

/// What keeps an attack from being measured. It says nothing about the server's strength.
#[derive(Debug)]
pub enum Trouble {
    /// There is no town.
    NoTown(&'static str),
    /// The server's program did not do what was asked.
    Server(String),
    /// Someone who should have a seat has none.
    NoSeat(Failed),
    /// The server never sent to a seat's address.
    NoPath,
    /// The honest musicians could not play.
    Honest(String),
    /// The system refused.
    Io(io::Error),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::NoTown(reason) => f.write_str(reason),
            Trouble::Server(said) => write!(f, "the server's program: {said}"),
            Trouble::NoSeat(failed) => write!(f, "no seat: {failed}"),
            Trouble::NoPath => f.write_str("the server sent nothing to a musician who joined"),
            Trouble::Honest(said) => write!(f, "the honest musicians: {said}"),
            Trouble::Io(error) => write!(f, "the system refused: {error}"),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Io(error)
    }
}

impl From<Failed> for Trouble {
    fn from(failed: Failed) -> Trouble {
        Trouble::NoSeat(failed)
    }
}
