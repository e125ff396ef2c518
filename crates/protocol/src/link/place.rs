//! Where a musician can go: a room by its invite link, or a classic server by `classic://HOST[:PORT]`.

use super::{BadLink, Host, InviteLink, parse_authority};
use crate::classic;
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

const CLASSIC: &str = "classic://";

/// A server that speaks the classic packet. It has no rooms, no login and no key, so there is nothing secret in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicServer {
    /// Where it is.
    pub host: Host,
    /// Its UDP port.
    pub port: u16,
}

impl fmt::Display for ClassicServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{CLASSIC}{}", self.host)?;
        if self.port == classic::PORT { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// What people are sent, paste and keep: a link to play by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// A room: sealed, and closed to those without its key.
    Room(InviteLink),
    /// A classic server: neither private nor authenticated.
    Classic(ClassicServer),
}

impl Link {
    /// The link without what opens a room: for logs, projects and screens.
    pub fn without_key(&self) -> Link {
        match self {
            Link::Room(room) => Link::Room(room.without_key()),
            Link::Classic(server) => Link::Classic(server.clone()),
        }
    }

    /// Whether it lets anybody in: a room's link without its key does not.
    pub fn opens(&self) -> bool {
        match self {
            Link::Room(room) => room.key.is_some(),
            Link::Classic(_) => true,
        }
    }

    /// Where it leads, as a status says it: the room's name, or the classic server's link.
    pub fn room(&self) -> String {
        match self {
            Link::Room(room) => format!("{}", room.room),
            Link::Classic(server) => format!("{server}"),
        }
    }

    /// Where it leads, for a list of such places.
    pub fn place(&self) -> String {
        match self {
            Link::Room(room) => format!("{} at {}", room.room, room.host),
            Link::Classic(server) => format!("{server}"),
        }
    }
}

impl From<InviteLink> for Link {
    fn from(link: InviteLink) -> Link {
        Link::Room(link)
    }
}

impl From<ClassicServer> for Link {
    fn from(server: ClassicServer) -> Link {
        Link::Classic(server)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Link::Room(link) => link.fmt(f),
            Link::Classic(server) => server.fmt(f),
        }
    }
}

impl FromStr for Link {
    type Err = BadLink;

    fn from_str(text: &str) -> Result<Link, BadLink> {
        let text = text.trim();
        match text.get(..CLASSIC.len()) {
            Some(scheme) if scheme.eq_ignore_ascii_case(CLASSIC) => {
                classic_server(&text[CLASSIC.len()..]).map(Link::Classic)
            }
            _ => text.parse().map(Link::Room),
        }
    }
}

fn classic_server(text: &str) -> Result<ClassicServer, BadLink> {
    let authority = text.strip_suffix('/').unwrap_or(text);
    if authority.contains(['/', '#', '?', '@']) {
        return Err(BadLink::ClassicRest);
    }
    let (host, port) = parse_authority(authority).map_err(|why| match why {
        BadLink::Port => BadLink::ClassicPort,
        _ => BadLink::ClassicHost,
    })?;
    Ok(ClassicServer { host, port: port.unwrap_or(classic::PORT) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[test]
    fn a_classic_link_reads_back_as_it_was_written_and_needs_no_port() {
        for (text, port, written) in [
            ("classic://jam.example.org", 7891, "classic://jam.example.org"),
            (" CLASSIC://192.168.1.4:7892/\n", 7892, "classic://192.168.1.4:7892"),
            ("classic://[2001:db8::1]:1", 1, "classic://[2001:db8::1]:1"),
        ] {
            let link: Link = text.parse().expect("a link");
            let Link::Classic(server) = &link else { panic!("{link:?}") };
            assert_eq!((server.port, link.to_string().as_str()), (port, written));
            assert_eq!(link.to_string().parse(), Ok(link.clone()));
            assert!(link.opens() && link.without_key() == link && link.room() == written);
        }
    }

    #[test]
    fn a_room_is_a_link_as_ever() {
        let link: Link = "rtjam://h/lobby#AQEHBwcHBwcHBwcHBwcHBwcH".parse().expect("a link");
        assert!(matches!(&link, Link::Room(room) if room.key.is_some()) && link.opens());
        assert!(!link.without_key().opens());
        assert_eq!((link.room().as_str(), link.place().as_str()), ("lobby", "lobby at h"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, why) in [
            ("", BadLink::Scheme),
            ("http://h", BadLink::Scheme),
            ("classic:h", BadLink::Scheme),
            ("classic://", BadLink::ClassicHost),
            ("classic://a b", BadLink::ClassicHost),
            ("classic://[::1", BadLink::ClassicHost),
            ("classic://h:0", BadLink::ClassicPort),
            ("classic://h:65536", BadLink::ClassicPort),
            ("classic://h/lobby", BadLink::ClassicRest),
            ("classic://h/lobby#AQEHBwcHBwcHBwcHBwcHBwcH", BadLink::ClassicRest),
            ("classic://h#AQEHBwcHBwcHBwcHBwcHBwcH", BadLink::ClassicRest),
        ] {
            assert_eq!(text.parse::<Link>(), Err(why), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_link_or_an_error(text in ".*") {
            let _ = text.parse::<Link>();
            if let Ok(link) = format!("classic://{text}").parse::<Link>() {
                assert_eq!(link.to_string().parse(), Ok(link));
            }
        }
    }
}
