//! The command line.

use crate::address::PublicAddress;
use crate::check::Verdict;
use crate::config::{ListenAddress, LogLevel, Partial, check_gather, check_listeners, check_musicians, check_threads};
use crate::limits::Network;
use crate::moderation::command_line;
use crate::{Failure, Server, check, data_dir, invite, open_files};
use axum::http::HeaderName;
use clap::{Args, Parser, Subcommand, ValueEnum};
use rtjam_protocol::RoomName;
use rtjam_protocol::control::DownstreamMode;
use rtjam_protocol::link::Role;
use std::io::{IsTerminal as _, Write as _};
use std::num::{NonZeroU16, NonZeroU32};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, reload};

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const TO_DO: u8 = 3;

const EXAMPLES: &str = "\
Examples:
  rtjam-server
      listens on TCP and UDP port 7891, opens the room `lobby`, and prints the web page's address and an invite link
  rtjam-server --public-address jam.example.org
      the same, with links that lead to that name
  rtjam-server invite \"Thursday Jam\"
      prints a link to that room, which is made if need be; the server may run meanwhile
  rtjam-server invite lobby --renew
      prints a new link to the lobby; the old ones open it no more, and whoever came in by them is out
  rtjam-server list
      shows who is in the rooms of the running server, with slots, addresses and identities
  rtjam-server kick lobby 3
      ends the session in slot 3; `rtjam-server ban lobby 3` keeps them out as well
  rtjam-server check
      looks at ports, buffers, priority, processor, clock and disk, and says what to do

Open the port in the firewall for TCP and UDP. Exit codes: 0 ended as asked, 1 failed, 2 wrong usage; `check` says 3 when something is to be done.";

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
    List(command_line::List),
    /// End a musician's session
    Kick(command_line::Kick),
    /// Keep a musician out of a room
    Ban(command_line::BanWho),
    /// Show who is banned
    Bans(command_line::Bans),
    /// Lift a ban
    Unban(command_line::Unban),
    /// Look whether this machine suits a server, and say what to do
    Check(Check),
}

