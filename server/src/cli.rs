//! The command line, and the log on stderr.

use crate::config::{Config, ConfigError, DataDirArg, ListenAddress, LogLevel, ServerSettings};
use crate::failure::Failure;
use crate::invite::InviteRequest;
use crate::moderation::cli as moderation;
use crate::server::Server;
use crate::{check, invite, system};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, reload};

const FAILED: u8 = 1;
const USAGE: u8 = 2;

const EXAMPLES: &str = "\
Examples:
  rtjam-server
      listens on TCP and UDP port 7891, opens the room `lobby`, and prints the web page's address and an invite link
  rtjam-server --public-address jam.example.org
      the same, with that name in the links
  rtjam-server invite \"Thursday Jam\"
      prints a link to that room and creates the room if it is new; the server may be running
  rtjam-server invite lobby --renew
      prints a new link to the lobby; the old links stop working, and sessions that they opened end
  rtjam-server list
      shows who is in the rooms of the running server, with slots, addresses and identities
  rtjam-server kick lobby 3
      ends the session in slot 3; `rtjam-server ban lobby 3` also keeps that musician out
  rtjam-server check
      checks ports, buffers, priority, processor, clock and disk, and says what to do

Open the port in the firewall for TCP and UDP. Exit codes: 0 success, 1 failure, 2 wrong usage; `check` returns 3 when \
something needs attention.";

/// A room server for RTJam: musicians in different places play together in its rooms.
#[derive(Debug, Parser)]
#[command(name = "rtjam-server", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print an invite link to a room
    Invite(Invite),
    /// Show who is in the rooms of the running server
    #[command(
        after_help = "Prints one line for each musician and listener: room, slot, role, name, address and identity, separated by tabs."
    )]
    List(moderation::RoomArgs),
    /// End a musician's session
    #[command(after_help = format!("{}\n\n{}", moderation::WHO, moderation::KICK))]
    Kick(moderation::MemberArgs),
    /// Keep a musician out of a room
    #[command(after_help = format!("{}\n\n{}", moderation::WHO, moderation::BAN))]
    Ban(moderation::MemberArgs),
    /// Show who is banned
    #[command(
        after_help = "Prints one line per ban: its number, the room and the banned musician or address, separated by tabs."
    )]
    Bans(moderation::RoomArgs),
    /// Lift a ban
    #[command(
        after_help = "Give the ban's number as `rtjam-server bans` shows it, or the identity, the address or the name."
    )]
    Unban(moderation::UnbanArgs),
    /// Check whether this machine suits a server, and say what to do
    Check(Check),
}

#[derive(Debug, Args)]
struct Serve {
    /// Read settings from this TOML file, whose keys are the names of these flags. Flags take precedence. On SIGHUP
    /// the server reads the file, the certificate and the token again; the log names the changes that need a restart
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: ServerSettings,
}

#[derive(Debug, Args)]
struct Invite {
    #[command(flatten)]
    request: InviteRequest,
    #[command(flatten)]
    data: DataDirArg,
}

#[derive(Debug, Args)]
#[command(after_help = "Give it the address and the folder that the server uses, and run it as the server's user.\n\
    Exit codes: 0 all is well, 1 the server cannot work like this, 2 wrong usage, 3 it works but something needs \
    attention.")]
struct Check {
    /// Where the server listens; can be given several times [default: port 7891 on all IPv4 and IPv6 addresses]
    #[arg(long, value_name = "IP:PORT")]
    listen: Vec<ListenAddress>,
    #[command(flatten)]
    data: DataDirArg,
}

/// Runs the program.
pub fn main() -> ExitCode {
    // clap prints usage errors and exits with 2; for --help and --version it exits with 0.
    let cli = Cli::from_arg_matches(&command().get_matches()).unwrap_or_else(|e| e.exit());
    match cli.command {
        Some(Command::Invite(arguments)) => finish(print_invitation(arguments)),
        Some(Command::List(arguments)) => finish(moderation::list(arguments)),
        Some(Command::Kick(arguments)) => finish(moderation::kick(arguments)),
        Some(Command::Ban(arguments)) => finish(moderation::ban(arguments)),
        Some(Command::Bans(arguments)) => finish(moderation::bans(arguments)),
        Some(Command::Unban(arguments)) => finish(moderation::unban(arguments)),
        Some(Command::Check(arguments)) => print_check(arguments).unwrap_or_else(|failure| finish(Err(failure))),
        None => serve(cli.serve),
    }
}

