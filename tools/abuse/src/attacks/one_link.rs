//! One link, one address, as many seats as there are.

use super::{Attack, Setting};
use crate::guest::{Guest, Seated, block_on};
use crate::honest::SAME;
use crate::house::link_from;
use crate::outcome::{Bound, Outcome};
use crate::town::Quarter;
use crate::trouble::Trouble;
use std::time::Duration;

pub(super) const ATTACK: Attack = Attack {
    name: "one-link",
    what: "one address joins 64 times by one link, as one identity and as 64; then somebody else wants a seat",
    run,
};

const JOINS: usize = 64;

/// Shorter than the time after which silent sessions end, which would make room.
const PATIENCE: Duration = Duration::from_secs(2);

/// Seats that one identity may have in a room.
const AN_IDENTITY: f64 = 4.0;

/// New identities that one address may bring in the first minute.
const AN_ADDRESS: f64 = 16.0;

fn run(setting: &Setting<'_>) -> Result<Outcome, Trouble> {
    let mut outcome = Outcome { done: format!("{JOINS} joins, twice"), ..Outcome::default() };
    for (what, limit, one_identity) in
        [("seats of one identity", AN_IDENTITY, true), ("seats of 64 identities, one address", AN_ADDRESS, false)]
    {
        let house = setting.house()?;
        let attackers = Quarter::Attackers;
        let link = link_from(attackers, &house.invite(SAME, &[])?)?;
        let seats = setting.town.inside(attackers, || {
            block_on(async {
                let one = Guest::new(&link, attackers.address(0));
                let mut seats: Vec<Seated> = Vec::new();
                for _ in 0..JOINS {
                    let guest = if one_identity { one.clone() } else { Guest::new(&link, one.from) };
                    seats.extend(guest.ask(None).await);
                }
                seats.len()
            })
        });
        outcome.bounded(what, seats as f64, "", Bound::AtMost(limit));
        let newcomers = Quarter::Newcomers;
        let newcomer = Guest::new(&link_from(newcomers, &house.invite(SAME, &[])?)?, newcomers.address(0));
        let gets_in = setting.town.inside(newcomers, || block_on(newcomer.insist(None, PATIENCE)).is_ok());
        outcome.bounded("then somebody else joins", f64::from(u8::from(gets_in)), "", Bound::AtLeast(1.0));
    }
    Ok(outcome)
}
