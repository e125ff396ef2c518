//! A load of classic packets: on a server of ours with `--classic`, or on an existing one in mode `separate`.
//!
//! Every packet names its maker and number in its samples, for a server may show other client ids.

use super::garbage;
use super::inlet::{self, Inlet};
use super::options::{Arrivals, Options};
use super::report::Report;
use super::tally::Delays;
use crate::{process, stamp};
use rtjam_protocol::legacy::{HEADER_LEN, LegacyClientId, LegacyHeader, LegacyPacket, MAX_FRAMES};
use rtjam_protocol::{Micros, Sequence};
use std::collections::HashSet;
use std::net::{SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// All must have been answered within this time, and a fifth of a second more each.
const ANSWERED: Duration = Duration::from_secs(20);

/// What is on its way arrives within this time.
const DRAIN: Duration = Duration::from_millis(300);

const PRIORITY: i32 = 10;

/// Before the maker's number in a packet that counts.
const MARK: [u8; 4] = *b"load";

/// One client.
struct Client {
    socket: UdpSocket,
    id: u32,
    sequence: u32,
    server_time: Micros,
    answered: bool,
    sent: u64,
    heard: HashSet<(u32, u32)>,
    duplicated: u64,
    from: Vec<u64>,
}

/// Runs a load on the classic server at `place`. `say` is told how it goes on.
///
/// # Errors
/// A sentence that says what is wrong with the flags or the server.
pub fn run(options: &Options, place: &str, mut say: impl FnMut(String)) -> Result<Report, String> {
    if usize::from(options.packet) > MAX_FRAMES {
        return Err(format!("A classic packet holds {MAX_FRAMES} frames at most."));
    }
    if options.rooms != 1 {
        return Err("A classic server has one room: leave --rooms away.".to_owned());
    }
    let mut found = place.to_socket_addrs().map_err(|e| format!("{place} is no HOST:PORT that is known ({e})."))?;
    let server = found.next().ok_or_else(|| format!("{place} has no address."))?;
    let count = u32::from(options.musicians);
    let clients = (1..=count).map(|id| Client::new(id, count, server)).collect::<Result<Vec<Client>, _>>();
    let mut load = Load {
        options,
        clients: clients.map_err(|e| format!("This machine gives no socket ({e})."))?,
        inlet: Inlet::default(),
        delays: Delays::default(),
        out: Vec::new(),
    };
    process::precise_sleep();
    if !process::be_real_time(PRIORITY) {
        say("no real-time priority: the load may be late".to_owned());
    }
    load.join()?;
    say(format!("{count} classic clients are answered"));
    let genuine = vec![load.out.clone()];
    Ok(garbage::beside(options, server, genuine, || load.count()))
}

struct Load<'a> {
    options: &'a Options,
    clients: Vec<Client>,
    inlet: Inlet,
    delays: Delays,
    out: Vec<u8>,
}

impl Load<'_> {
    /// Everyone plays until everyone has been answered.
    fn join(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + ANSWERED + Duration::from_millis(200) * u32::from(self.options.musicians);
        while Instant::now() < deadline {
            self.play(Duration::from_millis(200), None);
            if self.clients.iter().all(|c| c.answered) {
                // Each has returned what it was told by now, too.
                self.play(Duration::from_millis(500), None);
                self.drain();
                return Ok(());
            }
        }
        let answered = self.clients.iter().filter(|c| c.answered).count();
        Err(format!("Only {answered} of {} classic clients were answered. Is the server there?", self.clients.len()))
    }

    fn count(&mut self) -> Report {
        let cpu = || self.options.pid.and_then(process::cpu_time);
        let (before, start) = (cpu(), Instant::now());
        let behind_us = self.play(self.options.seconds, Some(0));
        let (played, after) = (start.elapsed(), self.options.pid.and_then(process::cpu_time));
        self.drain();
        let others = self.clients.len() as u64 - 1;
        let sum = |f: fn(&Client) -> u64| self.clients.iter().map(f).sum::<u64>();
        let (sent, received) = (sum(|c| c.sent), sum(|c| c.heard.len() as u64));
        let shares = self.clients.iter().filter(|c| c.sent * others > 0).map(|maker| {
            let heard: u64 = self.clients.iter().map(|c| c.from[maker.id as usize]).sum();
            heard as f64 * 100.0 / (maker.sent * others) as f64
        });
        let (least, most) = shares.fold((f64::MAX, 0.0_f64), |(a, b), s| (a.min(s), b.max(s)));
        let at = |share| self.delays.percentile(share);
        Report {
            sent,
            expected: sent * others,
            received,
            lost: (sent * others).saturating_sub(received),
            duplicated: sum(|c| c.duplicated),
            own_drops: sum(|c| u64::from(inlet::drops(&c.socket))),
            opened_share: 1,
            forward_us: [at(0.5), at(0.99), at(0.999), self.delays.max()],
            server_cpu: after.zip(before).map(|(a, b)| a.saturating_sub(b)),
            forwards_per_second: (received as f64 / played.as_secs_f64()) as u64,
            heard_pct: [least.min(most), most],
            behind_us,
            garbage: None,
        }
    }

    /// Everyone plays, counted from this number on or not at all. Returns how far behind its schedule the load was at
    /// worst, in µs.
    fn play(&mut self, length: Duration, counted: Option<u32>) -> u64 {
        let (count, packet_ns) = (self.clients.len() as u64, self.options.packet_ns());
        let step = if self.options.arrivals == Arrivals::Spread { packet_ns / count } else { 0 };
        let packets = length.as_nanos() as u64 / packet_ns;
        let (begun, mut behind) = (stamp::now().as_nanos() as u64, 0);
        for number in 0..packets {
            for index in 0..self.clients.len() {
                let due = begun + number * packet_ns + index as u64 * step;
                let now = wait_until(due);
                behind = behind.max(now.saturating_sub(due));
                let number = counted.map(|first| first + number as u32);
                self.clients[index].play(usize::from(self.options.packet), number, now, &mut self.out);
                if step > 0 {
                    self.clients[index].hear(&mut self.inlet, &mut self.delays);
                }
            }
            if step == 0 {
                self.hear_all();
            }
        }
        behind / 1000
    }

    fn hear_all(&mut self) {
        self.clients.iter_mut().for_each(|c| c.hear(&mut self.inlet, &mut self.delays));
    }

    fn drain(&mut self) {
        let until = Instant::now() + DRAIN;
        while Instant::now() < until {
            self.hear_all();
            sleep(Duration::from_millis(2));
        }
    }
}

