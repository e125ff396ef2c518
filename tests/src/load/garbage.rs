//! Garbage at the musicians' own port, by another thread, while they play.

use super::Report;
use super::options::Options;
use crate::garbage::{Answers, Garbage};
use std::net::SocketAddr;
use std::time::Instant;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thrown {
    /// Datagrams thrown a second.
    pub a_second: u64,
    /// Datagrams that came back.
    pub answers: usize,
}

/// Throws what the options ask for at `target` while `play` runs. What is thrown comes from `genuine` datagrams.
pub fn beside(options: &Options, target: SocketAddr, genuine: Vec<Vec<u8>>, play: impl FnOnce() -> Report) -> Report {
    let a_second = options.garbage as usize;
    if a_second == 0 {
        return play();
    }
    let count = (options.seconds.as_secs_f64() * a_second as f64) as usize;
    let throw = move || {
        let began = Instant::now();
        let Answers(answers) = Garbage::new(1, genuine).throw(target, count, a_second);
        Thrown { a_second: (count as f64 / began.elapsed().as_secs_f64()) as u64, answers }
    };
    std::thread::scope(|scope| {
        let thrower = scope.spawn(throw);
        let report = play();
        // It panics only where the machine gives no socket, which it has printed.
        Report { garbage: thrower.join().ok(), ..report }
    })
}
