//! The figures.

use super::garbage::Thrown;
use super::options::Mix;
use super::player::Player;
use super::tally::Delays;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

/// A packet of a mix has 128 frames.
const MIXES_A_SECOND: f64 = 375.0;

/// What a run showed.
#[derive(Clone, Debug)]
pub struct Report {
    /// Packets that musicians sent.
    pub sent: u64,
    /// Packets that musicians should have heard: each of every other in the room.
    pub expected: u64,
    /// Packets that they heard, each once.
    pub received: u64,
    /// Expected and not received; those dropped by the load itself are among them.
    pub lost: u64,
    /// Packets heard again.
    pub duplicated: u64,
    /// Datagrams that the load's own sockets had no room for.
    pub own_drops: u64,
    /// One media datagram in this many was opened; the others were counted by their headers.
    pub opened_share: u64,
    /// p50, p99, p99.9 and the longest, from before sending until it lies in the recipient's socket, in µs.
    pub forward_us: [u64; 4],
    /// Processor time of the server while playing, when its process is known.
    pub server_cpu: Option<Duration>,
    /// Forwarded packets a second.
    pub forwards_per_second: u64,
    /// Of the musician who was heard the least and the one who was heard the most, the share that was heard, in
    /// percent (of the datagrams that were opened).
    pub heard_pct: [f64; 2],
    /// How far the load was behind its own schedule at worst, in µs.
    pub behind_us: u64,
    /// What came of the garbage, if any was thrown.
    pub garbage: Option<Thrown>,
}

/// What a run has counted, to be made a report of.
pub struct Counted<'a> {
    /// Everyone.
    pub players: &'a [Player],
    /// What they heard.
    pub mix: Mix,
    /// One media datagram in this many was opened.
    pub opened_share: u64,
    /// How long packets took.
    pub delays: &'a Delays,
    /// Processor time of the server.
    pub server_cpu: Option<Duration>,
    /// How long was played.
    pub played: Duration,
    /// How far the load was behind.
    pub behind_us: u64,
}

impl Report {
    /// Adds up.
    pub fn of(run: &Counted<'_>) -> Report {
        let sum = |f: fn(&Player) -> u64| run.players.iter().map(f).sum::<u64>();
        let in_room: HashMap<usize, u64> = run.players.iter().fold(HashMap::new(), |mut rooms, p| {
            *rooms.entry(p.room).or_default() += 1;
            rooms
        });
        let expected = match run.mix {
            Mix::Separate => run.players.iter().map(|p| p.sent * (in_room[&p.room] - 1)).sum(),
            Mix::One => run.players.len() as u64 * (run.played.as_secs_f64() * MIXES_A_SECOND) as u64,
        };
        let received = if run.opened_share == 1 { sum(|p| p.heard.opened) } else { sum(|p| p.heard.datagrams) };
        let at = |share| run.delays.percentile(share);
        Report {
            sent: sum(|p| p.sent),
            expected,
            received,
            lost: expected.saturating_sub(received),
            duplicated: sum(|p| p.heard.duplicated),
            own_drops: sum(Player::own_drops),
            opened_share: run.opened_share,
            forward_us: [at(0.5), at(0.99), at(0.999), run.delays.max()],
            server_cpu: run.server_cpu,
            forwards_per_second: (received as f64 / run.played.as_secs_f64()) as u64,
            heard_pct: heard_pct(run, &in_room),
            behind_us: run.behind_us,
            garbage: None,
        }
    }

    /// Processor time of the server a forwarded packet, in µs.
    pub fn cpu_us_per_forward(&self) -> Option<f64> {
        let used = self.server_cpu?;
        (self.received > 0).then(|| used.as_secs_f64() * 1e6 / self.received as f64)
    }

    /// One object; the names are a contract.
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

/// The share of each musician's packets that the others heard; the least and the most.
fn heard_pct(run: &Counted<'_>, in_room: &HashMap<usize, u64>) -> [f64; 2] {
    let mut heard: HashMap<_, u64> = HashMap::new();
    for player in run.players {
        for (source, packets) in player.heard.by_source() {
            *heard.entry((player.room, source)).or_default() += packets;
        }
    }
    let shares = run.players.iter().filter_map(|p| {
        let expected = p.sent * (in_room[&p.room] - 1);
        let packets = heard.get(&(p.room, p.source()?)).copied().unwrap_or(0) * run.opened_share;
        (expected > 0).then(|| packets as f64 * 100.0 / expected as f64)
    });
    let (least, most) = shares.fold((f64::MAX, 0.0_f64), |(a, b), s| (a.min(s), b.max(s)));
    [least.min(most), most]
}
