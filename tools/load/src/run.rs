//! Joins, plays, counts, leaves.

use super::classic;
use super::control::Desk;
use super::garbage;
use super::inlet::Inlet;
use super::options::{Arrivals, Mix, Options};
use super::player::{COUNTED, Packet, Player, WARM_UP};
use super::report::{Counted, Report};
use super::rooms;
use super::tally::Delays;
use crate::{process, stamp};
use rtjam_client::Clock;
use rtjam_protocol::StreamId;
use rtjam_protocol::control::DownstreamMode;
use rtjam_protocol::link::{InviteLink, Trust};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Up to this many musicians every datagram is opened; above, one in [`SHARE`].
const ALL_OPENED: u16 = 20;
const SHARE: u64 = 16;

/// Musicians who join at a time.
const JOINING: usize = 12;

/// All of them must have joined within this time, and a tenth of a second more each.
const JOIN: Duration = Duration::from_secs(20);

/// Played before counting begins, so that server and caches are at work.
const WARMING_UP: Duration = Duration::from_millis(500);

/// What is on its way arrives within this time.
const DRAIN: Duration = Duration::from_millis(300);

/// Goodbyes are sent, and read.
const FAREWELL: Duration = Duration::from_millis(50);

/// Above those of a desktop, below the server's: a network does not wait for this machine's processor.
const PRIORITY: i32 = 10;

/// A load under way.
struct Load {
    options: Options,
    clock: Clock,
    desk: Desk,
    players: Vec<Player>,
    inlet: Inlet,
    delays: Delays,
    share: u64,
}

/// Runs a load. `say` is told how it goes on.
///
/// # Errors
/// A sentence that says what is wrong with the link or the server.
pub fn run(options: &Options, say: impl FnMut(String)) -> Result<Report, String> {
    run_beside(options, say, |_| {})
}

/// Runs a load. `begin` is called with the musicians once all of them play, just before counting begins.
///
/// # Errors
/// A sentence that says what is wrong with the link or the server.
pub fn run_beside(
    options: &Options,
    mut say: impl FnMut(String),
    begin: impl FnOnce(&[Player]),
) -> Result<Report, String> {
    if let Some(place) = &options.classic {
        return classic::run(options, place, say);
    }
    let links = rooms::links(&options.join, options.rooms, options.pid)?;
    let server = address(&links[0])?;
    let Some(Trust::Pinned(pin)) = links[0].key.as_ref().map(|k| k.trust) else {
        return Err("The link names no server key; use one that this server made.".to_owned());
    };
    let mut load = Load {
        options: options.clone(),
        clock: Clock::new(),
        desk: Desk::open(server, pin),
        players: Vec::new(),
        inlet: Inlet::default(),
        delays: Delays::default(),
        // Of a mix there is one stream each, however many play.
        share: if options.musicians > ALL_OPENED && options.mix == Mix::Separate { SHARE } else { 1 },
    };
    load.join(&links, server)?;
    say(format!("{} musicians in {} rooms have joined", load.players.len(), links.len()));
    process::precise_sleep();
    if !process::be_real_time(PRIORITY) {
        say("no real-time priority: the load may be late".to_owned());
    }
    load.play(WARM_UP, WARMING_UP);
    load.drain();
    let genuine = load.players.iter().map(|p| p.last_sent().to_vec()).collect();
    begin(&load.players);
    let report = garbage::beside(options, server, genuine, || load.count());
    load.leave();
    Ok(report)
}

fn address(link: &InviteLink) -> Result<SocketAddr, String> {
    let host = link.host.to_string();
    let place = (host.trim_matches(['[', ']']), link.port);
    let mut found = place.to_socket_addrs().map_err(|e| format!("{host}: {e}"))?;
    found.next().ok_or_else(|| format!("{host} has no address"))
}

