//! The client behind a trusted proxy.

use axum::http::{HeaderMap, HeaderName};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// All addresses that share their first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether `ip` is one of its addresses.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same_prefix(a.to_bits().into(), b.to_bits().into(), 32, self.bits),
            (IpAddr::V6(a), IpAddr::V6(b)) => same_prefix(a.to_bits(), b.to_bits(), 128, self.bits),
            _ => false,
        }
    }
}

/// Whether the first `bits` of two numbers of `width` bits agree.
const fn same_prefix(a: u128, b: u128, width: u32, bits: u8) -> bool {
    let rest = width - bits as u32;
    // Shifting by all 128 bits would overflow.
    rest >= 128 || (a ^ b) >> rest == 0
}

/// Text that is not a [`Network`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not IP or IP/BITS; write for example 10.0.0.1 or 172.16.0.0/12")]
pub struct BadNetwork(String);

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Network, BadNetwork> {
        let wrong = || BadNetwork(text.to_owned());
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| wrong())?;
        if bits > most { Err(wrong()) } else { Ok(Network { address, bits }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// How proxies tell where a request came from.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// The proxies that are trusted.
    pub trusted: TrustedProxies,
    /// The header in which they name the client.
    pub header: HeaderName,
}

impl ProxySettings {
    /// The address that a request from `peer` counts for.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        // A value that is not text is not an address either.
        let lines = headers.get_all(&self.header).iter().map(|value| value.to_str().unwrap_or_default());
        self.trusted.client(peer, lines.collect::<Vec<_>>().into_iter())
    }
}

/// Proxies that are trusted to name their clients.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// Trusts all addresses in `networks`.
    pub fn new(networks: Vec<Network>) -> TrustedProxies {
        TrustedProxies(networks)
    }

    /// Whether `ip` is a trusted proxy.
    pub fn trusts(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(ip))
    }

    /// The client of a request that `peer` sent. `header` has the values of the header to which each proxy appends the
    /// address of its own peer. Only what trusted proxies have written counts.
    pub fn client<'a>(&self, peer: IpAddr, header: impl DoubleEndedIterator<Item = &'a str>) -> IpAddr {
        let mut nearest = peer;
        for hop in header.rev().flat_map(|line| line.rsplit(',')) {
            if !self.trusts(nearest) {
                break;
            }
            let Some(ip) = read_hop(hop) else { break };
            nearest = ip;
        }
        nearest
    }
}

/// Reads `IP`, `IP:PORT` or `[IP]:PORT`: proxies write any of these.
fn read_hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    bare.or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|a| a.ip())).map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn proxies(networks: &[&str]) -> TrustedProxies {
        TrustedProxies::new(networks.iter().map(|n| n.parse().expect("a network")).collect())
    }

    #[test]
    fn only_trusted_proxies_name_the_client() {
        let trusted = proxies(&["127.0.0.1", "10.1.0.0/16", "fd00::/8"]);
        for (peer, header, client) in [
            ("198.51.100.9", &["203.0.113.7"][..], "198.51.100.9"),
            ("127.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("::ffff:127.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            // A forged address stands before the one that the proxy appended.
            ("127.0.0.1", &["1.2.3.4, 203.0.113.7"], "203.0.113.7"),
            ("127.0.0.1", &["1.2.3.4", "203.0.113.7"], "203.0.113.7"),
            ("127.0.0.1", &["1.2.3.4, 203.0.113.7, 10.1.2.3"], "203.0.113.7"),
            ("fd00::1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("127.0.0.1", &["203.0.113.7:5000"], "203.0.113.7"),
            ("127.0.0.1", &["unknown"], "127.0.0.1"),
            ("127.0.0.1", &[""], "127.0.0.1"),
            ("127.0.0.1", &[], "127.0.0.1"),
        ] {
            assert_eq!(trusted.client(ip(peer), header.iter().copied()), ip(client), "{peer} {header:?}");
        }
        assert_eq!(proxies(&[]).client(ip("127.0.0.1"), ["203.0.113.7"].into_iter()), ip("127.0.0.1"));
    }

    #[test]
    fn networks_parse_within_bounds() {
        let all: Network = "0.0.0.0/0".parse().expect("everything");
        assert!(all.contains(ip("203.0.113.7")) && !all.contains(ip("::1")));
        let v6: Network = "::/0".parse().expect("everything");
        assert!(v6.contains(ip("2001:db8::1")));
        let one: Network = "10.0.0.1".parse().expect("one");
        assert!(one.contains(ip("10.0.0.1")) && !one.contains(ip("10.0.0.2")));
        for wrong in ["10.0.0.0/33", "::/129", "nowhere", "10.0.0.1/", "10.0.0.1/x", ""] {
            assert!(wrong.parse::<Network>().is_err_and(|e| e.to_string().contains("for example")), "{wrong}");
        }
    }
}
