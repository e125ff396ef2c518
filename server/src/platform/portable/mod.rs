//! All systems but Linux.

mod udp;

pub use udp::{RecvBatch, UdpIo};

use socket2::Socket;
use std::io;
use std::net::UdpSocket;

/// Whether several sockets can share a port, and the system distributes datagrams among them by their contents.
pub const PORTS_CAN_BE_SHARED: bool = false;

/// Other systems return the usable size of a socket's buffer.
pub const REPORTED_BUFFER_FACTOR: usize = 1;

/// Always fails.
///
/// # Errors
/// Always.
pub fn share_port(_: &Socket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Always fails; such systems run one media thread.
///
/// # Errors
/// Always.
pub fn distribute_by_thread(_: &UdpSocket, _: u8) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// `None`: the system does not tell.
pub fn is_clock_synchronised() -> Option<bool> {
    None
}

/// `None`: the system does not count a socket's drops.
pub fn kernel_drops(_: &[u16]) -> Option<u64> {
    None
}

/// Checks whether one system call can send several datagrams.
///
/// # Errors
/// It cannot.
pub fn check_send_offload() -> io::Result<()> {
    let io = UdpIo::new(&UdpSocket::bind("127.0.0.1:0")?)?;
    if io.segments() { Ok(()) } else { Err(io::Error::other("this system cannot segment datagrams")) }
}

/// Always fails: the server receives one datagram in a system call.
///
/// # Errors
/// Always.
pub fn check_receive_offload() -> io::Result<()> {
    Err(io::Error::other("only Linux has it"))
}
