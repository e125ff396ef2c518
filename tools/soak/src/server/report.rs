//! Results of the soak test, and their limits.

use rtjam_load::process::ProcessUsage;
use rtjam_protocol::Micros;
use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Limit for each musician's return.
const BACK_WITHIN: Micros = Micros::from_secs(2);

/// Normal fluctuation of the allocator, pages of the database, and the retransmit buffers of the musicians, which reach their
/// size after a while. (Constant after a minute.)
const GROWTH_KIB: i64 = 2048;

/// Kind of disturbance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// The musician was not in the room.
    Joined,
    /// The musician's address changed.
    Moved,
}

/// One return.
#[derive(Clone, Copy, Debug)]
pub struct Return {
    /// Kind of disturbance.
    pub how: Disturbance,
    /// Time until the musician heard all others, and all others heard the musician.
    pub took: Micros,
    /// Time that this machine withheld meanwhile from everyone.
    pub stalled: Micros,
}

/// The server's process at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Time since the warm-up.
    pub at: Micros,
    /// As it was.
    pub figures: ProcessUsage,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProcessUsage { rss_kib, threads, descriptors, .. } = self.figures;
        write!(f, "{:>5} s: {rss_kib} KiB, {threads} threads, {descriptors} descriptors", self.at.0 / 1_000_000)
    }
}

/// The server's own metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerMetrics {
    /// Musicians in the room.
    pub musicians: u64,
    /// Audio packets received.
    pub packets: u64,
    /// Audio packets lost on the way.
    pub lost: u64,
    /// Sessions since the start.
    pub sessions: u64,
}

/// Results of a soak test.
#[derive(Debug)]
pub struct ServerReport {
    /// The server before anybody joined.
    pub idle: ProcessUsage,
    /// After the warm-up.
    pub before: ProcessUsage,
    /// At the end, with everybody in the room.
    pub after: ProcessUsage,
    /// After everybody had left.
    pub end: ProcessUsage,
    /// In between.
    pub samples: Vec<Sample>,
    /// All returns.
    pub returns: Vec<Return>,
    /// Time that this machine withheld.
    pub stalled: Micros,
    /// The server's metrics at the end.
    pub figures: ServerMetrics,
    /// Musicians who were still counted after everybody had left.
    pub left: u64,
}

impl ServerReport {
    /// A sentence per exceeded limit.
    pub fn broken(&self) -> Vec<String> {
        let growth = self.growth_kib();
        let late = self.returns.iter().filter(|b| b.took.since(b.stalled) > BACK_WITHIN).count();
        let rules = [
            (growth > GROWTH_KIB, format!("the server grew by {growth} KiB")),
            (
                self.end.descriptors > self.idle.descriptors,
                format!("{} descriptors became {}", self.idle.descriptors, self.end.descriptors),
            ),
            (
                self.end.threads > self.idle.threads,
                format!("{} threads became {}", self.idle.threads, self.end.threads),
            ),
            (late > 0, format!("{late} of {} returns took longer than 2 s", self.returns.len())),
            (self.returns.is_empty(), "nobody returned".to_owned()),
            (self.left > 0, format!("{} musicians are still counted", self.left)),
        ];
        rules.into_iter().filter(|(broken, _)| *broken).map(|(_, sentence)| sentence).collect()
    }

    fn growth_kib(&self) -> i64 {
        self.after.rss_kib as i64 - self.before.rss_kib as i64
    }
}

impl fmt::Display for ServerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for sample in &self.samples {
            writeln!(f, "{sample}")?;
        }
        writeln!(f, "server, idle                  {:8} KiB", self.idle.rss_kib)?;
        writeln!(f, "server, after the warm-up     {:8} KiB", self.before.rss_kib)?;
        writeln!(f, "server, at the end            {:8} KiB", self.after.rss_kib)?;
        writeln!(f, "growth                        {:8} KiB", self.growth_kib())?;
        writeln!(f, "descriptors, before and after {:8} {}", self.idle.descriptors, self.end.descriptors)?;
        for (how, name) in [(Disturbance::Joined, "joined"), (Disturbance::Moved, "address changed")] {
            let mut took: Vec<u64> = self.returns.iter().filter(|b| b.how == how).map(|b| b.took.0 / 1000).collect();
            took.sort_unstable();
            let at = |share: usize| took.get(took.len() * share / 100).or(took.last()).copied().unwrap_or(0);
            writeln!(
                f,
                "{name:<16} {:6} times, back after {} ms (median), {} ms (99 %), {} ms (worst)",
                took.len(),
                at(50),
                at(99),
                took.last().copied().unwrap_or(0)
            )?;
        }
        let ServerMetrics { packets, lost, sessions, .. } = self.figures;
        let percent = lost as f64 * 100.0 / (packets + lost).max(1) as f64;
        writeln!(f, "the server counted            {sessions:8} sessions, {packets} packets, {percent:.2} % lost")?;
        write!(f, "this machine was busy for     {:8} ms", self.stalled.0 / 1000)
    }
}

/// Reads the server's `/metrics`.
///
/// # Panics
/// If the server does not answer.
pub(super) fn figures_of(server: SocketAddr) -> ServerMetrics {
    let text = get(server, "/metrics");
    let number = |name: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|n| n.trim().parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
    };
    ServerMetrics {
        musicians: number("rtjam_musicians"),
        packets: number("rtjam_audio_packets_total"),
        lost: number("rtjam_audio_lost_total"),
        sessions: number("rtjam_sessions_total"),
    }
}

fn get(server: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(server).expect("the server takes connections");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout can be set");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the server listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the server answers");
    answer
}
