//! The client's end of a session, with a scripted server.

mod common;

use common::{Identity, PIN, client_config, lobby};
use rtjam_protocol::audio::{AudioHeader, Codec, Layout, Peak};
use rtjam_protocol::client::{ClientConfig, ClientEvent, ClientSession, ClientState, DialId, MediaHealth};
use rtjam_protocol::control::{
    ClientMessage, DownstreamMode, Features, Joined, MediaEndpoint, Outdated, Refusal, Refused, Release, ResumeToken,
    SeatRequest, SeatRole, ServerMessage, SessionKeys, StallReport, TransportKind, Welcome,
};
use rtjam_protocol::datagram::{DatagramHeader, Frame};
use rtjam_protocol::link::Role;
use rtjam_protocol::seal::{Key, KeyId, NonceCounter, Suite};
use rtjam_protocol::{FramePosition, Micros, Sequence, SessionId, SourceId, StreamId};
use std::collections::BTreeSet;

const fn ms(ms: u64) -> Micros {
    Micros::from_millis(ms)
}

/// A session, and what it asked of its driver.
struct TestClient {
    session: ClientSession,
    now: Micros,
    dials: Vec<DialId>,
    hung_up: Vec<DialId>,
    control_messages: Vec<(DialId, ClientMessage)>,
    joins: usize,
    /// Number of joins with a new receive key.
    keys: usize,
    lost: usize,
    refusals: Vec<Refused>,
    rosters: usize,
    going_down: usize,
    endpoints: Vec<usize>,
    sent: BTreeSet<(SessionId, NonceCounter)>,
}

impl TestClient {
    fn new(role: SeatRole) -> TestClient {
        TestClient::with(client_config("Ann", role))
    }

    fn with(config: ClientConfig) -> TestClient {
        let session = ClientSession::new(ms(0), config, Box::new(Identity::new(1)));
        let mut client = TestClient {
            session,
            now: ms(0),
            dials: Vec::new(),
            hung_up: Vec::new(),
            control_messages: Vec::new(),
            joins: 0,
            keys: 0,
            lost: 0,
            refusals: Vec::new(),
            rosters: 0,
            going_down: 0,
            endpoints: Vec::new(),
            sent: BTreeSet::new(),
        };
        client.drain();
        client
    }

    fn drain(&mut self) {
        while let Some(event) = self.session.poll_event() {
            match event {
                ClientEvent::Dial(id) => self.dials.push(id),
                ClientEvent::HangUp(id) => self.hung_up.push(id),
                ClientEvent::Joined { receive, .. } => {
                    self.joins += 1;
                    self.keys += usize::from(receive.is_some());
                }
                ClientEvent::MediaLost => self.lost += 1,
                ClientEvent::Refused(r) => self.refusals.push(r),
                ClientEvent::Roster { .. } => self.rosters += 1,
                ClientEvent::GoingDown => self.going_down += 1,
                _ => {}
            }
        }
        while let Some(message) = self.session.poll_control() {
            self.control_messages.push(message);
        }
        let mut out = Vec::new();
        while let Some(endpoint) = self.session.poll_transmit(self.now, &mut out) {
            self.check_nonce(endpoint, &out);
        }
    }

    /// Checks that no nonce is used twice. In these tests, each session id has one key.
    fn check_nonce(&mut self, endpoint: usize, datagram: &[u8]) {
        let header = DatagramHeader::read(datagram).expect("a header");
        assert!(self.sent.insert((header.session, header.counter)), "nonce used twice: {header:?}");
        self.endpoints.push(endpoint);
    }

    /// Lets time pass and handles the session's timeouts.
    fn pass(&mut self, until: Micros) {
        while let Some(at) = self.session.poll_timeout().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            self.session.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    fn receive(&mut self, id: DialId, message: ServerMessage) {
        self.session.handle_control(self.now, id, message);
        self.drain();
    }

    /// Opens the connection and sends `welcome`. Returns the seat request.
    fn greet(&mut self, id: DialId) -> Option<SeatRequest> {
        self.session.handle_control_open(id, PIN);
        self.receive(id, ServerMessage::Welcome(Welcome { version: 1, nonce: [5; 32], release: None }));
        self.control_messages.iter().rev().find_map(|(d, m)| match m {
            ClientMessage::Seat(seat) if *d == id => Some(seat.clone()),
            _ => None,
        })
    }

    fn dial(&self) -> DialId {
        *self.dials.last().expect("a dial")
    }

    /// Joins by the last dial, as session `n`.
    fn join(&mut self, n: u32, resumed: bool) -> DialId {
        let id = self.dial();
        self.greet(id).expect("a seat request");
        self.receive(id, joined(n, resumed));
        id
    }

    fn receive_media(&mut self) {
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
        endpoint.inspect(|e| self.check_nonce(*e, &out)).is_some()
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
        resume: ResumeToken([n as u8; 16]),
        mix: DownstreamMode::Forwarded,
        features: Features::default(),
    })
}

