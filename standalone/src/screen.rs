//! Where things are told: the status on standard output, sentences on standard error.
//!
//! On a terminal the status is one line that is written over; sentences scroll by above it. A closed output is no
//! failure: music needs no screen.

use super::report;
use rtjam_client::Status;
use std::io::{self, IsTerminal, Write};

/// Columns, when the terminal does not say.
const USUAL_WIDTH: usize = 80;

/// Standard output and standard error.
pub(crate) struct Screen {
    json: bool,
    terminal: bool,
    /// The line that stands on the terminal now.
    standing: String,
    /// What the last line told, where lines are not written over.
    told: Option<String>,
}

impl Screen {
    /// With `json`, one object each time; else a line.
    pub(crate) fn new(json: bool) -> Screen {
        let terminal = !json && io::stdout().is_terminal();
        Screen { json, terminal, standing: String::new(), told: None }
    }

    /// Shows how things stand.
    pub(crate) fn show(&mut self, status: &Status) {
        if self.json {
            say(io::stdout(), &format!("{}\n", report::json(status)));
        } else if self.terminal {
            self.standing = report::line(status).chars().take(width().saturating_sub(1)).collect();
            self.draw();
        } else {
            let gist = report::gist(status);
            if self.told.as_ref() != Some(&gist) {
                say(io::stdout(), &format!("{}\n", report::line(status)));
                self.told = Some(gist);
            }
        }
    }

    /// Tells a sentence.
    pub(crate) fn tell(&self, sentence: &str) {
        if self.terminal && !self.standing.is_empty() {
            say(io::stdout(), "\r\x1b[K");
        }
        say(io::stderr(), &format!("{sentence}\n"));
        self.draw();
    }

    /// Leaves the last line standing.
    pub(crate) fn close(&self) {
        if self.terminal && !self.standing.is_empty() {
            say(io::stdout(), "\n");
        }
    }

    fn draw(&self) {
        if self.terminal && !self.standing.is_empty() {
            say(io::stdout(), &format!("\r{}\x1b[K", self.standing));
        }
    }
}

/// Writes and flushes; that nobody reads it any more is left unsaid.
pub(crate) fn say(mut to: impl Write, text: &str) {
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}

#[cfg(unix)]
fn width() -> usize {
    // SAFETY: all-zero is a valid `winsize`, which holds integers only.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: TIOCGWINSZ writes one `winsize`, and `size` is one.
    let known = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) } == 0;
    if known && size.ws_col > 0 { usize::from(size.ws_col) } else { USUAL_WIDTH }
}

#[cfg(not(unix))]
fn width() -> usize {
    USUAL_WIDTH
}
