//! TLS handshakes, one at a time, in the order that [`Turns`] gives.

use crate::limits::{AddressKey, Turn, Turns};
use crate::real_time::ServerClock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;

/// The queue for handshakes. A clone is the same queue.
#[derive(Clone)]
pub(super) struct Handshakes(Arc<Queue>);

struct Queue {
    clock: ServerClock,
    state: Mutex<State>,
    asked: Notify,
}

#[derive(Default)]
struct State {
    turns: Turns,
    waiting: HashMap<Turn, oneshot::Sender<Permit>>,
}

/// The right to do a handshake's work. The next one begins when it is dropped.
pub(super) struct Permit {
    _done: oneshot::Sender<()>,
}

impl Handshakes {
    /// An empty queue.
    pub(super) fn new(clock: ServerClock) -> Handshakes {
        Handshakes(Arc::new(Queue { clock, state: Mutex::default(), asked: Notify::new() }))
    }

    /// Waits for a turn of this address; `None` when the server stops. Dropping the future gives the turn up.
    pub(super) async fn turn(&self, address: AddressKey) -> Option<Permit> {
        let (grant, granted) = oneshot::channel();
        let turn = {
            let mut state = self.state();
            let turn = state.turns.ask(address);
            state.waiting.insert(turn, grant);
            turn
        };
        self.0.asked.notify_one();
        let _waits = Waits { queue: self, turn };
        granted.await.ok()
    }

    /// Grants the turns, for ever.
    pub(super) async fn run(self) {
        loop {
            let next = self.next();
            match next {
                Ok(Some(grant)) => {
                    let (done, ended) = oneshot::channel();
                    if grant.send(Permit { _done: done }).is_ok() {
                        // Resolves when the permit is dropped.
                        let _ = ended.await;
                    }
                }
                Ok(None) => {}
                Err(Some(wait)) => sleep(wait).await,
                Err(None) => self.0.asked.notified().await,
            }
        }
    }

    fn next(&self) -> Result<Option<oneshot::Sender<Permit>>, Option<Duration>> {
        let mut state = self.state();
        let turn = state.turns.next(self.0.clock.now()).map_err(|wait| wait.map(|w| Duration::from_micros(w.0)))?;
        Ok(state.waiting.remove(&turn))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the turn up when whoever waits for it goes.
struct Waits<'a> {
    queue: &'a Handshakes,
    turn: Turn,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        if state.waiting.remove(&self.turn).is_some() {
            state.turns.cancel(self.turn);
        }
    }
}
