//! Why the program fails, in the operator's words.

use std::fmt;

/// Why the server or a command cannot do what it was asked for: what happened, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure(String);

/// An error whose `Display` tells the operator what happened and what to do.
pub trait OperatorError: std::error::Error {}

impl Failure {
    /// `sentence` is shown to whoever started the program.
    pub fn new(sentence: impl Into<String>) -> Failure {
        Failure(sentence.into())
    }
}

impl<E: OperatorError> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure(error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}
