//! The thread `jam-recv`: waits for datagrams, opens them, hands audio to the engine and the rest to `jam-send`.

use super::classic::ClassicEar;
use crate::clock::Clock;
use crate::priority;
use crate::shared::Shared;
use crate::trace::Arrival;
use crate::wake::Wake;
use crossbeam_channel::{Receiver, Sender};
use rtjam_engine::{Console, Incoming};
use rtjam_protocol::Micros;
use rtjam_protocol::audio::AudioFrame;
use rtjam_protocol::datagram::{FRAME_HEADER_LEN, Frame, MAX_DATAGRAM, MixedMusician};
use rtjam_protocol::retransmit::{self, Feedback, ReceiverReport};
use rtjam_protocol::seal::{ReceiveKey, Rejected};
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// News for `jam-recv`.
pub(crate) enum Ear {
    /// Listen here from now on, and nowhere else.
    Socket(Arc<UdpSocket>),
    /// Open by this from now on.
    Key(Box<ReceiveKey>, Arc<LastHeard>),
    /// Hear a classic server from now on: nothing opens, nothing is sealed.
    Classic(Box<ClassicEar>),
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

    pub(super) fn set(&self, now: Micros) {
        self.0.store(now.0, Relaxed);
    }
}

/// Something for the session.
pub(crate) struct Note {
    /// The session that it is of.
    pub(crate) of: Arc<LastHeard>,
    pub(crate) arrived: Micros,
    pub(crate) what: What,
}

/// What a note says.
pub(crate) enum What {
    /// A frame that is no audio came.
    Came(Frame<'static>),
    /// How the musicians of the mix stand, as the server hears them.
    Mixed(Vec<MixedMusician>),
    /// So many datagrams did not open that nothing is opened any more.
    Exhausted,
    /// This is missing of what the server sends: tell it.
    Misses(Feedback),
}

/// What `jam-recv` works with, apart from socket and session.
pub(crate) struct Ways {
    pub(crate) clock: Clock,
    pub(crate) incoming: Incoming,
    /// Tells how long musicians wait to be heard.
    pub(crate) console: Console,
    pub(crate) shared: Arc<Shared>,
    /// Must be bounded: what does not fit is dropped, as the network might have.
    pub(crate) notes: Sender<Note>,
    /// Must be bounded likewise; there while a trace is recorded.
    pub(crate) tape: Option<Sender<Arrival>>,
    pub(crate) wake: Wake,
}

struct Receive {
    ways: Ways,
    socket: Option<Arc<UdpSocket>>,
    session: Option<Session>,
}

/// Whom we listen to.
enum Session {
    Sealed(Heard),
    Classic(Box<ClassicEar>),
}

/// A session as heard here.
struct Heard {
    key: Box<ReceiveKey>,
    last: Arc<LastHeard>,
    misses: retransmit::LossDetector,
}

/// The body of `jam-recv`.
pub(crate) fn run(ways: Ways, news: Receiver<Ear>) {
    // `jam-send` tells when this is not permitted; what holds for it holds for us.
    let _ = priority::raise();
    let mut receive = Receive { ways, socket: None, session: None };
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
                Ear::Key(key, last) => {
                    receive.ways.shared.heard_nothing_yet();
                    let misses = retransmit::LossDetector::default();
                    receive.session = Some(Session::Sealed(Heard { key, last, misses }));
                }
                Ear::Classic(ear) => {
                    receive.ways.shared.heard_nothing_yet();
                    receive.session = Some(Session::Classic(ear));
                }
                Ear::Deaf => (receive.socket, receive.session) = (None, None),
            }
            word = news.try_recv().ok();
        }
        if let Some((arrived, from, len)) = came {
            let Receive { ways, session, .. } = &mut receive;
            match session {
                Some(Session::Sealed(heard)) => heard.take(ways, arrived, &mut buffer[..len]),
                Some(Session::Classic(ear)) => ear.take(ways, arrived, from, &buffer[..len]),
                None => {}
            }
        }
    }
}

