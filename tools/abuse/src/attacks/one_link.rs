//! One address takes as many seats of a room as it can.

use super::{Attack, AttackContext};
use crate::error::AttackError;
use crate::honest::ATTACKED_ROOM;
use crate::outcome::{AttackOutcome, Bound};
use crate::raw_client::{RawClient, RawSession, block_on};
use crate::target_server::link_from;
use crate::testbed::Segment;
use std::time::Duration;

pub(super) const ATTACK: Attack = Attack {
    name: "one-link",
    what: "one address joins 64 times with one link, as one identity and as 64; then somebody else wants a seat",
    run,
};

const JOINS: usize = 64;

/// Shorter than the time after which silent sessions end and free their seats.
const JOIN_TIMEOUT: Duration = Duration::from_secs(2);

/// The most seats of one identity in a room.
const SEATS_PER_IDENTITY: f64 = 4.0;

/// The most new identities of one address in the first minute.
const IDENTITIES_PER_ADDRESS: f64 = 16.0;

fn run(context: &AttackContext<'_>) -> Result<AttackOutcome, AttackError> {
    let mut outcome = AttackOutcome { done: format!("{JOINS} joins, twice"), ..AttackOutcome::default() };
    for (what, limit, one_identity) in [
        ("seats of one identity", SEATS_PER_IDENTITY, true),
        ("seats of 64 identities, one address", IDENTITIES_PER_ADDRESS, false),
    ] {
        let server = context.start_server()?;
        let attackers = Segment::Attackers;
        let link = link_from(attackers, &server.invite(ATTACKED_ROOM, &[])?)?;
        let seats = context.testbed.inside(attackers, || {
            block_on(async {
                let one = RawClient::new(&link, attackers.address(0));
                let mut seats: Vec<RawSession> = Vec::new();
                for _ in 0..JOINS {
                    let client = if one_identity { one.clone() } else { RawClient::new(&link, one.from) };
                    seats.extend(client.join_once(None).await);
                }
                seats.len()
            })
        });
        outcome.bounded(what, seats as f64, "", Bound::AtMost(limit));
        let newcomers = Segment::Newcomers;
        let newcomer =
            RawClient::new(&link_from(newcomers, &server.invite(ATTACKED_ROOM, &[])?)?, newcomers.address(0));
        let gets_in = context.testbed.inside(newcomers, || block_on(newcomer.join(None, JOIN_TIMEOUT)).is_ok());
        outcome.bounded("then somebody else joins", f64::from(u8::from(gets_in)), "", Bound::AtLeast(1.0));
    }
    Ok(outcome)
}
