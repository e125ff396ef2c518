//! Seated control connections, by address.

use super::AddressKey;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts the seated control connections of each address. A clone counts in the same book.
#[derive(Clone)]
pub struct Doors {
    most: u32,
    limit_loopback: bool,
    open: Arc<Mutex<HashMap<AddressKey, u32>>>,
}

/// A connection; it is counted until this is dropped.
pub struct Door {
    counted: Option<(Doors, AddressKey)>,
}

impl Doors {
    /// At most `most` connections an address.
    pub fn new(most: u32, limit_loopback: bool) -> Doors {
        Doors { most, limit_loopback, open: Arc::default() }
    }

    /// One more connection; `None` when its address has too many.
    pub fn enter(&self, from: IpAddr) -> Option<Door> {
        if from.to_canonical().is_loopback() && !self.limit_loopback {
            return Some(Door { counted: None });
        }
        let key = AddressKey::of(from);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(key).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Door { counted: Some((self.clone(), key)) })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let Some((doors, key)) = self.counted.take() else { return };
        let mut open = doors.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                open.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_connections_open_at_a_time_and_the_book_forgets_it() {
        let doors = Doors::new(2, false);
        let (ann, ben): (IpAddr, IpAddr) = ([203, 0, 113, 7].into(), [203, 0, 113, 8].into());
        let first = doors.enter(ann).expect("the first");
        let second = doors.enter(ann).expect("the second");
        assert!(doors.enter(ann).is_none() && doors.enter(ben).is_some());
        drop(first);
        let third = doors.enter(ann).expect("another");
        drop((second, third));
        assert!(doors.open.lock().expect("not poisoned").is_empty());
    }

    #[test]
    fn loopback_is_counted_only_where_that_is_asked_for() {
        let here: IpAddr = [127, 0, 0, 1].into();
        let open = |limited: bool| {
            let doors = Doors::new(1, limited);
            let first = doors.enter(here);
            first.is_some() && doors.enter(here).is_some()
        };
        assert!(open(false) && !open(true));
    }
}
