//! A jam on a legacy server: no login, no key and no control connection. Anybody on the path can read and forge its
//! packets, so it knows the server's address and no secret.

use super::encoder::EncodedPacket;
use super::jam::{Jam, JamChannels};
use super::roster::StripRoster;
use crate::condition::LegacySituation;
use crate::control::{ControlCommand, ControlReport};
use crate::media::{FORGOTTEN_AFTER, LegacyPresence, LegacyReceiver, Path, RecvCommand, TypeOfService};
use crate::shared::ClientShared;
use crate::snapshot::{SendCounts, SessionState, Snapshot, You};
use rtjam_engine::Console;
use rtjam_protocol::control::{MediaEndpoint, MemberAccess, RosterEntry, TransportKind};
use rtjam_protocol::legacy::{FRAME_LEN, LegacyClientId, LegacyHeader, MAX_PACKET};
use rtjam_protocol::link::{LegacyServer, Role};
use rtjam_protocol::{Micros, Sequence, SourceId, StreamId};
use std::net::SocketAddr;
use std::sync::Arc;

/// While no audio is sent, a header is sent this often, so that the server keeps this client.
const KEEP_ALIVE: Micros = Micros::from_millis(100);

/// While the server is silent or has no address, its name is resolved this often.
const RESOLVE_EVERY: Micros = Micros::from_secs(5);

/// After this silence the client tries from another port: a NAT may have forgotten the last one.
const REBIND_AFTER: Micros = Micros::from_secs(5);

/// A server that is silent for this long is reported.
const SILENT_AFTER: Micros = Micros::from_secs(2);

/// A jam on a legacy server.
pub(super) struct LegacyJam {
    /// Distinguishes its lookups from those of the last jam.
    number: u32,
    server: LegacyServer,
    own: LegacyClientId,
    stream: StreamId,
    path: Path,
    sequence: Sequence,
    last_sent: Micros,
    datagram: Vec<u8>,
    presence: Arc<LegacyPresence>,
    /// The address that `jam-recv` receives from.
    received_from: Option<SocketAddr>,
    /// When the server's name is resolved next; `None` if it has an IP address.
    resolve_at: Option<Micros>,
    not_found: bool,
    roster: StripRoster,
    present: Vec<(SourceId, LegacyClientId)>,
    state: SessionState,
    was_joined: bool,
    began: Micros,
    sent_before: SendCounts,
    channels: JamChannels,
    console: Console,
}

impl LegacyJam {
    /// The lower half of `random` becomes this client's id, the upper half the first stream id.
    pub(super) fn new(
        now: Micros,
        number: u32,
        server: LegacyServer,
        random: u64,
        channels: JamChannels,
        console: Console,
        sent_before: SendCounts,
    ) -> LegacyJam {
        let mut path = Path::new(channels.recv.clone(), TypeOfService::Legacy);
        let endpoint =
            MediaEndpoint { host: Some(server.host.to_string()), port: server.port, kind: TransportKind::Udp };
        let is_name = !path.set_endpoints(&[endpoint], None).is_empty();
        LegacyJam {
            number,
            server,
            own: LegacyClientId::from_random(random & u64::from(u32::MAX)),
            stream: StreamId((random >> 32) as u32),
            path,
            sequence: Sequence(0),
            last_sent: now,
            datagram: Vec::with_capacity(MAX_PACKET),
            presence: Arc::default(),
            received_from: None,
            resolve_at: is_name.then_some(now),
            not_found: false,
            roster: StripRoster::default(),
            present: Vec::new(),
            state: SessionState::Connecting,
            was_joined: false,
            began: now,
            sent_before,
            channels,
            console,
        }
    }

    /// When a packet last arrived, or when the jam began.
    fn silent_since(&self) -> Micros {
        self.presence.heard().map_or(self.began, |heard| heard.max(self.began))
    }