/// A client that left does not come back.
#[test]
fn leaving_is_final() {
    let mut client = TestClient::new(SeatRole::Musician);
    let id = client.join(1, false);
    client.receive_media();
    client.session.leave();
    client.drain();
    assert!(client.control_messages.contains(&(id, ClientMessage::Bye)));
    client.session.handle_frame(client.now, &Frame::Goodbye);
    client.session.handle_control_closed(client.now, id);
    client.pass(ms(60_000));
    assert_eq!((client.session.state(), client.dials.len(), client.lost), (ClientState::Left, 1, 0));
    assert!(!client.send_audio());
}

/// Leaving while a seat is requested sends `bye`.
#[test]
fn leaving_cancels_a_pending_seat() {
    let mut client = TestClient::new(SeatRole::Musician);
    let id = client.dial();
    client.greet(id).expect("a seat request");
    client.session.leave();
    client.drain();
    assert!(client.control_messages.contains(&(id, ClientMessage::Bye)));
}

/// Keys are not used again after their counters are lost.
#[test]
fn keys_of_lost_sessions_are_not_reused() {
    let mut client = TestClient::new(SeatRole::Musician);
    client.join(1, false);
    client.receive_media();
    assert!(client.send_audio());
    // Silence leads to a dial that asks to resume; then the server's goodbye overtakes its reply.
    client.pass(ms(600));
    let id = client.dial();
    let seat = client.greet(id).expect("a seat request");
    assert_eq!((seat.resume, seat.replaces), (Some(ResumeToken([1; 16])), None));
    client.session.handle_frame(client.now, &Frame::Goodbye);
    client.drain();
    client.receive(id, joined(1, true));
    client.pass(ms(1000));
    assert!(!client.send_audio() && client.hung_up.contains(&id));
    // A seat in place of that session, with keys of its own.
    let id = client.dial();
    let seat = client.greet(id).expect("a seat request");
    assert_eq!((seat.resume, seat.replaces), (None, Some(ResumeToken([1; 16]))));
    client.receive(id, joined(2, false));
    assert!(client.send_audio());
    assert_eq!((client.joins, client.keys), (2, 2));
}

/// `going_down` is reported even if it arrives after the goodbye.
#[test]
fn going_down_is_reported_after_goodbye() {
    let mut client = TestClient::new(SeatRole::Musician);
    let id = client.join(1, false);
    client.receive_media();
    client.session.handle_frame(client.now, &Frame::Goodbye);
    client.drain();
    client.receive(id, ServerMessage::GoingDown);
    assert_eq!((client.lost, client.going_down), (1, 1));
    assert!(!client.hung_up.contains(&id));
    // The old connection closes when the new one is in use.
    client.pass(ms(1000));
    client.join(2, false);
    assert!(client.hung_up.contains(&id));
}

/// A dial without an answer gets parallel dials, and is not dropped for them.
#[test]
fn unanswered_dials_get_parallel_dials() {
    let mut client = TestClient::new(SeatRole::Musician);
    client.pass(ms(3900));
    assert_eq!((client.dials.len(), client.hung_up.len()), (4, 0));
    // One dial a second, and never more than four at a time.
    client.pass(ms(60_000));
    assert!(
        (55..=61).contains(&client.dials.len()) && client.live_dials() <= 4,
        "{} {}",
        client.dials.len(),
        client.live_dials()
    );
    // The first connection with a reply is used, and the others are closed.
    let id = client.dials[client.dials.len() - 2];
    client.greet(id).expect("a seat request");
    client.receive(id, joined(1, false));
    assert_eq!((client.session.state(), client.live_dials()), (ClientState::Joined, 1));
}

/// Only one connection requests a seat at a time.
#[test]
fn seats_are_requested_once() {
    let mut client = TestClient::new(SeatRole::Musician);
    client.pass(ms(1500));
    let [first, second] = client.dials[..] else { panic!("{:?}", client.dials) };
    client.session.handle_control_open(second, PIN);
    assert!(client.greet(first).is_some());
    assert!(client.greet(second).is_none());
    client.pass(ms(4000));
    assert_eq!(client.live_dials(), 1);
}

