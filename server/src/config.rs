//! What the server is asked to be: flags over the config file over defaults.

use crate::address::PublicAddress;
use crate::gateway::legacy::LegacySettings;
use crate::http::Proxies;
use crate::limits::{LimitSettings, Network, TrustedProxies};
use crate::media::{MAX_BATCH_WAIT_US, MAX_THREADS};
use crate::tls::TlsFiles;
use axum::http::HeaderName;
use rtjam_protocol::RoomName;
use rtjam_protocol::server::rooms::{Caps, MAX_LISTENERS};
use serde::{Deserialize, Deserializer};
use std::fmt::Display;
use std::marker::PhantomData;
use std::net::{SocketAddr, SocketAddrV6};
use std::num::{NonZeroU16, NonZeroU32};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The room that always exists.
pub const FIRST_ROOM: &str = "lobby";

/// A server's settings, complete.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; `None` is everywhere, on the default port.
    pub listen: Option<Vec<SocketAddr>>,
    /// The data folder.
    pub data: PathBuf,
    /// What links say.
    pub public_address: Option<PublicAddress>,
    /// The operator's certificate.
    pub tls: Option<TlsFiles>,
    /// Musicians that fit into a room.
    pub max_musicians: u16,
    /// Listeners that fit into a room.
    pub max_listeners: u16,
    /// What one identity and one address may have of a room.
    pub caps: Caps,
    /// Networks whose addresses many people share.
    pub exempt_networks: Vec<Network>,
    /// What one address gets, and all together.
    pub limits: LimitSettings,
    /// Whose word is taken for where a request came from.
    pub proxies: Proxies,
    /// Where the token lies by which other machines may read `/metrics`.
    pub metrics_token_file: Option<PathBuf>,
    /// Media threads; `None` is one a processor.
    pub media_threads: Option<u8>,
    /// Under load, packets wait for company at most so long, in µs.
    pub gather_us: u16,
    /// The classic packet, where it is spoken.
    pub classic: Option<LegacySettings>,
}

impl Config {
    /// The settings, by their flags' names, that `new` has differently and that need a restart.
    pub fn fixed_that_differ(&self, new: &Config) -> Vec<&'static str> {
        let differ = [
            ("listen", self.listen != new.listen),
            ("data", self.data != new.data),
            ("public-address", self.public_address != new.public_address),
            ("max-musicians", self.max_musicians != new.max_musicians),
            ("max-listeners", self.max_listeners != new.max_listeners),
            ("max-seats-per-identity, max-seats-per-address or max-new-identities", self.caps != new.caps),
            ("exempt-network", self.exempt_networks != new.exempt_networks),
            ("limit-loopback", self.limits.limit_loopback != new.limits.limit_loopback),
            ("media-threads", self.media_threads != new.media_threads),
            ("gather-us", self.gather_us != new.gather_us),
            ("classic", self.classic != new.classic),
        ];
        differ.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
    }

    /// These settings, with those of `new` that change while the server runs.
    pub fn with_live_of(&self, new: Config) -> Config {
        let limits = LimitSettings { limit_loopback: self.limits.limit_loopback, ..new.limits };
        let Config { tls, proxies, metrics_token_file, .. } = new;
        Config { limits, tls, proxies, metrics_token_file, ..self.clone() }
    }
}

/// The header in which a proxy says where a request came from, where nothing else is said.
pub const DEFAULT_PROXY_HEADER: &str = "x-forwarded-for";

/// Musicians that fit into a room where nothing else is said.
pub const DEFAULT_MAX_MUSICIANS: u16 = 64;

/// Listeners that fit into a room where nothing else is said.
pub const DEFAULT_MAX_LISTENERS: u16 = 64;

/// The most that can be asked for.
pub const MOST_MUSICIANS: u16 = 1000;

