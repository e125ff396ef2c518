//! A jam on a classic server. There is no login, no key and no control connection: packets go there and come from there,
//! for anybody to hear and to forge. So nothing that is secret is within its reach: it knows an address and nothing else.

use super::any_jam::AnyJam;
use super::audio::Encoder;
use super::roster::Roster;
use crate::control::{Command, Report};
use crate::media::{ClassicEar, Ear, FORGOTTEN_AFTER, Mark, Path, Presence};
use crate::sentences::ClassicSituation;
use crate::shared::{Counts, Hops, Picture, Shared};
use crate::slots::Seating;
use crate::status::{State, You};
use crossbeam_channel::Sender;
use rtjam_engine::{Console, MAX_PACKET_FRAMES, OutPacket};
use rtjam_protocol::control::{MediaEndpoint, MemberAccess, MixState, RosterEntry, TransportKind};
use rtjam_protocol::legacy::{LegacyClientId, LegacyEncoder, LegacyHeader, MAX_PACKET, write_channels};
use rtjam_protocol::link::{InviteLink, LegacyServer, Role};
use rtjam_protocol::{Micros, Sequence, SourceId, StreamId};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// Where no sound goes out, a header does this often, so that the server does not forget us.
const SIGN_OF_LIFE: Micros = Micros::from_millis(100);

/// A name that has no address is looked up again after so long, and one whose address is silent.
const LOOK_UP_EVERY: Micros = Micros::from_secs(5);

/// A server that is silent for so long is tried from another port: a NAT may have forgotten the one before.
const REBIND_AFTER: Micros = Micros::from_secs(5);

/// Nothing is said of a server that is silent for less.
const PATIENCE: Micros = Micros::from_secs(2);

/// The ways to the other threads.
pub(super) struct Ways {
    pub(super) ear: Sender<Ear>,
    pub(super) control: UnboundedSender<Command>,
    pub(super) console: Console,
}

/// One jam.
pub(super) struct ClassicJam {
    /// Tells its lookups from those of the jam before.
    number: u32,
    server: LegacyServer,
    own: LegacyClientId,
    stream: StreamId,
    path: Path,
    wire: Wire,
    presence: Arc<Presence>,
    /// The address that `jam-recv` hears.
    hears: Option<SocketAddr>,
    /// Set where the server has a name: when it is looked up next.
    look_up_at: Option<Micros>,
    not_found: bool,
    roster: Roster,
    here: Vec<(SourceId, LegacyClientId)>,
    state: State,
    was_joined: bool,
    began: Micros,
    sent_before: Counts,
    ways: Ways,
}

/// What goes out.
struct Wire {
    repacker: LegacyEncoder,
    sequence: Sequence,
    last_sent: Micros,
    datagram: Vec<u8>,
}

impl ClassicJam {
    /// The lower half of `random` makes our id, the upper one the ids of streams.
    pub(super) fn new(
        now: Micros,
        number: u32,
        server: LegacyServer,
        random: u64,
        ways: Ways,
        sent_before: Counts,
    ) -> ClassicJam {
        let mut path = Path::new(ways.ear.clone(), Mark::Classic);
        let endpoint =
            MediaEndpoint { host: Some(server.host.to_string()), port: server.port, kind: TransportKind::Udp };
        let is_name = !path.set_endpoints(&[endpoint], None).is_empty();
        let datagram = Vec::with_capacity(MAX_PACKET);
        ClassicJam {
            number,
            server,
            own: LegacyClientId::from_random(random & u64::from(u32::MAX)),
            stream: StreamId((random >> 32) as u32),
            path,
            wire: Wire { repacker: LegacyEncoder::default(), sequence: Sequence(0), last_sent: now, datagram },
            presence: Arc::default(),
            hears: None,
            look_up_at: is_name.then_some(now),
            not_found: false,
            roster: Roster::default(),
            here: Vec::new(),
            state: State::Connecting,
            was_joined: false,
            began: now,
            sent_before,
            ways,
        }
    }

    /// When something came last, or when we began.
    fn silent_since(&self) -> Micros {
        self.presence.heard().map_or(self.began, |heard| heard.max(self.began))
    }

    /// Has `jam-recv` hear the server, as soon as its address is known.
    fn lend_ear(&mut self) {
        let address = self.path.address(0);
        if address != self.hears
            && let Some(address) = address
        {
            self.hears = Some(address);
            let ear = ClassicEar::new(address, self.own, Arc::clone(&self.presence), self.stream);
            let _ = self.ways.ear.send(Ear::Classic(Box::new(ear)));
        }
    }

