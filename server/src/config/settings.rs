//! Each setting once: its flag, its key in the config file, its type, range, default and help text.

use super::values::{self, DATA_HELP, ListenAddress, LogLevel, Number};
use crate::address::PublicAddress;
use crate::limits::{LimitSettings, Network};
use crate::media::{MAX_BATCH_WAIT_US, MAX_THREADS};
use axum::http::HeaderName;
use clap::Args;
use rtjam_protocol::RoomName;
use rtjam_protocol::link::DEFAULT_PORT;
use rtjam_protocol::server::rooms::{Caps, MAX_LISTENERS};
use serde::Deserialize;
use std::io;
use std::path::{Path, PathBuf};

pub(super) const DEFAULT_MAX_MUSICIANS: u16 = 64;
pub(super) const DEFAULT_MAX_LISTENERS: u16 = 64;

/// Measured: with 20 musicians, waiting saves almost half of the processor time (2.1 µs a forward instead of 3.8).
pub(super) const DEFAULT_GATHER_US: u16 = MAX_BATCH_WAIT_US;

const MOST_MUSICIANS: u64 = 1000;

const SEATS: &str = "Seats in one room (musicians and listeners are counted separately)";
const LIMITS: &str = "Limits (too high to affect a rehearsal; loopback is exempt)";

/// What the flags or a config file set; `None` means not set there.
// The doc comments are the help texts; `help_with_defaults` appends the defaults.
#[derive(Args, Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServerSettings {
    /// Listen on this address, TCP and UDP; can be given several times
    #[arg(long, value_name = "IP:PORT")]
    #[serde(deserialize_with = "values::one_or_many")]
    pub listen: Option<Vec<ListenAddress>>,
    /// The data folder
    #[arg(long, value_name = "DIR", help = DATA_HELP)]
    pub data: Option<PathBuf>,
    /// The host name or address in invite links
    #[arg(long, value_name = "HOST[:PORT]")]
    #[serde(deserialize_with = "values::from_text")]
    pub public_address: Option<PublicAddress>,
    /// The certificate chain that browsers are shown, a PEM file
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key, a PEM file
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// The most musicians in a room
    #[arg(long, value_name = "NUMBER")]
    pub max_musicians: Option<Number<u16, 1, MOST_MUSICIANS>>,
    /// The most listeners in a room; they take no musician's seat
    #[arg(long, value_name = "NUMBER")]
    pub max_listeners: Option<Number<u16, 0, { MAX_LISTENERS as u64 }>>,
    /// The file with the token that lets other machines read /metrics
    #[arg(long, value_name = "FILE")]
    pub metrics_token_file: Option<PathBuf>,
    /// Threads that receive and forward audio
    #[arg(long, value_name = "NUMBER")]
    pub media_threads: Option<Number<u8, 1, { MAX_THREADS as u64 }>>,
    /// Above 75,000 forwarded packets a second, let packets wait up to this long so that several leave together; 0 never
    /// waits
    #[arg(long, value_name = "MICROSECONDS")]
    pub gather_us: Option<Number<u16, 0, { MAX_BATCH_WAIT_US as u64 }>>,
    /// Let legacy rtjam units play in one room. Anybody can enter that room this way, and what these units send and receive
    /// is not encrypted. The port must differ from that of --listen
    #[arg(long, value_name = "IP:PORT", num_args = 0..=1, default_missing_value = crate::gateway::legacy::DEFAULT_ADDRESS)]
    #[serde(deserialize_with = "values::from_text")]
    pub classic: Option<ListenAddress>,
    /// The room in which legacy rtjam units play
    #[arg(long, value_name = "ROOM", value_parser = RoomName::new)]
    pub classic_room: Option<RoomName>,
    /// How much to log to stderr: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    #[serde(deserialize_with = "values::from_text")]
    pub log: Option<LogLevel>,

    /// The most seats of one identity in a room
    #[arg(long, value_name = "NUMBER", help_heading = SEATS)]
    pub max_seats_per_identity: Option<Number<u16, 1, 65_535>>,
    /// The most seats of one address (for IPv6, one /64 network) in a room
    #[arg(long, value_name = "NUMBER", help_heading = SEATS)]
    pub max_seats_per_address: Option<Number<u16, 1, 65_535>>,
    /// How many identities that are new to a room can join it from one address in a minute
    #[arg(long, value_name = "NUMBER", help_heading = SEATS)]
    pub max_new_identities: Option<Number<u16, 1, 65_535>>,
    /// A network whose addresses many people share, to which the two limits by address do not apply; can be given
    /// several times
    #[arg(long, value_name = "IP[/BITS]", help_heading = SEATS)]
    #[serde(deserialize_with = "values::one_or_many")]
    pub exempt_network: Option<Vec<Network>>,

    /// The most musicians and listeners on the whole server; listeners take at most half of it
    #[arg(long, value_name = "NUMBER", help_heading = LIMITS)]
    pub max_sessions: Option<Number<u32, 1, 4_294_967_295>>,
    /// The most musicians from one address (for IPv6, one /64 network), and the most listeners
    #[arg(long, value_name = "NUMBER", help_heading = LIMITS)]
    pub max_sessions_per_address: Option<Number<u32, 1, 4_294_967_295>>,
    /// Joins that one address can make at once, for musicians and for listeners; after that, five a second
    #[arg(long, value_name = "NUMBER", help_heading = LIMITS)]
    pub join_burst: Option<Number<u32, 1, 4_294_967_295>>,
    /// Seat nobody new while the server uses more memory than this, in MiB
    #[arg(long, value_name = "MIB", help_heading = LIMITS)]
    pub max_memory: Option<Number<u32, 1, 4_294_967_295>>,
    /// Limit loopback addresses too
    #[arg(long, help_heading = LIMITS)]
    pub limit_loopback: bool,
    /// A proxy that is trusted to name the address of the client; can be given several times
    #[arg(long, value_name = "IP[/BITS]", help_heading = LIMITS)]
    #[serde(deserialize_with = "values::one_or_many")]
    pub trusted_proxy: Option<Vec<Network>>,
    /// The header in which trusted proxies name the client
    #[arg(long, value_name = "NAME", help_heading = LIMITS)]
    #[serde(deserialize_with = "values::from_text")]
    pub proxy_header: Option<HeaderName>,
}

