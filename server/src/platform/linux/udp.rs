//! System calls that std does not offer: many datagrams in one call, packet information (for a socket that listens on all
//! addresses: to which of them a datagram was sent, and from which an answer leaves), times of arrival, and segmentation by
//! the kernel (UDP GSO).

use super::super::{DatagramArrival, log_refusal};
use mio::net::UdpSocket;
use rtjam_protocol::Micros;
use rtjam_protocol::datagram::MAX_DATAGRAM;
use socket2::SockAddr;
use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd as _, RawFd};

/// The most datagrams that one call receives.
const BATCH: usize = 64;

/// One byte more than the longest datagram: a datagram that fills the slot is too long.
const SLOT: usize = MAX_DATAGRAM + 1;

/// Buffer for the control messages of one datagram, aligned for the kernel's header.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct ControlBuffer([u8; 128]);

/// Sends and receives on one socket.
pub struct UdpIo {
    /// Whether the kernel supports UDP segmentation (Linux 4.18 and later).
    segments: bool,
}

impl UdpIo {
    /// Requests times of arrival, and for a socket that listens on all addresses the local address of each datagram. (A
    /// socket that is bound to one address sends from there anyway, and a send that need not name it is 5 % cheaper.)
    ///
    /// # Errors
    /// When the socket has no local address.
    pub fn new(socket: &std::net::UdpSocket) -> io::Result<UdpIo> {
        let (address, fd) = (socket.local_addr()?.ip(), socket.as_raw_fd());
        log_refusal("arrival times", set_int(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1));
        if address.is_unspecified() {
            let (level, option) = match address {
                IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_PKTINFO),
                IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
            };
            log_refusal("packet information", set_int(fd, level, option, 1));
        }
        Ok(UdpIo { segments: set_int(fd, libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok() })
    }

    /// Whether the system segments large sends into datagrams.
    pub fn segments(&self) -> bool {
        self.segments
    }

    /// Receives as many datagrams as fit into the batch. Returns how many.
    ///
    /// # Errors
    /// `WouldBlock` when none has arrived; other errors of the socket.
    pub fn receive(&self, socket: &UdpSocket, batch: &mut RecvBatch) -> io::Result<usize> {
        batch.receive(socket)
    }

    /// Sends `bytes` as one datagram, or segmented into datagrams of `segment` bytes each, the last of which may be shorter.
    ///
    /// # Errors
    /// `WouldBlock` if the send buffer is full; otherwise the system refuses the datagram.
    pub fn send(
        &self,
        socket: &UdpSocket,
        bytes: &[u8],
        segment: Option<u16>,
        (remote, local): (&SockAddr, Option<IpAddr>),
    ) -> io::Result<()> {
        match send_from(socket, bytes, segment, remote, local) {
            // The machine may have lost that address.
            Err(e)
                if local.is_some()
                    && matches!(e.raw_os_error(), Some(libc::EINVAL | libc::EADDRNOTAVAIL | libc::ENODEV)) =>
            {
                send_from(socket, bytes, segment, remote, None)
            }
            other => other,
        }
    }

    /// Whether an error of a segmented send means that no path of the socket supports them: the network card neither segments
    /// nor computes checksums.
    pub fn cannot_segment(error: &io::Error) -> bool {
        error.raw_os_error() == Some(libc::EIO)
    }
}

