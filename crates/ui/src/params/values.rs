//! Parameter values, and how they control an engine.

use super::{COUNT, OFF_DB, Param};
#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering::Relaxed};
use rtjam_engine::{Console, Gain, Pan};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The value of every parameter. Any thread, including the audio thread; the latest value wins.
#[derive(Debug)]
pub struct Values {
    /// Bits of `f64` values.
    cells: [AtomicU64; COUNT],
}

impl Default for Values {
    fn default() -> Values {
        let default = |index| Param::at(index).map_or(0.0, Param::default);
        Values { cells: core::array::from_fn(|index| AtomicU64::new(default(index).to_bits())) }
    }
}

impl Values {
    /// The value of a parameter.
    pub fn get(&self, param: Param) -> f64 {
        f64::from_bits(self.cells[param.index()].load(Relaxed))
    }

    /// Sets a parameter to the valid value that is nearest. Returns the new value.
    pub fn set(&self, param: Param, value: f64) -> f64 {
        let value = param.tidy(value);
        self.cells[param.index()].store(value.to_bits(), Relaxed);
        value
    }
}

/// Applies a parameter's value to an engine. Any thread, including the audio thread.
pub fn apply(console: &Console, param: Param, value: f64) {
    let gain = if value <= OFF_DB { Gain::OFF } else { Gain::db(value as f32) };
    let on = value > 0.5;
    match param {
        Param::Monitor => console.set_monitor(gain),
        Param::Room => console.set_room(gain),
        Param::SendMute => console.set_send_mute(on),
        Param::Bypass => console.set_bypass(on),
        Param::MainMix(slot) => {
            if let Some(strip) = console.strip(slot.index()) {
                strip.set_main_mix(on);
            }
        }
        Param::Gain(slot, channel)
        | Param::Pan(slot, channel)
        | Param::Mute(slot, channel)
        | Param::Solo(slot, channel) => {
            let Some(strip) = console.strip(slot.index()) else { return };
            let channel = &strip.channels()[channel.index()];
            match param {
                Param::Gain(..) => channel.set_gain(gain),
                Param::Pan(..) => channel.set_pan((value >= -1.0).then(|| Pan::new(value as f32))),
                Param::Mute(..) => channel.set_mute(on),
                _ => channel.set_solo(on),
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::{Channel, Slot};
    use super::*;

    #[test]
    fn values_start_at_defaults() {
        let values = Values::default();
        assert!(Param::all().all(|p| values.get(p) == p.default()));
        assert_eq!(values.set(Param::Room, f64::NAN), 0.0);
        values.set(Param::Room, -6.123_456_789_012_345);
        assert_eq!(values.get(Param::Room), -6.123_456_789_012_345);
    }

    #[test]
    fn parameters_control_the_engine() {
        let (_engine, _network, console) = rtjam_engine::engine(1, || {});
        let slot = Slot::new(4).expect("one of twelve");
        apply(&console, Param::Monitor, -60.0);
        apply(&console, Param::Room, -6.0);
        apply(&console, Param::SendMute, 1.0);
        apply(&console, Param::Bypass, 1.0);
        apply(&console, Param::Gain(slot, Channel::Right), 6.0);
        apply(&console, Param::Pan(slot, Channel::Left), -0.5);
        apply(&console, Param::Mute(slot, Channel::Left), 1.0);
        apply(&console, Param::Solo(slot, Channel::Right), 1.0);
        apply(&console, Param::MainMix(slot), 0.0);
        assert_eq!((console.monitor(), console.send_mute(), console.bypass()), (Gain::OFF, true, true));
        assert!((console.room_gain().to_db() + 6.0).abs() < 1e-3);
        let strip = console.strip(4).expect("there");
        let [left, right] = strip.channels();
        assert!((right.gain().to_db() - 6.0).abs() < 1e-3);
        assert_eq!((left.pan(), right.pan()), (Some(Pan::new(-0.5)), None));
        assert_eq!((left.mute(), right.mute(), left.solo(), right.solo()), (true, false, false, true));
        assert!(!strip.main_mix());
        apply(&console, Param::Pan(slot, Channel::Left), Param::PAN_AUTO);
        assert_eq!(left.pan(), None);
    }
}
