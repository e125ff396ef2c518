//! A hostile receiver claims that late packets are of no use.

use super::{Attack, AttackContext};
use crate::error::AttackError;
use crate::outcome::{AttackOutcome, Bound};
use crate::raw_media::{LANE, RawMedia, RawPacket};
use crate::testbed::Segment;
use rtjam_protocol::SourceId;
use rtjam_protocol::audio::Codec;
use rtjam_protocol::datagram::{Frame, kind};
use std::time::{Duration, Instant};

pub(super) const ATTACK: Attack = Attack {
    name: "nack-zero",
    what: "one of four receivers claims to wait 0 ms for retransmitted packets; the others wait 20 ms",
    run,
};

const FRAMES: u16 = 128;
const PACKET: Duration = Duration::from_nanos(2_666_667);

/// One packet in this many is lost on the way to the server.
const LOST: u32 = 50;

/// The interval of feedback from the receivers.
const FEEDBACK_INTERVAL: Duration = Duration::from_millis(250);

/// The waits of honest receivers and of the hostile one, in units of 10 µs.
const WAIT: u16 = 2000;
const NONE: u16 = 0;

/// After this time the server knows all waits.
const WARM_UP: Duration = Duration::from_secs(2);

/// The shortest wait, in ms, with which the sender would still retransmit.
const LEAST_MS: f64 = 10.0;

fn run(context: &AttackContext<'_>) -> Result<AttackOutcome, AttackError> {
    let server = context.start_server()?;
    let segment = Segment::Attackers;
    let (_sender, mut sender) = context.musician(&server, segment, 0)?;
    let mut receivers = Vec::new();
    for address in 1..=4 {
        receivers.push(context.musician(&server, segment, address)?);
    }
    let made = sender.joined.source;
    let mut told = [None, None];
    for (phase, hostile_wait) in [(0, WAIT), (1, NONE)] {
        let waits = [WAIT, WAIT, WAIT, hostile_wait];
        let mut receivers: Vec<ClaimingReceiver<'_>> = receivers
            .iter_mut()
            .zip(waits)
            .map(|((_, media), wait)| ClaimingReceiver { media, wait, newest: Vec::new() })
            .collect();
        told[phase] = play(&mut sender, &mut receivers, made, WARM_UP + context.length);
    }
    let mut outcome = AttackOutcome {
        done: format!("2 % loss, feedback every {} ms", FEEDBACK_INTERVAL.as_millis()),
        ..AttackOutcome::default()
    };
    let ms = |wait: Option<f64>| wait.unwrap_or(0.0);
    outcome.bounded("wait that the musician is told: all honest", ms(told[0]), "ms", Bound::AtLeast(LEAST_MS));
    outcome.bounded("wait that the musician is told: one hostile", ms(told[1]), "ms", Bound::AtLeast(LEAST_MS));
    Ok(outcome)
}

/// A receiver of the sender, and the wait that it claims.
struct ClaimingReceiver<'a> {
    media: &'a mut RawMedia,
    wait: u16,
    /// The newest counter of each lane of the server.
    newest: Vec<(u8, u64)>,
}

/// The sender plays and loses packets. Returns the shortest wait that the server reports to it after the warm-up, in ms.
fn play(sender: &mut RawMedia, receivers: &mut [ClaimingReceiver<'_>], made: SourceId, time: Duration) -> Option<f64> {
    let (began, payload, mut number, mut tell_at) = (Instant::now(), [0; FRAMES as usize * 4], 0, Instant::now());
    let stream = 7000 + u32::from(receivers.iter().any(|h| h.wait == NONE));
    let mut told = None;
    while began.elapsed() < time {
        while began + PACKET * number <= Instant::now() {
            if number % LOST == LOST - 1 {
                sender.lose_one();
            } else {
                let packet = RawPacket { stream, number, frames: FRAMES, codec: Codec::Pcm16 };
                sender.send_with(|out| packet.write(&payload, out));
            }
            number += 1;
        }
        let counted = began.elapsed() > WARM_UP;
        sender.receive(|frame, _| {
            if let Frame::Feedback(feedback) = frame
                && feedback.lane == LANE
                && counted
                && let Some(wait) = feedback.waits.of(SourceId(0))
            {
                let ms = wait.0 as f64 / 1000.0;
                told = Some(told.map_or(ms, |least: f64| least.min(ms)));
            }
        });
        let tell = tell_at <= Instant::now();
        if tell {
            tell_at += FEEDBACK_INTERVAL;
        }
        receivers.iter_mut().for_each(|receiver| receiver.receive(tell.then_some(made)));
        std::thread::park_timeout(Duration::from_millis(1));
    }
    told
}

impl ClaimingReceiver<'_> {
    fn receive(&mut self, tell: Option<SourceId>) {
        let newest = &mut self.newest;
        self.media.receive_headers(|header| match newest.iter_mut().find(|(lane, _)| *lane == header.lane.number()) {
            Some((_, counter)) => *counter = (*counter).max(header.counter.get()),
            None => newest.push((header.lane.number(), header.counter.get())),
        });
        let Some(made) = tell else { return };
        for (lane, counter) in self.newest.clone() {
            let wait = self.wait;
            self.media.send_with(|out| write_feedback(lane, counter, made, wait, out));
        }
    }
}

/// Appends a feedback frame that reports no missing datagrams and accepts redundant copies.
fn write_feedback(lane: u8, newest: u64, source: SourceId, wait: u16, out: &mut Vec<u8>) {
    let mut body = vec![lane];
    body.extend_from_slice(&newest.to_be_bytes()[1..]);
    body.push(1);
    body.extend_from_slice(&[0; 8]);
    body.push(1);
    body.extend_from_slice(&source.0.to_be_bytes());
    body.extend_from_slice(&wait.to_be_bytes());
    body.push(0);
    out.push(kind::FEEDBACK);
    out.extend_from_slice(&(body.len() as u16).to_be_bytes());
    out.extend_from_slice(&body);
}
