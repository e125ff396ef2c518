//! Strangers begin TLS handshakes and go away.

use super::idle_tcp::Regulars;
use super::{Attack, Setting};
use crate::guest::{block_on, connect_from};
use crate::outcome::Outcome;
use crate::pace::Stop;
use crate::town::Quarter;
use crate::trouble::Trouble;
use rtjam_protocol::link::Pin;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, sleep, timeout};

pub(super) const ATTACK: Attack = Attack {
    name: "tls-hello",
    what: "strangers send 3,000 ClientHellos a second from 16 addresses and read no answer",
    run,
};

const PER_SECOND: f64 = 3000.0;

/// How long each connection stays, unread.
const STAY: Duration = Duration::from_millis(300);

/// Connections under way at a time; a server that accepts no more slows the attacker down.
const MOST: usize = 4000;

fn run(setting: &Setting<'_>) -> Result<Outcome, Trouble> {
    let house = setting.house()?;
    let (honest, (rate, arrivals)) = setting.band(&house).play_under(|stop, _| {
        let regulars = Regulars::seat(setting, &house)?;
        std::thread::scope(|scope| {
            let flood = setting.town.spawn(scope, Quarter::Attackers, || hello(stop));
            let arrivals = regulars.arrive_under_flood(setting, &house);
            let rate = flood.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok((rate, arrivals?))
        })
    })?;
    let mut outcome = Outcome { done: format!("{rate:.0} ClientHellos a second"), ..Outcome::default() };
    // Handshakes take processor time, and a busy machine has little of it: musicians in a room are promised more.
    arrivals.judge(&mut outcome, Outcome::timing);
    honest.judge(&mut outcome);
    Ok(outcome)
}

/// Returns how many a second were sent.
fn hello(stop: &Stop) -> f64 {
    let quarter = Quarter::Attackers;
    let to = SocketAddr::new(quarter.server(), rtjam_protocol::link::DEFAULT_PORT);
    let Some(words) = client_hello() else { return 0.0 };
    let words: Arc<[u8]> = words.into();
    let local = tokio::task::LocalSet::new();
    block_on(local.run_until(async {
        let (began, mut begun, sent) = (Instant::now(), 0_usize, Rc::new(Cell::new(0_usize)));
        let mut tasks = tokio::task::JoinSet::new();
        while !stop.asked() {
            let due = (began.elapsed().as_secs_f64() * PER_SECOND) as usize;
            while begun < due && tasks.len() < MOST {
                let (words, from, sent) = (words.clone(), quarter.address(begun), sent.clone());
                begun += 1;
                tasks.spawn_local(timeout(4 * STAY, async move {
                    let mut stream = connect_from(from, to).await?;
                    stream.write_all(&words).await.ok()?;
                    sent.set(sent.get() + 1);
                    sleep(STAY).await;
                    Some(())
                }));
            }
            // What could not be begun in time is not made up for.
            begun = begun.max(due);
            sleep(Duration::from_millis(1)).await;
            while tasks.try_join_next().is_some() {}
        }
        sent.get() as f64 / began.elapsed().as_secs_f64()
    }))
}

/// The first message of a client of ours.
fn client_hello() -> Option<Vec<u8>> {
    let config = rtjam_client::tls::pinned(Pin([0; 16])).ok()?;
    let mut client = ClientConnection::new(Arc::new(config), ServerName::from(Quarter::Attackers.server())).ok()?;
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).ok()?;
    Some(bytes)
}
