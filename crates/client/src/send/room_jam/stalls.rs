//! What the room learns of a musician's stalls: two clients and the server's rooms, in virtual time.

use super::*;
use crate::condition::StatusNotice;
use crate::slots::Seating;
use crate::status::Status;
use rtjam_engine::{Engine, NetworkEnd, Outputs};
use rtjam_protocol::datagram::Frame;
use rtjam_protocol::link::{Pin, Secret};
use rtjam_protocol::seal::ring::verify;
use rtjam_protocol::server::rooms::{
    Caps, ConnectionId, Entropy, Origin, RoomRecord, RoomSecrets, Rooms, RoomsConfig, RoomsOutput,
};
use std::net::{IpAddr, Ipv4Addr};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const PERIOD: usize = 64;
const PIN: Pin = Pin([1; 16]);

/// One musician: host, engine and jam.
struct Player {
    engine: Engine,
    network: NetworkEnd,
    console: Console,
    jam: RoomJam,
    seating: Seating,
    commands: UnboundedReceiver<ControlCommand>,
    calls: u64,
}

struct Counting(u64);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        self.0 += 1;
        out.iter_mut().zip(self.0.to_be_bytes().into_iter().rev().cycle()).for_each(|(o, b)| *o = b);
    }
}

impl Player {
    fn new(now: Micros, name: &str) -> Player {
        let link: InviteLink = "rtjam://jam.example.org/lobby#AQEHBwcHBwcHBwcHBwcHBwcH".parse().expect("a link");
        let key = link.key.clone().expect("a key");
        let (recv, _) = crossbeam_channel::unbounded();
        let (control, commands) = unbounded_channel();
        let identity = Identity::ephemeral().expect("an identity");
        let (mix, channels, sent) = (MixRequest::default(), JamChannels { recv, control }, SendCounts::default());
        let (mut engine, network, console) = rtjam_engine::engine(1, || {});
        engine.configure(48_000, PERIOD);
        let jam = RoomJam::new(now, 1, link, key, name, &identity, None, mix, channels, sent);
        Player { engine, network, console, jam, seating: Seating::default(), commands, calls: 0 }
    }

    /// The host calls until `now`. `late` tells by how much it delays a call that is due at a time.
    fn play(&mut self, now: Micros, late: impl Fn(Micros) -> Micros) {
        loop {
            let due = self.now();
            let begun = due + late(due);
            if begun > now {
                return;
            }
            let mut main = [[0.0; PERIOD]; 2];
            let mut outputs =
                Outputs { main: main.each_mut().map(|side| &mut side[..]), slots: std::array::from_fn(|_| None) };
            self.engine.process(begun, [&[0.0; PERIOD]; 2], &mut outputs);
            while self.network.outgoing.pop().is_some() {}
            self.calls += 1;
        }
    }

    /// When the next call is due.
    fn now(&self) -> Micros {
        Micros(1_000_000 + self.calls * PERIOD as u64 * 1_000_000 / 48_000)
    }

    /// What `jam-send` does every 100 ms, while datagrams of the server arrive.
    fn tick(&mut self, now: Micros) {
        let session = Arc::clone(&self.jam.last_heard);
        let kind = RecvEventKind::Frame(Frame::KeepAlive);
        self.jam.handle_recv_event(&RecvEvent { session, arrived: now, kind });
        self.jam.handle_timeout(now);
        self.jam.report_stalls(now, self.console.engine().stalling);
        self.jam.drain(now);
        if self.jam.roster().has_changed() {
            self.jam.roster().assign_strips(&mut self.seating, &self.console);
        }
    }

    fn status(&self, now: Micros) -> Status {
        let snapshot = self.jam.snapshot(now, false);
        Status::assemble(&snapshot, &self.console, SendCounts::default())
    }
}

/// The room server, without media.
struct Server {
    rooms: Rooms,
    entropy: Counting,
}

impl Server {
    fn new() -> Server {
        let rooms = Rooms::new(RoomsConfig {
            pins: vec![PIN],
            suites: preferred_suites().to_vec(),
            media: Vec::new(),
            media_threads: 1,
            max_musicians: 8,
            max_listeners: 8,
            caps: Caps { per_identity: 4, per_address: None, new_identities: 16 },
            verify,
            release: Release::OWN,
        });
        Server { rooms, entropy: Counting(0) }
    }

