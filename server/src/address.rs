//! Under which address others reach this server.

use crate::store::Reachable;
use rtjam_protocol::link::{BadLink, DEFAULT_PORT, Host, parse_authority};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::str::FromStr;

/// `HOST[:PORT]` as an operator gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicAddress {
    /// Name or address.
    pub host: Host,
    /// The port that leads to ours; the same number where it is not given.
    pub port: Option<u16>,
}

impl FromStr for PublicAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<PublicAddress, String> {
        // Without brackets the last group of an IPv6 address would look like a port.
        if let Some(host) = Host::parse_v6(text) {
            return Ok(PublicAddress { host, port: None });
        }
        let example = "for example jam.example.org or 203.0.113.7:7891";
        match parse_authority(text) {
            Ok((host, port)) => Ok(PublicAddress { host, port }),
            Err(BadLink::Port) => Err(format!("the port in {text:?} is no number from 1 to 65535; write {example}")),
            Err(_) => Err(format!("{text:?} is no HOST or HOST:PORT; write {example}")),
        }
    }
}

impl fmt::Display for PublicAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

/// What a link to this server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    /// Name or address.
    pub host: Host,
    /// Port.
    pub port: u16,
    /// What to tell the operator when it does not lead here from everywhere.
    pub caution: Option<String>,
}

/// The address for links: the operator's, else the one that the server listens on, else that of the default route.
pub fn advertised(reachable: &Reachable) -> Advertised {
    let listen_port = reachable.listen_port.unwrap_or(DEFAULT_PORT);
    if let Some(public) = &reachable.public {
        return Advertised { host: public.host.clone(), port: public.port.unwrap_or(listen_port), caution: None };
    }
    let ip = reachable.listen_ip.or_else(of_default_route).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let host = match ip {
        IpAddr::V4(v4) => Host::Name(v4.to_string()),
        IpAddr::V6(v6) => Host::V6(v6),
    };
    Advertised { host, port: listen_port, caution: caution(ip) }
}

fn caution(ip: IpAddr) -> Option<String> {
    if !is_private(ip) {
        return None;
    }
    if matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
        return Some(format!(
            "The invite link works on this network only, and there each musician must write their own interface into it, as in \
             [{ip}%25eth0]. For musicians elsewhere, give the name or address under which the Internet reaches this server: \
             --public-address HOST."
        ));
    }
    let reach = if ip.is_loopback() { "this network only, and there this very machine" } else { "this network only" };
    Some(format!(
        "The invite link works on {reach}: it names {ip}. For musicians elsewhere, give the name or address under which the Internet reaches this \
         server: --public-address HOST."
    ))
}

/// Whether an address means something on its own network only.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let carrier_nat = a == 100 && b & 0xC0 == 64;
            v4.is_private() || v4.is_link_local() || v4.is_loopback() || carrier_nat
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

/// The address that this machine shows on its default route, IPv4 first. Connecting a UDP socket sends nothing; the
/// targets are addresses of documentation.
fn of_default_route() -> Option<IpAddr> {
    let v4 = (SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9)));
    let v6_target = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    let v6 = (SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)), SocketAddr::from((v6_target, 9)));
    [v4, v6].into_iter().find_map(|(local, target)| {
        let socket = UdpSocket::bind(local).ok()?;
        socket.connect(target).ok()?;
        let ip = socket.local_addr().ok()?.ip();
        (!ip.is_unspecified()).then_some(ip)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_address_reads_back_as_it_was_given() {
        for (text, shown) in [
            ("jam.example.org", "jam.example.org"),
            ("203.0.113.7:9000", "203.0.113.7:9000"),
            ("[2001:db8::1]:9000", "[2001:db8::1]:9000"),
            ("2001:db8::1", "[2001:db8::1]"),
            ("fe80::1%eth0", "[fe80::1%25eth0]"),
            ("[fe80::1%eth0]:9000", "[fe80::1%25eth0]:9000"),
        ] {
            assert_eq!(text.parse::<PublicAddress>().map(|a| a.to_string()), Ok(shown.to_owned()));
        }
        assert!("jam.example.org:0".parse::<PublicAddress>().is_err_and(|e| e.contains("port")));
        assert!("https://x/".parse::<PublicAddress>().is_err_and(|e| e.contains("for example")));
    }

    #[test]
    fn the_operators_word_comes_first_and_a_private_address_is_pointed_out() {
        let public = "jam.example.org".parse().ok();
        let all = Reachable { public, listen_ip: "10.0.0.1".parse().ok(), listen_port: Some(9000) };
        let given = advertised(&all);
        assert_eq!((given.host.to_string().as_str(), given.port, given.caution), ("jam.example.org", 9000, None));
        for ip in ["10.0.0.1", "192.168.7.7", "100.64.0.1", "169.254.1.1", "127.0.0.1", "fd00::1", "fe80::1", "::1"] {
            let seen = advertised(&Reachable { public: None, listen_ip: ip.parse().ok(), listen_port: None });
            let caution = seen.caution.expect("pointed out");
            assert!(caution.contains("this network only") && caution.contains("--public-address"), "{caution}");
            assert_eq!(seen.port, DEFAULT_PORT);
        }
        for ip in ["203.0.113.7", "100.128.0.1", "2001:db8::1"] {
            let seen = advertised(&Reachable { public: None, listen_ip: ip.parse().ok(), listen_port: None });
            assert_eq!(seen.caution, None);
        }
    }
}
