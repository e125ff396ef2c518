//! Mixes musicians' channels into a sum.

mod limiter;
mod pan;
mod ramp;

pub(crate) use limiter::Limiter;
pub(crate) use ramp::Ramp;

use crate::level::{Gain, Pan};
use crate::strip::{Strip, StripChannel};
use rtjam_protocol::audio::{CHANNELS, Layout, WIRE_RATE};

/// Gains and pans of a musician's two channels in a mix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Balance {
    /// What the channels are; `None`: what the packets say.
    pub layout: Option<Layout>,
    /// Gain of each channel; off if it is not to be heard.
    pub gains: [Gain; CHANNELS],
    /// Pan of each channel; `None`: the layout's.
    pub pans: [Option<Pan>; CHANNELS],
}

impl Default for Balance {
    /// Unity, with the layout that the packets say.
    fn default() -> Balance {
        Balance { layout: None, gains: [Gain::UNITY; CHANNELS], pans: [None; CHANNELS] }
    }
}

impl Balance {
    /// The balance by the controls. Without a strip: unity, and off while others are soloed.
    pub(crate) fn of(strip: Option<&Strip>, any_solo: bool) -> Balance {
        let Some(strip) = strip else {
            let gain = if any_solo { Gain::OFF } else { Gain::UNITY };
            return Balance { gains: [gain; CHANNELS], ..Balance::default() };
        };
        let in_the_mix = strip.main_mix();
        let gain = |channel: &StripChannel| {
            let heard = in_the_mix && !channel.mute() && (channel.solo() || !any_solo);
            if heard { channel.gain() } else { Gain::OFF }
        };
        Balance {
            layout: strip.layout(),
            gains: strip.channels().each_ref().map(gain),
            pans: strip.channels().each_ref().map(StripChannel::pan),
        }
    }
}

/// Mixes one musician into a sum: a gain from each channel to each side. Audio thread, 48 kHz.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VoiceMix {
    ramps: [[Ramp; 2]; CHANNELS],
    fresh: bool,
}

impl VoiceMix {
    pub(crate) const fn new() -> VoiceMix {
        VoiceMix { ramps: [[Ramp::at(0.0); 2]; CHANNELS], fresh: true }
    }

    /// Another musician follows: begins at their gains, not on the way from the old ones.
    pub(crate) fn restart(&mut self) {
        self.fresh = true;
    }

    /// Approaches a balance; `packet_layout` is what the packets say.
    pub(crate) fn aim(&mut self, balance: &Balance, said: Layout) {
        let layout = balance.layout.unwrap_or(said);
        for (channel, ramps) in self.ramps.iter_mut().enumerate() {
            let gain = balance.gains[channel].factor();
            let pan = balance.pans[channel].unwrap_or(pan::default_pan(layout, channel));
            for (ramp, side) in ramps.iter_mut().zip(pan::sides(pan)) {
                let target = gain * side;
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
