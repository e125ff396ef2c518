//! Standard input: the link for `--join -`, and commands typed on a terminal.

use super::platform::ignore_background_stop;
use std::io::{self, BufRead, IsTerminal};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// The most bytes that are read of a line; no link is longer.
const MAX_LINK: u64 = 4096;

/// Reads the first line, without surrounding spaces.
pub(crate) fn read_link() -> io::Result<String> {
    use io::Read;
    let mut line = String::new();
    io::stdin().lock().take(MAX_LINK).read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// The lines that are typed on a terminal; without a terminal there are none. The reading thread ends with the program.
pub(crate) fn typed_lines() -> Receiver<String> {
    let (sender, lines) = channel();
    if io::stdin().is_terminal() {
        ignore_background_stop();
        let read = move || {
            // Ends at the end of input and at any error.
            for line in io::stdin().lock().lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        };
        // Without this thread, everything but typed commands works.
        let _ = thread::Builder::new().name("keyboard".to_owned()).spawn(read);
    }
    lines
}
