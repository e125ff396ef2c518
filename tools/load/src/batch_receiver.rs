//! Receives many datagrams at once, each with the time at which the kernel put it into the socket.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

/// The most datagrams of one call.
const BATCH: usize = 64;

/// Longer than every datagram of the server, in bytes.
const LONGEST: usize = 1500;

/// The buffer that is requested for a socket: one second of 40 musicians, in bytes.
const BUFFER: libc::c_int = 16 * 1024 * 1024;

/// Buffers for one call; serves all sockets of a thread.
pub struct BatchReceiver {
    bytes: Vec<[u8; LONGEST]>,
    // `messages` has pointers to these; none of them is ever resized.
    controls: Vec<[u64; 8]>,
    parts: Vec<libc::iovec>,
    messages: Vec<libc::mmsghdr>,
}

impl Default for BatchReceiver {
    fn default() -> BatchReceiver {
        let mut bytes = vec![[0; LONGEST]; BATCH];
        let controls = vec![[0; 8]; BATCH];
        let part = |b: &mut [u8; LONGEST]| libc::iovec { iov_base: b.as_mut_ptr().cast(), iov_len: LONGEST };
        let parts = bytes.iter_mut().map(part).collect();
        // SAFETY: zero is a valid value of this plain C struct.
        let messages = (0..BATCH).map(|_| unsafe { std::mem::zeroed() }).collect();
        BatchReceiver { bytes, controls, parts, messages }
    }
}

// SAFETY: its pointers point to its own heap memory, which moves to another thread with it and which nothing else uses.
unsafe impl Send for BatchReceiver {}

impl BatchReceiver {
    /// Passes every datagram that waits in `socket` to `take`, with its timestamp in ns of the wall clock.
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
        // SAFETY: every pointer in the messages points to memory of the stated length, which `self` keeps alive.
        let received = unsafe {
            let (first, none) = (self.messages.as_mut_ptr(), std::ptr::null_mut());
            libc::recvmmsg(socket.as_raw_fd(), first, BATCH as libc::c_uint, flags, none)
        };
        // An error means that nothing waits, or that an earlier datagram was not delivered.
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

/// Enlarges the receive buffer of a socket and enables timestamps.
///
/// # Errors
/// When the kernel refuses.
pub fn prepare(socket: &UdpSocket) -> io::Result<()> {
    enlarge_buffer(socket)?;
    set(socket, libc::SO_TIMESTAMPNS, 1)
}

/// Enlarges the receive buffer of a socket, so that it loses nothing while the machine is busy.
///
/// # Errors
/// When the kernel refuses.
pub fn enlarge_buffer(socket: &UdpSocket) -> io::Result<()> {
    // Root can exceed the system's limit; others get at most that.
    set(socket, libc::SO_RCVBUFFORCE, BUFFER).or_else(|_| set(socket, libc::SO_RCVBUF, BUFFER))
}

fn set(socket: &UdpSocket, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let len = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the option's value is an int that outlives the call.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const value).cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The number of datagrams that the kernel dropped because this socket was full.
pub fn drops(socket: &UdpSocket) -> u32 {
    /// The index of the drops in `SO_MEMINFO`, the last of its values.
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
    fn datagrams_arrive_in_order_with_timestamps() {
        let (receiver, outlet) = pair();
        prepare(&receiver).expect("stamps");
        for n in 0..200_u8 {
            outlet.send(&[n]).expect("sent");
        }
        let (mut got, mut last) = (Vec::new(), 0);
        BatchReceiver::default().drain(&receiver, |datagram, stamp| {
            assert!(stamp >= last && stamp > 0);
            last = stamp;
            got.push(datagram[0]);
        });
        assert_eq!(got, (0..200).collect::<Vec<u8>>());
        assert_eq!(drops(&receiver), 0);
    }

    #[test]
    fn drops_of_a_full_socket_are_counted() {
        let (receiver, outlet) = pair();
        set(&receiver, libc::SO_RCVBUF, 4096).expect("set");
        for _ in 0..100 {
            outlet.send(&[0; 1000]).expect("sent");
        }
        let mut got = 0;
        BatchReceiver::default().drain(&receiver, |_, _| got += 1);
        assert_eq!(got + drops(&receiver), 100);
        assert!(got < 100);
    }
}
