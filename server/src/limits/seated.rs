//! The addresses that have sessions.

use rtjam_protocol::SessionId;
use rtjam_protocol::server::rooms::AddressKey;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The addresses that have sessions: the rooms actor updates them, and the acceptor reads them. Clones share the data. Any
/// thread.
#[derive(Clone, Debug, Default)]
pub struct SeatedAddresses(Arc<Mutex<Sessions>>);

#[derive(Debug, Default)]
struct Sessions {
    addresses: HashMap<SessionId, AddressKey>,
    by_address: HashMap<AddressKey, u32>,
}

impl SeatedAddresses {
    /// Adds a session of an address.
    pub fn add(&self, session: SessionId, from: IpAddr) {
        let mut sessions = self.sessions();
        let address = AddressKey::of(from);
        if sessions.addresses.insert(session, address).is_none() {
            *sessions.by_address.entry(address).or_default() += 1;
        }
    }

    /// Removes a session that has ended.
    pub fn remove(&self, session: SessionId) {
        let mut sessions = self.sessions();
        let Some(address) = sessions.addresses.remove(&session) else { return };
        if let Some(count) = sessions.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                sessions.by_address.remove(&address);
            }
        }
    }

    /// Whether an address has a session.
    pub fn contains(&self, from: IpAddr) -> bool {
        self.sessions().by_address.contains_key(&AddressKey::of(from))
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stay_until_their_last_session() {
        let seated = SeatedAddresses::default();
        let (ann, ben): (IpAddr, IpAddr) = ([203, 0, 113, 7].into(), [203, 0, 113, 8].into());
        seated.add(SessionId(1), ann);
        seated.add(SessionId(2), ann);
        seated.remove(SessionId(1));
        seated.remove(SessionId(1));
        assert!(seated.contains(ann) && !seated.contains(ben));
        seated.remove(SessionId(2));
        assert!(!seated.contains(ann) && seated.sessions().by_address.is_empty());
    }
}
