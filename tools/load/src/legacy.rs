//! A load of legacy packets, on an rtjam-server with `--classic` or on a legacy server in mode `separate`.
//!
//! Every packet carries its sender and number in its samples, because a server can change client ids.

use super::batch_receiver::{self, BatchReceiver};
use super::error::LoadError;
use super::garbage;
use super::options::{ArrivalPattern, LoadOptions};
use super::reception::DelayHistogram;
use super::report::LoadReport;
use crate::{process, timestamps};
use rtjam_protocol::legacy::{HEADER_LEN, LegacyClientId, LegacyHeader, LegacyPacket, MAX_FRAMES};
use rtjam_protocol::{Micros, Sequence};
use std::collections::HashSet;
use std::net::{SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long all clients can take to receive an answer, plus a fifth of a second for each.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// How long packets can take to arrive after the last one was sent.
const DRAIN: Duration = Duration::from_millis(300);

const PRIORITY: i32 = 10;

/// Precedes the sender's id in a packet that counts.
const MARK: [u8; 4] = *b"load";

struct LegacyClient {
    socket: UdpSocket,
    id: u32,
    sequence: u32,
    server_time: Micros,
    answered: bool,
    sent: u64,
    received: HashSet<(u32, u32)>,
    duplicated: u64,
    from: Vec<u64>,
}

/// Runs a load on the legacy server at `place`, and reports its progress to `say`.
///
/// # Errors
/// When the flags do not fit a legacy server, or the server does not answer.
pub fn run(options: &LoadOptions, place: &str, mut say: impl FnMut(String)) -> Result<LoadReport, LoadError> {
    if usize::from(options.packet) > MAX_FRAMES {
        return Err(LoadError::PacketTooLong(MAX_FRAMES));
    }
    if options.rooms != 1 {
        return Err(LoadError::OneRoomOnly);
    }
    let mut found = place.to_socket_addrs().map_err(|e| LoadError::UnknownHost(place.to_owned(), e))?;
    let server = found.next().ok_or_else(|| LoadError::NoAddress(place.to_owned()))?;
    let count = u32::from(options.musicians);
    let clients = (1..=count).map(|id| LegacyClient::new(id, count, server)).collect::<Result<Vec<LegacyClient>, _>>();
    let mut load = LegacyLoad {
        options,
        clients: clients.map_err(LoadError::Socket)?,
        receiver: BatchReceiver::default(),
        delays: DelayHistogram::default(),
        out: Vec::new(),
    };
    process::precise_sleep();
    if !process::be_real_time(PRIORITY) {
        say("no real-time priority: the load may be late".to_owned());
    }
    load.join()?;
    say(format!("{count} legacy clients have been answered"));
    let genuine = vec![load.out.clone()];
    let (report, garbage) = garbage::send_during(options, server, genuine, || load.count());
    Ok(LoadReport { garbage, ..report })
}

struct LegacyLoad<'a> {
    options: &'a LoadOptions,
    clients: Vec<LegacyClient>,
    receiver: BatchReceiver,
    delays: DelayHistogram,
    out: Vec<u8>,
}

