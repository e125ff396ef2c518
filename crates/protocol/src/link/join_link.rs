//! Links that a musician can join: to a room, or to a legacy server (`classic://HOST[:PORT]`).

use super::{BadLink, Host, InviteLink, parse_authority};
use crate::legacy;
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

const LEGACY_SCHEME: &str = "classic://";

/// A legacy rtjam server. It has neither rooms nor logins nor keys, so the link contains nothing secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyServer {
    /// Host of the server.
    pub host: Host,
    /// UDP port of the server.
    pub port: u16,
}

impl fmt::Display for LegacyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LEGACY_SCHEME}{}", self.host)?;
        if self.port == legacy::PORT { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// A link that a musician can join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// A room. Its audio is encrypted, and only those with the key can join.
    Room(InviteLink),
    /// A legacy server. Its audio is neither encrypted nor authenticated.
    Legacy(LegacyServer),
}

impl Link {
    /// The link without its key, for logs, projects and screens.
    pub fn without_key(&self) -> Link {
        match self {
            Link::Room(room) => Link::Room(room.without_key()),
            Link::Legacy(server) => Link::Legacy(server.clone()),
        }
    }

    /// Whether the link is sufficient to join. A room's link without its key is not.
    pub fn opens(&self) -> bool {
        match self {
            Link::Room(room) => room.key.is_some(),
            Link::Legacy(_) => true,
        }
    }

    /// The destination for a status display: the room's name, or the legacy server's link.
    pub fn room(&self) -> String {
        match self {
            Link::Room(room) => format!("{}", room.room),
            Link::Legacy(server) => format!("{server}"),
        }
    }

    /// The destination for a list of destinations.
    pub fn place(&self) -> String {
        match self {
            Link::Room(room) => format!("{} at {}", room.room, room.host),
            Link::Legacy(server) => format!("{server}"),
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Link::Room(link) => link.fmt(f),
            Link::Legacy(server) => server.fmt(f),
        }
    }
}

impl FromStr for Link {
    type Err = BadLink;

    fn from_str(text: &str) -> Result<Link, BadLink> {
        let text = text.trim();
        match text.get(..LEGACY_SCHEME.len()) {
            Some(scheme) if scheme.eq_ignore_ascii_case(LEGACY_SCHEME) => {
                parse_legacy_server(&text[LEGACY_SCHEME.len()..]).map(Link::Legacy)
            }
            _ => text.parse().map(Link::Room),
        }
    }
}

fn parse_legacy_server(text: &str) -> Result<LegacyServer, BadLink> {
    let authority = text.strip_suffix('/').unwrap_or(text);
    if authority.contains(['/', '#', '?', '@']) {
        return Err(BadLink::LegacyRest);
    }
    let (host, port) = parse_authority(authority).map_err(|why| match why {
        BadLink::Port => BadLink::LegacyPort,
        _ => BadLink::LegacyHost,
    })?;
    Ok(LegacyServer { host, port: port.unwrap_or(legacy::PORT) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    /// Links to legacy servers read back as written, with and without a port.
    #[test]
    fn legacy_links_round_trip() {
        for (text, port, written) in [
            ("classic://jam.example.org", 7891, "classic://jam.example.org"),
            (" CLASSIC://192.168.1.4:7892/\n", 7892, "classic://192.168.1.4:7892"),
            ("classic://[2001:db8::1]:1", 1, "classic://[2001:db8::1]:1"),
        ] {
            let link: Link = text.parse().expect("a link");
            let Link::Legacy(server) = &link else { panic!("{link:?}") };
            assert_eq!((server.port, link.to_string().as_str()), (port, written));
            assert_eq!(link.to_string().parse(), Ok(link.clone()));
            assert!(link.opens() && link.without_key() == link && link.room() == written);
        }
    }

    /// Room links are links, with and without their key.
    #[test]
    fn room_links_are_links() {
        let link: Link = "rtjam://h/lobby#AQEHBwcHBwcHBwcHBwcHBwcH".parse().expect("a link");
        assert!(matches!(&link, Link::Room(room) if room.key.is_some()) && link.opens());
        assert!(!link.without_key().opens());
        assert_eq!((link.room().as_str(), link.place().as_str()), ("lobby", "lobby at h"));
    }

    /// The error tells which part of a link is wrong.
    #[test]
    fn errors_name_the_wrong_part() {
        for (text, why) in [
            ("", BadLink::Scheme),
            ("http://h", BadLink::Scheme),
            ("classic:h", BadLink::Scheme),
            ("classic://", BadLink::LegacyHost),
            ("classic://a b", BadLink::LegacyHost),
            ("classic://[::1", BadLink::LegacyHost),
            ("classic://h:0", BadLink::LegacyPort),
            ("classic://h:65536", BadLink::LegacyPort),
            ("classic://h/lobby", BadLink::LegacyRest),
            ("classic://h/lobby#AQEHBwcHBwcHBwcHBwcHBwcH", BadLink::LegacyRest),
            ("classic://h#AQEHBwcHBwcHBwcHBwcHBwcH", BadLink::LegacyRest),
        ] {
            assert_eq!(text.parse::<Link>(), Err(why), "{text}");
        }
    }

    proptest! {
        /// Any text is a link or an error; a link round-trips.
        #[test]
        fn any_text_is_link_or_error(text in ".*") {
            let _ = text.parse::<Link>();
            if let Ok(link) = format!("classic://{text}").parse::<Link>() {
                assert_eq!(link.to_string().parse(), Ok(link));
            }
        }
    }
}
