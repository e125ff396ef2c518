//! Every parameter that a host may automate: numbers, ranges and texts. No plugin format, no window.
//!
//! [`Param`] says which; `text` how values are written and read; [`Values`] holds them; [`ParamSet`] is some of them;
//! [`SyncedValues`] are those that a host has, too.

mod set;
mod synced;
mod text;
mod values;

pub use set::ParamSet;
pub use synced::SyncedValues;
pub use values::{Values, apply};

use rtjam_engine::SLOTS;
use std::ops::RangeInclusive;

/// A musician's place in the mixer and, with `RTJam Multi`, their own output: 0 to 11. People count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u8);

impl Slot {
    /// `None` beyond the last one.
    pub fn new(index: usize) -> Option<Slot> {
        (index < SLOTS).then_some(Slot(index as u8))
    }

    /// All twelve.
    pub fn all() -> impl Iterator<Item = Slot> {
        (0..SLOTS).filter_map(Slot::new)
    }

    /// 0 to 11.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// 1 to 12, as people count.
    pub fn number(self) -> usize {
        self.index() + 1
    }
}

/// One of a musician's two channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// The first.
    Left,
    /// The second.
    Right,
}

impl Channel {
    /// Both.
    pub const ALL: [Channel; 2] = [Channel::Left, Channel::Right];

    /// 0 or 1.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// One automatable parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Param {
    /// How loud the own signal is in the main output, in dB.
    Monitor,
    /// How loud everyone else is in the main output, in dB.
    Room,
    /// Sends silence.
    SendMute,
    /// A channel's level in the mix, in dB.
    Gain(Slot, Channel),
    /// Where a channel lies in the mix, −1 to 1; [`Param::PAN_AUTO`]: where the musician's layout puts it.
    Pan(Slot, Channel),
    /// Takes a channel out of the mix.
    Mute(Slot, Channel),
    /// While any channel is soloed, only soloed ones are in the mix.
    Solo(Slot, Channel),
    /// Whether a musician is in the main output, beside their own. `RTJam Multi` only.
    MainMix(Slot),
    /// The own signal passes at unity, the room is silent, and silence is sent. The seat in the room is kept.
    Bypass,
}

/// The quietest gain; it reads "off", and is.
const OFF_DB: f64 = -60.0;
/// The loudest gain.
const MOST_DB: f64 = 12.0;
/// How many parameters there are.
const COUNT: usize = 3 + SLOTS * 9 + 1;

impl Param {
    /// What a pan is set to so that the musician's layout decides: stereo at the sides, two sources in the middle.
    /// It lies below "all left", at the end of the range. Anything under −1 means it.
    pub const PAN_AUTO: f64 = -1.1;

    /// Every parameter, in the order that hosts list.
    pub fn all() -> impl Iterator<Item = Param> {
        (0..COUNT).filter_map(Param::at)
    }

    /// Its place in [`Param::all`].
    pub fn index(self) -> usize {
        let of_slot = |slot: Slot, kind: usize, channel: Channel| 3 + slot.index() * 9 + kind * 2 + channel.index();
        match self {
            Param::Monitor => 0,
            Param::Room => 1,
            Param::SendMute => 2,
            Param::Gain(slot, channel) => of_slot(slot, 0, channel),
            Param::Pan(slot, channel) => of_slot(slot, 1, channel),
            Param::Mute(slot, channel) => of_slot(slot, 2, channel),
            Param::Solo(slot, channel) => of_slot(slot, 3, channel),
            Param::MainMix(slot) => of_slot(slot, 4, Channel::Left),
            // Last: some hosts know parameters by their place.
            Param::Bypass => COUNT - 1,
        }
    }

    fn at(index: usize) -> Option<Param> {
        let Some(of_slots) = index.checked_sub(3) else {
            return [Param::Monitor, Param::Room, Param::SendMute].get(index).copied();
        };
        if index == COUNT - 1 {
            return Some(Param::Bypass);
        }
        let (slot, place) = (Slot::new(of_slots / 9)?, of_slots % 9);
        let channel = Channel::ALL[place % 2];
        Some(match place / 2 {
            0 => Param::Gain(slot, channel),
            1 => Param::Pan(slot, channel),
            2 => Param::Mute(slot, channel),
            3 => Param::Solo(slot, channel),
            _ => Param::MainMix(slot),
        })
    }

    /// Its number in projects and automation: the same for ever. What a slot has begins at 1000 + 100 × slot.
    pub fn id(self) -> u32 {
        let of_slot = |slot: Slot, kind: u32, channel: Channel| {
            1000 + 100 * u32::from(slot.0) + 10 * kind + u32::from(channel == Channel::Right)
        };
        match self {
            Param::Monitor => 1,
            Param::Room => 2,
            Param::SendMute => 3,
            Param::Bypass => 4,
            Param::Gain(slot, channel) => of_slot(slot, 0, channel),
            Param::Pan(slot, channel) => of_slot(slot, 1, channel),
            Param::Mute(slot, channel) => of_slot(slot, 2, channel),
            Param::Solo(slot, channel) => of_slot(slot, 3, channel),
            Param::MainMix(slot) => of_slot(slot, 4, Channel::Left),
        }
    }