#[derive(Debug, Args)]
struct Serve {
    /// Listen on this address, TCP and UDP; may be given several times [default: port 7891 on all of IPv4 and IPv6]
    #[arg(long, value_name = "IP:PORT")]
    listen: Vec<ListenAddress>,
    #[command(flatten)]
    place: Place,
    /// Read settings from a TOML file whose keys are these flags' names; flags win. It is read again on SIGHUP, and so are
    /// certificates and token; the log says what has to wait for a restart
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The certificate that browsers are shown (PEM, with its chain)
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Musicians that fit into a room [default: 64]
    #[arg(long, value_name = "NUMBER", value_parser = parse_musicians)]
    max_musicians: Option<u16>,
    /// Listeners that fit into a room; they take no musician's place [default: 64]
    #[arg(long, value_name = "NUMBER", value_parser = parse_listeners)]
    max_listeners: Option<u16>,
    /// A file with the token by which other machines may read /metrics [default: this machine alone may]
    #[arg(long, value_name = "FILE")]
    metrics_token_file: Option<PathBuf>,
    #[command(flatten)]
    caps: RoomCaps,
    #[command(flatten)]
    limits: Limits,
    /// Threads that carry sound [default: one a processor; systems other than Linux: 1]
    #[arg(long, value_name = "NUMBER", value_parser = parse_threads)]
    media_threads: Option<u8>,
    /// Microseconds that a packet may wait, above 75,000 forwarded packets a second, so that several go together;
    /// 0 to 250, 0 is never [default: 250]
    #[arg(long, value_name = "MICROSECONDS", value_parser = parse_gather)]
    gather_us: Option<u16>,
    /// Let rtjam units of before play in a room, by the classic packet: anybody may, and nothing is sealed for them; the
    /// port must differ from that of --listen [default: off; without an address 0.0.0.0:7892]
    #[arg(long, value_name = "IP:PORT", num_args = 0..=1, default_missing_value = crate::gateway::legacy::DEFAULT_ADDRESS)]
    classic: Option<ListenAddress>,
    /// The room that they play in [default: lobby]
    #[arg(long, value_name = "ROOM", value_parser = parse_room)]
    classic_room: Option<RoomName>,
    /// How much to log on stderr: error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    log: Option<LogLevel>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Seats in one room (musicians and listeners are counted apart)")]
struct RoomCaps {
    /// Seats that one identity may have in a room [default: 4]
    #[arg(long, value_name = "NUMBER")]
    max_seats_per_identity: Option<NonZeroU16>,
    /// Seats that one address (of IPv6: one network of 64 bits) may have in a room [default: all]
    #[arg(long, value_name = "NUMBER")]
    max_seats_per_address: Option<NonZeroU16>,
    /// Identities of one address that come into a room for the first time, a minute [default: 16]
    #[arg(long, value_name = "NUMBER")]
    max_new_identities: Option<NonZeroU16>,
    /// A network whose addresses many people share, to which the last two do not apply; may be given several times; loopback
    /// is one [default: none]
    #[arg(long, value_name = "IP[/BITS]")]
    exempt_network: Vec<Network>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Limits (a rehearsal meets none of them; loopback is exempt)")]
struct Limits {
    /// Musicians and listeners on the whole server [default: 1000]
    #[arg(long, value_name = "NUMBER")]
    max_sessions: Option<NonZeroU32>,
    /// Musicians of one address (of IPv6: one network of 64 bits), and as many listeners [default: 256]
    #[arg(long, value_name = "NUMBER")]
    max_sessions_per_address: Option<NonZeroU32>,
    /// Joins of one address at once, those of listeners apart; after that five a second [default: 300]
    #[arg(long, value_name = "NUMBER")]
    join_burst: Option<NonZeroU32>,
    /// Seat nobody new while the server uses more memory than this [default: 1024]
    #[arg(long, value_name = "MIB")]
    max_memory: Option<NonZeroU32>,
    /// Limit loopback addresses, too
    #[arg(long)]
    limit_loopback: bool,
    /// A proxy, which says for whom a request comes; may be given several times [default: none]
    #[arg(long, value_name = "IP[/BITS]")]
    trusted_proxy: Vec<Network>,
    /// The header in which trusted proxies say that [default: x-forwarded-for]
    #[arg(long, value_name = "NAME")]
    proxy_header: Option<HeaderName>,
}

#[derive(Debug, Args)]
struct Place {
    /// The folder for the server's key, rooms and slots [default: $STATE_DIRECTORY, else the user's data folder]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The name or address that links say [default: the address on the default route]
    #[arg(long, value_name = "HOST[:PORT]")]
    public_address: Option<PublicAddress>,
}

#[derive(Debug, Args)]
struct Invite {
    /// The room's name; an unknown room is made
    #[arg(default_value = "lobby", value_parser = parse_room)]
    room: RoomName,
    /// What the link's holder may do
    #[arg(long, value_enum, default_value_t = RoleName::Musician)]
    role: RoleName,
    /// Make a new link; all earlier ones of this role open nothing any more, and the sessions that they opened end
    #[arg(long)]
    renew: bool,
    /// With --renew: let those go on who are there
    #[arg(long, requires = "renew")]
    keep_sessions: bool,
    /// What musicians of the room are sent from their next join on, if they do not choose: everyone separately, or one mix
    /// made by the server [default: as it was; at first separate]
    #[arg(long, value_enum)]
    mix: Option<MixName>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Give it the address and folder that the server gets, and run it as the user that the server runs as.\n\
    Exit codes: 0 all is well, 1 the server cannot work like this, 2 wrong usage, 3 it works and something is to be \
    done."
)]
struct Check {
    /// Where the server shall listen; may be given several times [default: port 7891 on all of IPv4 and IPv6]
    #[arg(long, value_name = "IP:PORT")]
    listen: Vec<ListenAddress>,
    /// The folder for the server's key, rooms and slots [default: $STATE_DIRECTORY, else the user's data folder]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleName {
    Musician,
    Listener,
    Moderator,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MixName {
    Separate,
    One,
}

fn parse_musicians(text: &str) -> Result<u16, String> {
    let number = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    check_musicians(number)
}

fn parse_listeners(text: &str) -> Result<u16, String> {
    let number = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    check_listeners(number)
}

fn parse_threads(text: &str) -> Result<u8, String> {
    let number = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    check_threads(number)
}

fn parse_gather(text: &str) -> Result<u16, String> {
    let number = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    check_gather(number)
}

fn parse_room(text: &str) -> Result<RoomName, String> {
    RoomName::new(text).map_err(|e| e.to_string())
}

/// The whole program.
pub fn main() -> ExitCode {
    // clap prints usage errors and ends with 2, --help and --version with 0.
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Invite(arguments)) => finish(print_invitation(arguments)),
        Some(Command::List(arguments)) => finish(arguments.run()),
        Some(Command::Kick(arguments)) => finish(arguments.run()),
        Some(Command::Ban(arguments)) => finish(arguments.run()),
        Some(Command::Bans(arguments)) => finish(arguments.run()),
        Some(Command::Unban(arguments)) => finish(arguments.run()),
        Some(Command::Check(arguments)) => print_check(arguments),
        None => serve(cli.serve),
    }
}

