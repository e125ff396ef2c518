//! The musician's end of a session, with a server played by hand.

mod common;

use common::{Identity, PIN, client_config, lobby};
use rtjam_protocol::audio::{AudioHeader, Codec, Layout, Peak};
use rtjam_protocol::client::{DialId, Event, Health, Session, State};
use rtjam_protocol::control::{
    ClientMessage, Features, Joined, MediaEndpoint, MixChoice, Refusal, Refused, Seat, SeatRole, ServerMessage,
    SessionKeys, Token, TransportKind, Welcome,
};
use rtjam_protocol::datagram::{Frame, Header};
use rtjam_protocol::link::Role;
use rtjam_protocol::seal::{Counter, Key, KeyId, Suite};
use rtjam_protocol::{FramePosition, Micros, Sequence, SessionId, SourceId, StreamId};
use std::collections::BTreeSet;

const fn ms(ms: u64) -> Micros {
    Micros::from_millis(ms)
}

/// A session, and what it wants of its driver.
struct End {
    session: Session,
    now: Micros,
    dials: Vec<DialId>,
    hung_up: Vec<DialId>,
    said: Vec<(DialId, ClientMessage)>,
    joins: usize,
    /// How many joins brought a new receive key.
    keys: usize,
    lost: usize,
    refusals: Vec<Refused>,
    rosters: usize,
    going_down: usize,
    endpoints: Vec<usize>,
    sent: BTreeSet<(SessionId, Counter)>,
}

impl End {
    fn new(role: SeatRole) -> End {
        let session = Session::new(ms(0), client_config("Ann", role), Box::new(Identity::new(1)));
        let mut end = End {
            session,
            now: ms(0),
            dials: Vec::new(),
            hung_up: Vec::new(),
            said: Vec::new(),
            joins: 0,
            keys: 0,
            lost: 0,
            refusals: Vec::new(),
            rosters: 0,
            going_down: 0,
            endpoints: Vec::new(),
            sent: BTreeSet::new(),
        };
        end.drain();
        end
    }

    fn drain(&mut self) {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Dial(id) => self.dials.push(id),
                Event::HangUp(id) => self.hung_up.push(id),
                Event::Joined { receive, .. } => {
                    self.joins += 1;
                    self.keys += usize::from(receive.is_some());
                }
                Event::MediaLost => self.lost += 1,
                Event::Refused(r) => self.refusals.push(r),
                Event::Roster { .. } => self.rosters += 1,
                Event::GoingDown => self.going_down += 1,
                _ => {}
            }
        }
        while let Some(said) = self.session.poll_control() {
            self.said.push(said);
        }
        let mut out = Vec::new();
        while let Some(endpoint) = self.session.poll_transmit(self.now, &mut out) {
            self.note_sent(endpoint, &out);
        }
    }

    /// Every datagram ever sent must have a nonce of its own; the tests here give each session number one key.
    fn note_sent(&mut self, endpoint: usize, datagram: &[u8]) {
        let header = Header::read(datagram).expect("a header");
        assert!(self.sent.insert((header.session, header.counter)), "nonce used twice: {header:?}");
        self.endpoints.push(endpoint);
    }

    /// Lets time pass, with timeouts as the session asks for them.
    fn pass(&mut self, until: Micros) {
        while let Some(at) = self.session.poll_timeout().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            self.session.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    fn hears(&mut self, id: DialId, message: ServerMessage) {
        self.session.handle_control(self.now, id, message);
        self.drain();
    }

    /// The connection opens and the server says `welcome`; returns the seat that is asked for.
    fn greet(&mut self, id: DialId) -> Option<Seat> {
        self.session.handle_control_open(id, PIN);
        self.hears(id, ServerMessage::Welcome(Welcome { version: 1, nonce: [5; 32] }));
        self.said.iter().rev().find_map(|(d, m)| match m {
            ClientMessage::Seat(seat) if *d == id => Some(seat.clone()),
            _ => None,
        })
    }

    fn dial(&self) -> DialId {
        *self.dials.last().expect("a dial")
    }

    /// In the room by the last dial, as session `n`.
    fn join(&mut self, n: u32, resumed: bool) -> DialId {
        let id = self.dial();
        self.greet(id).expect("a seat is asked for");
        self.hears(id, joined(n, resumed));
        id
    }

    fn hear_media(&mut self) {
        self.session.handle_heard(self.now);
        self.drain();
    }

    fn send_audio(&mut self) -> bool {
        let header = AudioHeader {
            source: SourceId(0),
            stream: StreamId(1),
            sequence: Sequence(0),
            position: FramePosition(0),
            codec: Codec::Pcm16,
            layout: Layout::Stereo,
            frames: 1,
            peak: [Peak(0); 2],
        };
        let mut out = Vec::new();
        let endpoint = self.session.seal_audio(self.now, &header, &[0; 4], &mut out);
        endpoint.inspect(|e| self.note_sent(*e, &out)).is_some()
    }

    fn live_dials(&self) -> usize {
        self.dials.iter().filter(|d| !self.hung_up.contains(d)).count()
    }
}

