//! The command line.

use crate::attacks::{self, Attack, AttackContext};
use crate::report::{self, AttackResult};
use crate::testbed::Testbed;
use clap::{Parser, Subcommand};
use rtjam_tests::programs;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  abuse list
      names the attacks
  abuse run
      runs all attacks against the rtjam-server that was built last
  abuse run idle-tcp one-link --server /tmp/old/rtjam-server
      runs two attacks against another build, to compare figures

This needs root and iproute2: the server, the musicians and the attackers run in network namespaces, because the server's
limits exempt loopback. No packet leaves this machine. Compare only figures from the same machine, and run nothing else at the
same time: a busy machine delays packets.
Exit codes: 0 every figure is within its bound, 1 one is not, 2 wrong usage.";

/// Attacks a room server, and measures the effect on its honest musicians.
#[derive(Debug, Parser)]
#[command(name = "abuse", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the attacks
    List,
    /// Run attacks
    Run(RunArgs),
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// The attacks [default: all]
    #[arg(value_name = "NAME", value_parser = attack_name)]
    names: Vec<String>,
    /// How long the honest musicians play during each attack, in seconds
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// The server's program [default: rtjam-server in $RTJAM_BIN, else beside this program]
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// Print only a JSON array
    #[arg(long)]
    json: bool,
}

/// A name that no attack has.
#[derive(Debug)]
struct UnknownAttack;

fn attack_name(name: &str) -> Result<String, UnknownAttack> {
    attacks::named(name).map(|attack| attack.name.to_owned()).ok_or(UnknownAttack)
}

impl fmt::Display for UnknownAttack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no such attack; run `abuse list` to see the attacks")
    }
}

impl std::error::Error for UnknownAttack {}

/// Runs the program.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::List => {
            attacks::ALL.iter().for_each(|attack| println!("{:<14} {}", attack.name, attack.what));
            ExitCode::SUCCESS
        }
        Command::Run(arguments) => run(&arguments),
    }
}

fn run(arguments: &RunArgs) -> ExitCode {
    let testbed = match Testbed::build() {
        Ok(testbed) => testbed,
        Err(reason) => {
            eprintln!("abuse: {reason}.");
            return ExitCode::FAILURE;
        }
    };
    let server = arguments.server.clone().unwrap_or_else(programs::server);
    let context = AttackContext { testbed: &testbed, server: &server, length: Duration::from_secs(arguments.seconds) };
    let chosen = |attack: &&Attack| arguments.names.is_empty() || arguments.names.iter().any(|n| n == attack.name);
    let mut all = Vec::new();
    for attack in attacks::ALL.iter().filter(chosen) {
        let result = match (attack.run)(&context) {
            Ok(outcome) => AttackResult::Measured(outcome),
            Err(error) => AttackResult::Failed(error.to_string()),
        };
        if !arguments.json {
            println!("{}", report::lines(attack.name, &result));
        }
        all.push((attack.name, result));
    }
    if arguments.json {
        println!("{}", report::json(&all));
    } else {
        print!("{}", report::summary(&all));
    }
    if all.iter().all(|(_, result)| result.is_ok()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documented flags are accepted, and unknown attacks are refused.
    #[test]
    fn documented_command_lines_are_accepted() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        let line = "abuse run idle-tcp one-link --seconds 3 --server /x --json";
        let Ok(Cli { command: Command::Run(run) }) = parse(line) else { panic!("{line}") };
        assert_eq!((run.names.len(), run.seconds, run.json), (2, 3, true));
        assert!(parse("abuse list").is_ok() && parse("abuse run no-such").is_err() && parse("abuse").is_err());
    }
}
