//! The program's own window: the editor, on a model of the program.
//!
//! The window runs on the main thread, as some systems require, and the program on a thread of its own. Closing the window
//! ends the program, and the end of the program closes the window.

mod audio_page;
mod program_model;
mod window_state;

pub(super) use window_state::WindowState;

use super::audio_supervisor::{AudioError, AudioSupervisor};
use super::config::ProgramConfig;
pub(super) use super::platform::has_display;
use super::session::ProgramSession;
use super::settings_file::SettingsFolder;
use super::signals::Signals;
use audio_page::{AudioPage, problem};
use program_model::ProgramModel;
use rtjam_protocol::link::Link;
use rtjam_ui::audio::AudioProblem;
use rtjam_ui::editor::window::{Closer, open_window};
use rtjam_ui::messages::Language;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

const TITLE: &str = "RTJam";

/// Why there is no window.
#[derive(Debug)]
pub(super) enum ProgramWindowError {
    /// The system gave no thread.
    NoThread,
    /// The program, or the thread of the window, has ended.
    Ended,
    /// The window system refused; the error says what to do.
    Open(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for ProgramWindowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProgramWindowError::NoThread => {
                f.write_str("The system could not start another thread. Close other programs, and start RTJam again.")
            }
            ProgramWindowError::Ended => f.write_str("The window's thread has ended."),
            ProgramWindowError::Open(why) => why.fmt(f),
        }
    }
}

impl Error for ProgramWindowError {}

/// The program's window, as the program's thread sees it.
pub(super) struct Window {
    model: Arc<ProgramModel>,
    closer: Closer,
    audio: AudioPage,
}

impl Window {
    /// Shows another configuration.
    pub(super) fn follow(&self, config: &ProgramConfig) {
        self.model.follow(config);
    }

    /// The room that the window shows.
    pub(super) fn link(&self) -> Option<Link> {
        self.model.link()
    }

    /// Notes that the room is joined, and returns its link.
    pub(super) fn note_joined(&self) -> Option<Link> {
        self.model.note_joined()
    }

    pub(super) fn show_mute(&self, mute: bool) {
        self.model.show_mute(mute);
    }

    /// Shows why no audio runs, until it runs again.
    pub(super) fn show_audio_error(&mut self, error: &AudioError, language: Language) {
        self.audio.show_problem(problem(error, language));
    }

    /// Shows that the audio system was lost, for this reason, until it runs again.
    pub(super) fn show_audio_loss(&mut self, sentence: String) {
        self.audio.show_problem(AudioProblem::Other(sentence));
    }

    /// Does what the user has asked for on the audio page, and shows what runs. Returns a message for the terminal.
    pub(super) fn serve_audio(&mut self, audio: &mut AudioSupervisor, config: &mut ProgramConfig) -> Option<String> {
        self.audio.serve(&self.model, audio, config)
    }

    /// Writes what has changed in the window to the config folder.
    pub(super) fn save(&self) {
        self.model.save();
    }

    /// Closes the window for good.
    pub(super) fn close(&self) {
        self.closer.close();
        self.model.save();
    }
}

/// With this, the program's thread requests its window from the main thread.
pub(super) struct WindowRequest {
    requests: Sender<(Arc<ProgramModel>, Signals)>,
    answers: Receiver<Result<Closer, ProgramWindowError>>,
}

impl WindowRequest {
    /// Opens the window. When the user closes it, `signals` ends the program.
    ///
    /// # Errors
    /// There is no window.
    pub(super) fn open(
        self,
        session: &ProgramSession,
        config: &ProgramConfig,
        state: &WindowState,
        folder: &SettingsFolder,
        signals: &Signals,
    ) -> Result<Window, ProgramWindowError> {
        let (client, console) = session.parts().ok_or(ProgramWindowError::Ended)?;
        let last = folder.last_room().and_then(|link| link.parse().ok());
        let model = Arc::new(ProgramModel::new(client, console, config, state, folder.path().to_owned(), last));
        self.requests.send((Arc::clone(&model), signals.clone())).map_err(|_| ProgramWindowError::Ended)?;
        let closer = self.answers.recv().map_err(|_| ProgramWindowError::Ended)??;
        Ok(Window { model, closer, audio: AudioPage::new() })
    }
}

/// Runs the program on a thread of its own, and its window on this one, until either ends.
///
/// # Errors
/// The program could not run.
pub(super) fn run<T: Send + 'static>(
    program: impl FnOnce(WindowRequest) -> T + Send + 'static,
) -> Result<T, ProgramWindowError> {
    let (requests, requested) = channel();
    let (answer, answers) = channel();
    let request = WindowRequest { requests, answers };
    let thread = thread::Builder::new().name("program".to_owned()).spawn(move || program(request));
    let thread = thread.map_err(|_| ProgramWindowError::NoThread)?;
    // An error: the program ended before it requested a window.
    if let Ok((model, signals)) = requested.recv() {
        match open_window(model, TITLE) {
            Ok(window) => {
                // This fails only if the program has ended meanwhile; then there is nothing to show.
                if answer.send(Ok(window.closer())).is_ok() {
                    window.wait();
                }
                signals.set_end();
            }
            Err(why) => drop(answer.send(Err(ProgramWindowError::Open(why.into())))),
        }
    }
    thread.join().map_err(|_| ProgramWindowError::Ended)
}