fn udp(port: u16) -> MediaEndpoint {
    MediaEndpoint { host: None, port, kind: TransportKind::Udp }
}

fn joined(n: u32, resumed: bool) -> ServerMessage {
    joined_with(n, resumed, vec![udp(7891)])
}

fn joined_with(n: u32, resumed: bool, media: Vec<MediaEndpoint>) -> ServerMessage {
    ServerMessage::Joined(Joined {
        room: lobby(),
        role: Role::Musician,
        resumed,
        session: SessionId(n),
        source: SourceId(1),
        name: "Ann".into(),
        instance: 0,
        keys: SessionKeys {
            suite: Suite::Aes128Gcm,
            id: KeyId(0),
            up: Key([n as u8; 32]),
            down: Key([n as u8 + 100; 32]),
        },
        media,
        resume: Token([n as u8; 16]),
        mix: MixChoice::Separate,
        features: Features::default(),
    })
}

#[test]
fn who_left_stays_away() {
    let mut end = End::new(SeatRole::Musician);
    let id = end.join(1, false);
    end.hear_media();
    end.session.leave();
    end.drain();
    assert!(end.said.contains(&(id, ClientMessage::Bye)));
    end.session.handle_frame(end.now, &Frame::Goodbye);
    end.session.handle_control_closed(end.now, id);
    end.pass(ms(60_000));
    assert_eq!((end.session.state(), end.dials.len(), end.lost), (State::Left, 1, 0));
    assert!(!end.send_audio());
}

#[test]
fn leaving_while_a_seat_is_being_asked_for_says_so() {
    let mut end = End::new(SeatRole::Musician);
    let id = end.dial();
    end.greet(id).expect("a seat is asked for");
    end.session.leave();
    end.drain();
    assert!(end.said.contains(&(id, ClientMessage::Bye)));
}

#[test]
fn keys_whose_counters_are_forgotten_are_never_used_again() {
    let mut end = End::new(SeatRole::Musician);
    end.join(1, false);
    end.hear_media();
    assert!(end.send_audio());
    // Silence: control is dialled and asks to resume; then the server's goodbye overtakes its answer.
    end.pass(ms(600));
    let id = end.dial();
    let seat = end.greet(id).expect("a seat is asked for");
    assert_eq!((seat.resume, seat.replaces), (Some(Token([1; 16])), None));
    end.session.handle_frame(end.now, &Frame::Goodbye);
    end.drain();
    end.hears(id, joined(1, true));
    end.pass(ms(1000));
    assert!(!end.send_audio() && end.hung_up.contains(&id));
    // A seat in place of that session, with keys of its own.
    let id = end.dial();
    let seat = end.greet(id).expect("a seat is asked for");
    assert_eq!((seat.resume, seat.replaces), (None, Some(Token([1; 16]))));
    end.hears(id, joined(2, false));
    assert!(end.send_audio());
    assert_eq!((end.joins, end.keys), (2, 2));
}

#[test]
fn why_the_server_stops_is_heard_also_after_its_goodbye() {
    let mut end = End::new(SeatRole::Musician);
    let id = end.join(1, false);
    end.hear_media();
    end.session.handle_frame(end.now, &Frame::Goodbye);
    end.drain();
    end.hears(id, ServerMessage::GoingDown);
    assert_eq!((end.lost, end.going_down), (1, 1));
    assert!(!end.hung_up.contains(&id));
    // The old connection goes when the new one is in.
    end.pass(ms(1000));
    end.join(2, false);
    assert!(end.hung_up.contains(&id));
}

