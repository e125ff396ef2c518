//! From musicians' channels to the room sum.

mod limiter;
mod pan;
mod ramp;

pub(crate) use limiter::Limiter;
pub(crate) use ramp::Ramp;

use crate::controls::{ChannelControls, StripControls};
use crate::level::Gain;
use rtjam_protocol::audio::{CHANNELS, Layout, WIRE_RATE};
use std::sync::atomic::Ordering::Relaxed;

/// One musician's way into the room sum: a gain from each channel to each side. Audio thread, 48 kHz.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VoiceMix {
    ramps: [[Ramp; 2]; CHANNELS],
    fresh: bool,
}

impl VoiceMix {
    pub(crate) const fn new() -> VoiceMix {
        VoiceMix { ramps: [[Ramp::at(0.0); 2]; CHANNELS], fresh: true }
    }

    /// Another musician: begins at the gains that are set, not on the way from the former's.
    pub(crate) fn restart(&mut self) {
        self.fresh = true;
    }

    /// Follows the controls. Without a strip: unity, as the layout says, and out of the mix while others
    /// are soloed.
    pub(crate) fn aim(&mut self, strip: Option<&StripControls>, said: Layout, any_solo: bool) {
        let layout = strip.and_then(StripControls::layout).unwrap_or(said);
        let in_the_mix = strip.is_none_or(|s| s.main_mix.load(Relaxed));
        for (channel, ramps) in self.ramps.iter_mut().enumerate() {
            let controls = strip.map(|s| &s.channels[channel]);
            let gain = controls.map_or(1.0, |c| Gain::linear(c.gain.get()).factor());
            let pan = controls.and_then(ChannelControls::pan).unwrap_or(pan::default_pan(layout, channel));
            let muted = controls.is_some_and(|c| c.mute.load(Relaxed));
            let soloed = controls.is_some_and(|c| c.solo.load(Relaxed));
            let heard = in_the_mix && !muted && (soloed || !any_solo);
            for (ramp, side) in ramps.iter_mut().zip(pan::sides(pan)) {
                let target = if heard { gain * side } else { 0.0 };
                if self.fresh {
                    *ramp = Ramp::at(target);
                }
                ramp.aim(target, WIRE_RATE);
            }
        }
        self.fresh = false;
    }

    /// Adds the musician's channels to both sides of the sum.
    pub(crate) fn add(&mut self, sound: [&[f32]; CHANNELS], sum: [&mut [f32]; 2]) {
        let [left, right] = sum;
        for ([to_left, to_right], sound) in self.ramps.iter_mut().zip(sound) {
            to_left.add(sound, left);
            to_right.add(sound, right);
        }
    }
}
