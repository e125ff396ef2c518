//! The program's own window: the editor, on a desk that stands for the program.
//!
//! The window has the main thread, as some systems demand; the program then runs on a thread of its own. Closing the
//! window ends the program, and the program's end closes the window.

mod desk;
mod kept;

pub(super) use desk::Desk;
pub(super) use kept::Kept;

use super::run::{Ended, Plan, prepare};
use super::screen::say;
use super::signals::Signals;
use crate::editor::window::{Closer, open_window};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

const TITLE: &str = "RTJam";

/// Whether a window can be tried at all.
pub(super) fn has_display() -> bool {
    if cfg!(any(windows, target_os = "macos")) {
        return true;
    }
    std::env::var_os("DISPLAY").is_some_and(|display| !display.is_empty())
}

/// Where the program asks the main thread for its window.
pub(super) struct Counter {
    asks: Sender<(Arc<Desk>, Signals)>,
    answers: Receiver<Result<Closer, String>>,
}

impl Counter {
    /// Opens the window of a desk; closing it sets the end.
    ///
    /// # Errors
    /// A sentence: there is none to be had.
    pub(super) fn open(&self, desk: &Arc<Desk>, signals: &Signals) -> Result<Closer, String> {
        let gone = |_| "The window's thread has ended.".to_owned();
        self.asks.send((Arc::clone(desk), signals.clone())).map_err(|_| gone(()))?;
        self.answers.recv().map_err(|_| gone(()))?
    }
}

/// Runs the program with its window, until either ends.
pub(super) fn run(plan: Plan) -> Ended {
    let (asks, asked) = channel();
    let (answer, answers) = channel();
    let counter = Counter { asks, answers };
    let program = thread::Builder::new().name("program".to_owned()).spawn(move || match prepare(plan, Some(counter)) {
        Ok(mut program) => program.run(),
        Err((ended, sentence)) => {
            say(io::stderr(), &format!("{sentence}\n"));
            ended
        }
    });
    let Ok(program) = program else {
        say(io::stderr(), "This computer gives RTJam no threads. Close other programs, and start it again.\n");
        return Ended::Failed;
    };
    // Nobody asks: the program ended before it needed a window.
    if let Ok((desk, signals)) = asked.recv() {
        match open_window(desk, TITLE) {
            Ok(window) => {
                // It only fails when the program has ended meanwhile; then there is nothing to show.
                if answer.send(Ok(window.closer())).is_ok() {
                    window.wait();
                }
                signals.set_end();
            }
            Err(why) => drop(answer.send(Err(why))),
        }
    }
    program.join().unwrap_or(Ended::Failed)
}
