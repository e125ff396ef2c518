//! A jam in a room: connects the protocol's session to sockets, control connections and the engine.

use super::encoder::EncodedPacket;
use super::jam::{Jam, JamChannels};
use super::roster::StripRoster;
use crate::condition::{RoomSituation, RoundedStalls};
use crate::control::{ConnectionError, ControlCommand, ControlReport, JamConnection, ServerTarget};
use crate::identity::Identity;
use crate::media::{LastHeard, Path, RecvCommand, RecvEvent, RecvEventKind, TypeOfService};
use crate::shared::ClientShared;
use crate::snapshot::{self, HopReading, Hops, Rate, SendCounts, Snapshot, You};
use rtjam_engine::{Console, StallPattern};
use rtjam_protocol::audio::{AudioFrame, Codec};
use rtjam_protocol::client::{ClientConfig, ClientEvent, ClientSession, ClientState, DialId, MediaHealth, OwnSeat};
use rtjam_protocol::control::{
    DownstreamMode, MediaEndpoint, MixRequest, MixState, Refused, Release, Retry, SeatRole, StallingMusician,
};
use rtjam_protocol::datagram::{MAX_DATAGRAM, MixedMusician};
use rtjam_protocol::link::{InviteLink, Role, RoomKey};
use rtjam_protocol::seal::ReceiveKey;
use rtjam_protocol::seal::ring::{CRYPTO, preferred_suites};
use rtjam_protocol::{Micros, SourceId};
use std::net::SocketAddr;
use std::sync::Arc;

/// A control connection that is open or being opened.
struct Dial {
    id: DialId,
    began: Micros,
    /// The server's address, once it is open.
    address: Option<SocketAddr>,
}

/// A connection that is given up after this time was not answered.
const NO_ANSWER_AFTER: Micros = Micros::from_millis(2000);

/// The server repeats every two seconds that it drops datagrams. Without a message for this long it has stopped.
const OVER_RATE_LASTS: Micros = Micros::from_secs(5);

/// How long a report on a musician in the mix counts; the server sends ten a second.
const MIX_REPORT_LASTS: Micros = Micros::from_millis(1000);

/// The largest number of musicians in a room.
const MAX_MIXED: usize = 240;

/// A jam in a room.
pub(super) struct RoomJam {
    /// Distinguishes its connections from those of the last jam.
    number: u32,
    link: InviteLink,
    role: Role,
    target: ServerTarget,
    session: ClientSession,
    channels: JamChannels,
    path: Path,
    roster: StripRoster,
    last_heard: Arc<LastHeard>,
    /// The last time of `last_heard` that the session knows.
    heard_noted: Option<Micros>,
    joined_at: Micros,
    /// The media endpoints and control address that `path` was set from.
    endpoints_from: (Vec<MediaEndpoint>, Option<SocketAddr>),
    /// Oldest first.
    dials: Vec<Dial>,
    /// The connection that sent the last message; `joined` arrives by it.
    last_sender: Option<DialId>,
    you: Option<OwnSeat>,
    error: Option<ConnectionError>,
    refusal: Option<Refused>,
    server_stopping: bool,
    /// When the server last reported dropped datagrams, and how many it has dropped in total.
    over_rate: Option<(Micros, u64)>,
    /// Musicians whom the server does not send, because more play than it forwards.
    unheard: Vec<SourceId>,
    /// Musicians whose computers stall.
    stalling: Vec<StallingMusician>,
    sent_before: SendCounts,
    hops: Hops,
    rates: [Rate; 2],
    mix: MixState,
    /// The last report on each musician in the mix, and when it arrived.
    mixed: Vec<(Micros, MixedMusician)>,
    datagram: Vec<u8>,
}

