//! Many people join at the same moment. They mean no harm, and the server must bear them.

use super::{Attack, Setting};
use crate::guest::{Guest, Seated, block_on, pause};
use crate::house::link_from;
use crate::outcome::{Bound, Outcome};
use crate::town::Quarter;
use crate::trouble::Trouble;
use rtjam_protocol::link::InviteLink;
use std::time::Duration;

pub(super) const ATTACK: Attack = Attack {
    name: "crowd",
    what: "300 people join five rooms at once from 16 addresses, while 20 musicians play",
    run,
};

const JOINS: usize = 300;

const ROOMS: [&str; 5] = ["crowd 1", "crowd 2", "crowd 3", "crowd 4", "crowd 5"];

/// Musicians who play in each of the two rooms.
const PLAYING: u16 = 10;

/// Everybody has a seat within this time.
const LIMIT: Duration = Duration::from_secs(5);

fn run(setting: &Setting<'_>) -> Result<Outcome, Trouble> {
    let house = setting.house()?;
    let quarter = Quarter::Attackers;
    let links = ROOMS
        .iter()
        .map(|room| link_from(quarter, &house.invite(room, &[])?))
        .collect::<Result<Vec<InviteLink>, Trouble>>()?;
    let (honest, seats) = setting.band_of(&house, PLAYING).play_under(|stop, _| {
        Ok(setting.town.inside(quarter, || {
            block_on(async {
                let mut joins = tokio::task::JoinSet::new();
                for n in 0..JOINS {
                    let guest = Guest::new(&links[n % links.len()], quarter.address(n / links.len()));
                    joins.spawn(async move { guest.insist(None, LIMIT).await });
                }
                let seats: Vec<(Seated, Duration)> = joins.join_all().await.into_iter().flatten().collect();
                // They stay as long as the musicians play.
                while !stop.asked() {
                    pause(Duration::from_millis(50)).await;
                }
                seats.into_iter().map(|(_, took)| took).collect::<Vec<_>>()
            })
        }))
    })?;
    let mut outcome = Outcome { done: format!("{JOINS} joins at once"), ..Outcome::default() };
    outcome.bounded("joins within 5 s, of 300", seats.len() as f64, "", Bound::AtLeast(JOINS as f64));
    let slowest = seats.iter().max().copied().unwrap_or_default();
    outcome.told("the slowest that succeeded", slowest.as_secs_f64() * 1000.0, "ms");
    honest.judge(&mut outcome);
    Ok(outcome)
}