#[test]
fn a_dial_that_gets_no_answer_has_a_successor_within_a_second_and_is_not_dropped_for_it() {
    let mut end = End::new(SeatRole::Musician);
    end.pass(ms(3900));
    assert_eq!((end.dials.len(), end.hung_up.len()), (4, 0));
    // For ever: one a second, and never more than four at a time.
    end.pass(ms(60_000));
    assert!((55..=61).contains(&end.dials.len()) && end.live_dials() <= 4, "{} {}", end.dials.len(), end.live_dials());
    // The first that answers is used, and the others are hung up.
    let id = end.dials[end.dials.len() - 2];
    end.greet(id).expect("a seat is asked for");
    end.hears(id, joined(1, false));
    assert_eq!((end.session.state(), end.live_dials()), (State::Joined, 1));
}

#[test]
fn a_seat_that_is_being_asked_for_is_asked_for_once() {
    let mut end = End::new(SeatRole::Musician);
    end.pass(ms(1500));
    let [first, second] = end.dials[..] else { panic!("{:?}", end.dials) };
    end.session.handle_control_open(second, PIN);
    assert!(end.greet(first).is_some());
    assert!(end.greet(second).is_none());
    end.pass(ms(4000));
    assert_eq!(end.live_dials(), 1);
}

#[test]
fn the_end_of_the_old_connection_does_not_disturb_the_new_one() {
    let mut end = End::new(SeatRole::Musician);
    let old = end.join(1, false);
    end.hear_media();
    end.pass(ms(600));
    let new = end.dial();
    end.greet(new).expect("a seat is asked for");
    // The server has pruned the session; a seat is on its way.
    end.session.handle_control_closed(end.now, old);
    end.pass(ms(2000));
    assert!(!end.hung_up.contains(&new));
    end.hears(new, joined(2, false));
    assert_eq!((end.session.state(), end.dials.len()), (State::Joined, 2));
}

#[test]
fn a_refusal_for_good_ends_everything() {
    let mut end = End::new(SeatRole::Musician);
    let open = end.join(1, false);
    end.hear_media();
    end.pass(ms(600));
    let dialled = end.dial();
    end.greet(dialled).expect("a seat is asked for");
    end.hears(open, ServerMessage::Refused(Refused::new(Refusal::BadMessage)));
    assert_eq!(end.session.state(), State::Refused);
    assert_eq!(end.live_dials(), 0);
    end.hears(dialled, joined(2, false));
    end.pass(ms(60_000));
    assert_eq!((end.session.state(), end.joins, end.dials.len()), (State::Refused, 1, 2));
}

#[test]
fn a_refusal_for_now_is_tried_again_and_media_goes_on() {
    let mut end = End::new(SeatRole::Musician);
    let open = end.join(1, false);
    end.hear_media();
    end.pass(ms(600));
    let dialled = end.dial();
    end.greet(dialled).expect("a seat is asked for");
    end.hears(dialled, ServerMessage::Refused(Refused::new(Refusal::ServerUnable)));
    end.hear_media();
    assert!(end.send_audio() && !end.hung_up.contains(&open));
    end.pass(ms(2000));
    assert_eq!(end.dials.len(), 2);
    end.pass(ms(2700));
    assert_eq!(end.dials.len(), 3);
}

#[test]
fn a_server_that_says_when_to_try_again_is_left_alone_until_then() {
    for (asked, waits_ms) in [(12, 12_000), (1, 2000), (u32::MAX, 300_000)] {
        let mut end = End::new(SeatRole::Musician);
        let id = end.dial();
        end.greet(id).expect("a seat is asked for");
        end.hears(id, ServerMessage::Refused(Refused::after(Refusal::TooManyJoins, asked)));
        end.pass(ms(waits_ms - 1));
        assert_eq!((end.dials.len(), end.session.state()), (1, State::Connecting));
        end.pass(ms(waits_ms));
        assert_eq!(end.dials.len(), 2, "{asked}");
    }
}

