//! SO_REUSEPORT: several sockets share a port, and the kernel delivers each datagram to the socket of the thread that
//! owns its session.

use socket2::Socket;
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

/// Offset of the session id's byte that names the media thread: after class, key id and lane.
const THREAD_BYTE: u32 = 3;

/// Whether several sockets can share a port, and the system distributes datagrams among them by their contents.
pub const PORTS_CAN_BE_SHARED: bool = true;

/// Lets other sockets of this user bind the same port.
///
/// # Errors
/// When the kernel refuses.
pub fn share_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

/// Attaches the distribution program to all sockets that share the port of `socket`. Datagrams for thread n go to the
/// n-th of the `sockets` that were bound; other datagrams go to any of them. The program stays attached as long as the
/// sockets are open.
///
/// # Errors
/// When the kernel refuses.
pub fn distribute_by_thread(socket: &UdpSocket, sockets: u8) -> io::Result<()> {
    let instruction = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    // A datagram that is too short ends the program with 0: the first socket receives and drops it.
    let mut program = [
        instruction(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, THREAD_BYTE),
        instruction(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, u32::from(sockets.max(1))),
        instruction(libc::BPF_RET | libc::BPF_A, 0),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the kernel copies the program, which lives through the call and has the stated length.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
