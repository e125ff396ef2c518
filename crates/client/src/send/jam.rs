//! A jam in a room, sealed: binds the protocol's session to sockets, connections and the mixer.

use super::any_jam::AnyJam;
use super::audio::Encoder;
use super::roster::Roster;
use crate::control::{Command, Connection, Report, Target, Trouble};
use crate::identity::Identity;
use crate::media::{Ear, LastHeard, Mark, Note, Path, What};
use crate::sentences::Situation;
use crate::shared::{Counts, Hop, Hops, Picture, Rate, Shared};
use crate::slots::Seating;
use crate::status::{self, You};
use crossbeam_channel::Sender;
use rtjam_engine::{Console, OutPacket};
use rtjam_protocol::audio::Codec;
use rtjam_protocol::client::{ClientConfig, ClientEvent, ClientSession, ClientState, DialId, MediaHealth, OwnSeat};
use rtjam_protocol::control::{DownstreamMode, MediaEndpoint, MixRequest, MixState, Refused, Retry, SeatRole};
use rtjam_protocol::datagram::MixedMusician;
use rtjam_protocol::link::{InviteLink, Role, RoomKey};
use rtjam_protocol::seal::ReceiveKey;
use rtjam_protocol::seal::ring::{CRYPTO, preferred_suites};
use rtjam_protocol::{Micros, SourceId};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// The ways to the other threads.
pub(super) struct Ways {
    pub(super) ear: Sender<Ear>,
    pub(super) control: UnboundedSender<Command>,
}

/// A control connection.
struct Dial {
    id: DialId,
    began: Micros,
    /// Where it goes, once it is open.
    address: Option<SocketAddr>,
}

/// A connection that is given up after so long was met with silence.
const SILENT_AFTER: Micros = Micros::from_millis(2000);

/// The server repeats every two seconds that it drops part of what is sent; without a word for so long it does so no more.
const OVER_RATE_LASTS: Micros = Micros::from_secs(5);

/// What the server says of a mix's musicians ten times a second holds for so long.
const MIXED_FOR: Micros = Micros::from_millis(1000);

/// A room has no more musicians.
const MAX_MIXED: usize = 240;

/// One jam.
pub(super) struct Jam {
    /// Tells its connections from those of the jam before.
    number: u32,
    link: InviteLink,
    role: Role,
    target: Target,
    session: ClientSession,
    ways: Ways,
    path: Path,
    roster: Roster,
    heard: Arc<LastHeard>,
    /// Of what `heard` said, what the session knows.
    heard_told: Option<Micros>,
    joined_at: Micros,
    /// What the endpoints were made of.
    endpoints_from: (Vec<MediaEndpoint>, Option<SocketAddr>),
    /// Connections that are open or being opened, oldest first.
    dials: Vec<Dial>,
    /// The one that said something last: a `joined` came by it.
    spoke: Option<DialId>,
    you: Option<OwnSeat>,
    trouble: Option<Trouble>,
    refusal: Option<Refused>,
    going_down: bool,
    /// When the server last said that it drops part of what is sent, and how much it has dropped so far.
    over_rate: Option<(Micros, u64)>,
    /// Whom the server does not send at the moment, because too many play.
    unheard: Vec<SourceId>,
    sent_before: Counts,
    hops: Hops,
    rates: [Rate; 2],
    /// What of the others is sent.
    mix: MixState,
    /// Who is in the mix, as the server last said, and when it did.
    mixed: Vec<(Micros, MixedMusician)>,
    datagram: Vec<u8>,
}

impl Jam {
    #[allow(clippy::too_many_arguments, reason = "called once; a struct for it would say everything twice")]
    pub(super) fn new(
        now: Micros,
        number: u32,
        link: InviteLink,
        key: RoomKey,
        name: &str,
        identity: &Identity,
        instance: Option<u8>,
        mix: MixRequest,
        ways: Ways,
        sent_before: Counts,
    ) -> Jam {
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
        };
        let target = Target { host: link.host.clone(), port: link.port, trust: key.trust };
        Jam {
            number,
            link,
            role,
            target,
            session: ClientSession::new(now, config, Box::new(identity.clone())),
            path: Path::new(ways.ear.clone(), Mark::Expedited),
            ways,
            roster: Roster::default(),
            heard: Arc::default(),
            heard_told: None,
            joined_at: now,
            endpoints_from: (Vec::new(), None),
            dials: Vec::new(),
            spoke: None,
            you: None,
            trouble: None,
            refusal: None,
            going_down: false,
            over_rate: None,
            unheard: Vec::new(),
            sent_before,
            hops: Hops::default(),
            rates: [Rate::default(); 2],
            mix: MixState::default(),
            mixed: Vec::new(),
            datagram: Vec::new(),
        }
    }
}

