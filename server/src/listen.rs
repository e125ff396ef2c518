//! The server's sockets: TCP first, then UDP with the same port number.

use crate::platform::{self, PORTS_CAN_BE_SHARED};
use rtjam_protocol::link::DEFAULT_PORT;
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

/// For port 0 the system chooses a free TCP port, but another program may use the UDP port of that number.
const TRIES_FOR_A_FREE_PAIR: u32 = 16;

/// Connections that can wait to be accepted, as far as the system allows. A flood should not fill the queue between two
/// calls of `accept`.
const BACKLOG: i32 = 4096;

/// The sockets of one address that the server listens on.
#[derive(Debug)]
pub struct BoundAddress {
    /// The address with the actual port.
    pub address: SocketAddr,
    /// For the web page and control connections; non-blocking.
    pub tcp: TcpListener,
    /// For media, with the same port number; non-blocking. One for each media thread, in their order.
    pub udp: Vec<UdpSocket>,
}

/// A port that could not be bound.
#[derive(Debug)]
pub struct BindError {
    protocol: &'static str,
    address: SocketAddr,
    error: io::Error,
}

/// Opens all sockets. `None` means the default port on every IPv4 and IPv6 address of this machine, or only on IPv4
/// if it has no IPv6.
///
/// Each address gets one UDP socket for each of the media `threads`, or only one if the system cannot steer datagrams to
/// them.
///
/// # Errors
/// When an address cannot be bound.
pub fn bind(wanted: Option<&[SocketAddr]>, threads: u8) -> Result<Vec<BoundAddress>, BindError> {
    let mut bound = bind_all(wanted, if PORTS_CAN_BE_SHARED { threads } else { 1 })?;
    let fewest = bound.iter().map(|b| b.udp.len()).min().unwrap_or(0);
    bound.iter_mut().for_each(|b| b.udp.truncate(fewest));
    Ok(bound)
}

fn bind_all(wanted: Option<&[SocketAddr]>, threads: u8) -> Result<Vec<BoundAddress>, BindError> {
    let Some(wanted) = wanted else {
        let v4 = bind_one(SocketAddr::from((Ipv4Addr::UNSPECIFIED, DEFAULT_PORT)), threads)?;
        let v6 = bind_pair(SocketAddr::from((Ipv6Addr::UNSPECIFIED, DEFAULT_PORT)), threads);
        return match v6 {
            Ok(v6) => Ok(vec![v4, v6]),
            Err(e) if e.error.kind() == io::ErrorKind::AddrInUse => Err(e),
            Err(e) => {
                tracing::info!("listening only on IPv4: this machine has no IPv6 ({})", e.error);
                Ok(vec![v4])
            }
        };
    };
    wanted.iter().map(|address| bind_one(*address, threads)).collect()
}

/// The first address that the server listens on; `None` if it listens on all addresses.
pub fn specific_ip(bound: &[BoundAddress]) -> Option<IpAddr> {
    match bound {
        [first, ..] if !first.address.ip().is_unspecified() => Some(first.address.ip()),
        _ => None,
    }
}

