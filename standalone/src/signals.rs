//! What the system asks of the program while it runs. Handlers only set flags; the main loop looks at them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The flags.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals {
    end: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
    resume: Arc<AtomicBool>,
    /// Started on a terminal, by somebody who wants the program to end with it.
    lives_on_terminal: bool,
}

impl Signals {
    /// SIGINT and SIGTERM end the program, SIGHUP reads the settings again, SIGUSR1 sends again
    /// after the loop guard.
    pub(crate) fn install() -> io::Result<Signals> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let signals = Signals { lives_on_terminal: has_terminal() && !hang_up_ignored(), ..Signals::default() };
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

    /// Ends the program for a reason of its own.
    pub(crate) fn set_end(&self) {
        self.end.store(true, Ordering::Relaxed);
    }

    /// The program shall end.
    pub(crate) fn end(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }

    /// SIGHUP came because the terminal was closed, and not to have the settings read.
    pub(crate) fn hung_up(&self) -> bool {
        self.lives_on_terminal && !has_terminal()
    }

    /// True once after each SIGHUP.
    pub(crate) fn take_reload(&self) -> bool {
        self.reload.swap(false, Ordering::Relaxed)
    }

    /// True once after each SIGUSR1.
    pub(crate) fn take_resume(&self) -> bool {
        self.resume.swap(false, Ordering::Relaxed)
    }
}

/// Whether the program has a terminal that it could be watched on.
#[cfg(unix)]
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

#[cfg(not(unix))]
fn has_terminal() -> bool {
    false
}

/// Whether it was started by `nohup`, to stay when its terminal goes.
#[cfg(unix)]
fn hang_up_ignored() -> bool {
    // SAFETY: all-zero is a valid `sigaction`, and a null new action only asks for the present one.
    unsafe {
        let mut present: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGHUP, std::ptr::null(), &raw mut present) == 0 && present.sa_sigaction == libc::SIG_IGN
    }
}

#[cfg(not(unix))]
fn hang_up_ignored() -> bool {
    false
}
