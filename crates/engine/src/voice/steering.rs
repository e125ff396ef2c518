//! Where a voice reads: once a call, between draining the ring and rendering.

use super::drift::Found;
use super::jitter_buffer::{KEPT, offset};
use super::listening::Listening;
use super::phases::{Phases, common};
use super::playout::Change;
use super::usual::Usual;
use super::{Call, IDLE, LOOK_AHEAD, Reader, State, Voice, whole};
use crate::hostrate::PIECE;
use crate::level::Meter;
use crate::meters::VoiceMeters;
use crate::timeline::HostWindow;
use rtjam_protocol::FramePosition;
use rtjam_protocol::audio::CHANNELS;
use std::sync::atomic::Ordering::Relaxed;

/// A stream that nothing is known of starts with this much delay, in frames, and a block.
const CAUTION: i64 = 480;

/// Where calls and packets pass through each other, a moment's listening may miss what comes a little later: so many frames
/// (0.17 ms) are kept besides, since to add them later would be another fade.
const UNHEARD: i64 = 8;

/// Delay is taken back where the last 2 ms are quieter than −50 dBFS, or after so many frames (1 s; a
/// tenth of that while a stream settles).
const QUIET: f32 = 0.003;
const QUIET_FRAMES: usize = 96;
const QUIET_WAIT: usize = 48_000;

/// Packets of more phases than this pass through the calls.
const MOST_PHASES: i64 = 16;

/// What a rate may at first be off takes so many frames (0.08 ms) before it is corrected.
const MARGIN: i64 = 2;

impl Voice {
    /// Once a call, after the ring was drained: decides where to read on.
    pub(crate) fn steer(&mut self, call: &Call<'_>, frames: usize, meters: &VoiceMeters) {
        self.usual.end_call();
        if self.state != State::Idle && call.now.since(self.last_packet) > IDLE {
            self.fall_idle(meters);
        }
        if let State::Placing { first, .. } = self.state {
            self.place(first, call);
            meters.delay_changes.add(1);
        }
        if self.state == State::Playing {
            if let Some(window) = call.window {
                self.follow_clock(window, call, meters);
            }
            self.regulator.note_stalls(self.bursts.are_regular(call.now));
            let (straggler, frames_each) = (self.regulator.straggler(), self.newest.1);
            let disregard = |early: f64, held: bool| self.regulator.disregard(early, frames_each, held);
            let straggler = call.fixed.is_none().then_some(straggler);
            let awaited = self.base.awaits_sender();
            let shift = self.base.look(call.now, call.timeline.slip(), straggler, disregard);
            if let Some(later) = shift.filter(|_| self.drift.distance().is_some()) {
                self.follow_shift(-later, call, meters);
            }
            if self.base.awaits_sender() {
                self.drift.discard();
            } else if awaited && shift.is_none() {
                // Both hosts lost about the same. What is left of it is no drift.
                self.drift.shift_base(0.0);
            }
            let look = self.grace.pass(frames);
            match (call.fixed, call.window) {
                (None, _) => {
                    if let Some(forward) = look.then(|| self.grace.decide(call.comfort)).flatten() {
                        // The regulator steers the rest of the delay, and sees none of this.
                        self.jump(forward, meters);
                    }
                    self.listen(frames, call, meters);
                    self.regulate(frames, call, meters);
                }
                (Some(_), Some(window)) => self.hold(window, meters),
                (Some(_), None) => {}
            }
        }
        meters.active.store(self.state != State::Idle, Relaxed);
    }

    /// The host left frames out, and its timeline counts them as taken: they are not heard, and nothing waits longer
    /// because of them.
    pub(crate) fn leave_out(&mut self, frames: usize) {
        if self.state == State::Playing {
            self.concealer.splice(self.line.past());
            self.head = offset(self.head, i64::try_from(frames).unwrap_or(i64::MAX));
        }
    }

    fn fall_idle(&mut self, meters: &VoiceMeters) {
        self.state = State::Idle;
        self.concealer.restart();
        meters.lost.add(self.sequence.give_up());
        self.drift.rebase();
        self.meters = [Meter::default(); CHANNELS];
        self.publish(meters);
    }

