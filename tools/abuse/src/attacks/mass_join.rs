//! Many musicians join at the same time. This is not an attack, but the server must withstand it.

use super::{Attack, AttackContext};
use crate::error::AttackError;
use crate::outcome::{AttackOutcome, Bound};
use crate::raw_client::{RawClient, RawSession, block_on, pause};
use crate::target_server::link_from;
use crate::testbed::Segment;
use rtjam_protocol::link::InviteLink;
use std::time::Duration;

pub(super) const ATTACK: Attack = Attack {
    name: "crowd",
    what: "300 people join five rooms at once from 16 addresses, while 20 musicians play",
    run,
};

const JOINS: usize = 300;

const ROOMS: [&str; 5] = ["crowd 1", "crowd 2", "crowd 3", "crowd 4", "crowd 5"];

/// The honest musicians in each of the two rooms.
const PLAYING: u16 = 10;

/// The bound for the time of each join.
const LIMIT: Duration = Duration::from_secs(5);

fn run(context: &AttackContext<'_>) -> Result<AttackOutcome, AttackError> {
    let server = context.start_server()?;
    let segment = Segment::Attackers;
    let links = ROOMS
        .iter()
        .map(|room| link_from(segment, &server.invite(room, &[])?))
        .collect::<Result<Vec<InviteLink>, AttackError>>()?;
    let (honest, seats) = context.band_of(&server, PLAYING).play_during(|stop, _| {
        Ok(context.testbed.inside(segment, || {
            block_on(async {
                let mut joins = tokio::task::JoinSet::new();
                for n in 0..JOINS {
                    let client = RawClient::new(&links[n % links.len()], segment.address(n / links.len()));
                    joins.spawn(async move { client.join(None, LIMIT).await });
                }
                let seats: Vec<(RawSession, Duration)> = joins.join_all().await.into_iter().flatten().collect();
                // They stay as long as the honest musicians play.
                while !stop.is_requested() {
                    pause(Duration::from_millis(50)).await;
                }
                seats.into_iter().map(|(_, took)| took).collect::<Vec<_>>()
            })
        }))
    })?;
    let mut outcome = AttackOutcome { done: format!("{JOINS} joins at once"), ..AttackOutcome::default() };
    outcome.bounded("joins within 5 s, of 300", seats.len() as f64, "", Bound::AtLeast(JOINS as f64));
    let slowest = seats.iter().max().copied().unwrap_or_default();
    outcome.info("the slowest that succeeded", slowest.as_secs_f64() * 1000.0, "ms");
    honest.judge(&mut outcome);
    Ok(outcome)
}
