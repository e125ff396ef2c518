//! The addresses at which others reach this server.

use rtjam_protocol::link::{BadLink, DEFAULT_PORT, Host, parse_authority};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::str::FromStr;

/// The host and port that an operator sets for invite links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicAddress {
    /// A host name or an address.
    pub host: Host,
    /// A port that leads to the server's port; `None` means the same number.
    pub port: Option<u16>,
}

/// Text that is not a [`PublicAddress`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPublicAddress {
    /// The port is not a number from 1 to 65535.
    #[error("the port in {0:?} is not a number from 1 to 65535; {EXAMPLE}")]
    Port(String),
    /// The text is not `HOST` or `HOST:PORT`.
    #[error("{0:?} is not HOST or HOST:PORT; {EXAMPLE}")]
    Syntax(String),
}

const EXAMPLE: &str = "write for example jam.example.org or 203.0.113.7:7891";

impl FromStr for PublicAddress {
    type Err = BadPublicAddress;

    fn from_str(text: &str) -> Result<PublicAddress, BadPublicAddress> {
        // Without brackets the last group of an IPv6 address would look like a port.
        if let Some(host) = Host::parse_v6(text) {
            return Ok(PublicAddress { host, port: None });
        }
        match parse_authority(text) {
            Ok((host, port)) => Ok(PublicAddress { host, port }),
            Err(BadLink::Port) => Err(BadPublicAddress::Port(text.to_owned())),
            Err(_) => Err(BadPublicAddress::Syntax(text.to_owned())),
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

/// How a server was configured to be reached. The store keeps it, so that `invite` makes links that lead to the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerAddress {
    /// The value of `--public-address`.
    pub public: Option<PublicAddress>,
    /// The address that the server listens on; `None` means all addresses.
    pub listen_ip: Option<IpAddr>,
    /// The port that the server listens on.
    pub listen_port: Option<u16>,
}

/// The host and port in links to this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdvertisedAddress {
    /// A host name or an address.
    pub host: Host,
    /// The port.
    pub port: u16,
    /// Tells the operator where the address does not lead to the server.
    pub warning: Option<String>,
}

/// The address for links: the operator's, else the one that the server listens on, else that of the default route.
pub fn advertised_address(server: &ServerAddress) -> AdvertisedAddress {
    let listen_port = server.listen_port.unwrap_or(DEFAULT_PORT);
    if let Some(public) = &server.public {
        let port = public.port.unwrap_or(listen_port);
        return AdvertisedAddress { host: public.host.clone(), port, warning: None };
    }
    let ip = server.listen_ip.or_else(default_route_address).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let host = match ip {
        IpAddr::V4(v4) => Host::Name(v4.to_string()),
        IpAddr::V6(v6) => Host::V6(v6),
    };
    AdvertisedAddress { host, port: listen_port, warning: private_address_warning(ip) }
}

fn private_address_warning(ip: IpAddr) -> Option<String> {
    if !is_private(ip) {
        return None;
    }
    if matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
        return Some(format!(
            "The invite link works only on this network, and each musician must add their own network interface to it, as \
             in [{ip}%25eth0]. For musicians elsewhere, set the host name or address at which the Internet reaches this \
             server: --public-address HOST."
        ));
    }
    let place = if ip.is_loopback() { "this machine" } else { "this network" };
    Some(format!(
        "The invite link works only on {place}, because it contains {ip}. For musicians elsewhere, set the host name or \
         address at which the Internet reaches this server: --public-address HOST."
    ))
}

/// Whether the Internet does not route an address.
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

/// This machine's address on its default route, IPv4 first. The targets are documentation addresses, and connecting a UDP
/// socket sends nothing.
fn default_route_address() -> Option<IpAddr> {
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
    fn public_address_survives_a_round_trip() {
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
        assert!("jam.example.org:0".parse::<PublicAddress>().is_err_and(|e| e.to_string().contains("the port")));
        assert!("https://x/".parse::<PublicAddress>().is_err_and(|e| e.to_string().contains("for example")));
    }

    /// The operator's address takes precedence. A private address comes with a warning.
    #[test]
    fn private_addresses_come_with_a_warning() {
        let public = "jam.example.org".parse().ok();
        let all = ServerAddress { public, listen_ip: "10.0.0.1".parse().ok(), listen_port: Some(9000) };
        let given = advertised_address(&all);
        assert_eq!((given.host.to_string().as_str(), given.port, given.warning), ("jam.example.org", 9000, None));
        for ip in ["10.0.0.1", "192.168.7.7", "100.64.0.1", "169.254.1.1", "127.0.0.1", "fd00::1", "fe80::1", "::1"] {
            let address = advertised_address(&ServerAddress { listen_ip: ip.parse().ok(), ..ServerAddress::default() });
            let warning = address.warning.expect("a warning");
            assert!(warning.contains("works only on this") && warning.contains("--public-address"), "{warning}");
            assert_eq!(address.port, DEFAULT_PORT);
        }
        for ip in ["203.0.113.7", "100.128.0.1", "2001:db8::1"] {
            let address = advertised_address(&ServerAddress { listen_ip: ip.parse().ok(), ..ServerAddress::default() });
            assert_eq!(address.warning, None);
        }
    }
}
