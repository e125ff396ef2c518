//! A stranger who knows the session ids of musicians forges datagrams.

use super::{Attack, AttackContext};
use crate::error::AttackError;
use crate::outcome::{AttackOutcome, Bound};
use crate::pacing::{self, StopSignal};
use crate::raw_media::{LANE, write_header};
use crate::testbed::Segment;
use rtjam_protocol::SessionId;
use std::net::{SocketAddr, UdpSocket};

pub(super) const ATTACK: Attack = Attack {
    name: "forged",
    what: "a stranger sends 30,000 forged datagrams a second with the session ids of musicians",
    run,
};

const PER_SECOND: u32 = 30_000;

/// The size of a datagram with 128 frames, in bytes.
const LENGTH: usize = 571;

fn run(context: &AttackContext<'_>) -> Result<AttackOutcome, AttackError> {
    let server = context.start_server()?;
    let (honest, (rate, answers)) = context
        .band(&server)
        .play_during(|stop, victims| context.testbed.inside(Segment::Attackers, || forge(stop, victims)))?;
    let mut outcome = AttackOutcome { done: format!("{rate:.0} datagrams a second"), ..AttackOutcome::default() };
    honest.judge(&mut outcome);
    outcome.bounded("answers to forged datagrams", answers as f64, "", Bound::AtMost(0.0));
    Ok(outcome)
}

fn forge(stop: &StopSignal, victims: &[SessionId]) -> Result<(f64, usize), AttackError> {
    let (segment, mut sockets) = (Segment::Attackers, Vec::new());
    for n in 0..usize::from(segment.addresses()) {
        let socket = UdpSocket::bind(SocketAddr::new(segment.address(n), 0))?;
        socket.connect(SocketAddr::new(segment.server(), rtjam_protocol::link::DEFAULT_PORT))?;
        socket.set_nonblocking(true)?;
        sockets.push(socket);
    }
    let mut datagram = Vec::new();
    let rate = pacing::repeat(PER_SECOND, stop, |n| {
        // Counters that the victim is about to use.
        write_header(0, LANE, victims[n as usize % victims.len()], n + 1, &mut datagram);
        datagram.resize(LENGTH, n as u8);
        let _ = sockets[n as usize % sockets.len()].send(&datagram);
    });
    let mut buffer = [0; 2048];
    let answers = sockets.iter().map(|s| std::iter::from_fn(|| s.recv(&mut buffer).ok()).count()).sum();
    Ok((rate, answers))
}
