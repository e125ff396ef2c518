//! Where a voice reads: decided once a call, after the ring is drained and before it renders.

use super::clock::DriftFinding;
use super::delay::{BeatPhase, DelayChange, MoveReason, TypicalSlack, Warmup, common_step};
use super::{CallContext, LOOK_AHEAD, NewestPacket, PendingDecrease, Reader, State, Voice};
use crate::level::Meter;
use crate::meters::VoiceMeters;
use crate::timeline::{HostWindow, whole_frames};
use rtjam_protocol::audio::CHANNELS;
use rtjam_protocol::{FramePosition, Micros};
use std::sync::atomic::Ordering::Relaxed;

/// A voice without packets for this long is idle, and may be assigned to another musician.
const IDLE: Micros = Micros::from_millis(500);

/// The initial delay of an unknown stream, in frames, besides one block.
const INITIAL_DELAY: i64 = 480;

/// If packets and calls have no common size, the warm-up may not see the latest packet. It keeps this many frames in reserve
/// (0.17 ms), because adding them later would be another fade.
const WARMUP_RESERVE: i64 = 8;

/// Delay is decreased when the last 2 ms are below −50 dBFS, or after this many frames (1 s; a tenth of it while a stream
/// settles).
const QUIET: f32 = 0.003;
const QUIET_FRAMES: usize = 96;
const QUIET_WAIT: usize = 48_000;

/// A stream with more packet phases than this is taken for one whose packets and calls have no common size.
const MAX_PHASES: i64 = 16;

/// An initial error of the rate takes this many frames (0.08 ms) before it is corrected.
const RATE_MARGIN: i64 = 2;

impl Voice {
    /// Decides where to read next. Once per call, after the ring is drained.
    pub(crate) fn steer(&mut self, call: &CallContext<'_>, frames: usize, meters: &VoiceMeters) {
        self.cursor.typical_slack.end_call();
        if self.state != State::Idle && call.now.since(self.last_packet) > IDLE {
            self.become_idle(meters);
        }
        if let State::Placing { first, .. } = self.state {
            self.place(first, call);
            meters.delay_changes.add(1);
        }
        if self.state == State::Playing {
            if let Some(window) = call.window {
                self.follow_clock(window, call, meters);
            }
            self.follow_time_base(call, meters);
            let due = self.cursor.retransmit_wait.advance(frames);
            match (call.fixed_delay, call.window) {
                (None, _) => {
                    if let Some(forward) = due.then(|| self.cursor.retransmit_wait.decide(call.bias)).flatten() {
                        self.move_cursor(MoveReason::RetransmitWait, forward, meters);
                    }
                    self.end_warmup(frames, call, meters);
                    self.regulate(frames, call, meters);
                }
                (Some(_), Some(window)) => self.restore_fixed_delay(window, meters),
                (Some(_), None) => {}
            }
        }
        meters.active.store(self.state != State::Idle, Relaxed);
    }

    /// The host skipped frames, and its timeline counts them as played: they are not heard, and the delay stays.
    pub(crate) fn skip(&mut self, frames: usize) {
        if self.state == State::Playing {
            self.concealer.splice(self.history.past());
            self.cursor.move_by(MoveReason::HostSkipped, i64::try_from(frames).unwrap_or(i64::MAX));
        }
    }

    fn become_idle(&mut self, meters: &VoiceMeters) {
        self.state = State::Idle;
        self.concealer.restart();
        meters.lost.add(self.sequence.give_up());
        self.drift.rebase();
        self.meters = [Meter::default(); CHANNELS];
        self.publish(meters);
    }

    /// Places the cursor so that `first` waits for the delay that is wanted.
    fn place(&mut self, first: FramePosition, call: &CallContext<'_>) {
        let warms_up = std::mem::take(&mut self.warm_up_next) && call.fixed_delay.is_none();
        self.warmup = warms_up.then(|| Warmup::new(call.block(), self.cursor.typical_slack.frames()));
        if warms_up {
            self.cursor.typical_slack = TypicalSlack::default();
        }
        (self.pending_decrease, self.beat_phase) = (None, BeatPhase::default());
        let delay = match call.fixed_delay {
            Some(frames) => i64::from(frames),
            None => self.cursor.typical_slack.frames().unwrap_or(INITIAL_DELAY + call.block() as i64),
        };
        self.concealer.splice(self.history.past());
        self.cursor.place(first, delay);
        self.state = State::Playing;
        self.time_base.restart(call.timeline.slip());
        self.has_sounded = false;
    }

