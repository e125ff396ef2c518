//! Options of UDP sockets for media, and sending without waiting.

use crate::system;
use socket2::{SockAddr, SockRef};
use std::io;
use std::net::UdpSocket;

/// Sets the type of service (IPv4) or traffic class (IPv6) of all packets, a whole byte. Windows has no such option for
/// IPv6.
///
/// # Errors
/// The system refuses.
pub fn set_traffic_class(socket: &UdpSocket, class: u32) -> io::Result<()> {
    let options = SockRef::from(socket);
    if socket.local_addr()?.is_ipv4() {
        options.set_tos_v4(class)
    } else {
        system::set_traffic_class_v6(&options, class)
    }
}

/// Lets routers (IPv4) or the system (IPv6) fragment datagrams that are too long for a link, which would otherwise be lost.
/// Only Linux forbids that by default.
///
/// # Errors
/// The system refuses.
pub fn allow_fragments(socket: &UdpSocket) -> io::Result<()> {
    system::allow_fragments(socket, socket.local_addr()?.is_ipv6())
}

/// Keeps the socket from reporting to its receiver that an earlier datagram was rejected. Only Windows reports this for
/// sockets without a peer.
///
/// # Errors
/// The system refuses.
pub fn ignore_rejections(socket: &UdpSocket) -> io::Result<()> {
    system::ignore_rejections(socket)
}

/// Sends a datagram without waiting for room in the send buffer. (On Windows, a blocking socket waits if it is full.)
///
/// # Errors
/// `WouldBlock` if the send buffer is full; otherwise the system refuses the datagram.
pub fn send_without_waiting(socket: &UdpSocket, datagram: &[u8], to: &SockAddr) -> io::Result<()> {
    system::send_without_waiting(&SockRef::from(socket), datagram, to).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Options are accepted on both address families, and datagrams still arrive.
    #[test]
    fn options_keep_sockets_working() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            // This machine has no IPv6.
            let Ok(socket) = UdpSocket::bind(any) else { continue };
            set_traffic_class(&socket, 0xB8).expect("accepted");
            allow_fragments(&socket).expect("accepted");
            ignore_rejections(&socket).expect("accepted");
            socket.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
            let gone = UdpSocket::bind(any).and_then(|gone| gone.local_addr()).expect("an address");
            send_without_waiting(&socket, b"nobody", &gone.into()).expect("sent");
            let own = socket.local_addr().expect("bound");
            send_without_waiting(&socket, &[7; 1200], &own.into()).expect("sent");
            let mut buffer = [0; 2000];
            assert_eq!(socket.recv(&mut buffer).expect("no report of the rejected one"), 1200);
        }
    }
}
