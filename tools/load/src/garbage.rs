//! Garbage datagrams: random, truncated, replayed, with flipped bits, or with authentic headers.

use super::options::LoadOptions;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// The result of sending garbage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GarbageResult {
    /// Datagrams sent a second.
    pub a_second: u64,
    /// Datagrams received in answer.
    pub answers: usize,
}

/// Sends garbage to `target`, as much as the options say, while `play` runs. It is derived from `genuine` datagrams. Returns
/// the result of `play`, and of the garbage if any was sent.
pub fn send_during<T>(
    options: &LoadOptions,
    target: SocketAddr,
    genuine: Vec<Vec<u8>>,
    play: impl FnOnce() -> T,
) -> (T, Option<GarbageResult>) {
    let a_second = options.garbage as usize;
    if a_second == 0 {
        return (play(), None);
    }
    let count = (options.seconds.as_secs_f64() * a_second as f64) as usize;
    let send = move || {
        let began = Instant::now();
        let Answers(answers) = Garbage::new(1, genuine).send(target, count, a_second);
        GarbageResult { a_second: (count as f64 / began.elapsed().as_secs_f64()) as u64, answers }
    };
    std::thread::scope(|scope| {
        let sender = scope.spawn(send);
        let played = play();
        // The thread panics only without a socket, which it has already printed.
        (played, sender.join().ok())
    })
}

/// Makes garbage from a seed and from genuine datagrams.
pub struct Garbage {
    state: u64,
    genuine: Vec<Vec<u8>>,
}

/// The number of datagrams received in answer to garbage.
#[derive(Debug, PartialEq, Eq)]
pub struct Answers(pub usize);

impl Garbage {
    /// Datagrams in `genuine` are replayed, truncated and altered.
    pub fn new(seed: u64, genuine: Vec<Vec<u8>>) -> Garbage {
        Garbage { state: seed | 1, genuine }
    }

    /// Sends `count` datagrams to `target` from several sockets, at a rate of `per_second`, and counts the answers.
    ///
    /// # Panics
    /// When the system gives no socket.
    pub fn send(&mut self, target: SocketAddr, count: usize, per_second: usize) -> Answers {
        let sockets: Vec<UdpSocket> = (0..4).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a free port")).collect();
        for socket in &sockets {
            socket.set_nonblocking(true).expect("a socket can be made non-blocking");
        }
        let began = Instant::now();
        let mut answers = 0;
        let mut datagram = Vec::with_capacity(2048);
        for n in 0..count {
            self.make(&mut datagram);
            // A datagram is lost when the send buffer is full.
            let _ = sockets[n % sockets.len()].send_to(&datagram, target);
            if n % 64 == 0 {
                pace(began, n, per_second);
                answers += drain(&sockets);
            }
        }
        Answers(answers + drain(&sockets))
    }

    /// Makes the next datagram.
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
                // An authentic header with a future counter, followed by noise.
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
