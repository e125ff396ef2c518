//! Detects threads that end on their own, by a return or a panic.

use tokio::sync::mpsc;

/// Reports that can wait; one is enough to end the server.
const REPORTS: usize = 8;

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