impl AnyJam for Jam {
    fn poll_timeout(&self) -> Option<Micros> {
        self.session.poll_timeout()
    }

    fn handle_time(&mut self, now: Micros) {
        let heard = self.heard.get();
        if let Some(at) = heard
            && heard != self.heard_told
        {
            self.heard_told = heard;
            self.session.handle_heard(at);
        }
        if self.poll_timeout().is_some_and(|due| due <= now) {
            self.session.handle_timeout(now);
        }
    }

    fn handle_report(&mut self, now: Micros, report: Report) {
        match report {
            Report::Opened { connection, server, address } if connection.jam == self.number => {
                if let Some(dial) = self.dials.iter_mut().find(|d| d.id == connection.dial) {
                    dial.address = Some(address);
                }
                self.session.handle_control_open(connection.dial, server);
            }
            Report::Said(connection, message) if connection.jam == self.number => {
                self.spoke = Some(connection.dial);
                self.session.handle_control(now, connection.dial, message);
            }
            Report::Closed(connection, trouble) if connection.jam == self.number => {
                self.lose_connection(now, connection.dial, trouble);
            }
            Report::Found { jam, endpoint, address } if jam == self.number => self.path.set_address(endpoint, address),
            _ => {}
        }
    }

    fn handle_note(&mut self, note: &Note) {
        if Arc::ptr_eq(&note.of, &self.heard) {
            if matches!(note.what, What::Exhausted) {
                return self.session.handle_exhausted(note.arrived);
            }
            self.session.handle_heard(note.arrived);
            match &note.what {
                What::Exhausted => {}
                What::Came(frame) => self.session.handle_frame(note.arrived, frame),
                What::Mixed(musicians) => self.take_mixed(note.arrived, musicians),
                What::Misses(feedback) => self.session.send_feedback(feedback),
            }
        }
    }

    fn send_audio(&mut self, now: Micros, packet: &OutPacket, encoder: &mut Encoder) -> Counts {
        let Some((header, payload, datagram)) = encoder.encode(packet) else { return Counts::NOT_SENT };
        match self.session.seal_audio(now, &header, payload, datagram) {
            Some(endpoint) if self.path.send(now, endpoint, datagram) => Counts::SENT,
            Some(_) => Counts::NOT_SENT,
            None => Counts::default(),
        }
    }

    fn drain(&mut self, now: Micros) -> bool {
        let mut happened = false;
        while let Some(event) = self.session.poll_event() {
            happened = true;
            self.handle_event(now, event);
        }
        while let Some((dial, message)) = self.session.poll_control() {
            self.tell(Command::Say(self.connection(dial), message));
        }
        while let Some(endpoint) = self.session.poll_transmit(now, &mut self.datagram) {
            // What is lost here is asked for again, as if the network had lost it.
            self.path.send(now, endpoint, &self.datagram);
        }
        happened
    }

    /// Says goodbye on every connection and on media.
    fn leave(&mut self, now: Micros) {
        self.session.leave();
        self.drain(now);
        for dial in std::mem::take(&mut self.dials) {
            self.tell(Command::HangUp(self.connection(dial.id)));
        }
    }

    fn roster_is_new(&self) -> bool {
        self.roster.is_new()
    }

    fn seat_everyone(&mut self, seating: &mut Seating, console: &Console) -> bool {
        self.roster.seat_everyone(self.you.as_ref().map(|seat| seat.source), seating, console)
    }

    fn clear_strips(&mut self, console: &Console) {
        self.roster.clear(console);
    }

    fn look_around(&mut self, now: Micros, shared: &Shared) {
        self.look_after_path(now);
        self.look_at_hops(now, shared);
    }

    fn wish_mix(&mut self, take: Option<DownstreamMode>, codec: Codec, console: &Console) {
        // Before they are in a mix, their balance is this end's business.
        let one = self.mix.mode == DownstreamMode::Mixed;
        let balances = if one { self.roster.balances(console) } else { Vec::new() };
        self.session.request_mix(MixRequest { mode: take, codec, balances });
    }

