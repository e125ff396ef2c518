//! The handshake on a control connection: the client introduces itself, requests a seat, and gets it or is refused.

use super::{ClientSession, PING_EVERY, SilenceTimer};
use crate::client::dial::DialId;
use crate::client::media::{ClientMedia, MediaHealth};
use crate::client::room_clock::RoomClock;
use crate::client::types::{ClientEvent, ClientState, OwnSeat};
use crate::control::{
    self, ClientMessage, Features, Hello, Joined, MixRequest, MixState, Refusal, Refused, Release, ResumeToken, Retry,
    SeatRequest, Welcome, signed_text, tidy_name,
};
use crate::time::Micros;
use alloc::boxed::Box;

const RETRY_REFUSED: Micros = Micros::from_secs(2);
/// The longest pause that a server can request.
const MAX_RETRY_WAIT: Micros = Micros::from_secs(300);

impl ClientSession {
    pub(super) fn introduce(&mut self, now: Micros, id: DialId, welcome: &Welcome) {
        if welcome.version < control::VERSION {
            return self.take_refusal(now, id, Refused::new(Refusal::Version));
        }
        // A server that names its release refuses by itself, and so its log says why.
        let silent = welcome.release.is_none();
        if let Some(outdated) = Release::outdated(self.config.release, Release::FIRST).filter(|_| silent) {
            return self.take_refusal(now, id, Refused::update_needed(outdated));
        }
        let Some(server) = self.dials.request_seat(now, id) else { return };
        let others = self.dials.remove_all_but(Some(id));
        self.hang_up(others);
        let hello = Hello {
            version: control::VERSION,
            musician: self.signer.musician(),
            signature: self.signer.sign(&signed_text(&welcome.nonce, &server)),
            name: self.config.name.clone(),
            suites: self.config.suites.clone(),
            features: Features::SUPPORTED,
            release: Some(self.config.release),
        };
        let token = self.media.as_ref().map(|m| m.resume_token().clone());
        // A session whose keys have expired is replaced.
        let (resume, replaces) = if self.keys_expired(now) { (None, token) } else { (token, self.lost_token.clone()) };
        let seat = SeatRequest {
            room: self.config.room.clone(),
            role: self.config.role,
            secret: Some(self.config.secret.clone()),
            instance: self.config.instance,
            resume,
            replaces,
            mix: self.config.mix.mode,
        };
        self.outbox.push_back((id, ClientMessage::Hello(hello)));
        self.outbox.push_back((id, ClientMessage::Seat(seat)));
    }

    /// A dialled connection becomes the control connection.
    pub(super) fn use_connection(&mut self, now: Micros, id: DialId) {
        let others = self.dials.remove_all_but(None).into_iter().filter(|d| *d != id);
        let old = self.open.replace(id);
        self.hang_up(others.chain(old));
        self.dials.succeed();
        self.ping_at = now + PING_EVERY;
        self.unanswered = false;
        self.state = ClientState::Joined;
    }

    pub(super) fn take_seat(&mut self, now: Micros, id: DialId, joined: Joined) {
        let current = self.media.as_mut().filter(|m| joined.resumed && m.session() == joined.session);
        let receive = match current {
            Some(media) => {
                media.handle_resumed(now, &joined.media);
                self.silence = self.silence.backed_off(now);
                None
            }
            // The session was lost while the reply was on its way, and its counters with it. Using its keys again would
            // repeat nonces.
            None if joined.resumed => return self.replace_lost(now, id, joined.resume),
            None => {
                self.blocked |= self.health(now) == Some(MediaHealth::Blocked);
                self.clock = RoomClock::default();
                self.silence = SilenceTimer::new(now);
                let (media, receive) = ClientMedia::new(now, &joined, self.config.crypto);
                self.media = Some(media);
                Some(Box::new(receive))
            }
        };
        self.use_connection(now, id);
        self.lost_token = None;
        self.config.instance = Some(joined.instance);
        let seat = OwnSeat { source: joined.source, name: tidy_name(&joined.name), instance: joined.instance };
        self.events.push_back(ClientEvent::Joined { seat, media: joined.media, receive });
        self.events.push_back(ClientEvent::Mix(MixState { mode: joined.mix, wait_us: None }));
        if self.config.mix != MixRequest::default() {
            self.outbox.push_back((id, ClientMessage::Mix(self.config.mix.clone())));
        }
        if !self.pinned.is_empty() {
            self.outbox.push_back((id, ClientMessage::Pin { sources: self.pinned.clone() }));
        }
        self.outbox.extend(self.stall_reports.repeat().map(|report| (id, report)));
    }

    /// Requests a new seat in place of the session with this token.
    fn replace_lost(&mut self, now: Micros, id: DialId, token: ResumeToken) {
        self.lost_token = Some(token);
        self.dials.remove(id);
        self.hang_up([id]);
        self.dials.retry_later(now);
    }

    pub(super) fn take_refusal(&mut self, now: Micros, id: DialId, refused: Refused) {
        self.dials.remove(id);
        self.open.take_if(|open| *open == id);
        let mut gone = self.dials.remove_all_but(None);
        gone.push(id);
        if refused.retry == Retry::Later {
            let asked = Micros::from_secs(u64::from(refused.after.unwrap_or(0))).min(MAX_RETRY_WAIT);
            self.dials.retry_at(now + RETRY_REFUSED.max(asked));
        } else {
            self.state = ClientState::Refused;
            self.media = None;
            gone.extend(self.open.take());
        }
        self.hang_up(gone);
        self.events.push_back(ClientEvent::Refused(refused));
    }
}