fn bind_one(wanted: SocketAddr, threads: u8) -> Result<BoundAddress, BindError> {
    let mut tries = if wanted.port() == 0 { TRIES_FOR_A_FREE_PAIR } else { 1 };
    loop {
        tries -= 1;
        match bind_pair(wanted, threads) {
            Err(e) if tries > 0 && e.error.kind() == io::ErrorKind::AddrInUse => {}
            result => return result,
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BindError { protocol, address, error } = self;
        let (ip, port) = (address.ip(), address.port());
        match error.kind() {
            io::ErrorKind::AddrInUse => {
                let other = SocketAddr::new(ip, port.checked_add(1).unwrap_or(DEFAULT_PORT));
                write!(
                    f,
                    "{protocol} port {port} is taken: another program, perhaps another rtjam-server, listens on \
                     {address}. Stop that program, or choose another port with --listen {other}."
                )
            }
            io::ErrorKind::AddrNotAvailable => write!(
                f,
                "This machine has no address {ip}. Choose one of its own with --listen IP:PORT, or leave out --listen \
                 to listen on all."
            ),
            io::ErrorKind::PermissionDenied => write!(
                f,
                "This user may not listen on {protocol} port {port}. Choose port 1024 or higher, for example --listen \
                 {ip}:{DEFAULT_PORT}."
            ),
            _ => write!(
                f,
                "The server cannot listen on {protocol} {address}: {error}. Choose another address with --listen IP:PORT."
            ),
        }
    }
}

impl std::error::Error for BindError {}

impl crate::failure::OperatorError for BindError {}

fn bind_pair(wanted: SocketAddr, threads: u8) -> Result<BoundAddress, BindError> {
    let cannot = |protocol, address| move |error| BindError { protocol, address, error };
    let tcp = bind_tcp(wanted).map_err(cannot("TCP", wanted))?;
    let address = tcp.local_addr().map_err(cannot("TCP", wanted))?;
    let udp = bind_udp(address, threads).map_err(cannot("UDP", address))?;
    Ok(BoundAddress { address, tcp, udp })
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address, Type::STREAM, Protocol::TCP)?;
    platform::claim_listening_port(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bind_udp(address: SocketAddr, threads: u8) -> io::Result<Vec<UdpSocket>> {
    // First without SO_REUSEPORT: sockets that share a port would also share it with another program.
    let alone = socket(address, Type::DGRAM, Protocol::UDP)?;
    platform::claim_port(&alone)?;
    alone.bind(&address.into())?;
    if threads < 2 {
        return Ok(vec![alone.into()]);
    }
    drop(alone);
    let mut sockets = Vec::new();
    for _ in 0..threads {
        let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
        platform::share_port(&socket)?;
        socket.bind(&address.into())?;
        sockets.push(UdpSocket::from(socket));
    }
    if let Err(e) = platform::distribute_by_thread(&sockets[0], threads) {
        tracing::warn!("only one media thread runs: the system cannot steer datagrams to several ({e})");
        sockets.truncate(1);
    }
    Ok(sockets)
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // One address family per socket: addresses need no translation, and each family has its own options.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TCP and UDP get the same port number; an error names a taken one.
    #[test]
    fn tcp_and_udp_share_a_port_number() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let bound = bind(Some(&[any]), 1).expect("a free pair");
        let address = bound[0].address;
        assert_eq!(bound[0].udp[0].local_addr().expect("bound"), address);
        assert_eq!(specific_ip(&bound), Some(address.ip()));

        let error = bind(Some(&[address]), 2).expect_err("taken").to_string();
        assert!(error.contains(&format!("port {} is taken", address.port())), "{error}");
        assert!(error.contains("--listen"), "{error}");
    }

    #[test]
    fn error_names_a_taken_udp_port() {
        // A TCP connection may use the same number by chance; then the test tries another one.
        let said = (0..20).map(|_| {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let address = udp.local_addr().expect("bound");
            let error = bind(Some(&[address]), 2).expect_err("taken").to_string();
            error.contains(&format!("UDP port {} is taken", address.port()))
        });
        assert!(said.into_iter().any(|named| named));
    }

    #[test]
    fn error_names_an_address_of_another_machine() {
        let elsewhere = SocketAddr::from((Ipv4Addr::new(203, 0, 113, 7), 0));
        let error = bind(Some(&[elsewhere]), 1).expect_err("not here").to_string();
        assert!(error.contains("no address 203.0.113.7"), "{error}");
    }

    /// The session id alone decides which thread's socket receives a datagram, whatever its source port is. Systems without
    /// shared ports have one socket.
    #[test]
    fn datagrams_reach_their_threads_socket() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let bound = bind(Some(&[any]), 3).expect("a free pair");
        let BoundAddress { address, udp, .. } = &bound[0];
        assert_eq!(udp.len(), if PORTS_CAN_BE_SHARED { 3 } else { 1 });
        for thread in [0, 1, 2, 5, 1, 0] {
            for _ in 0..8 {
                let from = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
                from.send_to(&[4, 0, 0, thread, 9, 9, 9], address).expect("sent");
            }
            let got: Vec<usize> = udp.iter().map(|s| (0..9).filter(|_| s.recv(&mut [0; 9]).is_ok()).count()).collect();
            assert_eq!(got.iter().position(|n| *n == 8), Some(usize::from(thread) % udp.len()), "{got:?}");
        }
    }
}
