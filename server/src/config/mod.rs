//! The server's settings: flags take precedence over the config file, and the config file over defaults.
//!
//! [`ServerSettings`] is what one source says; `values` holds the types of its values. [`Config`] is the complete result.

mod settings;
mod values;

pub use settings::{ServerSettings, SettingsError};
pub use values::{DataDirArg, ListenAddress, LogLevel};

use crate::address::PublicAddress;
use crate::gateway::legacy::LegacySettings;
use crate::limits::{LimitSettings, Network, ProxySettings, TrustedProxies};
use crate::tls::TlsFiles;
use rtjam_protocol::RoomName;
use rtjam_protocol::server::rooms::Caps;
use settings::{DEFAULT_GATHER_US, DEFAULT_MAX_LISTENERS, DEFAULT_MAX_MUSICIANS, default_proxy_header};
use std::net::SocketAddr;
use std::path::PathBuf;

/// The room that every server has.
pub const FIRST_ROOM: &str = "lobby";

/// The complete settings of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// The addresses to listen on; `None` means every address of this machine, on the default port.
    pub listen: Option<Vec<SocketAddr>>,
    /// The data folder.
    pub data: PathBuf,
    /// The host and port in invite links.
    pub public_address: Option<PublicAddress>,
    /// The operator's certificate.
    pub tls: Option<TlsFiles>,
    /// The most musicians in a room.
    pub max_musicians: u16,
    /// The most listeners in a room.
    pub max_listeners: u16,
    /// What one identity and one address can have in a room.
    pub caps: Caps,
    /// Networks whose addresses many people share.
    pub exempt_networks: Vec<Network>,
    /// Limits by address and for the whole server.
    pub limits: LimitSettings,
    /// The proxies whose word about a client's address counts.
    pub proxies: ProxySettings,
    /// The file with the token that lets other machines read `/metrics`.
    pub metrics_token_file: Option<PathBuf>,
    /// The number of media threads; `None` means one per processor.
    pub media_threads: Option<u8>,
    /// The longest that a packet waits under load so that several leave together, in µs.
    pub gather_us: u16,
    /// The legacy gateway, if it is on.
    pub classic: Option<LegacySettings>,
}

/// Why settings make no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The config file could not be read or understood.
    #[error(transparent)]
    ServerSettings(#[from] SettingsError),
    /// A certificate without its key.
    #[error("--tls-cert also needs --tls-key FILE: the certificate's private key.")]
    CertificateWithoutKey,
    /// A key without its certificate.
    #[error("--tls-key also needs --tls-cert FILE: the certificate of that key.")]
    KeyWithoutCertificate,
    /// A room for legacy units, which the server does not accept.
    #[error("--classic-room also needs --classic: the server accepts no legacy rtjam units by default.")]
    ClassicRoomWithoutClassic,
    /// [`FIRST_ROOM`] breaks the rules for names.
    #[error("{FIRST_ROOM:?} is not a valid room name.")]
    FirstRoom,
}