    fn follow_clock(&mut self, window: HostWindow, call: &CallContext<'_>, meters: &VoiceMeters) {
        match self.drift.end_window(window, call.period) {
            DriftFinding::Steady => {}
            DriftFinding::Follow => self.begin_reading_between(call, meters),
            DriftFinding::Release => {
                if let Reader::Between { landing, .. } = &mut self.reader {
                    *landing = true;
                }
            }
            // A fixed delay does not follow the network.
            DriftFinding::NewLevel(_) | DriftFinding::Refined(_) if call.fixed_delay.is_some() => {
                self.time_base.restart(call.timeline.slip());
            }
            DriftFinding::HostMoved(earlier) | DriftFinding::NewLevel(earlier) => {
                self.time_base.restart(call.timeline.slip());
                self.shift_stream(earlier, call, meters);
            }
            DriftFinding::Refined(earlier) => {
                if self.phase_slacks(call).is_some() {
                    self.shift_stream(earlier, call, meters);
                }
            }
        }
        meters.drift_ppm.set(((self.drift.step() - 1.0) * 1e6) as f32);
    }

    /// Follows frames that a host lost.
    fn follow_time_base(&mut self, call: &CallContext<'_>, meters: &VoiceMeters) {
        let regulator = &mut self.cursor.regulator;
        regulator.note_regular_stalls(self.stall_bursts.are_regular(call.now));
        let straggler = call.fixed_delay.is_none().then_some(regulator.straggler());
        let frames_each = self.newest_packet.frames;
        let disregard = |early: f64, held: bool| regulator.disregard(early, frames_each, held);
        let awaited = self.time_base.awaits_sender();
        let later = self.time_base.end_call(call.now, call.timeline.slip(), straggler, disregard);
        if let Some(later) = later.filter(|_| self.drift.distance().is_some()) {
            self.drift.shift_base(-later);
            self.shift_stream(-later, call, meters);
        }
        if self.time_base.awaits_sender() {
            self.drift.discard_window();
        } else if awaited && later.is_none() {
            // Both hosts lost about the same number of frames. The rest is not drift.
            self.drift.shift_base(0.0);
        }
    }

    /// Packets arrive `earlier` frames earlier than before, and scatter as before: the cursor goes to where they are in
    /// time.
    fn shift_stream(&mut self, earlier: f64, call: &CallContext<'_>, meters: &VoiceMeters) {
        let phases = self.phase_slacks(call);
        let best = phases.and_then(|(phases, slack)| self.cursor.regulator.shift_base(phases, slack, call.bias));
        match best.filter(|_| call.fixed_delay.is_none()) {
            Some(forward) => self.move_cursor(MoveReason::Regulated, forward, meters),
            None => self.move_cursor(MoveReason::StreamShifted, whole_frames(earlier.round()), meters),
        };
        self.pending_decrease = None;
        self.cursor.typical_slack = TypicalSlack::default();
    }

    /// The number of phases that packets have against callbacks, and a function from a phase and a lead over the drift's line
    /// to the slack of such a packet. `None` where packets pass through the callbacks, or nothing is known.
    fn phase_slacks(&self, call: &CallContext<'_>) -> Option<(usize, impl Fn(usize, i64) -> i64 + use<>)> {
        let NewestPacket { position, frames } = self.newest_packet;
        let block = call.block() as i64;
        let locked = call.period.fract() == 0.0 && frames > 0 && !self.drift.is_following();
        let phases = block / common_step(frames as f64, call.period);
        let line = self.drift.distance().filter(|_| locked && phases <= MAX_PHASES)?;
        let cursor = self.cursor.regulated_position().ahead_of(self.origin);
        let after_cursor = position.ahead_of(self.origin) - cursor;
        let on_line = cursor as f64 - line - call.timeline.taken() as f64;
        let slack = move |phase: usize, early: i64| {
            let packet = after_cursor + phase as i64 * frames as i64;
            let calls = ((packet - early) as f64 + on_line) / block as f64;
            packet - calls.ceil() as i64 * block
        };
        Some((phases as usize, slack))
    }

