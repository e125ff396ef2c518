//! A musician sends audio eleven times as fast as real time.

use super::{Attack, AttackContext, MOST_FRAMES, frames_a_second};
use crate::error::AttackError;
use crate::outcome::{AttackOutcome, Bound};
use crate::pacing;
use crate::raw_media::RawPacket;
use crate::testbed::Segment;
use rtjam_protocol::audio::Codec;

pub(super) const ATTACK: Attack = Attack {
    name: "packet-flood",
    what: "a musician sends 32,600 audio packets of 16 frames a second to a room of 17 others",
    run,
};

const PER_SECOND: u32 = 32_600;
const FRAMES: u16 = 16;

/// Further receivers in the room, besides the honest musicians.
const CROWD: usize = 12;

fn run(context: &AttackContext<'_>) -> Result<AttackOutcome, AttackError> {
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
