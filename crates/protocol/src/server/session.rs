//! The server's end of one client's media session.
//!
//! [`ServerSession`] opens the client's datagrams, validates its network path, and replies to its session frames. The
//! driver must pass every datagram whose header names the session to [`ServerSession::handle_datagram`]. After that, and at
//! the time of [`ServerSession::poll_timeout`], it must call [`ServerSession::poll_transmit`] until that returns `None`,
//! and send each datagram to the returned address.
//!
//! An address receives nothing but challenges until it has returned one. Only a datagram that opens and is the newest of
//! its lane causes a challenge, which is not larger than the datagram. There are at most four challenges a second. So
//! forged and replayed datagrams neither change the path nor make the server send to strangers.

use super::forward::{ForwardSummary, forwardable_frames};
use crate::datagram::{ClockReply, DatagramClass, FRAME_HEADER_LEN, Frame, Probe, write_frame};
use crate::ids::{SessionId, SourceId};
use crate::retransmit::{DuplicateFilter, Feedback, LossDetector, ReceiverReport};
use crate::seal::{Lane, ReceiveKey, Rejected, SendLane};
use crate::time::{Micros, SESSION_TIMEOUT};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// The longest interval without a datagram to the client.
pub const KEEP_ALIVE_EVERY: Micros = Micros::from_millis(200);

/// Datagrams of the earlier session arrive within this time after the first one of the new session.
const TAKEOVER_TIME: Micros = Micros::from_secs(1);

/// Minimum interval between challenges.
const CHALLENGE_EVERY: Micros = Micros::from_millis(250);

/// The most replies that wait to be sent. Further requests are ignored.
const MAX_PENDING_REPLIES: usize = 8;

/// Rate and burst of the feedback that is processed. Clients send at most one frame for each lane every 5 ms.
const FEEDBACK_INTERVAL: Micros = Micros(250);
const MAX_FEEDBACK_BURST: u32 = 128;

/// The most addresses with a pending challenge. An attacker who copies datagrams can occupy one of them, and must not keep
/// the client from another one.
const MAX_CANDIDATES: usize = 4;

/// A datagram that opened.
pub struct ReceivedDatagram<'d> {
    /// The plaintext: frames.
    pub plain: &'d mut [u8],
    /// Whether the client leaves.
    pub goodbye: bool,
    /// The new media address, if it changed.
    pub moved_to: Option<SocketAddr>,
    /// Feedback, for the media thread whose lane it concerns.
    pub feedback: Option<Feedback>,
}

/// The server's end of one client's media session.
pub struct ServerSession {
    session: SessionId,
    receive: ReceiveKey,
    send: SendLane,
    epoch: u32,
    path: Option<SocketAddr>,
    candidates: VecDeque<PathCandidate>,
    last_challenge: Option<Micros>,
    began: Micros,
    first_received: Option<Micros>,
    last_received: Micros,
    last_sent: Micros,
    pending: VecDeque<Reply>,
    ending: bool,
    loss_detector: LossDetector,
    duplicates: DuplicateFilter,
    recovered: u64,
    /// Retransmit wait of the client's listeners.
    wait: Micros,
    /// Feedback frames that may be processed, and when that was last credited.
    feedback_credit: u32,
    feedback_credited: Micros,
}

struct PathCandidate {
    address: SocketAddr,
    challenge: [u8; 8],
}

/// A reply that waits to be sent.
enum Reply {
    Clock(ClockReply),
    Probe(Probe),
    Challenge(SocketAddr, [u8; 8]),
}

impl ServerSession {
    /// Creates a session without a path. Only the thread that drives the session may use the lane of `send`. `epoch` is the
    /// one of the room's clock.
    pub fn new(now: Micros, receive: ReceiveKey, send: SendLane, epoch: u32) -> ServerSession {
        ServerSession {
            session: receive.session(),
            receive: receive.limit_lanes(Lane::UPLINK.len()),
            send,
            epoch,
            path: None,
            candidates: VecDeque::new(),
            last_challenge: None,
            began: now,
            first_received: None,
            last_received: now,
            last_sent: now,
            pending: VecDeque::new(),
            ending: false,
            loss_detector: LossDetector::default(),
            duplicates: DuplicateFilter::default(),
            recovered: 0,
            wait: Micros::ZERO,
            feedback_credit: MAX_FEEDBACK_BURST,
            feedback_credited: now,
        }
    }