/// What flags or a config file say; `None` where they say nothing.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Partial {
    /// Addresses to listen on.
    #[serde(deserialize_with = "one_or_many")]
    pub listen: Option<Vec<ListenAddress>>,
    /// The data folder.
    pub data: Option<PathBuf>,
    /// What links say.
    #[serde(deserialize_with = "by_text")]
    pub public_address: Option<PublicAddress>,
    /// The operator's certificate.
    pub tls_cert: Option<PathBuf>,
    /// The operator's key.
    pub tls_key: Option<PathBuf>,
    /// Musicians that fit into a room.
    #[serde(deserialize_with = "musicians")]
    pub max_musicians: Option<u16>,
    /// Listeners that fit into a room.
    #[serde(deserialize_with = "listeners")]
    pub max_listeners: Option<u16>,
    /// Seats of one identity in a room.
    pub max_seats_per_identity: Option<NonZeroU16>,
    /// Seats of one address in a room.
    pub max_seats_per_address: Option<NonZeroU16>,
    /// Identities of one address that come into a room for the first time, a minute.
    pub max_new_identities: Option<NonZeroU16>,
    /// Networks whose addresses many people share.
    #[serde(deserialize_with = "one_or_many")]
    pub exempt_network: Option<Vec<Network>>,
    /// Sessions in all.
    pub max_sessions: Option<NonZeroU32>,
    /// Sessions of one address.
    pub max_sessions_per_address: Option<NonZeroU32>,
    /// Joins of one address at once.
    pub join_burst: Option<NonZeroU32>,
    /// Resident memory above which nobody new is seated, MiB.
    pub max_memory: Option<NonZeroU32>,
    /// Whether loopback addresses are limited too.
    pub limit_loopback: Option<bool>,
    /// Proxies whose word is taken.
    #[serde(deserialize_with = "one_or_many")]
    pub trusted_proxy: Option<Vec<Network>>,
    /// In which header.
    #[serde(deserialize_with = "by_text")]
    pub proxy_header: Option<HeaderName>,
    /// Where the token lies by which other machines may read `/metrics`.
    pub metrics_token_file: Option<PathBuf>,
    /// Media threads.
    #[serde(deserialize_with = "threads")]
    pub media_threads: Option<u8>,
    /// How long packets may wait for company, in µs.
    #[serde(deserialize_with = "gather")]
    pub gather_us: Option<u16>,
    /// Where classic packets are taken.
    #[serde(deserialize_with = "by_text")]
    pub classic: Option<ListenAddress>,
    /// The room that their makers play in.
    pub classic_room: Option<RoomName>,
    /// How much to log.
    #[serde(deserialize_with = "by_text")]
    pub log: Option<LogLevel>,
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenAddress(pub SocketAddr);

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<ListenAddress, String> {
        let parsed = text.parse().ok().or_else(|| with_interface(text));
        parsed.map(ListenAddress).ok_or_else(|| {
            format!(
                "{text:?} is no IP:PORT; write for example 0.0.0.0:7891 for all IPv4 addresses, [::]:7891 for IPv6, or \
                 [fe80::1%eth0]:7891 for an address of one interface"
            )
        })
    }
}

/// `[IP%INTERFACE]:PORT`, with an interface of this machine by its name.
fn with_interface(text: &str) -> Option<SocketAddr> {
    let (before, rest) = text.split_once('%')?;
    let (interface, after) = rest.split_once(']')?;
    let mut address: SocketAddrV6 = format!("{before}]{after}").parse().ok()?;
    address.set_scope_id(interface_index(interface)?);
    Some(address.into())
}

