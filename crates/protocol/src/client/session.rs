//! The state machine of a client's session.

mod handshake;

use super::dial::{DialId, Dials};
use super::media::{ClientMedia, MediaHealth};
use super::room_clock::RoomClock;
use super::roster::Roster;
use super::types::{ClientConfig, ClientEvent, ClientState, Signer};
use crate::control::{
    ClientMessage, MAX_PINNED, MixRequest, ResumeToken, SeatRole, ServerMessage, StallReport, tidy_name,
};
use crate::datagram::Frame;
use crate::ids::SourceId;
use crate::link::Pin;
use crate::retransmit::{Feedback, Retransmitter};
use crate::time::{Micros, SESSION_TIMEOUT};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// The client dials another control connection after this long without media.
const SILENCE_TIMEOUT: Micros = Micros::from_millis(500);
const MAX_SILENCE_TIMEOUT: Micros = Micros::from_secs(4);
/// Interval of pings. They keep the connection open, and show whether it works.
const PING_EVERY: Micros = Micros::from_secs(8);
/// The shortest time between two reports of stalls.
const REPORT_STALLS_EVERY: Micros = Micros::from_secs(10);

/// The client's end of a session in one room.
pub struct ClientSession {
    config: ClientConfig,
    signer: Box<dyn Signer>,
    state: ClientState,
    dials: Dials,
    open: Option<DialId>,
    ping_at: Micros,
    /// Nothing has arrived on `open` since the last ping.
    unanswered: bool,
    silence: SilenceTimer,
    /// A whole session passed without any media.
    blocked: bool,
    media: Option<ClientMedia>,
    /// Token of the session whose media was lost. It may still be alive at the server.
    lost_token: Option<ResumeToken>,
    /// Musicians that the client always receives.
    pinned: Vec<SourceId>,
    stall_reports: StallReports,
    clock: RoomClock,
    roster: Roster,
    events: VecDeque<ClientEvent>,
    outbox: VecDeque<(DialId, ClientMessage)>,
}

/// Determines when missing media leads to dialling a control connection.
struct SilenceTimer {
    since: Micros,
    timeout: Micros,
}

impl SilenceTimer {
    /// Starts at the arrival of media.
    fn new(now: Micros) -> SilenceTimer {
        SilenceTimer { since: now, timeout: SILENCE_TIMEOUT }
    }

    /// The server confirms the session but no media arrives: doubles the timeout, because dialling more often does not
    /// help.
    fn backed_off(&self, now: Micros) -> SilenceTimer {
        SilenceTimer { since: now, timeout: Micros((self.timeout.0 * 2).min(MAX_SILENCE_TIMEOUT.0)) }
    }

    fn deadline(&self) -> Micros {
        self.since + self.timeout
    }
}

/// What the client has reported of its computer's stalls.
#[derive(Default)]
pub(super) struct StallReports {
    last: Option<StallReport>,
    at: Option<Micros>,
}

impl StallReports {
    /// The report that is due if the computer stalls like this.
    fn update(&mut self, now: Micros, stalls: Option<StallReport>) -> Option<ClientMessage> {
        let recent = self.at.is_some_and(|at| now.since(at) < REPORT_STALLS_EVERY);
        if self.last == stalls || recent {
            return None;
        }
        (self.last, self.at) = (stalls, Some(now));
        self.repeat()
    }

    /// The last report, for a new control connection: the server may know an earlier one. `None` if there was none.
    fn repeat(&self) -> Option<ClientMessage> {
        self.at.map(|_| ClientMessage::Stalling { stalls: self.last })
    }
}

impl ClientSession {
    /// Creates a session. It dials a control connection at once.
    pub fn new(now: Micros, config: ClientConfig, signer: Box<dyn Signer>) -> ClientSession {
        let mut session = ClientSession {
            config,
            signer,
            state: ClientState::Connecting,
            dials: Dials::new(),
            open: None,
            ping_at: now + PING_EVERY,
            unanswered: false,
            silence: SilenceTimer::new(now),
            blocked: false,
            media: None,
            lost_token: None,
            pinned: Vec::new(),
            stall_reports: StallReports::default(),
            clock: RoomClock::default(),
            roster: Roster::default(),
            events: VecDeque::new(),
            outbox: VecDeque::new(),
        };
        session.dial(now);
        session
    }

    /// State of the session.
    pub fn state(&self) -> ClientState {
        self.state
    }

    /// State of the media path; `None` without a media session.
    pub fn health(&self, now: Micros) -> Option<MediaHealth> {
        if self.blocked { Some(MediaHealth::Blocked) } else { self.media.as_ref().map(|m| m.health(now)) }
    }

    /// Round-trip time and room time.
    pub fn clock(&self) -> &RoomClock {
        &self.clock
    }

    /// The largest datagram that is known to pass in both directions, in bytes.
    pub fn datagram_limit(&self) -> usize {
        self.media.as_ref().map_or(crate::datagram::MAX_DATAGRAM, ClientMedia::datagram_limit)
    }

