//! Why the program fails, in the operator's words.

/// Why the server or a command cannot do what it was asked for: what happened, and what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

/// An error whose `Display` tells the operator what happened and what to do.
pub trait OperatorError: std::error::Error {}

impl Failure {
    /// The system refuses something that the server needs.
    pub fn at_start(error: std::io::Error) -> Failure {
        Failure(format!("The server could not start: {error}. Try again."))
    }

    /// A thread ended although nobody stopped it.
    pub fn ended_by_itself(thread: &str) -> Failure {
        Failure(format!(
            "The {thread} thread ended unexpectedly, and nobody can play without it. Start the server again."
        ))
    }

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
