//! Strangers open connections and send nothing.

use super::{Attack, AttackContext, JOIN_TIMEOUT};
use crate::error::AttackError;
use crate::outcome::{AttackOutcome, Bound};
use crate::pacing::StopSignal;
use crate::raw_client::{RawClient, block_on, connect_from};
use crate::raw_media::RawMedia;
use crate::target_server::{TargetServer, link_from};
use crate::testbed::Segment;
use rtjam_protocol::control::ResumeToken;
use rtjam_protocol::datagram::Frame;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, sleep, timeout};

pub(super) const ATTACK: Attack = Attack {
    name: "idle-tcp",
    what: "strangers hold 10,000 silent connections from 16 addresses; 20 musicians join and 20 resume during this",
    run,
};

const CONNECTIONS: usize = 10_000;

/// Connections opened per millisecond, until all are open and in place of those that the server closes.
const OPENED_PER_MS: usize = 8;

/// The room that the musicians join. In the attacked room the server would send each of them four streams.
const JOINED_ROOM: &str = "door";

/// How many musicians join, and how many resume.
const EACH: usize = 20;

/// The bound for the time of each join and resume.
const LIMIT: Duration = Duration::from_secs(3);

/// The durations of the successful joins and resumes.
#[derive(Default)]
pub(super) struct JoinTimes {
    joined: Vec<Duration>,
    resumed: Vec<Duration>,
}

fn run(context: &AttackContext<'_>) -> Result<AttackOutcome, AttackError> {
    let server = context.start_server()?;
    let (honest, (held, join_times)) = context.band(&server).play_during(|stop, _| {
        let seated_musicians = SeatedMusicians::seat(context, &server)?;
        std::thread::scope(|scope| {
            let flood = context.testbed.spawn(scope, Segment::Attackers, || hold(stop));
            let join_times = seated_musicians.join_during_flood(context, &server);
            // The flood lasts as long as the musicians play.
            let held = flood.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok((held, join_times?))
        })
    })?;
    let mut outcome = AttackOutcome { done: format!("{held} connections held at once"), ..AttackOutcome::default() };
    join_times.judge(&mut outcome, AttackOutcome::bounded);
    honest.judge(&mut outcome);
    Ok(outcome)
}

/// Keeps as many silent connections open as the server and [`CONNECTIONS`] permit. Returns the most that were open at once.
fn hold(stop: &StopSignal) -> usize {
    let segment = Segment::Attackers;
    let to = SocketAddr::new(segment.server(), rtjam_protocol::link::DEFAULT_PORT);
    let (open, under_way, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)), Cell::new(0));
    let local = tokio::task::LocalSet::new();
    block_on(local.run_until(async {
        let mut begun = 0;
        while !stop.is_requested() {
            for _ in 0..OPENED_PER_MS.min(CONNECTIONS - under_way.get()) {
                let (open, under_way, from) = (open.clone(), under_way.clone(), segment.address(begun));
                begun += 1;
                under_way.set(under_way.get() + 1);
                tokio::task::spawn_local(async move {
                    if let Some(mut stream) = connect_from(from, to).await {
                        open.set(open.get() + 1);
                        // Reads until the server closes the connection.
                        while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
                        open.set(open.get() - 1);
                    }
                    under_way.set(under_way.get() - 1);
                });
            }
            most.set(most.get().max(open.get()));
            sleep(Duration::from_millis(1)).await;
        }
    }));
    most.get()
}

/// Musicians who joined before the flood and lose their control connections in it.
pub(super) struct SeatedMusicians(Vec<(RawClient, ResumeToken, RawMedia)>);

