//! Receiving many datagrams at once, each with the moment at which the kernel had it for the socket.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

/// Datagrams of one call.
const BATCH: usize = 64;

/// No datagram is longer; what fills it is not ours.
const LONGEST: usize = 1500;

/// Asked of the kernel for a socket: a second of 40 musicians.
const BUFFER: libc::c_int = 16 * 1024 * 1024;

/// Room for what one call receives. One for all sockets of a thread.
pub struct Inlet {
    bytes: Vec<[u8; LONGEST]>,
    // What the pointers in `messages` lead to; neither is ever resized.
    controls: Vec<[u64; 8]>,
    parts: Vec<libc::iovec>,
    messages: Vec<libc::mmsghdr>,
}

impl Default for Inlet {
    fn default() -> Inlet {
        let mut bytes = vec![[0; LONGEST]; BATCH];
        let controls = vec![[0; 8]; BATCH];
        let part = |b: &mut [u8; LONGEST]| libc::iovec { iov_base: b.as_mut_ptr().cast(), iov_len: LONGEST };
        let parts = bytes.iter_mut().map(part).collect();
        // SAFETY: all-zero is a valid value of this plain C struct.
        let messages = (0..BATCH).map(|_| unsafe { std::mem::zeroed() }).collect();
        Inlet { bytes, controls, parts, messages }
    }
}

// SAFETY: its pointers lead to its own heap memory, which moves with it to another thread and which nothing else knows.
unsafe impl Send for Inlet {}

impl Inlet {
    /// Hands every datagram that waits in `socket`, and its stamp in ns of the wall clock, to `take`.
    pub fn drain(&mut self, socket: &UdpSocket, mut take: impl FnMut(&mut [u8], u64)) {
        loop {
            let received = self.receive(socket);
            for i in 0..received {
                let message = &self.messages[i];
                let len = (message.msg_len as usize).min(LONGEST);
                let stamp = stamp(&message.msg_hdr).unwrap_or_default();
                take(&mut self.bytes[i][..len], stamp);
            }
            if received < BATCH {
                return;
            }
        }
    }

    fn receive(&mut self, socket: &UdpSocket) -> usize {
        for (i, message) in self.messages.iter_mut().enumerate() {
            message.msg_hdr.msg_iov = &raw mut self.parts[i];
            message.msg_hdr.msg_iovlen = 1;
            message.msg_hdr.msg_control = self.controls[i].as_mut_ptr().cast();
            message.msg_hdr.msg_controllen = size_of::<[u64; 8]>() as _;
        }
        let flags = libc::MSG_DONTWAIT as _;
        // SAFETY: every pointer in the messages leads to memory of the stated length, which `self` keeps alive.
        let received = unsafe {
            let (first, none) = (self.messages.as_mut_ptr(), std::ptr::null_mut());
            libc::recvmmsg(socket.as_raw_fd(), first, BATCH as libc::c_uint, flags, none)
        };
        // Nothing there, or that something sent before was not taken: neither is anyone's datagram.
        usize::try_from(received).unwrap_or(0)
    }
}

fn stamp(message: &libc::msghdr) -> Option<u64> {
    // SAFETY: the kernel has filled the control buffer; the CMSG functions stay within it.
    unsafe {
        let mut part = libc::CMSG_FIRSTHDR(message);
        while let Some(header) = part.as_ref() {
            if header.cmsg_level == libc::SOL_SOCKET && header.cmsg_type == libc::SCM_TIMESTAMPNS {
                let time = libc::CMSG_DATA(part).cast::<libc::timespec>().read_unaligned();
                return Some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64);
            }
            part = libc::CMSG_NXTHDR(message, part);
        }
        None
    }
}

/// Makes a socket hold much, and stamp what it gets.
///
/// # Errors
/// When the kernel gives no stamps.
pub fn prepare(socket: &UdpSocket) -> io::Result<()> {
    hold_much(socket)?;
    set(socket, libc::SO_TIMESTAMPNS, 1)
}

/// Makes a socket hold what comes while the machine is busy elsewhere.
///
/// # Errors
/// When the kernel refuses.
pub fn hold_much(socket: &UdpSocket) -> io::Result<()> {
    // Root may have more than the system's limit; others get what that allows.
    set(socket, libc::SO_RCVBUFFORCE, BUFFER).or_else(|_| set(socket, libc::SO_RCVBUF, BUFFER))
}

fn set(socket: &UdpSocket, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let len = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the option's value is an int that lives during the call.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const value).cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Datagrams that this socket had no room for.
pub fn drops(socket: &UdpSocket) -> u32 {
    /// Where `SO_MEMINFO` has them, and how many numbers it has.
    const DROPS: usize = 8;
    let mut numbers = [0_u32; DROPS + 1];
    let mut len = size_of_val(&numbers) as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes into `numbers`.
    let result = unsafe {
        let to = numbers.as_mut_ptr().cast();
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_MEMINFO, to, &raw mut len)
    };
    if result == 0 { numbers[DROPS] } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (UdpSocket, UdpSocket) {
        let [a, b] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a socket"));
        b.connect(a.local_addr().expect("bound")).expect("connected");
        (a, b)
    }

    #[test]
    fn all_that_waits_comes_in_order_with_its_stamp() {
        let (inlet, outlet) = pair();
        prepare(&inlet).expect("stamps");
        for n in 0..200_u8 {
            outlet.send(&[n]).expect("sent");
        }
        let (mut got, mut last) = (Vec::new(), 0);
        Inlet::default().drain(&inlet, |datagram, stamp| {
            assert!(stamp >= last && stamp > 0);
            last = stamp;
            got.push(datagram[0]);
        });
        assert_eq!(got, (0..200).collect::<Vec<u8>>());
        assert_eq!(drops(&inlet), 0);
    }

    #[test]
    fn what_did_not_fit_into_the_socket_is_counted() {
        let (inlet, outlet) = pair();
        set(&inlet, libc::SO_RCVBUF, 4096).expect("set");
        for _ in 0..100 {
            outlet.send(&[0; 1000]).expect("sent");
        }
        let mut got = 0;
        Inlet::default().drain(&inlet, |_, _| got += 1);
        assert_eq!(got + drops(&inlet), 100);
        assert!(got < 100);
    }
}
