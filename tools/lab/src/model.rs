//! Seeded models of typical networks.
//!
//! | model | base ms | jitter ms | stalls | loss | other |
//! |---|---|---|---|---|---|
//! | lan | 0.3 | 0.03 | | | |
//! | fiber | 8 | 0.25 | every 20 s, ≤ 4 ms | 0.05 %, runs of 1.5 | |
//! | cable | 12 | 0.8 | every 6 s, ≤ 8 ms | 0.2 %, runs of 2 | |
//! | wifi | 12 | 1.5 | every 1.2 s, ≤ 18 ms | 0.5 %, runs of 3 | |
//! | mobile | 25 | 3 | every 2.5 s, ≤ 30 ms | 0.5 %, runs of 3 | |
//! | step | 8 | 0.25 | | | +15 ms in the middle third |
//! | spike | 8 | 0.25 | | | one stall of 30 to 60 ms every 5 to 15 s |
//! | burst | 8 | 0.25 | | 2 %, runs of 5 | |
//! | reorder | 8 | 0.25 | | | 2 % of packets 3 to 8 ms late and overtaken |
//! | duplicate | 8 | 0.25 | | | 5 % of packets duplicated within 10 ms |
//!
//! The first five have the figures and the behaviour of the bad link over which RTJam is compared with other systems; its
//! `lte` is called `mobile` here. Jitter: an Erlang-2 variable of that mean, smoothed from packet to packet by 0.3; the order
//! is kept, so packets bunch as in a queue. Stalls: a Poisson process; each holds all packets for 30 to 100 % of the stated
//! time and then releases them together, as Wi-Fi does while it scans or backs off. Loss: the two-state model of Gilbert
//! (1960). The last five have a steady link and one impairment each, so that a table shows the cost of each.

use super::random::Random;
use super::stall::{HostCallbacks, Stall, StallSchedule, StallSite, StallWindow, held_until};
use super::trace::{LostTime, Packet, StallRecord, Trace};
use rtjam_protocol::audio::WIRE_RATE;
use std::fmt;
use std::str::FromStr;

/// A network model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the module's table is the documentation")]
pub enum Model {
    Lan,
    Fiber,
    Cable,
    Wifi,
    Mobile,
    Step,
    Spike,
    Burst,
    Reorder,
    Duplicate,
}

impl Model {
    /// All models.
    pub const ALL: [Model; 10] = [
        Model::Lan,
        Model::Fiber,
        Model::Cable,
        Model::Wifi,
        Model::Mobile,
        Model::Step,
        Model::Spike,
        Model::Burst,
        Model::Reorder,
        Model::Duplicate,
    ];

