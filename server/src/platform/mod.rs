//! What differs between operating systems: the only place that asks for which one the server is built. What the client
//! needs too is in the crate `rtjam_platform`.
//!
//! | module | systems | contents |
//! |---|---|---|
//! | `linux` | Linux | many datagrams in one system call, several sockets on one port, what `/proc` tells |
//! | `portable` | all others | one datagram or one segmented send in a call, one socket on a port |
//! | `unix`, `macos`, `windows` | Linux and macOS; macOS; Windows | signals, limits, memory, disks, listening sockets |

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::*;

#[cfg(not(target_os = "linux"))]
mod portable;
#[cfg(not(target_os = "linux"))]
pub use portable::*;

#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
pub use macos::*;

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub use unix::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub use windows::*;

use rtjam_protocol::Micros;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// How a datagram arrived.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DatagramArrival {
    /// Its length; one byte more than the maximum if it was longer.
    pub len: usize,
    /// Its sender.
    pub from: SocketAddr,
    /// The local address to which it was sent, for a socket that listens on all addresses.
    pub local: Option<IpAddr>,
    /// How long it waited in the socket's buffer, where the system reports it. Measured by the wall clock, so it is wrong if
    /// that is set meanwhile.
    pub waited: Micros,
}

/// Logs that a media socket works without an option that the system refuses.
pub fn log_refusal(what: &str, result: io::Result<()>) {
    if let Err(e) = result {
        tracing::debug!("the system refuses {what} for a media socket ({e}); the server works without");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    /// The time of a thread grows while it works and not while it sleeps.
    #[test]
    fn cpu_time_counts_work_only() {
        let used = || thread_cpu_time().expect("this system tells");
        let before = used();
        std::thread::sleep(Duration::from_millis(300));
        assert!(used().since(before) < Micros::from_millis(200));
        let (begun, mut x) = (Instant::now(), 1_u64);
        while used() == before && begun.elapsed() < Duration::from_secs(10) {
            x = std::hint::black_box(x.wrapping_mul(3));
        }
        assert!(used() > before);
    }

    #[test]
    fn memory_and_disk_are_plausible() {
        assert!(resident_kib().is_none_or(|kib| (1024..10_000_000).contains(&kib)));
        assert!(free_disk_space(&std::env::temp_dir()).expect("this system tells") > 0);
        assert_eq!(free_disk_space("/no/such/folder".as_ref()), None);
    }

    /// A listening socket keeps its port for itself.
    #[test]
    fn claimed_ports_are_not_shared() {
        use socket2::{Domain, Socket, Type};
        let socket = || {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
            claim_port(&socket).expect("accepted");
            socket
        };
        let (first, second) = (socket(), socket());
        first.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
        let taken = first.local_addr().expect("bound");
        assert_eq!(second.bind(&taken).expect_err("taken").kind(), io::ErrorKind::AddrInUse);
    }
}