impl RoomJam {
    #[allow(clippy::too_many_arguments, reason = "called once; a struct would list everything twice")]
    pub(super) fn new(
        now: Micros,
        number: u32,
        link: InviteLink,
        key: RoomKey,
        name: &str,
        identity: &Identity,
        instance: Option<u8>,
        mix: MixRequest,
        channels: JamChannels,
        sent_before: SendCounts,
    ) -> RoomJam {
        let role = if key.role == Role::Listener { Role::Listener } else { Role::Musician };
        let config = ClientConfig {
            room: link.room.clone(),
            role: if role == Role::Listener { SeatRole::Listener } else { SeatRole::Musician },
            secret: key.secret,
            name: name.to_owned(),
            suites: preferred_suites().to_vec(),
            instance,
            crypto: CRYPTO,
            mix,
            release: Release::OWN,
        };
        let target = ServerTarget { host: link.host.clone(), port: link.port, trust: key.trust };
        RoomJam {
            number,
            link,
            role,
            target,
            session: ClientSession::new(now, config, Box::new(identity.clone())),
            path: Path::new(channels.recv.clone(), TypeOfService::Expedited),
            channels,
            roster: StripRoster::default(),
            last_heard: Arc::default(),
            heard_noted: None,
            joined_at: now,
            endpoints_from: (Vec::new(), None),
            dials: Vec::new(),
            last_sender: None,
            you: None,
            error: None,
            refusal: None,
            server_stopping: false,
            over_rate: None,
            unheard: Vec::new(),
            stalling: Vec::new(),
            sent_before,
            hops: Hops::default(),
            rates: [Rate::default(); 2],
            mix: MixState::default(),
            mixed: Vec::new(),
            datagram: Vec::with_capacity(MAX_DATAGRAM),
        }
    }
}

impl Jam for RoomJam {
    fn poll_timeout(&self) -> Option<Micros> {
        self.session.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Micros) {
        let heard = self.last_heard.get();
        if let Some(at) = heard
            && heard != self.heard_noted
        {
            self.heard_noted = heard;
            self.session.handle_heard(at);
        }
        if self.poll_timeout().is_some_and(|due| due <= now) {
            self.session.handle_timeout(now);
        }
    }

    fn handle_report(&mut self, now: Micros, report: ControlReport) {
        match report {
            ControlReport::Opened { connection, server, address } if connection.jam == self.number => {
                if let Some(dial) = self.dials.iter_mut().find(|d| d.id == connection.dial) {
                    dial.address = Some(address);
                }
                self.session.handle_control_open(connection.dial, server);
            }
            ControlReport::Received(connection, message) if connection.jam == self.number => {
                self.last_sender = Some(connection.dial);
                self.session.handle_control(now, connection.dial, message);
            }
            ControlReport::Closed(connection, error) if connection.jam == self.number => {
                self.lose_connection(now, connection.dial, error);
            }
            ControlReport::Resolved { jam, endpoint, address } if jam == self.number => {
                self.path.set_address(endpoint, address)
            }
            _ => {}
        }
    }

    fn handle_recv_event(&mut self, event: &RecvEvent) {
        if Arc::ptr_eq(&event.session, &self.last_heard) {
            if matches!(event.kind, RecvEventKind::KeyExhausted) {
                return self.session.handle_exhausted(event.arrived);
            }
            self.session.handle_heard(event.arrived);
            match &event.kind {
                RecvEventKind::KeyExhausted => {}
                RecvEventKind::Frame(frame) => self.session.handle_frame(event.arrived, frame),
                RecvEventKind::MixReport(musicians) => self.take_mix_report(event.arrived, musicians),
                RecvEventKind::Feedback(feedback) => self.session.send_feedback(feedback),
            }
        }
    }

    fn send_audio(&mut self, now: Micros, packet: EncodedPacket<'_>) -> SendCounts {
        let EncodedPacket::Audio(AudioFrame { header, payload }) = packet else { return SendCounts::DROPPED };
        match self.session.seal_audio(now, &header, payload, &mut self.datagram) {
            Some(endpoint) if self.path.send(now, endpoint, &self.datagram) => SendCounts::SENT,
            Some(_) => SendCounts::DROPPED,
            None => SendCounts::default(),
        }
    }