fn serve(arguments: Serve) -> ExitCode {
    let file = arguments.config.clone();
    let flags = flags(arguments);
    let settings = match with_file(flags.clone(), file.as_deref()) {
        Ok(settings) => settings,
        Err(sentence) => return usage(&sentence),
    };
    let log = start_log(level(&settings));
    let data = match settings.data.clone().map_or_else(data_dir::default_path, Ok) {
        Ok(data) => data,
        Err(failure) => return finish(Err(failure)),
    };
    match settings.complete(data.clone()) {
        Ok(config) => {
            open_files::allow_many();
            let reread = move || {
                let settings = with_file(flags.clone(), file.as_deref())?;
                log.set(level(&settings));
                settings.complete(data.clone())
            };
            finish(Server::run_until_signal(&config, announce, reread))
        }
        Err(sentence) => usage(&sentence),
    }
}

fn level(settings: &Partial) -> LogLevel {
    settings.log.unwrap_or(LogLevel(tracing::Level::INFO))
}

fn with_file(flags: Partial, file: Option<&Path>) -> Result<Partial, String> {
    let file = file.map(Partial::read).transpose()?.unwrap_or_default();
    Ok(flags.or(file))
}

fn flags(arguments: Serve) -> Partial {
    let (caps, limits) = (arguments.caps, arguments.limits);
    Partial {
        listen: (!arguments.listen.is_empty()).then_some(arguments.listen),
        data: arguments.place.data,
        public_address: arguments.place.public_address,
        tls_cert: arguments.tls_cert,
        tls_key: arguments.tls_key,
        max_musicians: arguments.max_musicians,
        max_listeners: arguments.max_listeners,
        max_seats_per_identity: caps.max_seats_per_identity,
        max_seats_per_address: caps.max_seats_per_address,
        max_new_identities: caps.max_new_identities,
        exempt_network: (!caps.exempt_network.is_empty()).then_some(caps.exempt_network),
        max_sessions: limits.max_sessions,
        max_sessions_per_address: limits.max_sessions_per_address,
        join_burst: limits.join_burst,
        max_memory: limits.max_memory,
        limit_loopback: limits.limit_loopback.then_some(true),
        trusted_proxy: (!limits.trusted_proxy.is_empty()).then_some(limits.trusted_proxy),
        proxy_header: limits.proxy_header,
        metrics_token_file: arguments.metrics_token_file,
        media_threads: arguments.media_threads,
        gather_us: arguments.gather_us,
        classic: arguments.classic,
        classic_room: arguments.classic_room,
        log: arguments.log,
    }
}

