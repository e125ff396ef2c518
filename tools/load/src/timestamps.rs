//! Receives one datagram with the kernel's timestamp: on loopback, the time at which it was sent.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// A received datagram.
pub struct StampedDatagram {
    /// Its length.
    pub len: usize,
    /// The address of its sender.
    pub from: SocketAddr,
    /// The wall-clock time since 1970; `None` without a timestamp.
    pub at: Option<Duration>,
}

/// Enables timestamps on an IPv4 socket.
///
/// # Errors
/// When the kernel refuses.
pub fn enable(socket: &UdpSocket) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option's value is an int that outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The current time of the clock that makes the timestamps.
pub fn now() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to `time`, which is valid for writes.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Receives one datagram on an IPv4 socket.
///
/// # Errors
/// Errors of the socket, including a timeout.
pub fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<StampedDatagram> {
    // SAFETY: zero is a valid value of these plain C structs.
    let (mut name, mut message): (libc::sockaddr_in, libc::msghdr) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    let mut control = [0_u64; 16];
    let mut piece = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    message.msg_name = (&raw mut name).cast();
    message.msg_namelen = size_of_val(&name) as libc::socklen_t;
    message.msg_iov = &raw mut piece;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: every pointer in `message` points to memory of the stated length that outlives the call.
    let len = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let len = usize::try_from(len).map_err(|_| io::Error::last_os_error())?;
    let ip = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
    let from = SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(name.sin_port)));
    Ok(StampedDatagram { len, from, at: stamp_in(&message) })
}

fn stamp_in(message: &libc::msghdr) -> Option<Duration> {
    // SAFETY: the kernel has filled the control buffer; the CMSG functions stay within it.
    unsafe {
        let mut part = libc::CMSG_FIRSTHDR(message);
        while let Some(header) = part.as_ref() {
            if header.cmsg_level == libc::SOL_SOCKET && header.cmsg_type == libc::SCM_TIMESTAMPNS {
                let time = libc::CMSG_DATA(part).cast::<libc::timespec>().read_unaligned();
                return Some(Duration::new(time.tv_sec as u64, time.tv_nsec as u32));
            }
            part = libc::CMSG_NXTHDR(message, part);
        }
        None
    }
}