    /// Has `jam-recv` receive from the server once its address is known.
    fn start_receiving(&mut self) {
        let address = self.path.address(0);
        if address != self.received_from
            && let Some(address) = address
        {
            self.received_from = Some(address);
            let receiver = LegacyReceiver::new(address, self.own, Arc::clone(&self.presence), self.stream);
            self.channels.send_recv(RecvCommand::Legacy(Box::new(receiver)));
        }
    }

    fn resolve(&mut self, now: Micros) {
        let due = self.resolve_at.is_some_and(|at| at <= now);
        if !due || self.state == SessionState::Joined {
            return;
        }
        self.resolve_at = Some(now + RESOLVE_EVERY);
        let host = self.server.host.clone();
        self.channels.send_control(ControlCommand::Resolve { jam: self.number, endpoint: 0, host });
    }

    /// Sends a packet with these samples of both channels; without any it is only a header. Returns whether it was sent.
    fn send(&mut self, now: Micros, samples: &[u8]) -> bool {
        let header = LegacyHeader {
            beat: 0,
            server_time: self.presence.server_time(),
            client_time: now,
            client: self.own,
            sequence: self.sequence,
        };
        self.datagram.clear();
        header.write(samples.len() / FRAME_LEN, &mut self.datagram, |out| out.extend_from_slice(samples));
        self.sequence = self.sequence.next();
        self.last_sent = now;
        self.path.send(now, 0, &self.datagram)
    }

    fn update_roster(&mut self, now: Micros) {
        let same = self.presence.here(now).eq(self.present.iter().copied());
        if !same {
            self.present = self.presence.here(now).collect();
            self.roster.replace(self.present.iter().map(|(source, client)| entry(*source, *client)).collect(), 0);
        }
    }
}

impl Jam for LegacyJam {
    fn poll_timeout(&self) -> Option<Micros> {
        Some(self.last_sent + KEEP_ALIVE)
    }

    fn handle_timeout(&mut self, now: Micros) {
        self.resolve(now);
        self.start_receiving();
        if now >= self.last_sent + KEEP_ALIVE {
            self.send(now, &[]);
        }
    }

    fn handle_report(&mut self, _: Micros, report: ControlReport) {
        match report {
            ControlReport::Resolved { jam, endpoint, address } if jam == self.number => {
                self.not_found = false;
                self.path.set_address(endpoint, address);
                self.start_receiving();
            }
            ControlReport::NotResolved { jam } if jam == self.number => self.not_found = self.path.address(0).is_none(),
            _ => {}
        }
    }

    /// While muted, only headers are sent once the server knows this client: some servers admit nobody without audio.
    fn send_audio(&mut self, now: Micros, packet: EncodedPacket<'_>) -> SendCounts {
        let EncodedPacket::Legacy { samples, silent } = packet else { return SendCounts::DROPPED };
        if self.path.address(0).is_none() {
            return SendCounts::default();
        }
        let muted = self.console.send_mute() && self.state == SessionState::Joined;
        let sent = self.send(now, if muted && silent { &[] } else { samples });
        if sent { SendCounts::SENT } else { SendCounts::DROPPED }
    }

    fn drain(&mut self, now: Micros) -> bool {
        let alive = self.presence.heard().is_some_and(|at| now.since(at) <= FORGOTTEN_AFTER);
        let state = if alive { SessionState::Joined } else { SessionState::Connecting };
        self.was_joined |= alive;
        self.update_roster(now);
        std::mem::replace(&mut self.state, state) != state
    }

