//! Where a voice reads: once a call, between draining the ring and rendering.

use super::drift::Found;
use super::jitter_buffer::{KEPT, offset};
use super::playout::Change;
use super::{Call, IDLE, LOOK_AHEAD, Reader, State, Voice, whole};
use crate::controls::Comfort;
use crate::hostrate::PIECE;
use crate::level::Meter;
use crate::meters::VoiceMeters;
use crate::timeline::HostWindow;
use rtjam_protocol::FramePosition;
use rtjam_protocol::audio::CHANNELS;
use std::sync::atomic::Ordering::Relaxed;

/// A stream that nothing is known of starts with this much delay, in frames, and a block.
const CAUTION: i64 = 480;

/// So long (60 ms), in frames, and for so many calls, but not longer than 200 ms, packets are listened to before they are
/// heard, where a musician who was playing is placed afresh: one fade at the delay that stays, not one at each delay.
const LISTEN: usize = 2880;
const LISTEN_CALLS: usize = 8;
const LISTEN_MOST: usize = 9600;

/// Packets that used to come as early as this (2 ms), in frames, did so because of stalls, which 60 ms do not show: as much
/// is kept.
const STALLS: i64 = 96;

/// Where packets and calls have lengths that pass through each other, 60 ms do not show the worst of it: so many frames
/// (0.4 ms) are kept, which is too little to be taken back later.
const OFF_GRID: i64 = 20;

/// Delay is taken back where the last 2 ms are quieter than −50 dBFS, or after so many frames (1 s; a
/// tenth of that while a stream settles).
const QUIET: f32 = 0.003;
const QUIET_FRAMES: usize = 96;
const QUIET_WAIT: usize = 48_000;

/// What a rate may at first be off takes so many frames (0.08 ms) before it is corrected.
const MARGIN: i64 = 2;

impl Voice {
    /// Once a call, after the ring was drained: decides where to read on.
    pub(crate) fn steer(&mut self, call: &Call<'_>, frames: usize, meters: &VoiceMeters) {
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
            let look = self.grace.pass(frames);
            match (call.fixed, call.window) {
                (None, _) => {
                    if let Some(forward) = look.then(|| self.grace.decide(call.comfort)).flatten() {
                        // The regulator steers the rest of the delay, and sees none of this.
                        self.jump(forward, meters);
                    }
                    if self.listening > 0 {
                        self.listen(frames, call, meters);
                    }
                    self.regulate(frames, call.block, call.comfort, meters);
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
        self.listening = if listen { (LISTEN_CALLS * call.block).clamp(LISTEN, LISTEN_MOST) } else { 0 };
        let known = self.usual.map(|slack| slack.round().max(0.0) as i64);
        self.allowance = known.filter(|slack| listen && *slack >= STALLS).unwrap_or(0);
        (self.usual, self.spare) = (self.usual.filter(|_| !listen), None);
        let known = known.filter(|_| !listen);
        let delay = match call.fixed {
            Some(frames) => i64::from(frames),
            None => known.unwrap_or(CAUTION + call.block as i64),
        };
        self.concealer.splice(self.line.past());
        self.head = offset(first, -delay);
        self.state = State::Playing;
        self.regulator.restart();
        self.grace.restart();
        self.hold.restart();
        self.sounding = false;
        self.wait = delay as f32;
    }

    fn follow_clock(&mut self, window: HostWindow, call: &Call<'_>, meters: &VoiceMeters) {
        match self.drift.window(window, call.block) {
            Found::Steady => {}
            Found::NewLevel(earlier) => self.regulator.new_level(whole(earlier), call.block as i64),
            Found::Follow => self.read_between_frames(call, meters),
            Found::Release => {
                if let Reader::Between { landing, .. } = &mut self.reader {
                    *landing = true;
                }
            }
            Found::HostMoved(frames) => {
                // The host's own timeline moved, the network's did not: slack is what it was before. What it
                // seemed since is no use.
                self.jump(frames as i64, meters);
                self.usual = None;
            }
        }
        meters.drift_ppm.set(((self.drift.step() - 1.0) * 1e6) as f32);
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

    /// Listens on; at the end of it reads where what was seen says.
    fn listen(&mut self, frames: usize, call: &Call<'_>, meters: &VoiceMeters) {
        self.listening = self.listening.saturating_sub(frames);
        let spare = if self.listening == 0 { self.regulator.spare(call.comfort) } else { None };
        let Some(spare) = spare else { return };
        let on_grid = call.block.is_multiple_of(self.packet) || self.packet.is_multiple_of(call.block.max(1));
        let guard = if on_grid { 0 } else { OFF_GRID };
        if !on_grid {
            self.regulator.settle();
        }
        self.change_delay(spare - self.allowance.max(guard), meters);
    }

    fn regulate(&mut self, frames: usize, block: usize, comfort: Comfort, meters: &VoiceMeters) {
        match self.regulator.look(frames, block, comfort) {
            Some(Change::Later(by)) => {
                self.spare = None;
                self.change_delay(-by, meters);
            }
            Some(Change::Sooner(by)) => self.spare = Some((by, 0)),
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
            self.usual = self.usual.map(|slack| slack - forward as f32);
            self.wait = (self.wait - forward as f32).max(0.0);
            meters.delay_changes.add(1);
        }
        forward
    }
}