    /// Puts the read position so that `first` waits as long as it should.
    fn place(&mut self, first: FramePosition, call: &Call<'_>) {
        let listen = std::mem::take(&mut self.listen_first) && call.fixed.is_none();
        self.listening = listen.then(|| Listening::new(call.block(), self.usual.frames()));
        if listen {
            self.usual = Usual::default();
        }
        (self.spare, self.phases) = (None, Phases::default());
        let delay = match call.fixed {
            Some(frames) => i64::from(frames),
            None => self.usual.frames().unwrap_or(CAUTION + call.block() as i64),
        };
        self.concealer.splice(self.line.past());
        self.head = offset(first, -delay);
        self.state = State::Playing;
        self.regulator.restart();
        self.grace.restart();
        self.hold.restart();
        self.base.restart(call.timeline.slip());
        self.sounding = false;
        self.wait = delay as f32;
    }

    fn follow_clock(&mut self, window: HostWindow, call: &Call<'_>, meters: &VoiceMeters) {
        match self.drift.window(window, call.period) {
            Found::Steady => {}
            Found::Follow => self.read_between_frames(call, meters),
            Found::Release => {
                if let Reader::Between { landing, .. } = &mut self.reader {
                    *landing = true;
                }
            }
            // A fixed delay rides out what the network does.
            Found::NewLevel(_) | Found::Refined(_) if call.fixed.is_some() => self.base.restart(call.timeline.slip()),
            Found::HostMoved(earlier) | Found::NewLevel(earlier) => {
                self.base.restart(call.timeline.slip());
                self.read_on(earlier, call, meters);
            }
            Found::Refined(earlier) => {
                if self.phase_slacks(call).is_some() {
                    self.read_on(earlier, call, meters)
                }
            }
        }
        meters.drift_ppm.set(((self.drift.step() - 1.0) * 1e6) as f32);
    }

    /// Packets come so many frames earlier (negative: later) from now on, because somebody lost frames.
    fn follow_shift(&mut self, earlier: f64, call: &Call<'_>, meters: &VoiceMeters) {
        self.drift.shift_base(earlier);
        self.read_on(earlier, call, meters);
    }

    /// Reads where packets are found in time that come so many frames earlier than they did, and scatter as they did.
    fn read_on(&mut self, earlier: f64, call: &Call<'_>, meters: &VoiceMeters) {
        let forward =
            self.phase_slacks(call).and_then(|(phases, slack)| self.regulator.shift_base(phases, slack, call.comfort));
        match forward.filter(|_| call.fixed.is_none()) {
            Some(forward) => self.change_delay(forward, meters),
            // Slack is what it was before.
            None => _ = self.jump(whole(earlier.round()), meters),
        }
        self.spare = None;
        self.usual = Usual::default();
    }

    /// How many phases packets have against callbacks, and the slack that packets of each have that come so early
    /// against the drift's line. `None` where they pass each other, or nothing is known.
    fn phase_slacks(&self, call: &Call<'_>) -> Option<(usize, impl Fn(usize, i64) -> i64 + use<>)> {
        let (position, frames) = self.newest;
        let block = call.block() as i64;
        let locked = call.period.fract() == 0.0 && frames > 0 && !self.drift.is_following();
        let phases = block / common(frames as f64, call.period);
        let line = self.drift.distance().filter(|_| locked && phases <= MOST_PHASES)?;
        let head = self.head.ahead_of(self.anchor) + self.grace.frames();
        let after_head = position.ahead_of(self.anchor) - head;
        let on_line = head as f64 - line - call.timeline.taken() as f64;
        let slack = move |phase: usize, early: i64| {
            let packet = after_head + phase as i64 * frames as i64;
            let calls = ((packet - early) as f64 + on_line) / block as f64;
            packet - calls.ceil() as i64 * block
        };
        Some((phases as usize, slack))
    }

