//! A UDP socket for media: its options, and receiving and sending with the address of ours that was spoken to.

use super::route::Path;
use mio::net::UdpSocket;
use rtjam_protocol::Micros;
use socket2::SockRef;
use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};

#[cfg_attr(target_os = "linux", path = "packet_linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "packet_plain.rs")]
mod packet;

pub(crate) use packet::Inbox;

/// What the kernel is asked to hold: a quarter of a second of 40 musicians' audio to 40.
pub const SOCKET_BUFFER: usize = 4 * 1024 * 1024;

/// Expedited forwarding (46), as a whole traffic class byte.
const DSCP_EF: u32 = 46 << 2;

/// The most datagrams that the kernel cuts out of one send.
pub(crate) const MOST_AT_ONCE: usize = 64;

/// The most bytes of one send, below the 65,507 of a datagram's length field.
pub(crate) const MOST_BYTES_AT_ONCE: usize = 60_000;

/// A datagram that came in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Arrival {
    /// Its bytes; one more than a datagram may have when it did not fit.
    pub(crate) len: usize,
    pub(crate) from: SocketAddr,
    /// The address of ours that it was sent to, where the system tells.
    pub(crate) local: Option<IpAddr>,
    /// How long it lay in the socket, where the system tells. By the wall clock: wrong when that is set meanwhile.
    pub(crate) waited: Micros,
}

/// A non-blocking socket of one address family.
pub(crate) struct MediaSocket {
    socket: UdpSocket,
    /// Whether the kernel cuts large sends into datagrams; the system or a network card may not.
    cuts: Cell<bool>,
}

impl MediaSocket {
    /// Takes a bound, non-blocking socket. Options that the system refuses are done without.
    pub(crate) fn new(socket: std::net::UdpSocket) -> io::Result<MediaSocket> {
        MediaSocket::with_class(socket, DSCP_EF)
    }

    /// The same, with another traffic class: a whole byte.
    pub(crate) fn with_class(socket: std::net::UdpSocket, class: u32) -> io::Result<MediaSocket> {
        let address = socket.local_addr()?.ip();
        let is_v6 = address.is_ipv6();
        let options = SockRef::from(&socket);
        for result in [options.set_recv_buffer_size(SOCKET_BUFFER), options.set_send_buffer_size(SOCKET_BUFFER)] {
            log_refusal("larger socket buffers", result);
        }
        #[cfg(unix)]
        log_refusal("a traffic class", if is_v6 { options.set_tclass_v6(class) } else { options.set_tos_v4(class) });
        #[cfg(not(unix))]
        log_refusal("a traffic class", if is_v6 { Ok(()) } else { options.set_tos_v4(class) });
        log_refusal("arrival times", packet::set_options(&socket, is_v6));
        if address.is_unspecified() {
            log_refusal("packet information", packet::tell_local_addresses(&socket, is_v6));
        }
        let cuts = Cell::new(packet::can_cut(&socket));
        Ok(MediaSocket { socket: UdpSocket::from_std(socket), cuts })
    }

    /// For the poll.
    pub(crate) fn source(&mut self) -> &mut UdpSocket {
        &mut self.socket
    }

    /// Takes the next datagrams, as many as the inbox holds, and returns how many those are.
    pub(crate) fn receive(&self, inbox: &mut Inbox) -> io::Result<usize> {
        inbox.receive(&self.socket)
    }

    /// Sends one datagram, now or not at all.
    pub(crate) fn send(&self, datagram: &[u8], path: &Path) -> io::Result<()> {
        packet::send(&self.socket, datagram, None, path)
    }

    /// Sends datagrams of `size` bytes each that lie one behind the other in `bytes`, at most [`MOST_AT_ONCE`] of at
    /// most [`MOST_BYTES_AT_ONCE`]: by one call where the kernel cuts, else one by one. Returns how many were taken.
    pub(crate) fn send_all(&self, bytes: &[u8], size: usize, path: &Path) -> usize {
        let count = bytes.len() / size.max(1);
        if count > 1 && self.cuts.get() {
            match packet::send(&self.socket, bytes, u16::try_from(size).ok(), path) {
                Ok(()) => return count,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return 0,
                // A way that neither cuts nor sums up: all that goes through this socket may take it.
                #[cfg(unix)]
                Err(e) if e.raw_os_error() == Some(libc::EIO) => {
                    tracing::info!("the network card leaves it to this program to send datagrams one by one");
                    self.cuts.set(false);
                }
                // This one path is too narrow for it, or gone.
                Err(_) => {}
            }
        }
        bytes.chunks_exact(size.max(1)).filter(|datagram| self.send(datagram, path).is_ok()).count()
    }
}