    /// Leaves the room, and announces it on both channels. Drain the polls once more afterwards.
    pub fn leave(&mut self) {
        // Also on a connection where a seat has been requested: the reply may be on its way.
        for id in [self.open, self.dials.seat_requested()].into_iter().flatten() {
            self.outbox.push_back((id, ClientMessage::Bye));
        }
        if let Some(media) = &mut self.media {
            media.say_goodbye();
        }
        self.state = ClientState::Left;
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// The next control message and its connection.
    pub fn poll_control(&mut self) -> Option<(DialId, ClientMessage)> {
        self.outbox.pop_front()
    }

    /// Writes the next datagram without new audio to `out`. Returns the index of its media endpoint.
    pub fn poll_transmit(&mut self, now: Micros, out: &mut Vec<u8>) -> Option<usize> {
        self.media.as_mut()?.poll_transmit(now, out)
    }

    /// Seals an audio packet into `out`. Returns the index of its media endpoint, or `None` if no session sends.
    /// Afterwards, [`ClientSession::poll_transmit`] may return a redundant copy.
    pub fn seal_audio(
        &mut self,
        now: Micros,
        header: &crate::audio::AudioHeader,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        if self.config.role != SeatRole::Musician || self.state != ClientState::Joined {
            return None;
        }
        self.media.as_mut()?.seal_audio(now, header, payload, out)
    }

    /// Requests what the client receives. Sends the request at once, or with the next control connection; does nothing if
    /// the request is unchanged.
    pub fn request_mix(&mut self, request: MixRequest) {
        if self.config.mix == request {
            return;
        }
        self.outbox.extend(self.open.map(|id| (id, ClientMessage::Mix(request.clone()))));
        self.config.mix = request;
    }

    /// Pins musicians, at most [`MAX_PINNED`], see [`ClientMessage::Pin`]. Sends the list like
    /// [`ClientSession::request_mix`].
    pub fn pin(&mut self, mut sources: Vec<SourceId>) {
        sources.truncate(MAX_PINNED);
        if self.pinned == sources {
            return;
        }
        self.outbox.extend(self.open.map(|id| (id, ClientMessage::Pin { sources: sources.clone() })));
        self.pinned = sources;
    }

    /// Reports that this computer stalls, or no longer, to everyone in the room: at once, or with the next control connection.
    /// Within ten seconds of the last change it does nothing, so call it with the present stalls repeatedly.
    pub fn report_stalls(&mut self, now: Micros, stalls: Option<StallReport>) {
        self.outbox.extend(self.open.zip(self.stall_reports.update(now, stalls)));
    }

    /// Queues feedback for the server.
    pub fn send_feedback(&mut self, feedback: &Feedback) {
        if let Some(media) = self.media.as_mut().filter(|_| self.state == ClientState::Joined) {
            media.send_feedback(feedback);
        }
    }

    /// The retransmitter, with its statistics; `None` without a media session.
    pub fn retransmitter(&self) -> Option<&Retransmitter> {
        self.media.as_ref().map(ClientMedia::retransmitter)
    }

    /// When [`ClientSession::handle_timeout`] is next due.
    pub fn poll_timeout(&self) -> Option<Micros> {
        if self.is_over() {
            return None;
        }
        let media = self.media.as_ref().map(|m| {
            // Silence matters only while no dial is pending.
            let dial = self.dials.is_idle().then(|| self.silence.deadline());
            let due = m.poll_timeout().min(m.last_alive() + SESSION_TIMEOUT);
            let worn = m.keys_expire_at().filter(|_| self.dials.is_idle());
            [dial, worn].into_iter().flatten().fold(due, Micros::min)
        });
        let ping = self.open.map(|_| self.ping_at);
        [media, self.dials.poll_timeout(), ping].into_iter().flatten().min()
    }

    /// Call when the time of [`ClientSession::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Micros) {
        if self.is_over() {
            return;
        }
        let late = self.dials.expire(now);
        if !late.is_empty() {
            self.dials.retry_later(now);
            self.hang_up(late);
        }
        if self.media.as_ref().is_some_and(|m| now.since(m.last_alive()) >= SESSION_TIMEOUT) {
            self.lose_media(now);
        }
        let silent = self.media.is_some() && self.silence.deadline() <= now;
        if self.dials.is_due(now) || ((silent || self.keys_expired(now)) && self.dials.is_idle()) {
            self.dial(now);
        }
        if let Some(id) = self.open
            && self.ping_at <= now
        {
            if core::mem::replace(&mut self.unanswered, true) && self.dials.is_idle() {
                self.dial(now);
            }
            self.ping_at = now + PING_EVERY;
            self.outbox.push_back((id, ClientMessage::Ping { id: 0 }));
        }
        if let Some(media) = &mut self.media {
            media.handle_timeout(now);
        }
    }

    /// A connection opened. `server` is the pin of the key that the server presented.
    pub fn handle_control_open(&mut self, id: DialId, server: Pin) {
        if self.is_over() || !self.dials.open(id, server) {
            self.hang_up([id]);
        }
    }

