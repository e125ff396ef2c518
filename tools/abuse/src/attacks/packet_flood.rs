//! One invited musician plays eleven times as fast as time passes.

use super::{Attack, MOST_FRAMES, Setting, frames_a_second};
use crate::media::Packet;
use crate::outcome::{Bound, Outcome};
use crate::pace;
use crate::town::Quarter;
use crate::trouble::Trouble;
use rtjam_protocol::audio::Codec;

pub(super) const ATTACK: Attack = Attack {
    name: "packet-flood",
    what: "a musician sends 32,600 audio packets of 16 frames a second to a room of 17 others",
    run,
};

const PER_SECOND: u32 = 32_600;
const FRAMES: u16 = 16;

/// People who hear the room beside the honest musicians who are counted.
const CROWD: usize = 12;

fn run(setting: &Setting<'_>) -> Result<Outcome, Trouble> {
    let house = setting.house()?;
    let (honest, (rate, heard)) = setting.band(&house).play_under(|stop, _| {
        let crowd = (0..CROWD).map(|n| setting.musician(&house, Quarter::Newcomers, n));
        let _crowd = crowd.collect::<Result<Vec<_>, Trouble>>()?;
        let (_hearer, mut hearer) = setting.musician(&house, Quarter::Attackers, 1)?;
        let (_attacker, mut attacker) = setting.musician(&house, Quarter::Attackers, 0)?;
        let payload = [0x11; FRAMES as usize * 4];
        std::thread::scope(|scope| {
            let heard = scope.spawn(|| frames_a_second(&mut hearer, stop));
            let rate = pace::run(PER_SECOND, stop, |n| {
                let packet = Packet { stream: 666, number: n as u32, frames: FRAMES, codec: Codec::Pcm16 };
                attacker.send_with(|out| packet.write(&payload, out));
            });
            Ok((rate, heard.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))))
        })
    })?;
    let mut outcome = Outcome { done: format!("{rate:.0} packets a second"), ..Outcome::default() };
    honest.judge(&mut outcome);
    outcome.bounded("frames of theirs forwarded a second", heard, "", Bound::AtMost(MOST_FRAMES));
    Ok(outcome)
}
