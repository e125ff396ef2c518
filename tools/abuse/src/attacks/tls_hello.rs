//! Strangers begin TLS handshakes and do not finish them.

use super::idle_tcp::SeatedMusicians;
use super::{Attack, AttackContext};
use crate::error::AttackError;
use crate::outcome::AttackOutcome;
use crate::pacing::StopSignal;
use crate::raw_client::{block_on, connect_from};
use crate::testbed::Segment;
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
    what: "strangers send 3,000 ClientHellos a second from 16 addresses and read no answers",
    run,
};

const PER_SECOND: f64 = 3000.0;

/// How long each connection stays open.
const HOLD: Duration = Duration::from_millis(300);

/// The most connections at a time; a server that accepts no more slows the attacker down.
const MOST: usize = 4000;

fn run(context: &AttackContext<'_>) -> Result<AttackOutcome, AttackError> {
    let server = context.start_server()?;
    let (honest, (rate, join_times)) = context.band(&server).play_during(|stop, _| {
        let seated_musicians = SeatedMusicians::seat(context, &server)?;
        std::thread::scope(|scope| {
            let flood = context.testbed.spawn(scope, Segment::Attackers, || send_hellos(stop));
            let join_times = seated_musicians.join_during_flood(context, &server);
            let rate = flood.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok((rate, join_times?))
        })
    })?;
    let mut outcome = AttackOutcome { done: format!("{rate:.0} ClientHellos a second"), ..AttackOutcome::default() };
    // Joins need processor time for handshakes, so their bound depends on the load of the machine.
    join_times.judge(&mut outcome, AttackOutcome::timing);
    honest.judge(&mut outcome);
    Ok(outcome)
}

/// Returns the rate that was reached, in hellos a second.
fn send_hellos(stop: &StopSignal) -> f64 {
    let segment = Segment::Attackers;
    let to = SocketAddr::new(segment.server(), rtjam_protocol::link::DEFAULT_PORT);
    let Some(hello) = client_hello() else { return 0.0 };
    let hello: Arc<[u8]> = hello.into();
    let local = tokio::task::LocalSet::new();
    block_on(local.run_until(async {
        let (began, mut begun, sent) = (Instant::now(), 0_usize, Rc::new(Cell::new(0_usize)));
        let mut tasks = tokio::task::JoinSet::new();
        while !stop.is_requested() {
            let due = (began.elapsed().as_secs_f64() * PER_SECOND) as usize;
            while begun < due && tasks.len() < MOST {
                let (hello, from, sent) = (hello.clone(), segment.address(begun), sent.clone());
                begun += 1;
                tasks.spawn_local(timeout(4 * HOLD, async move {
                    let mut stream = connect_from(from, to).await?;
                    stream.write_all(&hello).await.ok()?;
                    sent.set(sent.get() + 1);
                    sleep(HOLD).await;
                    Some(())
                }));
            }
            // Connections that were not begun in time are skipped.
            begun = begun.max(due);
            sleep(Duration::from_millis(1)).await;
            while tasks.try_join_next().is_some() {}
        }
        sent.get() as f64 / began.elapsed().as_secs_f64()
    }))
}

/// The first message of a native client.
fn client_hello() -> Option<Vec<u8>> {
    let config = rtjam_client::tls::pinned(Pin([0; 16])).ok()?;
    let mut client = ClientConnection::new(Arc::new(config), ServerName::from(Segment::Attackers.server())).ok()?;
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).ok()?;
    Some(bytes)
}
