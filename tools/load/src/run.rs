//! Runs a load: the musicians join, play and leave.

use super::batch_receiver::BatchReceiver;
use super::control::ControlConnections;
use super::error::LoadError;
use super::garbage;
use super::legacy;
use super::musician::{COUNTED, LoadMusician, PacketStamp, WARM_UP};
use super::options::{ArrivalPattern, LoadOptions, MixMode};
use super::reception::DelayHistogram;
use super::report::{LoadReport, RunCounts};
use super::rooms;
use crate::{process, timestamps};
use rtjam_client::Clock;
use rtjam_protocol::StreamId;
use rtjam_protocol::control::DownstreamMode;
use rtjam_protocol::link::{InviteLink, Trust};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Up to this many musicians, every datagram is opened; with more, one in [`SHARE`].
const ALL_OPENED: u16 = 20;
const SHARE: u64 = 16;

/// The most musicians who join at a time.
const JOINING: usize = 12;

/// How long all musicians can take to join, plus a tenth of a second for each.
const JOIN: Duration = Duration::from_secs(20);

/// How long the musicians play before counting begins, to warm up caches.
const WARMING_UP: Duration = Duration::from_millis(500);

/// How long datagrams can take to arrive after the last one was sent.
const DRAIN: Duration = Duration::from_millis(300);

/// How long goodbyes can take to be sent and read.
const FAREWELL: Duration = Duration::from_millis(50);

/// The real-time priority of the load: above that of a desktop, below that of the server.
const PRIORITY: i32 = 10;

struct Load {
    options: LoadOptions,
    clock: Clock,
    control: ControlConnections,
    musicians: Vec<LoadMusician>,
    receiver: BatchReceiver,
    delays: DelayHistogram,
    share: u64,
}

/// Runs a load, and reports its progress to `say`.
///
/// # Errors
/// When the musicians cannot join.
pub fn run(options: &LoadOptions, say: impl FnMut(String)) -> Result<LoadReport, LoadError> {
    run_beside(options, say, |_| {})
}

/// Runs a load, and calls `begin` with the musicians when all of them play, just before counting begins.
///
/// # Errors
/// When the musicians cannot join.
pub fn run_beside(
    options: &LoadOptions,
    mut say: impl FnMut(String),
    begin: impl FnOnce(&[LoadMusician]),
) -> Result<LoadReport, LoadError> {
    if let Some(place) = &options.classic {
        return legacy::run(options, place, say);
    }
    let links = rooms::links(&options.join, options.rooms, options.pid)?;
    let server = address(&links[0])?;
    let Some(Trust::Pinned(pin)) = links[0].key.as_ref().map(|k| k.trust) else {
        return Err(LoadError::LinkWithoutPin);
    };
    let mut load = Load {
        options: options.clone(),
        clock: Clock::new(),
        control: ControlConnections::open(server, pin),
        musicians: Vec::new(),
        receiver: BatchReceiver::default(),
        delays: DelayHistogram::default(),
        // With mixes, each musician receives only one stream.
        share: if options.musicians > ALL_OPENED && options.mix == MixMode::Separate { SHARE } else { 1 },
    };
    load.join(&links, server)?;
    say(format!("{} musicians in {} rooms have joined", load.musicians.len(), links.len()));
    process::precise_sleep();
    if !process::be_real_time(PRIORITY) {
        say("no real-time priority: the load may be late".to_owned());
    }
    load.play(WARM_UP, WARMING_UP);
    load.drain();
    let genuine = load.musicians.iter().map(|p| p.last_sent().to_vec()).collect();
    begin(&load.musicians);
    let (report, garbage) = garbage::send_during(options, server, genuine, || load.count());
    load.leave();
    Ok(LoadReport { garbage, ..report })
}

fn address(link: &InviteLink) -> Result<SocketAddr, LoadError> {
    let host = link.host.to_string();
    let place = (host.trim_matches(['[', ']']), link.port);
    let mut found = place.to_socket_addrs().map_err(|e| LoadError::UnknownHost(host.clone(), e))?;
    found.next().ok_or(LoadError::NoAddress(host))
}

