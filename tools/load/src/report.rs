//! The results of a run.

use super::garbage::GarbageResult;
use super::musician::LoadMusician;
use super::options::MixMode;
use super::reception::DelayHistogram;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

/// The packets of a mix per second; each has 128 frames.
const MIX_PACKETS_PER_SECOND: f64 = 375.0;

/// The results of a run.
#[derive(Clone, Debug)]
pub struct LoadReport {
    /// Packets sent by the musicians.
    pub sent: u64,
    /// Packets that the musicians should have received: every packet of every other one in their room.
    pub expected: u64,
    /// Packets received, each counted once.
    pub received: u64,
    /// Packets expected and not received, including those that the load itself dropped.
    pub lost: u64,
    /// Packets received again.
    pub duplicated: u64,
    /// Datagrams that the kernel dropped because the load's sockets were full.
    pub own_drops: u64,
    /// One media datagram in this many was opened; the others were counted by their headers.
    pub opened_share: u64,
    /// The p50, p99, p99.9 and maximum of the time from sending until the datagram is in the receiver's socket, in µs.
    pub forward_us: [u64; 4],
    /// Processor time of the server while the musicians play, if its process is known.
    pub server_cpu: Option<Duration>,
    /// Forwarded packets a second.
    pub forwards_per_second: u64,
    /// The smallest and the largest share of a musician's packets that the others received, in percent, estimated from the
    /// opened datagrams.
    pub heard_pct: [f64; 2],
    /// The longest delay of the load behind its schedule, in µs.
    pub behind_us: u64,
    /// The result of sending garbage, if any was sent.
    pub garbage: Option<GarbageResult>,
}

/// The counts of a run, from which a report is made.
pub struct RunCounts<'a> {
    /// All musicians.
    pub musicians: &'a [LoadMusician],
    /// What they received.
    pub mix: MixMode,
    /// One media datagram in this many was opened.
    pub opened_share: u64,
    /// The delays of packets.
    pub delays: &'a DelayHistogram,
    /// Processor time of the server.
    pub server_cpu: Option<Duration>,
    /// How long they played.
    pub played: Duration,
    /// The longest delay of the load behind its schedule, in µs.
    pub behind_us: u64,
}

impl LoadReport {
    /// Sums the counts of a run.
    pub fn of(run: &RunCounts<'_>) -> LoadReport {
        let sum = |f: fn(&LoadMusician) -> u64| run.musicians.iter().map(f).sum::<u64>();
        let in_room: HashMap<usize, u64> = run.musicians.iter().fold(HashMap::new(), |mut rooms, p| {
            *rooms.entry(p.room).or_default() += 1;
            rooms
        });
        let expected = match run.mix {
            MixMode::Separate => run.musicians.iter().map(|p| p.sent * (in_room[&p.room] - 1)).sum(),
            MixMode::One => run.musicians.len() as u64 * (run.played.as_secs_f64() * MIX_PACKETS_PER_SECOND) as u64,
        };
        let received = if run.opened_share == 1 { sum(|p| p.reception.opened) } else { sum(|p| p.reception.datagrams) };
        let at = |share| run.delays.percentile(share);
        LoadReport {
            sent: sum(|p| p.sent),
            expected,
            received,
            lost: expected.saturating_sub(received),
            duplicated: sum(|p| p.reception.duplicated),
            own_drops: sum(LoadMusician::own_drops),
            opened_share: run.opened_share,
            forward_us: [at(0.5), at(0.99), at(0.999), run.delays.max()],
            server_cpu: run.server_cpu,
            forwards_per_second: (received as f64 / run.played.as_secs_f64()) as u64,
            heard_pct: heard_pct(run, &in_room),
            behind_us: run.behind_us,
            garbage: None,
        }
    }

    /// Processor time of the server per forwarded packet, in µs.
    pub fn cpu_us_per_forward(&self) -> Option<f64> {
        let used = self.server_cpu?;
        (self.received > 0).then(|| used.as_secs_f64() * 1e6 / self.received as f64)
    }

    /// One JSON object, whose fields other programs read.
    pub fn json(&self) -> Value {
        let [p50, p99, p999, max] = self.forward_us;
        let round = |x: f64| (x * 1000.0).round() / 1000.0;
        json!({
            "sent": self.sent,
            "expected": self.expected,
            "received": self.received,
            "lost": self.lost,
            "duplicated": self.duplicated,
            "own_drops": self.own_drops,
            "opened_share": 1.0 / self.opened_share as f64,
            "forward_us": { "p50": p50, "p99": p99, "p999": p999, "max": max },
            "server_cpu_s": self.server_cpu.map(|t| round(t.as_secs_f64())),
            "server_cpu_us_per_forward": self.cpu_us_per_forward().map(round),
            "forwards_per_second": self.forwards_per_second,
            "heard_pct": { "min": round(self.heard_pct[0]), "max": round(self.heard_pct[1]) },
            "behind_us": self.behind_us,
            "garbage": self.garbage.map(|g| json!({ "a_second": g.a_second, "answers": g.answers })),
        })
    }
}

/// The smallest and the largest share of a musician's packets that the others received.
fn heard_pct(run: &RunCounts<'_>, in_room: &HashMap<usize, u64>) -> [f64; 2] {
    let mut heard: HashMap<_, u64> = HashMap::new();
    for musician in run.musicians {
        for (source, packets) in musician.reception.by_source() {
            *heard.entry((musician.room, source)).or_default() += packets;
        }
    }
    let shares = run.musicians.iter().filter_map(|p| {
        let expected = p.sent * (in_room[&p.room] - 1);
        let packets = heard.get(&(p.room, p.source()?)).copied().unwrap_or(0) * run.opened_share;
        (expected > 0).then(|| packets as f64 * 100.0 / expected as f64)
    });
    let (least, most) = shares.fold((f64::MAX, 0.0_f64), |(a, b), s| (a.min(s), b.max(s)));
    [least.min(most), most]
}
