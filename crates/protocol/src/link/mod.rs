//! Invite links, `rtjam://HOST[:PORT]/ROOM#KEY`, and links to legacy servers, `classic://HOST[:PORT]`.
//!
//! KEY is base64url without padding of a version (1), a role, the room's secret for this role (16 bytes) and the server's
//! pin (16 bytes). Without a pin, the client relies on the system's root certificates. The part before `#` is not secret: a
//! link without KEY names a room and does not admit anyone.

mod join_link;

pub use join_link::{LegacyServer, Link};

use crate::ids::RoomName;
use crate::secret_bytes::{as_base64url, secret};
use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::fmt;
use core::net::Ipv6Addr;
use core::str::FromStr;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Default port of servers and links, TCP and UDP.
pub const DEFAULT_PORT: u16 = 7891;

const SCHEME: &str = "rtjam://";
const KEY_VERSION: u8 = 1;

/// What a secret permits. Each role includes the earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Role {
    /// Listens.
    Listener = 0,
    /// Plays.
    Musician = 1,
    /// Plays and moderates the room.
    Moderator = 2,
}

impl Role {
    fn from_byte(b: u8) -> Option<Role> {
        [Role::Listener, Role::Musician, Role::Moderator].get(usize::from(b)).copied()
    }
}

/// A room's secret for one role. Zeroized on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub [u8; 16]);

/// Fingerprint of a server's key: the first 16 bytes of SHA-256 over its SubjectPublicKeyInfo (DER).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pin(pub [u8; 16]);

secret!(Secret);
as_base64url!(Pin);

/// How a client authenticates the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// By its key, whatever names and dates the certificate has.
    Pinned(Pin),
    /// By the system's root certificates.
    SystemRoots,
}

/// The secret part of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomKey {
    /// Role of the secret.
    pub role: Role,
    /// The secret.
    pub secret: Secret,
    /// How to authenticate the server.
    pub trust: Trust,
}

impl RoomKey {
    fn encode(&self) -> String {
        let mut bytes = Zeroizing::new(Vec::with_capacity(34));
        bytes.push(KEY_VERSION);
        bytes.push(self.role as u8);
        bytes.extend_from_slice(&self.secret.0);
        if let Trust::Pinned(pin) = self.trust {
            bytes.extend_from_slice(&pin.0);
        }
        URL_SAFE_NO_PAD.encode(&*bytes)
    }

    fn decode(text: &str) -> Result<RoomKey, BadLink> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| BadLink::Key)?);
        if bytes.first().is_some_and(|&v| v > KEY_VERSION) {
            return Err(BadLink::NewerVersion);
        }
        let [KEY_VERSION, role, rest @ ..] = &bytes[..] else { return Err(BadLink::Key) };
        let role = Role::from_byte(*role).ok_or(BadLink::Key)?;
        let (secret, rest) = rest.split_first_chunk::<16>().ok_or(BadLink::Key)?;
        let trust = match rest {
            [] => Trust::SystemRoots,
            pin => Trust::Pinned(Pin(pin.try_into().map_err(|_| BadLink::Key)?)),
        };
        Ok(RoomKey { role, secret: Secret(*secret), trust })
    }
}

/// Maximum length of an interface's name in bytes.
const MAX_ZONE: usize = 32;

/// Host of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A DNS name or an IPv4 address.
    Name(String),
    /// An IPv6 address. Links write it in brackets.
    V6(Ipv6Addr),
    /// A link-local IPv6 address with its zone: name or number of the reader's network interface (RFC 6874:
    /// `[fe80::1%25eth0]`; `%eth0` is accepted as well).
    Scoped(Ipv6Addr, String),
}

impl Host {
    /// Parses the host of a link, without a port.
    ///
    /// # Errors
    /// When it is neither a name of letters, digits, `-`, `_` and `.` nor an IPv6 address in brackets.
    pub fn parse(text: &str) -> Result<Host, BadLink> {
        if let Some(inner) = text.strip_prefix('[') {
            return Host::parse_v6(inner.strip_suffix(']').ok_or(BadLink::Host)?).ok_or(BadLink::Host);
        }
        let fits = !text.is_empty() && text.len() <= 253;
        if fits && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.')) {
            Ok(Host::Name(text.to_string()))
        } else {
            Err(BadLink::Host)
        }
    }

    /// Parses an IPv6 address without brackets, with or without a zone.
    pub fn parse_v6(text: &str) -> Option<Host> {
        let Some((address, zone)) = text.split_once('%') else { return text.parse().ok().map(Host::V6) };
        let zone = zone.strip_prefix("25").filter(|zone| !zone.is_empty()).unwrap_or(zone);
        let fits = (1..=MAX_ZONE).contains(&zone.len());
        let is_name = zone.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        let address = address.parse().ok().filter(Ipv6Addr::is_unicast_link_local)?;
        (fits && is_name).then(|| Host::Scoped(address, zone.to_string()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::V6(ip) => write!(f, "[{ip}]"),
            Host::Scoped(ip, zone) => write!(f, "[{ip}%25{zone}]"),
        }
    }
}

