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
mod media;
mod probe;

pub use clock::RoomClock;
pub use media::Health;

use crate::control::{
    self, ClientMessage, Hello, Joined, MediaEndpoint, Refused, Retry, RosterEntry, Seat, SeatRole, ServerMessage,
    signed_text,
};
use crate::datagram::Frame;
use crate::ids::{FramePosition, MusicianId, RoomName, SourceId, StreamId};
use crate::link::{Pin, Secret};
use crate::seal::{MakeSealer, ReceiveKey, Suite};
use crate::time::Micros;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use media::Media;

/// A control connection that the driver was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialId(pub u32);

/// Signs as a musician (Ed25519: the same text gives the same signature).
pub trait Signer: Send {
    /// The public key.
    fn musician(&self) -> MusicianId;
    /// A signature that the public key verifies.
    fn sign(&self, text: &[u8]) -> [u8; 64];
}

/// What a session is to be.
pub struct Config {
    /// Which room.
    pub room: RoomName,
    /// As what.
    pub role: SeatRole,
    /// What opens it.
    pub secret: Secret,
    /// The musician's name.
    pub name: String,
    /// Suites, best first.
    pub suites: Vec<Suite>,
    /// Which of the identity's sessions this was last time, if known.
    pub instance: Option<u8>,
    /// Makes sealers.
    pub make_sealer: MakeSealer,
}

/// What the driver must know or do.
pub enum Event {
    /// Open a control connection; keep another one that is open until this one is.
    Dial(DialId),
    /// Close that control connection.
    HangUp(DialId),
    /// In the room. `receive` is there unless the session before goes on.
    Joined {
        /// What others see and hear this musician as.
        seat: MySeat,
        /// Where media goes.
        media: Vec<MediaEndpoint>,
        /// Opens what the server sends.
        receive: Option<ReceiveKey>,
    },
    /// Everyone in the room.
    Roster(Vec<RosterEntry>),
    /// Someone left.
    Left {
        /// Who.
        source: SourceId,
        /// Their name.
        name: String,
    },
    /// Not in the room. By the advice in it the session tries again or has ended.
    Refused(Refused),
    /// The server stops on purpose; the session waits for it.
    GoingDown,
    /// The media session is over (server gone or restarted); a new one is being sought.
    MediaLost,
}

/// A musician's own place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MySeat {
    /// The number in audio packets that others hear.
    pub source: SourceId,
    /// The name that others see.
    pub name: String,
    /// Which of the identity's sessions.
    pub instance: u8,
}

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Seeking the server or a seat.
    Connecting,
    /// In the room, and the media path works or is being found.
    Joined,
    /// The server refused for good.
    Refused,
    /// Left.
    Left,
}

/// Nothing authenticated for this long: dial control beside what is there.
const DIAL_AFTER_SILENCE: Micros = Micros::from_millis(500);
const MAX_SILENCE: Micros = Micros::from_secs(4);
/// Nothing authenticated for this long: the server has pruned us.
const LOST_AFTER: Micros = crate::peer::PRUNE_AFTER;
const FIRST_BACKOFF: Micros = Micros::from_millis(200);
const MAX_BACKOFF: Micros = Micros::from_secs(1);
const RETRY_REFUSED: Micros = Micros::from_secs(2);
/// A ping on control keeps middle boxes and the server from dropping it.
const PING_EVERY: Micros = Micros::from_secs(8);
/// What was dialled and answered nothing for this long is given up.
const DIAL_PATIENCE: Micros = Micros::from_secs(4);

