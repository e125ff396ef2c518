//! The gateway for legacy rtjam packets: older rtjam units play in a room of this server.
//!
//! A thread owns a socket for legacy packets and speaks to the media threads over loopback, as a client does. Each legacy
//! musician has a session; one more session receives the room's audio for all of them (`room_session`). The codec
//! between both kinds of packets is `rtjam_protocol::legacy`.
//!
//! | module | contents |
//! |---|---|
//! | `bridge` | the thread, and what it counts |
//! | `sources`, `probation` | who may play, and how much may be sent to whom |
//! | `room_session` | sessions with the room |
//! | `outbox` | what goes to legacy sources in a round, many packets in a system call |
//!
//! Sources are addresses, and nobody can prove who they are. See `sources` for what limits the harm.

mod bridge;
mod outbox;
mod probation;
mod room_session;
mod sources;

pub use bridge::LegacyCounters;

use crate::failure::ExitGuard;
use crate::failure::Failure;
use crate::listen::BoundAddress;
use crate::real_time::ServerClock;
use crate::real_time::request_real_time;
use crate::rooms::messages::{GatewayMailbox, GatewayReply, RoomsHandle};
use bridge::Bridge;
use rtjam_protocol::RoomName;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;

/// The default address for legacy packets: the port next to the server's own.
pub const DEFAULT_ADDRESS: &str = "0.0.0.0:7892";

/// Settings of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacySettings {
    /// Address for legacy packets.
    pub listen: SocketAddr,
    /// The room in which legacy musicians play.
    pub room: RoomName,
}

/// The running thread. Dropping it ends the thread.
pub struct LegacyThread {
    mailbox: GatewayMailbox,
    thread: Option<JoinHandle<()>>,
}

impl Drop for LegacyThread {
    fn drop(&mut self) {
        self.mailbox.send(GatewayReply::Stop);
        // Fails when the thread has panicked, which it has printed.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Opens the socket for legacy packets.
///
/// # Errors
/// When the address is not available.
pub fn bind(listen: SocketAddr) -> Result<UdpSocket, Failure> {
    let cannot = |e: io::Error| {
        let port = listen.port();
        let what = match e.kind() {
            io::ErrorKind::AddrInUse => format!("UDP port {port} is taken"),
            io::ErrorKind::AddrNotAvailable => format!("this machine has no address {}", listen.ip()),
            _ => format!("{listen} is not available ({e})"),
        };
        Failure::new(format!(
            "The server cannot receive legacy rtjam packets: {what}. Choose another address with --classic IP:PORT; the \
             port must differ from that of --listen."
        ))
    };
    let socket = UdpSocket::bind(listen).map_err(cannot)?;
    socket.set_nonblocking(true).map_err(cannot)?;
    Ok(socket)
}

/// Starts the thread on a socket of [`bind`]. `bound` is where the media threads listen.
///
/// # Errors
/// When a socket or the thread cannot be made.
pub fn start(
    socket: UdpSocket,
    room: RoomName,
    bound: &[BoundAddress],
    clock: ServerClock,
    rooms: RoomsHandle,
    limit_loopback: bool,
    notice: ExitGuard,
) -> io::Result<(LegacyThread, Arc<LegacyCounters>)> {
    let media = bound.first().map_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), |b| reachable(b.address));
    let (bridge, mailbox, counters) = Bridge::new(socket, media, clock, room, rooms, limit_loopback)?;
    let builder = std::thread::Builder::new().name("classic".to_owned()).stack_size(256 * 1024);
    let thread = builder.spawn(move || {
        let _notice = notice;
        // A media thread has logged a refusal already.
        request_real_time(false);
        bridge.run();
    })?;
    Ok((LegacyThread { mailbox, thread: Some(thread) }, counters))
}

/// An address of this machine by which a socket can be reached.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn occupied_port_is_named() {
        let first = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let address = first.local_addr().expect("bound");
        let sentence = bind(address).expect_err("taken").to_string();
        assert!(sentence.contains(&format!("UDP port {} is taken", address.port())), "{sentence}");
        assert!(sentence.contains("--classic IP:PORT"), "{sentence}");
    }

    /// The end of the thread is reported.
    #[test]
    fn end_of_thread_is_reported() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let bound = crate::listen::bind(Some(&[any]), 1).expect("a free pair");
        let (notices, mut ends) = crate::failure::ExitNotifier::new();
        let room = RoomName::new("lobby").expect("a name");
        let (rooms, _inputs) = RoomsHandle::channel();
        let socket = bind(any).expect("a free port");
        let started = start(socket, room, &bound, ServerClock::start(), rooms, false, notices.guard("classic"));
        let (thread, _) = started.expect("started");
        assert!(ends.try_recv().is_err());
        thread.mailbox.send(GatewayReply::Stop);
        assert_eq!(ends.blocking_recv(), Some("classic"));
        drop(thread);
    }

    /// The media threads can be reached whatever address they are bound to.
    #[test]
    fn unspecified_addresses_become_loopback() {
        for (listens, reached) in [("0.0.0.0:5", "127.0.0.1:5"), ("[::]:5", "[::1]:5"), ("192.0.2.1:5", "192.0.2.1:5")]
        {
            let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
            assert_eq!(reachable(address(listens)), address(reached));
        }
    }
}
