//! The media side of a client's session: seals and retransmits audio, replies to the server, and detects silence.

use super::path_probe::PathProbe;
use crate::audio::AudioHeader;
use crate::control::{Joined, MediaEndpoint, ResumeToken, TransportKind};
use crate::datagram::{ClockRequest, DatagramClass, Frame, write_audio, write_frame};
use crate::ids::{SessionId, SourceId};
use crate::retransmit::{Feedback, PacketHistory, Retransmitter};
use crate::seal::{Crypto, Lane, ReceiveKey, SendLane};
use crate::time::Micros;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Interval of clock requests. They also keep the path open.
const CLOCK_EVERY: Micros = Micros::from_millis(125);
/// Media is blocked if nothing has arrived for this long since joining.
const BLOCKED_AFTER: Micros = Micros::from_secs(3);
/// Media is interrupted after this long without a datagram.
const INTERRUPTED_AFTER: Micros = Micros::from_millis(1000);
/// The client tries the next media endpoint after this long without an answer.
const NEXT_ENDPOINT_AFTER: Micros = Micros::from_millis(1500);

/// The server gets this much longer to replace a session whose keys expire, because it can do that without a gap.
const SERVER_RENEWAL_TIME: Micros = Micros::from_secs(5 * 60);

/// State of the media path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaHealth {
    /// Joined recently; nothing has arrived yet.
    Opening,
    /// Datagrams arrive.
    Flowing,
    /// Datagrams arrived, but not recently.
    Interrupted,
    /// Nothing has ever arrived although the control connection works: UDP is blocked.
    Blocked,
}

pub(super) struct ClientMedia {
    session: SessionId,
    resume: ResumeToken,
    send: SendLane,
    /// Indices of the usable endpoints; not empty.
    endpoints: Vec<usize>,
    /// Index into `endpoints`.
    endpoint: usize,
    endpoint_since: Micros,
    joined_at: Micros,
    /// When another session should replace this one; `None` if lanes change their keys.
    keys_expire_at: Option<Micros>,
    heard: Option<Micros>,
    /// When the server last confirmed the session on the control connection.
    alive: Micros,
    clock_at: Micros,
    path_probe: PathProbe,
    waiting: VecDeque<[u8; 8]>,
    goodbye: bool,
    history: PacketHistory,
    retransmitter: Retransmitter,
    feedback: VecDeque<Feedback>,
    /// Plaintext of a datagram.
    plain: Vec<u8>,
    frames: Vec<u8>,
}

/// The most feedback frames that wait to be sent. The oldest is dropped first.
const MAX_FEEDBACK: usize = 4;

impl ClientMedia {
    pub(super) fn new(now: Micros, joined: &Joined, crypto: Crypto) -> (ClientMedia, ReceiveKey) {
        let Joined { session, features, .. } = *joined;
        let receive = joined.keys.downlink(session, features, crypto).receive();
        let keys_expire_at = receive.key_lifetime().map(|lasts| now + lasts + SERVER_RENEWAL_TIME);
        let media = ClientMedia {
            session: joined.session,
            resume: joined.resume.clone(),
            send: joined.keys.uplink(session, features, crypto).send_lane(Lane::UPLINK[0]),
            endpoints: usable(&joined.media),
            endpoint: 0,
            endpoint_since: now,
            joined_at: now,
            keys_expire_at,
            heard: None,
            alive: now,
            clock_at: now,
            path_probe: PathProbe::new(),
            waiting: VecDeque::new(),
            goodbye: false,
            history: PacketHistory::new(SourceId(0)),
            retransmitter: Retransmitter::default(),
            feedback: VecDeque::new(),
            plain: Vec::new(),
            frames: Vec::new(),
        };
        (media, receive)
    }

    pub(super) fn session(&self) -> SessionId {
        self.session
    }

    pub(super) fn resume_token(&self) -> &ResumeToken {
        &self.resume
    }

    pub(super) fn datagram_limit(&self) -> usize {
        self.path_probe.limit()
    }

    pub(super) fn keys_expire_at(&self) -> Option<Micros> {
        self.keys_expire_at
    }

    /// When media or control last showed that the session is alive.
    pub(super) fn last_alive(&self) -> Micros {
        self.alive.max(self.heard.unwrap_or(self.joined_at))
    }

    pub(super) fn health(&self, now: Micros) -> MediaHealth {
        match self.heard {
            Some(at) if now.since(at) < INTERRUPTED_AFTER => MediaHealth::Flowing,
            Some(_) => MediaHealth::Interrupted,
            None if now.since(self.joined_at) < BLOCKED_AFTER => MediaHealth::Opening,
            None => MediaHealth::Blocked,
        }
    }