    fn drain(&mut self, now: Micros) -> bool {
        let mut changed = false;
        while let Some(event) = self.session.poll_event() {
            changed = true;
            self.handle_event(now, event);
        }
        while let Some((dial, message)) = self.session.poll_control() {
            self.channels.send_control(ControlCommand::Send(self.connection(dial), message));
        }
        while let Some(endpoint) = self.session.poll_transmit(now, &mut self.datagram) {
            // A datagram that is not sent here counts as lost in the network.
            self.path.send(now, endpoint, &self.datagram);
        }
        changed
    }

    /// Says goodbye on every control connection and on media.
    fn leave(&mut self, now: Micros) {
        self.session.leave();
        self.drain(now);
        for dial in std::mem::take(&mut self.dials) {
            self.channels.send_control(ControlCommand::HangUp(self.connection(dial.id)));
        }
    }

    fn roster(&mut self) -> &mut StripRoster {
        &mut self.roster
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn tick(&mut self, now: Micros, shared: &ClientShared) {
        self.replace_silent_socket(now);
        self.update_hops(now, shared);
    }

    fn report_stalls(&mut self, now: Micros, stalls: Option<StallPattern>) {
        if self.role == Role::Musician {
            self.session.report_stalls(now, stalls.map(|stalls| RoundedStalls::rounded(&stalls).report()));
        }
    }

    fn set_mix(&mut self, take: Option<DownstreamMode>, codec: Codec, console: &Console) {
        // While sources are forwarded, this client mixes them itself.
        let mixed = self.mix.mode == DownstreamMode::Mixed;
        let balances = if mixed { self.roster.balances(console) } else { Vec::new() };
        self.session.request_mix(MixRequest { mode: take, codec, balances });
    }

    fn pin(&mut self, names: &[String]) {
        self.session.pin(self.roster.named(names));
    }

    fn datagram_limit(&self) -> usize {
        self.session.datagram_limit()
    }

    fn place(&self) -> Option<(InviteLink, u8)> {
        self.you.as_ref().map(|seat| (self.link.without_key(), seat.instance))
    }

    fn snapshot(&self, now: Micros, loop_guard_tripped: bool) -> Snapshot {
        let state = self.session.state();
        let joined = state == ClientState::Joined;
        let situation = RoomSituation {
            link: &self.link,
            state,
            health: self.session.health(now),
            error: self.error.as_ref(),
            refusal: self.refusal.as_ref(),
            server_stopping: self.server_stopping,
            over_rate: self.over_rate.is_some_and(|(said, _)| now.since(said) < OVER_RATE_LASTS),
            was_joined: self.you.is_some(),
            loop_guard_tripped,
            datagram_limit: self.session.datagram_limit(),
            media_port: self.path.port().unwrap_or(self.link.port),
            others: self.roster.others(),
            role: self.role,
        };
        Snapshot {
            state: match state {
                ClientState::Connecting => snapshot::SessionState::Connecting,
                ClientState::Joined => snapshot::SessionState::Joined,
                ClientState::Refused => snapshot::SessionState::Refused,
                ClientState::Left => snapshot::SessionState::Offline,
            },
            room: Some(self.link.room.to_string()),
            rtt: self.session.clock().rtt().filter(|_| joined && situation.health == Some(MediaHealth::Flowing)),
            you: self.you.as_ref().map(|seat| You { name: seat.name.clone(), source: seat.source.0 }),
            musicians: self.roster.present(),
            role: (state != ClientState::Left).then_some(self.role),
            listeners: self.roster.listeners(),
            mix: if joined { self.mix } else { MixState::default() },
            mixed: self.mixed_now(now),
            condition: situation.condition(),
            sent_before: self.sent_before,
            hops: self.hops,
            over_rate: self.over_rate.map_or(0, |(_, dropped)| dropped),
            unheard: self.unheard.clone(),
            stalling: self.stalling.clone(),
            ..Snapshot::default()
        }
    }
}

impl RoomJam {
    fn replace_silent_socket(&mut self, now: Micros) {
        if self.session.state() == ClientState::Joined {
            let heard = self.last_heard.get().unwrap_or(self.joined_at);
            self.path.rebind(now, heard.max(self.joined_at));
        }
    }

