//! The server's end of one musician's media: opens what they send, keeps their path, answers what is theirs alone.
//!
//! Driver's contract: every datagram whose header names this session goes to [`Peer::handle_datagram`];
//! then, and whenever [`Peer::poll_timeout`] has passed, [`Peer::poll_transmit`] is called until it returns
//! `None`, and each datagram goes to the address returned with it.
//!
//! No address gets audio, or any byte but a challenge, before it has returned a challenge. A challenge is
//! caused by a datagram that opened and was the newest of its lane, is no larger than that, and comes at most
//! four times a second. So neither a forged nor a replayed datagram moves anything or makes a stranger hear us.

use crate::audio::AudioFrame;
use crate::datagram::{Class, ClockReply, FRAME_HEADER_LEN, Frame, Probe, kind, raw_frames, write_frame, write_raw};
use crate::ids::{SessionId, SourceId};
use crate::recovery::{self, Feedback, Seen, Told};
use crate::seal::{ReceiveKey, Rejected, SendLane};
use crate::time::Micros;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// Without an authenticated datagram for this long a musician has left.
pub const PRUNE_AFTER: Micros = Micros::from_secs(5);

/// A session gets something at least this often.
pub const KEEP_ALIVE_EVERY: Micros = Micros::from_millis(200);

/// What was on its way when the client began to use a new session arrives within this.
const TAKES_OVER_WITHIN: Micros = Micros::from_secs(1);

/// Challenges are at least this far apart.
const CHALLENGE_EVERY: Micros = Micros::from_millis(250);

/// Answers that wait for `poll_transmit`; more than that and the asker asks too much.
const MAX_WAITING: usize = 8;

/// Feedback from one musician is read so often, and so many in a row: they send one a lane every 5 ms at the most.
const FEEDBACK_EVERY: Micros = Micros(250);
const MOST_FEEDBACK: u32 = 128;

/// Lanes that a musician's end may use: one for each thread that sends. Ours uses one.
pub const MAX_UPLINK_LANES: usize = 2;

/// Addresses that may answer a challenge at a time. Someone who copies datagrams on their way can be one of them,
/// and must not keep the musician from being another.
const MAX_CANDIDATES: usize = 4;

/// What a datagram that opened was.
pub struct Heard<'d> {
    /// The frames.
    pub plain: &'d mut [u8],
    /// The musician leaves.
    pub goodbye: bool,
    /// The address that media goes to from now on, when it is another than before.
    pub moved_to: Option<SocketAddr>,
    /// What the musician misses, for the thread whose lane it is about.
    pub feedback: Option<Feedback>,
}

/// One musician's media session.
pub struct Peer {
    session: SessionId,
    receive: ReceiveKey,
    send: SendLane,
    epoch: u32,
    path: Option<SocketAddr>,
    candidates: VecDeque<Candidate>,
    last_challenge: Option<Micros>,
    /// When the session began.
    began: Micros,
    first_heard: Option<Micros>,
    last_heard: Micros,
    last_sent: Micros,
    waiting: VecDeque<Reply>,
    ending: bool,
    misses: recovery::Receiver,
    seen: Seen,
    recovered: u64,
    /// How long the musician's listeners wait for what is late.
    wait: Micros,
    /// How many more feedbacks may make work, and since when.
    allowed: u32,
    listened: Micros,
}

struct Candidate {
    address: SocketAddr,
    challenge: [u8; 8],
}

/// What waits to be sent, without a borrow.
enum Reply {
    Clock(ClockReply),
    Probe(Probe),
    Challenge(SocketAddr, [u8; 8]),
}

impl Peer {
    /// A session that has not been heard. The lane of `send` belongs to the thread that drives this peer alone. `epoch`
    /// is that of the room's clock.
    pub fn new(now: Micros, receive: ReceiveKey, send: SendLane, epoch: u32) -> Peer {
        Peer {
            session: receive.session(),
            receive: receive.limit_lanes(MAX_UPLINK_LANES),
            send,
            epoch,
            path: None,
            candidates: VecDeque::new(),
            last_challenge: None,
            began: now,
            first_heard: None,
            last_heard: now,
            last_sent: now,
            waiting: VecDeque::new(),
            ending: false,
            misses: recovery::Receiver::default(),
            seen: Seen::default(),
            recovered: 0,
            wait: Micros::ZERO,
            allowed: MOST_FEEDBACK,
            listened: now,
        }
    }

    /// The session.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Where media goes; `None` until an address has returned a challenge.
    pub fn path(&self) -> Option<SocketAddr> {
        self.path
    }

    /// Takes the path over from an earlier session of the same member: their address has been validated.
    pub fn take_path(&mut self, path: Option<SocketAddr>) {
        self.path = path;
    }