impl Config {
    /// Fills the gaps in `settings` with defaults. `data` is the data folder unless `settings` name one.
    ///
    /// # Errors
    /// When one setting needs another one that is missing.
    pub fn new(settings: ServerSettings, data: PathBuf) -> Result<Config, ConfigError> {
        let tls = match (settings.tls_cert, settings.tls_key) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
            (None, None) => None,
            (Some(_), None) => return Err(ConfigError::CertificateWithoutKey),
            (None, Some(_)) => return Err(ConfigError::KeyWithoutCertificate),
        };
        let classic = match (settings.classic, settings.classic_room) {
            (Some(ListenAddress(listen)), Some(room)) => Some(LegacySettings { listen, room }),
            (Some(ListenAddress(listen)), None) => {
                Some(LegacySettings { listen, room: RoomName::new(FIRST_ROOM).map_err(|_| ConfigError::FirstRoom)? })
            }
            (None, None) => None,
            (None, Some(_)) => return Err(ConfigError::ClassicRoomWithoutClassic),
        };
        let (limits, caps) = (LimitSettings::default(), Caps::default());
        let listen = settings.listen.filter(|l| !l.is_empty());
        Ok(Config {
            listen: listen.map(|l| l.into_iter().map(|address| address.0).collect()),
            data: settings.data.unwrap_or(data),
            public_address: settings.public_address,
            tls,
            max_musicians: settings.max_musicians.map_or(DEFAULT_MAX_MUSICIANS, |n| n.0),
            max_listeners: settings.max_listeners.map_or(DEFAULT_MAX_LISTENERS, |n| n.0),
            caps: Caps {
                per_identity: settings.max_seats_per_identity.map_or(caps.per_identity, |n| n.0),
                per_address: settings.max_seats_per_address.map(|n| n.0),
                new_identities: settings.max_new_identities.map_or(caps.new_identities, |n| n.0),
            },
            exempt_networks: settings.exempt_network.unwrap_or_default(),
            limits: LimitSettings {
                sessions_per_address: settings.max_sessions_per_address.map_or(limits.sessions_per_address, |n| n.0),
                join_burst: settings.join_burst.map_or(limits.join_burst, |n| n.0),
                sessions: settings.max_sessions.map_or(limits.sessions, |n| n.0),
                memory_mib: settings.max_memory.map_or(limits.memory_mib, |n| n.0),
                limit_loopback: settings.limit_loopback,
            },
            proxies: ProxySettings {
                trusted: TrustedProxies::new(settings.trusted_proxy.unwrap_or_default()),
                header: settings.proxy_header.unwrap_or_else(default_proxy_header),
            },
            metrics_token_file: settings.metrics_token_file,
            media_threads: settings.media_threads.map(|n| n.0),
            gather_us: settings.gather_us.map_or(DEFAULT_GATHER_US, |n| n.0),
            classic,
        })
    }

    /// The flags of the settings that differ in `new` and take effect only after a restart.
    pub fn changes_that_need_restart(&self, new: &Config) -> Vec<&'static str> {
        let changes = [
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
        changes.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
    }

    /// This configuration, with those settings of `new` that can change while the server runs.
    #[must_use]
    pub fn with_live_settings_of(&self, new: Config) -> Config {
        let limits = LimitSettings { limit_loopback: self.limits.limit_loopback, ..new.limits };
        let Config { tls, proxies, metrics_token_file, .. } = new;
        Config { limits, tls, proxies, metrics_token_file, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn config(file: &str) -> Config {
        Config::new(ServerSettings::parse(file, Path::new("test")).expect("valid settings"), "d".into())
            .expect("a configuration")
    }

    /// Every setting in a file has the same effect as its flag.
    #[test]
    fn config_file_sets_every_setting() {
        let config = config(
            "listen = [\"127.0.0.1:1\", \"[::1]:2\"]\ndata = \"d\"\npublic-address = \"h:3\"\n\
             tls-cert = \"c\"\ntls-key = \"k\"\nmax-musicians = 8\nmax-listeners = 0\nlog = \"debug\"\nmax-sessions = 9\n\
             max-sessions-per-address = 10\njoin-burst = 11\nmax-memory = 12\nlimit-loopback = true\n\
             trusted-proxy = [\"10.0.0.0/8\", \"::1\"]\nproxy-header = \"X-Real-IP\"\n\
             metrics-token-file = \"t\"\nmedia-threads = 2\ngather-us = 0\nmax-seats-per-identity = 1\n\
             max-seats-per-address = 2\nmax-new-identities = 3\nexempt-network = [\"10.0.0.0/8\"]\n",
        );
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
    }

    /// A changed setting that needs a restart is named on every reload until it is back to its old value.
    #[test]
    fn changes_that_need_restart_are_named() {
        let now = config("max-sessions = 9");
        let new = config("max-sessions = 10\nmedia-threads = 2\nlimit-loopback = true\nmetrics-token-file = \"t\"");
        assert_eq!(now.changes_that_need_restart(&new), ["limit-loopback", "media-threads"]);
        let reloaded = now.with_live_settings_of(new.clone());
        assert_eq!((reloaded.limits.sessions, reloaded.limits.limit_loopback), (10, false));
        assert_eq!(reloaded.metrics_token_file, Some("t".into()));
        assert_eq!(reloaded.changes_that_need_restart(&new), ["limit-loopback", "media-threads"]);
        assert!(reloaded.changes_that_need_restart(&now).is_empty());
    }

    /// A setting whose partner is missing is refused with the partner's name.
    #[test]
    fn settings_without_their_partner_fail() {
        for (file, missing) in [
            ("tls-cert = \"c\"", "--tls-key"),
            ("tls-key = \"k\"", "--tls-cert"),
            ("classic-room = \"r\"", "--classic"),
        ] {
            let error =
                Config::new(ServerSettings::parse(file, Path::new("test")).expect("valid settings"), PathBuf::new())
                    .expect_err(file);
            assert!(error.to_string().contains(&format!("needs {missing}")), "{error}");
        }
    }
}