    /// Begins to read through the drift filter: one fade gives it its look-ahead, and callbacks of every phase the delay
    /// that they need. Frames that are not there are played twice.
    fn begin_reading_between(&mut self, call: &CallContext<'_>, meters: &VoiceMeters) {
        if self.reader != Reader::Exact {
            return;
        }
        let ahead = LOOK_AHEAD as i64;
        let excess = self.drift.distance().and_then(|line| {
            let early = whole_frames(line - self.worst_phase(call));
            self.cursor.regulator.leave_grid(early, call.bias)
        });
        let forward = match (call.fixed_delay, excess.map(|excess| excess - RATE_MARGIN)) {
            (None, Some(excess)) => excess,
            (Some(_), Some(excess)) if excess >= ahead => ahead,
            _ => 0,
        };
        if !(ahead..ahead + RATE_MARGIN).contains(&forward) {
            self.move_cursor(MoveReason::Regulated, forward - ahead, meters);
        }
        self.extend_history(LOOK_AHEAD, MoveReason::LookAhead, meters);
        self.pending_decrease = None;
        self.reader = Reader::Between { phase: 0.0, landing: false };
    }

    /// Fixed playout: undoes what shifted the musician's sound against ours for good.
    fn restore_fixed_delay(&mut self, window: HostWindow, meters: &VoiceMeters) {
        let Some(uncorrected) = self.drift.uncorrected() else { return };
        if let Some(sooner) = self.cursor.fixed_delay.end_window(uncorrected, window.length) {
            self.move_cursor(MoveReason::FixedDelay, whole_frames(sooner.round()), meters);
        }
    }

    /// Continues the warm-up, if there is one; at its end the cursor goes to where the packets seen need it.
    fn end_warmup(&mut self, frames: usize, call: &CallContext<'_>, meters: &VoiceMeters) {
        let Some(warmup) = self.warmup.take_if(|warmup| warmup.advance(frames)) else { return };
        let Some(excess) = self.cursor.regulator.excess_delay(call.bias) else { return };
        let locked = self.beat_phase.is_locked(call.period);
        let reserve = if locked { 0 } else { self.unseen_phases(excess, call) + WARMUP_RESERVE };
        if !locked {
            self.cursor.regulator.settle();
        }
        self.move_cursor(MoveReason::Regulated, excess - warmup.stall_reserve().max(reserve), meters);
    }

    /// How much of the apparent excess delay is needed by phases that have not been seen yet.
    fn unseen_phases(&self, excess: i64, call: &CallContext<'_>) -> i64 {
        self.beat_phase.unseen(excess + self.cursor.regulator.moved(), call.period)
    }

    fn regulate(&mut self, frames: usize, call: &CallContext<'_>, meters: &VoiceMeters) {
        let settling = self.cursor.regulator.is_settling();
        match self.cursor.regulator.advance(frames, call.block(), call.bias) {
            Some(DelayChange::Increase(by)) => {
                self.pending_decrease = None;
                self.move_cursor(MoveReason::Regulated, -by, meters);
            }
            Some(DelayChange::Decrease(by)) => {
                let by = by - if settling { self.unseen_phases(by, call) } else { 0 };
                self.pending_decrease = (by > 0).then_some(PendingDecrease { by, waited: 0 });
            }
            None => {}
        }
        let Some(pending) = &mut self.pending_decrease else { return };
        pending.waited += frames;
        let PendingDecrease { by, waited } = *pending;
        let long_enough = waited > if self.cursor.regulator.is_settling() { QUIET_WAIT / 10 } else { QUIET_WAIT };
        if long_enough || self.is_quiet() {
            self.pending_decrease = None;
            self.move_cursor(MoveReason::Regulated, by, meters);
        }
    }

    fn is_quiet(&self) -> bool {
        self.history.last(QUIET_FRAMES).iter().all(|c| c.iter().all(|s| s.abs() < QUIET))
    }

    /// Moves the cursor under a crossfade.
    fn move_cursor(&mut self, reason: MoveReason, forward: i64, meters: &VoiceMeters) {
        if self.cursor.move_by(reason, forward) != 0 {
            self.concealer.splice(self.history.past());
            meters.delay_changes.add(1);
        }
    }
}