#[test]
fn a_server_of_an_older_version_is_said_to_be_one() {
    let mut end = End::new(SeatRole::Musician);
    let id = end.dial();
    end.session.handle_control_open(id, PIN);
    end.hears(id, ServerMessage::Welcome(Welcome { version: 0, nonce: [5; 32] }));
    assert_eq!(end.refusals, [Refused::new(Refusal::Version)]);
    assert_eq!((end.session.state(), end.said.len()), (State::Refused, 0));
}

#[test]
fn who_only_watches_is_in_with_the_first_roster() {
    let mut end = End::new(SeatRole::None);
    let id = end.dial();
    assert_eq!(end.greet(id).map(|s| s.role), Some(SeatRole::None));
    end.hears(id, ServerMessage::Roster { musicians: vec![], listeners: 0 });
    end.pass(ms(6000));
    end.hears(id, ServerMessage::Roster { musicians: vec![], listeners: 0 });
    assert_eq!((end.session.state(), end.rosters, end.dials.len()), (State::Joined, 2, 1));
    assert!(!end.send_audio());
}

#[test]
fn a_control_connection_that_answers_no_ping_is_dialled_anew_while_media_flows() {
    let mut end = End::new(SeatRole::Musician);
    let id = end.join(1, false);
    for tenths in 0..600 {
        end.hear_media();
        end.pass(ms(tenths * 100));
        if tenths < 300 {
            end.hears(id, ServerMessage::Pong { id: 0 });
            assert_eq!(end.dials.len(), 1, "at {tenths} tenths");
        }
        if end.dials.len() > 1 {
            assert!(tenths <= 500);
            return assert!(end.send_audio());
        }
    }
    panic!("never dialled");
}

#[test]
fn nothing_heard_for_half_a_second_dials_beside_what_is_there() {
    let mut end = End::new(SeatRole::Musician);
    let id = end.join(1, false);
    end.hear_media();
    end.pass(ms(499));
    assert_eq!(end.dials.len(), 1);
    end.pass(ms(500));
    assert_eq!((end.dials.len(), end.hung_up.contains(&id)), (2, false));
    assert!(end.send_audio());
    // Resumed: keys and counters go on.
    let new = end.join(1, true);
    assert_eq!((end.joins, end.keys, end.hung_up.contains(&id), end.hung_up.contains(&new)), (2, 1, true, false));
    assert!(end.send_audio());
}

#[test]
fn a_blocked_path_is_called_so_until_something_is_heard() {
    let mut end = End::new(SeatRole::Musician);
    end.join(1, false);
    assert_eq!(end.session.health(end.now), Some(Health::Opening));
    end.pass(ms(3000));
    assert_eq!(end.session.health(end.now), Some(Health::Blocked));
    // The server has pruned the session before this end gave it up.
    end.join(2, false);
    assert_eq!(end.session.health(end.now), Some(Health::Blocked));
    end.pass(ms(3000 + 5500));
    assert_eq!((end.session.health(end.now), end.lost), (Some(Health::Blocked), 1));
    end.join(3, false);
    end.hear_media();
    assert_eq!(end.session.health(end.now), Some(Health::Flowing));
    end.pass(end.now + ms(1000));
    assert_eq!(end.session.health(end.now), Some(Health::Interrupted));
}

#[test]
fn only_endpoints_that_exist_and_are_understood_are_used() {
    let mut end = End::new(SeatRole::Musician);
    let unknown = MediaEndpoint { host: None, port: 1, kind: TransportKind::Unknown };
    let id = end.dial();
    end.greet(id).expect("a seat is asked for");
    end.hears(id, joined_with(1, false, vec![unknown, udp(2), udp(3)]));
    end.pass(ms(1600));
    assert_eq!(BTreeSet::from_iter(end.endpoints.drain(..)), BTreeSet::from([1, 2]));
    let id = end.dial();
    end.greet(id).expect("a seat is asked for");
    end.hears(id, joined_with(1, true, vec![udp(2)]));
    end.endpoints.clear();
    end.pass(ms(2500));
    assert_eq!(BTreeSet::from_iter(end.endpoints.drain(..)), BTreeSet::from([0]));
}
