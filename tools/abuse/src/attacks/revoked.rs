//! Somebody keeps playing by a link that has been revoked.

use super::{Attack, Setting};
use crate::guest::{Guest, block_on};
use crate::honest::SAME;
use crate::house::link_from;
use crate::media::Packet;
use crate::outcome::{Bound, Outcome};
use crate::town::Quarter;
use crate::trouble::Trouble;
use rtjam_protocol::audio::Codec;
use rtjam_protocol::datagram::Frame;
use std::time::{Duration, Instant};

pub(super) const ATTACK: Attack = Attack {
    name: "revoked",
    what: "a musician plays on, and resumes, by a link that `invite --renew` has revoked",
    run,
};

/// A running server acts on a renewed invitation within this time.
const GRACE: Duration = Duration::from_secs(2);

/// Played before and after.
const SPELL: Duration = Duration::from_millis(1500);

const FRAMES: u16 = 128;
const PACKET: Duration = Duration::from_nanos(2_666_667);
const STREAM: u32 = 666;

fn run(setting: &Setting<'_>) -> Result<Outcome, Trouble> {
    let house = setting.house()?;
    let attackers = Quarter::Attackers;
    let old = Guest::new(&link_from(attackers, &house.invite(SAME, &[])?)?, attackers.address(0));
    let (seated, mut holder) = setting.seat(attackers, &old)?;
    // Someone admitted by another secret, who stays.
    let moderators = link_from(attackers, &house.invite(SAME, &["--role", "moderator"])?)?;
    let (_keeps_seat, mut hearer) = setting.seat(attackers, &Guest::new(&moderators, attackers.address(1)))?;

    let (start, payload, mut number) = (Instant::now(), [0x11; FRAMES as usize * 4], 0);
    let mut play = |time: Duration| {
        let (began, mut heard) = (Instant::now(), 0_u32);
        while began.elapsed() < time {
            while start + PACKET * number <= Instant::now() {
                let packet = Packet { stream: STREAM, number, frames: FRAMES, codec: Codec::Pcm16 };
                holder.send_with(|out| packet.write(&payload, out));
                number += 1;
            }
            let ours = |frame: &Frame<'_>| matches!(frame, Frame::Audio(a) if a.header.stream.0 == STREAM);
            hearer.hear(|frame, _| heard += u32::from(ours(frame)));
            holder.hear(|_, _| {});
            std::thread::park_timeout(Duration::from_micros(500));
        }
        heard
    };
    let before = play(SPELL);
    let renewed = link_from(attackers, &house.invite(SAME, &["--renew"])?)?;
    play(GRACE);
    let after = play(SPELL);
    let token = &seated.joined.resume;
    let (resumed, afresh, invited) = setting.town.inside(attackers, || {
        block_on(async {
            let resumed = old.ask(Some(token)).await;
            let afresh = old.ask(None).await;
            (resumed.is_ok(), afresh.is_ok(), Guest::new(&renewed, old.from).ask(None).await.is_ok())
        })
    });
    let mut outcome = Outcome { done: format!("played {before} packets before"), ..Outcome::default() };
    let yes = |condition| f64::from(u8::from(condition));
    outcome.bounded("packets heard before", before.into(), "", Bound::AtLeast(400.0));
    outcome.bounded("packets of theirs heard 2 s after the renewal", after.into(), "", Bound::AtMost(0.0));
    outcome.bounded("resumed by the old token", yes(resumed), "", Bound::AtMost(0.0));
    outcome.bounded("joined by the old link", yes(afresh), "", Bound::AtMost(0.0));
    outcome.bounded("joined by the new link", yes(invited), "", Bound::AtLeast(1.0));
    Ok(outcome)
}
