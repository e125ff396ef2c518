//! A UDP socket as media wants it.

use rtjam_protocol::legacy;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// What routers see on each packet: IPv4's type of service, IPv6's traffic class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// DSCP EF (46) in the upper six bits: routers that care send it first.
    Expedited,
    /// What classic programs use.
    Classic,
}

impl Mark {
    const fn byte(self) -> u32 {
        match self {
            Mark::Expedited => 0xB8,
            Mark::Classic => legacy::TOS as u32,
        }
    }
}

/// Asked for, in bytes; the system gives what it likes. A second of twelve musicians is 3 MB.
const BUFFER: usize = 1 << 20;

/// How long `jam-recv` waits for a datagram before it looks for news: also how long its end takes at the most.
const RECEIVE_TIMEOUT: Duration = Duration::from_millis(50);

/// A socket of the family of `peer`, bound to the wildcard address and a free port, and not connected: it outlives a
/// change of route or address.
pub(super) fn open(peer: SocketAddr, mark: Mark) -> io::Result<UdpSocket> {
    let (domain, any) = match peer {
        SocketAddr::V4(_) => (Domain::IPV4, SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))),
        SocketAddr::V6(_) => (Domain::IPV6, SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_read_timeout(Some(RECEIVE_TIMEOUT))?;
    // All of these are wishes: without them media works all the same.
    let _ = socket.set_recv_buffer_size(BUFFER);
    let _ = socket.set_send_buffer_size(BUFFER);
    let _ = if peer.is_ipv4() { socket.set_tos_v4(mark.byte()) } else { mark_v6(&socket, mark) };
    let _ = allow_fragments(&socket, peer);
    socket.bind(&SockAddr::from(any))?;
    Ok(socket.into())
}

/// Sends without waiting for room in the send buffer: what waits there is late anyway.
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
fn mark_v6(socket: &Socket, mark: Mark) -> io::Result<()> {
    socket.set_tclass_v6(mark.byte())
}

#[cfg(not(unix))]
fn mark_v6(_: &Socket, _: Mark) -> io::Result<()> {
    Ok(())
}

/// Turns path MTU discovery off, so that routers (IPv4) or the kernel (IPv6) fragment what is too long for a link,
/// instead of dropping it. Linux is the only system that would discover by itself.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn allow_fragments(socket: &Socket, peer: SocketAddr) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let (level, option, value) = match peer {
        SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT),
        SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DONT),
    };
    let len = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the option is an int; `value` is one, lives through the call, and `len` is its size.
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

    #[test]
    fn datagrams_are_marked_and_may_be_fragmented() {
        let open = |mark| open("127.0.0.1:1".parse().expect("an address"), mark).expect("a socket");
        assert_eq!(SockRef::from(&open(Mark::Classic)).tos_v4().expect("an option"), 0x10);
        let socket = open(Mark::Expedited);
        assert_eq!(SockRef::from(&socket).tos_v4().expect("an option"), 0xB8);
        // Longer than the loopback's MTU: with path MTU discovery on this fails with EMSGSIZE only beyond it, but it
        // must leave as one datagram.
        let to = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        send(&socket, &[7; 1200], to.local_addr().expect("an address")).expect("sent");
        let mut buffer = [0; 2000];
        assert_eq!(to.recv(&mut buffer).expect("received"), 1200);
    }
}