fn set_int(fd: RawFd, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads `len` bytes of `value`, which lives through the call.
    let result = unsafe { libc::setsockopt(fd, level, option, (&raw const value).cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Buffers for the datagrams of one call.
pub struct RecvBatch {
    slots: Vec<[u8; SLOT]>,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<ControlBuffer>,
    parts: Vec<libc::iovec>,
    messages: Vec<libc::mmsghdr>,
    /// The wall clock when the last call returned, in ns.
    read_at: i128,
}

// SAFETY: the pointers lead to memory that the batch owns, and only its holder uses them.
unsafe impl Send for RecvBatch {}

impl RecvBatch {
    /// An empty batch.
    pub fn new() -> RecvBatch {
        // SAFETY: all-zero bytes are valid values of these C structs.
        let (name, part, message) = unsafe { (zeroed(), zeroed::<libc::iovec>(), zeroed()) };
        RecvBatch {
            slots: vec![[0; SLOT]; BATCH],
            names: vec![name; BATCH],
            controls: vec![ControlBuffer([0; 128]); BATCH],
            parts: vec![part; BATCH],
            messages: vec![message; BATCH],
            read_at: 0,
        }
    }

    /// Receives what waits in the socket. After a call that does not [fill](RecvBatch::is_full_of) the batch, nothing waits.
    fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        for (i, message) in self.messages.iter_mut().enumerate() {
            self.parts[i] = libc::iovec { iov_base: self.slots[i].as_mut_ptr().cast(), iov_len: SLOT };
            let header = &mut message.msg_hdr;
            header.msg_name = (&raw mut self.names[i]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_iov = &raw mut self.parts[i];
            header.msg_iovlen = 1;
            header.msg_control = self.controls[i].0.as_mut_ptr().cast();
            header.msg_controllen = size_of::<ControlBuffer>() as _;
        }
        // SAFETY: every pointer in the messages leads to memory of the stated length that `self` owns.
        let received = unsafe {
            let (messages, none) = (self.messages.as_mut_ptr(), std::ptr::null_mut());
            libc::recvmmsg(socket.as_raw_fd(), messages, BATCH as libc::c_uint, 0, none)
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        self.read_at = wall_clock();
        Ok(received)
    }

    /// Whether more datagrams may wait after a call that received this many.
    pub fn is_full_of(received: usize) -> bool {
        received == BATCH
    }

    /// Datagram `i` of those received last; `None` if it has no source address.
    pub fn datagram(&mut self, i: usize) -> Option<(DatagramArrival, &mut [u8])> {
        let message = &self.messages[i];
        let len = message.msg_len as usize;
        let name_len = message.msg_hdr.msg_namelen;
        // SAFETY: the kernel has written `name_len` bytes of the name, which `try_init` reads as its family states.
        let (_, from) = unsafe {
            SockAddr::try_init(|storage, storage_len| {
                storage.cast::<libc::sockaddr_storage>().write(self.names[i]);
                *storage_len = name_len;
                Ok(())
            })
            .ok()?
        };
        // SAFETY: `recvmmsg` has filled the header, and `self` owns its control buffer.
        let info = unsafe { PacketInfo::read(&message.msg_hdr) };
        let waited = info.arrived_at.map_or(0, |at| (self.read_at - at).max(0) / 1000);
        let waited = Micros(u64::try_from(waited).unwrap_or(u64::MAX));
        Some((
            DatagramArrival { len, from: from.as_socket()?, local: info.local, waited },
            &mut self.slots[i][..len.min(SLOT)],
        ))
    }
}

fn wall_clock() -> i128 {
    // SAFETY: all-zero bytes are a valid time, and the call writes to it.
    let time = unsafe {
        let mut time: libc::timespec = zeroed();
        libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time);
        time
    };
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}

/// What a datagram's control messages contain.
#[derive(Default)]
struct PacketInfo {
    local: Option<IpAddr>,
    /// In ns of the wall clock.
    arrived_at: Option<i128>,
}

impl PacketInfo {
    /// # Safety
    /// The message's control buffer must be live and filled by the kernel.
    unsafe fn read(message: &libc::msghdr) -> PacketInfo {
        let mut found = PacketInfo::default();
        // SAFETY: the caller guarantees the control buffer; the macros stay within it, and data is read unaligned.
        unsafe {
            let mut header = libc::CMSG_FIRSTHDR(message);
            while let Some(h) = header.as_ref() {
                let data = libc::CMSG_DATA(h);
                match (h.cmsg_level, h.cmsg_type) {
                    (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                        let info: libc::in_pktinfo = data.cast::<libc::in_pktinfo>().read_unaligned();
                        found.local = Some(Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()).into());
                    }
                    (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                        let info: libc::in6_pktinfo = data.cast::<libc::in6_pktinfo>().read_unaligned();
                        found.local = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                    }
                    (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                        let time: libc::timespec = data.cast::<libc::timespec>().read_unaligned();
                        found.arrived_at = Some(i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec));
                    }
                    _ => {}
                }
                header = libc::CMSG_NXTHDR(message, h);
            }
        }
        found
    }
}

fn send_from(
    socket: &UdpSocket,
    bytes: &[u8],
    segment: Option<u16>,
    remote: &SockAddr,
    local: Option<IpAddr>,
) -> io::Result<()> {
    let mut control = ControlBuffer([0; 128]);
    // The kernel only reads through these pointers; receiving uses the same types.
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: an all-zero message header is one without name, parts and control.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_name = remote.as_ptr().cast_mut().cast();
    message.msg_namelen = remote.len();
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    let mut controls = ControlMessages { control: &mut control, used: 0 };
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
    if let Some(segment) = segment {
        controls.put(libc::SOL_UDP, libc::UDP_SEGMENT, segment);
    }
    let used = controls.used;
    if used > 0 {
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = used as _;
    }
    // SAFETY: name, bytes and control live through the call and have the lengths that the message states.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Writes control messages one after the other.
struct ControlMessages<'a> {
    control: &'a mut ControlBuffer,
    used: usize,
}

impl ControlMessages<'_> {
    fn put<T: Copy>(&mut self, level: libc::c_int, kind: libc::c_int, data: T) {
        // Two messages fit, each with its header and padding.
        const { assert!(2 * (size_of::<libc::cmsghdr>() + size_of::<T>() + 16) <= size_of::<ControlBuffer>()) };
        let len = size_of::<T>() as libc::c_uint;
        // SAFETY: the assertion ensures that header and data fit after the previous message; `control` and the space of
        // each message are multiples of the header's alignment.
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
