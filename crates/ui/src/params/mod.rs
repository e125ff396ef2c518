//! The parameters that a host may automate: ids, ranges and texts, independent of plugin formats and windows.
//!
//! [`Param`] names a parameter, and `text` displays and parses its values. [`Values`] holds a value for each parameter,
//! [`SyncedValues`] values that a host shares, [`ParamSet`] a set of parameters.

mod set;
mod synced;
mod text;
mod values;

pub use set::ParamSet;
pub use synced::SyncedValues;
pub use values::{Values, apply};

use rtjam_engine::SLOTS;
use std::ops::RangeInclusive;

/// A musician's place in the mixer and, with `RTJam Multi`, their aux output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u8);

impl Slot {
    /// The slot with an index from 0 to 11; `None` above.
    pub fn new(index: usize) -> Option<Slot> {
        (index < SLOTS).then_some(Slot(index as u8))
    }

    /// All slots.
    pub fn all() -> impl Iterator<Item = Slot> {
        (0..SLOTS).filter_map(Slot::new)
    }

    /// The index, 0 to 11.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The number that users see, 1 to 12.
    pub fn number(self) -> usize {
        self.index() + 1
    }
}

/// One of a musician's two channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// The first channel.
    Left,
    /// The second channel.
    Right,
}

impl Channel {
    /// Both channels.
    pub const ALL: [Channel; 2] = [Channel::Left, Channel::Right];

    /// The index, 0 or 1.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// An automatable parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Param {
    /// Gain of the musician's own signal in the main output, in dB.
    Monitor,
    /// Gain of all others in the main output, in dB.
    Room,
    /// Sends silence instead of the musician's audio.
    SendMute,
    /// Gain of a channel in the mix, in dB.
    Gain(Slot, Channel),
    /// Position of a channel in the mix, −1 to 1, or [`Param::PAN_AUTO`].
    Pan(Slot, Channel),
    /// Removes a channel from the mix.
    Mute(Slot, Channel),
    /// While any channel is soloed, only soloed channels are in the mix.
    Solo(Slot, Channel),
    /// Whether a musician is in the main output beside their aux output. `RTJam Multi` only.
    MainMix(Slot),
    /// Passes the input at unity, silences the room, and sends silence. The musician keeps their place in the room.
    Bypass,
}

/// The lowest gain, which is displayed as "off" and is silence.
const OFF_DB: f64 = -60.0;
/// The highest gain.
const MOST_DB: f64 = 12.0;

/// A row of the tables below: an id and its parameter.
type Row = (u32, Param);

/// The parameters before those of the slots, in the order in which hosts list them.
const FIRST_ROWS: [Row; 3] = [(1, Param::Monitor), (2, Param::Room), (3, Param::SendMute)];

/// The parameters of each slot, in order, as those of the first slot. Ids are relative to [`slot_id`].
const SLOT_ROWS: [Row; 9] = [
    (0, Param::Gain(Slot(0), Channel::Left)),
    (1, Param::Gain(Slot(0), Channel::Right)),
    (10, Param::Pan(Slot(0), Channel::Left)),
    (11, Param::Pan(Slot(0), Channel::Right)),
    (20, Param::Mute(Slot(0), Channel::Left)),
    (21, Param::Mute(Slot(0), Channel::Right)),
    (30, Param::Solo(Slot(0), Channel::Left)),
    (31, Param::Solo(Slot(0), Channel::Right)),
    (40, Param::MainMix(Slot(0))),
];

/// The parameters after those of the slots. Parameters are only ever appended: some hosts know them by their position.
const LAST_ROWS: [Row; 1] = [(4, Param::Bypass)];

/// Ids of consecutive slots differ by this.
const SLOT_IDS: u32 = 100;

/// The first id of a slot.
const fn slot_id(slot: Slot) -> u32 {
    1000 + SLOT_IDS * slot.0 as u32
}

/// The number of parameters.
const COUNT: usize = FIRST_ROWS.len() + SLOTS * SLOT_ROWS.len() + LAST_ROWS.len();

impl Param {
    /// The pan value that leaves the position to the musician's layout: stereo left and right, two mono sources in the
    /// centre. It lies below −1, at the end of the range; every value below −1 means it.
    pub const PAN_AUTO: f64 = -1.1;

    /// Every parameter, in the order in which hosts list them.
    pub fn all() -> impl Iterator<Item = Param> {
        (0..COUNT).filter_map(Param::at)
    }