/// Parses `HOST[:PORT]`. The port is `None` if it is left out.
///
/// # Errors
/// When host or port is invalid.
pub fn parse_authority(text: &str) -> Result<(Host, Option<u16>), BadLink> {
    let host_end = text.rfind(']').map_or(0, |i| i + 1);
    let (host, port) = match text[host_end..].rfind(':') {
        Some(i) => (&text[..host_end + i], Some(&text[host_end + i + 1..])),
        None => (text, None),
    };
    let port = match port {
        None => None,
        Some(digits) => match digits.parse::<u16>() {
            Ok(p) if p != 0 && digits.bytes().all(|b| b.is_ascii_digit()) => Some(p),
            _ => return Err(BadLink::Port),
        },
    };
    Ok((Host::parse(host)?, port))
}

/// An invite link to a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteLink {
    /// Host of the server.
    pub host: Host,
    /// TCP port of the server.
    pub port: u16,
    /// Name of the room.
    pub room: RoomName,
    /// Secret part; without it the link only names the room.
    pub key: Option<RoomKey>,
}

impl InviteLink {
    /// The link without its key, for logs, projects and screens.
    pub fn without_key(&self) -> InviteLink {
        InviteLink { key: None, ..self.clone() }
    }
}

impl fmt::Display for InviteLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.host)?;
        if self.port != DEFAULT_PORT {
            write!(f, ":{}", self.port)?;
        }
        write!(f, "/{}", utf8_percent_encode(self.room.as_str(), RESERVED))?;
        match &self.key {
            Some(key) => write!(f, "#{}", key.encode()),
            None => Ok(()),
        }
    }
}

/// Why a text is not a link. `Display` tells the musician what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadLink {
    /// It does not begin with `rtjam://`.
    Scheme,
    /// The host is invalid.
    Host,
    /// The port is invalid.
    Port,
    /// The room's name is missing or invalid.
    Room,
    /// The part after `#` is damaged.
    Key,
    /// The part after `#` belongs to a newer version of RTJam.
    NewerVersion,
    /// The host after `classic://` is invalid.
    LegacyHost,
    /// The port after `classic://` is invalid.
    LegacyPort,
    /// Something follows the address of a legacy server.
    LegacyRest,
}

impl fmt::Display for BadLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadLink::Scheme => {
                "This is not an RTJam invite link: those begin with rtjam:// . Copy the whole link that you received. (To join \
                 a legacy rtjam server, write classic://HOST:PORT .)"
            }
            BadLink::Host => "The server address in the invite link is not valid. Copy the whole link again.",
            BadLink::Port => "The port in the invite link is not a number from 1 to 65535. Copy the whole link again.",
            BadLink::Room => "The invite link does not name a room. Copy the whole link again.",
            BadLink::Key => {
                "The invite link is damaged: the part after # is incomplete or altered. Copy the whole link again."
            }
            BadLink::NewerVersion => "This invite link needs a newer version of RTJam. Update RTJam and try again.",
            BadLink::LegacyHost => {
                "The address of the legacy server is not valid. Write classic://HOST:PORT with a host name or an IP address."
            }
            BadLink::LegacyPort => {
                "The port of the legacy server is not a number from 1 to 65535. Write classic://HOST:PORT ; without :PORT it \
                 is 7891."
            }
            BadLink::LegacyRest => {
                "A legacy server has neither rooms nor keys. Write classic://HOST:PORT and nothing after it. Never add the \
                 key of an invite link: it would not stay private."
            }
        })
    }
}

impl core::error::Error for BadLink {}

impl FromStr for InviteLink {
    type Err = BadLink;

    fn from_str(text: &str) -> Result<InviteLink, BadLink> {
        let text = text.trim();
        let scheme = text.get(..SCHEME.len()).ok_or(BadLink::Scheme)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(BadLink::Scheme);
        }
        let rest = &text[SCHEME.len()..];
        let (address, key) = match rest.split_once('#') {
            Some((address, key)) => (address, Some(RoomKey::decode(key)?)),
            None => (rest, None),
        };
        let (authority, room) = address.split_once('/').ok_or(BadLink::Room)?;
        let (host, port) = parse_authority(authority)?;
        let room = percent_decode(room.trim_end_matches('/')).ok_or(BadLink::Room)?;
        let room = RoomName::new(&room).map_err(|_| BadLink::Room)?;
        Ok(InviteLink { host, port: port.unwrap_or(DEFAULT_PORT), room, key })
    }
}