fn command() -> clap::Command {
    ServerSettings::help_with_defaults(Cli::command())
}

fn serve(Serve { config: file, settings: flags }: Serve) -> ExitCode {
    let settings = match with_file(flags.clone(), file.as_deref()) {
        Ok(settings) => settings,
        Err(e) => return usage(&e),
    };
    let log = start_log(level(&settings));
    let data = match settings.data.clone().map_or_else(crate::data_dir::default_path, Ok) {
        Ok(data) => data,
        Err(e) => return finish(Err(e.into())),
    };
    let config = match Config::new(settings, data.clone()) {
        Ok(config) => config,
        Err(e) => return usage(&e),
    };
    system::raise_open_file_limit();
    let reread = move || {
        let settings = with_file(flags.clone(), file.as_deref())?;
        log.set_level(level(&settings));
        Config::new(settings, data.clone())
    };
    finish(Server::run_until_signal(&config, announce, reread))
}

fn with_file(flags: ServerSettings, file: Option<&Path>) -> Result<ServerSettings, ConfigError> {
    let file = file.map(ServerSettings::read).transpose()?.unwrap_or_default();
    Ok(flags.or(file))
}

fn level(settings: &ServerSettings) -> LogLevel {
    settings.log.unwrap_or(LogLevel(tracing::Level::INFO))
}

/// Prints two or three lines to stdout; the program that started the server may be waiting for them.
fn announce(server: &Server) {
    if let Some(warning) = server.address_warning() {
        tracing::warn!("{warning}");
    }
    let mut out = std::io::stdout().lock();
    // The server also runs without a stdout.
    let _ = writeln!(out, "page: {}\ninvite: {}", server.page(), server.invite());
    if let Some((address, room)) = server.legacy() {
        tracing::warn!(
            "legacy rtjam units can play in the room {room}: they are not authenticated, and what they send and receive \
             is not encrypted"
        );
        let _ = writeln!(out, "classic: {address}");
    }
    let _ = out.flush();
}

fn print_check(arguments: Check) -> Result<ExitCode, Failure> {
    let data = arguments.data.path()?;
    system::raise_open_file_limit();
    let listen: Vec<_> = arguments.listen.iter().map(|a| a.0).collect();
    let findings = check::run((!listen.is_empty()).then_some(&listen[..]), &data);
    for finding in &findings {
        // The exit code tells the result even without a stdout.
        let _ = writeln!(std::io::stdout(), "{finding}");
    }
    Ok(ExitCode::from(check::worst_verdict(&findings).exit_code()))
}

fn print_invitation(arguments: Invite) -> Result<(), Failure> {
    let data = arguments.data.path()?;
    let invitation = invite::invite(&data, &arguments.request)?;
    if let Some(warning) = invitation.warning {
        eprintln!("{warning}");
    }
    writeln!(std::io::stdout(), "{}", invitation.link)
        .map_err(|e| Failure::new(format!("The link could not be written: {e}.")))
}

fn finish(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("rtjam-server: {failure}");
            ExitCode::from(FAILED)
        }
    }
}

fn usage(error: &ConfigError) -> ExitCode {
    eprintln!("rtjam-server: {error}\nFor all settings, try rtjam-server --help");
    ExitCode::from(USAGE)
}

/// The running log.
struct Log(reload::Handle<Targets, Registry>);

/// Starts the log on stderr.
fn start_log(level: LogLevel) -> Log {
    let (filter, handle) = reload::Layer::new(filter(level));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // Fails only when a test has installed its own.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
    Log(handle)
}

impl Log {
    /// Changes the level from now on.
    fn set_level(&self, level: LogLevel) {
        // Fails only when the subscriber is gone, and it lives as long as the process.
        let _ = self.0.reload(filter(level));
    }
}