impl LegacyLoad<'_> {
    /// All clients play until all have been answered.
    fn join(&mut self) -> Result<(), LoadError> {
        let deadline = Instant::now() + ANSWER_TIMEOUT + Duration::from_millis(200) * u32::from(self.options.musicians);
        while Instant::now() < deadline {
            self.play(Duration::from_millis(200), None);
            if self.clients.iter().all(|c| c.answered) {
                // By now each client has also returned the server's time.
                self.play(Duration::from_millis(500), None);
                self.drain();
                return Ok(());
            }
        }
        let joined = self.clients.iter().filter(|c| c.answered).count();
        Err(LoadError::Incomplete { joined, wanted: self.clients.len() })
    }

    fn count(&mut self) -> LoadReport {
        let cpu = || self.options.pid.and_then(process::cpu_time);
        let (before, start) = (cpu(), Instant::now());
        let behind_us = self.play(self.options.seconds, Some(0));
        let (played, after) = (start.elapsed(), self.options.pid.and_then(process::cpu_time));
        self.drain();
        let others = self.clients.len() as u64 - 1;
        let sum = |f: fn(&LegacyClient) -> u64| self.clients.iter().map(f).sum::<u64>();
        let (sent, received) = (sum(|c| c.sent), sum(|c| c.received.len() as u64));
        let shares = self.clients.iter().filter(|c| c.sent * others > 0).map(|maker| {
            let heard: u64 = self.clients.iter().map(|c| c.from[maker.id as usize]).sum();
            heard as f64 * 100.0 / (maker.sent * others) as f64
        });
        let (least, most) = shares.fold((f64::MAX, 0.0_f64), |(a, b), s| (a.min(s), b.max(s)));
        let at = |share| self.delays.percentile(share);
        LoadReport {
            sent,
            expected: sent * others,
            received,
            lost: (sent * others).saturating_sub(received),
            duplicated: sum(|c| c.duplicated),
            own_drops: sum(|c| u64::from(batch_receiver::drops(&c.socket))),
            opened_share: 1,
            forward_us: [at(0.5), at(0.99), at(0.999), self.delays.max()],
            server_cpu: after.zip(before).map(|(a, b)| a.saturating_sub(b)),
            forwards_per_second: (received as f64 / played.as_secs_f64()) as u64,
            heard_pct: [least.min(most), most],
            behind_us,
            garbage: None,
        }
    }

    /// All clients play, with packets that count from the number `counted` on, or do not count. Returns the longest delay
    /// behind the schedule, in µs.
    fn play(&mut self, length: Duration, counted: Option<u32>) -> u64 {
        let (count, packet_ns) = (self.clients.len() as u64, self.options.packet_ns());
        let step = if self.options.arrivals == ArrivalPattern::Spread { packet_ns / count } else { 0 };
        let packets = length.as_nanos() as u64 / packet_ns;
        let (begun, mut behind) = (timestamps::now().as_nanos() as u64, 0);
        for number in 0..packets {
            for index in 0..self.clients.len() {
                let due = begun + number * packet_ns + index as u64 * step;
                let now = wait_until(due);
                behind = behind.max(now.saturating_sub(due));
                let number = counted.map(|first| first + number as u32);
                self.clients[index].play(usize::from(self.options.packet), number, now, &mut self.out);
                if step > 0 {
                    self.clients[index].receive(&mut self.receiver, &mut self.delays);
                }
            }
            if step == 0 {
                self.receive_all();
            }
        }
        behind / 1000
    }

    fn receive_all(&mut self) {
        self.clients.iter_mut().for_each(|c| c.receive(&mut self.receiver, &mut self.delays));
    }

    fn drain(&mut self) {
        let until = Instant::now() + DRAIN;
        while Instant::now() < until {
            self.receive_all();
            sleep(Duration::from_millis(2));
        }
    }
}

/// Waits until `due` and returns the time after that, in ns of the wall clock.
fn wait_until(due: u64) -> u64 {
    loop {
        let now = timestamps::now().as_nanos() as u64;
        if now >= due {
            return now;
        }
        sleep(Duration::from_nanos(due - now));
    }
}

impl LegacyClient {
    fn new(id: u32, count: u32, server: SocketAddr) -> std::io::Result<LegacyClient> {
        let any: SocketAddr = if server.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
        let socket = UdpSocket::bind(any)?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        batch_receiver::prepare(&socket)?;
        Ok(LegacyClient {
            socket,
            id,
            sequence: 0,
            server_time: Micros::ZERO,
            answered: false,
            sent: 0,
            received: HashSet::new(),
            duplicated: 0,
            from: vec![0; count as usize + 1],
        })
    }

    /// Sends silence. The first samples of a packet that counts carry its sender, its number and the time of sending.
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
        // A packet that the socket refuses counts as lost.
        let _ = self.socket.send(out);
    }

    fn receive(&mut self, receiver: &mut BatchReceiver, delays: &mut DelayHistogram) {
        let LegacyClient { socket, id, server_time, answered, received, duplicated, from, .. } = self;
        receiver.drain(socket, |datagram, stamp| {
            let Some(packet) = LegacyPacket::read(datagram) else { return };
            *server_time = packet.header.server_time;
            *answered |= packet.header.client == LegacyClientId(*id);
            let Some((maker, number, left)) = read_mark(&datagram[HEADER_LEN..]) else { return };
            let Some(count) = from.get_mut(maker as usize).filter(|_| maker != *id) else { return };
            if received.insert((maker, number)) {
                *count += 1;
                delays.note(stamp.saturating_sub(left) / 1000);
            } else {
                *duplicated += 1;
            }
        });
    }
}

/// Reads sender, number and time of sending.
fn read_mark(audio: &[u8]) -> Option<(u32, u32, u64)> {
    let rest = audio.strip_prefix(&MARK)?;
    let (maker, rest) = rest.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (left, _) = rest.split_first_chunk()?;
    Some((u32::from_be_bytes(*maker), u32::from_be_bytes(*number), u64::from_be_bytes(*left)))
}
