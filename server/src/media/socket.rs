//! A UDP socket for media: its options, and receiving and sending with the address of ours that was spoken to.

use super::route::Path;
use mio::net::UdpSocket;
use socket2::SockRef;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// What the kernel is asked to hold: a quarter of a second of 40 musicians' audio to 40.
pub const SOCKET_BUFFER: usize = 4 * 1024 * 1024;

/// Expedited forwarding (46), as a whole traffic class byte.
const DSCP_EF: u32 = 46 << 2;

/// A datagram that came in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Arrival {
    /// Its bytes; the buffer's whole length when it did not fit.
    pub(super) len: usize,
    pub(super) from: SocketAddr,
    /// The address of ours that it was sent to, where the system tells.
    pub(super) local: Option<IpAddr>,
}

/// A non-blocking socket of one address family.
pub(super) struct MediaSocket {
    socket: UdpSocket,
}

impl MediaSocket {
    /// Takes a bound, non-blocking socket. Options that the system refuses are done without.
    pub(super) fn new(socket: std::net::UdpSocket) -> io::Result<MediaSocket> {
        let is_v6 = socket.local_addr()?.is_ipv6();
        let options = SockRef::from(&socket);
        for result in [options.set_recv_buffer_size(SOCKET_BUFFER), options.set_send_buffer_size(SOCKET_BUFFER)] {
            log_refusal("larger socket buffers", result);
        }
        #[cfg(unix)]
        log_refusal("DSCP EF", if is_v6 { options.set_tclass_v6(DSCP_EF) } else { options.set_tos_v4(DSCP_EF) });
        #[cfg(not(unix))]
        log_refusal("DSCP EF", if is_v6 { Ok(()) } else { options.set_tos_v4(DSCP_EF) });
        log_refusal("packet information", packet::set_options(&socket, is_v6));
        Ok(MediaSocket { socket: UdpSocket::from_std(socket) })
    }

    /// For the poll.
    pub(super) fn source(&mut self) -> &mut UdpSocket {
        &mut self.socket
    }

    /// The next datagram.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<Arrival> {
        packet::receive(&self.socket, buffer)
    }

    /// Sends now or not at all.
    pub(super) fn send(&self, datagram: &[u8], path: &Path) -> io::Result<()> {
        packet::send(&self.socket, datagram, path)
    }
}

fn log_refusal(what: &str, result: io::Result<()>) {
    if let Err(e) = result {
        tracing::debug!("the media socket works without {what}: {e}");
    }
}

#[cfg(target_os = "linux")]
#[path = "packet_linux.rs"]
mod packet;

/// Systems without packet information here: answers leave from the address that the system chooses.
#[cfg(not(target_os = "linux"))]
mod packet {
    use super::{Arrival, Path, UdpSocket};
    use std::io;

    pub(super) fn set_options(_: &std::net::UdpSocket, _: bool) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Arrival> {
        let (len, from) = socket.recv_from(buffer)?;
        Ok(Arrival { len, from, local: None })
    }

    pub(super) fn send(socket: &UdpSocket, datagram: &[u8], path: &Path) -> io::Result<()> {
        socket.send_to(datagram, path.remote).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::super::route::Via;
    use super::*;
    use std::time::Duration;

    fn media_socket(address: &str) -> Option<(MediaSocket, u16)> {
        let socket = std::net::UdpSocket::bind(address).ok()?;
        let port = socket.local_addr().expect("bound").port();
        // Blocking, so that the test need not poll.
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
        Some((MediaSocket::new(socket).expect("a socket"), port))
    }

    #[test]
    fn an_answer_leaves_from_the_address_that_was_spoken_to() {
        let mut tried = 0;
        for (any, local) in [("0.0.0.0:0", "127.0.0.1"), ("0.0.0.0:0", "127.0.0.7"), ("[::]:0", "::1")] {
            // A machine without IPv6 has nothing to try there.
            let Some((server, port)) = media_socket(any) else { continue };
            let ip: IpAddr = local.parse().expect("an address");
            let client = std::net::UdpSocket::bind(SocketAddr::new(ip, 0)).expect("a socket");
            client.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
            client.send_to(b"hello", SocketAddr::new(ip, port)).expect("sent");
            let mut buffer = [0; 100];
            let arrival = server.receive(&mut buffer).expect("received");
            assert_eq!((arrival.len, arrival.from), (5, client.local_addr().expect("bound")));
            if cfg!(target_os = "linux") {
                assert_eq!(arrival.local, Some(ip));
            }
            let via = Via { socket: 0, local: arrival.local };
            server.send(b"yes", &Path::new(arrival.from, via)).expect("sent");
            let (len, from) = client.recv_from(&mut buffer).expect("an answer");
            assert_eq!((len, from), (3, SocketAddr::new(ip, port)));
            tried += 1;
        }
        assert!(tried >= 2);
    }

    #[test]
    fn what_does_not_fit_fills_the_buffer() {
        let (server, port) = media_socket("127.0.0.1:0").expect("IPv4");
        let client = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        client.send_to(&[1; 50], ("127.0.0.1", port)).expect("sent");
        let mut buffer = [0; 20];
        assert_eq!(server.receive(&mut buffer).expect("received").len, 20);
    }
}