    pub(super) fn say_goodbye(&mut self) {
        self.goodbye = true;
    }

    /// The server confirmed the session on the control connection, which restarts the session timeout. No media arrived.
    pub(super) fn handle_resumed(&mut self, now: Micros, endpoints: &[MediaEndpoint]) {
        self.endpoints = usable(endpoints);
        self.alive = now;
    }

    pub(super) fn handle_heard(&mut self, now: Micros) {
        if self.heard.replace(now).is_none() {
            self.path_probe.start(now);
        }
    }

    pub(super) fn handle_frame(&mut self, now: Micros, frame: &Frame<'_>) {
        match frame {
            // A correct server never has more than two pending.
            Frame::PathChallenge(data) if self.waiting.len() < 2 => {
                self.waiting.push_back(*data);
                // The server sees a new address, so the path may have another datagram size.
                self.path_probe.restart(now);
            }
            Frame::ProbeReply(probe) => self.path_probe.take_reply(now, probe),
            Frame::Feedback(feedback) => self.retransmitter.handle_feedback(now, feedback),
            _ => {}
        }
    }

    pub(super) fn send_feedback(&mut self, feedback: &Feedback) {
        if self.feedback.len() == MAX_FEEDBACK {
            self.feedback.pop_front();
        }
        self.feedback.push_back(*feedback);
    }

    pub(super) fn retransmitter(&self) -> &Retransmitter {
        &self.retransmitter
    }

    pub(super) fn handle_timeout(&mut self, now: Micros) {
        let silent = self.heard.is_none() && now.since(self.endpoint_since) >= NEXT_ENDPOINT_AFTER;
        if silent {
            self.endpoint = (self.endpoint + 1) % self.endpoints.len();
            self.endpoint_since = now;
        }
    }

    pub(super) fn seal_audio(
        &mut self,
        now: Micros,
        header: &AudioHeader,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let (limit, endpoint) = (self.datagram_limit(), self.endpoint_index());
        let ClientMedia { send, history, retransmitter, plain, frames, .. } = self;
        plain.clear();
        frames.clear();
        write_audio(header, payload, plain);
        let packet = history.keep(now, plain)?;
        retransmitter.compose(now, packet, plain, history, limit, frames);
        let counter = send.seal(DatagramClass::Media, out, |out| out.extend_from_slice(frames));
        retransmitter.record_sent(counter, packet, now);
        Some(endpoint)
    }

    pub(super) fn poll_timeout(&self) -> Micros {
        if !self.waiting.is_empty() || self.goodbye || !self.feedback.is_empty() || self.retransmitter.has_pending() {
            return Micros::ZERO;
        }
        self.path_probe.due().map_or(self.clock_at, |at| at.min(self.clock_at))
    }

    pub(super) fn poll_transmit(&mut self, now: Micros, out: &mut Vec<u8>) -> Option<usize> {
        if self.retransmit(out) {
            return Some(self.endpoint_index());
        }
        let frame = self.next_frame(now)?;
        self.send.seal(DatagramClass::Session, out, |out| write_frame(&frame, out));
        Some(self.endpoint_index())
    }

    /// Seals the next packet to retransmit into `out`, if there is one.
    fn retransmit(&mut self, out: &mut Vec<u8>) -> bool {
        let ClientMedia { send, history, retransmitter, frames, .. } = self;
        frames.clear();
        let Some((packet, first_sent)) = retransmitter.poll_retransmit(|_| Some(history), frames) else { return false };
        let counter = send.seal(DatagramClass::Media, out, |out| out.extend_from_slice(frames));
        retransmitter.record_sent(counter, packet, first_sent);
        true
    }

    fn endpoint_index(&self) -> usize {
        self.endpoints[self.endpoint % self.endpoints.len()]
    }

    fn next_frame(&mut self, now: Micros) -> Option<Frame<'static>> {
        if let Some(data) = self.waiting.pop_front() {
            return Some(Frame::PathResponse(data));
        }
        if core::mem::take(&mut self.goodbye) {
            return Some(Frame::Goodbye);
        }
        if let Some(feedback) = self.feedback.pop_front() {
            return Some(Frame::Feedback(feedback));
        }
        if self.clock_at <= now {
            self.clock_at = now + CLOCK_EVERY;
            return Some(Frame::ClockRequest(ClockRequest { sent: now }));
        }
        self.path_probe.poll(now).map(Frame::Probe)
    }
}

fn usable(endpoints: &[MediaEndpoint]) -> Vec<usize> {
    let udp = endpoints.iter().enumerate().filter(|(_, e)| e.kind == TransportKind::Udp);
    let mut indices: Vec<usize> = udp.map(|(i, _)| i).collect();
    if indices.is_empty() {
        indices.push(0);
    }
    indices
}