    fn update_hops(&mut self, now: Micros, shared: &ClientShared) {
        let (retransmitted_up, (lost, recovered)) =
            self.session.retransmitter().map_or((0, (0, 0)), |a| (a.retransmitted_bytes(), a.reported_loss()));
        let (lost_down, retransmitted_down) = shared.session_counts();
        let [up, down] = &mut self.rates;
        self.hops = Hops {
            up: HopReading {
                lost: lost.into(),
                recovered: recovered.into(),
                extra_kbps: up.update(now, retransmitted_up),
            },
            // The voices count what was recovered on the way down.
            down: HopReading { lost: lost_down, recovered: 0, extra_kbps: down.update(now, retransmitted_down) },
        };
    }

    fn take_mix_report(&mut self, now: Micros, musicians: &[MixedMusician]) {
        self.mixed
            .retain(|(at, old)| now.since(*at) < MIX_REPORT_LASTS && musicians.iter().all(|m| m.source != old.source));
        let free = MAX_MIXED.saturating_sub(self.mixed.len());
        self.mixed.extend(musicians.iter().take(free).map(|musician| (now, *musician)));
    }

    /// The musicians in the mix, while there is one.
    fn mixed_now(&self, now: Micros) -> Vec<MixedMusician> {
        let recent = self.mixed.iter().filter(|(at, _)| now.since(*at) < MIX_REPORT_LASTS);
        let mixed = self.session.state() == ClientState::Joined && self.mix.mode == DownstreamMode::Mixed;
        if mixed { recent.map(|(_, musician)| *musician).collect() } else { Vec::new() }
    }

    fn handle_event(&mut self, now: Micros, event: ClientEvent) {
        match event {
            ClientEvent::Dial(id) => {
                self.dials.push(Dial { id, began: now, address: None });
                self.channels.send_control(ControlCommand::Dial(self.connection(id), self.target.clone()));
            }
            ClientEvent::HangUp(id) => {
                self.channels.send_control(ControlCommand::HangUp(self.connection(id)));
                let dial = self.remove_dial(id);
                let unanswered = dial.is_some_and(|dial| now.since(dial.began) >= NO_ANSWER_AFTER);
                if unanswered && self.session.state() == ClientState::Connecting && self.refusal.is_none() {
                    self.error = Some(ConnectionError::NoAnswer);
                }
            }
            ClientEvent::Joined { seat, media, receive } => self.take_seat(now, seat, media, receive),
            ClientEvent::Roster { musicians, listeners } => self.roster.replace(musicians, listeners),
            ClientEvent::Mix(state) => self.mix = state,
            ClientEvent::Unheard(sources) => self.unheard = sources,
            ClientEvent::Stalling(musicians) => self.stalling = musicians,
            ClientEvent::OverRate(dropped) => self.over_rate = Some((now, dropped)),
            // A roster follows.
            ClientEvent::Left { .. } => {}
            ClientEvent::Refused(refused) => {
                if refused.retry != Retry::Later {
                    self.channels.send_recv(RecvCommand::Idle);
                }
                (self.refusal, self.error) = (Some(refused), None);
            }
            ClientEvent::GoingDown => self.server_stopping = true,
            ClientEvent::MediaLost => {}
        }
    }

