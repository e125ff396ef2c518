//! The sockets: TCP first, then UDP under the same numbers.

use crate::Failure;
use crate::reuseport;
use rtjam_protocol::link::DEFAULT_PORT;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

/// Where port 0 is asked for, the system chooses TCP's number, and another program may hold the same of UDP.
const TRIES_FOR_A_FREE_PAIR: u32 = 16;

/// Connections that wait to be accepted, as far as the system allows: a flood shall not fill the queue between two
/// looks at it.
const BACKLOG: i32 = 4096;

/// One address that the server listens on.
#[derive(Debug)]
pub struct Bound {
    /// With the real port.
    pub address: SocketAddr,
    /// For web page and control, non-blocking.
    pub tcp: TcpListener,
    /// For media, non-blocking, with the same port number: one for each media thread, in their order.
    pub udp: Vec<UdpSocket>,
}

/// Opens all sockets. `None` means the default port on every IPv4 and IPv6 address of this machine, or on IPv4
/// alone where it has no IPv6.
///
/// Each address gets as many UDP sockets as there are media `threads`; one, where the system cannot tell them apart.
///
/// # Errors
/// When an address cannot be had.
pub fn bind(wanted: Option<&[SocketAddr]>, threads: u8) -> Result<Vec<Bound>, Failure> {
    let mut bound = bind_all(wanted, if reuseport::SUPPORTED { threads } else { 1 })?;
    let fewest = bound.iter().map(|b| b.udp.len()).min().unwrap_or(0);
    bound.iter_mut().for_each(|b| b.udp.truncate(fewest));
    Ok(bound)
}

fn bind_all(wanted: Option<&[SocketAddr]>, threads: u8) -> Result<Vec<Bound>, Failure> {
    let Some(wanted) = wanted else {
        let v4 = bind_one(SocketAddr::from((Ipv4Addr::UNSPECIFIED, DEFAULT_PORT)), threads)?;
        let v6 = bind_pair(SocketAddr::from((Ipv6Addr::UNSPECIFIED, DEFAULT_PORT)), threads);
        return match v6 {
            Ok(v6) => Ok(vec![v4, v6]),
            Err(e) if e.error.kind() == io::ErrorKind::AddrInUse => Err(e.into()),
            Err(e) => {
                tracing::info!("listening on IPv4 only: this machine has no IPv6 ({})", e.error);
                Ok(vec![v4])
            }
        };
    };
    wanted.iter().map(|address| bind_one(*address, threads)).collect()
}

/// The address for links, when the server does not listen on every address: the first of its own.
pub fn only_ip(bound: &[Bound]) -> Option<IpAddr> {
    match bound {
        [first, ..] if !first.address.ip().is_unspecified() => Some(first.address.ip()),
        _ => None,
    }
}

fn bind_one(wanted: SocketAddr, threads: u8) -> Result<Bound, Failure> {
    let mut tries = if wanted.port() == 0 { TRIES_FOR_A_FREE_PAIR } else { 1 };
    loop {
        tries -= 1;
        match bind_pair(wanted, threads) {
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

fn bind_pair(wanted: SocketAddr, threads: u8) -> Result<Bound, CannotBind> {
    let cannot = |protocol, address| move |error| CannotBind { protocol, address, error };
    let tcp = bind_tcp(wanted).map_err(cannot("TCP", wanted))?;
    let address = tcp.local_addr().map_err(cannot("TCP", wanted))?;
    let udp = bind_udp(address, threads).map_err(cannot("UDP", address))?;
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

fn bind_udp(address: SocketAddr, threads: u8) -> io::Result<Vec<UdpSocket>> {
    // Bound alone first: sockets that share a port would share it with another program, too.
    let alone = socket(address, Type::DGRAM, Protocol::UDP)?;
    alone.bind(&address.into())?;
    if threads < 2 {
        return Ok(vec![alone.into()]);
    }
    drop(alone);
    let mut sockets = Vec::new();
    for _ in 0..threads {
        let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
        #[cfg(unix)]
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        sockets.push(UdpSocket::from(socket));
    }
    if let Err(e) = reuseport::distribute_by_thread(&sockets[0], threads) {
        tracing::warn!("one media thread only: the system cannot distribute datagrams ({e})");
        sockets.truncate(1);
    }
    Ok(sockets)
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
        let bound = bind(Some(&[any]), 1).expect("a free pair");
        let address = bound[0].address;
        assert_eq!(bound[0].udp[0].local_addr().expect("bound"), address);
        assert_eq!(only_ip(&bound), Some(address.ip()));

        let error = bind(Some(&[address]), 2).expect_err("taken").to_string();
        assert!(error.contains(&format!("port {} is taken", address.port())), "{error}");
        assert!(error.contains("--listen"), "{error}");
    }

    #[test]
    fn a_taken_udp_port_is_named_too() {
        // Someone's TCP connection may have the same number; then another is tried.
        let said = (0..20).map(|_| {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let address = udp.local_addr().expect("bound");
            let error = bind(Some(&[address]), 2).expect_err("taken").to_string();
            error.contains(&format!("UDP port {} is taken", address.port()))
        });
        assert!(said.into_iter().any(|named| named));
    }

    #[test]
    fn an_address_of_another_machine_is_named() {
        let elsewhere = SocketAddr::from((Ipv4Addr::new(203, 0, 113, 7), 0));
        let error = bind(Some(&[elsewhere]), 1).expect_err("not here").to_string();
        assert!(error.contains("no address 203.0.113.7"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_datagram_comes_to_the_socket_of_its_thread_wherever_it_is_from() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let bound = bind(Some(&[any]), 3).expect("a free pair");
        let Bound { address, udp, .. } = &bound[0];
        assert_eq!(udp.len(), 3);
        for thread in [0, 1, 2, 5, 1, 0] {
            for _ in 0..8 {
                let from = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
                from.send_to(&[4, 0, 0, thread, 9, 9, 9], address).expect("sent");
            }
            let got: Vec<usize> = udp.iter().map(|s| (0..9).filter(|_| s.recv(&mut [0; 9]).is_ok()).count()).collect();
            assert_eq!(got.iter().position(|n| *n == 8), Some(usize::from(thread % 3)), "{got:?}");
        }
    }
}
