//! Who of those present plays on which strip.

use super::{Seats, SlotMap, Who};
use rtjam_engine::{SLOTS, STRIPS};
use std::collections::BTreeMap;

/// The map, and those who are in the room. Whoever stays keeps their strip.
#[derive(Debug, Default)]
pub(crate) struct Seating {
    map: SlotMap,
    /// What a project kept: it goes before the map, and its slots are for those in it.
    kept: SlotMap,
    /// Those who were in the room since.
    here: SlotMap,
    present: BTreeMap<Who, Option<usize>>,
}

impl Seating {
    /// Takes the map of last time. What was learned since is kept.
    pub(crate) fn remember(&mut self, mut map: SlotMap) {
        map.merge(&self.map);
        self.map = map;
    }

    /// Takes what a project kept. Whoever is in the room stays where they are.
    pub(crate) fn keep(&mut self, kept: SlotMap) {
        (self.kept, self.here) = (kept, SlotMap::default());
    }

    /// What a project is to keep.
    pub(crate) fn seats(&self, instance: Option<u8>) -> Seats {
        Seats::new(instance, &self.here, &self.kept)
    }

    /// What to keep for next time.
    pub(crate) fn map(&self) -> &SlotMap {
        &self.map
    }

    /// Everyone who is in the room now, with their names. Returns whether the map has changed.
    pub(crate) fn update<'a>(&mut self, room: impl Iterator<Item = (Who, &'a str)> + Clone) -> bool {
        self.present.retain(|who, _| room.clone().any(|(here, _)| here == *who));
        let mut newcomers: Vec<_> = room.filter(|(who, _)| !self.present.contains_key(who)).collect();
        // Strangers last, so that they do not sit down on the slot of somebody who comes in with them.
        newcomers.sort_by_key(|(who, _)| !self.map.knows(*who));
        let mut changed = false;
        for (who, name) in newcomers {
            let slot = self.slot(who, name);
            changed |= slot.is_some();
            let strip = slot.or_else(|| (SLOTS..STRIPS).find(|strip| self.is_free(*strip)));
            self.present.insert(who, strip);
        }
        changed
    }

    /// The strip of somebody present; `None` where all strips are taken.
    pub(crate) fn strip(&self, who: Who) -> Option<usize> {
        self.present.get(&who).copied().flatten()
    }

    fn slot(&mut self, who: Who, name: &str) -> Option<usize> {
        let (present, kept) = (&self.present, &self.kept);
        let free = |slot: usize| !present.values().any(|taken| *taken == Some(slot));
        let slot = match kept.own(who).filter(|slot| free(*slot)) {
            Some(own) => {
                self.map.put(who, name, own);
                Some(own)
            }
            None => self.map.take(who, name, |s| free(s) && !kept.has(s)).or_else(|| self.map.take(who, name, free)),
        };
        slot.inspect(|slot| self.here.put(who, name, *slot))
    }

    fn is_free(&self, strip: usize) -> bool {
        !self.present.values().any(|taken| *taken == Some(strip))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::who;
    use super::*;

    fn update(seating: &mut Seating, room: impl Iterator<Item = u8> + Clone) -> bool {
        seating.update(room.map(|n| (who(n), "somebody")))
    }

    #[test]
    fn twelve_have_slots_twenty_have_strips_and_the_rest_is_heard_all_the_same() {
        let mut seating = Seating::default();
        assert!(update(&mut seating, 0..40));
        for n in 0..32 {
            assert_eq!(seating.strip(who(n)), Some(usize::from(n)));
        }
        assert_eq!(seating.strip(who(33)), None);
    }

    #[test]
    fn nobody_is_moved_by_the_coming_and_going_of_others() {
        let mut seating = Seating::default();
        update(&mut seating, 0..14);
        update(&mut seating, 5..14);
        assert_eq!((seating.strip(who(5)), seating.strip(who(13))), (Some(5), Some(13)));
        assert_eq!(seating.strip(who(0)), None);
        // Met before those who stayed on, so the empty slots are theirs or the longest unused.
        update(&mut seating, [3, 50].into_iter().chain(5..14));
        assert_eq!((seating.strip(who(3)), seating.strip(who(50))), (Some(3), Some(0)));
        assert!(!update(&mut seating, 5..14));
    }

    #[test]
    fn what_a_project_kept_goes_before_what_the_user_is_used_to() {
        let mut first = Seating::default();
        update(&mut first, [7, 8, 9].into_iter());
        let seats = first.seats(Some(1));
        let text = serde_json::to_string(&seats).expect("JSON");
        assert_eq!(serde_json::from_str::<Seats>(&text).expect("our own"), seats);

        // Meanwhile they sat otherwise, and somebody else sat first.
        let mut seating = Seating::default();
        let mut elsewhere = Seating::default();
        update(&mut elsewhere, [1, 9, 7].into_iter());
        seating.keep(seats.map());
        seating.remember(elsewhere.map().clone());
        update(&mut seating, [1].into_iter());
        assert_eq!(seating.strip(who(1)), Some(3), "the slots of those who are not there yet stay free");
        update(&mut seating, [1, 9, 8, 7].into_iter());
        assert_eq!([7, 8, 9].map(|n| seating.strip(who(n))), [Some(0), Some(1), Some(2)]);
        // Kept again: all of them, and the newcomer.
        let mut again = Seating::default();
        again.keep(seating.seats(None).map());
        update(&mut again, [9, 1].into_iter());
        assert_eq!((again.strip(who(9)), again.strip(who(1))), (Some(2), Some(3)));
    }

    #[test]
    fn the_map_of_last_time_counts_also_when_it_comes_late() {
        let mut last_time = Seating::default();
        update(&mut last_time, [9, 1].into_iter());
        let mut seating = Seating::default();
        seating.remember(last_time.map().clone());
        update(&mut seating, [1].into_iter());
        assert_eq!(seating.strip(who(1)), Some(1));
    }
}
