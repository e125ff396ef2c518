//! A client's session with a scripted server and network.

use super::script::{Script, TALLY};
use rtjam_protocol::Micros;
use rtjam_protocol::audio::{AudioHeader, Codec, Layout, Peak};
use rtjam_protocol::client::{ClientConfig, ClientEvent, ClientSession, ClientState, DialId, Signer};
use rtjam_protocol::control::{
    DownstreamMode, Features, Joined, MediaEndpoint, MixRequest, MixState, Refusal, Refused, Release, ResumeToken,
    SeatRole, ServerMessage, SessionKeys, TransportKind, Welcome,
};
use rtjam_protocol::datagram::{Frames, MAX_DATAGRAM};
use rtjam_protocol::link::{Pin, Role, Secret};
use rtjam_protocol::seal::{Key, KeyId, Suite};
use rtjam_protocol::{FramePosition, MusicianId, RoomName, Sequence, SessionId, SourceId, StreamId};
use std::collections::BTreeSet;

/// Drives a session. Checks that no nonce repeats, each input has few outputs, timeouts lie in the future, connections are
/// few, and an ended session stays ended.
pub fn client_session(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let role = [SeatRole::Musician, SeatRole::Musician, SeatRole::Listener, SeatRole::None][script.below(4)];
    let mut client = TestClient::new(role);
    while !script.is_over() {
        client.step(&mut script);
        client.check();
    }
}

struct TestClient {
    session: ClientSession,
    now: Micros,
    last: ClientState,
    dialled: Vec<DialId>,
    live: BTreeSet<DialId>,
    /// Number of keys given to each session number. A server never gives the same keys twice.
    given: [u8; 4],
    audio: u32,
}

struct Nobody;

impl Signer for Nobody {
    fn musician(&self) -> MusicianId {
        MusicianId([1; 32])
    }

    fn sign(&self, _: &[u8]) -> [u8; 64] {
        [2; 64]
    }
}

fn lobby() -> RoomName {
    RoomName::new("lobby").expect("a name")
}

impl TestClient {
    fn new(role: SeatRole) -> TestClient {
        let config = ClientConfig {
            room: lobby(),
            role,
            secret: Secret([3; 16]),
            name: String::from("Ann"),
            suites: Vec::from([Suite::Aes128Gcm]),
            instance: None,
            crypto: TALLY,
            mix: MixRequest::default(),
            release: Release::OWN,
        };
        let now = Micros::from_secs(1);
        let mut client = TestClient {
            session: ClientSession::new(now, config, Box::new(Nobody)),
            now,
            last: ClientState::Connecting,
            dialled: Vec::new(),
            live: BTreeSet::new(),
            given: [0; 4],
            audio: 0,
        };
        client.check();
        client
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let now = self.now;
        match script.below(16) {
            0..=2 => self.pass(Micros(script.span())),
            3 => self.session.handle_timeout(now),
            4 => {
                let id = self.any_dial(script);
                self.session.handle_control_open(id, Pin([4; 16]));
            }
            5 => {
                let id = self.any_dial(script);
                self.live.remove(&id);
                self.session.handle_control_closed(now, id);
            }
            6 | 7 => self.says(script, |_, script| {
                ServerMessage::Welcome(Welcome {
                    version: u16::from(script.byte() != 1),
                    nonce: [5; 32],
                    release: None,
                })
            }),
            8 | 9 => self.says(script, TestClient::joined),
            10 => self.says(script, |_, script| {
                let reason = [Refusal::RoomFull, Refusal::ServerUnable, Refusal::RoomFull, Refusal::WrongSecret];
                ServerMessage::Refused(Refused::new(reason[script.below(4)]))
            }),
            11 => self.says(script, |_, script| match script.below(4) {
                0 if script.flag() => ServerMessage::Roster { musicians: Vec::new(), listeners: 0 },
                0 => {
                    ServerMessage::RosterChanges { left: Vec::from([SourceId(1)]), musicians: Vec::new(), listeners: 1 }
                }
                1 => ServerMessage::Left { source: SourceId(1), name: String::new() },
                2 if script.flag() => ServerMessage::Mix(MixState::mixed(Micros(script.span()))),
                2 => ServerMessage::GoingDown,
                _ => ServerMessage::Pong { id: 0 },
            }),
            12 => self.session.handle_heard(now),
            13 => {
                let len = script.below(80);
                Frames::new(script.take(len)).for_each(|frame| self.session.handle_frame(now, &frame));
            }
            14 if script.flag() => {
                let mode = script.flag().then_some(DownstreamMode::Mixed);
                self.session.request_mix(MixRequest { mode, ..MixRequest::default() });
            }
            14 => self.play(script),
            _ if script.byte() < 8 => self.session.leave(),
            _ => {}
        }
    }

