//! Origins of connections, and the addresses that limits apply to.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// An IPv4 address, or an IPv6 network of 64 bits: what one household has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AddressKey(IpAddr);

impl AddressKey {
    /// The common key of all clients that are not counted on their own. No client has this address.
    pub const SHARED: AddressKey = AddressKey(IpAddr::V4(Ipv4Addr::UNSPECIFIED));

    /// The key of an IP address.
    pub fn of(ip: IpAddr) -> AddressKey {
        AddressKey(match ip.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            v4 => v4,
        })
    }
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// IP address.
    pub address: IpAddr,
    /// Whether the operator lists the address as shared by many people. Limits per address do not apply to it.
    pub exempt: bool,
}

impl Origin {
    /// The address that limits and bans apply to.
    pub fn key(&self) -> AddressKey {
        AddressKey::of(self.address)
    }
}

/// The text is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAddress;

impl FromStr for AddressKey {
    type Err = BadAddress;

    /// Parses an IP address, or the output of `Display`.
    fn from_str(text: &str) -> Result<AddressKey, BadAddress> {
        let ip = text.strip_suffix("/64").filter(|ip| ip.contains(':')).unwrap_or(text);
        ip.parse().map(AddressKey::of).map_err(|_| BadAddress)
    }
}

impl fmt::Display for AddressKey {
    /// Writes an IPv4 address, or an IPv6 network with its `/64`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(v4) => v4.fmt(f),
            IpAddr::V6(v6) => write!(f, "{v6}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    /// All addresses of an IPv6 network, and both forms of an IPv4 address, have one key.
    #[test]
    fn households_are_one_address() {
        let key = |text: &str| AddressKey::of(text.parse().expect("an address"));
        assert_eq!(key("2001:db8:1:2::7"), key("2001:db8:1:2:ffff::1"));
        assert_ne!(key("2001:db8:1:2::7"), key("2001:db8:1:3::7"));
        assert_eq!(key("::ffff:203.0.113.7"), key("203.0.113.7"));
        assert_ne!(key("203.0.113.8"), key("203.0.113.7"));
    }

    /// Addresses read back as written.
    #[test]
    fn address_keys_round_trip() {
        for text in ["203.0.113.7", "2001:db8:1:2::/64"] {
            assert_eq!(text.parse::<AddressKey>().map(|key| key.to_string()).as_deref(), Ok(text));
        }
        assert_eq!("2001:db8:1:2::7".parse(), "2001:db8:1:2::/64".parse::<AddressKey>());
        assert_eq!("203.0.113.7/64".parse::<AddressKey>(), Err(BadAddress));
    }
}
