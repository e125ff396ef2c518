//! Sockets that share a port: the kernel lays each datagram into the one whose thread owns its session.

use std::io;
use std::net::UdpSocket;

/// Where the byte of the session id lies that names its thread: after class, key id and lane.
#[cfg(target_os = "linux")]
const THREAD_BYTE: u32 = 3;

/// Whether this system can steer.
pub const CAN_STEER: bool = cfg!(target_os = "linux");

/// Steers all sockets on the port of `socket`: datagrams of thread n go to the n-th of the `sockets` that were bound,
/// and all that is none of ours to some of them. Holds as long as they are open.
///
/// # Errors
/// When the kernel refuses.
#[cfg(target_os = "linux")]
pub fn steer(socket: &UdpSocket, sockets: u8) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;

    let instruction = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    // A datagram that is too short ends the program with 0: the first socket drops it.
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

/// Never called: such systems have one thread.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn steer(_: &UdpSocket, _: u8) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
