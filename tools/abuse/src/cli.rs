//! The command line.

use crate::attacks::{self, Attack, Setting};
use crate::report::{self, Ended};
use crate::town::Town;
use clap::{Parser, Subcommand};
use rtjam_tests::programs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  abuse list
      names the attacks
  abuse run
      carries all of them out against the rtjam-server that was built last
  abuse run idle-tcp one-link --server /tmp/old/rtjam-server
      carries two of them out against another build, for figures of before

It needs root and iproute2: the server, the musicians and the attackers get network namespaces of their own, because the
server's limits exempt loopback. Nothing leaves this machine. A machine that is busy with other things delays packets:
compare figures of one machine, and run nothing beside.
Exit codes: 0 every figure keeps to its bound, 1 one does not, 2 wrong usage.";

/// Attacks a room server, and measures what that costs the honest musicians on it.
#[derive(Debug, Parser)]
#[command(name = "abuse", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Name the attacks
    List,
    /// Carry attacks out
    Run(Run),
}

#[derive(Debug, clap::Args)]
struct Run {
    /// Which attacks [default: all]
    #[arg(value_name = "NAME", value_parser = known)]
    names: Vec<String>,
    /// How long the honest musicians play under each attack
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// The server's program [default: rtjam-server in $RTJAM_BIN, else beside this program]
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// Print one JSON array and nothing else
    #[arg(long)]
    json: bool,
}

fn known(name: &str) -> Result<String, String> {
    match attacks::named(name) {
        Some(_) => Ok(name.to_owned()),
        None => Err("there is no such attack; `abuse list` names them".to_owned()),
    }
}

/// The whole program.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::List => {
            attacks::ALL.iter().for_each(|attack| println!("{:<14} {}", attack.name, attack.what));
            ExitCode::SUCCESS
        }
        Command::Run(arguments) => run(&arguments),
    }
}

fn run(arguments: &Run) -> ExitCode {
    let town = match Town::build() {
        Ok(town) => town,
        Err(reason) => {
            eprintln!("abuse: {reason}.");
            return ExitCode::FAILURE;
        }
    };
    let server = arguments.server.clone().unwrap_or_else(programs::server);
    let setting = Setting { town: &town, server: &server, length: Duration::from_secs(arguments.seconds) };
    let chosen = |attack: &&Attack| arguments.names.is_empty() || arguments.names.iter().any(|n| n == attack.name);
    let mut all = Vec::new();
    for attack in attacks::ALL.iter().filter(chosen) {
        let ended = match (attack.run)(&setting) {
            Ok(outcome) => Ended::Measured(outcome),
            Err(trouble) => Ended::Failed(trouble.to_string()),
        };
        if !arguments.json {
            println!("{}", report::lines(attack.name, &ended));
        }
        all.push((attack.name, ended));
    }
    if arguments.json {
        println!("{}", report::json(&all));
    } else {
        print!("{}", report::summary(&all));
    }
    if all.iter().all(|(_, ended)| ended.is_ok()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The flags are a contract, and unknown attacks are refused.
    #[test]
    fn the_command_line_is_kept() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        let line = "abuse run idle-tcp one-link --seconds 3 --server /x --json";
        let Ok(Cli { command: Command::Run(run) }) = parse(line) else { panic!("{line}") };
        assert_eq!((run.names.len(), run.seconds, run.json), (2, 3, true));
        assert!(parse("abuse list").is_ok() && parse("abuse run no-such").is_err() && parse("abuse").is_err());
    }
}
