//! Threads that end by themselves.

use tokio::sync::mpsc;

/// Reports that wait; the first one is enough.
const REPORTS: usize = 8;

/// Makes the notices of threads.
#[derive(Clone)]
pub struct EndNotices(mpsc::Sender<&'static str>);

/// Hears the names of threads that have ended.
pub type Ends = mpsc::Receiver<&'static str>;

/// Belongs to a thread. When it is dropped, by the thread's return or by its panic, the thread's name is told.
pub struct EndNotice {
    thread: &'static str,
    to: mpsc::Sender<&'static str>,
}

impl EndNotices {
    /// Notices, and where they arrive.
    pub fn new() -> (EndNotices, Ends) {
        let (to, ends) = mpsc::channel(REPORTS);
        (EndNotices(to), ends)
    }

    /// The notice of a thread.
    pub fn of(&self, thread: &'static str) -> EndNotice {
        EndNotice { thread, to: self.0.clone() }
    }
}

impl Drop for EndNotice {
    fn drop(&mut self) {
        // Fails when nobody listens any more, or others have ended already.
        let _ = self.to.try_send(self.thread);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_like_an_end() {
        let (notices, mut ends) = EndNotices::new();
        let (ended, panicked) = (notices.of("media"), notices.of("mixer"));
        assert!(ends.try_recv().is_err());
        let _ = std::thread::spawn(move || drop(ended)).join();
        let _ = std::thread::spawn(move || {
            let _notice = panicked;
            panic!("on purpose");
        })
        .join();
        assert_eq!((ends.try_recv(), ends.try_recv()), (Ok("media"), Ok("mixer")));
    }
}