    fn room() -> RoomRecord {
        let secret = |n| Secret([n; 16]).into();
        let secrets = RoomSecrets { listener: secret(1), musician: secret(7), moderator: secret(3) };
        RoomRecord::Found { secrets, slots: Vec::new(), mix: DownstreamMode::Forwarded, bans: Vec::new(), limit: None }
    }

    /// Passes messages between the players and the rooms until there are none.
    fn pass(&mut self, now: Micros, players: &mut [Player]) {
        let address = Origin { address: IpAddr::V4(Ipv4Addr::LOCALHOST), exempt: true };
        self.rooms.handle_timeout(now);
        loop {
            let mut quiet = true;
            for (n, player) in players.iter_mut().enumerate() {
                while let Ok(command) = player.commands.try_recv() {
                    quiet = false;
                    self.carry_out(now, n, player, command);
                }
            }
            while let Some(output) = self.rooms.poll_output() {
                quiet = false;
                match output {
                    RoomsOutput::Send(to, message) => {
                        let (n, connection) = player_of(to);
                        players[n].jam.handle_report(now, ControlReport::Received(connection, message));
                        players[n].jam.drain(now);
                    }
                    RoomsOutput::LookUp(connection, _) => {
                        self.rooms.handle_room(now, connection, address, Server::room(), 0, &mut self.entropy);
                    }
                    _ => {}
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn carry_out(&mut self, now: Micros, n: usize, player: &mut Player, command: ControlCommand) {
        match command {
            ControlCommand::Dial(connection, _) => {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 7891));
                player.jam.handle_report(now, ControlReport::Opened { connection, server: PIN, address });
                self.rooms.handle_connected(wire(n, connection), [5; 32]);
            }
            ControlCommand::Send(connection, message) => self.rooms.handle_message(now, wire(n, connection), message),
            ControlCommand::HangUp(connection) => self.rooms.handle_disconnected(wire(n, connection)),
            ControlCommand::Resolve { .. } | ControlCommand::SaveSlots(_) | ControlCommand::Stop => {}
        }
    }
}

/// The server's number of a player's connection.
fn wire(player: usize, connection: JamConnection) -> ConnectionId {
    ConnectionId(u64::from(connection.dial.0) * 2 + player as u64)
}

fn player_of(wire: ConnectionId) -> (usize, JamConnection) {
    ((wire.0 % 2) as usize, JamConnection { jam: 1, dial: DialId((wire.0 / 2) as u32) })
}

/// Ben is told that Ann's computer stalls, and nothing any more two minutes after its last stall.
#[test]
fn stalling_musician_is_named() {
    let begun = Micros::from_secs(1);
    let stalls_end = begun + Micros::from_secs(60);
    let (mut server, mut players) = (Server::new(), [Player::new(begun, "Ann"), Player::new(begun, "Ben")]);
    // Every second one call is late by 4 ms, and the next ones catch up.
    let stalls = |due: Micros| {
        if due < stalls_end { Micros(4000_u64.saturating_sub(due.0 % 1_000_000)) } else { Micros::ZERO }
    };
    let mut run_to = |end: Micros, players: &mut [Player; 2]| {
        for now in (players[0].now().0..end.0).step_by(100_000).map(Micros) {
            players[0].play(now, stalls);
            players[1].play(now, |_| Micros::ZERO);
            server.pass(now, players);
            players.iter_mut().for_each(|player| player.tick(now));
            server.pass(now, players);
        }
    };
    let told = |player: &Player| {
        let status = player.status(player.now());
        let about = |notice| match notice {
            StatusNotice::MusicianStalling { name, stalls } => Some((name, stalls)),
            _ => None,
        };
        (status.notices.into_iter().filter_map(about).collect::<Vec<_>>(), status.musicians[0].stalls)
    };
    let (nothing, stalling) = ((Vec::new(), None), RoundedStalls { ms: 4.0, every_s: 1.0 });
    run_to(begun + Micros::from_secs(3), &mut players);
    assert_eq!(told(&players[1]), nothing);
    run_to(begun + Micros::from_secs(8), &mut players);
    assert_eq!(told(&players[1]), (vec![("Ann".to_owned(), stalling)], Some(stalling)));
    assert_eq!(told(&players[0]), nothing, "Ben's computer does not stall");
    run_to(stalls_end, &mut players);
    assert_eq!(told(&players[1]).1, Some(stalling));
    run_to(stalls_end + Micros::from_secs(120), &mut players);
    assert_eq!(told(&players[1]), nothing);
}