    /// Whether the session has been heard for as long as an earlier one may still be of use that it takes over from.
    pub fn has_taken_over(&self, now: Micros) -> bool {
        self.first_heard.is_some_and(|at| now.since(at) >= TAKES_OVER_WITHIN)
    }

    /// Whether the session's keys have been used for long enough: its client should get another session.
    pub fn is_worn(&self, now: Micros) -> bool {
        self.receive.key_lasts().is_some_and(|lasts| now.since(self.began) >= lasts)
    }

    /// Whether so many datagrams did not open that the session must end.
    pub fn is_exhausted(&self) -> bool {
        self.receive.is_exhausted()
    }

    /// Whether the musician has been silent for [`PRUNE_AFTER`].
    pub fn is_gone(&self, now: Micros) -> bool {
        now.since(self.last_heard) >= PRUNE_AFTER
    }

    /// Takes a datagram that names this session. `challenge` is fresh entropy, used if a path must be checked.
    ///
    /// # Errors
    /// When it is not genuine or not fresh: then nothing has changed and nothing will be sent.
    pub fn handle_datagram<'d>(
        &mut self,
        now: Micros,
        from: SocketAddr,
        datagram: &'d mut [u8],
        challenge: impl FnOnce() -> [u8; 8],
    ) -> Result<Heard<'d>, Rejected> {
        let size = datagram.len();
        let opened = self.receive.open(now, datagram)?;
        self.last_heard = now;
        self.first_heard.get_or_insert(now);
        self.misses.handle_datagram(now, &opened.header, size);
        if opened.newest && self.path != Some(from) {
            self.consider(now, from, size, challenge);
        }
        let (mut goodbye, mut moved_to, mut answer, mut feedback) = (false, None, None, None);
        for frame in opened.frames() {
            match frame {
                Frame::Goodbye => goodbye = true,
                Frame::PathResponse(data) => moved_to = self.settle(from, data).or(moved_to),
                Frame::ClockRequest(c) => {
                    answer = Some(Reply::Clock(ClockReply {
                        asked: c.sent,
                        received: now,
                        replied: now,
                        epoch: self.epoch,
                    }));
                }
                Frame::Feedback(f) if self.listens(now) => feedback = Some(f),
                // Never a larger answer than the question was.
                Frame::Probe(p) if usize::from(p.size) <= size => answer = Some(Reply::Probe(p)),
                _ => {}
            }
        }
        // One answer a datagram, however much it asks.
        if let Some(reply) = answer {
            self.answer(from, reply);
        }
        Ok(Heard { plain: opened.plain, goodbye, moved_to, feedback })
    }

    /// What others shall get of the musician's plain text, see [`forwardable`].
    pub fn forwardable(&mut self, plain: &[u8], source: SourceId, out: &mut Vec<u8>) -> Forwarded {
        let forwarded = forwardable(plain, source, &mut self.seen, out);
        self.recovered += forwarded.recovered;
        forwarded
    }

    /// Whether media goes to this address, or it has been sent a challenge. Anyone may write any address into a datagram.
    pub fn knows(&self, address: SocketAddr) -> bool {
        self.path == Some(address) || self.candidates.iter().any(|c| c.address == address)
    }

    /// The musician's listeners hear what comes so much later than usual: the least of what they said.
    pub fn set_wait(&mut self, wait: Micros) {
        self.wait = wait;
    }

    /// Of the way from the musician: datagrams that never came, and packets that only copies and resends brought.
    pub fn missed(&self) -> (u64, u64) {
        (self.misses.lost(), self.recovered)
    }

    /// Says goodbye with the next `poll_transmit`.
    pub fn end(&mut self) {
        self.ending = true;
    }

    /// Makes the next datagram in `out` and says where it goes.
    pub fn poll_transmit(&mut self, now: Micros, out: &mut Vec<u8>) -> Option<SocketAddr> {
        let (frame, to) = self.next_frame(now)?;
        self.send.seal(Class::Session, out, |out| write_frame(&frame, out));
        if self.path == Some(to) {
            self.last_sent = now;
        }
        Some(to)
    }

    /// When `poll_transmit` (keep-alive) or [`Peer::is_gone`] is next due.
    pub fn poll_timeout(&self) -> Micros {
        let gone = self.last_heard + PRUNE_AFTER;
        if self.path.is_none() {
            return gone;
        }
        let feedback = self.misses.poll_timeout().unwrap_or(gone);
        gone.min(self.last_sent + KEEP_ALIVE_EVERY).min(feedback)
    }

    fn next_frame(&mut self, now: Micros) -> Option<(Frame<'static>, SocketAddr)> {
        while let Some(reply) = self.waiting.pop_front() {
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
        let tell = || {
            let mut told = Told { recovered: self.recovered, ..Told::default() };
            told.waits.add(SourceId(0), self.wait);
            told
        };
        if let Some(feedback) = self.misses.poll_feedback(now, tell) {
            return Some((Frame::Feedback(feedback), path));
        }
        (now.since(self.last_sent) >= KEEP_ALIVE_EVERY).then_some((Frame::KeepAlive, path))
    }

    fn consider(&mut self, now: Micros, from: SocketAddr, size: usize, challenge: impl FnOnce() -> [u8; 8]) {
        let too_soon = self.last_challenge.is_some_and(|last| now.since(last) < CHALLENGE_EVERY);
        if too_soon || size < CHALLENGE_LEN {
            return;
        }
        // An address keeps its challenge: the answer may take longer than until the next one is due.
        let known = self.candidates.iter().find(|c| c.address == from).map(|c| c.challenge);
        let challenge = known.unwrap_or_else(challenge);
        if known.is_none() {
            self.candidates.truncate(MAX_CANDIDATES - 1);
            self.candidates.push_front(Candidate { address: from, challenge });
        }
        self.last_challenge = Some(now);
        self.waiting.push_back(Reply::Challenge(from, challenge));
    }

    fn settle(&mut self, from: SocketAddr, data: [u8; 8]) -> Option<SocketAddr> {
        let proven = self.candidates.iter().any(|c| c.address == from && c.challenge == data);
        if !proven {
            return None;
        }
        // None of the others may follow with a late answer.
        self.candidates.clear();
        self.path = Some(from);
        self.path
    }

    /// Whether one more feedback may make work now.
    fn listens(&mut self, now: Micros) -> bool {
        let earned = now.since(self.listened).0 / FEEDBACK_EVERY.0;
        self.allowed = self.allowed.saturating_add(u32::try_from(earned).unwrap_or(u32::MAX)).min(MOST_FEEDBACK);
        if earned > 0 {
            self.listened = now;
        }
        let left = self.allowed.checked_sub(1);
        self.allowed = left.unwrap_or(0);
        left.is_some()
    }

    fn answer(&mut self, from: SocketAddr, reply: Reply) {
        if self.path == Some(from) && self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(reply);
        }
    }
}