    fn look_up(&mut self, now: Micros) {
        let due = self.look_up_at.is_some_and(|at| at <= now);
        if !due || self.state == State::Joined {
            return;
        }
        self.look_up_at = Some(now + LOOK_UP_EVERY);
        let host = self.server.host.clone();
        let _ = self.ways.control.send(Command::LookUp { jam: self.number, endpoint: 0, host });
    }

    fn see_who_is_here(&mut self, now: Micros) {
        let same = self.presence.here(now).eq(self.here.iter().copied());
        if !same {
            self.here = self.presence.here(now).collect();
            self.roster.replace(self.here.iter().map(|(source, client)| entry(*source, *client)).collect(), 0);
        }
    }
}

impl AnyJam for ClassicJam {
    fn poll_timeout(&self) -> Option<Micros> {
        Some(self.wire.last_sent + SIGN_OF_LIFE)
    }

    fn handle_time(&mut self, now: Micros) {
        self.look_up(now);
        self.lend_ear();
        if now >= self.wire.last_sent + SIGN_OF_LIFE {
            self.wire.send(now, &mut self.path, self.own, &self.presence, None);
        }
    }

    fn handle_report(&mut self, _: Micros, report: Report) {
        match report {
            Report::Found { jam, endpoint, address } if jam == self.number => {
                self.not_found = false;
                self.path.set_address(endpoint, address);
                self.lend_ear();
            }
            Report::NotFound { jam } if jam == self.number => self.not_found = self.path.address(0).is_none(),
            _ => {}
        }
    }

    /// Muted, the header alone goes out, once the server knows us: some let nobody in who plays nothing.
    fn send_audio(&mut self, now: Micros, packet: &OutPacket, _: &mut Encoder) -> Counts {
        if self.path.address(0).is_none() {
            return Counts::default();
        }
        let muted = self.ways.console.send_mute() && self.state == State::Joined;
        let Wire { repacker, .. } = &mut self.wire;
        let mut repacker = std::mem::take(repacker);
        let mut counts = Counts::default();
        repacker.take_samples(packet.stream, packet.position, packet.channels(), &mut |_, channels| {
            let silent = || channels.iter().all(|channel| channel.iter().all(|sample| *sample == 0.0));
            let audio = if muted && silent() { None } else { Some(channels) };
            let sent = self.wire.send(now, &mut self.path, self.own, &self.presence, audio);
            counts = counts.and(if sent { Counts::SENT } else { Counts::NOT_SENT });
        });
        self.wire.repacker = repacker;
        counts
    }

    fn drain(&mut self, now: Micros) -> bool {
        let alive = self.presence.heard().is_some_and(|at| now.since(at) <= FORGOTTEN_AFTER);
        let state = if alive { State::Joined } else { State::Connecting };
        self.was_joined |= alive;
        self.see_who_is_here(now);
        std::mem::replace(&mut self.state, state) != state
    }

    fn roster_is_new(&self) -> bool {
        self.roster.is_new()
    }

    fn seat_everyone(&mut self, seating: &mut Seating, console: &Console) -> bool {
        self.roster.seat_everyone(None, seating, console)
    }

    fn clear_strips(&mut self, console: &Console) {
        self.roster.clear(console);
    }

    fn look_around(&mut self, now: Micros, _: &Shared) {
        let silent = self.silent_since();
        let since = self.path.opened_at().map_or(silent, |opened| opened.max(silent));
        if now.since(since) >= REBIND_AFTER {
            self.path.rebind(now, silent);
        }
    }

    fn path_fault(&self) -> Option<&io::Error> {
        self.path.fault.as_ref()
    }

    fn max_frames(&self, _: &Encoder) -> usize {
        MAX_PACKET_FRAMES
    }

    fn place(&self) -> Option<(InviteLink, u8)> {
        None
    }

    /// Nobody is told: the server forgets who is silent.
    fn leave(&mut self, _: Micros) {}

    fn draw(&self, now: Micros, answers: u32, guarded: bool, notices: Vec<String>) -> Picture {
        let joined = self.state == State::Joined;
        let musicians = self.roster.present();
        let situation = ClassicSituation {
            server: &self.server,
            joined,
            was_joined: self.was_joined,
            not_found: self.not_found,
            silent: now.since(self.silent_since()) >= PATIENCE,
            guarded,
            alone: musicians.is_empty(),
        };
        Picture {
            role: Some(Role::Musician),
            listeners: 0,
            mix: MixState::default(),
            mixed: Vec::new(),
            answers,
            state: self.state,
            room: Some(self.server.to_string()),
            classic: true,
            rtt: self.presence.rtt().filter(|_| joined),
            you: joined.then(|| You { name: name(self.own), source: 0 }),
            musicians,
            sentence: situation.sentence(),
            notices,
            sent_before: self.sent_before,
            hops: Hops::default(),
            over_rate: 0,
            unheard: Vec::new(),
        }
    }
}

