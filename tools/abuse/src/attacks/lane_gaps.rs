//! One invited musician leaves gaps in the counters of 64 lanes.

use super::{Attack, Setting};
use crate::outcome::Outcome;
use crate::pace;
use crate::town::Quarter;
use crate::trouble::Trouble;
use rtjam_protocol::datagram::{Frame, write_frame};
use rtjam_protocol::seal::Lane;

pub(super) const ATTACK: Attack = Attack {
    name: "lane-gaps",
    what: "a musician sends 30,000 datagrams of 33 bytes a second on 64 lanes, with gaps in the counters",
    run,
};

const PER_SECOND: u32 = 30_000;
const LANES: u64 = 64;

/// By how much a lane's counter grows from one datagram to the next.
const STEP: u64 = 3;

fn run(setting: &Setting<'_>) -> Result<Outcome, Trouble> {
    let house = setting.house()?;
    let (honest, rate) = setting.band(&house).play_under(|stop, _| {
        let (_seated, mut media) = setting.musician(&house, Quarter::Attackers, 0)?;
        Ok(pace::run(PER_SECOND, stop, |n| {
            // The lane that was used to find the path goes on where it was.
            let (lane, counter) = (Lane::from_number((n % LANES) as u8), 1000 + n / LANES * STEP);
            media.send_as(lane, counter, |out| write_frame(&Frame::KeepAlive, out));
        }))
    })?;
    let mut outcome = Outcome { done: format!("{rate:.0} datagrams a second"), ..Outcome::default() };
    honest.judge(&mut outcome);
    Ok(outcome)
}