/// The lines on stdout, two or three; whoever started the server may be waiting for them.
fn announce(server: &Server) {
    if let Some(caution) = server.caution() {
        tracing::warn!("{caution}");
    }
    let mut out = std::io::stdout().lock();
    // A closed stdout is no reason not to serve.
    let _ = writeln!(out, "page: {}\ninvite: {}", server.page(), server.invite());
    if let Some((address, room)) = server.legacy() {
        tracing::warn!(
            "in the room {room} rtjam units of before may play: who they are is not known, and what they hear and play \
             is not private"
        );
        let _ = writeln!(out, "classic: {address}");
    }
    let _ = out.flush();
}

fn print_check(arguments: Check) -> ExitCode {
    let data = match arguments.data.map_or_else(data_dir::default_path, Ok) {
        Ok(data) => data,
        Err(failure) => return finish(Err(failure)),
    };
    open_files::allow_many();
    let listen: Vec<_> = arguments.listen.iter().map(|a| a.0).collect();
    let findings = check::look((!listen.is_empty()).then_some(&listen[..]), &data);
    for finding in &findings {
        // A closed stdout is no reason to end otherwise.
        let _ = writeln!(std::io::stdout(), "{finding}");
    }
    match check::worst(&findings) {
        Verdict::Good => ExitCode::SUCCESS,
        Verdict::Warn => ExitCode::from(TO_DO),
        Verdict::Bad => ExitCode::from(FAILED),
    }
}

fn print_invitation(arguments: Invite) -> Result<(), Failure> {
    let data = arguments.place.data.map_or_else(data_dir::default_path, Ok)?;
    let request = invite::Request {
        room: arguments.room,
        role: match arguments.role {
            RoleName::Musician => Role::Musician,
            RoleName::Listener => Role::Listener,
            RoleName::Moderator => Role::Moderator,
        },
        renew: arguments.renew,
        keep_sessions: arguments.keep_sessions,
        mix: arguments.mix.map(|mix| match mix {
            MixName::Separate => DownstreamMode::Forwarded,
            MixName::One => DownstreamMode::Mixed,
        }),
        public_address: arguments.place.public_address,
    };
    let invitation = invite::invite(&data, &request)?;
    if let Some(caution) = invitation.caution {
        eprintln!("{caution}");
    }
    writeln!(std::io::stdout(), "{}", invitation.link)
        .map_err(|e| Failure::new(format!("The link could not be written: {e}.")))
}

/// The log, whose level can change.
struct Log(reload::Handle<Targets, Registry>);

impl Log {
    fn set(&self, level: LogLevel) {
        // Fails when the log has gone, which it does not before the program ends.
        let _ = self.0.reload(filter(level));
    }
}

/// Logs of this program at `level`; of its libraries warnings alone, for at finer levels they print what passes
/// through them, secrets included.
fn start_log(level: LogLevel) -> Log {
    let (filter, handle) = reload::Layer::new(filter(level));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // Fails only when a test has set its own.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
    Log(handle)
}

fn filter(level: LogLevel) -> Targets {
    let ours = LevelFilter::from_level(level.0);
    Targets::new().with_target("rtjam_server", ours).with_default(ours.min(LevelFilter::WARN))
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

fn usage(sentence: &str) -> ExitCode {
    eprintln!("rtjam-server: {sentence}\nFor all settings, try rtjam-server --help");
    ExitCode::from(USAGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_flags_hang_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_contract_is_kept() {
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
        for (line, said) in [
            ("rtjam-server --listen 7891", "0.0.0.0:7891"),
            ("rtjam-server --public-address https://x", "jam.example.org"),
            ("rtjam-server --max-musicians 0", "from 1 to"),
            ("rtjam-server --media-threads 0", "from 1 to 64"),
            ("rtjam-server --gather-us 300", "from 0 to 250"),
            ("rtjam-server --classic 7891", "0.0.0.0:7891"),
            ("rtjam-server --log loud", "error, warn"),
            ("rtjam-server --join-burst 0", "zero"),
            ("rtjam-server --trusted-proxy here", "for example"),
            ("rtjam-server invite a\u{7}b", "control characters"),
        ] {
            let error = Cli::try_parse_from(line.split(' ')).expect_err(line).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
