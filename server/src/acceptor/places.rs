//! Half-open connections, as tasks: each holds its place, and hears when it is to close.

use crate::limits::{AddressKey, Caller, HalfOpen, PlaceId, SeatedAddresses, Stage};
use crate::real_time::ServerClock;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The places of half-open connections. A clone is the same book. Any thread.
#[derive(Clone)]
pub struct Places(Arc<Book>);

struct Book {
    clock: ServerClock,
    seated: SeatedAddresses,
    state: Mutex<State>,
}

struct State {
    half_open: HalfOpen,
    /// Each tells its connection to close.
    evictions: HashMap<PlaceId, watch::Sender<bool>>,
}

/// The place of one half-open connection, free again when it is dropped.
pub struct Place {
    places: Places,
    id: PlaceId,
    evicted: watch::Receiver<bool>,
}

impl Places {
    /// All of them free.
    pub fn new(clock: ServerClock, seated: SeatedAddresses, strangers: usize, known: usize) -> Places {
        let state = State { half_open: HalfOpen::new(strangers, known), evictions: HashMap::new() };
        Places(Arc::new(Book { clock, seated, state: Mutex::new(state) }))
    }

    /// A connection is accepted. Another one may have to close for it.
    pub fn enter(&self, from: IpAddr, is_proxy: bool) -> Place {
        let caller = Caller { known: is_proxy || self.0.seated.contains(from), address: AddressKey::of(from) };
        let (evict, evicted) = watch::channel(false);
        let mut state = self.state();
        let (id, other) = state.half_open.enter(self.0.clock.now(), caller);
        state.evictions.insert(id, evict);
        state.close(other);
        Place { places: self.clone(), id, evicted }
    }

    /// Closes the connections that have made no progress for too long.
    pub fn expire(&self) {
        let mut state = self.state();
        let expired = state.half_open.expire(self.0.clock.now());
        expired.into_iter().for_each(|id| state.close(Some(id)));
    }

    /// Closes one connection; `false` when there is none.
    pub fn evict(&self) -> bool {
        let mut state = self.state();
        let evicted = state.half_open.evict();
        state.close(evicted);
        evicted.is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn close(&mut self, connection: Option<PlaceId>) {
        if let Some(evict) = connection.and_then(|id| self.evictions.remove(&id)) {
            // Fails when the connection is closing already.
            let _ = evict.send(true);
        }
    }
}

impl Place {
    /// The connection has come so far.
    pub fn advance(&self, stage: Stage) {
        self.places.state().half_open.advance(self.places.0.clock.now(), self.id, stage);
    }

    /// A proxy has said whose the connection is.
    pub fn is_of(&self, from: IpAddr) {
        let caller = Caller { address: AddressKey::of(from), known: self.places.0.seated.contains(from) };
        let mut state = self.places.state();
        let other = state.half_open.is_of(self.id, caller);
        state.close(other);
    }

    /// The connection is no longer half open.
    pub fn leave(&self) {
        let mut state = self.places.state();
        state.half_open.leave(self.id);
        state.evictions.remove(&self.id);
    }

    /// Resolves when the connection is to close.
    pub async fn evicted(&self) {
        if self.evicted.clone().wait_for(|evicted| *evicted).await.is_err() {
            // It has left its place.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}
