//! What a voice sounds like: gaps filled, and read frame by frame or between frames.

use super::fractional::{AHEAD, FractionalDelay};
use super::jitter_buffer::offset;
use super::{LOOK_AHEAD, Reader, Voice};
use crate::hostrate::PIECE;
use crate::meters::VoiceMeters;
use rtjam_protocol::audio::{CHANNELS, WIRE_RATE};

/// The rate at which a reader that lands goes to the next whole frame: 400 ppm, under a cent.
const LANDING: f64 = 400e-6;

/// Two channels of samples of the same length.
pub(crate) type Pair<'a> = [&'a [f32]; CHANNELS];

impl Voice {
    /// The next `frames` frames (at most [`PIECE`]) of both channels. `scratch` (as long) holds them while
    /// clocks differ.
    pub(crate) fn render<'a>(
        &'a mut self,
        frames: usize,
        filter: &FractionalDelay,
        scratch: &'a mut [Box<[f32]>; CHANNELS],
        meters: &VoiceMeters,
    ) -> Pair<'a> {
        let sound = match self.reader {
            Reader::Exact => {
                self.put_on_line(frames, meters);
                self.line.last(frames)
            }
            Reader::Between { phase, landing } => {
                self.read(frames, phase, landing, filter, scratch, meters);
                [&scratch[0][..frames], &scratch[1][..frames]]
            }
        };
        for (meter, sound) in self.meters.iter_mut().zip(sound) {
            meter.feed(sound, WIRE_RATE as f32);
        }
        sound
    }

    /// Publishes what the last call did.
    pub(crate) fn publish(&self, meters: &VoiceMeters) {
        for (cell, meter) in meters.levels.iter().zip(&self.meters) {
            cell.set(meter);
        }
        meters.concealed_ms_per_min.set(self.patched.ms_per_min());
        let per_ms = WIRE_RATE as f32 / 1000.0;
        meters.delay_ms.set(self.wait / per_ms);
        meters.patience_ms.set(self.grace.patience().map_or(self.wait, |frames| frames as f32) / per_ms);
    }

    /// Moves frames from the buffer to the line, fills what is missing and keeps them at or under −1 dBFS.
    pub(super) fn put_on_line(&mut self, frames: usize, meters: &VoiceMeters) {
        self.patched.play(frames);
        let mut left = frames;
        while left > 0 {
            let run = self.buffer.run_at(self.head, left.min(PIECE));
            let (past, [a, b]) = self.line.extend(run.frames);
            if run.present && self.listening.is_none() {
                self.buffer.copy(self.head, [&mut *a, &mut *b]);
                self.concealer.pass([&mut *a, &mut *b]);
                self.sounding = true;
                let gap = std::mem::take(&mut self.gap);
                self.patched.conceal(gap);
                meters.concealed_frames.add(gap);
            } else {
                self.concealer.fill(past, [&mut *a, &mut *b]);
                self.gap += if self.sounding { run.frames as u64 } else { 0 };
            }
            self.limiter.process(a, b);
            self.head = offset(self.head, run.frames as i64);
            left -= run.frames;
        }
        self.buffer.follow(self.head);
    }

    /// Reads between frames into `scratch`, at the drift's step.
    fn read(
        &mut self,
        frames: usize,
        phase: f64,
        landing: bool,
        filter: &FractionalDelay,
        scratch: &mut [Box<[f32]>; CHANNELS],
        meters: &VoiceMeters,
    ) {
        let lands = landing && 1.0 - phase <= frames as f64 * LANDING;
        let step = match (lands, landing) {
            (true, _) => 1.0 + (1.0 - phase) / frames as f64,
            (false, true) => 1.0 + LANDING,
            (false, false) => self.drift.step(),
        };
        let end = phase + step * frames as f64;
        let whole = if lands { frames + 1 } else { end as usize };
        self.put_on_line(whole, meters);
        self.drift.advance(frames);
        let line = self.line.last(whole + LOOK_AHEAD + AHEAD);
        let [a, b] = scratch;
        filter.read(line, AHEAD, phase, step, [&mut a[..frames], &mut b[..frames]]);
        self.ceiling.hear(line);
        self.ceiling.keep([&mut a[..frames], &mut b[..frames]]);
        self.reader = Reader::Between { phase: if lands { 0.0 } else { end - whole as f64 }, landing };
        if lands {
            self.land();
        }
    }

    /// Reads frame by frame again: what the filter was ahead goes back to the buffer.
    fn land(&mut self) {
        self.line.retract(LOOK_AHEAD);
        self.head = offset(self.head, -(LOOK_AHEAD as i64));
        self.reader = Reader::Exact;
        self.regulator.moved(-(LOOK_AHEAD as i64));
        self.drift.released();
        self.hold.restart();
    }
}
