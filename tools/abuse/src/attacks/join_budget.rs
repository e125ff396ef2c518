//! A stranger spends the joins of an address that musicians share.

use super::{Attack, Setting};
use crate::guest::{Failed, Guest, block_on, pause};
use crate::honest::SAME;
use crate::house::link_from;
use crate::outcome::{Bound, Outcome};
use crate::town::Quarter;
use crate::trouble::Trouble;
use rtjam_protocol::RoomName;
use rtjam_protocol::control::Refusal;
use rtjam_protocol::datagram::Frame;
use std::cell::Cell;
use std::time::{Duration, Instant};

pub(super) const ATTACK: Attack = Attack {
    name: "join-budget",
    what: "a stranger tries wrong secrets without end from an address that a musician shares, who joins and resumes",
    run,
};

const TRIES: usize = 400;

/// Tries under way at a time.
const AT_ONCE: usize = 16;

/// A musician is in within this time.
const LIMIT: Duration = Duration::from_secs(3);

/// How long the stranger waits for an answer before trying the next secret.
const HASTE: Duration = Duration::from_millis(300);

fn run(setting: &Setting<'_>) -> Result<Outcome, Trouble> {
    let house = setting.house()?;
    let shared = Quarter::Attackers;
    let link = link_from(shared, &house.invite(SAME, &[])?)?;
    let musician = Guest::new(&link, shared.address(0));
    let (seated, mut media) = setting.seat(shared, &musician)?;
    let token = seated.joined.resume.clone();
    let (tried, resumed, joined) = setting.town.inside(shared, || {
        block_on(async {
            let tried = Cell::new(0);
            let comes_later = async {
                while tried.get() < TRIES {
                    media.send(&Frame::KeepAlive);
                    pause(Duration::from_millis(100)).await;
                }
                // Once each: whoever is refused would have to wait.
                let resumed = timed(musician.ask(Some(&token))).await;
                let joined = timed(Guest::new(&link, musician.from).ask(None)).await;
                (resumed, joined)
            };
            let stranger = Guest::new(&link, musician.from).with_wrong_secret();
            tokio::select! {
                () = guess(&stranger, &tried) => (tried.get(), None, None),
                (resumed, joined) = comes_later => (tried.get(), resumed, joined),
            }
        })
    });
    let mut outcome = Outcome { done: format!("{tried} wrong secrets"), ..Outcome::default() };
    for (what, took) in [("join by the right secret", joined), ("resume", resumed)] {
        let in_time = took.is_some_and(|took| took <= LIMIT);
        outcome.bounded(&format!("{what} at the first try"), f64::from(u8::from(in_time)), "", Bound::AtLeast(1.0));
        outcome.told(&format!("{what} took"), took.unwrap_or_default().as_secs_f64() * 1000.0, "ms");
    }
    let tells_apart = setting.town.inside(shared, || block_on(tells_rooms_apart(&link, shared)));
    outcome.bounded(
        "an unknown room is told from a wrong secret",
        f64::from(u8::from(tells_apart)),
        "",
        Bound::AtMost(0.0),
    );
    Ok(outcome)
}

/// Tries a wrong secret again and again, several at a time, and counts.
async fn guess(stranger: &Guest, tried: &Cell<usize>) {
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        while tasks.len() < AT_ONCE {
            let stranger = stranger.clone();
            // Answers to wrong secrets are held back: nobody waits for them.
            tasks.spawn(async move { drop(tokio::time::timeout(HASTE, stranger.ask(None)).await) });
        }
        let _ = tasks.join_next().await;
        tried.set(tried.get() + 1);
    }
}

/// How long it took; `None` when it failed.
async fn timed<T>(work: impl Future<Output = Result<T, Failed>>) -> Option<Duration> {
    let began = Instant::now();
    work.await.ok().map(|_| began.elapsed())
}

/// Whether a stranger learns from the answer which rooms there are.
async fn tells_rooms_apart(link: &rtjam_protocol::link::InviteLink, quarter: Quarter) -> bool {
    let stranger = Guest::new(link, quarter.address(1)).with_wrong_secret();
    let mut elsewhere = stranger.clone();
    if let Ok(room) = RoomName::new("no such room") {
        elsewhere.link.room = room;
    }
    let refusal = |asked: Result<_, Failed>| asked.err();
    let (known, unknown) = (refusal(stranger.ask(None).await), refusal(elsewhere.ask(None).await));
    known != Some(Failed::Refused(Refusal::WrongSecret)) || known != unknown
}