impl SeatedMusicians {
    /// Seats all of them at once.
    pub(super) fn seat(context: &AttackContext<'_>, server: &TargetServer) -> Result<SeatedMusicians, AttackError> {
        let segment = Segment::Newcomers;
        // Ten from each of two addresses, because new identities of an address are limited.
        let clients = (0..EACH).map(|n| newcomer(server, n % 2)).collect::<Result<Vec<_>, AttackError>>()?;
        context.testbed.inside(segment, move || {
            let seats = block_on(async {
                let mut tasks = tokio::task::JoinSet::new();
                for client in clients {
                    tasks.spawn(
                        async move { client.join(None, JOIN_TIMEOUT).await.map(|(seated, _)| (client, seated)) },
                    );
                }
                tasks.join_all().await
            });
            let settled = seats.into_iter().map(|seat| {
                let (client, seated) = seat?;
                let media = RawMedia::settled(&seated, client.from, segment.server())?;
                Ok((client, seated.joined.resume.clone(), media))
            });
            Ok(SeatedMusicians(settled.collect::<Result<_, AttackError>>()?))
        })
    }

    /// After a third of the playing time, new musicians join and these resume, all at once.
    pub(super) fn join_during_flood(
        self,
        context: &AttackContext<'_>,
        server: &TargetServer,
    ) -> Result<JoinTimes, AttackError> {
        let delay = context.length / 3;
        let newcomers = (0..EACH).map(|n| newcomer(server, 2 + n % 2)).collect::<Result<Vec<_>, AttackError>>()?;
        let SeatedMusicians(mut seated_musicians) = self;
        Ok(context.testbed.inside(Segment::Newcomers, move || {
            block_on(async {
                let flood_established = Instant::now() + delay;
                while Instant::now() < flood_established {
                    // Media keeps the sessions alive.
                    seated_musicians.iter_mut().for_each(|(_, _, media)| media.send(&Frame::KeepAlive));
                    sleep(Duration::from_millis(200)).await;
                }
                let mut tasks = tokio::task::JoinSet::new();
                for client in newcomers {
                    tasks.spawn(async move { (false, client.join(None, JOIN_TIMEOUT).await) });
                }
                for (client, token, _) in &seated_musicians {
                    let (client, token) = (client.clone(), token.clone());
                    tasks.spawn(async move { (true, client.join(Some(&token), JOIN_TIMEOUT).await) });
                }
                let (mut join_times, mut kept) = (JoinTimes::default(), Vec::new());
                loop {
                    match timeout(Duration::from_millis(200), tasks.join_next()).await {
                        Ok(None) => return join_times,
                        Ok(Some(Ok((resumes, Ok((seated, took)))))) => {
                            match (resumes, seated.joined.resumed) {
                                (true, true) => join_times.resumed.push(took),
                                (false, false) => join_times.joined.push(took),
                                // A new session instead of a resume does not count.
                                _ => {}
                            }
                            kept.push(seated);
                        }
                        Ok(Some(_)) | Err(_) => {}
                    }
                    seated_musicians.iter_mut().for_each(|(_, _, media)| media.send(&Frame::KeepAlive));
                }
            })
        }))
    }
}

fn newcomer(server: &TargetServer, address: usize) -> Result<RawClient, AttackError> {
    let segment = Segment::Newcomers;
    let link = link_from(segment, &server.invite(JOINED_ROOM, &[])?)?;
    Ok(RawClient::new(&link, segment.address(address)))
}

impl JoinTimes {
    /// Adds the joins and resumes that were in time. `judge` adds a figure with a bound.
    pub(super) fn judge(
        &self,
        outcome: &mut AttackOutcome,
        judge: fn(&mut AttackOutcome, &str, f64, &'static str, Bound),
    ) {
        for (what, times) in [("joins", &self.joined), ("resumes", &self.resumed)] {
            let in_time = times.iter().filter(|time| **time <= LIMIT).count();
            let longest = times.iter().max().copied().unwrap_or_default();
            judge(outcome, &format!("{what} within 3 s, of {EACH}"), in_time as f64, "", Bound::AtLeast(EACH as f64));
            outcome.info(&format!("{what}: the slowest that succeeded"), longest.as_secs_f64() * 1000.0, "ms");
        }
    }
}