#[cfg(unix)]
fn interface_index(name: &str) -> Option<u32> {
    let name = std::ffi::CString::new(name).ok()?;
    // SAFETY: the call reads the name up to its end, and `name` outlives it.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// Elsewhere interfaces are named by their numbers, which every address may have.
#[cfg(not(unix))]
fn interface_index(_: &str) -> Option<u32> {
    None
}

/// How much to log: error, warn, info, debug or trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLevel(pub tracing::Level);

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<LogLevel, String> {
        let level = match text {
            "error" => tracing::Level::ERROR,
            "warn" => tracing::Level::WARN,
            "info" => tracing::Level::INFO,
            "debug" => tracing::Level::DEBUG,
            "trace" => tracing::Level::TRACE,
            _ => return Err(format!("{text:?} is none of error, warn, info, debug, trace")),
        };
        Ok(LogLevel(level))
    }
}

/// The room that classic packets play in where nothing else is said.
fn first_room() -> Result<RoomName, String> {
    RoomName::new(FIRST_ROOM).map_err(|e| e.to_string())
}

/// Checks a number of musicians.
///
/// # Errors
/// When it is not from 1 to [`MOST_MUSICIANS`].
pub fn check_musicians(number: u64) -> Result<u16, String> {
    u16::try_from(number)
        .ok()
        .filter(|n| (1..=MOST_MUSICIANS).contains(n))
        .ok_or_else(|| format!("{number} is not a number of musicians from 1 to {MOST_MUSICIANS}"))
}

/// Checks a number of listeners; 0 is none.
///
/// # Errors
/// When it is above [`MAX_LISTENERS`].
pub fn check_listeners(number: u64) -> Result<u16, String> {
    let fits = u16::try_from(number).ok().filter(|n| *n <= MAX_LISTENERS);
    fits.ok_or_else(|| format!("{number} is not a number of listeners from 0 to {MAX_LISTENERS}"))
}

/// Where nothing else is said, a media thread lets packets arrive for so long under load, in µs. Measured: with 20
/// musicians it saves almost half of the processor time (2.1 µs a forward against 3.8).
pub const DEFAULT_GATHER_US: u16 = MAX_BATCH_WAIT_US;

/// Checks a number of media threads.
///
/// # Errors
/// When it is not from 1 to [`MAX_THREADS`].
pub fn check_threads(number: u64) -> Result<u8, String> {
    let fits = u8::try_from(number).ok().filter(|n| (1..=MAX_THREADS).contains(n));
    fits.ok_or_else(|| format!("{number} is not a number of media threads from 1 to {MAX_THREADS}"))
}

/// Checks how long packets may wait for company, in µs.
///
/// # Errors
/// When it is above [`MAX_BATCH_WAIT_US`].
pub fn check_gather(us: u64) -> Result<u16, String> {
    let fits = u16::try_from(us).ok().filter(|us| *us <= MAX_BATCH_WAIT_US);
    fits.ok_or_else(|| format!("{us} is not from 0 to {MAX_BATCH_WAIT_US} microseconds"))
}

