//! UDP sockets for media.

use rtjam_platform::udp;
use rtjam_protocol::legacy;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// The type of service (IPv4) or traffic class (IPv6) of each packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TypeOfService {
    /// DSCP EF (46): routers that honour it send these packets first.
    Expedited,
    /// The value of legacy programs.
    Legacy,
}

impl TypeOfService {
    const fn byte(self) -> u32 {
        match self {
            TypeOfService::Expedited => 0xB8,
            TypeOfService::Legacy => legacy::TOS as u32,
        }
    }
}

/// Requested buffer size in bytes; the system may give less. One second of twelve musicians is 3 MB.
const BUFFER: usize = 1 << 20;

/// How long `jam-recv` waits for a datagram before it takes commands; also the longest time that it takes to end.
const RECEIVE_TIMEOUT: Duration = Duration::from_millis(50);

/// Opens a socket of the address family of `peer`, bound to the wildcard address and a free port. It is not connected,
/// so it survives a change of route or address.
pub(super) fn open(peer: SocketAddr, tos: TypeOfService) -> io::Result<UdpSocket> {
    let (domain, any) = match peer {
        SocketAddr::V4(_) => (Domain::IPV4, SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))),
        SocketAddr::V6(_) => (Domain::IPV6, SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_read_timeout(Some(RECEIVE_TIMEOUT))?;
    socket.bind(&SockAddr::from(any))?;
    // Media works without these options too.
    let _ = socket.set_recv_buffer_size(BUFFER);
    let _ = socket.set_send_buffer_size(BUFFER);
    let socket = UdpSocket::from(socket);
    let _ = udp::set_traffic_class(&socket, tos.byte());
    let _ = udp::allow_fragments(&socket);
    let _ = udp::ignore_rejections(&socket);
    Ok(socket)
}

/// Sends without waiting for room in the send buffer, since a packet that waits there is late.
pub(super) fn send(socket: &UdpSocket, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
    udp::send_without_waiting(socket, datagram, &SockAddr::from(to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::SockRef;

    /// Sockets set the type of service and send datagrams of 1200 bytes.
    #[test]
    fn sockets_have_media_options() {
        let open = |tos| open("127.0.0.1:1".parse().expect("an address"), tos).expect("a socket");
        assert_eq!(SockRef::from(&open(TypeOfService::Legacy)).tos_v4().expect("an option"), 0x10);
        let socket = open(TypeOfService::Expedited);
        assert_eq!(SockRef::from(&socket).tos_v4().expect("an option"), 0xB8);
        let to = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        send(&socket, &[7; 1200], to.local_addr().expect("an address")).expect("sent");
        let mut buffer = [0; 2000];
        assert_eq!(to.recv(&mut buffer).expect("received"), 1200);
    }
}