/// The end of the old connection does not disturb the new one.
#[test]
fn closing_old_connections_is_harmless() {
    let (mut client, old, new) = dialing_again();
    // The server has dropped the session; a seat is on its way.
    client.session.handle_control_closed(client.now, old);
    client.pass(ms(2000));
    assert!(!client.hung_up.contains(&new));
    client.receive(new, joined(2, false));
    assert_eq!((client.session.state(), client.dials.len()), (ClientState::Joined, 2));
}

/// A client in a room whose media has paused, so that it asks for its seat on a second connection. Returns the client, the
/// connection that it has, and the second one.
fn dialing_again() -> (TestClient, DialId, DialId) {
    let mut client = TestClient::new(SeatRole::Musician);
    let open = client.join(1, false);
    client.receive_media();
    client.pass(ms(600));
    let dialled = client.dial();
    client.greet(dialled).expect("a seat request");
    (client, open, dialled)
}

/// A permanent refusal ends the session.
#[test]
fn permanent_refusals_end_the_session() {
    let (mut client, open, dialled) = dialing_again();
    client.receive(open, ServerMessage::Refused(Refused::new(Refusal::BadMessage)));
    assert_eq!(client.session.state(), ClientState::Refused);
    assert_eq!(client.live_dials(), 0);
    client.receive(dialled, joined(2, false));
    client.pass(ms(60_000));
    assert_eq!((client.session.state(), client.joins, client.dials.len()), (ClientState::Refused, 1, 2));
}

/// A temporary refusal is retried, and media continues.
#[test]
fn temporary_refusals_are_retried() {
    let (mut client, open, dialled) = dialing_again();
    client.receive(dialled, ServerMessage::Refused(Refused::new(Refusal::ServerUnable)));
    client.receive_media();
    assert!(client.send_audio() && !client.hung_up.contains(&open));
    client.pass(ms(2000));
    assert_eq!(client.dials.len(), 2);
    client.pass(ms(2700));
    assert_eq!(client.dials.len(), 3);
}

/// The client waits as long as the server asks, within limits.
#[test]
fn retry_delays_are_respected() {
    for (asked, waits_ms) in [(12, 12_000), (1, 2000), (u32::MAX, 300_000)] {
        let mut client = TestClient::new(SeatRole::Musician);
        let id = client.dial();
        client.greet(id).expect("a seat request");
        client.receive(id, ServerMessage::Refused(Refused::after(Refusal::TooManyJoins, asked)));
        client.pass(ms(waits_ms - 1));
        assert_eq!((client.dials.len(), client.session.state()), (1, ClientState::Connecting));
        client.pass(ms(waits_ms));
        assert_eq!(client.dials.len(), 2, "{asked}");
    }
}

/// A server with an older version leads to a version refusal.
#[test]
fn older_servers_are_refused() {
    let mut client = TestClient::new(SeatRole::Musician);
    let id = client.dial();
    client.session.handle_control_open(id, PIN);
    client.receive(id, ServerMessage::Welcome(Welcome { version: 0, nonce: [5; 32], release: None }));
    assert_eq!(client.refusals, [Refused::new(Refusal::Version)]);
    assert_eq!((client.session.state(), client.control_messages.len()), (ClientState::Refused, 0));
}

/// A server that does not name its release counts as the first one. A server that names it refuses by itself.
#[test]
fn client_judges_silent_servers() {
    let release = |minor| Release { major: 0, minor };
    for (own, theirs, refused) in [
        (3, None, None),
        (4, None, Some(Refused::update_needed(Outdated::Server))),
        (4, Some(release(1)), None),
        (1, Some(release(9)), None),
    ] {
        let config = ClientConfig { release: release(own), ..client_config("Ann", SeatRole::Musician) };
        let mut client = TestClient::with(config);
        let id = client.dial();
        client.session.handle_control_open(id, PIN);
        client.receive(id, ServerMessage::Welcome(Welcome { version: 1, nonce: [5; 32], release: theirs }));
        assert_eq!(client.refusals.first(), refused.as_ref(), "{own} {theirs:?}");
        assert_eq!(client.control_messages.is_empty(), refused.is_some(), "{own} {theirs:?}");
    }
}

/// A client without a seat is in with the first roster.
#[test]
fn watching_needs_only_a_roster() {
    let mut client = TestClient::new(SeatRole::None);
    let id = client.dial();
    assert_eq!(client.greet(id).map(|s| s.role), Some(SeatRole::None));
    client.receive(id, ServerMessage::Roster { musicians: vec![], listeners: 0 });
    client.pass(ms(6000));
    client.receive(id, ServerMessage::Roster { musicians: vec![], listeners: 0 });
    assert_eq!((client.session.state(), client.rosters, client.dials.len()), (ClientState::Joined, 2, 1));
    assert!(!client.send_audio());
}

