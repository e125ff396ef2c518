//! The program's own window: the editor, on a desk that stands for the program.
//!
//! The window has the main thread, as some systems demand; the program then runs on a thread of its own. Closing the
//! window ends the program, and the program's end closes the window.

mod desk;
mod kept;

pub(super) use kept::Kept;

use super::config::Config;
use super::run::{Ended, Plan, prepare};
use super::screen::say;
use super::session::Session;
use super::settings_file::SettingsFolder;
use super::signals::Signals;
use desk::Desk;
use rtjam_protocol::link::Link;
use rtjam_ui::editor::window::{Closer, open_window};
use rtjam_ui::messages::{Language, window_error};
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

/// The program's window, as the program's thread sees it.
pub(super) struct Window {
    desk: Arc<Desk>,
    closer: Closer,
}

impl Window {
    /// Shows what the settings say now.
    pub(super) fn follow(&self, config: &Config) {
        self.desk.follow(config);
    }

    /// The room that the window shows.
    pub(super) fn link(&self) -> Option<Link> {
        self.desk.link()
    }

    /// The room that was joined from the window.
    pub(super) fn reached(&self) -> Option<Link> {
        self.desk.reached()
    }

    pub(super) fn show_mute(&self, mute: bool) {
        self.desk.show_mute(mute);
    }

    /// Shows what is wrong with the audio system; `None`: nothing.
    pub(super) fn show_audio(&self, sentence: Option<String>) {
        self.desk.show_audio(sentence);
    }

    /// Writes what was set in the window to the settings folder, if it has changed.
    pub(super) fn keep(&self, folder: &SettingsFolder) {
        self.desk.keep(folder);
    }

    /// Closes the window for good.
    pub(super) fn close(&self, folder: &SettingsFolder) {
        self.closer.close();
        self.desk.keep(folder);
    }
}

/// Where the program's thread asks the main thread for its window.
pub(super) struct Counter {
    asks: Sender<(Arc<Desk>, Signals)>,
    answers: Receiver<Result<Closer, String>>,
}

impl Counter {
    /// Opens the window; when the user closes it, the program is told to end.
    ///
    /// # Errors
    /// Why there is none, as a sentence.
    pub(super) fn open(
        &self,
        session: &Session,
        config: &Config,
        kept: &Kept,
        folder: &SettingsFolder,
        signals: &Signals,
    ) -> Result<Window, String> {
        let (client, console) = session.parts().ok_or("The program has ended.")?;
        let last = folder.last_room().and_then(|link| link.parse().ok());
        let desk = Arc::new(Desk::new(client, console, config, kept, last));
        let gone = |_| "The window's thread has ended.".to_owned();
        self.asks.send((Arc::clone(&desk), signals.clone())).map_err(|_| gone(()))?;
        let closer = self.answers.recv().map_err(|_| gone(()))??;
        Ok(Window { desk, closer })
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
            Err(why) => drop(answer.send(Err(window_error(&why, Language::of_system())))),
        }
    }
    program.join().unwrap_or(Ended::Failed)
}
