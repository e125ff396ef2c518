//! A room's members at the mixer, and its mix bus while somebody receives a mix.

use super::super::command::{CommandSender, ThreadCommand};
use super::super::forward_queue::RoomNumber;
use super::super::tap::{TapId, TapPacket};
use super::command::MixerRequest;
use super::outgoing_mix::{MixMember, MixOutput, OutgoingMix, Transition};
use rtjam_engine::MixBus;
use rtjam_protocol::datagram::{Frame, Frames};
use rtjam_protocol::retransmit::Feedback;
use rtjam_protocol::{Micros, SessionId, StreamId};

/// A session is told its delay again when it has changed by more than this.
const DELAY_CHANGED: Micros = Micros(200);

/// The members of a room, and the bus that mixes them.
#[derive(Default)]
pub(super) struct MixRoom {
    members: Vec<MixMember>,
    bus: Option<Box<MixBus>>,
}

impl MixRoom {
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// How many mixes are made.
    pub(super) fn mixes(&self) -> usize {
        self.members.iter().filter(|member| member.stream.is_some()).count()
    }

    pub(super) fn add(&mut self, member: MixMember) {
        self.members.push(member);
    }

    pub(super) fn remove(&mut self, key: RoomNumber, session: SessionId, threads: &[CommandSender]) {
        let Some(index) = self.members.iter().position(|member| member.session == session) else { return };
        let gone = self.members.swap_remove(index);
        if gone.sends {
            if let Some(bus) = &mut self.bus {
                bus.forget(gone.source);
            }
            self.members.iter_mut().filter_map(|m| m.stream.as_mut()).for_each(|s| s.mix.forget(gone.source));
        }
        self.close_idle_bus(key, threads);
    }

    /// Starts, changes or ends a session's mix. `stream` is random, for a mix that starts.
    pub(super) fn handle_request(
        &mut self,
        key: RoomNumber,
        session: SessionId,
        request: MixerRequest,
        stream: StreamId,
        threads: &[CommandSender],
    ) {
        let Some(member) = self.members.iter_mut().find(|member| member.session == session) else { return };
        if request.mixed {
            let mix = member.stream.get_or_insert_with(|| Box::new(OutgoingMix::new(stream)));
            mix.configure(request.codec, request.balances);
            if self.bus.is_none() {
                self.bus = Some(Box::default());
                tell_all(threads, || ThreadCommand::SetTap { room: key, tap: TapId::Mixer, on: true });
            }
        } else if let Some(mix) = &mut member.stream {
            mix.end();
            tell_all(threads, || ThreadCommand::SetForwarded { room: key, session, on: true });
        }
    }

    /// Begins a tick.
    pub(super) fn begin(&mut self, now: Micros) {
        if let Some(bus) = &mut self.bus {
            bus.begin(now);
        }
    }

    /// Gives a packet to the bus.
    pub(super) fn handle_packet(&mut self, packet: &TapPacket) {
        let Some(bus) = &mut self.bus else { return };
        for frame in Frames::new(packet.frames()) {
            // The media thread has already counted malformed frames.
            match frame {
                Frame::Audio(audio) => drop(bus.receive(packet.arrived, &audio, false)),
                Frame::Copy(audio) => drop(bus.receive(packet.arrived, &audio, true)),
                _ => {}
            }
        }
    }

    /// Skips this many ticks.
    pub(super) fn skip(&mut self, ticks: u64) {
        if let Some(bus) = &mut self.bus {
            bus.skip(ticks);
        }
    }

    /// Mixes a tick and sends it to everyone who receives a mix.
    pub(super) fn mix(
        &mut self,
        key: RoomNumber,
        now: Micros,
        tick: u64,
        output: &mut MixOutput,
        threads: &[CommandSender],
    ) {
        let Some(bus) = &mut self.bus else { return };
        bus.render();
        let mut any_over = false;
        for member in &mut self.members {
            match member.send(now, tick, bus, output) {
                Transition::None => {}
                Transition::MixAlone => {
                    let session = member.session;
                    tell_all(threads, || ThreadCommand::SetForwarded { room: key, session, on: false });
                }
                Transition::Over => {
                    member.stream = None;
                    any_over = true;
                }
            }
        }
        if any_over {
            self.close_idle_bus(key, threads);
        }
    }

    pub(super) fn handle_feedback(
        &mut self,
        now: Micros,
        session: SessionId,
        feedback: &Feedback,
        output: &mut MixOutput,
    ) {
        if let Some(member) = self.members.iter_mut().find(|member| member.session == session) {
            member.handle_feedback(now, feedback, output);
        }
    }

    /// Tells the media threads how long the bus waits for late packets of each musician, and `tell_delay` which sessions'
    /// delay has changed.
    pub(super) fn report_waits(
        &mut self,
        threads: &[CommandSender],
        mut tell_delay: impl FnMut(SessionId, Micros) -> bool,
    ) {
        let Some(bus) = &self.bus else { return };
        for (source, wait) in bus.late_tolerances() {
            let Some(sender) = self.members.iter().find(|m| m.sends && m.source == source) else { continue };
            let owner = usize::from(sender.session.media_thread()) % threads.len().max(1);
            if let Some(thread) = threads.get(owner) {
                thread.send(ThreadCommand::SetMixerWait { session: sender.session, wait });
            }
        }
        for member in &mut self.members {
            let Some(stream) = &mut member.stream else { continue };
            let Some(delay) = bus.wait(member.source) else { continue };
            let changed = |told: Micros| delay.since(told).max(told.since(delay)) > DELAY_CHANGED;
            if stream.told_delay.is_none_or(changed) && tell_delay(member.session, delay) {
                stream.told_delay = Some(delay);
            }
        }
    }

    fn close_idle_bus(&mut self, key: RoomNumber, threads: &[CommandSender]) {
        if self.mixes() == 0 && self.bus.take().is_some() {
            tell_all(threads, || ThreadCommand::SetTap { room: key, tap: TapId::Mixer, on: false });
        }
    }
}

fn tell_all(threads: &[CommandSender], command: impl Fn() -> ThreadCommand) {
    threads.iter().for_each(|thread| thread.send(command()));
}
