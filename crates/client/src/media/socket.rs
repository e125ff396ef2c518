//! UDP sockets for media.

use rtjam_protocol::legacy;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
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
    // Media works without these options too.
    let _ = socket.set_recv_buffer_size(BUFFER);
    let _ = socket.set_send_buffer_size(BUFFER);
    let _ = if peer.is_ipv4() { socket.set_tos_v4(tos.byte()) } else { set_tos_v6(&socket, tos) };
    let _ = allow_fragments(&socket, peer);
    socket.bind(&SockAddr::from(any))?;
    Ok(socket.into())
}

/// Sends without waiting for room in the send buffer, since a packet that waits there is late.
pub(super) fn send(socket: &UdpSocket, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
    let socket = SockRef::from(socket);
    let to = SockAddr::from(to);
    #[cfg(unix)]
    let sent = socket.send_to_with_flags(datagram, &to, DONT_WAIT);
    #[cfg(not(unix))]
    let sent = socket.send_to(datagram, &to);
    sent.map(|_| ())
}

#[cfg(target_os = "linux")]
const DONT_WAIT: i32 = libc::MSG_DONTWAIT;
/// The same number on all BSDs, macOS among them.
#[cfg(all(unix, not(target_os = "linux")))]
const DONT_WAIT: i32 = 0x80;

#[cfg(unix)]
fn set_tos_v6(socket: &Socket, tos: TypeOfService) -> io::Result<()> {
    socket.set_tclass_v6(tos.byte())
}

#[cfg(not(unix))]
fn set_tos_v6(_: &Socket, _: TypeOfService) -> io::Result<()> {
    Ok(())
}

/// Turns path MTU discovery off, so that routers (IPv4) or the kernel (IPv6) fragment a datagram that is too long for a
/// link instead of dropping it. Only Linux has it on by default.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn allow_fragments(socket: &Socket, peer: SocketAddr) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let (level, option, value) = match peer {
        SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT),
        SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DONT),
    };
    let len = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the option is an int; `value` is one and outlives the call, and `len` is its size.
    let set = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), len) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
fn allow_fragments(_: &Socket, _: SocketAddr) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