    fn says(&mut self, script: &mut Script<'_>, message: fn(&mut TestClient, &mut Script<'_>) -> ServerMessage) {
        let id = self.any_dial(script);
        let message = message(self, script);
        self.session.handle_control(self.now, id, message);
    }

    /// A dial that was requested, often the latest, or one that never was.
    fn any_dial(&self, script: &mut Script<'_>) -> DialId {
        let back = script.below(8);
        let at = self.dialled.len().checked_sub(1 + if back < 5 { 0 } else { back - 4 });
        at.map_or(DialId(u32::MAX), |at| self.dialled[at])
    }

    fn joined(&mut self, script: &mut Script<'_>) -> ServerMessage {
        let (n, resumed) = (script.below(4), script.flag());
        if !resumed {
            self.given[n] = self.given[n].wrapping_add(1);
        }
        let mut key = [n as u8; 32];
        key[0] = self.given[n];
        let kinds = [TransportKind::Udp, TransportKind::Unknown];
        let media = (0..script.below(4)).map(|i| MediaEndpoint { host: None, port: 1, kind: kinds[i % 2] }).collect();
        ServerMessage::Joined(Joined {
            room: lobby(),
            role: Role::Musician,
            resumed,
            // A session id of its own for each set of keys.
            session: SessionId(u32::from(self.given[n]) << 8 | n as u32),
            source: SourceId(1),
            name: String::from("Ann"),
            instance: script.byte(),
            keys: SessionKeys { suite: Suite::Aes128Gcm, id: KeyId(0), up: Key(key), down: Key([99; 32]) },
            media,
            resume: ResumeToken([n as u8; 16]),
            mix: DownstreamMode::Mixed,
            features: Features { rekey: script.flag(), roster_changes: script.flag() }.and(Features::SUPPORTED),
        })
    }

    fn play(&mut self, script: &mut Script<'_>) {
        let stream = StreamId(u32::from(script.byte() / 64));
        self.audio += 1;
        let position = FramePosition(u64::from(self.audio) * 2);
        let header = AudioHeader {
            source: SourceId(0),
            stream,
            sequence: Sequence(self.audio),
            position,
            codec: Codec::Pcm16,
            layout: Layout::Stereo,
            frames: 2,
            peak: [Peak(0); 2],
        };
        let mut out = Vec::new();
        if self.session.seal_audio(self.now, &header, &[0; 8], &mut out).is_some() {
            assert_eq!(self.session.state(), ClientState::Joined);
        }
    }

    /// Lets time pass and handles the session's timeouts.
    fn pass(&mut self, span: Micros) {
        let until = self.now + span;
        while let Some(at) = self.session.poll_timeout().filter(|at| *at <= until) {
            assert!(at > self.now, "a timeout that has passed");
            self.now = at;
            self.session.handle_timeout(self.now);
            self.check();
        }
        self.now = until;
    }

    fn check(&mut self) {
        let mut events = 0;
        while let Some(event) = self.session.poll_event() {
            events += 1;
            match event {
                ClientEvent::Dial(id) => {
                    assert!(!self.dialled.contains(&id), "{id:?} twice");
                    assert!(!matches!(self.last, ClientState::Left | ClientState::Refused), "dials after the client");
                    self.dialled.push(id);
                    self.live.insert(id);
                }
                ClientEvent::HangUp(id) => drop(self.live.remove(&id)),
                ClientEvent::Joined { media, receive, .. } => {
                    assert!(receive.is_some() || self.session.health(self.now).is_some(), "{media:?}");
                }
                _ => {}
            }
        }
        let said = core::iter::from_fn(|| self.session.poll_control()).count();
        let mut out = Vec::new();
        let mut sent = 0;
        while self.session.poll_transmit(self.now, &mut out).is_some() {
            sent += 1;
            assert!(out.len() <= MAX_DATAGRAM);
        }
        // Plus up to 64 pending retransmissions.
        assert!(events <= 16 && said <= 8 && sent <= 8 + 64, "{events} events, {said} messages, {sent} datagrams");
        // Four pending dials and one open connection.
        assert!(self.live.len() <= 5, "{} connections", self.live.len());
        let state = self.session.state();
        let stays = match self.last {
            ClientState::Left => state == ClientState::Left,
            ClientState::Refused => matches!(state, ClientState::Refused | ClientState::Left),
            _ => true,
        };
        assert!(stays, "{state:?} after {:?}", self.last);
        self.last = state;
        if self.session.poll_timeout().is_some_and(|at| at <= self.now) {
            self.session.handle_timeout(self.now);
            assert!(self.quiet(), "a timeout that does not advance");
        }
    }

    /// Whether the next timeout lies in the future after a timeout and a drain.
    fn quiet(&mut self) -> bool {
        let mut out = Vec::new();
        while self.session.poll_transmit(self.now, &mut out).is_some() {}
        self.session.poll_timeout().is_none_or(|at| at > self.now)
    }
}
