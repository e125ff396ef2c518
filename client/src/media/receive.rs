//! The thread `jam-recv`: waits for datagrams, opens them, hands audio to the engine and the rest to `jam-send`.

use crate::clock::Clock;
use crate::priority;
use crate::trace::Arrival;
use crate::wake::Wake;
use crossbeam_channel::{Receiver, Sender};
use rtjam_engine::Incoming;
use rtjam_protocol::Micros;
use rtjam_protocol::datagram::{Frame, MAX_DATAGRAM};
use rtjam_protocol::seal::ReceiveKey;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// News for `jam-recv`.
pub(crate) enum Ear {
    /// Listen here from now on, and nowhere else.
    Socket(Arc<UdpSocket>),
    /// Open by this from now on.
    Key(Box<ReceiveKey>, Arc<LastHeard>),
    /// There is nothing to listen to until there is a new socket and key.
    Deaf,
    /// End.
    Stop,
}

/// When a datagram of a session last opened. Datagrams come by the thousand; `jam-send` looks here when it is awake
/// anyway.
#[derive(Debug, Default)]
pub(crate) struct LastHeard(AtomicU64);

impl LastHeard {
    /// The time, once something was heard.
    pub(crate) fn get(&self) -> Option<Micros> {
        // Nothing is heard at the clock's very origin: a session takes longer than that to make.
        Some(self.0.load(Relaxed)).filter(|t| *t != 0).map(Micros)
    }

    fn set(&self, now: Micros) {
        self.0.store(now.0, Relaxed);
    }
}

/// A frame that is no audio, for the session.
pub(crate) struct Note {
    /// The session that it is of.
    pub(crate) of: Arc<LastHeard>,
    pub(crate) arrived: Micros,
    pub(crate) frame: Frame<'static>,
}

/// What `jam-recv` works with.
pub(crate) struct Receive {
    clock: Clock,
    incoming: Incoming,
    notes: Sender<Note>,
    wake: Wake,
    socket: Option<Arc<UdpSocket>>,
    key: Option<(Box<ReceiveKey>, Arc<LastHeard>)>,
    tape: Option<Sender<Arrival>>,
}

/// The body of `jam-recv`. `notes` and `tape` must be bounded: what does not fit is dropped, as the network might have.
pub(crate) fn run(
    clock: Clock,
    incoming: Incoming,
    news: Receiver<Ear>,
    notes: Sender<Note>,
    tape: Option<Sender<Arrival>>,
    wake: Wake,
) {
    // `jam-send` tells when this is not permitted; what holds for it holds for us.
    let _ = priority::raise();
    let mut receive = Receive { clock, incoming, notes, wake, socket: None, key: None, tape };
    // One more than is taken, so that what is too long is not taken for what fits.
    let mut buffer = [0; MAX_DATAGRAM + 1];
    loop {
        let came = receive.wait(&mut buffer);
        // A sender that is gone is as good as `Stop`.
        let mut word =
            if receive.socket.is_some() { news.try_recv().ok() } else { news.recv().ok().or(Some(Ear::Stop)) };
        // The news first: what came may be the answer to a key that lies here.
        while let Some(news_item) = word {
            match news_item {
                Ear::Stop => return,
                Ear::Socket(socket) => receive.socket = Some(socket),
                Ear::Key(key, heard) => receive.key = Some((key, heard)),
                Ear::Deaf => (receive.socket, receive.key) = (None, None),
            }
            word = news.try_recv().ok();
        }
        if let Some((arrived, len)) = came {
            receive.take(arrived, &mut buffer[..len]);
        }
    }
}

impl Receive {
    /// Waits for one datagram, at most the socket's timeout: when it came, and its length.
    fn wait(&self, buffer: &mut [u8]) -> Option<(Micros, usize)> {
        match self.socket.as_ref()?.recv_from(buffer) {
            // Whence it came does not matter: it opens or it does not.
            Ok((len, _)) => (len <= MAX_DATAGRAM).then(|| (self.clock.now(), len)),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => None,
            // Windows tells here that an earlier datagram was not wanted where it went.
            Err(e) if e.kind() == ErrorKind::ConnectionReset => None,
            Err(_) => {
                // An adapter that went away may fail every call at once; `jam-send` will open another socket.
                std::thread::sleep(Duration::from_millis(5));
                None
            }
        }
    }

    /// What does not open is dropped without a trace: it may be anybody's.
    fn take(&mut self, arrived: Micros, datagram: &mut [u8]) {
        let Some((key, heard)) = &mut self.key else { return };
        let Ok(opened) = key.open(datagram) else { return };
        let first = heard.get().is_none();
        heard.set(arrived);
        let mut wake = first;
        for frame in opened.frames() {
            if let Frame::Audio(audio) = &frame {
                if let Some(tape) = &self.tape {
                    let _ = tape.try_send(Arrival { at: arrived, header: audio.header });
                }
                // The engine counts what it does not take.
                let _ = self.incoming.push(arrived, audio);
            } else if let Some(frame) = owned(&frame) {
                let note = Note { of: Arc::clone(heard), arrived, frame };
                wake |= self.notes.try_send(note).is_ok();
            }
        }
        if wake {
            self.wake.wake();
        }
    }
}

/// A frame that borrows nothing; `None` for audio, and for the keep-alive, which says no more than that it came.
fn owned(frame: &Frame<'_>) -> Option<Frame<'static>> {
    match *frame {
        Frame::Audio(_) | Frame::KeepAlive => None,
        Frame::ClockRequest(c) => Some(Frame::ClockRequest(c)),
        Frame::ClockReply(c) => Some(Frame::ClockReply(c)),
        Frame::PathChallenge(data) => Some(Frame::PathChallenge(data)),
        Frame::PathResponse(data) => Some(Frame::PathResponse(data)),
        Frame::Goodbye => Some(Frame::Goodbye),
        Frame::ClockReport(c) => Some(Frame::ClockReport(c)),
        Frame::Probe(p) => Some(Frame::Probe(p)),
        Frame::ProbeReply(p) => Some(Frame::ProbeReply(p)),
    }
}