fn log_refusal(what: &str, result: io::Result<()>) {
    if let Err(e) = result {
        tracing::debug!("the media socket works without {what}: {e}");
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
        socket.set_nonblocking(true).expect("set");
        Some((MediaSocket::new(socket).expect("a socket"), port))
    }

    fn listener(ip: IpAddr) -> std::net::UdpSocket {
        let socket = std::net::UdpSocket::bind(SocketAddr::new(ip, 0)).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
        socket
    }

    fn wait(server: &MediaSocket, inbox: &mut Inbox) -> usize {
        loop {
            match server.receive(inbox) {
                Ok(n) => return n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(e) => panic!("{e}"),
            }
        }
    }

    #[test]
    fn an_answer_leaves_from_the_address_that_was_spoken_to() {
        let mut tried = 0;
        for (any, local) in [("0.0.0.0:0", "127.0.0.1"), ("0.0.0.0:0", "127.0.0.7"), ("[::]:0", "::1")] {
            // A machine without IPv6 has nothing to try there.
            let Some((server, port)) = media_socket(any) else { continue };
            let ip: IpAddr = local.parse().expect("an address");
            let client = listener(ip);
            client.send_to(b"hello", SocketAddr::new(ip, port)).expect("sent");
            let mut inbox = Inbox::new();
            assert_eq!(wait(&server, &mut inbox), 1);
            let (arrival, bytes) = inbox.datagram(0).expect("from an address");
            assert_eq!((&*bytes, arrival.from), (&b"hello"[..], client.local_addr().expect("bound")));
            if cfg!(target_os = "linux") {
                assert_eq!(arrival.local, Some(ip));
                assert!(arrival.waited < Micros::from_secs(5), "{arrival:?}");
            }
            let path = Path::new(arrival.from, Via { socket: 0, local: arrival.local });
            server.send(b"yes", &path).expect("sent");
            assert_eq!(server.send_all(b"yesyes", 3, &path), 2);
            let mut buffer = [0; 100];
            for _ in 0..3 {
                let (len, from) = client.recv_from(&mut buffer).expect("an answer");
                assert_eq!((len, from), (3, SocketAddr::new(ip, port)));
            }
            tried += 1;
        }
        assert!(tried >= 2);
    }

    #[test]
    fn what_does_not_fit_fills_its_slot() {
        let (server, port) = media_socket("127.0.0.1:0").expect("IPv4");
        let client = listener("127.0.0.1".parse().expect("an address"));
        for len in [1201, 3000] {
            client.send_to(&vec![1; len], ("127.0.0.1", port)).expect("sent");
            let mut inbox = Inbox::new();
            wait(&server, &mut inbox);
            assert_eq!(inbox.datagram(0).expect("from an address").0.len, 1201);
        }
    }

    #[test]
    fn many_datagrams_come_in_order_over_several_calls() {
        let (server, port) = media_socket("127.0.0.1:0").expect("IPv4");
        let client = listener("127.0.0.1".parse().expect("an address"));
        for n in 0..200_u8 {
            client.send_to(&[n], ("127.0.0.1", port)).expect("sent");
        }
        let (mut inbox, mut got) = (Inbox::new(), Vec::new());
        while got.len() < 200 {
            for i in 0..wait(&server, &mut inbox) {
                got.push(inbox.datagram(i).expect("from an address").1[0]);
            }
        }
        assert_eq!(got, (0..200).collect::<Vec<u8>>());
    }

    #[test]
    fn cut_by_the_kernel_or_sent_one_by_one_the_same_datagrams_arrive() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let Some((server, _)) = media_socket(any) else { continue };
            let client = listener(any.parse::<SocketAddr>().expect("an address").ip());
            let path = Path::new(client.local_addr().expect("bound"), Via { socket: 0, local: None });
            let bytes: Vec<u8> = (0..64 * 571).map(|i| (i / 571 + i * 7) as u8).collect();
            let heard = || -> Vec<Vec<u8>> {
                assert_eq!(server.send_all(&bytes, 571, &path), 64);
                (0..64)
                    .map(|_| {
                        let mut buffer = [0; 2048];
                        let (len, _) = client.recv_from(&mut buffer).expect("a datagram");
                        buffer[..len].to_vec()
                    })
                    .collect()
            };
            let cut = heard();
            assert!(server.cuts.replace(false) || !cfg!(target_os = "linux"), "this kernel cuts, and did");
            assert_eq!(cut, heard());
            assert_eq!(cut.concat(), bytes);
        }
    }
}
