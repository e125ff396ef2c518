//! Checks ports, kernel buffers and segmentation offload.

use super::Finding;
use crate::media::socket::SOCKET_BUFFER;
use crate::platform::{REPORTED_BUFFER_FACTOR, check_receive_offload, check_send_offload};
use crate::{data_dir, listen};
use socket2::SockRef;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;

/// Checks whether the server could listen on its addresses.
pub(super) fn ports(listen: Option<&[SocketAddr]>, data: &Path) -> Finding {
    const PART: &str = "ports";
    match listen::bind(listen, 1) {
        Ok(bound) => {
            let addresses: Vec<String> = bound.iter().map(|b| b.address.to_string()).collect();
            Finding::good(PART, format!("{} are free, TCP and UDP", addresses.join(" and ")))
        }
        // The check runs beside the server itself.
        Err(_) if data.is_dir() && data_dir::lock(data).is_err() => Finding::good(
            PART,
            "in use by the rtjam-server on this data folder; stop it to check whether they are free otherwise",
        ),
        Err(error) => Finding::bad(PART, "are not free", error.to_string()),
    }
}

/// Checks the size of the buffers that the kernel grants.
pub(super) fn buffers() -> Finding {
    let granted = || -> io::Result<(usize, usize)> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let options = SockRef::from(&socket);
        options.set_recv_buffer_size(SOCKET_BUFFER)?;
        options.set_send_buffer_size(SOCKET_BUFFER)?;
        let usable = |reported: usize| reported / REPORTED_BUFFER_FACTOR;
        Ok((usable(options.recv_buffer_size()?), usable(options.send_buffer_size()?)))
    };
    match granted() {
        Ok((receive, send)) => judge_buffers(receive, send),
        Err(e) => Finding::warn(BUFFERS, format!("cannot be requested ({e})"), "Let this program open UDP sockets."),
    }
}

const BUFFERS: &str = "kernel buffers";

fn judge_buffers(receive: usize, send: usize) -> Finding {
    let seen = format!("{} KiB to receive, {} KiB to send", receive / 1024, send / 1024);
    let too_small: Vec<String> = [("rmem_max", receive), ("wmem_max", send)]
        .iter()
        .filter(|(_, granted)| *granted < SOCKET_BUFFER)
        .map(|(name, _)| format!("net.core.{name} = {SOCKET_BUFFER}"))
        .collect();
    if too_small.is_empty() {
        return Finding::good(BUFFERS, seen);
    }
    let lines = too_small.join("\\n");
    Finding::warn(
        BUFFERS,
        format!("{seen}; the server asks for {} KiB", SOCKET_BUFFER / 1024),
        format!(
            "Packets are lost when this machine stalls briefly. Allow larger buffers: printf '{lines}\\n' | sudo tee \
             /etc/sysctl.d/60-rtjam.conf && sudo sysctl --system"
        ),
    )
}

/// Checks whether one system call can send several datagrams, and one can receive them.
pub(super) fn segmentation() -> Finding {
    const PART: &str = "GSO and GRO";
    match (check_send_offload(), check_receive_offload()) {
        (Ok(()), Ok(())) => Finding::good(PART, "a batch of packets costs one system call"),
        (Ok(()), Err(e)) => Finding::warn(
            PART,
            format!("packets are sent in batches but received one by one ({e})"),
            "The server works with fewer musicians. Linux 5.0 or later has UDP GRO.",
        ),
        (Err(e), _) => Finding::warn(
            PART,
            format!("every packet costs a system call ({e})"),
            "The server works with fewer musicians. Linux 4.18 or later has UDP GSO; some containers forbid it.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::TempDir;
    use rtjam_check::Verdict;

    #[test]
    fn advice_names_the_sysctl_of_small_buffers() {
        let small = judge_buffers(212_992, SOCKET_BUFFER);
        let advice = small.advice.expect("something to do");
        assert_eq!(small.verdict, Verdict::Warn);
        assert!(advice.contains("net.core.rmem_max = 4194304") && !advice.contains("wmem_max"), "{advice}");
        assert_eq!(judge_buffers(SOCKET_BUFFER, SOCKET_BUFFER).verdict, Verdict::Good);
        assert!(buffers().seen.contains("KiB to receive"));
    }

    #[test]
    fn ports_of_the_own_server_are_good() {
        let dir = TempDir::new();
        let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        assert_eq!(ports(Some(&[any]), &dir.0).verdict, Verdict::Good);
        let bound = listen::bind(Some(&[any]), 1).expect("a free pair");
        let taken = [bound[0].address];
        let finding = ports(Some(&taken), &dir.0);
        assert_eq!(finding.verdict, Verdict::Bad);
        assert!(finding.advice.is_some_and(|a| a.contains("is taken")));
        data_dir::create(&dir.0).expect("a folder");
        let _server = data_dir::lock(&dir.0).expect("locked");
        assert_eq!(ports(Some(&taken), &dir.0).verdict, Verdict::Good);
    }

    #[test]
    fn segmentation_is_tested_on_real_sockets() {
        let finding = segmentation();
        assert_eq!(finding.verdict == Verdict::Good, check_send_offload().is_ok() && check_receive_offload().is_ok());
    }
}