    /// Lets the filter have the frames that it looks ahead, and callbacks of every phase what they need:
    /// from the buffer if it is there, else by hearing the last frames again, under one fade.
    fn read_between_frames(&mut self, call: &Call<'_>, meters: &VoiceMeters) {
        if self.reader != Reader::Exact {
            return;
        }
        let ahead = LOOK_AHEAD as i64;
        let spare = self.drift.distance().and_then(|line| {
            let early = whole(line - self.worst_phase(call));
            self.regulator.leave_grid(early, call.comfort)
        });
        let forward = match (call.fixed, spare.map(|s| s - MARGIN)) {
            (None, Some(spare)) => spare,
            (Some(_), Some(spare)) if spare >= ahead => ahead,
            _ => 0,
        };
        let moved = if (ahead..ahead + MARGIN).contains(&forward) { 0 } else { self.jump(forward - ahead, meters) };
        self.put_on_line(LOOK_AHEAD, meters);
        self.regulator.moved(moved + ahead);
        self.hold.restart();
        self.spare = None;
        self.reader = Reader::Between { phase: 0.0, landing: false };
    }

    /// Fixed playout: undoes what moved the musician's sound against ours for good.
    fn hold(&mut self, window: HostWindow, meters: &VoiceMeters) {
        let Some(uncorrected) = self.drift.uncorrected() else { return };
        if let Some(sooner) = self.hold.window(uncorrected - self.jumped as f64, window.length) {
            self.jump(whole(sooner.round()), meters);
        }
    }

    /// Listens on, if it listens; at the end of it reads where what was seen says.
    fn listen(&mut self, frames: usize, call: &Call<'_>, meters: &VoiceMeters) {
        let Some(listening) = self.listening.take_if(|listening| listening.pass(frames)) else { return };
        let Some(spare) = self.regulator.spare(call.comfort) else { return };
        let locked = self.phases.are_locked(call.period);
        let phases = if locked { 0 } else { self.unseen(spare, call) + UNHEARD };
        if !locked {
            self.regulator.settle();
        }
        self.change_delay(spare - listening.stalls().max(phases), meters);
    }

    /// How much of what seems to be spare phases need that were not seen yet.
    fn unseen(&self, spare: i64, call: &Call<'_>) -> i64 {
        self.phases.unseen(spare + self.regulator.moved_by(), call.period)
    }

    fn regulate(&mut self, frames: usize, call: &Call<'_>, meters: &VoiceMeters) {
        let settling = self.regulator.is_settling();
        match self.regulator.look(frames, call.block(), call.comfort) {
            Some(Change::Later(by)) => {
                self.spare = None;
                self.change_delay(-by, meters);
            }
            Some(Change::Sooner(by)) => {
                let by = by - if settling { self.unseen(by, call) } else { 0 };
                self.spare = (by > 0).then_some((by, 0));
            }
            None => {}
        }
        let Some((by, waited)) = &mut self.spare else { return };
        *waited += frames;
        let long_enough = *waited > if self.regulator.is_settling() { QUIET_WAIT / 10 } else { QUIET_WAIT };
        let by = *by;
        if long_enough || self.is_quiet() {
            self.spare = None;
            self.change_delay(by, meters);
        }
    }

    fn is_quiet(&self) -> bool {
        self.line.last(QUIET_FRAMES).iter().all(|c| c.iter().all(|s| s.abs() < QUIET))
    }

    fn change_delay(&mut self, forward: i64, meters: &VoiceMeters) {
        let forward = self.jump(forward, meters);
        self.regulator.moved(forward);
    }

    /// Reads on from another place, under a crossfade. Returns how far it went: not farther back than
    /// frames are kept.
    fn jump(&mut self, forward: i64, meters: &VoiceMeters) -> i64 {
        let forward = forward.max(-((KEPT - PIECE) as i64));
        if forward != 0 {
            self.concealer.splice(self.line.past());
            self.head = offset(self.head, forward);
            self.jumped = self.jumped.wrapping_add(forward);
            self.usual.moved(forward);
            self.wait = (self.wait - forward as f32).max(0.0);
            meters.delay_changes.add(1);
        }
        forward
    }
}