impl Receive {
    /// Waits for one datagram, at most the socket's timeout: when it came, whence, and its length.
    fn wait(&self, buffer: &mut [u8]) -> Option<(Micros, SocketAddr, usize)> {
        match self.socket.as_ref()?.recv_from(buffer) {
            Ok((len, from)) => (len <= MAX_DATAGRAM).then(|| (self.ways.clock.now(), from, len)),
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
}

impl Heard {
    /// What does not open is dropped without a trace: it may be anybody's. Whence it came does not matter.
    fn take(&mut self, ways: &mut Ways, arrived: Micros, datagram: &mut [u8]) {
        let Heard { key, last, misses } = self;
        let size = datagram.len();
        let Ways { incoming, console, shared, notes, tape, wake, .. } = ways;
        let opened = match key.open(arrived, datagram) {
            Ok(opened) => opened,
            Err(Rejected::Exhausted) => {
                // Said for each datagram: what does not fit is said again with the next.
                if notes.try_send(Note { of: Arc::clone(last), arrived, what: What::Exhausted }).is_ok() {
                    wake.wake();
                }
                return;
            }
            Err(_) => return,
        };
        let mut news = last.get().is_none();
        last.set(arrived);
        let mut note = |what| news |= notes.try_send(Note { of: Arc::clone(last), arrived, what }).is_ok();
        for frame in opened.frames() {
            match &frame {
                Frame::Audio(audio) => {
                    if let Some(tape) = tape {
                        let _ = tape.try_send(Arrival { at: arrived, header: audio.header });
                    }
                    // The engine counts what it does not take.
                    let _ = incoming.push(arrived, audio);
                }
                Frame::Copy(audio) => {
                    let _ = incoming.push_retransmitted(arrived, audio);
                    shared.came_again(FRAME_HEADER_LEN + AudioFrame::HEADER_LEN + audio.payload.len());
                }
                Frame::MixReport(report) => note(What::Mixed(report.iter().collect())),
                frame => owned(frame).into_iter().for_each(|frame| note(What::Came(frame))),
            }
        }
        misses.handle_datagram(arrived, &opened.header, size);
        while let Some(feedback) = misses.poll_feedback(arrived, || told(console)) {
            note(What::Misses(feedback));
        }
        shared.did_not_come(misses.lost());
        if news {
            wake.wake();
        }
    }
}

/// What the server should know of everyone heard: how much later than usual they may come, and what was recovered.
fn told(console: &Console) -> ReceiverReport {
    let mut told = ReceiverReport::default();
    for voice in console.voices() {
        told.recovered += voice.recovered;
        if voice.active {
            told.waits.add(voice.source, Micros((f64::from(voice.late_tolerance_ms) * 1000.0) as u64));
        }
    }
    told
}

/// A frame that borrows nothing; `None` for audio, new or again, for reports, which are told otherwise, and for the
/// keep-alive, which says no more than that it came. Clock reports are ignored.
fn owned(frame: &Frame<'_>) -> Option<Frame<'static>> {
    match *frame {
        Frame::Audio(_) | Frame::Copy(_) | Frame::MixReport(_) | Frame::KeepAlive | Frame::ClockReport(_) => None,
        Frame::ClockRequest(c) => Some(Frame::ClockRequest(c)),
        Frame::ClockReply(c) => Some(Frame::ClockReply(c)),
        Frame::PathChallenge(data) => Some(Frame::PathChallenge(data)),
        Frame::PathResponse(data) => Some(Frame::PathResponse(data)),
        Frame::Goodbye => Some(Frame::Goodbye),
        Frame::Probe(p) => Some(Frame::Probe(p)),
        Frame::ProbeReply(p) => Some(Frame::ProbeReply(p)),
        Frame::Feedback(f) => Some(Frame::Feedback(f)),
    }
}
