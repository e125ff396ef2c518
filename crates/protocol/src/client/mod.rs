//! The musician's end of a session: joins, keeps the media path alive, measures, comes back.
//!
//! [`Session`] owns no connection. Driver's contract:
//! * after every `handle_*`, and whenever the time of [`Session::poll_timeout`] has come (then call
//!   [`Session::handle_timeout`] first), drain [`Session::poll_event`], [`Session::poll_control`] and
//!   [`Session::poll_transmit`];
//! * an [`Event::Dial`] is answered by [`Session::handle_control_open`] or
//!   [`Session::handle_control_closed`] with the same [`DialId`];
//! * an [`Event::Joined`] with a receive key hands the receiving end to the thread that opens datagrams. That
//!   thread reports every datagram that opened by [`Session::handle_heard`], and every frame that is no audio by
//!   [`Session::handle_frame`].
//!
//! A session lives by its media: control may come and go.

mod clock;
mod dial;
mod media;
mod probe;
mod roster;
mod types;

pub use clock::RoomClock;
pub use dial::DialId;
pub use media::Health;
pub use types::{Config, Event, MySeat, Signer, State};

use crate::control::{
    self, ClientMessage, Features, Hello, Joined, MAX_PINNED, MixState, MixWish, Refusal, Refused, Retry, Seat,
    SeatRole, ServerMessage, Token, Welcome, signed_text, tidy_name,
};
use crate::datagram::Frame;
use crate::ids::{FramePosition, SourceId, StreamId};
use crate::link::Pin;
use crate::recovery::{self, Feedback};
use crate::time::Micros;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use dial::Dials;
use media::Media;
use roster::Roster;

/// Nothing authenticated for this long: dial control beside what is there.
const DIAL_AFTER_SILENCE: Micros = Micros::from_millis(500);
const MAX_SILENCE: Micros = Micros::from_secs(4);
/// Nothing authenticated for this long: the server has pruned us.
const LOST_AFTER: Micros = crate::peer::PRUNE_AFTER;
const RETRY_REFUSED: Micros = Micros::from_secs(2);
/// However long a server asks to wait, it is asked again after this.
const LONGEST_WAIT: Micros = Micros::from_secs(300);
/// A ping on control keeps middle boxes and the server from dropping it, and shows whether it still works.
const PING_EVERY: Micros = Micros::from_secs(8);

/// A musician's end of one session with one room.
pub struct Session {
    config: Config,
    signer: Box<dyn Signer>,
    state: State,
    dials: Dials,
    open: Option<DialId>,
    ping_at: Micros,
    /// Nothing was said on `open` since the last ping.
    unanswered: bool,
    silence: Silence,
    /// A whole session went by in which nothing was heard.
    blocked: bool,
    media: Option<Media>,
    /// Of the session whose media was lost: it may still live at the server.
    lost: Option<Token>,
    /// Whom this end wants to be sent in any case.
    pinned: Vec<SourceId>,
    clock: RoomClock,
    roster: Roster,
    events: VecDeque<Event>,
    outbox: VecDeque<(DialId, ClientMessage)>,
}

/// How long the media path may be silent before control is dialled beside it.
struct Silence {
    since: Micros,
    patience: Micros,
}

impl Silence {
    /// Heard: the usual patience.
    fn broken(now: Micros) -> Silence {
        Silence { since: now, patience: DIAL_AFTER_SILENCE }
    }

    /// The server says that all is well and yet nothing is heard: dialling more often will not help.
    fn in_spite_of_control(&self, now: Micros) -> Silence {
        Silence { since: now, patience: Micros((self.patience.0 * 2).min(MAX_SILENCE.0)) }
    }

    fn ends(&self) -> Micros {
        self.since + self.patience
    }
}

impl Session {
    /// Begins: asks for a control connection at once.
    pub fn new(now: Micros, config: Config, signer: Box<dyn Signer>) -> Session {
        let mut session = Session {
            config,
            signer,
            state: State::Connecting,
            dials: Dials::new(),
            open: None,
            ping_at: now + PING_EVERY,
            unanswered: false,
            silence: Silence::broken(now),
            blocked: false,
            media: None,
            lost: None,
            pinned: Vec::new(),
            clock: RoomClock::default(),
            roster: Roster::default(),
            events: VecDeque::new(),
            outbox: VecDeque::new(),
        };
        session.dial(now);
        session
    }

