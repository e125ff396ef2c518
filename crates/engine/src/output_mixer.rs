//! Mixes the outputs: voices into aux outputs and the room sum, and the room sum with the local input into the main output.

use crate::controls::{Controls, STRIPS};
use crate::denormals::copy_sanitized;
use crate::level::Meter;
use crate::meters::Meters;
use crate::mixer::{Balance, Limiter, Ramp, VoiceMix};
use crate::receiver::Receiver;
use crate::resampler::{PIECE, WireResampler, host_piece};
use crate::voice::FractionalDelay;
use rtjam_protocol::SourceId;
use rtjam_protocol::audio::{CHANNELS, WIRE_RATE};
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;

/// Stereo outputs of single musicians besides the main output: one for each of the first strips.
pub const SLOTS: usize = 12;
const _: () = assert!(SLOTS <= STRIPS);

/// The output buffers of a call. All slices have the same length: the block's.
pub struct Outputs<'a> {
    /// The room sum and the local input, left and right.
    pub main: [&'a mut [f32]; 2],
    /// A musician's two channels after playout, before gain, pan, mute and solo, at most full scale; `None` if the host does
    /// not use the output.
    pub slots: [Option<[&'a mut [f32]; 2]>; SLOTS],
}

impl Outputs<'_> {
    /// The block's length: that of the shortest slice.
    pub(crate) fn frames(&self) -> usize {
        let slots = self.slots.iter().flatten().flatten();
        self.main.iter().chain(slots).map(|s| s.len()).min().unwrap_or(0)
    }

    pub(crate) fn silence(&mut self) {
        let slots = self.slots.iter_mut().flatten().flatten();
        self.main.iter_mut().chain(slots).for_each(|s| s.fill(0.0));
    }
}

type Stereo = [Box<[f32]>; 2];

fn stereo() -> Stereo {
    [vec![0.0; PIECE].into(), vec![0.0; PIECE].into()]
}

/// Mixes the outputs of a host. Audio thread.
pub(crate) struct OutputMixer {
    rate: u32,
    from_wire: Option<WireResampler>,
    filter: FractionalDelay,
    mixes: [VoiceMix; STRIPS],
    sum: Stereo,
    scratch: Stereo,
    /// For both sides.
    room: Ramp,
    /// For all aux outputs.
    slots: Ramp,
    monitor: [Ramp; 2],
    limiter: Limiter,
    meters: [Meter; 2],
}

impl OutputMixer {
    /// Allocates.
    pub(crate) fn new() -> OutputMixer {
        OutputMixer {
            rate: WIRE_RATE,
            from_wire: None,
            filter: FractionalDelay::new(),
            mixes: [VoiceMix::new(); STRIPS],
            sum: stereo(),
            scratch: stereo(),
            room: Ramp::at(1.0),
            slots: Ramp::at(1.0),
            monitor: [Ramp::at(1.0); 2],
            limiter: Limiter::new(WIRE_RATE),
            meters: [Meter::default(); 2],
        }
    }

    /// Sets the host's rate. Allocates.
    pub(crate) fn configure(&mut self, rate: u32) {
        self.rate = rate;
        self.from_wire = WireResampler::from_wire(rate, 2 + SLOTS * CHANNELS);
        self.limiter = Limiter::new(rate);
        self.meters = [Meter::default(); 2];
    }

    /// Fills the outputs' first `frames` frames. Returns how many frames at 48 kHz that took.
    pub(crate) fn play(
        &mut self,
        frames: usize,
        inputs: [&[f32]; 2],
        outputs: &mut Outputs<'_>,
        receiver: &mut Receiver,
        controls: &Controls,
        meters: &Meters,
    ) -> usize {
        self.aim(receiver, controls);
        let (mut taken, mut at) = (0, 0);
        while at < frames {
            let span = at..frames.min(at + host_piece(self.rate));
            taken += self.play_piece(span.clone(), outputs, receiver, controls, meters);
            self.finish_piece(span.clone(), inputs, outputs);
            at = span.end;
        }
        for (cell, meter) in meters.room.iter().zip(&self.meters) {
            cell.set(meter);
        }
        meters.limiter_active.store(self.limiter.is_active(), Relaxed);
        taken
    }

    /// Follows the controls.
    fn aim(&mut self, receiver: &mut Receiver, controls: &Controls) {
        let any_solo = controls.any_solo();
        for (voice, mix) in receiver.voices().iter().zip(&mut self.mixes) {
            if voice.is_idle() {
                mix.restart();
            } else {
                let strip = voice.source().and_then(|s| controls.strip_of(s));
                // The server's mix contains everyone: solos apply within it.
                let solo = any_solo && voice.source() != Some(SourceId::MIX);
                mix.aim(&Balance::of(strip.map(|i| &controls.strips[i]), solo), voice.layout());
            }
        }
        self.room.aim(controls.room_gain(), WIRE_RATE);
        self.slots.aim(controls.slot_gain(), WIRE_RATE);
        self.monitor.iter_mut().for_each(|ramp| ramp.aim(controls.monitor_gain(), self.rate));
    }

    /// Plays the sanitized local input alone, at `rate` frames per second: bit for bit what [`OutputMixer::play`] adds to a
    /// silent room.
    pub(crate) fn play_input_alone(
        &mut self,
        own: [&[f32]; 2],
        outputs: [&mut [f32]; 2],
        rate: u32,
        controls: &Controls,
        meters: &Meters,
    ) {
        for (side, (own, out)) in own.into_iter().zip(outputs).enumerate() {
            self.monitor[side].aim(controls.monitor_gain(), rate);
            out.fill(0.0);
            self.monitor[side].add(own, out);
            self.meters[side].feed_silence(own.len(), rate as f32);
            meters.room[side].set(&self.meters[side]);
        }
        // The room that is heard next begins at the gains that are set then.
        (self.room, self.slots) = (Ramp::at(controls.room_gain()), Ramp::at(controls.slot_gain()));
        meters.limiter_active.store(false, Relaxed);
    }

    /// Mixes the room sum and the slots, without the limiter and the local input.
    fn play_piece(
        &mut self,
        span: Range<usize>,
        outputs: &mut Outputs<'_>,
        receiver: &mut Receiver,
        controls: &Controls,
        meters: &Meters,
    ) -> usize {
        let mut slots = SlotSink { from_wire: self.from_wire.as_mut(), outputs, span, gain: self.slots };
        let frames = slots.begin();
        let [left, right] = &mut self.sum;
        let (left, right) = (&mut left[..frames], &mut right[..frames]);
        left.fill(0.0);
        right.fill(0.0);
        let voices = receiver.voices().iter_mut().zip(&mut self.mixes).zip(&meters.voices);
        for ((voice, mix), meters) in voices.filter(|((v, _), _)| !v.is_idle()) {
            let strip = voice.source().and_then(|s| controls.strip_of(s));
            let sound = voice.render(frames, &self.filter, &mut self.scratch, meters);
            mix.add(sound, [&mut *left, &mut *right]);
            if let Some(slot) = strip.filter(|&s| s < SLOTS) {
                slots.put(slot, sound);
            }
        }
        let mut room = self.room;
        room.apply(left);
        self.room.apply(right);
        slots.finish([left, right]);
        self.slots.pass(frames);
        frames
    }

    /// Applies the limiter, meters the sum, and adds the local input.
    fn finish_piece(&mut self, span: Range<usize>, inputs: [&[f32]; 2], outputs: &mut Outputs<'_>) {
        let [left, right] = &mut outputs.main;
        let (left, right) = (&mut left[span.clone()], &mut right[span.clone()]);
        self.limiter.process(left, right);
        let own = &mut self.scratch[0][..span.len()];
        for (side, out) in [left, right].into_iter().enumerate() {
            self.meters[side].feed(out, self.rate as f32);
            copy_sanitized(inputs[side].get(span.start..).unwrap_or(&[]), own);
            self.monitor[side].add(own, out);
        }
    }
}

/// Where a piece's channels go: directly to the outputs at 48 kHz, otherwise through the resampler.
struct SlotSink<'a, 'b> {
    from_wire: Option<&'a mut WireResampler>,
    outputs: &'a mut Outputs<'b>,
    span: Range<usize>,
    gain: Ramp,
}

impl SlotSink<'_, '_> {
    /// Silences every slot. Returns how many frames at 48 kHz the piece needs.
    fn begin(&mut self) -> usize {
        let frames = match &mut self.from_wire {
            Some(resampler) => resampler.needs(self.span.len()),
            None => self.span.len(),
        };
        for (slot, pair) in self.outputs.slots.iter_mut().enumerate() {
            let Some(pair) = pair else { continue };
            for (channel, out) in pair.iter_mut().enumerate() {
                match &mut self.from_wire {
                    Some(resampler) => {
                        resampler.use_channel(wire_channel(slot, channel));
                        resampler.input(wire_channel(slot, channel))[..frames].fill(0.0);
                    }
                    None => out[self.span.clone()].fill(0.0),
                }
            }
        }
        frames
    }

    fn put(&mut self, slot: usize, sound: [&[f32]; CHANNELS]) {
        let Some(pair) = &mut self.outputs.slots[slot] else { return };
        for (channel, (out, sound)) in pair.iter_mut().zip(sound).enumerate() {
            let out = match &mut self.from_wire {
                Some(resampler) => &mut resampler.input(wire_channel(slot, channel))[..sound.len()],
                None => &mut out[self.span.clone()],
            };
            out.copy_from_slice(sound);
            // Every channel of a piece follows the same ramp.
            let mut gain = self.gain;
            gain.apply(out);
        }
    }

    fn finish(self, sum: [&[f32]; 2]) {
        let Some(resampler) = self.from_wire else {
            for (out, sum) in self.outputs.main.iter_mut().zip(sum) {
                out[self.span.clone()].copy_from_slice(sum);
            }
            return;
        };
        for (side, sum) in sum.into_iter().enumerate() {
            resampler.input(side)[..sum.len()].copy_from_slice(sum);
        }
        resampler.run();
        let frames = self.span.len();
        for (side, out) in self.outputs.main.iter_mut().enumerate() {
            out[self.span.clone()].copy_from_slice(&resampler.output(side)[..frames]);
        }
        for (slot, pair) in self.outputs.slots.iter_mut().enumerate() {
            let Some(pair) = pair else { continue };
            for (channel, out) in pair.iter_mut().enumerate() {
                let sound = &resampler.output(wire_channel(slot, channel))[..frames];
                // Inter-sample peaks may exceed the frames at 48 kHz.
                out[self.span.clone()].iter_mut().zip(sound).for_each(|(out, s)| *out = s.clamp(-1.0, 1.0));
            }
        }
    }
}

/// A slot's channel in the resampler, after the two of the room.
fn wire_channel(slot: usize, channel: usize) -> usize {
    2 + slot * CHANNELS + channel
}