impl Load {
    fn join(&mut self, links: &[InviteLink], server: SocketAddr) -> Result<(), LoadError> {
        let wanted = usize::from(self.options.musicians);
        let deadline = Instant::now() + JOIN + Duration::from_millis(100) * u32::from(self.options.musicians);
        loop {
            let joining = self.musicians.iter().filter(|p| !p.is_ready()).count();
            let mix = match self.options.mix {
                MixMode::Separate => DownstreamMode::Forwarded,
                MixMode::One => DownstreamMode::Mixed,
            };
            for index in self.musicians.len()..wanted.min(self.musicians.len() + JOINING - joining.min(JOINING)) {
                let room = index % links.len();
                self.musicians.push(LoadMusician::join(self.clock.now(), index, room, &links[room], server, mix)?);
            }
            self.handle_timeouts();
            self.receive_all();
            if let Some(error) = self.musicians.iter_mut().find_map(LoadMusician::take_error) {
                return Err(error);
            }
            if self.musicians.len() == wanted && self.musicians.iter().all(LoadMusician::is_ready) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let joined = self.musicians.iter().filter(|p| p.is_ready()).count();
                return Err(LoadError::Incomplete { joined, wanted });
            }
            sleep(Duration::from_millis(1));
        }
    }

    /// Plays and counts.
    fn count(&mut self) -> LoadReport {
        self.delays = DelayHistogram::default();
        self.musicians.iter_mut().for_each(|p| p.reception.begin());
        let cpu = || self.options.pid.and_then(process::cpu_time);
        let (before, start) = (cpu(), Instant::now());
        let behind_us = self.play(COUNTED, self.options.seconds);
        let (played, after) = (start.elapsed(), self.options.pid.and_then(process::cpu_time));
        // A mix continues until its receiver leaves, so later packets do not count.
        if self.options.mix == MixMode::Separate {
            self.drain();
        }
        LoadReport::of(&RunCounts {
            musicians: &self.musicians,
            mix: self.options.mix,
            opened_share: self.share,
            delays: &self.delays,
            server_cpu: after.zip(before).map(|(a, b)| a.saturating_sub(b)),
            played,
            behind_us,
        })
    }

    /// All musicians play. Returns the longest delay behind the schedule, in µs.
    fn play(&mut self, stream: StreamId, length: Duration) -> u64 {
        let (count, packet_ns) = (self.musicians.len() as u64, self.options.packet_ns());
        let step = match self.options.arrivals {
            ArrivalPattern::Spread => packet_ns / count,
            ArrivalPattern::Aligned => 0,
        };
        let packets = length.as_nanos() as u64 / packet_ns;
        let (begun, mut behind) = (timestamps::now().as_nanos() as u64, 0);
        for number in 0..packets {
            for index in 0..self.musicians.len() {
                let due = begun + number * packet_ns + index as u64 * step;
                let now = self.wait_until(due);
                behind = behind.max(now.saturating_sub(due));
                let packet = PacketStamp { stream, number: number as u32, frames: self.options.packet };
                self.musicians[index].play(packet, now);
                if step > 0 {
                    self.receive(index);
                }
            }
            if step == 0 {
                self.receive_all();
            }
            if number % 16 == 0 {
                self.poll_control();
            }
        }
        behind / 1000
    }

    /// Waits until `due` and returns the time after that, in ns of the wall clock.
    fn wait_until(&self, due: u64) -> u64 {
        loop {
            let now = timestamps::now().as_nanos() as u64;
            if now >= due {
                return now;
            }
            sleep(Duration::from_nanos(due - now));
        }
    }

    fn drain(&mut self) {
        let until = Instant::now() + DRAIN;
        while Instant::now() < until {
            self.receive_all();
            self.poll_control();
            sleep(Duration::from_millis(2));
        }
    }

    fn leave(mut self) {
        let now = self.clock.now();
        self.musicians.iter_mut().for_each(|p| p.leave(now, &self.control));
        sleep(FAREWELL);
    }

    fn receive(&mut self, index: usize) {
        let now = self.clock.now();
        let musician = &mut self.musicians[index];
        musician.receive(now, self.share, &mut self.receiver, &mut self.delays, &self.control);
        musician.handle_timeout(now, &self.control);
    }

    fn receive_all(&mut self) {
        (0..self.musicians.len()).for_each(|index| self.receive(index));
    }

    fn handle_timeouts(&mut self) {
        self.poll_control();
        let now = self.clock.now();
        self.musicians.iter_mut().for_each(|p| p.handle_timeout(now, &self.control));
    }

    fn poll_control(&mut self) {
        while let Some((connection, event)) = self.control.poll() {
            let now = self.clock.now();
            if let Some(musician) = self.musicians.get_mut(connection.0) {
                musician.handle(now, connection, event, &self.control);
            }
        }
    }
}
