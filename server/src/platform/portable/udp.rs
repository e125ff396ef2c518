//! Datagrams by quinn-udp: received one at a time, with the local address to which they were sent, and sent many at a time
//! where the system segments them (USO on Windows).

use super::super::{DatagramArrival, log_refusal};
use mio::net::UdpSocket;
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rtjam_protocol::Micros;
use rtjam_protocol::datagram::MAX_DATAGRAM;
use socket2::SockAddr;
use std::io::{self, IoSliceMut};
use std::net::IpAddr;

/// More than the largest UDP datagram: Windows reports a datagram that does not fit as an error.
const BUFFER: usize = 65_536;

/// Sends and receives on one socket.
pub struct UdpIo {
    /// `None` on systems that lack what quinn needs: Wine 8, for IPv4. Datagrams are then sent one at a time.
    state: Option<UdpSocketState>,
    /// The socket listens on all addresses, so answers must name the one to which the client sent.
    any_address: bool,
}

impl UdpIo {
    /// Prepares a bound socket.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn new(socket: &std::net::UdpSocket) -> io::Result<UdpIo> {
        let state = UdpSocketState::new(UdpSockRef::from(socket));
        let state = state.map_err(|e| log_refusal("segmented sends", Err(e))).ok();
        // quinn forbids fragments, which would hold audio back on a path with a small MTU.
        log_refusal("fragments", rtjam_platform::udp::allow_fragments(socket));
        Ok(UdpIo { state, any_address: socket.local_addr()?.ip().is_unspecified() })
    }

    /// Whether the system segments large sends into datagrams.
    pub fn segments(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.max_gso_segments() > 1)
    }

    /// Receives a datagram. Returns 1.
    ///
    /// # Errors
    /// `WouldBlock` when none has arrived; other errors of the socket.
    pub fn receive(&self, socket: &UdpSocket, batch: &mut RecvBatch) -> io::Result<usize> {
        let (from, len, dst_ip) = match &self.state {
            Some(state) => {
                let mut meta = [RecvMeta::default()];
                let mut buffers = [IoSliceMut::new(&mut batch.bytes)];
                // mio reports the socket again only after an attempt by `try_io` that found nothing.
                socket.try_io(|| state.recv(socket.into(), &mut buffers, &mut meta))?;
                let [RecvMeta { addr, len, dst_ip, .. }] = meta;
                (addr, len, dst_ip)
            }
            None => {
                let (len, from) = socket.recv_from(&mut batch.bytes)?;
                (from, len, None)
            }
        };
        let len = len.min(MAX_DATAGRAM + 1);
        let local = dst_ip.filter(|_| self.any_address);
        batch.arrival = Some(DatagramArrival { len, from, local, waited: Micros::ZERO });
        Ok(1)
    }

    /// Sends `contents` as one datagram, or segmented into datagrams of `segment` bytes each.
    ///
    /// # Errors
    /// `WouldBlock` if the send buffer is full; otherwise the system refuses the datagram.
    pub fn send(
        &self,
        socket: &UdpSocket,
        contents: &[u8],
        segment: Option<u16>,
        (remote, local): (&SockAddr, Option<IpAddr>),
    ) -> io::Result<()> {
        let destination = remote.as_socket().ok_or(io::ErrorKind::InvalidInput)?;
        let Some(state) = &self.state else { return socket.send_to(contents, destination).map(drop) };
        let segment_size = segment.map(usize::from);
        let send = |src_ip| {
            let transmit = Transmit { destination, ecn: None, contents, segment_size, src_ip };
            state.try_send(socket.into(), &transmit)
        };
        match send(local) {
            // The machine may have lost that address.
            Err(e) if local.is_some() && e.kind() != io::ErrorKind::WouldBlock => send(None),
            sent => sent,
        }
    }

    /// Whether an error of a segmented send means that no path of the socket supports them.
    pub fn cannot_segment(_: &io::Error) -> bool {
        false
    }
}

/// Buffer for one datagram.
pub struct RecvBatch {
    bytes: Vec<u8>,
    arrival: Option<DatagramArrival>,
}

impl RecvBatch {
    /// An empty batch.
    pub fn new() -> RecvBatch {
        RecvBatch { bytes: vec![0; BUFFER], arrival: None }
    }

    /// Whether more datagrams may wait after a call that received this many.
    pub fn is_full_of(_: usize) -> bool {
        true
    }

    /// The datagram that was received last.
    pub fn datagram(&mut self, _: usize) -> Option<(DatagramArrival, &mut [u8])> {
        let arrival = self.arrival?;
        Some((arrival, &mut self.bytes[..arrival.len]))
    }
}
