//! Who sits where: the same musician gets the same slot again.

use crate::ids::{MusicianId, SourceId};

/// A slot and who had it last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotRecord {
    /// The slot, from 1.
    pub slot: SourceId,
    /// Who.
    pub musician: MusicianId,
    /// Which of their sessions.
    pub instance: u8,
    /// When it was last taken, in any unit that grows: the oldest is given away first.
    pub taken_at: u64,
}

/// The slot for a musician: their own from last time; else the lowest that nobody ever had; else, of those
/// that stand empty, the one that has been empty the longest. `None` when all `slots` are occupied.
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

    #[test]
    fn a_musician_comes_back_to_their_slot() {
        let records = [record(1, 1, 5), record(2, 2, 6)];
        assert_eq!(choose(&MusicianId([2; 32]), 0, &records, 8, |_| false), Some(SourceId(2)));
    }

    #[test]
    fn a_musician_who_had_several_slots_gets_the_latest_that_is_free() {
        let records = [record(1, 2, 5), record(2, 2, 9), record(3, 2, 7)];
        assert_eq!(choose(&MusicianId([2; 32]), 0, &records, 8, |_| false), Some(SourceId(2)));
        assert_eq!(choose(&MusicianId([2; 32]), 0, &records, 8, |s| s.0 == 2), Some(SourceId(3)));
    }

    #[test]
    fn a_stranger_gets_a_slot_that_nobody_had_before_one_that_stands_empty() {
        let records = [record(1, 1, 5), record(2, 2, 6)];
        assert_eq!(choose(&MusicianId([9; 32]), 0, &records, 8, |_| false), Some(SourceId(3)));
        assert_eq!(choose(&MusicianId([9; 32]), 0, &records, 2, |_| false), Some(SourceId(1)));
        assert_eq!(choose(&MusicianId([9; 32]), 0, &records, 2, |s| s.0 == 1), Some(SourceId(2)));
        assert_eq!(choose(&MusicianId([9; 32]), 0, &records, 2, |_| true), None);
    }

    #[test]
    fn a_second_session_of_a_musician_does_not_take_the_first_ones_slot() {
        let records = [record(1, 1, 5)];
        assert_eq!(choose(&MusicianId([1; 32]), 1, &records, 8, |_| false), Some(SourceId(2)));
    }
}