    fn take_seat(&mut self, now: Micros, seat: OwnSeat, media: Vec<MediaEndpoint>, receive: Option<Box<ReceiveKey>>) {
        (self.error, self.refusal, self.server_stopping) = (None, None, false);
        self.roster.own = Some(seat.source);
        // The server sends the list again if it is not empty.
        self.stalling.clear();
        self.you = Some(seat);
        let control = self.last_sender.and_then(|id| self.dials.iter().find(|d| d.id == id)).and_then(|d| d.address);
        let endpoints = (media, control);
        if self.endpoints_from != endpoints {
            let (jam, (media, control)) = (self.number, &endpoints);
            for (endpoint, host) in self.path.set_endpoints(media, *control) {
                self.channels.send_control(ControlCommand::Resolve { jam, endpoint, host });
            }
            self.endpoints_from = endpoints;
        }
        if let Some(key) = receive {
            self.roster.start_session();
            self.over_rate = None;
            self.unheard.clear();
            self.joined_at = now;
            self.last_heard = Arc::default();
            self.heard_noted = None;
            self.channels.send_recv(RecvCommand::Key(key, Arc::clone(&self.last_heard)));
        }
    }

    fn lose_connection(&mut self, now: Micros, dial: DialId, error: ConnectionError) {
        if self.remove_dial(dial).is_none() {
            return;
        }
        if error == ConnectionError::WrongServer {
            self.session.handle_wrong_server(now, dial);
        } else {
            self.session.handle_control_closed(now, dial);
        }
        // While media flows, only the session cares about errors of the control connection.
        if self.session.state() == ClientState::Connecting {
            (self.error, self.refusal) = (Some(error), None);
        }
    }

    fn remove_dial(&mut self, id: DialId) -> Option<Dial> {
        let index = self.dials.iter().position(|d| d.id == id)?;
        Some(self.dials.remove(index))
    }

    fn connection(&self, dial: DialId) -> JamConnection {
        JamConnection { jam: self.number, dial }
    }
}

#[cfg(test)]
mod stalls;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::Condition;
    use crossbeam_channel::Receiver;
    use rtjam_protocol::SessionId;
    use rtjam_protocol::control::{Features, Joined, ResumeToken, ServerMessage, SessionKeys, TransportKind, Welcome};
    use rtjam_protocol::link::Pin;
    use rtjam_protocol::seal::{Key, KeyId, Suite};
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    const T0: Micros = Micros::from_secs(1);

    struct Bench {
        jam: RoomJam,
        commands: UnboundedReceiver<ControlCommand>,
        recv_commands: Receiver<RecvCommand>,
    }

    impl Bench {
        /// A jam that has requested its first connection.
        fn new() -> Bench {
            let link: InviteLink = "rtjam://jam.example.org/lobby#AQEHBwcHBwcHBwcHBwcHBwcH".parse().expect("a link");
            let key = link.key.clone().expect("a key");
            let (recv, recv_commands) = crossbeam_channel::unbounded();
            let (control, commands) = unbounded_channel();
            let identity = Identity::ephemeral().expect("an identity");
            let channels = JamChannels { recv, control };
            let mut jam = RoomJam::new(
                T0,
                3,
                link,
                key,
                "Anna",
                &identity,
                None,
                MixRequest::default(),
                channels,
                SendCounts::default(),
            );
            jam.drain(T0);
            Bench { jam, commands, recv_commands }
        }

        fn dialled(&mut self) -> Vec<JamConnection> {
            let commands = std::iter::from_fn(|| self.commands.try_recv().ok());
            commands.filter_map(|c| if let ControlCommand::Dial(c, _) = c { Some(c) } else { None }).collect()
        }

        fn report(&mut self, now: Micros, report: ControlReport) {
            self.jam.handle_report(now, report);
            self.jam.drain(now);
        }

        /// Joins by that connection, which goes to that address.
        fn join_by(&mut self, now: Micros, connection: JamConnection, address: &str) {
            let address = address.parse().expect("an address");
            self.report(now, ControlReport::Opened { connection, server: Pin([1; 16]), address });
            self.report(
                now,
                ControlReport::Received(
                    connection,
                    ServerMessage::Welcome(Welcome { version: 1, nonce: [0; 32], release: None }),
                ),
            );
            self.report(now, ControlReport::Received(connection, joined()));
        }

        fn snapshot(&self, now: Micros) -> Snapshot {
            self.jam.snapshot(now, false)
        }
    }

