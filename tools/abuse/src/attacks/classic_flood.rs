//! A classic client behaves until it has a seat, and then does not.

use super::{Attack, MOST_FRAMES, Setting, frames_a_second};
use crate::honest::{Band, SAME};
use crate::house::House;
use crate::outcome::{Bound, Outcome};
use crate::pace::{self, Stop};
use crate::town::Quarter;
use crate::trouble::Trouble;
use rtjam_tests::legacy::{SILENCE, packet};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

pub(super) const ATTACK: Attack = Attack {
    name: "classic-flood",
    what: "a classic client has itself seated and then sends 12,000 packets of 128 frames a second",
    run,
};

const PORT: u16 = 7892;
const CLIENT: u32 = 666;

/// An audio rate, in packets of [`FRAMES`] frames, opens the port.
const HONEST: u32 = 375;
const FRAMES: usize = 128;

/// The server seats whoever has played at that rate for half a second.
const PROBATION: Duration = Duration::from_millis(1500);

const PER_SECOND: u32 = 12_000;

fn run(setting: &Setting<'_>) -> Result<Outcome, Trouble> {
    let house = House::open(setting.town, setting.server, &["--classic", &format!("0.0.0.0:{PORT}")])?;
    let band: Band<'_> = setting.band(&house);
    let (honest, (rate, heard)) = band.play_under(|stop, _| {
        let (_seat, mut hearer) = setting.musician(&house, Quarter::Newcomers, 0)?;
        std::thread::scope(|scope| {
            let flood = setting.town.spawn(scope, Quarter::Attackers, || flood(stop));
            let heard = frames_a_second(&mut hearer, stop);
            let rate = flood.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            Ok((rate, heard))
        })
    })?;
    let mut outcome = Outcome { done: format!("{rate:.0} packets a second to room {SAME}"), ..Outcome::default() };
    honest.judge(&mut outcome);
    outcome.bounded("frames of theirs forwarded a second", heard, "", Bound::AtMost(MOST_FRAMES));
    Ok(outcome)
}

fn flood(stop: &Stop) -> Result<f64, Trouble> {
    let quarter = Quarter::Attackers;
    let socket = UdpSocket::bind(SocketAddr::new(quarter.address(0), 0))?;
    socket.connect(SocketAddr::new(quarter.server(), PORT))?;
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
    let seated = Stop::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(PROBATION);
            seated.now();
        });
        pace::run(HONEST, &seated, &mut send);
    });
    Ok(pace::run(PER_SECOND, stop, send))
}
