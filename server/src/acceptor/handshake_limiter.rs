//! Runs TLS handshakes one at a time, in the order of a [`HandshakeQueue`].

use crate::limits::{AddressKey, HandshakeQueue, HandshakeTicket};
use crate::real_time::ServerClock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;

/// Permits TLS handshakes. Clones share the queue.
#[derive(Clone)]
pub(super) struct HandshakeLimiter(Arc<Shared>);

struct Shared {
    clock: ServerClock,
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    queue: HandshakeQueue,
    waiting: HashMap<HandshakeTicket, oneshot::Sender<HandshakePermit>>,
}

/// Permits the work of one handshake. The next one begins when this is dropped.
pub(super) struct HandshakePermit {
    _done: oneshot::Sender<()>,
}

impl HandshakeLimiter {
    /// A limiter with an empty queue.
    pub(super) fn new(clock: ServerClock) -> HandshakeLimiter {
        HandshakeLimiter(Arc::new(Shared { clock, state: Mutex::default(), arrived: Notify::new() }))
    }

    /// Waits until it is this address's turn; `None` when the server stops. Dropping the future cancels the handshake.
    pub(super) async fn acquire(&self, address: AddressKey) -> Option<HandshakePermit> {
        let (grant, granted) = oneshot::channel();
        let ticket = {
            let mut state = self.state();
            let ticket = state.queue.push(address);
            state.waiting.insert(ticket, grant);
            ticket
        };
        self.0.arrived.notify_one();
        let _cancel = CancelOnDrop { limiter: self, ticket };
        granted.await.ok()
    }

    /// Grants permits until it is cancelled.
    pub(super) async fn run(self) {
        loop {
            let next = self.next();
            match next {
                Ok(Some(grant)) => {
                    let (done, ended) = oneshot::channel();
                    if grant.send(HandshakePermit { _done: done }).is_ok() {
                        // Resolves when the permit is dropped.
                        let _ = ended.await;
                    }
                }
                Ok(None) => {}
                Err(Some(wait)) => sleep(wait).await,
                Err(None) => self.0.arrived.notified().await,
            }
        }
    }

    fn next(&self) -> Result<Option<oneshot::Sender<HandshakePermit>>, Option<Duration>> {
        let mut state = self.state();
        let ticket = state.queue.pop(self.0.clock.now()).map_err(|wait| wait.map(|w| Duration::from_micros(w.0)))?;
        Ok(state.waiting.remove(&ticket))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct CancelOnDrop<'a> {
    limiter: &'a HandshakeLimiter,
    ticket: HandshakeTicket,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        let mut state = self.limiter.state();
        if state.waiting.remove(&self.ticket).is_some() {
            state.queue.cancel(self.ticket);
        }
    }
}