impl Load {
    fn join(&mut self, links: &[InviteLink], server: SocketAddr) -> Result<(), String> {
        let wanted = usize::from(self.options.musicians);
        let deadline = Instant::now() + JOIN + Duration::from_millis(100) * u32::from(self.options.musicians);
        loop {
            let joining = self.players.iter().filter(|p| !p.is_ready()).count();
            let mix = match self.options.mix {
                Mix::Separate => DownstreamMode::Forwarded,
                Mix::One => DownstreamMode::Mixed,
            };
            for index in self.players.len()..wanted.min(self.players.len() + JOINING - joining.min(JOINING)) {
                let room = index % links.len();
                self.players.push(Player::join(self.clock.now(), index, room, &links[room], server, mix)?);
            }
            self.tend();
            self.hear_all();
            if let Some(trouble) = self.players.iter().find_map(Player::trouble) {
                return Err(trouble.to_owned());
            }
            if self.players.len() == wanted && self.players.iter().all(Player::is_ready) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let ready = self.players.iter().filter(|p| p.is_ready()).count();
                return Err(format!("Only {ready} of {wanted} musicians have joined. Is the server there?"));
            }
            sleep(Duration::from_millis(1));
        }
    }

    /// Plays with everything counted.
    fn count(&mut self) -> Report {
        self.delays = Delays::default();
        self.players.iter_mut().for_each(|p| p.heard.begin());
        let cpu = || self.options.pid.and_then(process::cpu_time);
        let (before, start) = (cpu(), Instant::now());
        let behind_us = self.play(COUNTED, self.options.seconds);
        let (played, after) = (start.elapsed(), self.options.pid.and_then(process::cpu_time));
        // A mix goes on for as long as its taker stays: what comes later does not count.
        if self.options.mix == Mix::Separate {
            self.drain();
        }
        Report::of(&Counted {
            players: &self.players,
            mix: self.options.mix,
            opened_share: self.share,
            delays: &self.delays,
            server_cpu: after.zip(before).map(|(a, b)| a.saturating_sub(b)),
            played,
            behind_us,
        })
    }

    /// Everyone plays. Returns how far behind its schedule the load was at worst, in µs.
    fn play(&mut self, stream: StreamId, length: Duration) -> u64 {
        let (count, packet_ns) = (self.players.len() as u64, self.options.packet_ns());
        let step = match self.options.arrivals {
            Arrivals::Spread => packet_ns / count,
            Arrivals::Aligned => 0,
        };
        let packets = length.as_nanos() as u64 / packet_ns;
        let (begun, mut behind) = (stamp::now().as_nanos() as u64, 0);
        for number in 0..packets {
            for index in 0..self.players.len() {
                let due = begun + number * packet_ns + index as u64 * step;
                let now = self.wait_until(due);
                behind = behind.max(now.saturating_sub(due));
                let packet = Packet { stream, number: number as u32, frames: self.options.packet };
                self.players[index].play(packet, now);
                if step > 0 {
                    self.hear(index);
                }
            }
            if step == 0 {
                self.hear_all();
            }
            if number % 16 == 0 {
                self.poll_control();
            }
        }
        behind / 1000
    }

    /// Returns the time then, in ns of the wall clock.
    fn wait_until(&self, due: u64) -> u64 {
        loop {
            let now = stamp::now().as_nanos() as u64;
            if now >= due {
                return now;
            }
            sleep(Duration::from_nanos(due - now));
        }
    }

    fn drain(&mut self) {
        let until = Instant::now() + DRAIN;
        while Instant::now() < until {
            self.hear_all();
            self.poll_control();
            sleep(Duration::from_millis(2));
        }
    }

    fn leave(mut self) {
        let now = self.clock.now();
        self.players.iter_mut().for_each(|p| p.leave(now, &self.desk));
        sleep(FAREWELL);
    }

    fn hear(&mut self, index: usize) {
        let now = self.clock.now();
        let player = &mut self.players[index];
        player.hear(now, self.share, &mut self.inlet, &mut self.delays, &self.desk);
        player.tend(now, &self.desk);
    }

    fn hear_all(&mut self) {
        (0..self.players.len()).for_each(|index| self.hear(index));
    }

    fn tend(&mut self) {
        self.poll_control();
        let now = self.clock.now();
        self.players.iter_mut().for_each(|p| p.tend(now, &self.desk));
    }

    fn poll_control(&mut self) {
        while let Some((connection, happened)) = self.desk.poll() {
            let now = self.clock.now();
            if let Some(player) = self.players.get_mut(connection.0) {
                player.handle(now, connection, happened, &self.desk);
            }
        }
    }
}