    fn joined() -> ServerMessage {
        let keys = SessionKeys { suite: Suite::ChaCha20Poly1305, id: KeyId(0), up: Key([1; 32]), down: Key([2; 32]) };
        ServerMessage::Joined(Joined {
            room: rtjam_protocol::RoomName::new("lobby").expect("a name"),
            role: Role::Musician,
            resumed: false,
            session: SessionId(5),
            source: SourceId(1),
            name: "Anna".into(),
            instance: 0,
            keys,
            media: vec![MediaEndpoint { host: None, port: 7000, kind: TransportKind::Udp }],
            resume: ResumeToken([0; 16]),
            mix: DownstreamMode::Forwarded,
            features: Features::default(),
        })
    }

    /// Media goes to the address of the connection that the server joined us by.
    #[test]
    fn media_follows_joining_connection() {
        let mut bench = Bench::new();
        let first = bench.dialled()[0];
        // After a second without an answer there is a second connection, which opens first but stays silent.
        bench.jam.handle_timeout(T0 + Micros::from_millis(1001));
        bench.jam.drain(T0 + Micros::from_millis(1001));
        let second = bench.dialled()[0];
        let now = T0 + Micros::from_millis(1100);
        let address = "127.0.0.2:7891".parse().expect("an address");
        bench.report(now, ControlReport::Opened { connection: second, server: Pin([1; 16]), address });
        bench.join_by(now, first, "127.0.0.1:7891");
        assert_eq!(bench.jam.endpoints_from.1, "127.0.0.1:7891".parse().ok());
        assert_eq!(bench.snapshot(now).state, snapshot::SessionState::Joined);
        let commands: Vec<RecvCommand> = bench.recv_commands.try_iter().collect();
        assert!(
            matches!(commands[..], [RecvCommand::Key(..), RecvCommand::Socket(_)]),
            "the key comes before the socket"
        );
    }

    /// Reports on the last jam's connections are ignored.
    #[test]
    fn stale_reports_are_ignored() {
        let mut bench = Bench::new();
        let dial = bench.dialled()[0].dial;
        bench.report(T0, ControlReport::Closed(JamConnection { jam: 2, dial }, ConnectionError::WrongServer));
        assert_eq!(bench.snapshot(T0).condition, None);
        bench.report(T0, ControlReport::Closed(JamConnection { jam: 3, dial }, ConnectionError::WrongServer));
        let condition = bench.snapshot(T0).condition;
        assert!(matches!(condition, Some(Condition::Unreachable { error: ConnectionError::WrongServer, .. })));
    }

    /// A wrong server does not end a session whose media flows.
    #[test]
    fn wrong_server_ends_no_session() {
        let mut bench = Bench::new();
        let first = bench.dialled()[0];
        bench.join_by(T0, first, "127.0.0.1:7891");
        bench.report(T0, ControlReport::Closed(first, ConnectionError::Closed));
        let now = T0 + Micros::from_millis(300);
        bench.jam.handle_timeout(now);
        bench.jam.drain(now);
        let again = bench.dialled()[0];
        bench.report(now, ControlReport::Closed(again, ConnectionError::WrongServer));
        assert_eq!(bench.snapshot(now).state, snapshot::SessionState::Joined);
        assert!(bench.jam.poll_timeout().is_some());
    }

    /// Leaving says goodbye before it closes the connection.
    #[test]
    fn leaving_says_goodbye() {
        let mut bench = Bench::new();
        let first = bench.dialled()[0];
        bench.join_by(T0, first, "127.0.0.1:7891");
        bench.dialled();
        bench.jam.leave(T0);
        let last: Vec<ControlCommand> = std::iter::from_fn(|| bench.commands.try_recv().ok()).collect();
        use rtjam_protocol::control::ClientMessage::Bye;
        assert!(
            matches!(last[..], [ControlCommand::Send(by, Bye), ControlCommand::HangUp(up)] if by == first && up == first)
        );
        assert_eq!(bench.jam.place().map(|(_, instance)| instance), Some(0));
    }
}