impl Wire {
    /// Sends a packet, or the header alone. Says whether it left.
    fn send(
        &mut self,
        now: Micros,
        path: &mut Path,
        own: LegacyClientId,
        presence: &Presence,
        audio: Option<[&[f32]; 2]>,
    ) -> bool {
        let header = LegacyHeader {
            beat: 0,
            server_time: presence.server_time(),
            client_time: now,
            client: own,
            sequence: self.sequence,
        };
        self.datagram.clear();
        header.write(audio.map_or(0, |channels| channels[0].len()), &mut self.datagram, |out| {
            audio.into_iter().for_each(|channels| write_channels(channels, out));
        });
        self.sequence = self.sequence.next();
        self.last_sent = now;
        path.send(now, 0, &self.datagram)
    }
}

fn entry(source: SourceId, client: LegacyClientId) -> RosterEntry {
    RosterEntry { source, name: name(client), musician: client.identity(), instance: 0, via: MemberAccess::Legacy }
}

/// They have no names.
fn name(client: LegacyClientId) -> String {
    match client {
        LegacyClientId::MIX => "Mix".to_owned(),
        LegacyClientId::PLAYBACK => "Recording".to_owned(),
        LegacyClientId(number) => format!("Musician {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::{Receiver, unbounded};
    use rtjam_protocol::audio::Codec;
    use rtjam_protocol::legacy::LegacyPacket;
    use std::net::UdpSocket;
    use std::time::Duration;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    const T0: Micros = Micros::from_secs(1);

    struct Bench {
        jam: ClassicJam,
        engine: rtjam_engine::Engine,
        network: rtjam_engine::NetworkEnd,
        console: Console,
        server: UdpSocket,
        ears: Receiver<Ear>,
        commands: UnboundedReceiver<Command>,
        encoder: Encoder,
        now: Micros,
    }

    impl Bench {
        fn new(block: usize) -> Bench {
            let server = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            server.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
            let port = server.local_addr().expect("bound").port();
            Bench::at(&format!("classic://127.0.0.1:{port}"), server, block)
        }

        fn at(link: &str, server: UdpSocket, block: usize) -> Bench {
            let (mut engine, network, console) = rtjam_engine::engine(1, || {});
            engine.configure(48_000, block);
            let (ear, ears) = unbounded();
            let (control, commands) = unbounded_channel();
            let ways = Ways { ear, control, console: console.clone() };
            let rtjam_protocol::link::Link::Legacy(place) = link.parse().expect("a link") else { panic!("{link}") };
            let jam = ClassicJam::new(T0, 3, place, 9 << 32 | 41, ways, Counts::default());
            let encoder = Encoder::new(Codec::Pcm16);
            Bench { jam, engine, network, console, server, ears, commands, encoder, now: T0 }
        }

        /// Plays a block of this value on both channels.
        fn play(&mut self, frames: usize, value: f32) -> Counts {
            let input = vec![value; frames];
            let (mut left, mut right) = (vec![0.0; frames], vec![0.0; frames]);
            let mut outputs = rtjam_engine::Outputs { main: [&mut left, &mut right], slots: Default::default() };
            self.engine.process(self.now, [&input, &input], &mut outputs);
            let mut counts = Counts::default();
            while let Some(packet) = self.network.outgoing.pop() {
                counts = counts.and(self.jam.send_audio(self.now, &packet, &mut self.encoder));
            }
            counts
        }

        /// The next datagram at the server: its length and header.
        fn next(&self) -> (usize, LegacyHeader) {
            let mut buffer = [0; 2048];
            let len = self.server.recv(&mut buffer).expect("a datagram");
            (len, LegacyPacket::read(&buffer[..len]).expect("a classic packet").header)
        }
    }

    #[test]
    fn any_block_becomes_packets_of_64_or_128_frames_numbered_one_after_the_other() {
        for (block, lengths) in [(64, vec![284]), (128, vec![540]), (256, vec![540, 540]), (32, vec![])] {
            let mut bench = Bench::new(block);
            assert_eq!(bench.play(block, 0.1), Counts { packets: lengths.len() as u64, dropped: 0 });
            let got: Vec<_> = lengths.iter().map(|_| bench.next()).collect();
            assert_eq!(got.iter().map(|(len, _)| *len).collect::<Vec<_>>(), lengths);
            for ((_, header), number) in got.iter().zip(0..) {
                assert_eq!((header.client, header.sequence), (LegacyClientId(42), Sequence(number)));
            }
        }
    }

    #[test]
    fn the_servers_time_goes_back_to_it_and_our_own_goes_along() {
        let mut bench = Bench::new(128);
        bench.jam.presence = Arc::new(presence(T0, 123_456));
        bench.now = T0 + Micros(77);
        bench.play(128, 0.1);
        let (_, header) = bench.next();
        assert_eq!((header.server_time, header.client_time), (Micros(123_456), T0 + Micros(77)));
    }

    /// As if the server had said its time then.
    fn presence(heard: Micros, server_time: u64) -> Presence {
        let presence = Presence::default();
        presence.pretend(heard, server_time);
        presence
    }

    #[test]
    fn muted_the_header_alone_goes_out_but_not_before_the_server_knows_us() {
        let mut bench = Bench::new(128);
        bench.console.set_send_mute(true);
        // The ramp to silence.
        (0..40).for_each(|_| _ = bench.play(128, 0.0));
        assert_eq!((0..40).map(|_| bench.next().0).min(), Some(540));
        bench.jam.presence = Arc::new(presence(T0, 1));
        bench.jam.drain(T0);
        bench.play(128, 0.5);
        let (len, header) = bench.next();
        assert_eq!((len, header.sequence), (28, Sequence(40)));
        bench.console.set_send_mute(false);
        bench.play(128, 0.5);
        assert_eq!(bench.next().0, 540);
    }

    #[test]
    fn without_audio_a_header_keeps_us_known() {
        let mut bench = Bench::new(128);
        assert_eq!(bench.jam.poll_timeout(), Some(T0 + SIGN_OF_LIFE));
        bench.jam.handle_time(T0 + Micros(99_999));
        bench.jam.handle_time(T0 + SIGN_OF_LIFE);
        assert_eq!(bench.next().0, 28);
        assert_eq!(bench.jam.poll_timeout(), Some(T0 + SIGN_OF_LIFE + SIGN_OF_LIFE));
        let ears: Vec<Ear> = bench.ears.try_iter().collect();
        assert!(matches!(ears[..], [Ear::Classic(_), Ear::Socket(_)]), "whom to hear first, then where");
    }

    #[test]
    fn a_name_is_looked_up_until_it_is_found_and_that_it_is_not_is_told() {
        let server = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let port = server.local_addr().expect("bound").port();
        let mut bench = Bench::at(&format!("classic://jam.example.org:{port}"), server, 128);
        let asked = |bench: &mut Bench| matches!(bench.commands.try_recv(), Ok(Command::LookUp { jam: 3, .. }));
        bench.jam.handle_time(T0);
        assert!(asked(&mut bench) && !asked(&mut bench));
        assert_eq!(bench.play(128, 0.1), Counts::default());
        bench.jam.handle_report(T0, Report::NotFound { jam: 3 });
        let sentence = bench.jam.draw(T0, 0, false, vec![]).sentence.unwrap_or_default();
        assert!(sentence.contains("jam.example.org was not found"), "{sentence}");
        bench.jam.handle_time(T0 + LOOK_UP_EVERY);
        assert!(asked(&mut bench));
        let address = "127.0.0.1:0".parse().expect("an address");
        bench.jam.handle_report(T0, Report::Found { jam: 3, endpoint: 0, address });
        assert_eq!(bench.play(128, 0.1), Counts::SENT);
        assert_eq!(bench.next().0, 540);
    }

    #[test]
    fn it_is_joined_while_the_server_speaks_and_says_what_that_is_worth() {
        let mut bench = Bench::new(128);
        let told = |bench: &Bench, now| bench.jam.draw(now, 0, false, vec![]);
        assert_eq!((told(&bench, T0).state, told(&bench, T0).sentence), (State::Connecting, None));
        let wrong = told(&bench, T0 + PATIENCE).sentence.unwrap_or_default();
        assert!(wrong.contains("Nothing answers") && wrong.contains("7891"), "{wrong}");
        bench.jam.presence = Arc::new(presence(T0 + PATIENCE, 1));
        assert!(bench.jam.drain(T0 + PATIENCE));
        let picture = told(&bench, T0 + PATIENCE);
        assert!(picture.state == State::Joined && picture.classic);
        assert!(picture.sentence.unwrap_or_default().contains("neither private nor authenticated"));
        let later = T0 + PATIENCE + FORGOTTEN_AFTER + Micros(1);
        assert!(bench.jam.drain(later));
        assert_eq!(told(&bench, later).state, State::Connecting);
    }
}
