//! Strangers open connections and say nothing.

use super::{Attack, PATIENCE, Setting};
use crate::guest::{Guest, block_on, connect_from};
use crate::house::{House, link_from};
use crate::media::Media;
use crate::outcome::{Bound, Outcome};
use crate::pace::Stop;
use crate::town::Quarter;
use crate::trouble::Trouble;
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
    what: "strangers hold 10,000 silent connections from 16 addresses; 20 musicians join and 20 resume meanwhile",
    run,
};

const CONNECTIONS: usize = 10_000;

/// Connections begun in a millisecond until all are open, and after that in place of those that the server closes.
const OPENED_PER_MS: usize = 8;

/// The room that they join: the musicians' own would have the server send them four streams each.
const DOOR: &str = "door";

/// How many join, and how many resume.
const EACH: usize = 20;

/// Each of them has a seat within this time.
const LIMIT: Duration = Duration::from_secs(3);

/// What became of those who wanted in.
#[derive(Default)]
pub(super) struct Arrivals {
    joined: Vec<Duration>,
    resumed: Vec<Duration>,
}

fn run(setting: &Setting<'_>) -> Result<Outcome, Trouble> {
    let house = setting.house()?;
    let (honest, (held, arrivals)) = setting.band(&house).play_under(|stop, _| {
        let regulars = Regulars::seat(setting, &house)?;
        std::thread::scope(|scope| {
            let flood = setting.town.spawn(scope, Quarter::Attackers, || hold(stop));
            let arrivals = regulars.arrive_under_flood(setting, &house);
            // The musicians play on; the flood lasts as long as they do.
            let held = flood.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok((held, arrivals?))
        })
    })?;
    let mut outcome = Outcome { done: format!("{held} connections held at once"), ..Outcome::default() };
    arrivals.judge(&mut outcome, Outcome::bounded);
    honest.judge(&mut outcome);
    Ok(outcome)
}

/// Keeps as many silent connections open as the server and [`CONNECTIONS`] allow; says how many were open at most.
fn hold(stop: &Stop) -> usize {
    let quarter = Quarter::Attackers;
    let to = SocketAddr::new(quarter.server(), rtjam_protocol::link::DEFAULT_PORT);
    let (open, under_way, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)), Cell::new(0));
    let local = tokio::task::LocalSet::new();
    block_on(local.run_until(async {
        let mut begun = 0;
        while !stop.asked() {
            for _ in 0..OPENED_PER_MS.min(CONNECTIONS - under_way.get()) {
                let (open, under_way, from) = (open.clone(), under_way.clone(), quarter.address(begun));
                begun += 1;
                under_way.set(under_way.get() + 1);
                tokio::task::spawn_local(async move {
                    if let Some(mut stream) = connect_from(from, to).await {
                        open.set(open.get() + 1);
                        // Until the server closes it.
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

/// Musicians who have been here before the flood, and lose their control connections in it.
pub(super) struct Regulars(Vec<(Guest, ResumeToken, Media)>);

impl Regulars {
    /// Seats them, all at once.
    pub(super) fn seat(setting: &Setting<'_>, house: &House) -> Result<Regulars, Trouble> {
        let quarter = Quarter::Newcomers;
        // Ten from each of two addresses, as no address may bring many newcomers a minute.
        let guests = (0..EACH).map(|n| newcomer(house, n % 2)).collect::<Result<Vec<_>, Trouble>>()?;
        setting.town.inside(quarter, move || {
            let seats = block_on(async {
                let mut tasks = tokio::task::JoinSet::new();
                for guest in guests {
                    tasks.spawn(async move { guest.insist(None, PATIENCE).await.map(|(seated, _)| (guest, seated)) });
                }
                tasks.join_all().await
            });
            let settled = seats.into_iter().map(|seat| {
                let (guest, seated) = seat?;
                let media = Media::settled(&seated, guest.from, quarter.server())?;
                Ok((guest, seated.joined.resume.clone(), media))
            });
            Ok(Regulars(settled.collect::<Result<_, Trouble>>()?))
        })
    }

    /// After a third of the time that the musicians play, as many join as resume, all at once.
    pub(super) fn arrive_under_flood(self, setting: &Setting<'_>, house: &House) -> Result<Arrivals, Trouble> {
        let rise = setting.length / 3;
        let newcomers = (0..EACH).map(|n| newcomer(house, 2 + n % 2)).collect::<Result<Vec<_>, Trouble>>()?;
        let Regulars(mut regulars) = self;
        Ok(setting.town.inside(Quarter::Newcomers, move || {
            block_on(async {
                let flood_stands = Instant::now() + rise;
                while Instant::now() < flood_stands {
                    // Their media never stops.
                    regulars.iter_mut().for_each(|(_, _, media)| media.send(&Frame::KeepAlive));
                    sleep(Duration::from_millis(200)).await;
                }
                let mut tasks = tokio::task::JoinSet::new();
                for guest in newcomers {
                    tasks.spawn(async move { (false, guest.insist(None, PATIENCE).await) });
                }
                for (guest, token, _) in &regulars {
                    let (guest, token) = (guest.clone(), token.clone());
                    tasks.spawn(async move { (true, guest.insist(Some(&token), PATIENCE).await) });
                }
                let (mut arrivals, mut kept) = (Arrivals::default(), Vec::new());
                loop {
                    match timeout(Duration::from_millis(200), tasks.join_next()).await {
                        Ok(None) => return arrivals,
                        Ok(Some(Ok((resumes, Ok((seated, took)))))) => {
                            match (resumes, seated.joined.resumed) {
                                (true, true) => arrivals.resumed.push(took),
                                (false, false) => arrivals.joined.push(took),
                                // A session was lost, and given anew: no resume.
                                _ => {}
                            }
                            kept.push(seated);
                        }
                        Ok(Some(_)) | Err(_) => {}
                    }
                    regulars.iter_mut().for_each(|(_, _, media)| media.send(&Frame::KeepAlive));
                }
            })
        }))
    }
}

fn newcomer(house: &House, address: usize) -> Result<Guest, Trouble> {
    let quarter = Quarter::Newcomers;
    let link = link_from(quarter, &house.invite(DOOR, &[])?)?;
    Ok(Guest::new(&link, quarter.address(address)))
}

impl Arrivals {
    /// All of them must have been in time; `judge` adds a figure with its bound.
    pub(super) fn judge(&self, outcome: &mut Outcome, judge: fn(&mut Outcome, &str, f64, &'static str, Bound)) {
        for (what, times) in [("joins", &self.joined), ("resumes", &self.resumed)] {
            let in_time = times.iter().filter(|time| **time <= LIMIT).count();
            let longest = times.iter().max().copied().unwrap_or_default();
            judge(outcome, &format!("{what} within 3 s, of {EACH}"), in_time as f64, "", Bound::AtLeast(EACH as f64));
            outcome.told(&format!("{what}: the slowest that succeeded"), longest.as_secs_f64() * 1000.0, "ms");
        }
    }
}
