//! Garbage: datagrams that nobody should send (random, truncated, replayed, bit-flipped, with genuine headers), alone or
//! while musicians play.

use super::Report;
use super::options::Options;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

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

/// Makes garbage, from a seed and from genuine datagrams that were seen.
pub struct Garbage {
    state: u64,
    genuine: Vec<Vec<u8>>,
}

/// What came back while garbage was thrown.
#[derive(Debug, PartialEq, Eq)]
pub struct Answers(pub usize);

impl Garbage {
    /// `genuine` is what was captured; each is replayed, cut and altered.
    pub fn new(seed: u64, genuine: Vec<Vec<u8>>) -> Garbage {
        Garbage { state: seed | 1, genuine }
    }

    /// Throws `count` datagrams at `target`, `per_second` of them, from several sockets; counts answers.
    ///
    /// # Panics
    /// When no socket can be had.
    pub fn throw(&mut self, target: SocketAddr, count: usize, per_second: usize) -> Answers {
        let sockets: Vec<UdpSocket> = (0..4).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a free port")).collect();
        for socket in &sockets {
            socket.set_nonblocking(true).expect("a socket can be made non-blocking");
        }
        let began = Instant::now();
        let mut answers = 0;
        let mut datagram = Vec::with_capacity(2048);
        for n in 0..count {
            self.make(&mut datagram);
            // A full send buffer is the thrower's own trouble.
            let _ = sockets[n % sockets.len()].send_to(&datagram, target);
            if n % 64 == 0 {
                pace(began, n, per_second);
                answers += drain(&sockets);
            }
        }
        Answers(answers + drain(&sockets))
    }

    /// The next one.
    pub fn make(&mut self, out: &mut Vec<u8>) {
        out.clear();
        match self.next() % 6 {
            0 => self.noise(out, 1500),
            1 => {
                out.push(4 + (self.next() & 1) as u8);
                self.noise(out, 1400);
            }
            2 => self.replayed(out),
            3 => {
                self.replayed(out);
                let keep = self.below(out.len() + 1);
                out.truncate(keep);
            }
            4 => {
                self.replayed(out);
                for _ in 0..=self.below(3) {
                    let (at, bit) = (self.below(out.len().max(1)), self.below(8));
                    if let Some(byte) = out.get_mut(at) {
                        *byte ^= 1 << bit;
                    }
                }
            }
            _ => {
                self.replayed(out);
                // A genuine header with a counter from the future, then noise.
                out.truncate(14);
                if let Some(counter) = out.get_mut(7..14) {
                    counter.fill(0x70);
                }
                self.noise(out, 1200);
            }
        }
    }

    fn replayed(&mut self, out: &mut Vec<u8>) {
        match self.genuine.len() {
            0 => self.noise(out, 600),
            n => {
                let which = self.below(n);
                out.extend_from_slice(&self.genuine[which]);
            }
        }
    }

    fn noise(&mut self, out: &mut Vec<u8>, most: usize) {
        for _ in 0..self.below(most / 8) {
            out.extend_from_slice(&self.next().to_le_bytes());
        }
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// xorshift64.
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }
}

fn pace(began: Instant, sent: usize, per_second: usize) {
    let due = Duration::from_secs_f64(sent as f64 / per_second as f64);
    std::thread::park_timeout(due.saturating_sub(began.elapsed()));
}

fn drain(sockets: &[UdpSocket]) -> usize {
    let mut buffer = [0; 2048];
    sockets.iter().map(|s| std::iter::from_fn(|| s.recv(&mut buffer).ok()).count()).sum()
}
