//! A room in which somebody takes a mix, and those who may.

use super::super::Door;
use super::super::command::{Command, RoomKey};
use super::taker::{Guest, Outlet, Passed, Taking};
use super::{FedFrames, Wish};
use rtjam_engine::MixBus;
use rtjam_protocol::datagram::{Frame, Frames};
use rtjam_protocol::{Micros, SessionId, StreamId};

/// A taker is told of another wait when it has changed by more than this.
const WAIT_CHANGED: Micros = Micros(200);

/// Everyone of a room, and the desk while somebody takes a mix.
#[derive(Default)]
pub(super) struct Room {
    guests: Vec<Guest>,
    desk: Option<Box<MixBus>>,
}

impl Room {
    pub(super) fn is_empty(&self) -> bool {
        self.guests.is_empty()
    }

    /// Mixes that are made.
    pub(super) fn mixes(&self) -> usize {
        self.guests.iter().filter(|g| g.takes()).count()
    }

    pub(super) fn add(&mut self, guest: Guest) {
        self.guests.push(guest);
    }

    pub(super) fn remove(&mut self, key: RoomKey, session: SessionId, doors: &[Door]) {
        let Some(index) = self.guests.iter().position(|g| g.session == session) else { return };
        let gone = self.guests.swap_remove(index);
        if gone.sends {
            if let Some(desk) = &mut self.desk {
                desk.forget(gone.source);
            }
            self.guests.iter_mut().filter_map(|g| g.taking.as_mut()).for_each(|t| t.mix.forget(gone.source));
        }
        self.rest_if_idle(key, doors);
    }

    /// `stream` is random, for a mix that begins.
    pub(super) fn wish(&mut self, key: RoomKey, session: SessionId, wish: Wish, stream: StreamId, doors: &[Door]) {
        let Some(guest) = self.guests.iter_mut().find(|g| g.session == session) else { return };
        if wish.one {
            let taking = guest.taking.get_or_insert_with(|| Box::new(Taking::new(stream)));
            taking.set(wish.codec, wish.balances);
            if self.desk.is_none() {
                self.desk = Some(Box::default());
                tell(doors, || Command::Feed { room: key, on: true });
            }
        } else if let Some(taking) = &mut guest.taking {
            taking.end();
            tell(doors, || Command::Separate { room: key, session, on: true });
        }
    }

    pub(super) fn begin(&mut self, now: Micros) {
        if let Some(desk) = &mut self.desk {
            desk.begin(now);
        }
    }

    /// A packet came.
    pub(super) fn hear(&mut self, packet: &FedFrames<'_>) {
        let Some(desk) = &mut self.desk else { return };
        for frame in Frames::new(packet.frames) {
            // What is malformed was counted where it came in, and is not heard.
            match frame {
                Frame::Audio(audio) => drop(desk.receive(packet.arrived, &audio, false)),
                Frame::Copy(audio) => drop(desk.receive(packet.arrived, &audio, true)),
                _ => {}
            }
        }
    }

    /// So many ticks are left out.
    pub(super) fn leave_out(&mut self, ticks: u64) {
        if let Some(desk) = &mut self.desk {
            desk.skip(ticks);
        }
    }

    /// Plays a tick to all who take a mix.
    pub(super) fn play(&mut self, key: RoomKey, now: Micros, tick: u64, outlet: &mut Outlet, doors: &[Door]) {
        let Some(desk) = &mut self.desk else { return };
        desk.render();
        let mut over = false;
        for guest in &mut self.guests {
            match guest.send(now, tick, desk, outlet) {
                Passed::Nothing => {}
                Passed::Alone => {
                    let session = guest.session;
                    tell(doors, || Command::Separate { room: key, session, on: false });
                }
                Passed::Over => {
                    guest.taking = None;
                    over = true;
                }
            }
        }
        if over {
            self.rest_if_idle(key, doors);
        }
    }

    pub(super) fn handle_feedback(
        &mut self,
        now: Micros,
        session: SessionId,
        feedback: &rtjam_protocol::retransmit::Feedback,
        outlet: &mut Outlet,
    ) {
        if let Some(guest) = self.guests.iter_mut().find(|g| g.session == session) {
            guest.handle_feedback(now, feedback, outlet);
        }
    }

    /// Says which takers wait otherwise than they were told, and has musicians told how long the desk waits for them.
    pub(super) fn report(&mut self, doors: &[Door], mut tell_wait: impl FnMut(SessionId, Micros) -> bool) {
        let Some(desk) = &self.desk else { return };
        for (source, wait) in desk.late_tolerances() {
            let Some(maker) = self.guests.iter().find(|g| g.sends && g.source == source) else { continue };
            let owner = usize::from(maker.session.media_thread()) % doors.len().max(1);
            if let Some(door) = doors.get(owner) {
                door.tell(Command::DeskWaits { session: maker.session, wait });
            }
        }
        for guest in &mut self.guests {
            let Some(taking) = &mut guest.taking else { continue };
            let Some(wait) = desk.wait(guest.source) else { continue };
            let changed = |told: Micros| wait.since(told).max(told.since(wait)) > WAIT_CHANGED;
            if taking.told.is_none_or(changed) && tell_wait(guest.session, wait) {
                taking.told = Some(wait);
            }
        }
    }

    fn rest_if_idle(&mut self, key: RoomKey, doors: &[Door]) {
        if self.mixes() == 0 && self.desk.take().is_some() {
            tell(doors, || Command::Feed { room: key, on: false });
        }
    }
}

fn tell(doors: &[Door], command: impl Fn() -> Command) {
    doors.iter().for_each(|door| door.tell(command()));
}
