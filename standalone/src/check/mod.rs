//! `rtjam check`: says what stands in the way of low delay on this machine, and what to do about it.
//!
//! | module | what it examines |
//! |---|---|
//! | `rights` | real-time priority, locked memory |
//! | `machine` | governor, kernel, swap, network |
//! | `devices` | sound cards and their power saving |
//! | `audio` | the JACK server, xruns, wake-ups |
//! | `system_files` | reads `/proc` and `/sys` for the others |
//!
//! A part of which the system tells nothing is left out.

mod audio;
mod devices;
mod machine;
mod rights;
mod system_files;

use crate::terminal::print;
use audio::Measurement;
use clap::Args;
use rtjam_check::{Finding, Verdict, worst_verdict};
use serde::Serialize;
use std::io;
use std::process::ExitCode;
use std::time::Duration;
use system_files::SystemFiles;

/// Arguments of `rtjam check`.
#[derive(Args, Clone, Debug, PartialEq)]
#[command(after_help = "Run it as the user who plays, with the JACK server that you play with.\n\
    Exit codes: 0 all is well, 1 there is nothing to play through, 2 wrong usage, 3 it works but something needs attention.")]
pub(crate) struct CheckOptions {
    /// How long to count xruns, or to measure wake-ups if no JACK server runs, in seconds
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub(crate) seconds: u16,

    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// The JSON output.
#[derive(Serialize)]
struct CheckReport<'a> {
    verdict: Verdict,
    findings: &'a [Finding],
    measured: &'a Measurement,
}

/// Checks everything and prints it.
pub(crate) fn run(options: &CheckOptions) -> ExitCode {
    let files = SystemFiles::of_this_machine();
    let time = Duration::from_secs(options.seconds.into());
    let mut findings = examine(&files);
    let jack = audio::open_jack();
    findings.extend(audio::server(&files, jack.as_ref()));
    let show = |findings: &[Finding]| {
        if !options.json {
            findings.iter().for_each(|finding| print(io::stdout(), &format!("{finding}\n")));
        }
    };
    show(&findings);
    print(io::stderr(), &format!("Measuring for {} s.\n", options.seconds));
    let (finding, measured) = match jack {
        Ok(jack) => audio::count_xruns(jack, time),
        Err(_) => audio::measure_wake_ups(time),
    };
    show(std::slice::from_ref(&finding));
    findings.push(finding);
    let verdict = worst_verdict(&findings);
    if options.json {
        let report = CheckReport { verdict, findings: &findings, measured: &measured };
        // Numbers, strings and lists only: serde_json cannot fail.
        print(io::stdout(), &format!("{}\n", serde_json::to_string(&report).unwrap_or_default()));
    }
    ExitCode::from(verdict.exit_code())
}

/// Examines what needs no audio.
fn examine(files: &SystemFiles) -> Vec<Finding> {
    let parts = [
        rights::priority(files),
        rights::locked_memory(files),
        machine::governor(files),
        machine::kernel(files),
        machine::swap(files),
        machine::network(files),
        devices::sound_card(files),
        devices::power_saving(files),
    ];
    parts.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::system_files::tests::FakeSystem;
    use super::*;

    /// On a system that has neither `/proc` nor `/sys`, nothing is claimed.
    #[test]
    fn unknown_system_has_no_findings() {
        let system = FakeSystem::new();
        assert_eq!(examine(&system.files()), []);
    }

    #[test]
    fn json_has_the_documented_fields() {
        let findings = [Finding::warn("swap", "used", "Switch it off.")];
        let measured = Measurement { backend: "jack", seconds: 10, rate: 48_000, period: 64, xruns: 2, wake_ups: None };
        let report = CheckReport { verdict: worst_verdict(&findings), findings: &findings, measured: &measured };
        assert_eq!(
            serde_json::to_string(&report).expect("JSON"),
            r#"{"verdict":"warn","findings":[{"part":"swap","verdict":"warn","seen":"used","advice":"Switch it off."}],"#
                .to_owned()
                + r#""measured":{"backend":"jack","seconds":10,"rate":48000,"period":64,"xruns":2,"wake_ups":null}}"#
        );
    }
}
