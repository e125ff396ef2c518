//! Half-open connections as tasks: each holds a guard, which tells it when to close.

use super::address_counts::AddressCounts;
use super::half_open::{ConnectionStage, HalfOpenId, HalfOpenOwner, HalfOpenTable};
use crate::real_time::ServerClock;
use rtjam_protocol::server::rooms::AddressKey;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// All half-open connections. Clones share the data. Any thread.
#[derive(Clone)]
pub struct HalfOpenConnections(Arc<Shared>);

struct Shared {
    clock: ServerClock,
    seated: AddressCounts,
    state: Mutex<State>,
}

struct State {
    table: HalfOpenTable,
    /// Tells each connection to close.
    evictions: HashMap<HalfOpenId, watch::Sender<bool>>,
}

/// One half-open connection. Dropping the guard frees its place.
pub struct HalfOpenGuard {
    connections: HalfOpenConnections,
    id: HalfOpenId,
    evicted: watch::Receiver<bool>,
}

impl HalfOpenConnections {
    /// No connections, and so many places for strangers and for addresses that have sessions.
    pub fn new(clock: ServerClock, seated: AddressCounts, strangers: usize, known: usize) -> HalfOpenConnections {
        let state = State { table: HalfOpenTable::new(strangers, known), evictions: HashMap::new() };
        HalfOpenConnections(Arc::new(Shared { clock, seated, state: Mutex::new(state) }))
    }

    /// Adds an accepted connection, and closes another one if no place is free.
    pub fn enter(&self, from: IpAddr, is_proxy: bool) -> HalfOpenGuard {
        let owner = HalfOpenOwner { known: is_proxy || self.0.seated.contains(from), address: AddressKey::of(from) };
        let (evict, evicted) = watch::channel(false);
        let mut state = self.state();
        let (id, other) = state.table.enter(self.0.clock.now(), owner);
        state.evictions.insert(id, evict);
        state.close(other);
        HalfOpenGuard { connections: self.clone(), id, evicted }
    }

    /// Closes the connections that have timed out.
    pub fn expire(&self) {
        let mut state = self.state();
        let expired = state.table.expire(self.0.clock.now());
        expired.into_iter().for_each(|id| state.close(Some(id)));
    }

    /// Closes one connection; `false` if there is none.
    pub fn evict(&self) -> bool {
        let mut state = self.state();
        let evicted = state.table.evict();
        state.close(evicted);
        evicted.is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn close(&mut self, connection: Option<HalfOpenId>) {
        if let Some(evict) = connection.and_then(|id| self.evictions.remove(&id)) {
            // Fails when the connection is closing already.
            let _ = evict.send(true);
        }
    }
}

impl HalfOpenGuard {
    /// Notes that the connection has reached a stage.
    pub fn advance(&self, stage: ConnectionStage) {
        let now = self.connections.0.clock.now();
        self.connections.state().table.advance(now, self.id, stage);
    }

    /// Sets the client that a proxy has named.
    pub fn set_client(&self, from: IpAddr) {
        let owner = HalfOpenOwner { address: AddressKey::of(from), known: self.connections.0.seated.contains(from) };
        let mut state = self.connections.state();
        let other = state.table.set_owner(self.id, owner);
        state.close(other);
    }

    /// Frees the place: the connection is no longer half open.
    pub fn release(&self) {
        let mut state = self.connections.state();
        state.table.leave(self.id);
        state.evictions.remove(&self.id);
    }

    /// Resolves when the connection must close; never once its place has been released.
    pub async fn evicted(&self) {
        if self.evicted.clone().wait_for(|evicted| *evicted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for HalfOpenGuard {
    fn drop(&mut self) {
        self.release();
    }
}
