//! Releases of RTJam, and which of them play together.

use alloc::string::String;
use core::fmt;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Major and minor version of a program. In JSON it is a text: `"0.1"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    /// The first number.
    pub major: u16,
    /// The second number.
    pub minor: u16,
}

impl Release {
    /// The release of this crate, which is that of the whole workspace.
    pub const OWN: Release =
        Release { major: number(env!("CARGO_PKG_VERSION_MAJOR")), minor: number(env!("CARGO_PKG_VERSION_MINOR")) };

    /// The first release. Programs that do not name their release are of it.
    pub const FIRST: Release = Release { major: 0, minor: 1 };

    /// Minor releases that a program supports besides its own, back from it.
    pub const SUPPORTED: u16 = 2;

    /// Which end is too old for the other; `None` if they play together.
    pub const fn outdated(client: Release, server: Release) -> Option<Outdated> {
        let (client_is_older, apart) = if client.major == server.major {
            (client.minor < server.minor, client.minor.abs_diff(server.minor) > Release::SUPPORTED)
        } else {
            (client.major < server.major, true)
        };
        match (apart, client_is_older) {
            (false, _) => None,
            (true, true) => Some(Outdated::Client),
            (true, false) => Some(Outdated::Server),
        }
    }

    /// Reads "0.1" and "0.1.3"; `None` for anything else.
    fn parse(text: &str) -> Option<Release> {
        let mut numbers = text.split('.').map(|number| number.parse().ok());
        Some(Release { major: numbers.next()??, minor: numbers.next()?? })
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Serialize for Release {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// Reads a release; anything that is none counts as not named.
pub(super) fn known<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Release>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Named {
        Text(String),
        Other(IgnoredAny),
    }
    Ok(match Named::deserialize(d)? {
        Named::Text(text) => Release::parse(&text),
        Named::Other(IgnoredAny) => None,
    })
}

/// The end that must be updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outdated {
    /// The client.
    Client,
    /// The server.
    Server,
    /// An unknown end.
    #[serde(other)]
    Unknown,
}

/// The decimal number of a text of digits.
const fn number(text: &str) -> u16 {
    let (mut number, mut at) = (0, 0);
    while at < text.len() {
        number = number * 10 + (text.as_bytes()[at] - b'0') as u16;
        at += 1;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(minor: u16) -> Release {
        Release { major: 0, minor }
    }

    #[test]
    fn two_minor_releases_apart_play_together() {
        for (client, server, outdated) in
            [(5, 5, None), (3, 5, None), (5, 3, None), (2, 5, Some(Outdated::Client)), (5, 2, Some(Outdated::Server))]
        {
            assert_eq!(Release::outdated(release(client), release(server)), outdated, "{client} {server}");
        }
        let next = Release { major: 1, minor: 0 };
        assert_eq!(Release::outdated(release(9), next), Some(Outdated::Client));
        assert_eq!(Release::outdated(next, release(9)), Some(Outdated::Server));
    }

    #[test]
    fn releases_are_read_leniently() {
        for (text, read) in
            [("0.1", Some(release(1))), ("0.12.3-rc1", Some(release(12))), ("1", None), ("", None), ("a.b", None)]
        {
            assert_eq!(Release::parse(text), read, "{text}");
        }
        assert!(env!("CARGO_PKG_VERSION").starts_with(&alloc::format!("{}.", Release::OWN)));
        assert!(Release::FIRST <= Release::OWN);
    }
}
