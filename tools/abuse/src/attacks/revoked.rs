//! A musician keeps playing with a revoked link.

use super::{Attack, AttackContext};
use crate::error::AttackError;
use crate::honest::ATTACKED_ROOM;
use crate::outcome::{AttackOutcome, Bound};
use crate::raw_client::{RawClient, block_on};
use crate::raw_media::RawPacket;
use crate::target_server::link_from;
use crate::testbed::Segment;
use rtjam_protocol::audio::Codec;
use rtjam_protocol::datagram::Frame;
use std::time::{Duration, Instant};

pub(super) const ATTACK: Attack = Attack {
    name: "revoked",
    what: "a musician keeps playing, and resumes, with a link that `invite --renew` has revoked",
    run,
};

/// How long the server can take to end the sessions of a renewed link.
const RENEWAL_TIME: Duration = Duration::from_secs(2);

/// How long the musician plays before and after that.
const PLAY_TIME: Duration = Duration::from_millis(1500);

const FRAMES: u16 = 128;
const PACKET: Duration = Duration::from_nanos(2_666_667);
const STREAM: u32 = 666;

fn run(context: &AttackContext<'_>) -> Result<AttackOutcome, AttackError> {
    let server = context.start_server()?;
    let attackers = Segment::Attackers;
    let old = RawClient::new(&link_from(attackers, &server.invite(ATTACKED_ROOM, &[])?)?, attackers.address(0));
    let (seated, mut holder) = context.seat(attackers, &old)?;
    // A receiver with another role, whom the renewal does not affect.
    let moderators = link_from(attackers, &server.invite(ATTACKED_ROOM, &["--role", "moderator"])?)?;
    let (_keeps_seat, mut hearer) = context.seat(attackers, &RawClient::new(&moderators, attackers.address(1)))?;

    let (start, payload, mut number) = (Instant::now(), [0x11; FRAMES as usize * 4], 0);
    let mut play = |time: Duration| {
        let (began, mut heard) = (Instant::now(), 0_u32);
        while began.elapsed() < time {
            while start + PACKET * number <= Instant::now() {
                let packet = RawPacket { stream: STREAM, number, frames: FRAMES, codec: Codec::Pcm16 };
                holder.send_with(|out| packet.write(&payload, out));
                number += 1;
            }
            let ours = |frame: &Frame<'_>| matches!(frame, Frame::Audio(a) if a.header.stream.0 == STREAM);
            hearer.receive(|frame, _| heard += u32::from(ours(frame)));
            holder.receive(|_, _| {});
            std::thread::park_timeout(Duration::from_micros(500));
        }
        heard
    };
    let before = play(PLAY_TIME);
    let renewed = link_from(attackers, &server.invite(ATTACKED_ROOM, &["--renew"])?)?;
    play(RENEWAL_TIME);
    let after = play(PLAY_TIME);
    let token = &seated.joined.resume;
    let (resumed, afresh, invited) = context.testbed.inside(attackers, || {
        block_on(async {
            let resumed = old.join_once(Some(token)).await;
            let afresh = old.join_once(None).await;
            (resumed.is_ok(), afresh.is_ok(), RawClient::new(&renewed, old.from).join_once(None).await.is_ok())
        })
    });
    let mut outcome = AttackOutcome { done: format!("played {before} packets before"), ..AttackOutcome::default() };
    let yes = |condition| f64::from(u8::from(condition));
    outcome.bounded("packets heard before", before.into(), "", Bound::AtLeast(400.0));
    outcome.bounded("packets of theirs heard 2 s after the renewal", after.into(), "", Bound::AtMost(0.0));
    outcome.bounded("resumed by the old token", yes(resumed), "", Bound::AtMost(0.0));
    outcome.bounded("joined by the old link", yes(afresh), "", Bound::AtMost(0.0));
    outcome.bounded("joined by the new link", yes(invited), "", Bound::AtLeast(1.0));
    Ok(outcome)
}