    fn roster(&mut self) -> &mut StripRoster {
        &mut self.roster
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn tick(&mut self, now: Micros, _: &ClientShared) {
        let silent = self.silent_since();
        let since = self.path.opened_at().map_or(silent, |opened| opened.max(silent));
        if now.since(since) >= REBIND_AFTER {
            self.path.rebind(now, silent);
        }
    }

    fn datagram_limit(&self) -> usize {
        MAX_PACKET
    }

    fn snapshot(&self, now: Micros, loop_guard_tripped: bool) -> Snapshot {
        let joined = self.state == SessionState::Joined;
        let musicians = self.roster.present();
        let situation = LegacySituation {
            server: &self.server,
            joined,
            was_joined: self.was_joined,
            not_found: self.not_found,
            silent: now.since(self.silent_since()) >= SILENT_AFTER,
            loop_guard_tripped,
            alone: musicians.is_empty(),
        };
        Snapshot {
            role: Some(Role::Musician),
            state: self.state,
            room: Some(self.server.to_string()),
            legacy: true,
            rtt: self.presence.rtt().filter(|_| joined),
            you: joined.then(|| You { name: name(self.own), source: 0 }),
            musicians,
            condition: situation.condition(),
            sent_before: self.sent_before,
            ..Snapshot::default()
        }
    }
}

fn entry(source: SourceId, client: LegacyClientId) -> RosterEntry {
    RosterEntry { source, name: name(client), musician: client.identity(), instance: 0, via: MemberAccess::Legacy }
}

/// Legacy musicians have no names.
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
    use crate::condition::Condition;
    use crate::send::encoder::PacketEncoder;
    use crossbeam_channel::{Receiver, unbounded};
    use rtjam_protocol::legacy::LegacyPacket;
    use std::net::UdpSocket;
    use std::time::Duration;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    const T0: Micros = Micros::from_secs(1);

    struct Bench {
        jam: LegacyJam,
        engine: rtjam_engine::Engine,
        network: rtjam_engine::NetworkEnd,
        console: Console,
        server: UdpSocket,
        recv_commands: Receiver<RecvCommand>,
        commands: UnboundedReceiver<ControlCommand>,
        encoder: PacketEncoder,
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
            let (recv, recv_commands) = unbounded();
            let (control, commands) = unbounded_channel();
            let channels = JamChannels { recv, control };
            let rtjam_protocol::link::Link::Legacy(place) = link.parse().expect("a link") else { panic!("{link}") };
            let jam = LegacyJam::new(T0, 3, place, 9 << 32 | 41, channels, console.clone(), SendCounts::default());
            let encoder = PacketEncoder::legacy();
            Bench { jam, engine, network, console, server, recv_commands, commands, encoder, now: T0 }
        }

        /// Plays a block of this value on both channels.
        fn play(&mut self, frames: usize, value: f32) -> SendCounts {
            let input = vec![value; frames];
            let (mut left, mut right) = (vec![0.0; frames], vec![0.0; frames]);
            let mut outputs = rtjam_engine::Outputs { main: [&mut left, &mut right], slots: Default::default() };
            self.engine.process(self.now, [&input, &input], &mut outputs);
            let mut counts = SendCounts::default();
            while let Some(packet) = self.network.outgoing.pop() {
                counts = counts.and(self.encoder.encode(&packet, |encoded| self.jam.send_audio(self.now, encoded)));
            }
            counts
        }

