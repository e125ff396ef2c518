//! The media endpoints of a session and the socket that sends to them. Owned by `jam-send`.

use super::receive::RecvCommand;
use super::socket::{self, TypeOfService};
use crossbeam_channel::Sender;
use rtjam_protocol::Micros;
use rtjam_protocol::control::{MediaEndpoint, TransportKind};
use rtjam_protocol::link::Host;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

/// At most this many endpoints are used.
const MAX_ENDPOINTS: usize = 16;

/// After this silence a new socket is opened: a NAT may have forgotten the port, or the adapter has changed.
const REBIND_AFTER: Micros = Micros::from_secs(1);

/// While the silence lasts, or no socket can be opened, the next attempt follows after this time.
const REBIND_EVERY: Micros = Micros::from_secs(2);

/// A socket that cannot send because its route is gone is replaced this often.
const REPLACE_EVERY: Micros = Micros::from_millis(250);

/// The path from a session to its server.
pub(crate) struct Path {
    /// Addresses by endpoint index; `None` if unknown.
    endpoints: Vec<Option<SocketAddr>>,
    socket: Option<Arc<UdpSocket>>,
    is_v6: bool,
    opened_at: Option<Micros>,
    replace: bool,
    recv: Sender<RecvCommand>,
    tos: TypeOfService,
    /// Why there is no socket.
    pub(crate) error: Option<io::Error>,
}

impl Path {
    /// A path without endpoints. `recv` gets every socket that is opened.
    pub(crate) fn new(recv: Sender<RecvCommand>, tos: TypeOfService) -> Path {
        let (endpoints, socket, opened_at, error) = (Vec::new(), None, None, None);
        Path { endpoints, socket, is_v6: false, opened_at, replace: false, recv, tos, error }
    }

    /// Takes the server's media endpoints; `control` is the address of the control connection. Returns the hosts that
    /// need a name lookup, with their indices.
    pub(crate) fn set_endpoints(&mut self, media: &[MediaEndpoint], control: Option<SocketAddr>) -> Vec<(usize, Host)> {
        let mut wanted = Vec::new();
        let address = |(index, endpoint): (usize, &MediaEndpoint)| {
            if endpoint.kind != TransportKind::Udp || endpoint.port == 0 {
                return None;
            }
            match &endpoint.host {
                None => control.map(|control| with_port(control, endpoint.port)),
                Some(text) => match text.trim_matches(['[', ']']).parse::<IpAddr>() {
                    Ok(ip) => Some(within_scope(SocketAddr::new(ip, endpoint.port), control)),
                    Err(_) => {
                        wanted.extend(Host::parse(text).ok().map(|host| (index, host)));
                        // Keeps the port until the address is known.
                        Some(SocketAddr::new(UNKNOWN, endpoint.port))
                    }
                },
            }
        };
        self.endpoints = media.iter().take(MAX_ENDPOINTS).enumerate().map(address).collect();
        wanted
    }

    /// Takes the resolved address of an endpoint.
    pub(crate) fn set_address(&mut self, endpoint: usize, found: SocketAddr) {
        if let Some(Some(address)) = self.endpoints.get_mut(endpoint) {
            *address = with_port(found, address.port());
        }
    }

    /// The address of an endpoint, if it is known.
    pub(crate) fn address(&self, endpoint: usize) -> Option<SocketAddr> {
        self.endpoints.get(endpoint).copied().flatten().filter(|address| address.ip() != UNKNOWN)
    }

    /// When the current socket was opened.
    pub(crate) fn opened_at(&self) -> Option<Micros> {
        self.socket.as_ref().and(self.opened_at)
    }

    /// The port of the first endpoint.
    pub(crate) fn port(&self) -> Option<u16> {
        self.endpoints.iter().flatten().map(SocketAddr::port).next()
    }

    /// Sends a datagram and returns whether it was sent. No error here ends a session.
    pub(crate) fn send(&mut self, now: Micros, endpoint: usize, datagram: &[u8]) -> bool {
        let Some(to) = self.address(endpoint) else { return false };
        let Some(socket) = self.socket_for(now, to) else { return false };
        match socket::send(&socket, datagram, to) {
            Ok(()) => true,
            Err(e) => {
                self.replace |= is_gone(&e);
                false
            }
        }
    }

    /// Nothing has arrived since `silent_since`: drops the socket when a new one is due.
    pub(crate) fn rebind(&mut self, now: Micros, silent_since: Micros) {
        let due = match self.opened_at {
            Some(at) if at > silent_since => at + REBIND_EVERY,
            _ => silent_since + REBIND_AFTER,
        };
        if now >= due && self.socket.is_some() {
            self.socket = None;
        }
    }