    /// The parameter of a number.
    pub fn from_id(id: u32) -> Option<Param> {
        let Some(of_slots) = id.checked_sub(1000) else {
            return [Param::Monitor, Param::Room, Param::SendMute, Param::Bypass].into_iter().find(|p| p.id() == id);
        };
        let slot = Slot::new((of_slots / 100) as usize)?;
        let channel = *Channel::ALL.get((of_slots % 10) as usize)?;
        match (of_slots % 100 / 10, channel) {
            (0, _) => Some(Param::Gain(slot, channel)),
            (1, _) => Some(Param::Pan(slot, channel)),
            (2, _) => Some(Param::Mute(slot, channel)),
            (3, _) => Some(Param::Solo(slot, channel)),
            (4, Channel::Left) => Some(Param::MainMix(slot)),
            _ => None,
        }
    }

    /// The slot that it belongs to, if any.
    pub fn slot(self) -> Option<Slot> {
        match self {
            Param::Monitor | Param::Room | Param::SendMute | Param::Bypass => None,
            Param::Gain(slot, _)
            | Param::Pan(slot, _)
            | Param::Mute(slot, _)
            | Param::Solo(slot, _)
            | Param::MainMix(slot) => Some(slot),
        }
    }

    /// From the least to the most: dB for gains, −1 to 1 for pans, 0 or 1 for switches.
    pub fn range(self) -> RangeInclusive<f64> {
        match self {
            Param::Monitor | Param::Room | Param::Gain(..) => OFF_DB..=MOST_DB,
            Param::Pan(..) => Param::PAN_AUTO..=1.0,
            Param::SendMute | Param::Mute(..) | Param::Solo(..) | Param::MainMix(_) | Param::Bypass => 0.0..=1.0,
        }
    }

    /// What it is until somebody sets it.
    pub fn default(self) -> f64 {
        match self {
            Param::Pan(..) => Param::PAN_AUTO,
            Param::MainMix(_) => 1.0,
            _ => 0.0,
        }
    }

    /// Whether it is on or off and nothing between.
    pub fn is_switch(self) -> bool {
        matches!(self, Param::SendMute | Param::Mute(..) | Param::Solo(..) | Param::MainMix(_) | Param::Bypass)
    }

    /// Whether it is the one that a host's own bypass button moves.
    pub fn is_bypass(self) -> bool {
        self == Param::Bypass
    }

    /// A value that it can have: cut to the range, a switch rounded; the default for what is no number.
    pub fn tidy(self, value: f64) -> f64 {
        let (least, most) = self.range().into_inner();
        match self {
            _ if value.is_nan() => self.default(),
            _ if self.is_switch() => f64::from(value >= 0.5),
            Param::Pan(..) if value < -1.0 => Param::PAN_AUTO,
            _ => value.clamp(least, most),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_parameter_has_a_number_of_its_own_that_leads_back_to_it() {
        let all: Vec<Param> = Param::all().collect();
        assert_eq!(all.len(), 3 + 12 * (4 * 2 + 1) + 1);
        let ids: HashSet<u32> = all.iter().map(|p| p.id()).collect();
        assert_eq!(ids.len(), all.len());
        for (index, param) in all.iter().enumerate() {
            assert_eq!(param.index(), index);
            assert_eq!(Param::from_id(param.id()), Some(*param));
        }
    }

    /// Projects refer to them: none may ever change.
    #[test]
    fn numbers_are_the_same_for_ever() {
        let slot = |index| Slot::new(index).expect("one of twelve");
        let known = [
            (1, Param::Monitor),
            (2, Param::Room),
            (3, Param::SendMute),
            (4, Param::Bypass),
            (1000, Param::Gain(slot(0), Channel::Left)),
            (1001, Param::Gain(slot(0), Channel::Right)),
            (1210, Param::Pan(slot(2), Channel::Left)),
            (1221, Param::Mute(slot(2), Channel::Right)),
            (2130, Param::Solo(slot(11), Channel::Left)),
            (2140, Param::MainMix(slot(11))),
        ];
        for (id, param) in known {
            assert_eq!((param.id(), Param::from_id(id)), (id, Some(param)));
        }
        for none in [0, 5, 999, 1002, 1041, 1050, 2200, u32::MAX] {
            assert_eq!(Param::from_id(none), None, "{none}");
        }
    }

    #[test]
    fn whatever_a_host_sends_becomes_a_value_within_the_range() {
        for param in Param::all() {
            assert!(param.range().contains(&param.default()));
            for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e300, 1e300, 0.3, -0.0, 1e-310] {
                let tidy = param.tidy(value);
                assert!(param.range().contains(&tidy), "{param:?} {value} {tidy}");
                assert_eq!(param.tidy(tidy), tidy);
            }
        }
        assert_eq!(Param::SendMute.tidy(0.7), 1.0);
        assert_eq!(Param::Pan(Slot(0), Channel::Left).tidy(-1.01), Param::PAN_AUTO);
    }
}
