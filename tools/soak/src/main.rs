//! Soak tests: `soak NAME [--seconds N]`. The exit code is 1 if a limit is exceeded.

use rtjam_soak::{memory, server};
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "\
Usage: soak NAME [--seconds N]

  memory   peak memory and its growth, of the server and eight musicians (default 600 s)
  server   twenty musicians who join, leave, disappear and change their address, at 2 % packet loss (default 1200 s)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (name, seconds) = match words[..] {
        [name] => (name, None),
        [name, "--seconds", n] => (name, n.parse().ok().map(Duration::from_secs)),
        _ => ("", None),
    };
    match name {
        "memory" => {
            let report = memory::run(seconds.unwrap_or(Duration::from_secs(600)), |line| eprintln!("{line}"));
            println!("{report}");
            verdict(&report.broken())
        }
        "server" => {
            let report = server::run(seconds.unwrap_or(Duration::from_secs(1200)), |line| eprintln!("{line}"));
            println!("{report}");
            verdict(&report.broken())
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn verdict(broken: &[String]) -> ExitCode {
    for sentence in broken {
        eprintln!("broken: {sentence}");
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
