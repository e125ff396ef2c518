//! A stranger guesses secrets from an address that a musician shares.

use super::{Attack, AttackContext};
use crate::error::AttackError;
use crate::honest::ATTACKED_ROOM;
use crate::outcome::{AttackOutcome, Bound};
use crate::raw_client::{JoinError, RawClient, block_on, pause};
use crate::target_server::link_from;
use crate::testbed::Segment;
use rtjam_protocol::RoomName;
use rtjam_protocol::control::Refusal;
use rtjam_protocol::datagram::Frame;
use std::cell::Cell;
use std::time::{Duration, Instant};

pub(super) const ATTACK: Attack = Attack {
    name: "join-budget",
    what: "a stranger guesses secrets without end from the address of a musician, who joins and resumes",
    run,
};

const TRIES: usize = 400;

/// The most guesses in parallel.
const AT_ONCE: usize = 16;

/// The bound for the time of a join and a resume.
const LIMIT: Duration = Duration::from_secs(3);

/// How long the stranger waits for an answer before the next guess.
const GUESS_TIMEOUT: Duration = Duration::from_millis(300);

fn run(context: &AttackContext<'_>) -> Result<AttackOutcome, AttackError> {
    let server = context.start_server()?;
    let shared = Segment::Attackers;
    let link = link_from(shared, &server.invite(ATTACKED_ROOM, &[])?)?;
    let musician = RawClient::new(&link, shared.address(0));
    let (seated, mut media) = context.seat(shared, &musician)?;
    let token = seated.joined.resume.clone();
    let (tried, resumed, joined) = context.testbed.inside(shared, || {
        block_on(async {
            let tried = Cell::new(0);
            let returns_later = async {
                while tried.get() < TRIES {
                    media.send(&Frame::KeepAlive);
                    pause(Duration::from_millis(100)).await;
                }
                // One try each, because a refused musician would have to wait.
                let resumed = timed(musician.join_once(Some(&token))).await;
                let joined = timed(RawClient::new(&link, musician.from).join_once(None)).await;
                (resumed, joined)
            };
            let stranger = RawClient::new(&link, musician.from).with_wrong_secret();
            tokio::select! {
                () = guess(&stranger, &tried) => (tried.get(), None, None),
                (resumed, joined) = returns_later => (tried.get(), resumed, joined),
            }
        })
    });
    let mut outcome = AttackOutcome { done: format!("{tried} wrong secrets"), ..AttackOutcome::default() };
    for (what, took) in [("join by the right secret", joined), ("resume", resumed)] {
        let in_time = took.is_some_and(|took| took <= LIMIT);
        outcome.bounded(&format!("{what} at the first try"), f64::from(u8::from(in_time)), "", Bound::AtLeast(1.0));
        outcome.info(&format!("{what} took"), took.unwrap_or_default().as_secs_f64() * 1000.0, "ms");
    }
    let tells_apart = context.testbed.inside(shared, || block_on(tells_rooms_apart(&link, shared)));
    outcome.bounded(
        "an unknown room is told from a wrong secret",
        f64::from(u8::from(tells_apart)),
        "",
        Bound::AtMost(0.0),
    );
    Ok(outcome)
}

/// Guesses secrets in parallel without end, and counts the guesses.
async fn guess(stranger: &RawClient, tried: &Cell<usize>) {
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        while tasks.len() < AT_ONCE {
            let stranger = stranger.clone();
            // The server delays its answers to wrong secrets, so the stranger does not wait for them.
            tasks.spawn(async move { drop(tokio::time::timeout(GUESS_TIMEOUT, stranger.join_once(None)).await) });
        }
        let _ = tasks.join_next().await;
        tried.set(tried.get() + 1);
    }
}

/// The duration of successful work; `None` if it failed.
async fn timed<T>(work: impl Future<Output = Result<T, JoinError>>) -> Option<Duration> {
    let began = Instant::now();
    work.await.ok().map(|_| began.elapsed())
}

/// Whether the answer tells a stranger which rooms exist.
async fn tells_rooms_apart(link: &rtjam_protocol::link::InviteLink, segment: Segment) -> bool {
    let stranger = RawClient::new(link, segment.address(1)).with_wrong_secret();
    let mut elsewhere = stranger.clone();
    if let Ok(room) = RoomName::new("no such room") {
        elsewhere.link.room = room;
    }
    let refusal = |asked: Result<_, JoinError>| asked.err();
    let (known, unknown) = (refusal(stranger.join_once(None).await), refusal(elsewhere.join_once(None).await));
    known != Some(JoinError::Refused(Refusal::WrongSecret)) || known != unknown
}
