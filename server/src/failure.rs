//! Why the program fails, in the operator's words, and threads that end on their own, by a return or a panic.

use tokio::sync::mpsc;

/// Reports that can wait; one is enough to end the server.
const REPORTS: usize = 8;

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

/// Makes the guards of threads.
#[derive(Clone)]
pub struct ExitNotifier(mpsc::Sender<&'static str>);

/// Receives the name of each thread that ends.
pub type ThreadExits = mpsc::Receiver<&'static str>;

/// Belongs to one thread. Dropping it, by a return or a panic, reports the thread's name.
pub struct ExitGuard {
    thread: &'static str,
    exits: mpsc::Sender<&'static str>,
}

impl ExitNotifier {
    /// A notifier, and where its reports arrive.
    pub fn new() -> (ExitNotifier, ThreadExits) {
        let (reports, exits) = mpsc::channel(REPORTS);
        (ExitNotifier(reports), exits)
    }

    /// The guard of the thread with this name.
    pub fn guard(&self, thread: &'static str) -> ExitGuard {
        ExitGuard { thread, exits: self.0.clone() }
    }
}

impl Drop for ExitGuard {
    fn drop(&mut self) {
        // Fails when nobody listens any more, or when other reports wait.
        let _ = self.exits.try_send(self.thread);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_and_panics_are_reported() {
        let (notifier, mut exits) = ExitNotifier::new();
        let (returns, panics) = (notifier.guard("media"), notifier.guard("mixer"));
        assert!(exits.try_recv().is_err());
        let _ = std::thread::spawn(move || drop(returns)).join();
        let _ = std::thread::spawn(move || {
            let _guard = panics;
            panic!("on purpose");
        })
        .join();
        assert_eq!((exits.try_recv(), exits.try_recv()), (Ok("media"), Ok("mixer")));
    }
}