    fn pin(&mut self, names: &[String]) {
        self.session.pin(self.roster.named(names));
    }

    fn path_fault(&self) -> Option<&io::Error> {
        self.path.fault.as_ref()
    }

    fn max_frames(&self, encoder: &Encoder) -> usize {
        encoder.max_frames(self.session.datagram_limit())
    }

    fn place(&self) -> Option<(InviteLink, u8)> {
        self.you.as_ref().map(|seat| (self.link.without_key(), seat.instance))
    }

    fn draw(&self, now: Micros, answers: u32, guarded: bool, notices: Vec<String>) -> Picture {
        let state = self.session.state();
        let joined = state == ClientState::Joined;
        let situation = Situation {
            link: &self.link,
            state,
            health: self.session.health(now),
            trouble: self.trouble.as_ref(),
            refusal: self.refusal.as_ref(),
            going_down: self.going_down,
            over_rate: self.over_rate.is_some_and(|(said, _)| now.since(said) < OVER_RATE_LASTS),
            was_joined: self.you.is_some(),
            guarded,
            datagram_limit: self.session.datagram_limit(),
            media_port: self.path.port().unwrap_or(self.link.port),
            others: self.roster.others(),
            role: self.role,
        };
        Picture {
            answers,
            state: match state {
                ClientState::Connecting => status::State::Connecting,
                ClientState::Joined => status::State::Joined,
                ClientState::Refused => status::State::Refused,
                ClientState::Left => status::State::Offline,
            },
            room: Some(self.link.room.to_string()),
            classic: false,
            rtt: self.session.clock().rtt().filter(|_| joined && situation.health == Some(MediaHealth::Flowing)),
            you: self.you.as_ref().map(|seat| You { name: seat.name.clone(), source: seat.source.0 }),
            musicians: self.roster.present(),
            role: (state != ClientState::Left).then_some(self.role),
            listeners: self.roster.listeners(),
            mix: if joined { self.mix } else { MixState::default() },
            mixed: self.mixed_now(now),
            sentence: situation.sentence(),
            notices,
            sent_before: self.sent_before,
            hops: self.hops,
            over_rate: self.over_rate.map_or(0, |(_, dropped)| dropped),
            unheard: self.unheard.clone(),
        }
    }
}

impl Jam {
    /// Opens another socket where nothing comes through the one there is.
    fn look_after_path(&mut self, now: Micros) {
        if self.session.state() == ClientState::Joined {
            let heard = self.heard.get().unwrap_or(self.joined_at);
            self.path.rebind(now, heard.max(self.joined_at));
        }
    }

    /// Looks at what the hops lost and what mending them costs.
    fn look_at_hops(&mut self, now: Micros, shared: &Shared) {
        let (sent_again, (lost, recovered)) =
            self.session.retransmitter().map_or((0, (0, 0)), |a| (a.retransmitted_bytes(), a.reported_loss()));
        let (missed, came_again) = shared.missed();
        let [up, down] = &mut self.rates;
        self.hops = Hops {
            up: Hop { lost: lost.into(), recovered: recovered.into(), extra_kbps: up.look(now, sent_again) },
            // What was recovered of whom is counted where it is heard.
            down: Hop { lost: missed, recovered: 0, extra_kbps: down.look(now, came_again) },
        };
    }

    fn take_mixed(&mut self, now: Micros, musicians: &[MixedMusician]) {
        self.mixed.retain(|(at, old)| now.since(*at) < MIXED_FOR && musicians.iter().all(|m| m.source != old.source));
        let free = MAX_MIXED.saturating_sub(self.mixed.len());
        self.mixed.extend(musicians.iter().take(free).map(|musician| (now, *musician)));
    }

    /// Who is in the mix, while one is sent.
    fn mixed_now(&self, now: Micros) -> Vec<MixedMusician> {
        let lately = self.mixed.iter().filter(|(at, _)| now.since(*at) < MIXED_FOR);
        let one = self.session.state() == ClientState::Joined && self.mix.mode == DownstreamMode::Mixed;
        if one { lately.map(|(_, musician)| *musician).collect() } else { Vec::new() }
    }

