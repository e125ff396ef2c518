//! The media side of a session: seals, answers, asks, and notices silence.

use super::clock::RoomClock;
use super::probe::Prober;
use crate::audio::AudioHeader;
use crate::control::{Joined, MediaEndpoint, Token, TransportKind};
use crate::datagram::{Class, ClockReport, ClockRequest, Frame, write_audio, write_frame};
use crate::ids::{FramePosition, SessionId, SourceId, StreamId};
use crate::recovery::{self, Feedback, History};
use crate::seal::{Crypto, Lane, ReceiveKey, SendLane};
use crate::time::Micros;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Clock exchanges: 8 a second. They also keep the path open.
const CLOCK_EVERY: Micros = Micros::from_millis(125);
const REPORT_EVERY: Micros = Micros::from_secs(1);
/// Nothing heard since joining for this long: audio does not get through.
const BLOCKED_AFTER: Micros = Micros::from_secs(3);
/// Nothing heard for this long: the media path is interrupted.
const INTERRUPTED_AFTER: Micros = Micros::from_millis(1000);
/// The next media endpoint is tried after this long without an answer.
const NEXT_ENDPOINT_AFTER: Micros = Micros::from_millis(1500);
/// The audio clock's rate is told only once it has been watched for this long.
const RATE_NEEDS: Micros = Micros::from_secs(10);

/// A server that can replace a session without a gap has so much longer to do it.
const SERVERS_TURN: Micros = Micros::from_secs(5 * 60);

/// How the media path does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Joined, nothing heard yet, but it is early.
    Opening,
    /// Heard lately.
    Flowing,
    /// Was heard, but not lately.
    Interrupted,
    /// Control works, and nothing was ever heard: UDP does not get through.
    Blocked,
}

pub(super) struct Media {
    session: SessionId,
    resume: Token,
    send: SendLane,
    /// Which of the server's endpoints can be used: indices, never empty.
    endpoints: Vec<usize>,
    /// Which of `endpoints` is in use.
    endpoint: usize,
    endpoint_since: Micros,
    joined_at: Micros,
    /// When another session should take this one's place: neither end changes keys.
    worn_at: Option<Micros>,
    heard: Option<Micros>,
    /// When control last found the session alive.
    alive: Micros,
    clock_at: Micros,
    prober: Prober,
    reports: Reports,
    waiting: VecDeque<[u8; 8]>,
    goodbye: bool,
    history: History,
    again: recovery::Sender,
    feedback: VecDeque<Feedback>,
    /// A datagram's frames, before they are sealed.
    plain: Vec<u8>,
    frames: Vec<u8>,
}

/// Feedback that waits to be sent: more than that is old.
const MAX_FEEDBACK: usize = 4;

/// Where the audio timeline stands.
#[derive(Default)]
struct Reports {
    first: Option<Mark>,
    latest: Option<Mark>,
    sent_at: Option<Micros>,
}

#[derive(Clone, Copy)]
struct Mark {
    stream: StreamId,
    position: FramePosition,
    at: Micros,
}

impl Media {
    pub(super) fn new(now: Micros, joined: &Joined, crypto: Crypto) -> (Media, ReceiveKey) {
        let Joined { session, features, .. } = *joined;
        let receive = joined.keys.downlink(session, features, crypto).receive();
        let worn_at = receive.key_lasts().map(|lasts| now + lasts + SERVERS_TURN);
        let media = Media {
            session: joined.session,
            resume: joined.resume.clone(),
            send: joined.keys.uplink(session, features, crypto).send_lane(Lane(0)),
            endpoints: usable(&joined.media),
            endpoint: 0,
            endpoint_since: now,
            joined_at: now,
            worn_at,
            heard: None,
            alive: now,
            clock_at: now,
            prober: Prober::new(),
            reports: Reports::default(),
            waiting: VecDeque::new(),
            goodbye: false,
            history: History::new(SourceId(0)),
            again: recovery::Sender::new(),
            feedback: VecDeque::new(),
            plain: Vec::new(),
            frames: Vec::new(),
        };
        (media, receive)
    }

    pub(super) fn session(&self) -> SessionId {
        self.session
    }

    pub(super) fn resume_token(&self) -> &Token {
        &self.resume
    }

    pub(super) fn datagram_limit(&self) -> usize {
        self.prober.limit()
    }

    /// When the session's keys will have been used for long enough.
    pub(super) fn worn_at(&self) -> Option<Micros> {
        self.worn_at
    }

    /// When the session was last known to live, by media or by control.
    pub(super) fn last_alive(&self) -> Micros {
        self.alive.max(self.heard.unwrap_or(self.joined_at))
    }

    pub(super) fn health(&self, now: Micros) -> Health {
        match self.heard {
            Some(at) if now.since(at) < INTERRUPTED_AFTER => Health::Flowing,
            Some(_) => Health::Interrupted,
            None if now.since(self.joined_at) < BLOCKED_AFTER => Health::Opening,
            None => Health::Blocked,
        }
    }

    pub(super) fn say_goodbye(&mut self) {
        self.goodbye = true;
    }

