//! The map itself: which musician had which slot, and when they were last met.

use rtjam_engine::SLOTS;
use rtjam_protocol::MusicianId;
use serde::{Deserialize, Serialize};

/// The map forgets the musicians met longest ago beyond this number.
const MAX_RECORDS: usize = 256;

/// What a slot belongs to: one session of a musician.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct SlotOwner {
    pub(crate) musician: MusicianId,
    pub(crate) instance: u8,
}

/// A musician's last slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SeatRecord {
    #[serde(flatten)]
    pub(super) owner: SlotOwner,
    /// For people who read the file.
    #[serde(default)]
    name: String,
    /// 0 to [`SLOTS`] − 1; the file counts from 1, as the outputs do.
    #[serde(with = "from_one")]
    slot: usize,
    /// Grows with every meeting across all records: the smallest was met longest ago.
    met: u64,
}

/// The slots of all known musicians.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SlotMap {
    #[serde(rename = "slots")]
    pub(super) records: Vec<SeatRecord>,
}

impl SlotMap {
    /// Gives a musician who joined a slot: their own if it is free; else the first free one that nobody has had; else
    /// the free one whose owner was met longest ago. `None` if no slot is free.
    pub(crate) fn assign(&mut self, owner: SlotOwner, name: &str, free: impl Fn(usize) -> bool) -> Option<usize> {
        let slot = self.choose(owner, free)?;
        self.put(owner, name, slot);
        Some(slot)
    }

    pub(super) fn put(&mut self, owner: SlotOwner, name: &str, slot: usize) {
        let met = self.records.iter().map(|r| r.met).max().unwrap_or(0).saturating_add(1);
        self.records.retain(|r| r.owner != owner);
        self.records.push(SeatRecord { owner, name: name.to_owned(), slot, met });
        self.forget_old();
    }

    pub(super) fn own(&self, owner: SlotOwner) -> Option<usize> {
        self.records.iter().find(|r| r.owner == owner).map(|r| r.slot)
    }

    pub(super) fn has(&self, slot: usize) -> bool {
        self.records.iter().any(|r| r.slot == slot)
    }

    fn choose(&self, owner: SlotOwner, free: impl Fn(usize) -> bool) -> Option<usize> {
        if let Some(own) = self.own(owner).filter(|slot| free(*slot)) {
            return Some(own);
        }
        let last_met = |slot: usize| self.records.iter().filter(|r| r.slot == slot).map(|r| r.met).max();
        // `None` (nobody has had it) sorts before every meeting; of equals the first wins.
        (0..SLOTS).filter(|slot| free(*slot)).min_by_key(|slot| last_met(*slot))
    }

    /// Takes over the records that `newer` has met later.
    pub(super) fn merge(&mut self, newer: &SlotMap) {
        for record in &newer.records {
            match self.records.iter_mut().find(|r| r.owner == record.owner) {
                Some(old) if old.met <= record.met => *old = record.clone(),
                Some(_) => {}
                None => self.records.push(record.clone()),
            }
        }
        self.forget_old();
    }

    fn forget_old(&mut self) {
        self.records.sort_by_key(|r| std::cmp::Reverse(r.met));
        self.records.truncate(MAX_RECORDS);
    }
}

/// Slots counted from 1.
mod from_one {
    use rtjam_engine::SLOTS;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(slot: &usize, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(*slot as u64 + 1)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<usize, D::Error> {
        let slot = usize::deserialize(d)?;
        slot.checked_sub(1).filter(|s| *s < SLOTS).ok_or_else(|| serde::de::Error::custom("a slot is 1 to 12"))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::slots) fn owner(n: u8) -> SlotOwner {
        SlotOwner { musician: MusicianId([n; 32]), instance: 0 }
    }

    /// A second program of the same musician gets a slot of its own.
    #[test]
    fn musicians_return_to_their_slots() {
        let mut map = SlotMap::default();
        assert_eq!(map.assign(owner(1), "A", |_| true), Some(0));
        assert_eq!(map.assign(owner(2), "B", |_| true), Some(1));
        assert_eq!(map.assign(owner(1), "A", |_| true), Some(0));
        assert_eq!(map.assign(SlotOwner { instance: 1, ..owner(2) }, "B 2", |_| true), Some(2));
    }

    /// Once all slots have owners, the owner absent longest gives way.
    #[test]
    fn longest_absent_owner_gives_way() {
        let mut map = SlotMap::default();
        for n in 0..12 {
            assert_eq!(map.assign(owner(n), "", |_| true), Some(usize::from(n)));
        }
        map.assign(owner(0), "", |_| true);
        assert_eq!(map.assign(owner(20), "", |_| true), Some(1));
        assert_eq!(map.assign(owner(21), "", |slot| slot != 2), Some(3));
        assert_eq!(map.assign(owner(22), "", |_| false), None);
        // An owner whose slot was given away gets it back once it is free.
        assert_eq!(map.assign(owner(1), "", |_| true), Some(1));
    }

    /// Merging keeps what both programs have learned.
    #[test]
    fn merge_keeps_both_maps() {
        let mut ours = SlotMap::default();
        ours.assign(owner(1), "A", |_| true);
        let mut theirs = ours.clone();
        theirs.assign(owner(2), "B", |_| true);
        ours.assign(owner(3), "C", |slot| slot != 1);
        theirs.merge(&ours);
        let mut slots: Vec<_> = theirs.records.iter().map(|r| (r.name.as_str(), r.slot)).collect();
        slots.sort_unstable();
        assert_eq!(slots, [("A", 0), ("B", 1), ("C", 2)]);
    }

    /// The map is bounded.
    #[test]
    fn old_records_are_forgotten() {
        let mut map = SlotMap::default();
        for n in 0..u16::MAX / 100 {
            let mut id = [0; 32];
            id[..2].copy_from_slice(&n.to_be_bytes());
            map.assign(SlotOwner { musician: MusicianId(id), instance: 0 }, "", |_| true);
        }
        assert_eq!(map.records.len(), MAX_RECORDS);
    }
}
