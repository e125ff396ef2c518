//! A musician sends more than one may: audio eleven times as fast as real time, or datagrams on 64 lanes with gaps.

use super::{Attack, AttackContext, MOST_FRAMES, frames_a_second};
use crate::error::AttackError;
use crate::outcome::{AttackOutcome, Bound};
use crate::pacing;
use crate::raw_media::RawPacket;
use crate::testbed::Segment;
use rtjam_protocol::audio::Codec;
use rtjam_protocol::datagram::{Frame, write_frame};
use rtjam_protocol::seal::Lane;

pub(super) const PACKET_FLOOD: Attack = Attack {
    name: "packet-flood",
    what: "a musician sends 32,600 audio packets of 16 frames a second to a room of 17 others",
    run: flood,
};

pub(super) const LANE_GAPS: Attack = Attack {
    name: "lane-gaps",
    what: "a musician sends 30,000 datagrams of 33 bytes a second on 64 lanes, with gaps in the counters",
    run: leave_gaps,
};

const PER_SECOND: u32 = 32_600;
const FRAMES: u16 = 16;

/// Further receivers in the room, besides the honest musicians.
const CROWD: usize = 12;

const GAPS_PER_SECOND: u32 = 30_000;
const LANES: u64 = 64;

/// The increment of a lane's counter.
const STEP: u64 = 3;

fn flood(context: &AttackContext<'_>) -> Result<AttackOutcome, AttackError> {
    let server = context.start_server()?;
    let (honest, (rate, heard)) = context.band(&server).play_during(|stop, _| {
        let crowd = (0..CROWD).map(|n| context.musician(&server, Segment::Newcomers, n));
        let _crowd = crowd.collect::<Result<Vec<_>, AttackError>>()?;
        let (_hearer, mut hearer) = context.musician(&server, Segment::Attackers, 1)?;
        let (_attacker, mut attacker) = context.musician(&server, Segment::Attackers, 0)?;
        let payload = [0x11; FRAMES as usize * 4];
        std::thread::scope(|scope| {
            let heard = scope.spawn(|| frames_a_second(&mut hearer, stop));
            let rate = pacing::repeat(PER_SECOND, stop, |n| {
                let packet = RawPacket { stream: 666, number: n as u32, frames: FRAMES, codec: Codec::Pcm16 };
                attacker.send_with(|out| packet.write(&payload, out));
            });
            Ok((rate, heard.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))))
        })
    })?;
    let mut outcome = AttackOutcome { done: format!("{rate:.0} packets a second"), ..AttackOutcome::default() };
    honest.judge(&mut outcome);
    outcome.bounded("frames of theirs forwarded a second", heard, "", Bound::AtMost(MOST_FRAMES));
    Ok(outcome)
}

fn leave_gaps(context: &AttackContext<'_>) -> Result<AttackOutcome, AttackError> {
    let server = context.start_server()?;
    let (honest, rate) = context.band(&server).play_during(|stop, _| {
        let (_seated, mut media) = context.musician(&server, Segment::Attackers, 0)?;
        Ok(pacing::repeat(GAPS_PER_SECOND, stop, |n| {
            // The counters begin above those that the join has used.
            let (lane, counter) = (Lane::from_number((n % LANES) as u8), 1000 + n / LANES * STEP);
            media.send_as(lane, counter, |out| write_frame(&Frame::KeepAlive, out));
        }))
    })?;
    let mut outcome = AttackOutcome { done: format!("{rate:.0} datagrams a second"), ..AttackOutcome::default() };
    honest.judge(&mut outcome);
    Ok(outcome)
}