/// The header in which a proxy names the client, unless the operator sets another one.
pub(super) fn default_proxy_header() -> HeaderName {
    HeaderName::from_static("x-forwarded-for")
}

/// The effect of each setting that is not set, as `--help` shows it.
fn default_texts() -> [(&'static str, String); 18] {
    let (limits, caps) = (LimitSettings::default(), Caps::default());
    [
        ("listen", format!("default: port {DEFAULT_PORT} on all IPv4 and IPv6 addresses")),
        ("public_address", "default: the address of the default route".to_owned()),
        ("max_musicians", format!("default: {DEFAULT_MAX_MUSICIANS}")),
        ("max_listeners", format!("default: {DEFAULT_MAX_LISTENERS}")),
        ("metrics_token_file", "default: only this machine can read it".to_owned()),
        ("media_threads", "default: one per processor; 1 on systems other than Linux".to_owned()),
        ("gather_us", format!("0 to {MAX_BATCH_WAIT_US}; default: {DEFAULT_GATHER_US}")),
        ("classic", format!("default: off; without an address {}", crate::gateway::legacy::DEFAULT_ADDRESS)),
        ("classic_room", format!("default: {}", super::FIRST_ROOM)),
        ("log", "default: info".to_owned()),
        ("max_seats_per_identity", format!("default: {}", caps.per_identity)),
        ("max_seats_per_address", caps.per_address.map_or("default: no limit".to_owned(), |n| format!("default: {n}"))),
        ("max_new_identities", format!("default: {}", caps.new_identities)),
        ("max_sessions", format!("default: {}", limits.sessions)),
        ("max_sessions_per_address", format!("default: {}", limits.sessions_per_address)),
        ("join_burst", format!("default: {}", limits.join_burst)),
        ("max_memory", format!("default: {}", limits.memory_mib)),
        ("proxy_header", format!("default: {}", default_proxy_header())),
    ]
}

/// Why a config file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("The config file {file} cannot be read ({error}). Give its path with --config FILE.")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A key or a value in it is wrong.
    #[error("{file}, line {line}: {message}")]
    Wrong {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

impl ServerSettings {
    /// Reads a config file: TOML whose keys are the flags' names. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// When the file cannot be read, or a key or a value is wrong.
    pub fn read(path: &Path) -> Result<ServerSettings, SettingsError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| SettingsError::Unreadable { file: path.to_owned(), error })?;
        let mut settings = ServerSettings::parse(&text, path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let ServerSettings { data, tls_cert, tls_key, metrics_token_file, .. } = &mut settings;
        for path in [data, tls_cert, tls_key, metrics_token_file].into_iter().flatten() {
            *path = folder.join(&*path);
        }
        Ok(settings)
    }

    pub(crate) fn parse(text: &str, file: &Path) -> Result<ServerSettings, SettingsError> {
        toml::from_str(text).map_err(|e| {
            let before = e.span().map_or("", |span| text.get(..span.start).unwrap_or(text));
            let line = before.matches('\n').count() + 1;
            SettingsError::Wrong { file: file.to_owned(), line, message: e.message().to_owned() }
        })
    }

    /// These settings, and those of `other` where these say nothing. Certificate and key count as one setting.
    #[must_use]
    pub fn or(self, other: ServerSettings) -> ServerSettings {
        let own_tls = self.tls_cert.is_some() || self.tls_key.is_some();
        let (tls_cert, tls_key) = if own_tls { (self.tls_cert, self.tls_key) } else { (other.tls_cert, other.tls_key) };
        macro_rules! either {
            ($($field:ident)*) => { ServerSettings {
                tls_cert,
                tls_key,
                limit_loopback: self.limit_loopback || other.limit_loopback,
                $($field: self.$field.or(other.$field),)*
            } };
        }
        either! {
            listen data public_address max_musicians max_listeners metrics_token_file media_threads gather_us classic
            classic_room log max_seats_per_identity max_seats_per_address max_new_identities exempt_network max_sessions
            max_sessions_per_address join_burst max_memory trusted_proxy proxy_header
        }
    }

    /// Appends the defaults to the help texts of a command that has these flags.
    pub fn help_with_defaults(command: clap::Command) -> clap::Command {
        default_texts().into_iter().fold(command, |command, (id, text)| {
            command.mut_arg(id, |arg| {
                let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
                arg.help(format!("{help} [{text}]"))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_accepts_a_single_value() {
        let settings = ServerSettings::parse("listen = \"127.0.0.1:1\"", Path::new("test")).expect("one address");
        assert_eq!(settings.listen.map(|l| l.len()), Some(1));
    }

    #[test]
    fn wrong_keys_and_values_name_their_line() {
        for (text, expected_line, said) in [
            ("# hello\n\nlisten_on = 1\n", 3, "listen_on"),
            ("data = \"x\"\nlisten = \"nowhere\"\n", 2, "nowhere"),
            ("\nlisten = [\"127.0.0.1:1\", \"nowhere\"]\n", 2, "nowhere"),
            ("max-musicians = 0\n", 1, "0 is not a whole number from 1 to 1000"),
            ("max-listeners = 241\n", 1, "from 0 to 240"),
            ("max-listeners = -1\n", 1, "from 0 to 240"),
            ("\njoin-burst = 0\n", 2, "from 1 to"),
            ("trusted-proxy = \"10.0.0.0/99\"\n", 1, "172.16.0.0/12"),
            ("media-threads = 65\n", 1, "from 1 to 64"),
            ("gather-us = 251\n", 1, "from 0 to 250"),
            ("\nlog = \"loud\"", 2, "loud"),
            ("\n\npublic-address = \"a b\"", 3, "a b"),
            ("data = \n", 1, ""),
        ] {
            let Err(SettingsError::Wrong { line, message, .. }) = ServerSettings::parse(text, Path::new("test")) else {
                panic!("{text} is accepted")
            };
            assert_eq!(line, expected_line, "{text}: {message}");
            assert!(message.contains(said), "{message}");
        }
    }

    #[test]
    fn flags_take_precedence_over_file() {
        let flags = ServerSettings::parse("max-musicians = 4", Path::new("test")).expect("a number");
        let file =
            ServerSettings::parse("max-musicians = 9\ndata = \"d\"", Path::new("test")).expect("a number and a folder");
        let both = flags.clone().or(file);
        assert_eq!((both.max_musicians, both.data), (flags.max_musicians, Some("d".into())));
    }
}
