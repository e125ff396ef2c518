//! Datagrams by the calls that std does not have: many at once, with packet information (on a socket that listens on
//! all addresses, each datagram says which of them it came to, and each answer leaves from there), with the moment of
//! their arrival, and cut into datagrams by the kernel (UDP GSO).

use super::{Arrival, Path, UdpSocket};
use rtjam_protocol::Micros;
use rtjam_protocol::datagram::MAX_DATAGRAM;
use socket2::SockAddr;
use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd as _, RawFd};

/// Datagrams that one call receives.
const BATCH: usize = 64;

/// One byte more than a datagram may have: what fills it is too long.
const SLOT: usize = MAX_DATAGRAM + 1;

/// Room for the control messages of one datagram, aligned as the kernel's header asks.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; 128]);

/// Asks for arrival times, and for fragmentation where a path is narrow: audio late is audio lost, so it is never held
/// back to find out how wide the path is.
pub(super) fn set_options(socket: &std::net::UdpSocket, is_v6: bool) -> io::Result<()> {
    let fd = socket.as_raw_fd();
    set_int(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
    if is_v6 {
        set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DONT)
    } else {
        set_int(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)
    }
}

/// Asks to be told which address of ours each datagram came to, for a socket that listens on all. One that has an
/// address sends from there anyway, and each send is a twentieth cheaper when it need not say so.
pub(super) fn tell_local_addresses(socket: &std::net::UdpSocket, is_v6: bool) -> io::Result<()> {
    if is_v6 {
        set_int(socket.as_raw_fd(), libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)
    } else {
        set_int(socket.as_raw_fd(), libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
    }
}

/// Whether the kernel knows how to cut (Linux 4.18 and later).
pub(super) fn can_cut(socket: &std::net::UdpSocket) -> bool {
    set_int(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok()
}

fn set_int(fd: RawFd, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads `len` bytes of `value`, which lives through the call.
    let result = unsafe { libc::setsockopt(fd, level, option, (&raw const value).cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Room for what one call receives.
pub(crate) struct Inbox {
    slots: Vec<[u8; SLOT]>,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    parts: Vec<libc::iovec>,
    messages: Vec<libc::mmsghdr>,
    /// The wall clock when the last call returned, in ns.
    read_at: i128,
}

// SAFETY: its pointers lead to memory that it owns itself, and are used only by whoever holds it.
unsafe impl Send for Inbox {}

impl Inbox {
    pub(crate) fn new() -> Inbox {
        // SAFETY: zeros are valid values of these plain C structs.
        let (name, part, message) = unsafe { (zeroed(), zeroed::<libc::iovec>(), zeroed()) };
        Inbox {
            slots: vec![[0; SLOT]; BATCH],
            names: vec![name; BATCH],
            controls: vec![Control([0; 128]); BATCH],
            parts: vec![part; BATCH],
            messages: vec![message; BATCH],
            read_at: 0,
        }
    }

    /// Takes what waits in the socket. Fewer than [`Inbox::is_full_of`] says means that nothing waits any more.
    pub(crate) fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        for (i, message) in self.messages.iter_mut().enumerate() {
            self.parts[i] = libc::iovec { iov_base: self.slots[i].as_mut_ptr().cast(), iov_len: SLOT };
            let header = &mut message.msg_hdr;
            header.msg_name = (&raw mut self.names[i]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_iov = &raw mut self.parts[i];
            header.msg_iovlen = 1;
            header.msg_control = self.controls[i].0.as_mut_ptr().cast();
            header.msg_controllen = size_of::<Control>() as _;
        }
        // SAFETY: every pointer in the messages leads to memory of the stated length, which `self` keeps alive.
        let received = unsafe {
            let (messages, none) = (self.messages.as_mut_ptr(), std::ptr::null_mut());
            libc::recvmmsg(socket.as_raw_fd(), messages, BATCH as libc::c_uint, 0, none)
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        self.read_at = wall_clock();
        Ok(received)
    }

    /// Whether a call that received this many may have left some.
    pub(crate) fn is_full_of(received: usize) -> bool {
        received == BATCH
    }

    /// Datagram `i` of those received last; `None` when it came from no address.
    pub(crate) fn datagram(&mut self, i: usize) -> Option<(Arrival, &mut [u8])> {
        let message = &self.messages[i];
        let len = message.msg_len as usize;
        let name_len = message.msg_hdr.msg_namelen;
        // SAFETY: the kernel has filled `name_len` bytes of the name, which `try_init` reads as what its family says.
        let (_, from) = unsafe {
            SockAddr::try_init(|storage, storage_len| {
                storage.cast::<libc::sockaddr_storage>().write(self.names[i]);
                *storage_len = name_len;
                Ok(())
            })
            .ok()?
        };
        // SAFETY: `recvmmsg` has filled the header, and its control buffer still lives.
        let told = unsafe { Told::read(&message.msg_hdr) };
        let waited = told.at.map_or(0, |at| (self.read_at - at).max(0) / 1000);
        let waited = Micros(u64::try_from(waited).unwrap_or(u64::MAX));
        Some((Arrival { len, from: from.as_socket()?, local: told.local, waited }, &mut self.slots[i][..len.min(SLOT)]))
    }
}

fn wall_clock() -> i128 {
    // SAFETY: zeros are a time, and the call writes to it.
    let time = unsafe {
        let mut time: libc::timespec = zeroed();
        libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time);
        time
    };
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}

/// What a datagram's control messages say.
#[derive(Default)]
struct Told {
    /// The address of ours that it came to.
    local: Option<IpAddr>,
    /// When the kernel had it, in ns of the wall clock.
    at: Option<i128>,
}

impl Told {
    /// # Safety
    /// The message's control buffer must be live, and filled by the kernel.
    unsafe fn read(message: &libc::msghdr) -> Told {
        let mut told = Told::default();
        // SAFETY: the caller vouches for the control buffer; the macros stay within it, and data is read unaligned.
        unsafe {
            let mut header = libc::CMSG_FIRSTHDR(message);
            while let Some(h) = header.as_ref() {
                let data = libc::CMSG_DATA(h);
                match (h.cmsg_level, h.cmsg_type) {
                    (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                        let info: libc::in_pktinfo = data.cast::<libc::in_pktinfo>().read_unaligned();
                        told.local = Some(Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()).into());
                    }
                    (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                        let info: libc::in6_pktinfo = data.cast::<libc::in6_pktinfo>().read_unaligned();
                        told.local = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                    }
                    (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                        let time: libc::timespec = data.cast::<libc::timespec>().read_unaligned();
                        told.at = Some(i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec));
                    }
                    _ => {}
                }
                header = libc::CMSG_NXTHDR(message, h);
            }
        }
        told
    }
}

/// Sends `bytes`: as one datagram, or cut into datagrams of `cut` bytes each, the last of them perhaps shorter.
pub(super) fn send(socket: &UdpSocket, bytes: &[u8], cut: Option<u16>, path: &Path) -> io::Result<()> {
    match send_from(socket, bytes, cut, path, path.via.local) {
        // That address may no longer be ours.
        Err(e)
            if path.via.local.is_some()
                && matches!(e.raw_os_error(), Some(libc::EINVAL | libc::EADDRNOTAVAIL | libc::ENODEV)) =>
        {
            send_from(socket, bytes, cut, path, None)
        }
        other => other,
    }
}

fn send_from(socket: &UdpSocket, bytes: &[u8], cut: Option<u16>, path: &Path, local: Option<IpAddr>) -> io::Result<()> {
    let mut control = Control([0; 128]);
    // The kernel does not write through these; the types are shared with receiving.
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: a message header of zeros is one without name, parts and control.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_name = path.raw.as_ptr().cast_mut().cast();
    message.msg_namelen = path.raw.len();
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    let mut controls = Controls { control: &mut control, used: 0 };
    match local {
        Some(IpAddr::V4(ip)) => {
            let spec_dst = libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) };
            let info =
                libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: spec_dst, ipi_addr: libc::in_addr { s_addr: 0 } };
            controls.put(libc::IPPROTO_IP, libc::IP_PKTINFO, info);
        }
        Some(IpAddr::V6(ip)) => {
            let info = libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: ip.octets() }, ipi6_ifindex: 0 };
            controls.put(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
        }
        None => {}
    }
    if let Some(cut) = cut {
        controls.put(libc::SOL_UDP, libc::UDP_SEGMENT, cut);
    }
    let used = controls.used;
    if used > 0 {
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = used as _;
    }
    // SAFETY: name, bytes and control live through the call, with the lengths that the message states.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Control messages, one behind the other.
struct Controls<'a> {
    control: &'a mut Control,
    used: usize,
}

impl Controls<'_> {
    fn put<T: Copy>(&mut self, level: libc::c_int, kind: libc::c_int, data: T) {
        // Two of them, each with its header and padding.
        const { assert!(2 * (size_of::<libc::cmsghdr>() + size_of::<T>() + 16) <= size_of::<Control>()) };
        let len = size_of::<T>() as libc::c_uint;
        // SAFETY: these compute sizes; the assertion says that header and data fit behind the one before, and both
        // `control` and the space of a message are multiples of the header's alignment.
        unsafe {
            let header = self.control.0.as_mut_ptr().add(self.used).cast::<libc::cmsghdr>();
            (*header).cmsg_level = level;
            (*header).cmsg_type = kind;
            (*header).cmsg_len = libc::CMSG_LEN(len) as _;
            libc::CMSG_DATA(header).cast::<T>().write_unaligned(data);
            self.used += libc::CMSG_SPACE(len) as usize;
        }
    }
}
