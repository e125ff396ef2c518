//! What hostile strangers and hostile musicians cost the others: the attacks of the program `abuse`, a few seconds each.
//!
//! Delays are left to the program: a busy machine would break their bounds.

use rtjam_abuse::attacks::{Setting, named};
use rtjam_abuse::report::{self, Ended};
use rtjam_abuse::town::Town;
use rtjam_tests::{programs, skip};
use std::time::Duration;

/// Carries an attack out against the server, whose figures must keep to their bounds.
fn withstands(name: &str, seconds: u64) {
    let town = match Town::build() {
        Ok(town) => town,
        Err(reason) => return skip::skipped(reason),
    };
    let server = programs::server();
    let setting = Setting { town: &town, server: &server, length: Duration::from_secs(seconds) };
    let attack = named(name).expect("an attack of this name");
    let outcome = (attack.run)(&setting).unwrap_or_else(|trouble| panic!("{name}: {trouble}"));
    let broken = outcome.broken().any(|figure| !figure.is_timing);
    let lines = report::lines(name, &Ended::Measured(outcome));
    eprintln!("{lines}");
    assert!(!broken, "{lines}");
}