/// All characters but the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// `None` if a `%` begins no byte, or the bytes are not UTF-8.
fn percent_decode(text: &str) -> Option<Cow<'_, str>> {
    let is_byte = |rest: &str| rest.get(..2).is_some_and(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let valid = text.split('%').skip(1).all(is_byte);
    percent_decode_str(text).decode_utf8().ok().filter(|_| valid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use proptest::prelude::*;

    fn key(trust: Trust) -> RoomKey {
        RoomKey { role: Role::Musician, secret: Secret([7; 16]), trust }
    }

    /// Links read back as written.
    #[test]
    fn links_round_trip() {
        for host in ["jam.example.org", "192.168.1.4", "[2001:db8::1]", "[fe80::1%25eth0]"] {
            for port in [DEFAULT_PORT, 1, 65535] {
                for room in ["lobby", "Thursday Jam", "käfig/№ 5#?%"] {
                    for key in [None, Some(key(Trust::SystemRoots)), Some(key(Trust::Pinned(Pin([0xFE; 16]))))] {
                        let host = Host::parse(host).expect("a host");
                        let link = InviteLink { host, port, room: RoomName::new(room).expect("a name"), key };
                        assert_eq!(link.to_string().parse(), Ok(link));
                    }
                }
            }
        }
    }

    /// Zones are accepted with and without RFC 6874's escape, and only on link-local addresses.
    #[test]
    fn zones_require_link_local_addresses() {
        let scoped = |zone: &str| Ok(Host::Scoped("fe80::1".parse().expect("an address"), zone.into()));
        for (text, zone) in
            [("[fe80::1%eth0]", "eth0"), ("[fe80::1%25eth0]", "eth0"), ("[fe80::1%2]", "2"), ("[fe80::1%25]", "25")]
        {
            assert_eq!(Host::parse(text), scoped(zone), "{text}");
        }
        assert_eq!(Host::parse("[fe80::1%2525]"), Host::parse("[fe80::1%25]"));
        for text in
            ["[fe80::1%]", "[fe80::1%eth0", "[fe80::1%a/b]", "[fe80::1%a b]", "[2001:db8::1%eth0]", "[192.0.2.1%eth0]"]
        {
            assert_eq!(Host::parse(text), Err(BadLink::Host), "{text}");
        }
    }

    /// White space around a link and the case of its scheme do not matter.
    #[test]
    fn whitespace_and_scheme_case_are_ignored() {
        let link: InviteLink = " RTJAM://h/lobby/\n".parse().expect("a link");
        assert_eq!((link.port, link.room.as_str(), link.key), (DEFAULT_PORT, "lobby", None));
    }

    /// The error tells which part of a link is wrong.
    #[test]
    fn errors_name_the_wrong_part() {
        let whole = InviteLink { key: Some(key(Trust::Pinned(Pin([1; 16])))), ..bare() }.to_string();
        for (text, why) in [
            ("", BadLink::Scheme),
            ("https://h/lobby", BadLink::Scheme),
            ("rtjam://h", BadLink::Room),
            ("rtjam://h/", BadLink::Room),
            ("rtjam://h/%zz", BadLink::Room),
            ("rtjam:///lobby", BadLink::Host),
            ("rtjam://a b/lobby", BadLink::Host),
            ("rtjam://[::1/lobby", BadLink::Host),
            ("rtjam://h:0/lobby", BadLink::Port),
            ("rtjam://h:+5/lobby", BadLink::Port),
            ("rtjam://h:65536/lobby", BadLink::Port),
            ("rtjam://h/lobby#", BadLink::Key),
            (&whole[..whole.len() - 1], BadLink::Key),
            ("rtjam://h/lobby#AgEA", BadLink::NewerVersion),
        ] {
            assert_eq!(text.parse::<InviteLink>(), Err(why), "{text}");
        }
    }

    fn bare() -> InviteLink {
        "rtjam://h/lobby".parse().expect("a link")
    }

    /// `Debug` never prints a secret.
    #[test]
    fn debug_output_hides_secrets() {
        let shown = format!("{:?}", key(Trust::SystemRoots));
        assert!(!shown.contains('7'), "{shown}");
    }

    proptest! {
        /// Any text is a link or an error.
        #[test]
        fn any_text_is_link_or_error(text in ".*") {
            let _ = text.parse::<InviteLink>();
            let _ = format!("rtjam://{text}").parse::<InviteLink>();
            let _ = format!("rtjam://h/r#{text}").parse::<InviteLink>();
        }
    }
}