    fn handle_event(&mut self, now: Micros, event: ClientEvent) {
        match event {
            ClientEvent::Dial(id) => {
                self.dials.push(Dial { id, began: now, address: None });
                self.tell(Command::Dial(self.connection(id), self.target.clone()));
            }
            ClientEvent::HangUp(id) => {
                self.tell(Command::HangUp(self.connection(id)));
                let gone = self.forget_dial(id);
                // It took the connection, or not even that, and said nothing.
                let silent = gone.is_some_and(|dial| now.since(dial.began) >= SILENT_AFTER);
                if silent && self.session.state() == ClientState::Connecting && self.refusal.is_none() {
                    self.trouble = Some(Trouble::Silent);
                }
            }
            ClientEvent::Joined { seat, media, receive } => self.take_seat(now, seat, media, receive),
            ClientEvent::Roster { musicians, listeners } => self.roster.replace(musicians, listeners),
            ClientEvent::Mix(state) => self.mix = state,
            ClientEvent::Unheard(sources) => self.unheard = sources,
            ClientEvent::OverRate(dropped) => self.over_rate = Some((now, dropped)),
            // The roster that follows says who is left.
            ClientEvent::Left { .. } => {}
            ClientEvent::Refused(refused) => {
                if refused.retry != Retry::Later {
                    let _ = self.ways.ear.send(Ear::Deaf);
                }
                (self.refusal, self.trouble) = (Some(refused), None);
            }
            ClientEvent::GoingDown => self.going_down = true,
            ClientEvent::MediaLost => {}
        }
    }

    fn take_seat(&mut self, now: Micros, seat: OwnSeat, media: Vec<MediaEndpoint>, receive: Option<Box<ReceiveKey>>) {
        (self.trouble, self.refusal, self.going_down) = (None, None, false);
        self.you = Some(seat);
        let control = self.spoke.and_then(|id| self.dials.iter().find(|d| d.id == id)).and_then(|d| d.address);
        let endpoints = (media, control);
        if self.endpoints_from != endpoints {
            let (jam, (media, control)) = (self.number, &endpoints);
            for (endpoint, host) in self.path.set_endpoints(media, *control) {
                self.tell(Command::LookUp { jam, endpoint, host });
            }
            self.endpoints_from = endpoints;
        }
        if let Some(key) = receive {
            self.roster.expect_another();
            self.over_rate = None;
            self.unheard.clear();
            self.joined_at = now;
            self.heard = Arc::default();
            self.heard_told = None;
            let _ = self.ways.ear.send(Ear::Key(key, Arc::clone(&self.heard)));
        }
    }

    fn lose_connection(&mut self, now: Micros, dial: DialId, trouble: Trouble) {
        if self.forget_dial(dial).is_none() {
            return;
        }
        if trouble == Trouble::WrongServer {
            self.session.handle_wrong_server(now, dial);
        } else {
            self.session.handle_control_closed(now, dial);
        }
        // Beside a media path that works, trouble with control is the session's business alone.
        if self.session.state() == ClientState::Connecting {
            (self.trouble, self.refusal) = (Some(trouble), None);
        }
    }

    fn forget_dial(&mut self, id: DialId) -> Option<Dial> {
        let index = self.dials.iter().position(|d| d.id == id)?;
        Some(self.dials.remove(index))
    }

    fn connection(&self, dial: DialId) -> Connection {
        Connection { jam: self.number, dial }
    }

