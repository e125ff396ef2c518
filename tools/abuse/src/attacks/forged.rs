//! A stranger who knows musicians' session ids forges datagrams of theirs.

use super::{Attack, Setting};
use crate::media::{LANE, write_header};
use crate::outcome::{Bound, Outcome};
use crate::pace::{self, Stop};
use crate::town::Quarter;
use crate::trouble::Trouble;
use rtjam_protocol::SessionId;
use std::net::{SocketAddr, UdpSocket};

pub(super) const ATTACK: Attack = Attack {
    name: "forged",
    what: "a stranger sends 30,000 datagrams a second with the session ids of musicians, which do not open",
    run,
};

const PER_SECOND: u32 = 30_000;

/// The length of a packet of 128 frames.
const LENGTH: usize = 571;

fn run(setting: &Setting<'_>) -> Result<Outcome, Trouble> {
    let house = setting.house()?;
    let (honest, (rate, answers)) = setting
        .band(&house)
        .play_under(|stop, victims| setting.town.inside(Quarter::Attackers, || forge(stop, victims)))?;
    let mut outcome = Outcome { done: format!("{rate:.0} datagrams a second"), ..Outcome::default() };
    honest.judge(&mut outcome);
    outcome.bounded("answers to forged datagrams", answers as f64, "", Bound::AtMost(0.0));
    Ok(outcome)
}

fn forge(stop: &Stop, victims: &[SessionId]) -> Result<(f64, usize), Trouble> {
    let (quarter, mut sockets) = (Quarter::Attackers, Vec::new());
    for n in 0..usize::from(quarter.addresses()) {
        let socket = UdpSocket::bind(SocketAddr::new(quarter.address(n), 0))?;
        socket.connect(SocketAddr::new(quarter.server(), rtjam_protocol::link::DEFAULT_PORT))?;
        socket.set_nonblocking(true)?;
        sockets.push(socket);
    }
    let mut datagram = Vec::new();
    let rate = pace::run(PER_SECOND, stop, |n| {
        // Counters that the victim will use soon.
        write_header(0, LANE, victims[n as usize % victims.len()], n + 1, &mut datagram);
        datagram.resize(LENGTH, n as u8);
        let _ = sockets[n as usize % sockets.len()].send(&datagram);
    });
    let mut buffer = [0; 2048];
    let answers = sockets.iter().map(|s| std::iter::from_fn(|| s.recv(&mut buffer).ok()).count()).sum();
    Ok((rate, answers))
}
