//! What a voice sounds like: gaps concealed, read frame by frame or through the drift filter.

use super::clock::{AHEAD, FractionalDelay};
use super::delay::MoveReason;
use super::{LOOK_AHEAD, Reader, Voice};
use crate::meters::VoiceMeters;
use crate::resampler::PIECE;
use rtjam_protocol::audio::{CHANNELS, WIRE_RATE};

/// A reader that lands approaches the next whole frame at this rate: 400 ppm, less than a cent.
const LANDING_RATE: f64 = 400e-6;

impl Voice {
    /// The next `frames` frames (at most [`PIECE`]) of both channels. `scratch` is as long, and holds them while the drift
    /// filter is in use.
    pub(crate) fn render<'a>(
        &'a mut self,
        frames: usize,
        filter: &FractionalDelay,
        scratch: &'a mut [Box<[f32]>; CHANNELS],
        meters: &VoiceMeters,
    ) -> [&'a [f32]; CHANNELS] {
        let sound = match self.reader {
            Reader::Exact => {
                self.extend_history(frames, MoveReason::Played, meters);
                self.history.last(frames)
            }
            Reader::Between { phase, landing } => {
                self.read_between(frames, phase, landing, filter, scratch, meters);
                [&scratch[0][..frames], &scratch[1][..frames]]
            }
        };
        for (meter, sound) in self.meters.iter_mut().zip(sound) {
            meter.feed(sound, WIRE_RATE as f32);
        }
        sound
    }

    /// Publishes the readings of the last call.
    pub(crate) fn publish(&self, meters: &VoiceMeters) {
        for (cell, meter) in meters.levels.iter().zip(&self.meters) {
            cell.set(meter);
        }
        meters.concealed_ms_per_min.set(self.concealment_rate.ms_per_min());
        let per_ms = WIRE_RATE as f32 / 1000.0;
        let wait = self.cursor.mean_wait();
        meters.delay_ms.set(wait / per_ms);
        let tolerance = self.cursor.retransmit_wait.late_tolerance().map_or(wait, |frames| frames as f32);
        meters.late_tolerance_ms.set(tolerance / per_ms);
    }

    /// Moves frames from the buffer to the history, conceals missing ones, and limits them to −1 dBFS.
    pub(super) fn extend_history(&mut self, frames: usize, reason: MoveReason, meters: &VoiceMeters) {
        self.concealment_rate.play(frames);
        let mut left = frames;
        while left > 0 {
            let position = self.cursor.position();
            let run = self.buffer.run_at(position, left.min(PIECE));
            let (past, [a, b]) = self.history.extend(run.frames);
            if run.present && self.warmup.is_none() {
                self.buffer.copy(position, [&mut *a, &mut *b]);
                self.concealer.pass([&mut *a, &mut *b]);
                self.has_sounded = true;
                let gap = std::mem::take(&mut self.open_gap);
                self.concealment_rate.conceal(gap);
                meters.concealed_frames.add(gap);
            } else {
                self.concealer.fill(past, [&mut *a, &mut *b]);
                self.open_gap += if self.has_sounded { run.frames as u64 } else { 0 };
            }
            self.limiter.process(a, b);
            self.cursor.move_by(reason, run.frames as i64);
            left -= run.frames;
        }
        self.buffer.follow(self.cursor.position());
    }

    /// Reads through the drift filter into `scratch`, at the drift's step.
    fn read_between(
        &mut self,
        frames: usize,
        phase: f64,
        landing: bool,
        filter: &FractionalDelay,
        scratch: &mut [Box<[f32]>; CHANNELS],
        meters: &VoiceMeters,
    ) {
        let lands = landing && 1.0 - phase <= frames as f64 * LANDING_RATE;
        let step = match (lands, landing) {
            (true, _) => 1.0 + (1.0 - phase) / frames as f64,
            (false, true) => 1.0 + LANDING_RATE,
            (false, false) => self.drift.step(),
        };
        let end = phase + step * frames as f64;
        let whole = if lands { frames + 1 } else { end as usize };
        self.extend_history(whole, MoveReason::Played, meters);
        self.drift.advance(frames);
        let past = self.history.last(whole + LOOK_AHEAD + AHEAD);
        let [a, b] = scratch;
        filter.read(past, AHEAD, phase, step, [&mut a[..frames], &mut b[..frames]]);
        self.ceiling.observe(past);
        self.ceiling.apply([&mut a[..frames], &mut b[..frames]]);
        self.reader = Reader::Between { phase: if lands { 0.0 } else { end - whole as f64 }, landing };
        if lands {
            self.land();
        }
    }

    /// Reads frame by frame again, and returns the look-ahead to the buffer.
    fn land(&mut self) {
        self.history.retract(LOOK_AHEAD);
        self.cursor.move_by(MoveReason::LookAhead, -(LOOK_AHEAD as i64));
        self.reader = Reader::Exact;
        self.drift.released();
    }
}
