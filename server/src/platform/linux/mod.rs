//! Linux.

mod offload;
mod reuseport;
mod udp;

pub use offload::{check_receive_offload, check_send_offload};
pub use reuseport::{PORTS_CAN_BE_SHARED, distribute_by_thread, share_port};
pub use udp::{RecvBatch, UdpIo};

use rtjam_platform::priority::RealTimeRole;

/// The real-time priority of media threads, in the operator's words.
pub fn real_time_priority() -> String {
    format!("SCHED_RR {}", RealTimeRole::ServerMedia.linux_priority())
}

/// Linux returns twice the usable size of a socket's buffer, which includes its own bookkeeping.
pub const REPORTED_BUFFER_FACTOR: usize = 2;

/// This process's resident memory in KiB, if the system tells.
pub fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Whether the time of day is synchronised, if the system tells.
pub fn is_clock_synchronised() -> Option<bool> {
    // SAFETY: `timex` is a struct of integers, for which zero is a valid value; with no modes the call sets nothing.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the call writes to `state`, which is valid for writes.
    let result = unsafe { libc::adjtimex(&raw mut state) };
    // TIME_ERROR means that the clock is not synchronised.
    (result >= 0).then_some(result != libc::TIME_ERROR)
}

/// The number of datagrams that the system has dropped because the buffer of a socket on one of `ports` was full; `None`
/// if it does not tell.
pub fn kernel_drops(ports: &[u16]) -> Option<u64> {
    let tables = ["/proc/self/net/udp", "/proc/self/net/udp6"].map(std::fs::read_to_string);
    let lines: Vec<String> = tables.into_iter().flatten().collect();
    if lines.is_empty() {
        return None;
    }
    Some(lines.iter().map(|table| drops_in(table, ports)).sum())
}

/// Sums the drops in a table of sockets. Its second column is `ADDRESS:PORT` in hexadecimal digits, its last the drops.
fn drops_in(table: &str, ports: &[u16]) -> u64 {
    let of_line = |line: &str| {
        let port = line.split_whitespace().nth(1)?.rsplit(':').next()?;
        let port = u16::from_str_radix(port, 16).ok().filter(|port| ports.contains(port));
        port.and(line.split_whitespace().last()?.parse::<u64>().ok())
    };
    table.lines().skip(1).filter_map(of_line).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn kernel_drops_are_summed_by_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
                     1: 0100007F:1ED3 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 5 2 0 17\n\
                     2: 0100007F:1ED4 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 6 2 0 4\n";
        assert_eq!((drops_in(table, &[7891]), drops_in(table, &[7891, 7892]), drops_in(table, &[1])), (17, 21, 0));
    }

    #[test]
    fn drops_of_a_full_socket_are_counted() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("bound");
        assert_eq!(kernel_drops(&[address.port()]), Some(0));
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
        for _ in 0..100_000 {
            sender.send_to(&[0; 1000], address).expect("sent");
            if kernel_drops(&[address.port()]).is_some_and(|drops| drops > 0) {
                return;
            }
        }
        panic!("a hundred thousand datagrams fitted into a socket's buffer");
    }

    #[test]
    fn resident_memory_is_known() {
        assert!(resident_kib().is_some());
    }
}
