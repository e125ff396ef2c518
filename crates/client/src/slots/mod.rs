//! The user's own map from musicians to slots: who sat on which slot output last time sits there again.
//!
//! Slots are numbered from 0 here, as strips are: strip 0 is slot output 1.

mod file;
mod seating;
mod seats;

pub(crate) use file::SlotFile;
pub(crate) use seating::Seating;
pub use seats::Seats;

use rtjam_engine::SLOTS;
use rtjam_protocol::MusicianId;
use serde::{Deserialize, Serialize};

/// More musicians than that are not remembered; those met the longest ago are forgotten.
const MAX_RECORDS: usize = 256;

/// One live session of a musician: what a slot belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Who {
    pub(crate) musician: MusicianId,
    pub(crate) instance: u8,
}

/// Where somebody sat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    #[serde(flatten)]
    who: Who,
    /// For people who read the file.
    #[serde(default)]
    name: String,
    /// 0 to [`SLOTS`] − 1; in the file from 1, as on the outputs.
    #[serde(with = "from_one")]
    slot: usize,
    /// Grows with each meeting, over all records: the smallest was met the longest ago.
    met: u64,
}

/// Who sat where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SlotMap {
    records: Vec<Record>,
}

impl SlotMap {
    /// The slot for somebody who came: their own if it is free; else the first that nobody ever had; else, of the free
    /// ones, the one whose owner was met the longest ago. `None` when none is free. It is theirs from now on.
    pub(crate) fn take(&mut self, who: Who, name: &str, free: impl Fn(usize) -> bool) -> Option<usize> {
        let slot = self.choose(who, free)?;
        self.put(who, name, slot);
        Some(slot)
    }

    /// They sit there from now on.
    fn put(&mut self, who: Who, name: &str, slot: usize) {
        let met = self.records.iter().map(|r| r.met).max().unwrap_or(0).saturating_add(1);
        self.records.retain(|r| r.who != who);
        self.records.push(Record { who, name: name.to_owned(), slot, met });
        self.forget_old();
    }

    /// Where they sat last.
    fn own(&self, who: Who) -> Option<usize> {
        self.records.iter().find(|r| r.who == who).map(|r| r.slot)
    }

    /// Whether it is somebody's.
    fn has(&self, slot: usize) -> bool {
        self.records.iter().any(|r| r.slot == slot)
    }

    /// Whether they ever had a slot.
    fn knows(&self, who: Who) -> bool {
        self.records.iter().any(|r| r.who == who)
    }

    fn choose(&self, who: Who, free: impl Fn(usize) -> bool) -> Option<usize> {
        if let Some(own) = self.own(who).filter(|slot| free(*slot)) {
            return Some(own);
        }
        let last_met = |slot: usize| self.records.iter().filter(|r| r.slot == slot).map(|r| r.met).max();
        // `None`, never had, is less than any meeting; of equals the first is taken.
        (0..SLOTS).filter(|slot| free(*slot)).min_by_key(|slot| last_met(*slot))
    }

    /// Takes what `newer` knows better.
    fn merge(&mut self, newer: &SlotMap) {
        for record in &newer.records {
            match self.records.iter_mut().find(|r| r.who == record.who) {
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

/// Slots as people count them.
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
mod tests {
    use super::*;

    pub(super) fn who(n: u8) -> Who {
        Who { musician: MusicianId([n; 32]), instance: 0 }
    }

    #[test]
    fn a_musician_comes_back_to_their_slot_and_a_second_program_of_theirs_gets_another() {
        let mut map = SlotMap::default();
        assert_eq!(map.take(who(1), "A", |_| true), Some(0));
        assert_eq!(map.take(who(2), "B", |_| true), Some(1));
        assert_eq!(map.take(who(1), "A", |_| true), Some(0));
        assert_eq!(map.take(Who { instance: 1, ..who(2) }, "B 2", |_| true), Some(2));
    }

    #[test]
    fn when_all_slots_had_somebody_the_one_absent_the_longest_gives_way() {
        let mut map = SlotMap::default();
        for n in 0..12 {
            assert_eq!(map.take(who(n), "", |_| true), Some(usize::from(n)));
        }
        map.take(who(0), "", |_| true);
        assert_eq!(map.take(who(20), "", |_| true), Some(1));
        assert_eq!(map.take(who(21), "", |slot| slot != 2), Some(3));
        assert_eq!(map.take(who(22), "", |_| false), None);
        // Whose slot was given away has it back when it is free.
        assert_eq!(map.take(who(1), "", |_| true), Some(1));
    }

    #[test]
    fn what_two_programs_learned_is_kept() {
        let mut ours = SlotMap::default();
        ours.take(who(1), "A", |_| true);
        let mut theirs = ours.clone();
        theirs.take(who(2), "B", |_| true);
        ours.take(who(3), "C", |slot| slot != 1);
        theirs.merge(&ours);
        let mut slots: Vec<_> = theirs.records.iter().map(|r| (r.name.as_str(), r.slot)).collect();
        slots.sort_unstable();
        assert_eq!(slots, [("A", 0), ("B", 1), ("C", 2)]);
    }

    #[test]
    fn no_more_than_so_many_are_remembered() {
        let mut map = SlotMap::default();
        for n in 0..u16::MAX / 100 {
            let mut id = [0; 32];
            id[..2].copy_from_slice(&n.to_be_bytes());
            map.take(Who { musician: MusicianId(id), instance: 0 }, "", |_| true);
        }
        assert_eq!(map.records.len(), MAX_RECORDS);
    }
}