/// Returns the time then, in ns of the wall clock.
fn wait_until(due: u64) -> u64 {
    loop {
        let now = stamp::now().as_nanos() as u64;
        if now >= due {
            return now;
        }
        sleep(Duration::from_nanos(due - now));
    }
}

impl Client {
    fn new(id: u32, count: u32, server: SocketAddr) -> std::io::Result<Client> {
        let any: SocketAddr = if server.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
        let socket = UdpSocket::bind(any)?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        inlet::prepare(&socket)?;
        Ok(Client {
            socket,
            id,
            sequence: 0,
            server_time: Micros::ZERO,
            answered: false,
            sent: 0,
            heard: HashSet::new(),
            duplicated: 0,
            from: vec![0; count as usize + 1],
        })
    }

    /// Silence, and in the first samples of a packet that counts who made it, which it is, and when it left.
    fn play(&mut self, frames: usize, counted: Option<u32>, now_ns: u64, out: &mut Vec<u8>) {
        let header = LegacyHeader {
            beat: 0,
            server_time: self.server_time,
            client_time: Micros(now_ns / 1000),
            client: LegacyClientId(self.id),
            sequence: Sequence(self.sequence),
        };
        out.clear();
        header.write(frames, out, |out| (0..frames * 2).for_each(|_| out.extend_from_slice(&32766_u16.to_be_bytes())));
        if let Some(number) = counted {
            let mark = [&MARK[..], &self.id.to_be_bytes(), &number.to_be_bytes(), &now_ns.to_be_bytes()].concat();
            out[HEADER_LEN..HEADER_LEN + mark.len()].copy_from_slice(&mark);
            self.sent += 1;
        }
        self.sequence = self.sequence.wrapping_add(1);
        // What is not taken is lost, and counted so.
        let _ = self.socket.send(out);
    }

    fn hear(&mut self, inlet: &mut Inlet, delays: &mut Delays) {
        let Client { socket, id, server_time, answered, heard, duplicated, from, .. } = self;
        inlet.drain(socket, |datagram, stamp| {
            let Ok(packet) = LegacyPacket::read(datagram) else { return };
            *server_time = packet.header.server_time;
            *answered |= packet.header.client == LegacyClientId(*id);
            let Some((maker, number, left)) = marked(&datagram[HEADER_LEN..]) else { return };
            let Some(count) = from.get_mut(maker as usize).filter(|_| maker != *id) else { return };
            if heard.insert((maker, number)) {
                *count += 1;
                delays.note(stamp.saturating_sub(left) / 1000);
            } else {
                *duplicated += 1;
            }
        });
    }
}

/// Maker, number, and when it left.
fn marked(audio: &[u8]) -> Option<(u32, u32, u64)> {
    let rest = audio.strip_prefix(&MARK)?;
    let (maker, rest) = rest.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (left, _) = rest.split_first_chunk()?;
    Some((u32::from_be_bytes(*maker), u32::from_be_bytes(*number), u64::from_be_bytes(*left)))
}
