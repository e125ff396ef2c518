//! UDP sockets for media: many datagrams in one system call, and answers from the local address to which a client sends.

use super::route::MediaPath;
use crate::platform::{RecvBatch, UdpIo, log_refusal};
use mio::net::UdpSocket;
use rtjam_platform::udp;
use socket2::SockRef;
use std::cell::Cell;
use std::io;

/// Requested size of the kernel's buffers: a quarter of a second of the audio of 40 musicians for 40 recipients.
pub const SOCKET_BUFFER: usize = 4 * 1024 * 1024;

/// DSCP Expedited Forwarding (46), as a whole traffic class byte.
const DSCP_EF: u32 = 46 << 2;

/// The most datagrams into which the kernel segments one send.
pub(crate) const MAX_SEGMENTS: usize = 64;

/// The most bytes of one send, below the 65,507 bytes of the largest UDP datagram.
pub(crate) const MAX_SEND_BYTES: usize = 60_000;

/// A socket of a media thread, and what the poll has reported about it.
pub(super) struct PolledSocket {
    pub(super) socket: MediaSocket,
    /// Datagrams may be waiting; the poll reports new ones only once.
    pub(super) ready: bool,
    /// It must be tried again without a report of the poll.
    pub(super) failed: bool,
}

/// A non-blocking socket of one address family.
pub(crate) struct MediaSocket {
    socket: UdpSocket,
    io: UdpIo,
    /// Whether the kernel segments large sends into datagrams. The system or a network card may not support it.
    segments: Cell<bool>,
}

impl MediaSocket {
    /// Sets the options of a bound, non-blocking socket. Works without options that the system refuses.
    ///
    /// # Errors
    /// When the socket has no local address.
    pub(crate) fn new(socket: std::net::UdpSocket) -> io::Result<MediaSocket> {
        MediaSocket::with_traffic_class(socket, DSCP_EF)
    }

    /// The same with another traffic class, which is a whole byte.
    ///
    /// # Errors
    /// When the socket has no local address.
    pub(crate) fn with_traffic_class(socket: std::net::UdpSocket, class: u32) -> io::Result<MediaSocket> {
        let options = SockRef::from(&socket);
        for result in [options.set_recv_buffer_size(SOCKET_BUFFER), options.set_send_buffer_size(SOCKET_BUFFER)] {
            log_refusal("larger socket buffers", result);
        }
        log_refusal("a traffic class", udp::set_traffic_class(&socket, class));
        // Path MTU discovery would hold audio back where a path's MTU is small.
        log_refusal("fragments", udp::allow_fragments(&socket));
        log_refusal("silence about rejected datagrams", udp::ignore_rejections(&socket));
        let io = UdpIo::new(&socket)?;
        let segments = Cell::new(io.segments());
        Ok(MediaSocket { socket: UdpSocket::from_std(socket), io, segments })
    }

    /// The source to register with a poll.
    pub(crate) fn source(&mut self) -> &mut UdpSocket {
        &mut self.socket
    }

    /// Receives as many datagrams as fit into the batch. Returns how many.
    ///
    /// # Errors
    /// `WouldBlock` when none has arrived; other errors of the socket.
    pub(crate) fn receive(&self, batch: &mut RecvBatch) -> io::Result<usize> {
        self.io.receive(&self.socket, batch)
    }

    /// Sends one datagram. Does not wait.
    ///
    /// # Errors
    /// When the system refuses it; the datagram is lost then.
    pub(crate) fn send(&self, datagram: &[u8], path: &MediaPath) -> io::Result<()> {
        self.io.send(&self.socket, datagram, None, (&path.raw, path.local.address))
    }