    /// The socket for that address, opened if needed.
    fn socket_for(&mut self, now: Micros, to: SocketAddr) -> Option<Arc<UdpSocket>> {
        let age = self.opened_at.map(|at| now.since(at));
        if self.replace && age.is_none_or(|age| age >= REPLACE_EVERY) {
            self.socket = None;
        }
        if let Some(socket) = &self.socket
            && self.is_v6 == to.is_ipv6()
        {
            return Some(Arc::clone(socket));
        }
        if self.error.is_some() && age.is_some_and(|age| age < REPLACE_EVERY) {
            return None;
        }
        self.opened_at = Some(now);
        self.replace = false;
        match socket::open(to, self.tos) {
            Ok(socket) => {
                let socket = Arc::new(socket);
                let _ = self.recv.send(RecvCommand::Socket(Arc::clone(&socket)));
                (self.socket, self.is_v6, self.error) = (Some(Arc::clone(&socket)), to.is_ipv6(), None);
                Some(socket)
            }
            Err(e) => {
                self.socket = None;
                self.error = Some(e);
                None
            }
        }
    }
}

fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// A link-local address gets the interface of the control connection.
fn within_scope(mut address: SocketAddr, control: Option<SocketAddr>) -> SocketAddr {
    if let (SocketAddr::V6(address), Some(SocketAddr::V6(control))) = (&mut address, control)
        && address.ip().is_unicast_link_local()
    {
        address.set_scope_id(control.scope_id());
    }
    address
}

/// Stands for an address that is being resolved.
const UNKNOWN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

/// Whether the socket has lost its route or address. A full buffer, a firewall or a rejecting peer needs no new
/// socket.
fn is_gone(e: &io::Error) -> bool {
    use io::ErrorKind;
    matches!(
        e.kind(),
        ErrorKind::NetworkUnreachable
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::AddrNotAvailable
            | ErrorKind::InvalidInput
            | ErrorKind::NotConnected
            | ErrorKind::BrokenPipe
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::{Receiver, unbounded};

    fn path() -> (Path, Receiver<RecvCommand>) {
        let (recv, sockets) = unbounded();
        (Path::new(recv, TypeOfService::Expedited), sockets)
    }

    fn endpoint(host: Option<&str>, port: u16) -> MediaEndpoint {
        MediaEndpoint { host: host.map(str::to_owned), port, kind: TransportKind::Udp }
    }

    /// An endpoint without a host has that of the control connection; names need a lookup.
    #[test]
    fn endpoints_resolve_to_addresses() {
        let (mut path, _sockets) = path();
        let control = "192.0.2.9:1".parse().ok();
        let media = [
            endpoint(None, 7891),
            endpoint(Some("media.example.org"), 443),
            endpoint(Some("[2001:db8::1]"), 1),
            MediaEndpoint { kind: TransportKind::Unknown, ..endpoint(None, 2) },
            endpoint(Some("not a host"), 3),
        ];
        let wanted = path.set_endpoints(&media, control);
        assert_eq!(wanted, [(1, Host::Name("media.example.org".into()))]);
        assert_eq!(path.endpoints[0], "192.0.2.9:7891".parse().ok());
        assert_eq!(path.endpoints[2], "[2001:db8::1]:1".parse().ok());
        assert_eq!(path.endpoints[3], None);
        assert!(!path.send(Micros::ZERO, 1, b"?"), "sent before the address was known");
        path.set_address(1, "198.51.100.1:0".parse().expect("an address"));
        assert_eq!(path.endpoints[1], "198.51.100.1:443".parse().ok());
        assert!(!path.send(Micros::ZERO, 99, b"?"));
    }

    /// A link-local address gets the interface of the control connection.
    #[test]
    fn link_local_endpoints_keep_interface() {
        let (mut path, _sockets) = path();
        let media = [endpoint(None, 7891), endpoint(Some("[fe80::2]"), 1), endpoint(Some("[2001:db8::1]"), 2)];
        path.set_endpoints(&media, "[fe80::1%3]:9".parse().ok());
        let found: Vec<String> = path.endpoints.iter().flatten().map(SocketAddr::to_string).collect();
        assert_eq!(found, ["[fe80::1%3]:7891", "[fe80::2%3]:1", "[2001:db8::1]:2"]);
    }

    /// A new socket is opened after one second of silence, then every two.
    #[test]
    fn silence_opens_new_sockets() {
        let (mut path, sockets) = path();
        let peer = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        path.set_endpoints(&[endpoint(Some("127.0.0.1"), peer.local_addr().expect("an address").port())], None);
        let opened_at: Vec<u64> = (0..60)
            .map(|tick| tick * 100)
            .filter(|ms| {
                let now = Micros::from_millis(*ms);
                path.rebind(now, Micros::ZERO);
                path.send(now, 0, b"x");
                sockets.try_iter().count() == 1
            })
            .collect();
        assert_eq!(opened_at, [0, 1000, 3000, 5000]);
    }

    /// The endpoint's address family decides the socket's.
    #[test]
    fn socket_follows_address_family() {
        let (mut path, sockets) = path();
        path.set_endpoints(&[endpoint(Some("127.0.0.1"), 9), endpoint(Some("::1"), 9)], None);
        path.send(Micros::ZERO, 0, b"x");
        path.send(Micros::ZERO, 0, b"x");
        path.send(Micros::ZERO, 1, b"x");
        let families: Vec<bool> = sockets
            .try_iter()
            .filter_map(|command| match command {
                RecvCommand::Socket(s) => s.local_addr().ok().map(|a| a.is_ipv6()),
                _ => None,
            })
            .collect();
        // A machine without IPv6 opens no second socket.
        assert!(families == [false, true] || families == [false], "{families:?}");
    }
}
