//! The sockets: TCP first, then UDP under the same numbers.

use crate::Failure;
use rtjam_protocol::link::DEFAULT_PORT;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

/// Where port 0 is asked for, the system chooses TCP's number, and another program may hold the same of UDP.
const TRIES_FOR_A_FREE_PAIR: u32 = 16;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 256;

/// One address that the server listens on.
#[derive(Debug)]
pub struct Bound {
    /// With the real port.
    pub address: SocketAddr,
    /// For web page and control, non-blocking.
    pub tcp: TcpListener,
    /// For media, non-blocking, with the same port number.
    pub udp: UdpSocket,
}

/// Opens all sockets. `None` means the default port on every IPv4 and IPv6 address of this machine, or on IPv4
/// alone where it has no IPv6.
///
/// # Errors
/// When an address cannot be had.
pub fn bind(wanted: Option<&[SocketAddr]>) -> Result<Vec<Bound>, Failure> {
    let Some(wanted) = wanted else {
        let v4 = bind_one(SocketAddr::from((Ipv4Addr::UNSPECIFIED, DEFAULT_PORT)))?;
        let v6 = bind_pair(SocketAddr::from((Ipv6Addr::UNSPECIFIED, DEFAULT_PORT)));
        return match v6 {
            Ok(v6) => Ok(vec![v4, v6]),
            Err(e) if e.error.kind() == io::ErrorKind::AddrInUse => Err(e.into()),
            Err(e) => {
                tracing::info!("listening on IPv4 only: this machine has no IPv6 ({})", e.error);
                Ok(vec![v4])
            }
        };
    };
    wanted.iter().map(|address| bind_one(*address)).collect()
}

/// The address for links, when the server does not listen on every address: the first of its own.
pub fn only_ip(bound: &[Bound]) -> Option<IpAddr> {
    match bound {
        [first, ..] if !first.address.ip().is_unspecified() => Some(first.address.ip()),
        _ => None,
    }
}

fn bind_one(wanted: SocketAddr) -> Result<Bound, Failure> {
    let mut tries = if wanted.port() == 0 { TRIES_FOR_A_FREE_PAIR } else { 1 };
    loop {
        tries -= 1;
        match bind_pair(wanted) {
            Err(e) if tries > 0 && e.error.kind() == io::ErrorKind::AddrInUse => {}
            other => return other.map_err(Failure::from),
        }
    }
}

struct CannotBind {
    protocol: &'static str,
    address: SocketAddr,
    error: io::Error,
}

impl From<CannotBind> for Failure {
    fn from(e: CannotBind) -> Failure {
        let CannotBind { protocol, address, error } = e;
        let (ip, port) = (address.ip(), address.port());
        let other = SocketAddr::new(ip, port.checked_add(1).unwrap_or(DEFAULT_PORT));
        Failure::new(match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "{protocol} port {port} is taken: another program, perhaps another rtjam-server, listens on {address}. \
                 End that program, or choose another port with --listen {other}."
            ),
            io::ErrorKind::AddrNotAvailable => format!(
                "This machine has no address {ip} to listen on. Give one of its own with --listen IP:PORT, or leave \
                 --listen out to listen on all."
            ),
            io::ErrorKind::PermissionDenied => format!(
                "This user may not listen on {protocol} port {port}. Choose a port from 1024 on with --listen \
                 {ip}:{DEFAULT_PORT}."
            ),
            _ => format!("Cannot listen on {protocol} {address}: {error}. Choose another with --listen IP:PORT."),
        })
    }
}

fn bind_pair(wanted: SocketAddr) -> Result<Bound, CannotBind> {
    let cannot = |protocol, address| move |error| CannotBind { protocol, address, error };
    let tcp = bind_tcp(wanted).map_err(cannot("TCP", wanted))?;
    let address = tcp.local_addr().map_err(cannot("TCP", wanted))?;
    let udp = bind_udp(address).map_err(cannot("UDP", address))?;
    Ok(Bound { address, tcp, udp })
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address, Type::STREAM, Protocol::TCP)?;
    // On Unix this lets a restarted server bind beside connections of the last one that linger; two that listen
    // on one port are still refused. On Windows it would mean the latter.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // One family a socket: addresses need no translation, and each family has its own options.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_and_udp_have_the_same_number_and_a_taken_one_is_named() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let bound = bind(Some(&[any])).expect("a free pair");
        let address = bound[0].address;
        assert_eq!(bound[0].udp.local_addr().expect("bound"), address);
        assert_eq!(only_ip(&bound), Some(address.ip()));

        let error = bind(Some(&[address])).expect_err("taken").to_string();
        assert!(error.contains(&format!("port {} is taken", address.port())), "{error}");
        assert!(error.contains("--listen"), "{error}");
    }

    #[test]
    fn a_taken_udp_port_is_named_too() {
        // Someone's TCP connection may have the same number; then another is tried.
        let said = (0..20).map(|_| {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let address = udp.local_addr().expect("bound");
            let error = bind(Some(&[address])).expect_err("taken").to_string();
            error.contains(&format!("UDP port {} is taken", address.port()))
        });
        assert!(said.into_iter().any(|named| named));
    }

    #[test]
    fn an_address_of_another_machine_is_named() {
        let elsewhere = SocketAddr::from((Ipv4Addr::new(203, 0, 113, 7), 0));
        let error = bind(Some(&[elsewhere])).expect_err("not here").to_string();
        assert!(error.contains("no address 203.0.113.7"), "{error}");
    }
}
