//! A musician leaves gaps in the counters of 64 lanes.

use super::{Attack, AttackContext};
use crate::error::AttackError;
use crate::outcome::AttackOutcome;
use crate::pacing;
use crate::testbed::Segment;
use rtjam_protocol::datagram::{Frame, write_frame};
use rtjam_protocol::seal::Lane;

pub(super) const ATTACK: Attack = Attack {
    name: "lane-gaps",
    what: "a musician sends 30,000 datagrams of 33 bytes a second on 64 lanes, with gaps in the counters",
    run,
};

const PER_SECOND: u32 = 30_000;
const LANES: u64 = 64;

/// The increment of a lane's counter.
const STEP: u64 = 3;

fn run(context: &AttackContext<'_>) -> Result<AttackOutcome, AttackError> {
    let server = context.start_server()?;
    let (honest, rate) = context.band(&server).play_during(|stop, _| {
        let (_seated, mut media) = context.musician(&server, Segment::Attackers, 0)?;
        Ok(pacing::repeat(PER_SECOND, stop, |n| {
            // The counters begin above those that the join has used.
            let (lane, counter) = (Lane::from_number((n % LANES) as u8), 1000 + n / LANES * STEP);
            media.send_as(lane, counter, |out| write_frame(&Frame::KeepAlive, out));
        }))
    })?;
    let mut outcome = AttackOutcome { done: format!("{rate:.0} datagrams a second"), ..AttackOutcome::default() };
    honest.judge(&mut outcome);
    Ok(outcome)
}
