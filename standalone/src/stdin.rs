//! Standard input: a link for `--join -`, and what is typed on a terminal.

use std::io::{self, BufRead, IsTerminal};
use std::sync::mpsc::{Receiver, channel};
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

/// The lines that are typed on a terminal; none where there is no terminal. The thread ends with the program.
pub(crate) fn typed_lines() -> Receiver<String> {
    let (sender, lines) = channel();
    if io::stdin().is_terminal() {
        ignore_background_stop();
        let read = move || {
            // The end of input, and any error, ends this: there is nobody to type.
            for line in io::stdin().lock().lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        };
        // Without this thread everything works but typing.
        let _ = thread::Builder::new().name("keyboard".to_owned()).spawn(read);
    }
    lines
}

/// A program in the background that reads its terminal is stopped, sound and all; it shall get an error instead.
#[cfg(unix)]
fn ignore_background_stop() {
    // SAFETY: no handler is installed, so none can do what a handler must not.
    unsafe { libc::signal(libc::SIGTTIN, libc::SIG_IGN) };
}

#[cfg(not(unix))]
fn ignore_background_stop() {}
