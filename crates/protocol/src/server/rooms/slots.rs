//! Assigns slots, so that a returning musician gets the same one.

use crate::ids::{MusicianId, SourceId};

/// A slot and its latest musician.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotRecord {
    /// The slot, from 1.
    pub slot: SourceId,
    /// The musician.
    pub musician: MusicianId,
    /// Number of the session among those of the same identity.
    pub instance: u8,
    /// When the slot was last taken, in any increasing unit.
    pub taken_at: u64,
}

/// The slot for a musician. In order of preference: the musician's latest free slot, the lowest slot that was never taken,
/// the free slot that was taken longest ago. `None` if all `slots` are occupied.
pub(super) fn choose(
    musician: &MusicianId,
    instance: u8,
    records: &[SlotRecord],
    slots: u16,
    occupied: impl Fn(SourceId) -> bool,
) -> Option<SourceId> {
    let free = |slot: SourceId| (1..=slots).contains(&slot.0) && !occupied(slot);
    let own = records.iter().filter(|r| r.musician == *musician && r.instance == instance && free(r.slot));
    if let Some(own) = own.max_by_key(|r| r.taken_at) {
        return Some(own.slot);
    }
    let unused = (1..=slots).map(SourceId).find(|s| free(*s) && !records.iter().any(|r| r.slot == *s));
    unused.or_else(|| records.iter().filter(|r| free(r.slot)).min_by_key(|r| r.taken_at).map(|r| r.slot))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn record(slot: u16, who: u8, taken_at: u64) -> SlotRecord {
        SlotRecord { slot: SourceId(slot), musician: MusicianId([who; 32]), instance: 0, taken_at }
    }

    /// A returning musician gets the same slot.
    #[test]
    fn musicians_return_to_their_slot() {
        let records = [record(1, 1, 5), record(2, 2, 6)];
        assert_eq!(choose(&MusicianId([2; 32]), 0, &records, 8, |_| false), Some(SourceId(2)));
    }

    /// A musician who had several slots gets the latest one that is free.
    #[test]
    fn latest_free_slot_is_preferred() {
        let records = [record(1, 2, 5), record(2, 2, 9), record(3, 2, 7)];
        assert_eq!(choose(&MusicianId([2; 32]), 0, &records, 8, |_| false), Some(SourceId(2)));
        assert_eq!(choose(&MusicianId([2; 32]), 0, &records, 8, |s| s.0 == 2), Some(SourceId(3)));
    }

    /// A newcomer gets an unused slot before one that others had.
    #[test]
    fn newcomers_prefer_unused_slots() {
        let records = [record(1, 1, 5), record(2, 2, 6)];
        assert_eq!(choose(&MusicianId([9; 32]), 0, &records, 8, |_| false), Some(SourceId(3)));
        assert_eq!(choose(&MusicianId([9; 32]), 0, &records, 2, |_| false), Some(SourceId(1)));
        assert_eq!(choose(&MusicianId([9; 32]), 0, &records, 2, |s| s.0 == 1), Some(SourceId(2)));
        assert_eq!(choose(&MusicianId([9; 32]), 0, &records, 2, |_| true), None);
    }

    /// A second session of a musician does not take the slot of the first.
    #[test]
    fn each_instance_has_its_slot() {
        let records = [record(1, 1, 5)];
        assert_eq!(choose(&MusicianId([1; 32]), 1, &records, 8, |_| false), Some(SourceId(2)));
    }
}