impl Partial {
    /// Reads a config file: TOML with the flags' names as keys. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// A sentence that names the file, and the line of a wrong key or value.
    pub fn read(path: &Path) -> Result<Partial, String> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|e| format!("The config file {shown} cannot be read ({e}). Give its path with --config FILE."))?;
        let mut read = Partial::parse(&text).map_err(|(line, what)| format!("{shown}, line {line}: {what}"))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for p in
            [&mut read.data, &mut read.tls_cert, &mut read.tls_key, &mut read.metrics_token_file].into_iter().flatten()
        {
            *p = folder.join(&*p);
        }
        Ok(read)
    }

    pub(crate) fn parse(text: &str) -> Result<Partial, (usize, String)> {
        toml::from_str(text).map_err(|e| {
            let before = e.span().map_or("", |span| text.get(..span.start).unwrap_or(text));
            (before.matches('\n').count() + 1, e.message().to_owned())
        })
    }

    /// These settings, and `other`'s where these say nothing. Certificate and key count as one.
    #[must_use]
    pub fn or(self, other: Partial) -> Partial {
        let own_tls = self.tls_cert.is_some() || self.tls_key.is_some();
        let (tls_cert, tls_key) = if own_tls { (self.tls_cert, self.tls_key) } else { (other.tls_cert, other.tls_key) };
        Partial {
            listen: self.listen.or(other.listen),
            data: self.data.or(other.data),
            public_address: self.public_address.or(other.public_address),
            tls_cert,
            tls_key,
            max_musicians: self.max_musicians.or(other.max_musicians),
            max_listeners: self.max_listeners.or(other.max_listeners),
            max_seats_per_identity: self.max_seats_per_identity.or(other.max_seats_per_identity),
            max_seats_per_address: self.max_seats_per_address.or(other.max_seats_per_address),
            max_new_identities: self.max_new_identities.or(other.max_new_identities),
            exempt_network: self.exempt_network.or(other.exempt_network),
            max_sessions: self.max_sessions.or(other.max_sessions),
            max_sessions_per_address: self.max_sessions_per_address.or(other.max_sessions_per_address),
            join_burst: self.join_burst.or(other.join_burst),
            max_memory: self.max_memory.or(other.max_memory),
            limit_loopback: self.limit_loopback.or(other.limit_loopback),
            trusted_proxy: self.trusted_proxy.or(other.trusted_proxy),
            proxy_header: self.proxy_header.or(other.proxy_header),
            metrics_token_file: self.metrics_token_file.or(other.metrics_token_file),
            media_threads: self.media_threads.or(other.media_threads),
            gather_us: self.gather_us.or(other.gather_us),
            classic: self.classic.or(other.classic),
            classic_room: self.classic_room.or(other.classic_room),
            log: self.log.or(other.log),
        }
    }

    /// Fills the gaps with defaults; `data` is the data folder to use where none is named.
    ///
    /// # Errors
    /// A sentence when the settings do not fit together.
    pub fn complete(self, data: PathBuf) -> Result<Config, String> {
        let (limits, caps, proxies) = (self.limits(), self.caps(), self.proxies());
        let tls = match (self.tls_cert, self.tls_key) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
            (None, None) => None,
            (Some(_), None) => {
                return Err("--tls-cert needs --tls-key FILE beside it: the certificate's key.".to_owned());
            }
            (None, Some(_)) => {
                return Err("--tls-key needs --tls-cert FILE beside it: the key's certificate.".to_owned());
            }
        };
        let classic = match (self.classic, self.classic_room) {
            (Some(ListenAddress(listen)), room) => {
                Some(LegacySettings { listen, room: room.map_or_else(first_room, Ok)? })
            }
            (None, None) => None,
            (None, Some(_)) => {
                return Err(
                    "--classic-room needs --classic beside it: by default no classic packets are taken.".to_owned()
                );
            }
        };
        let listen = self.listen.filter(|l| !l.is_empty()).map(|l| l.into_iter().map(|a| a.0).collect());
        Ok(Config {
            listen,
            data: self.data.unwrap_or(data),
            public_address: self.public_address,
            tls,
            max_musicians: self.max_musicians.unwrap_or(DEFAULT_MAX_MUSICIANS),
            max_listeners: self.max_listeners.unwrap_or(DEFAULT_MAX_LISTENERS),
            caps,
            exempt_networks: self.exempt_network.unwrap_or_default(),
            limits,
            proxies,
            metrics_token_file: self.metrics_token_file,
            media_threads: self.media_threads,
            gather_us: self.gather_us.unwrap_or(DEFAULT_GATHER_US),
            classic,
        })
    }

    fn limits(&self) -> LimitSettings {
        let default = LimitSettings::default();
        let or = |given: Option<NonZeroU32>, default| given.map_or(default, NonZeroU32::get);
        LimitSettings {
            sessions_per_address: or(self.max_sessions_per_address, default.sessions_per_address),
            join_burst: or(self.join_burst, default.join_burst),
            sessions: or(self.max_sessions, default.sessions),
            memory_mib: or(self.max_memory, default.memory_mib),
            limit_loopback: self.limit_loopback.unwrap_or(default.limit_loopback),
        }
    }

    fn caps(&self) -> Caps {
        let default = Caps::default();
        Caps {
            per_identity: self.max_seats_per_identity.map_or(default.per_identity, NonZeroU16::get),
            per_address: self.max_seats_per_address.map(NonZeroU16::get),
            new_identities: self.max_new_identities.map_or(default.new_identities, NonZeroU16::get),
        }
    }

    fn proxies(&self) -> Proxies {
        Proxies {
            trusted: TrustedProxies::new(self.trusted_proxy.clone().unwrap_or_default()),
            header: self.proxy_header.clone().unwrap_or(HeaderName::from_static(DEFAULT_PROXY_HEADER)),
        }
    }
}