        /// The next datagram at the server: its length and header.
        fn next(&self) -> (usize, LegacyHeader) {
            let mut buffer = [0; 2048];
            let len = self.server.recv(&mut buffer).expect("a datagram");
            (len, LegacyPacket::read(&buffer[..len]).expect("a legacy packet").header)
        }
    }

    /// Blocks of any size become packets of 64 or 128 frames in sequence.
    #[test]
    fn blocks_become_legacy_packets() {
        for (block, lengths) in [(64, vec![284]), (128, vec![540]), (256, vec![540, 540]), (32, vec![])] {
            let mut bench = Bench::new(block);
            assert_eq!(bench.play(block, 0.1), SendCounts { packets: lengths.len() as u64, dropped: 0 });
            let got: Vec<_> = lengths.iter().map(|_| bench.next()).collect();
            assert_eq!(got.iter().map(|(len, _)| *len).collect::<Vec<_>>(), lengths);
            for ((_, header), number) in got.iter().zip(0..) {
                assert_eq!((header.client, header.sequence), (LegacyClientId(42), Sequence(number)));
            }
        }
    }

    /// Headers return the server's time and carry our own.
    #[test]
    fn headers_carry_both_times() {
        let mut bench = Bench::new(128);
        bench.jam.presence = Arc::new(presence(T0, 123_456));
        bench.now = T0 + Micros(77);
        bench.play(128, 0.1);
        let (_, header) = bench.next();
        assert_eq!((header.server_time, header.client_time), (Micros(123_456), T0 + Micros(77)));
    }

    /// As if a packet with that server time had arrived.
    fn presence(heard: Micros, server_time: u64) -> LegacyPresence {
        let presence = LegacyPresence::default();
        presence.pretend(heard, server_time);
        presence
    }

    /// A muted client sends audio until it is joined, then only headers.
    #[test]
    fn muted_clients_send_headers() {
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

    /// Without audio, headers keep the client known to the server.
    #[test]
    fn headers_keep_the_session_alive() {
        let mut bench = Bench::new(128);
        assert_eq!(bench.jam.poll_timeout(), Some(T0 + KEEP_ALIVE));
        bench.jam.handle_timeout(T0 + Micros(99_999));
        bench.jam.handle_timeout(T0 + KEEP_ALIVE);
        assert_eq!(bench.next().0, 28);
        assert_eq!(bench.jam.poll_timeout(), Some(T0 + KEEP_ALIVE + KEEP_ALIVE));
        let commands: Vec<RecvCommand> = bench.recv_commands.try_iter().collect();
        assert!(matches!(commands[..], [RecvCommand::Legacy(_), RecvCommand::Socket(_)]), "the socket comes last");
    }

    /// A name is resolved again until it has an address, and the failure is reported.
    #[test]
    fn names_are_resolved_until_found() {
        let server = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let port = server.local_addr().expect("bound").port();
        let mut bench = Bench::at(&format!("classic://jam.example.org:{port}"), server, 128);
        let asked = |bench: &mut Bench| matches!(bench.commands.try_recv(), Ok(ControlCommand::Resolve { jam: 3, .. }));
        bench.jam.handle_timeout(T0);
        assert!(asked(&mut bench) && !asked(&mut bench));
        assert_eq!(bench.play(128, 0.1), SendCounts::default());
        bench.jam.handle_report(T0, ControlReport::NotResolved { jam: 3 });
        let condition = bench.jam.snapshot(T0, false).condition;
        assert!(matches!(condition, Some(Condition::LegacyNotFound(_))), "{condition:?}");
        bench.jam.handle_timeout(T0 + RESOLVE_EVERY);
        assert!(asked(&mut bench));
        let address = "127.0.0.1:0".parse().expect("an address");
        bench.jam.handle_report(T0, ControlReport::Resolved { jam: 3, endpoint: 0, address });
        assert_eq!(bench.play(128, 0.1), SendCounts::SENT);
        assert_eq!(bench.next().0, 540);
    }

    /// The client is joined while packets arrive, with the standing condition that the link is not private.
    #[test]
    fn joined_while_packets_arrive() {
        let mut bench = Bench::new(128);
        let snapshot = |bench: &Bench, now| bench.jam.snapshot(now, false);
        assert_eq!((snapshot(&bench, T0).state, snapshot(&bench, T0).condition), (SessionState::Connecting, None));
        let silent = snapshot(&bench, T0 + SILENT_AFTER).condition;
        assert!(matches!(silent, Some(Condition::LegacySilent(_))), "{silent:?}");
        bench.jam.presence = Arc::new(presence(T0 + SILENT_AFTER, 1));
        assert!(bench.jam.drain(T0 + SILENT_AFTER));
        let joined = snapshot(&bench, T0 + SILENT_AFTER);
        assert!(joined.state == SessionState::Joined && joined.legacy);
        assert!(matches!(joined.condition, Some(Condition::LegacyAlone(_))));
        let later = T0 + SILENT_AFTER + FORGOTTEN_AFTER + Micros(1);
        assert!(bench.jam.drain(later));
        assert_eq!(snapshot(&bench, later).state, SessionState::Connecting);
    }
}
