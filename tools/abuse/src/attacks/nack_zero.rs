//! A hostile listener says that nothing late is of use to them.

use super::{Attack, Setting};
use crate::media::{LANE, Media, Packet};
use crate::outcome::{Bound, Outcome};
use crate::town::Quarter;
use crate::trouble::Trouble;
use rtjam_protocol::SourceId;
use rtjam_protocol::audio::Codec;
use rtjam_protocol::datagram::{Frame, kind};
use std::time::{Duration, Instant};

pub(super) const ATTACK: Attack = Attack {
    name: "nack-zero",
    what: "of four who hear a musician, one claims to wait 0 ms for what is late; the others wait 20 ms",
    run,
};

const FRAMES: u16 = 128;
const PACKET: Duration = Duration::from_nanos(2_666_667);

/// One packet in so many is lost on the way to the server.
const LOST: u32 = 50;

/// Feedback of those who hear is sent this often.
const TELL: Duration = Duration::from_millis(250);

/// What honest listeners wait, and what the hostile one says, in 1/100 ms.
const WAIT: u16 = 2000;
const NONE: u16 = 0;

/// Who hears whom for how long is known after this time.
const WARM_UP: Duration = Duration::from_secs(2);

/// The maker must be told at least this wait, in ms, or nothing would be sent again.
const LEAST_MS: f64 = 10.0;

fn run(setting: &Setting<'_>) -> Result<Outcome, Trouble> {
    let house = setting.house()?;
    let quarter = Quarter::Attackers;
    let (_maker, mut maker) = setting.musician(&house, quarter, 0)?;
    let mut hearers = Vec::new();
    for address in 1..=4 {
        hearers.push(setting.musician(&house, quarter, address)?);
    }
    let made = maker.joined.source;
    let mut told = [None, None];
    for (phase, hostile_wait) in [(0, WAIT), (1, NONE)] {
        let waits = [WAIT, WAIT, WAIT, hostile_wait];
        let mut hearers: Vec<Hearer<'_>> = hearers
            .iter_mut()
            .zip(waits)
            .map(|((_, media), wait)| Hearer { media, wait, newest: Vec::new() })
            .collect();
        told[phase] = play(&mut maker, &mut hearers, made, WARM_UP + setting.length);
    }
    let mut outcome =
        Outcome { done: format!("2 % loss, feedback every {} ms", TELL.as_millis()), ..Outcome::default() };
    let ms = |wait: Option<f64>| wait.unwrap_or(0.0);
    outcome.bounded("wait that the musician is told: all honest", ms(told[0]), "ms", Bound::AtLeast(LEAST_MS));
    outcome.bounded("wait that the musician is told: one hostile", ms(told[1]), "ms", Bound::AtLeast(LEAST_MS));
    Ok(outcome)
}

/// Someone who hears the maker and says for how long they wait.
struct Hearer<'a> {
    media: &'a mut Media,
    wait: u16,
    /// The newest counter of each of the server's lanes.
    newest: Vec<(u8, u64)>,
}

/// The maker plays and loses packets. Returns the least wait that they were told at the end, in ms.
fn play(maker: &mut Media, hearers: &mut [Hearer<'_>], made: SourceId, time: Duration) -> Option<f64> {
    let (began, payload, mut number, mut tell_at) = (Instant::now(), [0; FRAMES as usize * 4], 0, Instant::now());
    let stream = 7000 + u32::from(hearers.iter().any(|h| h.wait == NONE));
    let mut told = None;
    while began.elapsed() < time {
        while began + PACKET * number <= Instant::now() {
            if number % LOST == LOST - 1 {
                maker.lose_one();
            } else {
                let packet = Packet { stream, number, frames: FRAMES, codec: Codec::Pcm16 };
                maker.send_with(|out| packet.write(&payload, out));
            }
            number += 1;
        }
        let counted = began.elapsed() > WARM_UP;
        maker.hear(|frame, _| {
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
            tell_at += TELL;
        }
        hearers.iter_mut().for_each(|hearer| hearer.hear(tell.then_some(made)));
        std::thread::park_timeout(Duration::from_millis(1));
    }
    told
}

impl Hearer<'_> {
    fn hear(&mut self, tell: Option<SourceId>) {
        let newest = &mut self.newest;
        self.media.hear_datagrams(|header| match newest.iter_mut().find(|(lane, _)| *lane == header.lane.number()) {
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

/// Appends a feedback frame that misses nothing and welcomes copies.
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