    /// The session's id.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// The validated media address; `None` before an address has returned a challenge.
    pub fn path(&self) -> Option<SocketAddr> {
        self.path
    }

    /// Inherits the validated path of an earlier session of the same member.
    pub fn inherit_path(&mut self, path: Option<SocketAddr>) {
        self.path = path;
    }

    /// Whether the session has been receiving for so long that the session it replaces can end.
    pub fn has_taken_over(&self, now: Micros) -> bool {
        self.first_received.is_some_and(|at| now.since(at) >= TAKEOVER_TIME)
    }

    /// Whether the session's keys have reached their lifetime, so that the client needs another session.
    pub fn keys_expired(&self, now: Micros) -> bool {
        self.receive.key_lifetime().is_some_and(|lifetime| now.since(self.began) >= lifetime)
    }

    /// Whether the limit of failed attempts has been reached, so that the session must end.
    pub fn is_exhausted(&self) -> bool {
        self.receive.is_exhausted()
    }

    /// Whether nothing has arrived for [`SESSION_TIMEOUT`].
    pub fn is_gone(&self, now: Micros) -> bool {
        now.since(self.last_received) >= SESSION_TIMEOUT
    }

    /// Opens a datagram of this session. `challenge` returns fresh entropy; it is called only to challenge a new address.
    ///
    /// # Errors
    /// When the datagram is not authentic or not fresh. Then nothing changes and nothing is sent.
    pub fn handle_datagram<'d>(
        &mut self,
        now: Micros,
        from: SocketAddr,
        datagram: &'d mut [u8],
        challenge: impl FnOnce() -> [u8; 8],
    ) -> Result<ReceivedDatagram<'d>, Rejected> {
        let size = datagram.len();
        let opened = self.receive.open(now, datagram)?;
        self.last_received = now;
        self.first_received.get_or_insert(now);
        self.loss_detector.handle_datagram(now, &opened.header, size);
        if opened.newest && self.path != Some(from) {
            self.challenge_address(now, from, size, challenge);
        }
        let (mut goodbye, mut moved_to, mut reply, mut feedback) = (false, None, None, None);
        for frame in opened.frames() {
            match frame {
                Frame::Goodbye => goodbye = true,
                Frame::PathResponse(data) => moved_to = self.validate_path(from, data).or(moved_to),
                Frame::ClockRequest(c) => {
                    reply = Some(Reply::Clock(ClockReply {
                        asked: c.sent,
                        received: now,
                        replied: now,
                        epoch: self.epoch,
                    }));
                }
                Frame::Feedback(f) if self.takes_feedback(now) => feedback = Some(f),
                // A reply must not be larger than its request.
                Frame::Probe(p) if usize::from(p.size) <= size => reply = Some(Reply::Probe(p)),
                _ => {}
            }
        }
        // One reply for each datagram, regardless of its number of requests.
        if let Some(reply) = reply {
            self.queue_reply(from, reply);
        }
        Ok(ReceivedDatagram { plain: opened.plain, goodbye, moved_to, feedback })
    }

    /// Selects the frames that the room receives, see [`forwardable_frames`].
    pub fn forwardable_frames(&mut self, plain: &[u8], source: SourceId, out: &mut Vec<u8>) -> ForwardSummary {
        let summary = forwardable_frames(plain, source, &mut self.duplicates, out);
        self.recovered += summary.recovered;
        summary
    }

    /// Whether the address is the path or has a pending challenge. Anybody can forge a datagram from any address.
    pub fn knows(&self, address: SocketAddr) -> bool {
        self.path == Some(address) || self.candidates.iter().any(|c| c.address == address)
    }

    /// Sets the retransmit wait that the client is told.
    pub fn set_wait(&mut self, wait: Micros) {
        self.wait = wait;
    }

    /// Queues a goodbye.
    pub fn end(&mut self) {
        self.ending = true;
    }

    /// Writes the next datagram to `out`. Returns its destination.
    pub fn poll_transmit(&mut self, now: Micros, out: &mut Vec<u8>) -> Option<SocketAddr> {
        let (frame, to) = self.next_frame(now)?;
        self.send.seal(DatagramClass::Session, out, |out| write_frame(&frame, out));
        if self.path == Some(to) {
            self.last_sent = now;
        }
        Some(to)
    }

    /// When the next keep-alive or feedback, or [`ServerSession::is_gone`], is due.
    pub fn poll_timeout(&self) -> Micros {
        let gone = self.last_received + SESSION_TIMEOUT;
        if self.path.is_none() {
            return gone;
        }
        let feedback = self.loss_detector.poll_timeout().unwrap_or(gone);
        gone.min(self.last_sent + KEEP_ALIVE_EVERY).min(feedback)
    }

    fn next_frame(&mut self, now: Micros) -> Option<(Frame<'static>, SocketAddr)> {
        while let Some(reply) = self.pending.pop_front() {
            let (frame, to) = match reply {
                Reply::Challenge(to, data) => (Frame::PathChallenge(data), Some(to)),
                Reply::Clock(c) => (Frame::ClockReply(ClockReply { replied: now, ..c }), self.path),
                Reply::Probe(p) => (Frame::ProbeReply(p), self.path),
            };
            if let Some(to) = to {
                return Some((frame, to));
            }
        }
        let path = self.path?;
        if core::mem::take(&mut self.ending) {
            return Some((Frame::Goodbye, path));
        }
        let report = || {
            let mut report = ReceiverReport { recovered: self.recovered, ..ReceiverReport::default() };
            report.waits.add(SourceId(0), self.wait);
            report
        };
        if let Some(feedback) = self.loss_detector.poll_feedback(now, report) {
            return Some((Frame::Feedback(feedback), path));
        }
        (now.since(self.last_sent) >= KEEP_ALIVE_EVERY).then_some((Frame::KeepAlive, path))
    }

    fn challenge_address(&mut self, now: Micros, from: SocketAddr, size: usize, challenge: impl FnOnce() -> [u8; 8]) {
        let too_soon = self.last_challenge.is_some_and(|last| now.since(last) < CHALLENGE_EVERY);
        if too_soon || size < CHALLENGE_LEN {
            return;
        }
        // An address keeps its challenge, because the response may take longer than the interval between challenges.
        let known = self.candidates.iter().find(|c| c.address == from).map(|c| c.challenge);
        let challenge = known.unwrap_or_else(challenge);
        if known.is_none() {
            self.candidates.truncate(MAX_CANDIDATES - 1);
            self.candidates.push_front(PathCandidate { address: from, challenge });
        }
        self.last_challenge = Some(now);
        self.pending.push_back(Reply::Challenge(from, challenge));
    }

    fn validate_path(&mut self, from: SocketAddr, data: [u8; 8]) -> Option<SocketAddr> {
        let proven = self.candidates.iter().any(|c| c.address == from && c.challenge == data);
        if !proven {
            return None;
        }
        // A late response from another address must not change the path again.
        self.candidates.clear();
        self.path = Some(from);
        self.path
    }

    fn takes_feedback(&mut self, now: Micros) -> bool {
        let earned = now.since(self.feedback_credited).0 / FEEDBACK_INTERVAL.0;
        self.feedback_credit =
            self.feedback_credit.saturating_add(u32::try_from(earned).unwrap_or(u32::MAX)).min(MAX_FEEDBACK_BURST);
        if earned > 0 {
            self.feedback_credited = now;
        }
        let left = self.feedback_credit.checked_sub(1);
        self.feedback_credit = left.unwrap_or(0);
        left.is_some()
    }

    fn queue_reply(&mut self, from: SocketAddr, reply: Reply) {
        if self.path == Some(from) && self.pending.len() < MAX_PENDING_REPLIES {
            self.pending.push_back(reply);
        }
    }
}

/// Length of a datagram with only a challenge.
const CHALLENGE_LEN: usize = crate::datagram::DATAGRAM_OVERHEAD + FRAME_HEADER_LEN + 8;
