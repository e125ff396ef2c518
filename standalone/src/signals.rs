//! Signals. The handlers only set flags; the main loop reads them.

use super::platform::{SignalFlags, handle_signals, hang_up_ignored, has_terminal};
use std::io;
use std::sync::atomic::Ordering;

/// What signals have asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals {
    flags: SignalFlags,
    /// Started from a terminal and not by `nohup`: ends with the terminal.
    ends_with_terminal: bool,
}

impl Signals {
    /// Installs the handlers.
    ///
    /// # Errors
    /// The system refuses a handler.
    pub(crate) fn install() -> io::Result<Signals> {
        let signals = Signals { ends_with_terminal: has_terminal() && !hang_up_ignored(), ..Signals::default() };
        handle_signals(&signals.flags)?;
        Ok(signals)
    }

    /// Ends the program as SIGTERM would.
    pub(crate) fn set_end(&self) {
        self.flags.end.store(true, Ordering::Relaxed);
    }

    /// Whether the program is to end.
    pub(crate) fn end(&self) -> bool {
        self.flags.end.load(Ordering::Relaxed)
    }

    /// Whether the last SIGHUP came from a terminal that was closed; otherwise it asks to read the settings again.
    pub(crate) fn hung_up(&self) -> bool {
        self.ends_with_terminal && !has_terminal()
    }

    /// Whether a SIGHUP came since the last call.
    pub(crate) fn take_reload(&self) -> bool {
        self.flags.reload.swap(false, Ordering::Relaxed)
    }

    /// Whether a SIGUSR1 came since the last call.
    pub(crate) fn take_resume(&self) -> bool {
        self.flags.resume.swap(false, Ordering::Relaxed)
    }
}