    /// Control found the session alive: what counts as its loss begins anew. Nothing was heard for that.
    pub(super) fn handle_resumed(&mut self, now: Micros, endpoints: &[MediaEndpoint]) {
        self.endpoints = usable(endpoints);
        self.alive = now;
    }

    pub(super) fn handle_heard(&mut self, now: Micros) {
        if self.heard.replace(now).is_none() {
            self.prober.start(now);
        }
    }

    pub(super) fn handle_frame(&mut self, now: Micros, frame: &Frame<'_>) {
        match frame {
            // Two are more than an honest server has on its way at a time.
            Frame::PathChallenge(data) if self.waiting.len() < 2 => {
                self.waiting.push_back(*data);
                // The server sees us at a new address: this may be a path of another size.
                self.prober.start_anew(now);
            }
            Frame::ProbeReply(probe) => self.prober.take_reply(now, probe),
            Frame::Feedback(feedback) => self.again.handle_feedback(now, feedback),
            _ => {}
        }
    }

    /// Tells the server what is missing of what it sends.
    pub(super) fn send_feedback(&mut self, feedback: &Feedback) {
        if self.feedback.len() == MAX_FEEDBACK {
            self.feedback.pop_front();
        }
        self.feedback.push_back(*feedback);
    }

    pub(super) fn again(&self) -> &recovery::Sender {
        &self.again
    }

    pub(super) fn handle_timeout(&mut self, now: Micros) {
        let silent = self.heard.is_none() && now.since(self.endpoint_since) >= NEXT_ENDPOINT_AFTER;
        if silent {
            self.endpoint = (self.endpoint + 1) % self.endpoints.len();
            self.endpoint_since = now;
        }
    }

    pub(super) fn note_position(&mut self, stream: StreamId, position: FramePosition, at: Micros) {
        let mark = Mark { stream, position, at };
        if self.reports.first.is_none_or(|m| m.stream != stream) {
            self.reports = Reports { first: Some(mark), ..Reports::default() };
        }
        self.reports.latest = Some(mark);
    }

    pub(super) fn seal_audio(
        &mut self,
        now: Micros,
        header: &AudioHeader,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let (limit, endpoint) = (self.datagram_limit(), self.endpoint_index());
        let Media { send, history, again, plain, frames, .. } = self;
        plain.clear();
        frames.clear();
        write_audio(header, payload, plain);
        let packet = history.keep(now, plain)?;
        again.compose(now, packet, plain, history, limit, frames);
        let counter = send.seal(Class::Media, out, |out| out.extend_from_slice(frames));
        again.sent(counter, packet, now);
        Some(endpoint)
    }

    pub(super) fn poll_timeout(&self) -> Micros {
        if !self.waiting.is_empty() || self.goodbye || !self.feedback.is_empty() || self.again.has_again() {
            return Micros::ZERO;
        }
        self.prober.due().map_or(self.clock_at, |at| at.min(self.clock_at))
    }

    pub(super) fn poll_transmit(&mut self, now: Micros, clock: &RoomClock, out: &mut Vec<u8>) -> Option<usize> {
        if self.send_again(out) {
            return Some(self.endpoint_index());
        }
        let frame = self.next_frame(now, clock)?;
        self.send.seal(Class::Session, out, |out| write_frame(&frame, out));
        Some(self.endpoint_index())
    }

    /// Makes a datagram of something that is sent again, if that is due.
    fn send_again(&mut self, out: &mut Vec<u8>) -> bool {
        let Media { send, history, again, frames, .. } = self;
        frames.clear();
        let Some((packet, first_sent)) = again.poll_again(|_| Some(history), frames) else { return false };
        let counter = send.seal(Class::Media, out, |out| out.extend_from_slice(frames));
        again.sent(counter, packet, first_sent);
        true
    }

    fn endpoint_index(&self) -> usize {
        self.endpoints[self.endpoint % self.endpoints.len()]
    }

    fn next_frame(&mut self, now: Micros, clock: &RoomClock) -> Option<Frame<'static>> {
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
        if let Some(probe) = self.prober.poll(now) {
            return Some(Frame::Probe(probe));
        }
        self.reports.poll(now, clock).map(Frame::ClockReport)
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

impl Reports {
    /// A report, when one is due: at a stream's start and once a second.
    fn poll(&mut self, now: Micros, clock: &RoomClock) -> Option<ClockReport> {
        if self.sent_at.is_some_and(|at| now.since(at) < REPORT_EVERY) {
            return None;
        }
        let (first, latest) = (self.first?, self.latest?);
        let (room_time, epoch) = clock.room_time(latest.at)?;
        self.sent_at = Some(now);
        Some(ClockReport {
            source: SourceId(0),
            stream: latest.stream,
            position: latest.position,
            room_time,
            epoch,
            rate_ppb: rate_ppb(first, latest),
            beat: None,
        })
    }
}

/// How much faster than this computer's clock the audio clock runs.
fn rate_ppb(first: Mark, latest: Mark) -> i32 {
    let span = latest.at.since(first.at);
    if span < RATE_NEEDS {
        return 0;
    }
    let played = latest.position.ahead_of(first.position) as f64 / f64::from(crate::audio::WIRE_RATE);
    let seconds = span.0 as f64 / 1e6;
    ((played / seconds - 1.0) * 1e9) as i32
}
