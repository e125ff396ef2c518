//! The classic packet: rtjam units of before play in a room of this server.
//!
//! A thread of its own owns a socket for classic packets, and speaks to the media threads over loopback as musicians' ends
//! do: each classic musician has a session there (`speaker`), and one more hears the room (`ear`). So the media
//! threads know nothing of it.
//!
//! | module | what lives there |
//! |---|---|
//! | `bridge` | the thread |
//! | `sources`, `gate` | who may play, and what may be sent to whom |
//! | `speaker`, `ear` | into the room, and out of it; how packets become ours and theirs is `rtjam_protocol::classic` |
//! | `outbox` | what goes to classic sources in a round, many packets a call |
//! | `figures` | numbers |
//!
//! Sources are addresses: nobody can tell who they are. See `sources` for what bounds the harm.

mod bridge;
mod ear;
mod figures;
mod gate;
mod outbox;
mod sources;
mod speaker;

pub use figures::{ClassicFigures, ClassicTotals};

use crate::Failure;
use crate::clock::Clock;
use crate::listen::BoundAddress;
use crate::lobby::Input;
use crate::media;
use crate::statistics::SessionFigures;
use crate::thread_exit::ExitGuard;
use crossbeam_channel::Sender;
use mio::{Poll, Waker};
use rtjam_protocol::RoomName;
use rtjam_protocol::classic::ClientId;
use rtjam_protocol::room::NewSession;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::mpsc;

/// Where classic packets are taken, where nothing else is said: the port beside the server's own.
pub const DEFAULT_ADDRESS: &str = "0.0.0.0:7892";

/// Who may play how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassicSettings {
    /// Where classic packets are taken.
    pub listen: SocketAddr,
    /// The room that they play in.
    pub room: RoomName,
}

/// What the classic thread wants of the lobby.
#[derive(Debug)]
pub enum Ask {
    /// A seat for a source that plays.
    Seat(SocketAddr, ClientId),
    /// To hear the room.
    Ear,
}

/// What the lobby says to it.
pub enum Answer {
    /// The source has this seat; how long its loop takes is told to these figures.
    Seated(SocketAddr, NewSession, Arc<SessionFigures>),
    /// There is none.
    TurnedAway(SocketAddr),
    /// This session hears the room.
    Ear(NewSession),
    /// The server ends.
    Stop,
}

/// The lobby's end of the thread.
#[derive(Clone)]
pub struct Desk {
    /// The room that they play in.
    pub room: RoomName,
    /// What the thread counts.
    pub figures: Arc<ClassicFigures>,
    answers: Sender<Answer>,
    waker: Arc<Waker>,
}

impl Desk {
    /// Tells the thread.
    pub fn tell(&self, answer: Answer) {
        // Either fails only when the thread has ended.
        let _ = self.answers.send(answer);
        let _ = self.waker.wake();
    }
}

/// The running thread. Dropping it ends it.
pub struct ClassicThread {
    desk: Desk,
    thread: Option<JoinHandle<()>>,
}

impl Drop for ClassicThread {
    fn drop(&mut self) {
        self.desk.tell(Answer::Stop);
        // Fails when the thread panicked, which it has printed.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Opens the socket for classic packets.
///
/// # Errors
/// When the address cannot be had.
pub fn bind(listen: SocketAddr) -> Result<UdpSocket, Failure> {
    let cannot = |e: io::Error| {
        let port = listen.port();
        let what = match e.kind() {
            io::ErrorKind::AddrInUse => format!("UDP port {port} is taken"),
            io::ErrorKind::AddrNotAvailable => format!("this machine has no address {}", listen.ip()),
            _ => format!("{listen} cannot be had ({e})"),
        };
        Failure::new(format!(
            "Classic packets cannot be taken: {what}. Choose another address with --classic IP:PORT; the port must differ \
             from that of --listen."
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
    clock: Clock,
    lobby: mpsc::Sender<Input>,
    limit_loopback: bool,
    notice: ExitGuard,
) -> io::Result<(ClassicThread, Desk)> {
    let media = bound.first().map_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), |b| reachable(b.address));
    let inner = UdpSocket::bind(SocketAddr::new(media.ip(), 0))?;
    inner.set_nonblocking(true)?;
    let poll = Poll::new()?;
    let waker = Arc::new(Waker::new(poll.registry(), bridge::WAKE)?);
    let (answers, receiver) = crossbeam_channel::unbounded();
    let figures = Arc::<ClassicFigures>::default();
    let desk = Desk { room, figures: figures.clone(), answers, waker };
    let bridge = bridge::Bridge::new(bridge::Parts {
        poll,
        classic: socket,
        room: inner,
        media,
        clock,
        lobby,
        answers: receiver,
        limit_loopback,
        figures,
    })?;
    let builder = std::thread::Builder::new().name("classic".to_owned()).stack_size(256 * 1024);
    let thread = builder.spawn(move || {
        let _notice = notice;
        // What a media thread says of it holds here, too.
        media::ask_for_real_time(false);
        media::sleep_precisely();
        bridge.run();
    })?;
    Ok((ClassicThread { desk: desk.clone(), thread: Some(thread) }, desk))
}

/// An address of this machine that leads to a socket.
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
    fn a_port_that_is_taken_is_named() {
        let first = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let address = first.local_addr().expect("bound");
        let sentence = bind(address).expect_err("taken").to_string();
        assert!(sentence.contains(&format!("UDP port {} is taken", address.port())), "{sentence}");
        assert!(sentence.contains("--classic IP:PORT"), "{sentence}");
    }

    #[test]
    fn its_end_is_told() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let bound = crate::listen::bind(Some(&[any]), 1).expect("a free pair");
        let (notices, mut ends) = crate::thread_exit::ExitNotifier::new();
        let room = RoomName::new("lobby").expect("a name");
        let (lobby, _inputs) = mpsc::channel(8);
        let socket = bind(any).expect("a free port");
        let started = start(socket, room, &bound, Clock::start(), lobby, false, notices.guard("classic"));
        let (thread, desk) = started.expect("started");
        assert!(ends.try_recv().is_err());
        desk.tell(Answer::Stop);
        assert_eq!(ends.blocking_recv(), Some("classic"));
        drop(thread);
    }

    #[test]
    fn the_media_threads_are_reached_whatever_they_listen_on() {
        for (listens, reached) in [("0.0.0.0:5", "127.0.0.1:5"), ("[::]:5", "[::1]:5"), ("192.0.2.1:5", "192.0.2.1:5")]
        {
            let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
            assert_eq!(reachable(address(listens)), address(reached));
        }
    }
}
