//! A legacy client behaves well until it has a seat, and then floods.

use super::{Attack, AttackContext, MOST_FRAMES, frames_a_second};
use crate::error::AttackError;
use crate::honest::{ATTACKED_ROOM, HonestMusicians};
use crate::outcome::{AttackOutcome, Bound};
use crate::pacing::{self, StopSignal};
use crate::target_server::TargetServer;
use crate::testbed::Segment;
use rtjam_tests::legacy::{SILENCE, packet};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

pub(super) const ATTACK: Attack = Attack {
    name: "classic-flood",
    what: "a legacy client gets a seat and then sends 12,000 packets of 128 frames a second",
    run,
};

const PORT: u16 = 7892;
const CLIENT: u32 = 666;

/// The packets of [`FRAMES`] frames per second at an audio rate, which get the client a seat.
const HONEST: u32 = 375;
const FRAMES: usize = 128;

/// Long enough to get a seat, for which the server requires half a second at that rate.
const PROBATION: Duration = Duration::from_millis(1500);

const PER_SECOND: u32 = 12_000;

fn run(context: &AttackContext<'_>) -> Result<AttackOutcome, AttackError> {
    let server = TargetServer::start(context.testbed, context.server, &["--classic", &format!("0.0.0.0:{PORT}")])?;
    let band: HonestMusicians<'_> = context.band(&server);
    let (honest, (rate, heard)) = band.play_during(|stop, _| {
        let (_seat, mut hearer) = context.musician(&server, Segment::Newcomers, 0)?;
        std::thread::scope(|scope| {
            let flood = context.testbed.spawn(scope, Segment::Attackers, || flood(stop));
            let heard = frames_a_second(&mut hearer, stop);
            let rate = flood.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            Ok((rate, heard))
        })
    })?;
    let mut outcome = AttackOutcome {
        done: format!("{rate:.0} packets a second to room {ATTACKED_ROOM}"),
        ..AttackOutcome::default()
    };
    honest.judge(&mut outcome);
    outcome.bounded("frames of theirs forwarded a second", heard, "", Bound::AtMost(MOST_FRAMES));
    Ok(outcome)
}

fn flood(stop: &StopSignal) -> Result<f64, AttackError> {
    let segment = Segment::Attackers;
    let socket = UdpSocket::bind(SocketAddr::new(segment.address(0), 0))?;
    socket.connect(SocketAddr::new(segment.server(), PORT))?;
    socket.set_nonblocking(true)?;
    let (mut sequence, mut server_time, mut buffer) = (0, 0, [0; 2048]);
    let mut send = |_: u64| {
        while let Ok(len) = socket.recv(&mut buffer) {
            if let Some(time) = buffer[..len].get(4..12).and_then(|bytes| bytes.first_chunk()) {
                server_time = u64::from_be_bytes(*time);
            }
        }
        let samples = [SILENCE + 400; FRAMES];
        let _ = socket.send(&packet(CLIENT, sequence, server_time, [&samples, &samples]));
        sequence += 1;
    };
    let seated = StopSignal::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(PROBATION);
            seated.request();
        });
        pacing::repeat(HONEST, &seated, &mut send);
    });
    Ok(pacing::repeat(PER_SECOND, stop, send))
}
