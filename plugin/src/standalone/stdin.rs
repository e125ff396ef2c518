//! Standard input: a link for `--join -`, and the Enter key on a terminal.

use std::io::{self, BufRead, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Longer lines are no links; this much is read of them.
const MAX_LINK: u64 = 4096;

/// The first line, without spaces at its ends.
pub(crate) fn read_link() -> io::Result<String> {
    use io::Read;
    let mut line = String::new();
    io::stdin().lock().take(MAX_LINK).read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// Sets `pressed` at every line typed on a terminal. The thread ends with the program.
pub(crate) fn watch_enter(pressed: Arc<AtomicBool>) {
    if !io::stdin().is_terminal() {
        return;
    }
    ignore_background_stop();
    let watch = move || {
        // The end of input, and any error, ends this: there is nobody to press a key.
        for line in io::stdin().lock().lines() {
            if line.is_err() {
                return;
            }
            pressed.store(true, Ordering::Relaxed);
        }
    };
    // Without this thread everything works but the key, and SIGUSR1 does the same.
    let _ = thread::Builder::new().name("keyboard".to_owned()).spawn(watch);
}

/// A program in the background that reads its terminal is stopped, sound and all; it shall get an error instead.
#[cfg(unix)]
fn ignore_background_stop() {
    // SAFETY: no handler is installed, so none can do what a handler must not.
    unsafe { libc::signal(libc::SIGTTIN, libc::SIG_IGN) };
}

#[cfg(not(unix))]
fn ignore_background_stop() {}
