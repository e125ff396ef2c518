//! The mixer's thread.

use super::super::breath::Breath;
use super::super::command::RoomKey;
use super::super::counters::thread_cpu;
use super::super::priority::{ask_for_real_time, sleep_precisely};
use super::super::socket::MediaSocket;
use super::super::{Door, Doors};
use super::feed::Fed;
use super::figures::MixFigures;
use super::pace::{Due, Pace};
use super::room::Room;
use super::taker::Outlet;
use super::{FedFrames, MixerCommand, MixerHandle};
use crate::clock::Clock;
use crate::lobby::Input;
use crate::system::Random;
use crate::thread_exit::ExitGuard;
use crossbeam_channel::{Receiver, TryRecvError, unbounded};
use rtjam_protocol::{Micros, StreamId};
use std::collections::HashMap;
use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Waits are looked at, and told, this often.
const REPORT_EVERY: Micros = Micros::from_millis(500);

/// Starts the thread. `sockets` are one media thread's, once more; `fed` is what each of them hands over.
pub(in super::super) fn start(
    sockets: Vec<UdpSocket>,
    fed: Vec<Fed>,
    clock: Clock,
    lobby: mpsc::Sender<Input>,
    doors: Doors,
    notice: ExitGuard,
) -> io::Result<(MixerHandle, Arc<MixFigures>)> {
    let figures = Arc::<MixFigures>::default();
    let sockets = sockets.into_iter().map(MediaSocket::new).collect::<io::Result<Vec<_>>>()?;
    let (commands, receiver) = unbounded();
    let mixer = Mixer {
        clock,
        lobby,
        doors,
        fed,
        rooms: HashMap::new(),
        outlet: Outlet::new(sockets, figures.clone()),
        pace: Pace::new(),
        random: Random::new(),
        reported: Micros::ZERO,
        figures: figures.clone(),
    };
    let builder = std::thread::Builder::new().name("mixer".to_owned()).stack_size(1024 * 1024);
    let thread = builder.spawn(move || {
        let _notice = notice;
        ask_for_real_time(false);
        sleep_precisely();
        mixer.run(&receiver);
    })?;
    Ok((MixerHandle { commands, thread }, figures))
}

struct Mixer {
    clock: Clock,
    lobby: mpsc::Sender<Input>,
    doors: Doors,
    fed: Vec<Fed>,
    rooms: HashMap<RoomKey, Room>,
    outlet: Outlet,
    pace: Pace,
    random: Random,
    reported: Micros,
    figures: Arc<MixFigures>,
}

impl Mixer {
    fn run(mut self, commands: &Receiver<MixerCommand>) {
        let mut breath = Breath::new(self.clock.now());
        let mut working = false;
        loop {
            // Without anyone who takes a mix there is nothing to wake for but a command.
            if !working {
                match commands.recv() {
                    Ok(MixerCommand::Stop) | Err(_) => return,
                    Ok(command) => self.obey(command),
                }
            }
            loop {
                match commands.try_recv() {
                    Ok(MixerCommand::Stop) | Err(TryRecvError::Disconnected) => return,
                    Ok(command) => self.obey(command),
                    Err(TryRecvError::Empty) => break,
                }
            }
            let mixes: usize = self.rooms.values().map(Room::mixes).sum();
            self.figures.mixes.set(mixes as u64);
            if mixes == 0 {
                working = false;
                continue;
            }
            if !std::mem::replace(&mut working, true) {
                self.pace.resume(self.clock.now());
                // What was left over from before.
                self.fed.iter_mut().for_each(|fed| fed.take().for_each(drop));
            }
            let now = self.clock.now();
            match self.pace.poll(now) {
                Due::In(wait) => {
                    sleep(wait);
                    breath.was_away(self.clock.now().since(now));
                }
                Due::Now { tick, skipped } => {
                    self.figures.skipped.add_many(skipped);
                    self.play(now, tick, skipped);
                }
            }
            if let Some(rest) = breath.rest(self.clock.now()) {
                sleep(rest);
            }
        }
    }

    fn obey(&mut self, command: MixerCommand) {
        let doors = doors(&self.doors);
        match command {
            MixerCommand::Add(room, guest) => self.rooms.entry(room).or_default().add(*guest),
            MixerCommand::Wish(key, session, wish) => {
                let stream = StreamId(u32::from_be_bytes(self.random.array()));
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.wish(key, session, wish, stream, doors);
                }
            }
            MixerCommand::Remove(key, session) => {
                let Some(room) = self.rooms.get_mut(&key) else { return };
                room.remove(key, session, doors);
                if room.is_empty() {
                    self.rooms.remove(&key);
                }
            }
            MixerCommand::Feedback(key, session, feedback) => {
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.handle_feedback(self.clock.now(), session, &feedback, &mut self.outlet);
                }
            }
            MixerCommand::Stop => {}
        }
    }

    fn play(&mut self, now: Micros, tick: u64, skipped: u64) {
        let doors = doors(&self.doors);
        self.rooms.values_mut().for_each(|room| room.begin(now));
        for fed in &mut self.fed {
            for packet in fed.take() {
                if let Some(room) = self.rooms.get_mut(&packet.room) {
                    room.hear(&FedFrames { arrived: packet.arrived, frames: packet.frames() });
                }
            }
        }
        if skipped > 0 {
            self.rooms.values_mut().for_each(|room| room.leave_out(skipped));
        }
        for (key, room) in &mut self.rooms {
            room.play(*key, now, tick, &mut self.outlet, doors);
        }
        if now.since(self.reported) >= REPORT_EVERY {
            self.reported = now;
            let lobby = &self.lobby;
            let tell = |session, wait| lobby.try_send(Input::MixWaits(session, wait)).is_ok();
            self.rooms.values_mut().for_each(|room| room.report(doors, tell));
            if let Some(used) = thread_cpu() {
                self.figures.cpu_us.set(used.0);
            }
        }
    }
}

fn doors(doors: &Doors) -> &[Door] {
    doors.get().map_or(&[], Vec::as_slice)
}

fn sleep(time: Micros) {
    std::thread::sleep(Duration::from_micros(time.0));
}