/// Bytes of a datagram with a challenge alone.
const CHALLENGE_LEN: usize = crate::datagram::DATAGRAM_OVERHEAD + FRAME_HEADER_LEN + 8;

/// What [`forwardable`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// There was any audio.
    pub audio: bool,
    /// Packets that had not come, and came as copies.
    pub recovered: u64,
    /// Frames of audio, for who limits their rate: at least [`SHORTEST_PACKET`] a packet, and one for 8 bytes.
    pub frames: u32,
    /// Bytes of everything that is no audio.
    pub other_bytes: u32,
}

/// Frames of the shortest audio packet.
pub const SHORTEST_PACKET: u16 = 16;

/// The frames that a packet counts for: what it says, and no less than its bytes and its trouble are worth.
fn frames_of(body: &[u8]) -> u32 {
    let said = AudioFrame::read(body).map_or(0, |a| a.header.frames);
    // Two channels of the largest samples, 4 bytes each.
    let worth = body.len().saturating_sub(AudioFrame::HEADER_LEN).div_ceil(8);
    u32::from(said.max(SHORTEST_PACKET)).max(u32::try_from(worth).unwrap_or(u32::MAX))
}

/// Copies what others shall get of a musician's plain text (audio, clock reports, MIDI) into `out`, each audio
/// frame and clock report marked as coming from `source`. Copies go on where `seen` has not seen their packets.
pub fn forwardable(plain: &[u8], source: SourceId, seen: &mut Seen, out: &mut Vec<u8>) -> Forwarded {
    let mut forwarded = Forwarded::default();
    for (kind, body) in raw_frames(plain) {
        let goes_on = match kind {
            // What this server does not know may be known to the listeners.
            kind::AUDIO => AudioFrame::read(body).map_or(true, |a| seen.original(a.header.stream, a.header.sequence)),
            kind::COPY => AudioFrame::read(body).is_ok_and(|a| seen.copy(a.header.stream, a.header.sequence)),
            kind::CLOCK_REPORT | kind::MIDI => true,
            _ => false,
        };
        if goes_on && body.len() >= 2 {
            let begin = out.len() + FRAME_HEADER_LEN;
            write_raw(kind, body, out);
            out[begin..begin + 2].copy_from_slice(&source.0.to_be_bytes());
            forwarded.audio |= matches!(kind, kind::AUDIO | kind::COPY);
            forwarded.recovered += u64::from(kind == kind::COPY);
            match kind {
                kind::AUDIO | kind::COPY => forwarded.frames = forwarded.frames.saturating_add(frames_of(body)),
                _ => forwarded.other_bytes += (FRAME_HEADER_LEN + body.len()) as u32,
            }
        }
    }
    forwarded
}