struct FromText<T>(T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for FromText<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map(FromText).map_err(serde::de::Error::custom)
    }
}

fn by_text<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(d: D) -> Result<Option<T>, D::Error> {
    FromText::deserialize(d).map(|t| Some(t.0))
}

fn musicians<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u16>, D::Error> {
    check_musicians(u64::deserialize(d)?).map(Some).map_err(serde::de::Error::custom)
}

fn listeners<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u16>, D::Error> {
    check_listeners(u64::deserialize(d)?).map(Some).map_err(serde::de::Error::custom)
}

fn threads<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u8>, D::Error> {
    check_threads(u64::deserialize(d)?).map(Some).map_err(serde::de::Error::custom)
}

fn gather<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u16>, D::Error> {
    check_gather(u64::deserialize(d)?).map(Some).map_err(serde::de::Error::custom)
}

fn one_or_many<'de, D, T>(d: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    struct Visitor<T>(PhantomData<T>);
    impl<'de, T: FromStr<Err: Display>> serde::de::Visitor<'de> for Visitor<T> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a text or a list of them")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            text.parse().map(|a| vec![a]).map_err(E::custom)
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(FromText(item)) = seq.next_element()? {
                all.push(item);
            }
            Ok(all)
        }
    }
    d.deserialize_any(Visitor(PhantomData)).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_flags_say() {
        let text = "listen = [\"127.0.0.1:1\", \"[::1]:2\"]\ndata = \"d\"\npublic-address = \"h:3\"\n\
                    tls-cert = \"c\"\ntls-key = \"k\"\nmax-musicians = 8\nmax-listeners = 0\nlog = \"debug\"\nmax-sessions = 9\n\
                    max-sessions-per-address = 10\njoin-burst = 11\nmax-memory = 12\nlimit-loopback = true\n\
                    trusted-proxy = [\"10.0.0.0/8\", \"::1\"]\nproxy-header = \"X-Real-IP\"\n\
                    metrics-token-file = \"t\"\nmedia-threads = 2\ngather-us = 0\nmax-seats-per-identity = 1\n\
                    max-seats-per-address = 2\nmax-new-identities = 3\nexempt-network = [\"10.0.0.0/8\"]\n";
        let read = Partial::parse(text).expect("all keys");
        let config = read.complete(PathBuf::new()).expect("complete");
        assert_eq!(config.listen.map(|l| l.len()), Some(2));
        let limits = LimitSettings {
            sessions: 9,
            sessions_per_address: 10,
            join_burst: 11,
            memory_mib: 12,
            limit_loopback: true,
        };
        assert_eq!(config.limits, limits);
        assert_eq!(config.caps, Caps { per_identity: 1, per_address: Some(2), new_identities: 3 });
        assert!(config.exempt_networks.iter().any(|network| network.contains([10, 1, 2, 3].into())));
        assert_eq!(config.metrics_token_file, Some("t".into()));
        assert!(config.proxies.trusted.trusts([10, 1, 2, 3].into()) && config.proxies.header == "x-real-ip");
        assert_eq!((config.data, config.max_musicians, config.max_listeners), (PathBuf::from("d"), 8, 0));
        assert_eq!((config.media_threads, config.gather_us), (Some(2), 0));
        assert_eq!(config.public_address.map(|a| a.to_string()).as_deref(), Some("h:3"));
        assert_eq!(config.tls, Some(TlsFiles { cert: "c".into(), key: "k".into() }));
        let one = Partial::parse("listen = \"127.0.0.1:1\"").expect("one address");
        assert_eq!(one.listen.map(|l| l.len()), Some(1));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_address_keeps_its_interface() {
        let address = |text: &str| text.parse::<ListenAddress>().map(|a| a.0.to_string());
        assert_eq!(address("[fe80::1%lo]:7891").as_deref(), Ok("[fe80::1%1]:7891"));
        assert_eq!(address("[fe80::1%1]:7891").as_deref(), Ok("[fe80::1%1]:7891"));
        for wrong in ["[fe80::1%nowhere]:7891", "fe80::1%lo:7891", "[127.0.0.1%lo]:7891", "%]", "[::1%lo]"] {
            assert!(address(wrong).is_err_and(|e| e.contains("eth0")), "{wrong}");
        }
    }

    #[test]
    fn a_wrong_key_or_value_is_named_with_its_line() {
        for (text, line, said) in [
            ("# hello\n\nlisten_on = 1\n", 3, "listen_on"),
            ("data = \"x\"\nlisten = \"nowhere\"\n", 2, "nowhere"),
            ("\nlisten = [\"127.0.0.1:1\", \"nowhere\"]\n", 2, "nowhere"),
            ("max-musicians = 0\n", 1, "musicians"),
            ("max-listeners = 241\n", 1, "listeners from 0 to 240"),
            ("\njoin-burst = 0\n", 2, "nonzero"),
            ("trusted-proxy = \"10.0.0.0/99\"\n", 1, "172.16.0.0/12"),
            ("media-threads = 65\n", 1, "threads"),
            ("gather-us = 251\n", 1, "microseconds"),
            ("\nlog = \"loud\"", 2, "loud"),
            ("\n\npublic-address = \"a b\"", 3, "a b"),
            ("data = \n", 1, ""),
        ] {
            let (at, what) = Partial::parse(text).expect_err("wrong");
            assert_eq!(at, line, "{text}: {what}");
            assert!(what.contains(said), "{what}");
        }
    }

    #[test]
    fn a_setting_that_needs_a_restart_is_named_until_it_is_as_before() {
        let config = |text: &str| Partial::parse(text).expect("keys").complete("d".into()).expect("complete");
        let now = config("max-sessions = 9");
        let new = config("max-sessions = 10\nmedia-threads = 2\nlimit-loopback = true\nmetrics-token-file = \"t\"");
        assert_eq!(now.fixed_that_differ(&new), ["limit-loopback", "media-threads"]);
        let taken = now.with_live_of(new.clone());
        assert_eq!((taken.limits.sessions, taken.limits.limit_loopback), (10, false));
        assert_eq!(taken.metrics_token_file, Some("t".into()));
        assert_eq!(taken.fixed_that_differ(&new), ["limit-loopback", "media-threads"]);
        assert!(taken.fixed_that_differ(&now).is_empty());
    }

    #[test]
    fn the_command_line_wins() {
        let flags = Partial { max_musicians: Some(4), ..Partial::default() };
        let file = Partial { max_musicians: Some(9), data: Some("d".into()), ..Partial::default() };
        let both = flags.or(file);
        assert_eq!((both.max_musicians, both.data), (Some(4), Some("d".into())));
    }

    #[test]
    fn half_a_certificate_is_refused() {
        let half = Partial { tls_cert: Some("c".into()), ..Partial::default() };
        assert!(half.complete(PathBuf::new()).is_err_and(|e| e.contains("--tls-key")));
    }
}