    /// Sends the concatenated datagrams in `bytes`, each of `size` bytes, at most [`MAX_SEGMENTS`] and [`MAX_SEND_BYTES`] in
    /// all: in one call where the kernel segments, otherwise one by one. Returns how many the system accepted.
    pub(crate) fn send_all(&self, bytes: &[u8], size: usize, path: &MediaPath) -> usize {
        let count = bytes.len() / size.max(1);
        if count > 1 && self.segments.get() {
            let segment = u16::try_from(size).ok();
            match self.io.send(&self.socket, bytes, segment, (&path.raw, path.local.address)) {
                Ok(()) => return count,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return 0,
                Err(e) if UdpIo::cannot_segment(&e) => {
                    tracing::info!("the network card cannot segment; datagrams are sent one by one");
                    self.segments.set(false);
                }
                // This one path has too small an MTU, or is gone.
                Err(_) => {}
            }
        }
        bytes.chunks_exact(size.max(1)).filter(|datagram| self.send(datagram, path).is_ok()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::super::route::LocalEndpoint;
    use super::*;
    use crate::platform::check_send_offload;
    use rtjam_protocol::Micros;
    use std::net::{IpAddr, SocketAddr};
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

    fn wait(server: &MediaSocket, batch: &mut RecvBatch) -> usize {
        loop {
            match server.receive(batch) {
                Ok(n) => return n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(e) => panic!("{e}"),
            }
        }
    }

    /// Answers leave from the local address to which the client sent.
    #[test]
    fn answers_keep_local_address() {
        let mut tried = 0;
        for (any, local) in [("0.0.0.0:0", "127.0.0.1"), ("0.0.0.0:0", "127.0.0.7"), ("[::]:0", "::1")] {
            // This machine has no IPv6.
            let Some((server, port)) = media_socket(any) else { continue };
            let ip: IpAddr = local.parse().expect("an address");
            let client = listener(ip);
            client.send_to(b"hello", SocketAddr::new(ip, port)).expect("sent");
            let mut batch = RecvBatch::new();
            assert_eq!(wait(&server, &mut batch), 1);
            let (arrival, bytes) = batch.datagram(0).expect("from an address");
            assert_eq!((&*bytes, arrival.from), (&b"hello"[..], client.local_addr().expect("bound")));
            assert_eq!(arrival.local, Some(ip));
            assert!(arrival.waited < Micros::from_secs(5), "{arrival:?}");
            let path = MediaPath::new(arrival.from, LocalEndpoint { socket: 0, address: arrival.local });
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

    /// A datagram that is too long is reported as one byte longer than the maximum.
    #[test]
    fn long_datagrams_are_detected() {
        let (server, port) = media_socket("127.0.0.1:0").expect("IPv4");
        let client = listener("127.0.0.1".parse().expect("an address"));
        for len in [1201, 3000] {
            client.send_to(&vec![1; len], ("127.0.0.1", port)).expect("sent");
            let mut batch = RecvBatch::new();
            wait(&server, &mut batch);
            assert_eq!(batch.datagram(0).expect("from an address").0.len, 1201);
        }
    }

    #[test]
    fn receives_in_order_over_several_calls() {
        let (server, port) = media_socket("127.0.0.1:0").expect("IPv4");
        let client = listener("127.0.0.1".parse().expect("an address"));
        for n in 0..200_u8 {
            client.send_to(&[n], ("127.0.0.1", port)).expect("sent");
        }
        let (mut batch, mut got) = (RecvBatch::new(), Vec::new());
        while got.len() < 200 {
            for i in 0..wait(&server, &mut batch) {
                got.push(batch.datagram(i).expect("from an address").1[0]);
            }
        }
        assert_eq!(got, (0..200).collect::<Vec<u8>>());
    }

    /// The same datagrams arrive whether the kernel segments or they are sent one by one.
    #[test]
    fn segmentation_changes_no_datagram() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let Some((server, _)) = media_socket(any) else { continue };
            let client = listener(any.parse::<SocketAddr>().expect("an address").ip());
            let path = MediaPath::new(client.local_addr().expect("bound"), LocalEndpoint { socket: 0, address: None });
            let bytes: Vec<u8> = (0..64 * 571).map(|i| (i / 571 + i * 7) as u8).collect();
            let received = || -> Vec<Vec<u8>> {
                assert_eq!(server.send_all(&bytes, 571, &path), 64);
                (0..64)
                    .map(|_| {
                        let mut buffer = [0; 2048];
                        let (len, _) = client.recv_from(&mut buffer).expect("a datagram");
                        buffer[..len].to_vec()
                    })
                    .collect()
            };
            let segmented = received();
            assert_eq!(server.segments.replace(false), check_send_offload().is_ok());
            assert_eq!(segmented, received());
            assert_eq!(segmented.concat(), bytes);
        }
    }
}