/// A control connection without pongs is replaced while media continues.
#[test]
fn unanswered_pings_lead_to_a_dial() {
    let mut client = TestClient::new(SeatRole::Musician);
    let id = client.join(1, false);
    for tenths in 0..600 {
        client.receive_media();
        client.pass(ms(tenths * 100));
        if tenths < 300 {
            client.receive(id, ServerMessage::Pong { id: 0 });
            assert_eq!(client.dials.len(), 1, "at {tenths} tenths");
        }
        if client.dials.len() > 1 {
            assert!(tenths <= 500);
            return assert!(client.send_audio());
        }
    }
    panic!("never dialled");
}

/// Half a second of silence leads to a dial in addition to the open connection.
#[test]
fn silence_leads_to_a_dial() {
    let mut client = TestClient::new(SeatRole::Musician);
    let id = client.join(1, false);
    client.receive_media();
    client.pass(ms(499));
    assert_eq!(client.dials.len(), 1);
    client.pass(ms(500));
    assert_eq!((client.dials.len(), client.hung_up.contains(&id)), (2, false));
    assert!(client.send_audio());
    // Resumed: keys and counters continue.
    let new = client.join(1, true);
    assert_eq!(
        (client.joins, client.keys, client.hung_up.contains(&id), client.hung_up.contains(&new)),
        (2, 1, true, false)
    );
    assert!(client.send_audio());
}

/// Media is reported as blocked until something arrives.
#[test]
fn blocked_media_is_reported() {
    let mut client = TestClient::new(SeatRole::Musician);
    client.join(1, false);
    assert_eq!(client.session.health(client.now), Some(MediaHealth::Opening));
    client.pass(ms(3000));
    assert_eq!(client.session.health(client.now), Some(MediaHealth::Blocked));
    // The server has dropped the session before the client gave it up.
    client.join(2, false);
    assert_eq!(client.session.health(client.now), Some(MediaHealth::Blocked));
    client.pass(ms(3000 + 5500));
    assert_eq!((client.session.health(client.now), client.lost), (Some(MediaHealth::Blocked), 1));
    client.join(3, false);
    client.receive_media();
    assert_eq!(client.session.health(client.now), Some(MediaHealth::Flowing));
    client.pass(client.now + ms(1000));
    assert_eq!(client.session.health(client.now), Some(MediaHealth::Interrupted));
}

/// Only known endpoints of the current list are used.
#[test]
fn unknown_endpoints_are_skipped() {
    let mut client = TestClient::new(SeatRole::Musician);
    let unknown = MediaEndpoint { host: None, port: 1, kind: TransportKind::Unknown };
    let id = client.dial();
    client.greet(id).expect("a seat request");
    client.receive(id, joined_with(1, false, vec![unknown, udp(2), udp(3)]));
    client.pass(ms(1600));
    assert_eq!(BTreeSet::from_iter(client.endpoints.drain(..)), BTreeSet::from([1, 2]));
    let id = client.dial();
    client.greet(id).expect("a seat request");
    client.receive(id, joined_with(1, true, vec![udp(2)]));
    client.endpoints.clear();
    client.pass(ms(2500));
    assert_eq!(BTreeSet::from_iter(client.endpoints.drain(..)), BTreeSet::from([0]));
}

/// Stalls are reported at once, then at most every ten seconds, and again on a new control connection.
#[test]
fn stalls_are_reported_again() {
    let mut client = TestClient::new(SeatRole::Musician);
    client.join(1, false);
    let stalls = Some(StallReport::new(4, 1000));
    let reports = |client: &mut TestClient| -> Vec<Option<StallReport>> {
        client.drain();
        let stalls = |m| if let ClientMessage::Stalling { stalls } = m { Some(stalls) } else { None };
        std::mem::take(&mut client.control_messages).into_iter().filter_map(|(_, message)| stalls(message)).collect()
    };
    client.session.report_stalls(ms(1000), None);
    assert_eq!(reports(&mut client), []);
    client.session.report_stalls(ms(1000), stalls);
    assert_eq!(reports(&mut client), [stalls]);
    for tick in 11..=120 {
        client.session.report_stalls(ms(tick * 100), None);
        let expected: &[Option<StallReport>] = if tick == 110 { &[None] } else { &[] };
        assert_eq!(reports(&mut client), expected, "after {tick} tenths of a second");
    }
    // The server may have missed that they are over.
    let id = client.dial();
    client.session.handle_control_closed(client.now, id);
    client.drain();
    client.pass(client.now + ms(3000));
    client.join(1, true);
    assert_eq!(reports(&mut client), [None]);
}