    /// Position in [`Param::all`].
    pub fn index(self) -> usize {
        let position = |rows: &[Row], param| rows.iter().position(|row| row.1 == param);
        match self.slot() {
            Some(slot) => {
                let in_slot = position(&SLOT_ROWS, self.with_slot(Slot(0))).unwrap_or_default();
                FIRST_ROWS.len() + slot.index() * SLOT_ROWS.len() + in_slot
            }
            None => position(&FIRST_ROWS, self)
                .unwrap_or_else(|| COUNT - LAST_ROWS.len() + position(&LAST_ROWS, self).unwrap_or_default()),
        }
    }

    fn at(index: usize) -> Option<Param> {
        let Some(of_slots) = index.checked_sub(FIRST_ROWS.len()) else { return Some(FIRST_ROWS[index].1) };
        match Slot::new(of_slots / SLOT_ROWS.len()) {
            Some(slot) => Some(SLOT_ROWS[of_slots % SLOT_ROWS.len()].1.with_slot(slot)),
            None => LAST_ROWS.get(of_slots - SLOTS * SLOT_ROWS.len()).map(|row| row.1),
        }
    }

    /// The id in projects and automation, which never changes.
    pub fn id(self) -> u32 {
        let id = |rows: &[Row], param| rows.iter().find(|row| row.1 == param).map(|row| row.0);
        match self.slot() {
            Some(slot) => slot_id(slot) + id(&SLOT_ROWS, self.with_slot(Slot(0))).unwrap_or_default(),
            None => id(&FIRST_ROWS, self).or_else(|| id(&LAST_ROWS, self)).unwrap_or_default(),
        }
    }

    /// The parameter with an id.
    pub fn from_id(id: u32) -> Option<Param> {
        let find = |rows: &[Row], id| rows.iter().find(|row| row.0 == id).map(|row| row.1);
        match id.checked_sub(slot_id(Slot(0))) {
            Some(of_slots) => {
                let slot = Slot::new((of_slots / SLOT_IDS) as usize)?;
                Some(find(&SLOT_ROWS, of_slots % SLOT_IDS)?.with_slot(slot))
            }
            None => find(&FIRST_ROWS, id).or_else(|| find(&LAST_ROWS, id)),
        }
    }

    /// The same parameter of another slot.
    fn with_slot(self, slot: Slot) -> Param {
        match self {
            Param::Gain(_, channel) => Param::Gain(slot, channel),
            Param::Pan(_, channel) => Param::Pan(slot, channel),
            Param::Mute(_, channel) => Param::Mute(slot, channel),
            Param::Solo(_, channel) => Param::Solo(slot, channel),
            Param::MainMix(_) => Param::MainMix(slot),
            Param::Monitor | Param::Room | Param::SendMute | Param::Bypass => self,
        }
    }

    /// The slot of a parameter that belongs to one.
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

    /// The range of values: dB for gains, [`Param::PAN_AUTO`] to 1 for pans, 0 or 1 for switches.
    pub fn range(self) -> RangeInclusive<f64> {
        match self {
            Param::Monitor | Param::Room | Param::Gain(..) => OFF_DB..=MOST_DB,
            Param::Pan(..) => Param::PAN_AUTO..=1.0,
            Param::SendMute | Param::Mute(..) | Param::Solo(..) | Param::MainMix(_) | Param::Bypass => 0.0..=1.0,
        }
    }

    /// The default value.
    pub fn default(self) -> f64 {
        match self {
            Param::Pan(..) => Param::PAN_AUTO,
            Param::MainMix(_) => 1.0,
            _ => 0.0,
        }
    }

    /// Whether the parameter is on or off.
    pub fn is_switch(self) -> bool {
        matches!(self, Param::SendMute | Param::Mute(..) | Param::Solo(..) | Param::MainMix(_) | Param::Bypass)
    }

    /// Clamps a value to the range, rounds that of a switch, and replaces NaN by the default.
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
    fn ids_and_indices_are_unique() {
        let all: Vec<Param> = Param::all().collect();
        assert_eq!(all.len(), 3 + 12 * (4 * 2 + 1) + 1);
        let ids: HashSet<u32> = all.iter().map(|p| p.id()).collect();
        assert_eq!(ids.len(), all.len());
        for (index, param) in all.iter().enumerate() {
            assert_eq!(param.index(), index);
            assert_eq!(Param::from_id(param.id()), Some(*param));
        }
    }

    /// Projects refer to ids; they never change.
    #[test]
    fn ids_never_change() {
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
    fn values_are_clamped_to_range() {
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