/// Logs this program at `level`, and its libraries at `warn` at most: at finer levels they print the data that passes
/// through them, secrets included.
fn filter(level: LogLevel) -> Targets {
    let ours = LevelFilter::from_level(level.0);
    Targets::new().with_target("rtjam_server", ours).with_default(ours.min(LevelFilter::WARN))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// clap finds no contradiction, and the help tells each setting's default.
    #[test]
    fn help_tells_every_default() {
        let mut command = command();
        command.clone().debug_assert();
        let help = command.render_help().to_string();
        for (flag, default) in [
            ("--listen", "[default: port 7891 on all IPv4 and IPv6 addresses]"),
            ("--max-musicians", "[default: 64]"),
            ("--gather-us", "[0 to 250; default: 250]"),
            ("--classic", "[default: off; without an address 0.0.0.0:7892]"),
            ("--max-new-identities", "[default: 16]"),
            ("--max-sessions", "[default: 1000]"),
            ("--join-burst", "[default: 300]"),
            ("--proxy-header", "[default: x-forwarded-for]"),
        ] {
            let (_, after) = help.split_once(&format!("{flag} ")).expect(flag);
            let own = after.split_once("\n      --").map_or(after, |(own, _)| own);
            let own = own.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(own.contains(default), "{flag} {own}");
        }
    }

    /// Every flag and command of the public interface is accepted.
    #[test]
    fn documented_command_lines_are_accepted() {
        for line in [
            "rtjam-server",
            "rtjam-server --listen 127.0.0.1:0 --listen [::1]:0 --data d --public-address h:1 --config f",
            "rtjam-server --tls-cert c --tls-key k --max-musicians 64 --log debug",
            "rtjam-server --max-sessions 9 --max-sessions-per-address 8 --join-burst 7 --max-memory 6 --limit-loopback",
            "rtjam-server --trusted-proxy 10.0.0.1 --trusted-proxy fd00::/8 --proxy-header X-Real-IP",
            "rtjam-server --max-seats-per-identity 1 --max-seats-per-address 2 --max-new-identities 3",
            "rtjam-server --exempt-network 10.0.0.0/8 --exempt-network fd00::/8",
            "rtjam-server invite lobby --renew --keep-sessions",
            "rtjam-server list",
            "rtjam-server list lobby --data d",
            "rtjam-server kick lobby 3 --data d",
            "rtjam-server ban lobby 203.0.113.7 --data d",
            "rtjam-server bans lobby --data d",
            "rtjam-server unban lobby 1 --data d",
            "rtjam-server --metrics-token-file f",
            "rtjam-server check --listen 127.0.0.1:0 --listen [::1]:0 --data d",
            "rtjam-server --media-threads 2 --gather-us 0",
            "rtjam-server --classic --listen 127.0.0.1:0",
            "rtjam-server --classic 127.0.0.1:0 --classic-room r",
            "rtjam-server invite",
            "rtjam-server invite room --role listener --renew --data d --public-address h",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
    }

    #[test]
    fn wrong_values_are_refused_with_advice() {
        for (line, said) in [
            ("rtjam-server --listen 7891", "0.0.0.0:7891"),
            ("rtjam-server --public-address https://x", "jam.example.org"),
            ("rtjam-server --max-musicians 0", "from 1 to"),
            ("rtjam-server --media-threads 0", "from 1 to 64"),
            ("rtjam-server --gather-us 300", "from 0 to 250"),
            ("rtjam-server --classic 7891", "0.0.0.0:7891"),
            ("rtjam-server --log loud", "error, warn"),
            ("rtjam-server --join-burst 0", "from 1 to"),
            ("rtjam-server --trusted-proxy here", "for example"),
            ("rtjam-server invite a\u{7}b", "control characters"),
        ] {
            let error = Cli::try_parse_from(line.split(' ')).expect_err(line).to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn libraries_log_only_warnings() {
        let filter = filter(LogLevel(tracing::Level::TRACE));
        assert!(filter.would_enable("rtjam_server::lobby", &tracing::Level::TRACE));
        assert!(
            filter.would_enable("rustls", &tracing::Level::WARN)
                && !filter.would_enable("rustls", &tracing::Level::INFO)
        );
    }
}
