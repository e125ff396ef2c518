//! The thread `jam-recv`: receives and opens datagrams, hands audio to the engine and everything else to `jam-send`.

use super::channel::{Channels, LastHeard, RecvEvent, RecvEventKind};
use super::legacy::LegacyReceiver;
use crate::threads;
use crate::trace::PacketArrival;
use crossbeam_channel::Receiver;
use rtjam_engine::Console;
use rtjam_protocol::Micros;
use rtjam_protocol::audio::AudioFrame;
use rtjam_protocol::datagram::{FRAME_HEADER_LEN, Frame, MAX_DATAGRAM};
use rtjam_protocol::retransmit::{self, ReceiverReport};
use rtjam_protocol::seal::{ReceiveKey, Rejected};
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

/// A command for `jam-recv`.
pub(crate) enum RecvCommand {
    /// Receives from this socket and no other.
    Socket(Arc<UdpSocket>),
    /// Opens datagrams by this key: a new session.
    Key(Box<ReceiveKey>, Arc<LastHeard>),
    /// Receives legacy packets, which are not sealed.
    Legacy(Box<LegacyReceiver>),
    /// Drops socket and session until there are new ones.
    Idle,
    /// Ends the thread.
    Stop,
}

/// The body of `jam-recv`.
pub(crate) fn run(channels: Channels, commands: Receiver<RecvCommand>) {
    // `jam-send` reports if this is not permitted.
    let _ = threads::raise_priority();
    let mut receive = Receive { channels, socket: None, session: None };
    // One byte more than the limit, so that a longer datagram is not mistaken for one that fits.
    let mut buffer = [0; MAX_DATAGRAM + 1];
    loop {
        let received = receive.wait(&mut buffer);
        // A dropped sender means `Stop`.
        let mut next = if receive.socket.is_some() {
            commands.try_recv().ok()
        } else {
            commands.recv().ok().or(Some(RecvCommand::Stop))
        };
        // Commands first: the datagram may need the key that waits here.
        while let Some(command) = next {
            match command {
                RecvCommand::Stop => return,
                RecvCommand::Socket(socket) => receive.socket = Some(socket),
                RecvCommand::Key(key, last_heard) => {
                    receive.channels.shared.reset_session_counts();
                    let feedback = retransmit::LossDetector::default();
                    receive.session = Some(Session::Sealed(SealedReceiver { key, last_heard, feedback }));
                }
                RecvCommand::Legacy(legacy) => {
                    receive.channels.shared.reset_session_counts();
                    receive.session = Some(Session::Legacy(legacy));
                }
                RecvCommand::Idle => (receive.socket, receive.session) = (None, None),
            }
            next = commands.try_recv().ok();
        }
        if let Some((arrived, from, len)) = received {
            let Receive { channels, session, .. } = &mut receive;
            match session {
                Some(Session::Sealed(sealed)) => sealed.handle_datagram(channels, arrived, &mut buffer[..len]),
                Some(Session::Legacy(legacy)) => legacy.handle_datagram(channels, arrived, from, &buffer[..len]),
                None => {}
            }
        }
    }
}

struct Receive {
    channels: Channels,
    socket: Option<Arc<UdpSocket>>,
    session: Option<Session>,
}

enum Session {
    Sealed(SealedReceiver),
    Legacy(Box<LegacyReceiver>),
}

struct SealedReceiver {
    key: Box<ReceiveKey>,
    last_heard: Arc<LastHeard>,
    feedback: retransmit::LossDetector,
}

impl Receive {
    /// Waits for one datagram, at most the socket's timeout. Returns its arrival, sender and length.
    fn wait(&self, buffer: &mut [u8]) -> Option<(Micros, SocketAddr, usize)> {
        match self.socket.as_ref()?.recv_from(buffer) {
            Ok((len, from)) => (len <= MAX_DATAGRAM).then(|| (self.channels.clock.now(), from, len)),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => None,
            // On Windows: an earlier datagram was rejected by its receiver.
            Err(e) if e.kind() == ErrorKind::ConnectionReset => None,
            Err(_) => {
                // Without its adapter a socket may fail every call at once; `jam-send` will open another one.
                std::thread::sleep(Duration::from_millis(5));
                None
            }
        }
    }
}

impl SealedReceiver {
    /// Drops a datagram that does not open: anybody may have sent it. The sender's address does not matter.
    fn handle_datagram(&mut self, channels: &mut Channels, arrived: Micros, datagram: &mut [u8]) {
        let SealedReceiver { key, last_heard, feedback } = self;
        let size = datagram.len();
        let Channels { incoming, console, shared, events, trace, wake, .. } = channels;
        let opened = match key.open(arrived, datagram) {
            Ok(opened) => opened,
            Err(Rejected::Exhausted) => {
                // Repeated with every datagram, so an event that does not fit is not missed.
                let (session, kind) = (Arc::clone(last_heard), RecvEventKind::KeyExhausted);
                if events.try_send(RecvEvent { session, arrived, kind }).is_ok() {
                    wake.wake();
                }
                return;
            }
            Err(_) => return,
        };
        let mut wakes = last_heard.get().is_none();
        last_heard.set(arrived);
        let mut send =
            |kind| wakes |= events.try_send(RecvEvent { session: Arc::clone(last_heard), arrived, kind }).is_ok();
        for frame in opened.frames() {
            match &frame {
                Frame::Audio(audio) => {
                    if let Some(trace) = trace {
                        let _ = trace.try_send(PacketArrival { at: arrived, header: audio.header });
                    }
                    // The engine counts the packets that it has no room for.
                    let _ = incoming.push(arrived, audio);
                }
                Frame::Copy(audio) => {
                    let _ = incoming.push_retransmitted(arrived, audio);
                    shared.add_retransmitted(FRAME_HEADER_LEN + AudioFrame::HEADER_LEN + audio.payload.len());
                }
                Frame::MixReport(report) => send(RecvEventKind::MixReport(report.iter().collect())),
                frame => owned(frame).into_iter().for_each(|frame| send(RecvEventKind::Frame(frame))),
            }
        }
        feedback.handle_datagram(arrived, &opened.header, size);
        while let Some(feedback) = feedback.poll_feedback(arrived, || voice_report(console)) {
            send(RecvEventKind::Feedback(feedback));
        }
        shared.set_lost(feedback.lost());
        if wakes {
            wake.wake();
        }
    }
}

/// What the server should know of the voices here: how much later than usual a packet may arrive, and how many packets
/// retransmission has recovered.
fn voice_report(console: &Console) -> ReceiverReport {
    let mut report = ReceiverReport::default();
    for voice in console.voices() {
        report.recovered += voice.recovered;
        if voice.active {
            report.waits.add(voice.source, Micros((f64::from(voice.late_tolerance_ms) * 1000.0) as u64));
        }
    }
    report
}

/// The frame without borrows, if the session has a use for it: of a keep-alive all that counts is its arrival.
fn owned(frame: &Frame<'_>) -> Option<Frame<'static>> {
    Some(match *frame {
        Frame::ClockReply(reply) => Frame::ClockReply(reply),
        Frame::PathChallenge(data) => Frame::PathChallenge(data),
        Frame::Goodbye => Frame::Goodbye,
        Frame::ProbeReply(probe) => Frame::ProbeReply(probe),
        Frame::Feedback(feedback) => Frame::Feedback(feedback),
        _ => return None,
    })
}
