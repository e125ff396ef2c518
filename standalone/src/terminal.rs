//! The terminal: the status on standard output, messages on standard error, the link for `--join -` and typed commands on
//! standard input.
//!
//! On a terminal the status is one line that is overwritten, below the messages. A closed output is no error.

use super::platform::{enable_escape_sequences, ignore_background_stop, terminal_width};
use super::status_text;
use rtjam_client::Status;
use rtjam_ui::messages::Language;
use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// Columns, if the terminal does not say.
const DEFAULT_WIDTH: usize = 80;

/// The most bytes that are read of a line; no link is longer.
const MAX_LINK: u64 = 4096;

/// Standard output and standard error.
pub(crate) struct Terminal {
    json: bool,
    is_terminal: bool,
    /// The status line on the terminal.
    line: String,
    /// The summary of the last line, where lines cannot be overwritten.
    summary: Option<String>,
}

impl Terminal {
    /// With `json`, each status is one JSON object; otherwise a line of text.
    pub(crate) fn new(json: bool) -> Terminal {
        let is_terminal = !json && io::stdout().is_terminal() && enable_escape_sequences();
        Terminal { json, is_terminal, line: String::new(), summary: None }
    }

    pub(crate) fn show_status(&mut self, status: &Status, language: Language) {
        if self.json {
            print(io::stdout(), &format!("{}\n", status_text::json(status)));
        } else if self.is_terminal {
            self.line = status_text::line(status, language).chars().take(width().saturating_sub(1)).collect();
            self.draw();
        } else {
            let summary = status_text::summary(status);
            if self.summary.as_ref() != Some(&summary) {
                print(io::stdout(), &format!("{}\n", status_text::line(status, language)));
                self.summary = Some(summary);
            }
        }
    }

    pub(crate) fn show_message(&self, message: &str) {
        if self.is_terminal && !self.line.is_empty() {
            print(io::stdout(), "\r\x1b[K");
        }
        print(io::stderr(), &format!("{message}\n"));
        self.draw();
    }

    /// Ends the status line.
    pub(crate) fn close(&self) {
        if self.is_terminal && !self.line.is_empty() {
            print(io::stdout(), "\n");
        }
    }

    fn draw(&self) {
        if self.is_terminal && !self.line.is_empty() {
            print(io::stdout(), &format!("\r{}\x1b[K", self.line));
        }
    }
}

/// Writes and flushes. Ignores errors.
pub(crate) fn print(mut to: impl Write, text: &str) {
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}

fn width() -> usize {
    terminal_width().unwrap_or(DEFAULT_WIDTH)
}

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
