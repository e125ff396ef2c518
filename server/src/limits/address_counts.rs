//! Counts by address: sessions, and seated control connections, which are limited.

use rtjam_protocol::server::rooms::AddressKey;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A count for each address. Clones share the counts. Any thread.
#[derive(Clone, Debug, Default)]
pub struct AddressCounts(Arc<Mutex<HashMap<AddressKey, u32>>>);

impl AddressCounts {
    /// Counts one more, unless the address has `most` already. Returns whether it was counted.
    pub fn add(&self, from: IpAddr, most: u32) -> bool {
        let mut counts = self.counts();
        let count = counts.entry(AddressKey::of(from)).or_default();
        let fits = *count < most;
        *count += u32::from(fits);
        fits
    }

    /// Counts one less.
    pub fn remove(&self, from: IpAddr) {
        let (mut counts, address) = (self.counts(), AddressKey::of(from));
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }

    /// Whether the count of an address is above zero.
    pub fn contains(&self, from: IpAddr) -> bool {
        self.counts().contains_key(&AddressKey::of(from))
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<AddressKey, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Limits how many seated control connections each address can have. Clones share the counts.
#[derive(Clone)]
pub struct ConnectionLimit {
    most: u32,
    limit_loopback: bool,
    open: AddressCounts,
}

/// Permits one connection, which counts until this is dropped.
pub struct ConnectionPermit {
    counted: Option<(AddressCounts, IpAddr)>,
}

impl ConnectionLimit {
    /// Permits at most `most` connections from one address.
    pub fn new(most: u32, limit_loopback: bool) -> ConnectionLimit {
        ConnectionLimit { most, limit_loopback, open: AddressCounts::default() }
    }

    /// Permits one more connection; `None` if its address has too many.
    pub fn acquire(&self, from: IpAddr) -> Option<ConnectionPermit> {
        if from.to_canonical().is_loopback() && !self.limit_loopback {
            return Some(ConnectionPermit { counted: None });
        }
        self.open.add(from, self.most).then(|| ConnectionPermit { counted: Some((self.open.clone(), from)) })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        if let Some((open, from)) = self.counted.take() {
            open.remove(from);
        }
    }
}
