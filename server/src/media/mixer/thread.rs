//! The mixer's thread.

use super::super::command::CommandSenders;
use super::super::forward_queue::RoomNumber;
use super::super::socket::MediaSocket;
use super::super::tap::TapConsumer;
use super::command::{MixerCommand, MixerSender};
use super::counters::MixerCounters;
use super::outgoing_mix::MixOutput;
use super::room::MixRoom;
use super::tick_clock::{Due, TickClock};
use crate::failure::ExitGuard;
use crate::platform::thread_cpu_time;
use crate::real_time::YieldBudget;
use crate::real_time::request_real_time;
use crate::real_time::{ServerClock, sleep};
use crate::rooms::messages::{MediaEvent, RoomsHandle};
use crate::system::Random;
use crossbeam_channel::{Receiver, TryRecvError};
use rtjam_protocol::{Micros, StreamId};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

/// How often waits and delays are reported.
const REPORT_EVERY: Micros = Micros::from_millis(500);

/// Starts the thread and opens `commands`. `sockets` are duplicates of one media thread's; each media thread has a tap.
///
/// # Errors
/// When the system refuses a thread.
pub(in super::super) fn start(
    sockets: Vec<MediaSocket>,
    taps: Vec<TapConsumer>,
    clock: ServerClock,
    rooms: RoomsHandle,
    threads: CommandSenders,
    commands: &MixerSender,
    notice: ExitGuard,
) -> io::Result<(JoinHandle<()>, Arc<MixerCounters>)> {
    let counters = Arc::<MixerCounters>::default();
    let receiver = commands.open();
    let mixer = Mixer {
        clock,
        actor: rooms,
        threads,
        taps,
        rooms: HashMap::new(),
        output: MixOutput::new(sockets, counters.clone()),
        ticks: TickClock::new(),
        random: Random::new(),
        reported: Micros::ZERO,
        counters: counters.clone(),
    };
    let builder = std::thread::Builder::new().name("mixer".to_owned()).stack_size(1024 * 1024);
    let thread = builder.spawn(move || {
        let _notice = notice;
        request_real_time(false);
        mixer.run(&receiver);
    })?;
    Ok((thread, counters))
}

struct Mixer {
    clock: ServerClock,
    actor: RoomsHandle,
    threads: CommandSenders,
    taps: Vec<TapConsumer>,
    rooms: HashMap<RoomNumber, MixRoom>,
    output: MixOutput,
    ticks: TickClock,
    random: Random,
    reported: Micros,
    counters: Arc<MixerCounters>,
}

impl Mixer {
    fn run(mut self, commands: &Receiver<MixerCommand>) {
        let mut yield_budget = YieldBudget::new(self.clock.now());
        let mut working = false;
        loop {
            // While nobody receives a mix, only a command wakes the thread.
            if !working {
                match commands.recv() {
                    Ok(MixerCommand::Stop) | Err(_) => return,
                    Ok(command) => self.handle_command(command),
                }
            }
            loop {
                match commands.try_recv() {
                    Ok(MixerCommand::Stop) | Err(TryRecvError::Disconnected) => return,
                    Ok(command) => self.handle_command(command),
                    Err(TryRecvError::Empty) => break,
                }
            }
            let mixes: usize = self.rooms.values().map(MixRoom::mixes).sum();
            self.counters.mixes.set(mixes as u64);
            if mixes == 0 {
                working = false;
                continue;
            }
            if !std::mem::replace(&mut working, true) {
                self.ticks.resume(self.clock.now());
                // Discards packets from before the rest.
                self.taps.iter_mut().for_each(|tap| tap.drain().for_each(drop));
            }
            let now = self.clock.now();
            match self.ticks.poll(now) {
                Due::In(wait) => {
                    sleep(wait);
                    yield_budget.record_wait(self.clock.now().since(now));
                }
                Due::Now { tick, skipped } => {
                    self.counters.skipped.add(skipped);
                    self.run_tick(now, tick, skipped);
                }
            }
            if let Some(rest) = yield_budget.poll_sleep(self.clock.now()) {
                sleep(rest);
            }
        }
    }

    fn handle_command(&mut self, command: MixerCommand) {
        let threads = self.threads.all();
        match command {
            MixerCommand::Add(room, member) => self.rooms.entry(room).or_default().add(*member),
            MixerCommand::Request(key, session, request) => {
                let stream = StreamId(u32::from_be_bytes(self.random.array()));
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.handle_request(key, session, request, stream, threads);
                }
            }
            MixerCommand::Remove(key, session) => {
                let Some(room) = self.rooms.get_mut(&key) else { return };
                room.remove(key, session, threads);
                if room.is_empty() {
                    self.rooms.remove(&key);
                }
            }
            MixerCommand::Feedback(key, session, feedback) => {
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.handle_feedback(self.clock.now(), session, &feedback, &mut self.output);
                }
            }
            MixerCommand::Stop => {}
        }
    }

    fn run_tick(&mut self, now: Micros, tick: u64, skipped: u64) {
        let threads = self.threads.all();
        self.rooms.values_mut().for_each(|room| room.begin(now));
        for tap in &mut self.taps {
            for packet in tap.drain() {
                if let Some(room) = self.rooms.get_mut(&packet.room) {
                    room.handle_packet(&packet);
                }
            }
        }
        if skipped > 0 {
            self.rooms.values_mut().for_each(|room| room.skip(skipped));
        }
        for (key, room) in &mut self.rooms {
            room.mix(*key, now, tick, &mut self.output, threads);
        }
        if now.since(self.reported) >= REPORT_EVERY {
            self.reported = now;
            let actor = &self.actor;
            let tell = |session, delay| actor.try_media(MediaEvent::MixDelay(session, delay)).is_ok();
            self.rooms.values_mut().for_each(|room| room.report_waits(threads, tell));
            if let Some(used) = thread_cpu_time() {
                self.counters.cpu_us.set(used.0);
            }
        }
    }
}
