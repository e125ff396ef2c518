//! Datagrams with packet information, which std cannot do: on a socket that listens on all addresses, each datagram
//! says which of them it came to, and each answer leaves from there.

use super::{Arrival, Path, UdpSocket};
use socket2::SockAddr;
use std::io;
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd as _, RawFd};

/// Room for one control message, aligned as the kernel's header asks.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// Asks for packet information, and for fragmentation where a path is narrow: audio late is audio lost, so it is
/// never held back to find out how wide the path is.
pub(super) fn set_options(socket: &std::net::UdpSocket, is_v6: bool) -> io::Result<()> {
    let fd = socket.as_raw_fd();
    if is_v6 {
        set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
        set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DONT)
    } else {
        set_int(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
        set_int(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)
    }
}

fn set_int(fd: RawFd, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads `len` bytes of `value`, which lives through the call.
    let result = unsafe { libc::setsockopt(fd, level, option, (&raw const value).cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

pub(super) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Arrival> {
    let mut control = Control([0; 64]);
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut message = empty_message();
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    // SAFETY: `storage` has room for any address, and is valid for `try_init` once `recvmsg` has filled it; buffer,
    // control and message live through the call, with the lengths that the message states.
    let (len, from) = unsafe {
        SockAddr::try_init(|storage, len| {
            message.msg_name = storage.cast();
            message.msg_namelen = *len;
            let received = libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0);
            if received < 0 {
                return Err(io::Error::last_os_error());
            }
            *len = message.msg_namelen;
            Ok(received as usize)
        })?
    };
    let from = from.as_socket().ok_or(io::ErrorKind::InvalidData)?;
    // SAFETY: `recvmsg` has filled `message`, and `control` still lives.
    let local = unsafe { local_address(&message) };
    Ok(Arrival { len, from, local })
}

/// The address of ours in a received message's packet information.
///
/// # Safety
/// The message's control buffer must be live, and filled by the kernel.
unsafe fn local_address(message: &libc::msghdr) -> Option<IpAddr> {
    // SAFETY: the caller vouches for the control buffer; the macros stay within it, and data is read unaligned.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while let Some(h) = header.as_ref() {
            match (h.cmsg_level, h.cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info: libc::in_pktinfo = libc::CMSG_DATA(h).cast::<libc::in_pktinfo>().read_unaligned();
                    return Some(Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info: libc::in6_pktinfo = libc::CMSG_DATA(h).cast::<libc::in6_pktinfo>().read_unaligned();
                    return Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                }
                _ => header = libc::CMSG_NXTHDR(message, h),
            }
        }
        None
    }
}

pub(super) fn send(socket: &UdpSocket, datagram: &[u8], path: &Path) -> io::Result<()> {
    match send_from(socket, datagram, path, path.via.local) {
        // That address is no longer ours.
        Err(e) if matches!(e.raw_os_error(), Some(libc::EINVAL | libc::EADDRNOTAVAIL | libc::ENODEV)) => {
            send_from(socket, datagram, path, None)
        }
        other => other,
    }
}

fn send_from(socket: &UdpSocket, datagram: &[u8], path: &Path, local: Option<IpAddr>) -> io::Result<()> {
    let mut control = Control([0; 64]);
    // The kernel does not write through these; the types are shared with receiving.
    let mut part = libc::iovec { iov_base: datagram.as_ptr().cast_mut().cast(), iov_len: datagram.len() };
    let mut message = empty_message();
    message.msg_name = path.raw.as_ptr().cast_mut().cast();
    message.msg_namelen = path.raw.len();
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    match local {
        Some(IpAddr::V4(ip)) => {
            let spec_dst = libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) };
            let info =
                libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: spec_dst, ipi_addr: libc::in_addr { s_addr: 0 } };
            put_control(&mut message, &mut control, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
        }
        Some(IpAddr::V6(ip)) => {
            let info = libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: ip.octets() }, ipi6_ifindex: 0 };
            put_control(&mut message, &mut control, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
        }
        None => {}
    }
    // SAFETY: name, datagram and control live through the call, with the lengths that the message states.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn put_control<T: Copy>(
    message: &mut libc::msghdr,
    control: &mut Control,
    level: libc::c_int,
    kind: libc::c_int,
    data: T,
) {
    const { assert!(size_of::<libc::cmsghdr>() + size_of::<T>() + 16 <= size_of::<Control>()) };
    let len = size_of::<T>() as libc::c_uint;
    message.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: the assertion above says that header and data fit into `control`, which is aligned for the header.
    unsafe {
        message.msg_controllen = libc::CMSG_SPACE(len) as _;
        let header = libc::CMSG_FIRSTHDR(message);
        (*header).cmsg_level = level;
        (*header).cmsg_type = kind;
        (*header).cmsg_len = libc::CMSG_LEN(len) as _;
        libc::CMSG_DATA(header).cast::<T>().write_unaligned(data);
    }
}

fn empty_message() -> libc::msghdr {
    // SAFETY: a message header of zeros is one without name, parts and control.
    unsafe { std::mem::zeroed() }
}