    fn tell(&self, command: Command) {
        // Without a receiver the client is ending.
        let _ = self.ways.control.send(command);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::Receiver;
    use rtjam_protocol::SessionId;
    use rtjam_protocol::control::{Features, Joined, ResumeToken, ServerMessage, SessionKeys, TransportKind, Welcome};
    use rtjam_protocol::link::Pin;
    use rtjam_protocol::seal::{Key, KeyId, Suite};
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    const T0: Micros = Micros::from_secs(1);

    struct Bench {
        jam: Jam,
        commands: UnboundedReceiver<Command>,
        ears: Receiver<Ear>,
    }

    impl Bench {
        /// A jam that has asked for its first connection.
        fn new() -> Bench {
            let link: InviteLink = "rtjam://jam.example.org/lobby#AQEHBwcHBwcHBwcHBwcHBwcH".parse().expect("a link");
            let key = link.key.clone().expect("a key");
            let (ear, ears) = crossbeam_channel::unbounded();
            let (control, commands) = unbounded_channel();
            let identity = Identity::ephemeral().expect("an identity");
            let ways = Ways { ear, control };
            let mut jam =
                Jam::new(T0, 3, link, key, "Anna", &identity, None, MixRequest::default(), ways, Counts::default());
            jam.drain(T0);
            Bench { jam, commands, ears }
        }

        fn dialled(&mut self) -> Vec<Connection> {
            let commands = std::iter::from_fn(|| self.commands.try_recv().ok());
            commands.filter_map(|c| if let Command::Dial(c, _) = c { Some(c) } else { None }).collect()
        }

        fn tell(&mut self, now: Micros, report: Report) {
            self.jam.handle_report(now, report);
            self.jam.drain(now);
        }

        /// Gets in by that connection, which goes to that address.
        fn join_by(&mut self, now: Micros, connection: Connection, address: &str) {
            let address = address.parse().expect("an address");
            self.tell(now, Report::Opened { connection, server: Pin([1; 16]), address });
            self.tell(now, Report::Said(connection, ServerMessage::Welcome(Welcome { version: 1, nonce: [0; 32] })));
            self.tell(now, Report::Said(connection, joined()));
        }

        fn picture(&self, now: Micros) -> Picture {
            self.jam.draw(now, 0, false, Vec::new())
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

    #[test]
    fn media_goes_where_the_connection_goes_that_let_us_in() {
        let mut bench = Bench::new();
        let first = bench.dialled()[0];
        // Nobody answers for a second, so there is another one beside it, which is open first but says nothing.
        bench.jam.handle_time(T0 + Micros::from_millis(1001));
        bench.jam.drain(T0 + Micros::from_millis(1001));
        let second = bench.dialled()[0];
        let now = T0 + Micros::from_millis(1100);
        let address = "127.0.0.2:7891".parse().expect("an address");
        bench.tell(now, Report::Opened { connection: second, server: Pin([1; 16]), address });
        bench.join_by(now, first, "127.0.0.1:7891");
        assert_eq!(bench.jam.endpoints_from.1, "127.0.0.1:7891".parse().ok());
        assert_eq!(bench.picture(now).state, status::State::Joined);
        let ears: Vec<Ear> = bench.ears.try_iter().collect();
        assert!(matches!(ears[..], [Ear::Key(..), Ear::Socket(_)]), "the key first, then where it is of use");
    }

    #[test]
    fn what_concerns_the_jam_before_is_not_heard() {
        let mut bench = Bench::new();
        let dial = bench.dialled()[0].dial;
        bench.tell(T0, Report::Closed(Connection { jam: 2, dial }, Trouble::WrongServer));
        assert_eq!(bench.picture(T0).sentence, None);
        bench.tell(T0, Report::Closed(Connection { jam: 3, dial }, Trouble::WrongServer));
        assert!(bench.picture(T0).sentence.is_some_and(|s| s.contains("not the server")));
    }

    #[test]
    fn a_stranger_beside_a_media_path_that_works_ends_nothing() {
        let mut bench = Bench::new();
        let first = bench.dialled()[0];
        bench.join_by(T0, first, "127.0.0.1:7891");
        bench.tell(T0, Report::Closed(first, Trouble::Lost));
        let now = T0 + Micros::from_millis(300);
        bench.jam.handle_time(now);
        bench.jam.drain(now);
        let again = bench.dialled()[0];
        bench.tell(now, Report::Closed(again, Trouble::WrongServer));
        assert_eq!(bench.picture(now).state, status::State::Joined);
        assert!(bench.jam.poll_timeout().is_some());
    }

    #[test]
    fn leaving_hangs_up_and_says_so_before() {
        let mut bench = Bench::new();
        let first = bench.dialled()[0];
        bench.join_by(T0, first, "127.0.0.1:7891");
        bench.dialled();
        bench.jam.leave(T0);
        let last: Vec<Command> = std::iter::from_fn(|| bench.commands.try_recv().ok()).collect();
        use rtjam_protocol::control::ClientMessage::Bye;
        assert!(matches!(last[..], [Command::Say(by, Bye), Command::HangUp(up)] if by == first && up == first));
        assert_eq!(bench.jam.place().map(|(_, instance)| instance), Some(0));
    }
}
