//! The terminal: the status on standard output, messages on standard error.
//!
//! On a terminal the status is one line that is overwritten, below the messages. A closed output is no error.

use super::platform::{enable_escape_sequences, terminal_width};
use super::status_text;
use rtjam_client::Status;
use rtjam_ui::messages::Language;
use std::io::{self, IsTerminal, Write};

/// Columns, if the terminal does not say.
const DEFAULT_WIDTH: usize = 80;

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
