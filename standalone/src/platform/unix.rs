//! Linux and macOS.

use super::SignalFlags;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use std::io;
use std::sync::Arc;

/// Installs the handlers.
///
/// # Errors
/// The system refuses a handler.
pub(crate) fn handle_signals(flags: &SignalFlags) -> io::Result<()> {
    let SignalFlags { end, reload, resume } = flags;
    for (signal, flag) in [(SIGINT, end), (SIGTERM, end), (SIGHUP, reload), (SIGUSR1, resume)] {
        signal_hook::flag::register(signal, Arc::clone(flag))?;
    }
    Ok(())
}

/// Whether the program has a controlling terminal.
pub(crate) fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// Whether SIGHUP is ignored, as after `nohup`.
pub(crate) fn hang_up_ignored() -> bool {
    // SAFETY: all-zero is a valid `sigaction`; a null new action only queries the present one.
    unsafe {
        let mut present: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGHUP, std::ptr::null(), &raw mut present) == 0 && present.sa_sigaction == libc::SIG_IGN
    }
}

/// The system stops a background program that reads its terminal, audio included. With SIGTTIN ignored, the read fails
/// instead.
pub(crate) fn ignore_background_stop() {
    // SAFETY: installs no handler.
    unsafe { libc::signal(libc::SIGTTIN, libc::SIG_IGN) };
}

/// Columns of the terminal on standard output; `None` if it does not say.
pub(crate) fn terminal_width() -> Option<usize> {
    // SAFETY: all-zero is a valid `winsize`, which holds integers only.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: TIOCGWINSZ writes one `winsize`, and `size` is one.
    let known = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) } == 0;
    (known && size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// Whether the terminal on standard output understands escape sequences.
pub(crate) fn enable_escape_sequences() -> bool {
    true
}