    /// Name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Model::Lan => "lan",
            Model::Fiber => "fiber",
            Model::Cable => "cable",
            Model::Wifi => "wifi",
            Model::Mobile => "mobile",
            Model::Step => "step",
            Model::Spike => "spike",
            Model::Burst => "burst",
            Model::Reorder => "reorder",
            Model::Duplicate => "duplicate",
        }
    }

    /// A trace of `seconds` in packets of `packet` frames, between hosts that never stall.
    pub fn generate(self, seconds: f64, seed: u64, packet: usize) -> Trace {
        self.generate_with_stalls(seconds, seed, packet, &[], 0.0)
    }

    /// A trace between hosts that stall until `until_s`.
    pub fn generate_with_stalls(self, seconds: f64, seed: u64, packet: usize, stalls: &[Stall], until_s: f64) -> Trace {
        let course = StallSchedule::new(stalls, until_s, seed);
        let mut network = Network::new(self, seconds, seed, &course.server);
        let frames = seconds * f64::from(WIRE_RATE);
        let interval_us = packet as f64 * 1e6 / f64::from(WIRE_RATE);
        let (mut host, mut slip, mut lost) = (HostCallbacks::new(&course.sender, interval_us), 0.0, Vec::new());
        let mut skipped = Vec::new();
        let mut send = |i: u64| {
            // Rounded down, so that the earliest packets lie exactly on the timeline.
            let call = host.call((i as f64 * interval_us).floor());
            if call.skipped {
                skipped.push(i as usize);
                return Packet { sent: network.started + call.at as u64, arrived: Vec::new() };
            }
            let us = (call.slip - slip).round();
            if us > 0.0 {
                lost.push(LostTime { position: i * packet as u64, us: us as u64 });
                slip += us;
            }
            network.carry(call.at.floor())
        };
        let packets = (0..(frames / packet as f64) as u64).map(&mut send).collect();
        let mut note = format!("model {self} seed {seed} packet {packet}");
        stalls.iter().for_each(|stall| note += &format!(" {stall}"));
        let at = |us: f64| network.at_receiver(us);
        let mut stalls = Vec::new();
        let all = [
            (StallSite::Sender, &course.sender),
            (StallSite::Receiver, &course.receiver),
            (StallSite::Server, &course.server),
        ];
        for (who, windows) in all {
            stalls.extend(windows.iter().map(|w| StallRecord { who, from: at(w.begin), to: at(w.end), how: w.how }));
        }
        Trace {
            note,
            base_us: (self.link().base_ms * 1000.0) as u64,
            lost,
            skipped,
            stalls,
            calls: Vec::new(),
            packets,
        }
    }

    /// Figures of the link without the model's impairment.
    pub const fn link(self) -> Link {
        let steady = Link { base_ms: 8.0, jitter_ms: 0.25, stall_every_s: 0.0, stall_ms: 0.0, loss: 0.0, run: 1.0 };
        match self {
            Model::Lan => Link { base_ms: 0.3, jitter_ms: 0.03, ..steady },
            Model::Fiber => Link { stall_every_s: 20.0, stall_ms: 4.0, loss: 0.0005, run: 1.5, ..steady },
            Model::Cable => {
                Link { base_ms: 12.0, jitter_ms: 0.8, stall_every_s: 6.0, stall_ms: 8.0, loss: 0.002, run: 2.0 }
            }
            Model::Wifi => {
                Link { base_ms: 12.0, jitter_ms: 1.5, stall_every_s: 1.2, stall_ms: 18.0, loss: 0.005, run: 3.0 }
            }
            Model::Mobile => {
                Link { base_ms: 25.0, jitter_ms: 3.0, stall_every_s: 2.5, stall_ms: 30.0, loss: 0.005, run: 3.0 }
            }
            Model::Burst => Link { loss: 0.02, run: 5.0, ..steady },
            Model::Step | Model::Spike | Model::Reorder | Model::Duplicate => steady,
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An unknown model name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownModel;

impl fmt::Display for UnknownModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a model is one of: {}", Model::ALL.map(Model::name).join(", "))
    }
}

impl std::error::Error for UnknownModel {}

impl FromStr for Model {
    type Err = UnknownModel;

    fn from_str(name: &str) -> Result<Model, UnknownModel> {
        Model::ALL.into_iter().find(|m| m.name() == name).ok_or(UnknownModel)
    }
}

/// Properties of a link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// Smallest delay.
    pub base_ms: f64,
    /// Mean delay above the smallest.
    pub jitter_ms: f64,
    /// Mean time between stalls; 0 means none.
    pub stall_every_s: f64,
    /// Longest stall.
    pub stall_ms: f64,
    /// Fraction of packets lost.
    pub loss: f64,
    /// Mean number of consecutive lost packets.
    pub run: f64,
}

/// Step of the step model's delay, in ms.
pub const STEP_MS: f64 = 15.0;

/// State of a simulated network. Times in µs of the sender's clock.
struct Network<'a> {
    model: Model,
    link: Link,
    server: &'a [StallWindow],
    random: Random,
    span_us: f64,
    started: u64,
    /// Receiver's clock minus sender's clock.
    offset: u64,
    jitter_ms: f64,
    losing: bool,
    stall_at: f64,
    stall_end: f64,
    last_due: f64,
}

