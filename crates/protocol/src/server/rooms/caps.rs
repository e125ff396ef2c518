//! Limits of a room per identity and per address.

use super::origin::AddressKey;
use crate::ids::RoomName;
use crate::time::Micros;
use alloc::collections::{BTreeMap, VecDeque};

/// The period in which new identities are counted.
const A_MINUTE: Micros = Micros::from_secs(60);

/// The most counters of newcomers. Above that, the oldest one is dropped.
const COUNTS: usize = 4096;

/// Limits of one room. Musicians and listeners are counted separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// The most seats of one identity.
    pub per_identity: u16,
    /// The most seats of one address; `None` is unlimited.
    pub per_address: Option<u16>,
    /// The most identities per minute from one address that have never been in the room.
    pub new_identities: u16,
}

impl Default for Caps {
    fn default() -> Caps {
        Caps { per_identity: 4, per_address: None, new_identities: 16 }
    }
}

/// Times at which newcomers of each room, address and role got a seat within the last minute, oldest first.
#[derive(Default)]
pub(super) struct Newcomers(BTreeMap<(RoomName, AddressKey, bool), VecDeque<Micros>>);

impl Newcomers {
    /// Time until the next newcomer is admitted; `None` if that is now.
    pub(super) fn wait(&self, now: Micros, key: &(RoomName, AddressKey, bool), most: u16) -> Option<Micros> {
        let lately = self.0.get(key)?.iter().filter(|at| now.since(**at) < A_MINUTE);
        // The wait ends when enough entries are older than a minute.
        let first = lately.rev().nth(usize::from(most.max(1)) - 1)?;
        Some((*first + A_MINUTE).since(now))
    }

    pub(super) fn note(&mut self, now: Micros, key: (RoomName, AddressKey, bool)) {
        let is_late = |times: &VecDeque<Micros>| times.back().is_none_or(|at| now.since(*at) >= A_MINUTE);
        if self.0.len() >= COUNTS {
            self.0.retain(|_, times| !is_late(times));
        }
        if self.0.len() >= COUNTS
            && let Some(oldest) = self.0.iter().min_by_key(|(_, times)| times.back().copied()).map(|(k, _)| k.clone())
        {
            self.0.remove(&oldest);
        }
        let times = self.0.entry(key).or_default();
        while times.front().is_some_and(|at| now.since(*at) >= A_MINUTE) {
            times.pop_front();
        }
        times.push_back(now);
    }
}