/// A musician's end of one session with one room.
pub struct Session {
    config: Config,
    signer: Box<dyn Signer>,
    state: State,
    dialing: Option<Dialing>,
    open: Option<DialId>,
    next_dial: u32,
    dial_at: Option<Micros>,
    backoff: Micros,
    ping_at: Micros,
    silence: Silence,
    /// A whole session went by in which nothing was heard.
    blocked: bool,
    media: Option<Media>,
    clock: RoomClock,
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

struct Dialing {
    id: DialId,
    /// The server's pin, once the connection is open.
    server: Option<Pin>,
    give_up_at: Micros,
}

impl Session {
    /// Begins: asks for a control connection at once.
    pub fn new(now: Micros, config: Config, signer: Box<dyn Signer>) -> Session {
        let mut session = Session {
            config,
            signer,
            state: State::Connecting,
            dialing: None,
            open: None,
            next_dial: 0,
            dial_at: None,
            backoff: FIRST_BACKOFF,
            ping_at: now + PING_EVERY,
            silence: Silence::broken(now),
            blocked: false,
            media: None,
            clock: RoomClock::default(),
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
        if let Some(id) = self.open {
            self.outbox.push_back((id, ClientMessage::Bye));
        }
        if let Some(media) = &mut self.media {
            media.say_goodbye();
        }
        self.state = State::Left;
        self.dial_at = None;
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
    /// there is no session that sends.
    pub fn seal_audio(
        &mut self,
        header: &crate::audio::AudioHeader,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        if self.config.role != SeatRole::Musician || self.state != State::Joined {
            return None;
        }
        self.media.as_mut()?.seal_audio(header, payload, out)
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
        if matches!(self.state, State::Left | State::Refused) {
            return None;
        }
        let media = self.media.as_ref().map(|m| {
            // While a dial is under way silence asks for nothing new.
            let dial = self.may_dial().then(|| self.silence.ends());
            let due = m.poll_timeout().min(m.last_heard() + LOST_AFTER);
            dial.map_or(due, |d| due.min(d))
        });
        let give_up = self.dialing.as_ref().map(|d| d.give_up_at);
        let ping = self.open.map(|_| self.ping_at);
        [media, self.dial_at, give_up, ping].into_iter().flatten().min()
    }

    /// The time of [`Session::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Micros) {
        if matches!(self.state, State::Left | State::Refused) {
            return;
        }
        if let Some(dialing) = self.dialing.take_if(|d| d.give_up_at <= now) {
            self.events.push_back(Event::HangUp(dialing.id));
            self.dial_later(now);
        }
        if self.media.as_ref().is_some_and(|m| now.since(m.last_heard()) >= LOST_AFTER) {
            self.lose_media(now);
        }
        let silent = self.media.is_some() && self.silence.ends() <= now;
        if self.dial_at.is_some_and(|at| at <= now) || (silent && self.may_dial()) {
            self.dial(now);
        }
        if let Some(id) = self.open
            && self.ping_at <= now
        {
            self.ping_at = now + PING_EVERY;
            self.outbox.push_back((id, ClientMessage::Ping { id: 0 }));
        }
        if let Some(media) = &mut self.media {
            media.handle_timeout(now);
        }
    }

    /// A dialled connection is open; `server` is the pin of the key that it showed.
    pub fn handle_control_open(&mut self, id: DialId, server: Pin) {
        match &mut self.dialing {
            Some(d) if d.id == id => d.server = Some(server),
            _ => self.events.push_back(Event::HangUp(id)),
        }
    }

    /// A connection could not be opened, or closed.
    pub fn handle_control_closed(&mut self, now: Micros, id: DialId) {
        let dialled = self.dialing.take_if(|d| d.id == id).is_some();
        let was_open = self.open.take_if(|open| *open == id).is_some();
        if (dialled || was_open) && !matches!(self.state, State::Left | State::Refused) && self.dial_at.is_none() {
            self.dial_later(now);
        }
    }

    /// A connection said something.
    pub fn handle_control(&mut self, now: Micros, id: DialId, message: ServerMessage) {
        if self.state == State::Left {
            return;
        }
        let dialled = self.dialing.as_ref().is_some_and(|d| d.id == id);
        match message {
            ServerMessage::Welcome(welcome) if dialled => self.introduce(id, &welcome.nonce),
            ServerMessage::Joined(joined) if dialled => self.take_seat(now, id, joined),
            ServerMessage::Refused(refused) if dialled || self.open == Some(id) => self.take_refusal(now, id, refused),
            ServerMessage::Roster { musicians } if self.open == Some(id) => {
                self.events.push_back(Event::Roster(musicians));
            }
            ServerMessage::Left { source, name } if self.open == Some(id) => {
                self.events.push_back(Event::Left { source, name });
            }
            ServerMessage::GoingDown if self.open == Some(id) => self.events.push_back(Event::GoingDown),
            _ => {}
        }
    }

    /// A datagram of the session opened.
    pub fn handle_heard(&mut self, now: Micros) {
        if let Some(media) = &mut self.media {
            media.handle_heard(now);
            self.silence = Silence::broken(now);
            self.blocked = false;
        }
    }

    /// A frame that is no audio arrived in a datagram that opened.
    pub fn handle_frame(&mut self, now: Micros, frame: &Frame<'_>) {
        match frame {
            Frame::ClockReply(reply) => self.clock.take(now, reply),
            Frame::Goodbye if self.media.is_some() => self.lose_media(now),
            frame => {
                if let Some(media) = &mut self.media {
                    media.handle_frame(now, frame);
                }
            }
        }
    }

    fn may_dial(&self) -> bool {
        self.dialing.is_none() && self.dial_at.is_none()
    }

    fn dial(&mut self, now: Micros) {
        let id = DialId(self.next_dial);
        self.next_dial = self.next_dial.wrapping_add(1);
        self.dial_at = None;
        if let Some(old) = self.dialing.replace(Dialing { id, server: None, give_up_at: now + DIAL_PATIENCE }) {
            self.events.push_back(Event::HangUp(old.id));
        }
        self.events.push_back(Event::Dial(id));
    }

    fn dial_later(&mut self, now: Micros) {
        self.dial_at = Some(now + self.backoff);
        self.backoff = Micros((self.backoff.0 * 2).min(MAX_BACKOFF.0));
    }

    fn introduce(&mut self, id: DialId, nonce: &[u8; 32]) {
        let Some(server) = self.dialing.as_ref().and_then(|d| d.server) else { return };
        let hello = Hello {
            version: control::VERSION,
            musician: self.signer.musician(),
            signature: self.signer.sign(&signed_text(nonce, &server)),
            name: self.config.name.clone(),
            suites: self.config.suites.clone(),
        };
        let seat = Seat {
            room: self.config.room.clone(),
            role: self.config.role,
            secret: Some(self.config.secret.clone()),
            instance: self.config.instance,
            resume: self.media.as_ref().map(|m| m.resume_token().clone()),
            replaces: None,
        };
        self.outbox.push_back((id, ClientMessage::Hello(hello)));
        self.outbox.push_back((id, ClientMessage::Seat(seat)));
    }

    fn take_seat(&mut self, now: Micros, id: DialId, joined: Joined) {
        self.dialing = None;
        self.dial_at = None;
        self.backoff = FIRST_BACKOFF;
        if let Some(old) = self.open.replace(id) {
            self.events.push_back(Event::HangUp(old));
        }
        self.ping_at = now + PING_EVERY;
        self.config.instance = Some(joined.instance);
        self.state = State::Joined;
        let goes_on = joined.resumed && self.media.as_ref().is_some_and(|m| m.session() == joined.session);
        let seat = MySeat { source: joined.source, name: joined.name.clone(), instance: joined.instance };
        let endpoints = joined.media.clone();
        let receive = if goes_on {
            if let Some(media) = &mut self.media {
                media.handle_resumed(now);
            }
            self.silence = self.silence.in_spite_of_control(now);
            None
        } else {
            self.clock = RoomClock::default();
            self.silence = Silence::broken(now);
            let (media, receive) = Media::new(now, &joined, self.config.make_sealer);
            self.media = Some(media);
            Some(receive)
        };
        self.events.push_back(Event::Joined { seat, media: endpoints, receive });
    }

    fn take_refusal(&mut self, now: Micros, id: DialId, refused: Refused) {
        self.dialing.take_if(|d| d.id == id);
        self.open.take_if(|open| *open == id);
        self.events.push_back(Event::HangUp(id));
        if refused.retry == Retry::Later {
            self.dial_at = Some(now + RETRY_REFUSED);
        } else {
            self.state = State::Refused;
            self.dial_at = None;
            self.media = None;
        }
        self.events.push_back(Event::Refused(refused));
    }

    fn lose_media(&mut self, now: Micros) {
        if let Some(media) = self.media.take() {
            self.blocked |= media.health(now) == Health::Blocked;
        }
        self.state = State::Connecting;
        self.events.push_back(Event::MediaLost);
        if let Some(open) = self.open.take() {
            self.events.push_back(Event::HangUp(open));
        }
        if self.may_dial() {
            self.dial_later(now);
        }
    }
}
