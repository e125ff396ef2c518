//! Which musician plays on which strip, now and in a project.

use super::map::{SeatRecord, SlotMap, SlotOwner};
use rtjam_engine::{SLOTS, STRIPS};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A project keeps at most this many musicians; those met longest ago are left out.
const MAX_IN_PROJECT: usize = 48;

/// What a project keeps of a room: who had which slot, and which of the user's sessions this one was. Its JSON is a
/// contract: fields are added, never renamed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seats {
    /// Tells several programs or plugins of one user apart, so that each returns to its own place.
    pub(crate) instance: Option<u8>,
    slots: Vec<SeatRecord>,
}

impl Seats {
    /// The records of `present`, then those of `kept` for musicians who are not in `present`.
    fn new(instance: Option<u8>, present: &SlotMap, kept: &SlotMap) -> Seats {
        let absent = kept.records.iter().filter(|r| present.own(r.owner).is_none());
        let slots = present.records.iter().chain(absent).take(MAX_IN_PROJECT).cloned().collect();
        Seats { instance, slots }
    }

    pub(crate) fn map(&self) -> SlotMap {
        let mut map = SlotMap { records: self.slots.clone() };
        map.records.truncate(MAX_IN_PROJECT);
        map
    }
}

/// The strips of everyone in the room. Nobody moves while they stay.
#[derive(Debug, Default)]
pub(crate) struct Seating {
    /// The user's map.
    map: SlotMap,
    /// The project's map, which has precedence. Its slots are reserved for the musicians in it.
    project: SlotMap,
    /// Everyone who was in the room since the project's map was taken.
    seen: SlotMap,
    present: BTreeMap<SlotOwner, Option<usize>>,
}

impl Seating {
    /// Takes the user's map from disk. What was learned since then is kept.
    pub(crate) fn set_user_map(&mut self, mut map: SlotMap) {
        map.merge(&self.map);
        self.map = map;
    }

    /// Takes the project's map. Musicians in the room stay where they are.
    pub(crate) fn set_project_map(&mut self, project: SlotMap) {
        (self.project, self.seen) = (project, SlotMap::default());
    }

    /// The seats for a project to keep.
    pub(crate) fn seats(&self, instance: Option<u8>) -> Seats {
        Seats::new(instance, &self.seen, &self.project)
    }

    /// The user's map, to be written to disk.
    pub(crate) fn map(&self) -> &SlotMap {
        &self.map
    }

    /// Takes everyone who is in the room now, with their names. Returns whether the user's map has changed.
    pub(crate) fn update<'a>(&mut self, room: impl Iterator<Item = (SlotOwner, &'a str)> + Clone) -> bool {
        self.present.retain(|owner, _| room.clone().any(|(here, _)| here == *owner));
        let mut newcomers: Vec<_> = room.filter(|(owner, _)| !self.present.contains_key(owner)).collect();
        // Unknown musicians come last, so that they do not take the slot of a known one who joins with them.
        newcomers.sort_by_key(|(owner, _)| self.map.own(*owner).is_none());
        let mut changed = false;
        for (owner, name) in newcomers {
            let slot = self.slot(owner, name);
            changed |= slot.is_some();
            let strip = slot.or_else(|| (SLOTS..STRIPS).find(|strip| self.is_free(*strip)));
            self.present.insert(owner, strip);
        }
        changed
    }

    /// The strip of a musician in the room; `None` if all strips are taken.
    pub(crate) fn strip(&self, owner: SlotOwner) -> Option<usize> {
        self.present.get(&owner).copied().flatten()
    }

    fn slot(&mut self, owner: SlotOwner, name: &str) -> Option<usize> {
        let (present, project) = (&self.present, &self.project);
        let free = |slot: usize| !present.values().any(|taken| *taken == Some(slot));
        let slot = match project.own(owner).filter(|slot| free(*slot)) {
            Some(own) => {
                self.map.put(owner, name, own);
                Some(own)
            }
            None => {
                let unreserved = self.map.assign(owner, name, |slot| free(slot) && !project.has(slot));
                unreserved.or_else(|| self.map.assign(owner, name, free))
            }
        };
        slot.inspect(|slot| self.seen.put(owner, name, *slot))
    }

    fn is_free(&self, strip: usize) -> bool {
        !self.present.values().any(|taken| *taken == Some(strip))
    }
}

#[cfg(test)]
mod tests {
    use super::super::map::tests::owner;
    use super::*;

    fn update(seating: &mut Seating, room: impl Iterator<Item = u8> + Clone) -> bool {
        seating.update(room.map(|n| (owner(n), "somebody")))
    }

    /// Beyond twelve slots and 32 strips musicians have no strip.
    #[test]
    fn strips_run_out_after_32() {
        let mut seating = Seating::default();
        assert!(update(&mut seating, 0..40));
        for n in 0..32 {
            assert_eq!(seating.strip(owner(n)), Some(usize::from(n)));
        }
        assert_eq!(seating.strip(owner(33)), None);
    }

    /// Others who join and leave move nobody.
    #[test]
    fn present_musicians_keep_their_strips() {
        let mut seating = Seating::default();
        update(&mut seating, 0..14);
        update(&mut seating, 5..14);
        assert_eq!((seating.strip(owner(5)), seating.strip(owner(13))), (Some(5), Some(13)));
        assert_eq!(seating.strip(owner(0)), None);
        // A returning musician gets their slot, a new one the slot unused longest.
        update(&mut seating, [3, 50].into_iter().chain(5..14));
        assert_eq!((seating.strip(owner(3)), seating.strip(owner(50))), (Some(3), Some(0)));
        assert!(!update(&mut seating, 5..14));
    }

    /// The project's seats have precedence over the user's map, and reserve their slots.
    #[test]
    fn project_seats_have_precedence() {
        let mut first = Seating::default();
        update(&mut first, [7, 8, 9].into_iter());
        let seats = first.seats(Some(1));
        let text = serde_json::to_string(&seats).expect("JSON");
        assert_eq!(serde_json::from_str::<Seats>(&text).expect("our own"), seats);

        // In the user's map the same musicians have other slots, and another one has the first.
        let mut seating = Seating::default();
        let mut elsewhere = Seating::default();
        update(&mut elsewhere, [1, 9, 7].into_iter());
        seating.set_project_map(seats.map());
        seating.set_user_map(elsewhere.map().clone());
        update(&mut seating, [1].into_iter());
        assert_eq!(seating.strip(owner(1)), Some(3), "slots of absent musicians stay reserved");
        update(&mut seating, [1, 9, 8, 7].into_iter());
        assert_eq!([7, 8, 9].map(|n| seating.strip(owner(n))), [Some(0), Some(1), Some(2)]);
        // Kept again: all of them and the newcomer.
        let mut again = Seating::default();
        again.set_project_map(seating.seats(None).map());
        update(&mut again, [9, 1].into_iter());
        assert_eq!((again.strip(owner(9)), again.strip(owner(1))), (Some(2), Some(3)));
    }

    /// The user's map counts even if it is read after musicians have joined.
    #[test]
    fn user_map_may_arrive_late() {
        let mut last_time = Seating::default();
        update(&mut last_time, [9, 1].into_iter());
        let mut seating = Seating::default();
        seating.set_user_map(last_time.map().clone());
        update(&mut seating, [1].into_iter());
        assert_eq!(seating.strip(owner(1)), Some(1));
    }
}
