//! Signals. The handlers only set flags; the main loop reads them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The flags that signal handlers set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals {
    end: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
    resume: Arc<AtomicBool>,
    /// Started from a terminal and not by `nohup`: ends with the terminal.
    ends_with_terminal: bool,
}

impl Signals {
    /// Installs the handlers. SIGINT and SIGTERM end the program, SIGHUP reads the settings again, SIGUSR1 resumes
    /// sending after the loop guard has stopped it.
    ///
    /// # Errors
    /// The system refuses a handler.
    pub(crate) fn install() -> io::Result<Signals> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let signals = Signals { ends_with_terminal: has_terminal() && !hang_up_ignored(), ..Signals::default() };
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&signals.end))?;
        }
        #[cfg(unix)]
        {
            use signal_hook::consts::{SIGHUP, SIGUSR1};
            signal_hook::flag::register(SIGHUP, Arc::clone(&signals.reload))?;
            signal_hook::flag::register(SIGUSR1, Arc::clone(&signals.resume))?;
        }
        Ok(signals)
    }

    /// Ends the program as SIGTERM would.
    pub(crate) fn set_end(&self) {
        self.end.store(true, Ordering::Relaxed);
    }

    /// Whether the program is to end.
    pub(crate) fn end(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }

    /// Whether the last SIGHUP came from a terminal that was closed; otherwise it asks to read the settings again.
    pub(crate) fn hung_up(&self) -> bool {
        self.ends_with_terminal && !has_terminal()
    }

    /// Whether a SIGHUP came since the last call.
    pub(crate) fn take_reload(&self) -> bool {
        self.reload.swap(false, Ordering::Relaxed)
    }

    /// Whether a SIGUSR1 came since the last call.
    pub(crate) fn take_resume(&self) -> bool {
        self.resume.swap(false, Ordering::Relaxed)
    }
}

/// Whether the program has a controlling terminal.
#[cfg(unix)]
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

#[cfg(not(unix))]
fn has_terminal() -> bool {
    false
}

/// Whether SIGHUP is ignored, as after `nohup`.
#[cfg(unix)]
fn hang_up_ignored() -> bool {
    // SAFETY: all-zero is a valid `sigaction`; a null new action only queries the present one.
    unsafe {
        let mut present: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGHUP, std::ptr::null(), &raw mut present) == 0 && present.sa_sigaction == libc::SIG_IGN
    }
}

#[cfg(not(unix))]
fn hang_up_ignored() -> bool {
    false
}