impl<'a> Network<'a> {
    fn new(model: Model, seconds: f64, seed: u64, server: &'a [StallWindow]) -> Network<'a> {
        let mut random = Random::new(seed, model as u64 + 1);
        // The origins of the clocks, and so the phase of callbacks and packets, are arbitrary.
        let started = 1_000_000 + random.bits() % 1_000_000;
        let offset = random.bits() % 1_000_000_000;
        let mut network = Network {
            model,
            link: model.link(),
            server,
            random,
            span_us: seconds * 1e6,
            started,
            offset,
            jitter_ms: 0.0,
            losing: false,
            stall_at: 0.0,
            stall_end: 0.0,
            last_due: 0.0,
        };
        network.stall_at = network.until_stall();
        network
    }

    /// Sends a packet at `time`.
    fn carry(&mut self, time: f64) -> Packet {
        let sent = self.started + time as u64;
        if self.loses() {
            return Packet { sent, arrived: Vec::new() };
        }
        let due = held_until(self.server, self.due(time));
        let mut arrived = vec![self.at_receiver(due)];
        if self.model == Model::Duplicate && self.random.unit() < 0.05 {
            let again = due + self.random.between(0.0, 10_000.0);
            arrived.push(self.at_receiver(again));
        }
        Packet { sent, arrived }
    }

    fn at_receiver(&self, due: f64) -> u64 {
        self.started + self.offset + due as u64
    }

    fn loses(&mut self) -> bool {
        if self.link.loss > 0.0 {
            let bound = if self.losing { 1.0 - 1.0 / self.link.run } else { self.link.loss / self.link.run };
            self.losing = self.random.unit() < bound;
        }
        self.losing
    }

    fn due(&mut self, time: f64) -> f64 {
        let erlang = (self.random.exponential(1.0) + self.random.exponential(1.0)) * self.link.jitter_ms / 2.0;
        self.jitter_ms += 0.3 * (erlang - self.jitter_ms);
        let base = self.link.base_ms * 1000.0;
        let mut due = time + base + self.jitter_ms * 1000.0;
        if self.model == Model::Step && (1.0 / 3.0..2.0 / 3.0).contains(&(time / self.span_us)) {
            due += STEP_MS * 1000.0;
        }
        if time >= self.stall_at {
            self.stall_end = time + self.stall_us();
            self.stall_at = time + self.until_stall();
        }
        if self.stall_end > time {
            due = due.max(self.stall_end + base);
        }
        if self.model == Model::Reorder && self.random.unit() < 0.02 {
            return due.max(self.last_due) + self.random.between(3_000.0, 8_000.0);
        }
        self.last_due = due.max(self.last_due);
        self.last_due
    }

    fn until_stall(&mut self) -> f64 {
        match (self.model, self.link.stall_every_s) {
            (Model::Spike, _) => self.random.between(5e6, 15e6),
            (_, 0.0) => f64::INFINITY,
            (_, mean) => self.random.exponential(mean * 1e6),
        }
    }

    fn stall_us(&mut self) -> f64 {
        match self.model {
            Model::Spike => self.random.between(30_000.0, 60_000.0),
            _ => self.link.stall_ms * 1000.0 * self.random.between(0.3, 1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Transit above the base delay of each packet that arrived, in ms.
    fn excess(trace: &Trace) -> Vec<f64> {
        let transit = |p: &Packet| Some((p.arrived.first()? - p.sent) as i64);
        let all: Vec<i64> = trace.packets.iter().filter_map(transit).collect();
        let least = *all.iter().min().unwrap();
        all.iter().map(|t| (t - least) as f64 / 1000.0).collect()
    }

    fn share(values: &[f64], over: f64) -> f64 {
        values.iter().filter(|v| **v > over).count() as f64 / values.len() as f64
    }

    /// A seed repeats its trace, and another seed differs.
    #[test]
    fn seeds_determine_traces() {
        for model in Model::ALL {
            let trace = model.generate(5.0, 3, 128);
            assert_eq!(trace, model.generate(5.0, 3, 128));
            assert_ne!(trace, model.generate(5.0, 4, 128));
            assert_eq!(trace.packets.len(), 1875);
            assert!((trace.interval_us() - 128e6 / 48e3).abs() < 0.01);
            assert_eq!(Trace::read(&trace.write()), Ok(trace));
            assert_eq!(model.name().parse(), Ok(model));
        }
    }

    /// Losses have the stated rate and run length.
    #[test]
    fn losses_have_rate_and_runs() {
        for model in [Model::Cable, Model::Wifi, Model::Mobile, Model::Burst] {
            let (link, mut lost, mut runs, mut packets) = (model.link(), 0, 0, 0);
            for seed in 0..8 {
                let trace = model.generate(300.0, seed, 128);
                let gone: Vec<bool> = trace.packets.iter().map(|p| p.arrived.is_empty()).collect();
                packets += gone.len();
                lost += trace.lost();
                runs += gone.windows(2).filter(|w| w[1] && !w[0]).count();
            }
            let rate = lost as f64 / packets as f64;
            assert!((rate / link.loss - 1.0).abs() < 0.1, "{model}: {rate}");
            let run = lost as f64 / runs as f64;
            assert!((run / link.run - 1.0).abs() < 0.1, "{model}: {run}");
        }
        assert!([Model::Lan, Model::Step, Model::Spike].iter().all(|m| m.generate(60.0, 1, 64).lost() == 0));
    }

    /// The mean delay above the base is the stated jitter.
    #[test]
    fn jitter_is_as_stated() {
        for model in [Model::Lan, Model::Burst, Model::Duplicate] {
            let excess = excess(&model.generate(120.0, 2, 128));
            let mean = excess.iter().sum::<f64>() / excess.len() as f64;
            let stated = model.link().jitter_ms;
            // The smallest transit contains some jitter, too, and the order is kept.
            assert!((0.6..1.4).contains(&(mean / stated)), "{model}: {mean} {stated}");
        }
    }

    /// Stalls have the stated frequency and duration.
    #[test]
    fn stalls_are_as_stated() {
        let trace = Model::Wifi.generate(600.0, 1, 128);
        let excess = excess(&trace);
        let begins = excess.windows(2).filter(|w| w[1] - w[0] > 4.0).count() as f64;
        // 500 in 600 s; the shortest are hardly longer than jitter.
        assert!((330.0..520.0).contains(&begins), "{begins}");
        // In a stall of L ms, packets of the first L − 6 ms wait longer than 6 ms: 6 ms in 1.2 s. Stalls may follow each other.
        let long = share(&excess, 6.0);
        assert!((0.003..0.009).contains(&long) && share(&excess, 18.0 + 6.0) < 0.0005, "{long}");
    }

    /// Each impairment is the one in the module's table.
    #[test]
    fn impairments_are_as_stated() {
        let step = excess(&Model::Step.generate(30.0, 1, 128));
        let third = step.len() / 3;
        assert!(share(&step[..third - 4], 5.0) == 0.0 && share(&step[third + 4..2 * third - 4], 14.0) == 1.0);
        assert!(share(&step[2 * third + 12..], 5.0) == 0.0);

        let spike = excess(&Model::Spike.generate(300.0, 1, 128));
        let spikes = spike.windows(2).filter(|w| w[1] - w[0] > 20.0).count();
        assert!((20..=60).contains(&spikes), "{spikes}");
        assert!(share(&spike, 2.0) < 0.01);

        let reorder = Model::Reorder.generate(120.0, 1, 128);
        let overtaken = reorder.packets.windows(2).filter(|w| w[0].arrived > w[1].arrived).count() as f64;
        assert!((0.015..0.025).contains(&(overtaken / reorder.packets.len() as f64)), "{overtaken}");

        let duplicate = Model::Duplicate.generate(120.0, 1, 128);
        let twice = duplicate.packets.iter().filter(|p| p.arrived.len() == 2).count() as f64;
        assert!((0.04..0.06).contains(&(twice / duplicate.packets.len() as f64)), "{twice}");
    }
}
