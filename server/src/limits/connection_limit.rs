//! Limits how many seated control connections each address can have.

use rtjam_protocol::server::rooms::AddressKey;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts the seated control connections of each address. Clones share the counts.
#[derive(Clone)]
pub struct ConnectionLimit {
    most: u32,
    limit_loopback: bool,
    open: Arc<Mutex<HashMap<AddressKey, u32>>>,
}

/// Permits one connection, which counts until this is dropped.
pub struct ConnectionPermit {
    counted: Option<(ConnectionLimit, AddressKey)>,
}

impl ConnectionLimit {
    /// Permits at most `most` connections from one address.
    pub fn new(most: u32, limit_loopback: bool) -> ConnectionLimit {
        ConnectionLimit { most, limit_loopback, open: Arc::default() }
    }

    /// Permits one more connection; `None` if its address has too many.
    pub fn acquire(&self, from: IpAddr) -> Option<ConnectionPermit> {
        if from.to_canonical().is_loopback() && !self.limit_loopback {
            return Some(ConnectionPermit { counted: None });
        }
        let key = AddressKey::of(from);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(key).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(ConnectionPermit { counted: Some((self.clone(), key)) })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let Some((limit, key)) = self.counted.take() else { return };
        let mut open = limit.open.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// An address has at most so many connections at a time, and takes no memory once it has none.
    #[test]
    fn each_address_has_its_own_limit() {
        let limit = ConnectionLimit::new(2, false);
        let (ann, ben): (IpAddr, IpAddr) = ([203, 0, 113, 7].into(), [203, 0, 113, 8].into());
        let first = limit.acquire(ann).expect("the first");
        let second = limit.acquire(ann).expect("the second");
        assert!(limit.acquire(ann).is_none() && limit.acquire(ben).is_some());
        drop(first);
        let third = limit.acquire(ann).expect("another");
        drop((second, third));
        assert!(limit.open.lock().expect("not poisoned").is_empty());
    }

    #[test]
    fn loopback_is_exempt_by_default() {
        let loopback: IpAddr = [127, 0, 0, 1].into();
        let permits_two = |limit_loopback: bool| {
            let limit = ConnectionLimit::new(1, limit_loopback);
            let first = limit.acquire(loopback);
            first.is_some() && limit.acquire(loopback).is_some()
        };
        assert!(permits_two(false) && !permits_two(true));
    }
}
