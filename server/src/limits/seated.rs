//! Which addresses have a session.

use super::AddressKey;
use rtjam_protocol::SessionId;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The addresses with sessions, as the lobby knows them, for whoever accepts connections. A clone is the same book.
/// Any thread.
#[derive(Clone, Debug, Default)]
pub struct SeatedAddresses(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    sessions: HashMap<SessionId, AddressKey>,
    by_address: HashMap<AddressKey, u32>,
}

impl SeatedAddresses {
    /// An address has got a session.
    pub fn add(&self, session: SessionId, from: IpAddr) {
        let mut book = self.book();
        let address = AddressKey::of(from);
        if book.sessions.insert(session, address).is_none() {
            *book.by_address.entry(address).or_default() += 1;
        }
    }

    /// A session has ended.
    pub fn remove(&self, session: SessionId) {
        let mut book = self.book();
        let Some(address) = book.sessions.remove(&session) else { return };
        if let Some(sessions) = book.by_address.get_mut(&address) {
            *sessions -= 1;
            if *sessions == 0 {
                book.by_address.remove(&address);
            }
        }
    }

    /// Whether an address has a session.
    pub fn contains(&self, from: IpAddr) -> bool {
        self.book().by_address.contains_key(&AddressKey::of(from))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_seated_until_its_last_session_ends() {
        let seated = SeatedAddresses::default();
        let (ann, ben): (IpAddr, IpAddr) = ([203, 0, 113, 7].into(), [203, 0, 113, 8].into());
        seated.add(SessionId(1), ann);
        seated.add(SessionId(2), ann);
        seated.remove(SessionId(1));
        seated.remove(SessionId(1));
        assert!(seated.contains(ann) && !seated.contains(ben));
        seated.remove(SessionId(2));
        assert!(!seated.contains(ann) && seated.book().by_address.is_empty());
    }
}
