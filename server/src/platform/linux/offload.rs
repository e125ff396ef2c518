//! Whether the kernel sends and receives several datagrams in one system call.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

/// Sends two datagrams with one call over loopback and checks that two arrive.
///
/// # Errors
/// The kernel cannot do it (UDP GSO).
pub fn check_send_offload() -> io::Result<()> {
    const SEGMENT: usize = 100;
    let (from, to) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    to.set_read_timeout(Some(std::time::Duration::from_secs(1)))?;
    set_udp_option(&from, libc::UDP_SEGMENT, SEGMENT as libc::c_int)?;
    from.send_to(&[7; 2 * SEGMENT], to.local_addr()?)?;
    let mut buffer = [0; 4 * SEGMENT];
    for _ in 0..2 {
        if to.recv(&mut buffer)? != SEGMENT {
            return Err(io::Error::other("the kernel does not segment them"));
        }
    }
    Ok(())
}

/// Checks whether the kernel can receive several datagrams in one call (UDP GRO).
///
/// # Errors
/// It cannot.
pub fn check_receive_offload() -> io::Result<()> {
    set_udp_option(&UdpSocket::bind("127.0.0.1:0")?, libc::UDP_GRO, 1)
}

fn set_udp_option(socket: &UdpSocket, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the descriptor is open, and the call reads the bytes of `value`, which outlives it.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_UDP,
            option,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
