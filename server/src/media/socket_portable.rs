//! Other systems: datagrams are received and sent one at a time, and answers leave from the address that the system
//! chooses.

use super::{DatagramArrival, MediaPath, UdpSocket};
use rtjam_protocol::Micros;
use rtjam_protocol::datagram::MAX_DATAGRAM;
use std::io;
use std::net::SocketAddr;

pub(super) fn set_options(_: &std::net::UdpSocket, _: bool) -> io::Result<()> {
    Ok(())
}

pub(super) fn report_local_addresses(_: &std::net::UdpSocket, _: bool) -> io::Result<()> {
    Ok(())
}

pub(super) fn supports_segmentation(_: &std::net::UdpSocket) -> bool {
    false
}

/// Buffer for one datagram.
pub(crate) struct RecvBatch {
    bytes: [u8; MAX_DATAGRAM + 1],
    got: Option<(usize, SocketAddr)>,
}

impl RecvBatch {
    pub(crate) fn new() -> RecvBatch {
        RecvBatch { bytes: [0; MAX_DATAGRAM + 1], got: None }
    }

    pub(crate) fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.got = Some(socket.recv_from(&mut self.bytes)?);
        Ok(1)
    }

    pub(crate) fn is_full_of(_: usize) -> bool {
        true
    }

    pub(crate) fn datagram(&mut self, _: usize) -> Option<(DatagramArrival, &mut [u8])> {
        let (len, from) = self.got?;
        Some((DatagramArrival { len, from, local: None, waited: Micros::ZERO }, &mut self.bytes[..len]))
    }
}

pub(super) fn send(socket: &UdpSocket, bytes: &[u8], _: Option<u16>, path: &MediaPath) -> io::Result<()> {
    socket.send_to(bytes, path.remote).map(|_| ())
}
