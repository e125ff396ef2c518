//! The live status: one line that is rewritten on a terminal, otherwise one line per second.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::{Duration, Instant};

use super::part::Who;
use super::players::Players;
use super::status::{StatusLine, StatusMusician};

pub(super) struct Display {
    is_terminal: bool,
    is_line_open: bool,
    start: Instant,
    printed: Option<Instant>,
}

impl Display {
    pub(super) fn new() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        Self { is_terminal, is_line_open: false, start: Instant::now(), printed: None }
    }

    pub(super) fn status(&mut self, players: &Players) {
        // Both report once a second, at different moments.
        let is_due = self.printed.is_none_or(|at| at.elapsed() > Duration::from_millis(900));
        if !self.is_terminal && !is_due {
            return;
        }
        self.printed = Some(Instant::now());
        let line = describe(self.start.elapsed(), players);
        if self.is_terminal {
            // Carriage return; no line wrap, so that a narrow window cuts the line; clear the rest.
            print!("\r\x1b[?7l{line}\x1b[K\x1b[?7h");
            let _ = std::io::stdout().flush();
            self.is_line_open = true;
        } else {
            println!("{line}");
        }
    }

    /// Prints a line of output of a program.
    pub(super) fn line(&mut self, who: Who, line: &str) {
        self.finish();
        println!("{}: {line}", who.name());
    }

    pub(super) fn finish(&mut self) {
        if std::mem::take(&mut self.is_line_open) {
            println!();
        }
    }
}

fn describe(elapsed: Duration, players: &Players) -> String {
    let mut text = format!("{:>4} s", elapsed.as_secs());
    for (name, status, heard) in
        [("you", players.you(), players.you_hear()), ("demo", players.demo(), players.demo_hears())]
    {
        let _ = write!(text, " | {name}: {}", own(status));
        if let Some(musician) = heard {
            let _ = write!(text, ", hears {}", other(musician));
        }
    }
    text
}

fn own(status: Option<&StatusLine>) -> String {
    let Some(status) = status else { return "starting".to_owned() };
    let mut text = status.state.clone();
    if let Some(rtt) = status.rtt_ms {
        let _ = write!(text, ", rtt {rtt:.1} ms");
    }
    if let Some(xruns) = status.xruns.filter(|xruns| *xruns > 0) {
        let _ = write!(text, ", {xruns} xruns");
    }
    text
}

fn other(musician: &StatusMusician) -> String {
    let mut text = match musician.level() {
        Some(level) => format!("{level:.0} dBFS"),
        None => "nothing".to_owned(),
    };
    if let Some(delay) = musician.playout_delay_ms {
        let _ = write!(text, ", playout {delay:.1} ms");
    }
    let count = |n: Option<u64>| n.map_or("?".to_owned(), |n| n.to_string());
    let _ = write!(text, ", lost {} late {}", count(musician.lost), count(musician.late));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status line shows both directions.
    #[test]
    fn line_shows_both_directions() {
        let mut players = Players::default();
        assert_eq!(describe(Duration::from_secs(1), &players), "   1 s | you: starting | demo: starting");
        let line = r#"{"state":"joined","rtt_ms":0.44,"xruns":2,"musicians":[{"name":"Demo","lost":3,"late":null,
            "playout_delay_ms":4.0,"dbfs":[-18.4,-20]}]}"#;
        players.take(Who::You, serde_json::from_str(line).expect("a status"), Instant::now());
        assert_eq!(
            describe(Duration::from_secs(2), &players),
            "   2 s | you: joined, rtt 0.4 ms, 2 xruns, hears -18 dBFS, playout 4.0 ms, lost 3 late ? | demo: starting"
        );
    }
}