    /// A connection could not be opened, or closed.
    pub fn handle_control_closed(&mut self, now: Micros, id: DialId) {
        if self.drop_connection(id) {
            self.dials.retry_later(now);
        }
    }

    /// A server presented another key than the link's. Nothing was sent to it. The session retries with pauses of up to 5 s
    /// until the right server answers.
    pub fn handle_wrong_server(&mut self, now: Micros, id: DialId) {
        if self.drop_connection(id) {
            self.dials.retry_after_wrong_server(now);
        }
    }

    /// Forgets a connection. Returns whether it was in use and needs a replacement.
    fn drop_connection(&mut self, id: DialId) -> bool {
        let dialled = self.dials.remove(id);
        let was_open = self.open.take_if(|open| *open == id).is_some();
        (dialled || was_open) && !self.is_over()
    }

    /// A message arrived on a connection.
    pub fn handle_control(&mut self, now: Micros, id: DialId, message: ServerMessage) {
        if self.is_over() {
            return;
        }
        let dialled = self.dials.contains(id);
        let open = self.open == Some(id);
        self.unanswered &= !open;
        match message {
            ServerMessage::Welcome(welcome) if dialled => self.introduce(now, id, &welcome),
            ServerMessage::Joined(joined) if dialled => self.take_seat(now, id, joined),
            ServerMessage::Refused(refused) if dialled || open => self.take_refusal(now, id, refused),
            ServerMessage::Roster { musicians, listeners }
                if open || (dialled && self.config.role == SeatRole::None) =>
            {
                // A client without a seat gets no `joined`: the first roster confirms that it is in.
                if dialled {
                    self.use_connection(now, id);
                }
                self.roster.replace(musicians, listeners);
                self.announce_roster();
            }
            ServerMessage::RosterChanges { left, musicians, listeners } if open => {
                for (source, name) in self.roster.change(&left, musicians, listeners) {
                    self.events.push_back(ClientEvent::Left { source, name });
                }
                self.announce_roster();
            }
            ServerMessage::Left { source, name } if open => {
                self.events.push_back(ClientEvent::Left { source, name: tidy_name(&name) });
            }
            ServerMessage::Mix(state) if open => self.events.push_back(ClientEvent::Mix(state)),
            ServerMessage::Unheard { sources } if open => self.events.push_back(ClientEvent::Unheard(sources)),
            ServerMessage::Stalling { musicians } if open => self.events.push_back(ClientEvent::Stalling(musicians)),
            ServerMessage::OverRate { dropped } if open => self.events.push_back(ClientEvent::OverRate(dropped)),
            ServerMessage::GoingDown if open => self.events.push_back(ClientEvent::GoingDown),
            _ => {}
        }
    }

    /// A datagram of the session opened.
    pub fn handle_heard(&mut self, now: Micros) {
        if self.is_over() {
            return;
        }
        if let Some(media) = &mut self.media {
            media.handle_heard(now);
            self.silence = SilenceTimer::new(now);
            self.blocked = false;
        }
    }

    /// A frame other than audio arrived in a datagram that opened.
    pub fn handle_frame(&mut self, now: Micros, frame: &Frame<'_>) {
        if self.is_over() {
            return;
        }
        match frame {
            Frame::ClockReply(reply) => self.clock.take(now, reply),
            // The reason may still arrive on the control connection.
            Frame::Goodbye if self.media.is_some() => self.forget_media(now),
            frame => {
                if let Some(media) = &mut self.media {
                    media.handle_frame(now, frame);
                }
            }
        }
    }

    fn announce_roster(&mut self) {
        let (musicians, listeners) = (self.roster.musicians(), self.roster.listeners());
        self.events.push_back(ClientEvent::Roster { musicians, listeners });
    }

    /// The receive key reached its limit of failed attempts: replaces the session.
    pub fn handle_exhausted(&mut self, now: Micros) {
        if self.media.is_some() && !self.is_over() {
            self.lose_media(now);
        }
    }

    fn keys_expired(&self, now: Micros) -> bool {
        self.media.as_ref().and_then(ClientMedia::keys_expire_at).is_some_and(|at| at <= now)
    }

    fn is_over(&self) -> bool {
        matches!(self.state, ClientState::Left | ClientState::Refused)
    }

    fn dial(&mut self, now: Micros) {
        let id = self.dials.start(now);
        self.events.push_back(ClientEvent::Dial(id));
    }

    fn hang_up(&mut self, ids: impl IntoIterator<Item = DialId>) {
        self.events.extend(ids.into_iter().map(ClientEvent::HangUp));
    }

    fn lose_media(&mut self, now: Micros) {
        let open = self.open.take();
        self.hang_up(open);
        self.forget_media(now);
    }

    fn forget_media(&mut self, now: Micros) {
        if let Some(media) = self.media.take() {
            self.blocked |= media.health(now) == MediaHealth::Blocked;
            self.lost_token = Some(media.resume_token().clone());
        }
        self.state = ClientState::Connecting;
        self.events.push_back(ClientEvent::MediaLost);
        self.dials.retry_later(now);
    }
}