    /// How it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// How the media path does; `None` without a media session.
    pub fn health(&self, now: Micros) -> Option<Health> {
        if self.blocked { Some(Health::Blocked) } else { self.media.as_ref().map(|m| m.health(now)) }
    }

    /// Round trip and room time.
    pub fn clock(&self) -> &RoomClock {
        &self.clock
    }

    /// The largest datagram that gets through, both ways, as far as known.
    pub fn datagram_limit(&self) -> usize {
        self.media.as_ref().map_or(crate::datagram::MAX_DATAGRAM, Media::datagram_limit)
    }

    /// Leaves: says so on both channels. Drain the polls once more, then drop.
    pub fn leave(&mut self) {
        // On a seat that is being asked for as well: the answer may be on its way.
        for id in [self.open, self.dials.introduced()].into_iter().flatten() {
            self.outbox.push_back((id, ClientMessage::Bye));
        }
        if let Some(media) = &mut self.media {
            media.say_goodbye();
        }
        self.state = State::Left;
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What to say on which control connection.
    pub fn poll_control(&mut self) -> Option<(DialId, ClientMessage)> {
        self.outbox.pop_front()
    }

    /// Makes the next datagram that is no audio in `out`; returns the index of its media endpoint.
    pub fn poll_transmit(&mut self, now: Micros, out: &mut Vec<u8>) -> Option<usize> {
        self.media.as_mut()?.poll_transmit(now, &self.clock, out)
    }

    /// Makes a datagram of an audio packet in `out`; returns the index of its media endpoint, or `None` while
    /// there is no session that sends. Where copies are asked for, [`Session::poll_transmit`] may have one to send now.
    pub fn seal_audio(
        &mut self,
        now: Micros,
        header: &crate::audio::AudioHeader,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        if self.config.role != SeatRole::Musician || self.state != State::Joined {
            return None;
        }
        self.media.as_mut()?.seal_audio(now, header, payload, out)
    }

    /// Wishes to be sent this of the others from now on. Says it at once where there is a control connection, else with
    /// the next; not at all where it is the wish of before.
    pub fn wish_mix(&mut self, wish: MixWish) {
        if self.config.mix == wish {
            return;
        }
        if let Some(id) = self.open {
            self.outbox.push_back((id, ClientMessage::Mix(wish.clone())));
        }
        self.config.mix = wish;
    }

    /// Wishes to be sent these musicians whatever else is played in a large room, at most [`MAX_PINNED`] of them. Says it
    /// like [`Session::wish_mix`].
    pub fn pin(&mut self, mut sources: Vec<SourceId>) {
        sources.truncate(MAX_PINNED);
        if self.pinned == sources {
            return;
        }
        if let Some(id) = self.open {
            self.outbox.push_back((id, ClientMessage::Pin { sources: sources.clone() }));
        }
        self.pinned = sources;
    }

    /// Tells the server what the receiving end misses, with the next `poll_transmit`.
    pub fn send_feedback(&mut self, feedback: &Feedback) {
        if let Some(media) = self.media.as_mut().filter(|_| self.state == State::Joined) {
            media.send_feedback(feedback);
        }
    }

    /// What is sent again, and what the server misses; `None` without a media session.
    pub fn again(&self) -> Option<&recovery::Sender> {
        self.media.as_ref().map(Media::again)
    }

    /// Takes note of where the audio timeline stands, for clock reports: the frame at `position` was captured
    /// at `captured`.
    pub fn note_position(&mut self, stream: StreamId, position: FramePosition, captured: Micros) {
        if let Some(media) = &mut self.media {
            media.note_position(stream, position, captured);
        }
    }

    /// When [`Session::handle_timeout`] is next needed.
    pub fn poll_timeout(&self) -> Option<Micros> {
        if self.is_over() {
            return None;
        }
        let media = self.media.as_ref().map(|m| {
            // While a dial is under way silence asks for nothing new.
            let dial = self.dials.is_idle().then(|| self.silence.ends());
            let due = m.poll_timeout().min(m.last_alive() + LOST_AFTER);
            let worn = m.worn_at().filter(|_| self.dials.is_idle());
            [dial, worn].into_iter().flatten().fold(due, Micros::min)
        });
        let ping = self.open.map(|_| self.ping_at);
        [media, self.dials.poll_timeout(), ping].into_iter().flatten().min()
    }

    /// The time of [`Session::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Micros) {
        if self.is_over() {
            return;
        }
        let late = self.dials.expire(now);
        if !late.is_empty() {
            self.dials.again_later(now);
            self.hang_up(late);
        }
        if self.media.as_ref().is_some_and(|m| now.since(m.last_alive()) >= LOST_AFTER) {
            self.lose_media(now);
        }
        let silent = self.media.is_some() && self.silence.ends() <= now;
        if self.dials.is_due(now) || ((silent || self.is_worn(now)) && self.dials.is_idle()) {
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

    /// A dialled connection is open; `server` is the pin of the key that it showed.
    pub fn handle_control_open(&mut self, id: DialId, server: Pin) {
        if self.is_over() || !self.dials.open(id, server) {
            self.hang_up([id]);
        }
    }

    /// A connection could not be opened, or closed.
    pub fn handle_control_closed(&mut self, now: Micros, id: DialId) {
        if self.drop_connection(id) {
            self.dials.again_later(now);
        }
    }

    /// A dialled server showed another key than the link names; nothing was said to it. The session keeps trying, with
    /// pauses of up to 5 s, until the right server answers.
    pub fn handle_wrong_server(&mut self, now: Micros, id: DialId) {
        if self.drop_connection(id) {
            self.dials.again_after_wrong_server(now);
        }
    }

    /// Forgets a connection; whether it was in use and another is needed.
    fn drop_connection(&mut self, id: DialId) -> bool {
        let dialled = self.dials.remove(id);
        let was_open = self.open.take_if(|open| *open == id).is_some();
        (dialled || was_open) && !self.is_over()
    }

    /// A connection said something.
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
                // Who only watches gets no seat: the first roster is the answer.
                if dialled {
                    self.use_connection(now, id);
                }
                self.roster.replace(musicians, listeners);
                self.tell_roster();
            }
            ServerMessage::RosterChanges { left, musicians, listeners } if open => {
                for (source, name) in self.roster.change(&left, musicians, listeners) {
                    self.events.push_back(Event::Left { source, name });
                }
                self.tell_roster();
            }
            ServerMessage::Left { source, name } if open => {
                self.events.push_back(Event::Left { source, name: tidy_name(&name) });
            }
            ServerMessage::Mix(state) if open => self.events.push_back(Event::Mix(state)),
            ServerMessage::Unheard { sources } if open => self.events.push_back(Event::Unheard(sources)),
            ServerMessage::OverRate { dropped } if open => self.events.push_back(Event::OverRate(dropped)),
            ServerMessage::GoingDown if open => self.events.push_back(Event::GoingDown),
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
            self.silence = Silence::broken(now);
            self.blocked = false;
        }
    }

    /// A frame that is no audio arrived in a datagram that opened.
    pub fn handle_frame(&mut self, now: Micros, frame: &Frame<'_>) {
        if self.is_over() {
            return;
        }
        match frame {
            Frame::ClockReply(reply) => self.clock.take(now, reply),
            // Why it ended may still be on its way on the control connection.
            Frame::Goodbye if self.media.is_some() => self.forget_media(now),
            frame => {
                if let Some(media) = &mut self.media {
                    media.handle_frame(now, frame);
                }
            }
        }
    }

    fn tell_roster(&mut self) {
        let (musicians, listeners) = (self.roster.musicians(), self.roster.listeners());
        self.events.push_back(Event::Roster { musicians, listeners });
    }

    /// So many datagrams of the session did not open that its keys must not open any more: seeks another session.
    pub fn handle_exhausted(&mut self, now: Micros) {
        if self.media.is_some() && !self.is_over() {
            self.lose_media(now);
        }
    }

    /// Whether another session should take this one's place.
    fn is_worn(&self, now: Micros) -> bool {
        self.media.as_ref().and_then(Media::worn_at).is_some_and(|at| at <= now)
    }

    fn is_over(&self) -> bool {
        matches!(self.state, State::Left | State::Refused)
    }

    fn dial(&mut self, now: Micros) {
        let id = self.dials.start(now);
        self.events.push_back(Event::Dial(id));
    }

    fn hang_up(&mut self, ids: impl IntoIterator<Item = DialId>) {
        self.events.extend(ids.into_iter().map(Event::HangUp));
    }

    fn introduce(&mut self, now: Micros, id: DialId, welcome: &Welcome) {
        if welcome.version < control::VERSION {
            return self.take_refusal(now, id, Refused::new(Refusal::Version));
        }
        let Some(server) = self.dials.introduce(now, id) else { return };
        let others = self.dials.remove_all_but(Some(id));
        self.hang_up(others);
        let hello = Hello {
            version: control::VERSION,
            musician: self.signer.musician(),
            signature: self.signer.sign(&signed_text(&welcome.nonce, &server)),
            name: self.config.name.clone(),
            suites: self.config.suites.clone(),
            features: Features::SUPPORTED,
        };
        let worn = self.is_worn(now);
        let seat = Seat {
            room: self.config.room.clone(),
            role: self.config.role,
            secret: Some(self.config.secret.clone()),
            instance: self.config.instance,
            resume: self.media.as_ref().filter(|_| !worn).map(|m| m.resume_token().clone()),
            replaces: self.media.as_ref().filter(|_| worn).map(|m| m.resume_token().clone()).or(self.lost.clone()),
            mix: self.config.mix.take,
        };
        self.outbox.push_back((id, ClientMessage::Hello(hello)));
        self.outbox.push_back((id, ClientMessage::Seat(seat)));
    }

    /// What was dialled becomes the control connection.
    fn use_connection(&mut self, now: Micros, id: DialId) {
        let others = self.dials.remove_all_but(None).into_iter().filter(|d| *d != id);
        let old = self.open.replace(id);
        self.hang_up(others.chain(old));
        self.dials.succeed();
        self.ping_at = now + PING_EVERY;
        self.unanswered = false;
        self.state = State::Joined;
    }

    fn take_seat(&mut self, now: Micros, id: DialId, joined: Joined) {
        let current = self.media.as_mut().filter(|m| joined.resumed && m.session() == joined.session);
        let receive = match current {
            Some(media) => {
                media.handle_resumed(now, &joined.media);
                self.silence = self.silence.in_spite_of_control(now);
                None
            }
            // The session was lost while the answer was on its way, and its counters with it. Its keys must not
            // seal again: nonces would repeat.
            None if joined.resumed => return self.replace_lost(now, id, joined.resume),
            None => {
                self.blocked |= self.health(now) == Some(Health::Blocked);
                self.clock = RoomClock::default();
                self.silence = Silence::broken(now);
                let (media, receive) = Media::new(now, &joined, self.config.crypto);
                self.media = Some(media);
                Some(Box::new(receive))
            }
        };
        self.use_connection(now, id);
        self.lost = None;
        self.config.instance = Some(joined.instance);
        let seat = MySeat { source: joined.source, name: tidy_name(&joined.name), instance: joined.instance };
        self.events.push_back(Event::Joined { seat, media: joined.media, receive });
        self.events.push_back(Event::Mix(MixState { take: joined.mix, wait_us: None }));
        if self.config.mix != MixWish::default() {
            self.outbox.push_back((id, ClientMessage::Mix(self.config.mix.clone())));
        }
        if !self.pinned.is_empty() {
            self.outbox.push_back((id, ClientMessage::Pin { sources: self.pinned.clone() }));
        }
    }

    /// Seeks a seat anew, in place of the session that has this token.
    fn replace_lost(&mut self, now: Micros, id: DialId, token: Token) {
        self.lost = Some(token);
        self.dials.remove(id);
        self.hang_up([id]);
        self.dials.again_later(now);
    }

    fn take_refusal(&mut self, now: Micros, id: DialId, refused: Refused) {
        self.dials.remove(id);
        self.open.take_if(|open| *open == id);
        let mut gone = self.dials.remove_all_but(None);
        gone.push(id);
        if refused.retry == Retry::Later {
            let asked = Micros::from_secs(u64::from(refused.after.unwrap_or(0))).min(LONGEST_WAIT);
            self.dials.again_at(now + RETRY_REFUSED.max(asked));
        } else {
            self.state = State::Refused;
            self.media = None;
            gone.extend(self.open.take());
        }
        self.hang_up(gone);
        self.events.push_back(Event::Refused(refused));
    }

    fn lose_media(&mut self, now: Micros) {
        let open = self.open.take();
        self.hang_up(open);
        self.forget_media(now);
    }

    fn forget_media(&mut self, now: Micros) {
        if let Some(media) = self.media.take() {
            self.blocked |= media.health(now) == Health::Blocked;
            self.lost = Some(media.resume_token().clone());
        }
        self.state = State::Connecting;
        self.events.push_back(Event::MediaLost);
        self.dials.again_later(now);
    }
}
