//! Whom a request counts for when it came by a proxy.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An address, or all that share their first bits with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether `ip` lies in it.
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
    // All 128 bits at once cannot be shifted out.
    rest >= 128 || (a ^ b) >> rest == 0
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let wrong = || format!("{text:?} is no IP or IP/BITS; write for example 10.0.0.1 or 172.16.0.0/12");
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

/// Proxies whose word is taken for where a request came from.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// Those within `networks`.
    pub fn new(networks: Vec<Network>) -> TrustedProxies {
        TrustedProxies(networks)
    }

    /// Whether `ip` is one.
    pub fn trusts(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(ip))
    }

    /// Where a request came from: `peer` sent it, with these values of the header in which proxies append the
    /// address that they got it from. Only what a trusted proxy has written counts.
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

/// `IP`, `IP:PORT` or `[IP]:PORT`, as proxies write them.
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
    fn only_a_trusted_proxys_word_is_taken() {
        let trusted = proxies(&["127.0.0.1", "10.1.0.0/16", "fd00::/8"]);
        for (peer, header, client) in [
            ("198.51.100.9", &["203.0.113.7"][..], "198.51.100.9"),
            ("127.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("::ffff:127.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            // A client's own invention stands before what the proxy appended.
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
    fn networks_are_read_and_bounded() {
        let all: Network = "0.0.0.0/0".parse().expect("everything");
        assert!(all.contains(ip("203.0.113.7")) && !all.contains(ip("::1")));
        let v6: Network = "::/0".parse().expect("everything");
        assert!(v6.contains(ip("2001:db8::1")));
        let one: Network = "10.0.0.1".parse().expect("one");
        assert!(one.contains(ip("10.0.0.1")) && !one.contains(ip("10.0.0.2")));
        for wrong in ["10.0.0.0/33", "::/129", "nowhere", "10.0.0.1/", "10.0.0.1/x", ""] {
            assert!(wrong.parse::<Network>().is_err_and(|e| e.contains("for example")), "{wrong}");
        }
    }
}
