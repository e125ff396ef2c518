//! Stalls of hosts and servers, and their effect on callbacks.
//!
//! | who | |
//! |---|---|
//! | `sender`, `receiver` | that end's host |
//! | `both` | both hosts at the same time, as on one machine |
//! | `server` | the server holds all packets back, and releases them together |
//! | `machine` | both hosts and the server at the same time |
//!
//! | how | callbacks that are due while a host stalls |
//! |---|---|
//! | `late` | run one after the other at the end of the stall; no frame is lost |
//! | `lost` | the first runs late, the others never: whole periods are missing, as when JACK skips cycles |
//! | `reset` | the first runs late, and the next one starts a new grid after the stall: exactly the time of the stall is missing, as with JACK's dummy driver |
//! | `jump` | as `lost`, but the sender counts the missing periods: positions jump |
//!
//! Except with `jump`, missing frames are not numbered: the positions before and after them are consecutive. A stall in which
//! no second callback is due loses nothing.
//!
//! Stalls are regular, or [irregular](Stall::irregular).

use super::random::Random;
use std::fmt;
use std::str::FromStr;

/// Stalls begin after the stream has settled, in µs.
const FIRST_US: f64 = 6e6;

/// A repeated stall.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stall {
    /// What stalls.
    pub who: StallSite,
    /// What happens to callbacks that are due during the stall.
    pub how: StallEffect,
    /// Duration; of irregular stalls the longest.
    pub ms: f64,
    /// Interval from the begin of one stall to the next; of irregular stalls the mean.
    pub every_ms: f64,
    /// Whether stalls come at random (a Poisson process), and last for a random time.
    pub irregular: bool,
}

/// What stalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the module's table is the documentation")]
pub enum StallSite {
    Sender,
    Receiver,
    Both,
    Server,
    Machine,
}

/// What happens to callbacks that are due during a stall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the module's table is the documentation")]
pub enum StallEffect {
    Late,
    Lost,
    Reset,
    Jump,
}

const SITES: [(&str, StallSite); 5] = [
    ("sender", StallSite::Sender),
    ("receiver", StallSite::Receiver),
    ("both", StallSite::Both),
    ("server", StallSite::Server),
    ("machine", StallSite::Machine),
];

const EFFECTS: [(&str, StallEffect); 4] = [
    ("late", StallEffect::Late),
    ("lost", StallEffect::Lost),
    ("reset", StallEffect::Reset),
    ("jump", StallEffect::Jump),
];

impl StallSite {
    /// Name on the command line and in traces.
    pub fn name(self) -> &'static str {
        SITES.iter().find(|(_, who)| *who == self).map_or("", |(name, _)| name)
    }
}

impl StallEffect {
    /// Name on the command line and in traces.
    pub fn name(self) -> &'static str {
        EFFECTS.iter().find(|(_, how)| *how == self).map_or("", |(name, _)| name)
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = if self.irregular { "~" } else { "" };
        write!(f, "{}:{}:{}:{about}{}", self.who.name(), self.how.name(), self.ms, self.every_ms)
    }
}

/// A text that is not a valid stall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadStall;

impl fmt::Display for BadStall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a stall is WHO:HOW:MS:EVERY, with sender, receiver, both, server or machine, then late, lost, reset or jump, 1 \
             to 100 ms, and every 100 to 60000 ms (at least twice the stall); ~EVERY makes times and lengths random",
        )
    }
}

impl std::error::Error for BadStall {}

impl FromStr for Stall {
    type Err = BadStall;

    fn from_str(text: &str) -> Result<Stall, BadStall> {
        let parts: Vec<&str> = text.split(':').collect();
        let &[who, how, ms, every] = &parts[..] else { return Err(BadStall) };
        let (who, how) = (who.parse()?, how.parse()?);
        let irregular = every.starts_with('~');
        let every = every.strip_prefix('~').unwrap_or(every);
        let (ms, every_ms): (f64, f64) = (ms.parse().map_err(|_| BadStall)?, every.parse().map_err(|_| BadStall)?);
        let fits = (1.0..=100.0).contains(&ms) && (100.0..=60_000.0).contains(&every_ms) && every_ms >= 2.0 * ms;
        if fits { Ok(Stall { who, how, ms, every_ms, irregular }) } else { Err(BadStall) }
    }
}

impl FromStr for StallSite {
    type Err = BadStall;

    fn from_str(text: &str) -> Result<StallSite, BadStall> {
        SITES.iter().find(|(name, _)| *name == text).map(|(_, who)| *who).ok_or(BadStall)
    }
}

impl FromStr for StallEffect {
    type Err = BadStall;

    fn from_str(text: &str) -> Result<StallEffect, BadStall> {
        EFFECTS.iter().find(|(name, _)| *name == text).map(|(_, how)| *how).ok_or(BadStall)
    }
}

/// One stall, in µs from the sender's first callback.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StallWindow {
    /// Begin.
    pub begin: f64,
    /// End.
    pub end: f64,
    /// What happens to callbacks that are due in it.
    pub how: StallEffect,
}

/// The stalls of each party.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StallSchedule {
    /// The sender's host.
    pub sender: Vec<StallWindow>,
    /// The receiver's host.
    pub receiver: Vec<StallWindow>,
    /// The server.
    pub server: Vec<StallWindow>,
}

impl StallSchedule {
    /// Stalls until `until_s`, each beginning at a random time.
    pub fn new(stalls: &[Stall], until_s: f64, seed: u64) -> StallSchedule {
        let mut course = StallSchedule::default();
        for (index, stall) in stalls.iter().enumerate() {
            let mut random = Random::new(seed, 1000 + index as u64);
            let mut begin = FIRST_US + random.unit() * stall.every_ms * 1000.0;
            while begin < until_s * 1e6 {
                let lasts = if stall.irregular { random.between(1.0, stall.ms.max(1.0)) } else { stall.ms } * 1000.0;
                // Rounded to microseconds, as in traces.
                let window = StallWindow { begin: begin.floor(), end: (begin + lasts).floor(), how: stall.how };
                let hits: &mut [&mut Vec<StallWindow>] = match stall.who {
                    StallSite::Sender => &mut [&mut course.sender],
                    StallSite::Receiver => &mut [&mut course.receiver],
                    StallSite::Both => &mut [&mut course.sender, &mut course.receiver],
                    StallSite::Server => &mut [&mut course.server],
                    StallSite::Machine => &mut [&mut course.sender, &mut course.receiver, &mut course.server],
                };
                hits.iter_mut().for_each(|windows| windows.push(window));
                let interval = stall.every_ms * 1000.0;
                begin += if stall.irregular { random.exponential(interval).max(lasts) } else { interval };
            }
        }
        for windows in [&mut course.sender, &mut course.receiver, &mut course.server] {
            windows.sort_by(|a, b| a.begin.total_cmp(&b.begin));
        }
        course
    }
}

/// Callbacks of a host with stalls.
pub struct HostCallbacks<'a> {
    windows: &'a [StallWindow],
    period: f64,
    /// Number of stalls that are over.
    over: usize,
    /// Whether the current stall has already delayed a callback.
    late_in: Option<usize>,
    slip: f64,
    last: f64,
}

/// A callback, in µs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Call {
    /// Its time.
    pub at: f64,
    /// Sum of the lost time up to here.
    pub slip: f64,
    /// Whether it never ran, though its frames were counted.
    pub skipped: bool,
}

impl<'a> HostCallbacks<'a> {
    /// Callbacks every `period` µs if there were no stalls.
    pub fn new(windows: &'a [StallWindow], period: f64) -> HostCallbacks<'a> {
        HostCallbacks { windows, period, over: 0, late_in: None, slip: 0.0, last: f64::NEG_INFINITY }
    }

    /// The next callback, which would be due at `on_time` if no frame had been lost.
    pub fn call(&mut self, on_time: f64) -> Call {
        let mut at = on_time + self.slip;
        let mut skipped = false;
        while let Some(window) = self.windows.get(self.over) {
            if at < window.begin {
                break;
            }
            if at < window.end {
                if self.late_in != Some(self.over) {
                    self.late_in = Some(self.over);
                    at = window.end;
                    break;
                }
                match window.how {
                    StallEffect::Late => {
                        at = window.end;
                        break;
                    }
                    StallEffect::Lost => self.slip += ((window.end - at) / self.period).ceil() * self.period,
                    StallEffect::Reset => self.slip += window.end - at,
                    StallEffect::Jump => {
                        skipped = true;
                        break;
                    }
                }
                at = on_time + self.slip;
            }
            self.over += 1;
        }
        self.last = at.max(self.last);
        Call { at: self.last, slip: self.slip, skipped }
    }
}

/// Time at which a server passes on a packet that arrives at `time`.
pub fn held_until(windows: &[StallWindow], time: f64) -> f64 {
    let after = windows.partition_point(|w| w.begin <= time);
    windows[after.saturating_sub(4)..after].iter().fold(time, |at, w| if at < w.end { w.end } else { at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(how: StallEffect, begin: f64, end: f64) -> Vec<(f64, f64)> {
        let windows = [StallWindow { begin, end, how }];
        let mut host = HostCallbacks::new(&windows, 1000.0);
        (0..8).map(|k| host.call(f64::from(k) * 1000.0)).map(|c| (c.at, c.slip)).collect()
    }

    /// A stall delays, skips or shifts callbacks.
    #[test]
    fn stall_delays_skips_or_shifts() {
        let late = calls(StallEffect::Late, 1500.0, 4200.0);
        assert_eq!(late[1..6], [(1000.0, 0.0), (4200.0, 0.0), (4200.0, 0.0), (4200.0, 0.0), (5000.0, 0.0)]);
        let lost = calls(StallEffect::Lost, 1500.0, 4200.0);
        assert_eq!(lost[1..5], [(1000.0, 0.0), (4200.0, 0.0), (5000.0, 2000.0), (6000.0, 2000.0)]);
        let reset = calls(StallEffect::Reset, 1500.0, 4200.0);
        assert_eq!(reset[1..5], [(1000.0, 0.0), (4200.0, 0.0), (4200.0, 1200.0), (5200.0, 1200.0)]);
        for how in [StallEffect::Late, StallEffect::Lost, StallEffect::Reset] {
            // No second callback is due.
            assert_eq!(calls(how, 1500.0, 2800.0)[2..5], [(2800.0, 0.0), (3000.0, 0.0), (4000.0, 0.0)]);
        }
    }

    /// A stall is parsed as it is displayed, and invalid texts are refused.
    #[test]
    fn stalls_are_parsed() {
        for text in ["both:reset:4:1000", "machine:lost:12.5:250", "server:late:100:60000", "sender:jump:4:~1000"] {
            assert_eq!(text.parse::<Stall>().unwrap().to_string(), text);
        }
        for text in ["both:4:1000", "me:late:4:1000", "both:early:4:1000", "both:late:101:1000", "both:late:60:~100"] {
            assert_eq!(text.parse::<Stall>(), Err(BadStall), "{text}");
        }
    }

    /// Callbacks that are counted but never run keep the others at their times.
    #[test]
    fn skipped_callbacks_are_counted() {
        let windows = [StallWindow { begin: 1500.0, end: 4200.0, how: StallEffect::Jump }];
        let mut host = HostCallbacks::new(&windows, 1000.0);
        let all: Vec<Call> = (0..8).map(|k| host.call(f64::from(k) * 1000.0)).collect();
        let ran: Vec<f64> = all.iter().filter(|call| !call.skipped).map(|call| call.at).collect();
        assert_eq!(ran, [0.0, 1000.0, 4200.0, 5000.0, 6000.0, 7000.0]);
    }

    /// Irregular stalls have the stated mean interval, and no length above the stated one.
    #[test]
    fn irregular_stalls_are_random() {
        let stalls = StallSchedule::new(&["server:late:20:~500".parse().unwrap()], 606.0, 1).server;
        assert!((1000..1400).contains(&stalls.len()), "{}", stalls.len());
        let mean = stalls.iter().map(|w| w.end - w.begin).sum::<f64>() / stalls.len() as f64;
        assert!((9_500.0..11_500.0).contains(&mean), "{mean}");
        assert!(stalls.iter().all(|w| (999.0..=20_001.0).contains(&(w.end - w.begin))));
        assert!(stalls.windows(2).all(|w| w[1].begin >= w[0].end - 1.0));
    }

    /// A stall of the machine affects all parties at once, until the stalls end.
    #[test]
    fn machine_stalls_are_simultaneous() {
        let stalls =
            [Stall { who: StallSite::Machine, how: StallEffect::Lost, ms: 4.0, every_ms: 1000.0, irregular: false }];
        let course = StallSchedule::new(&stalls, 20.0, 3);
        assert_eq!(course, StallSchedule::new(&stalls, 20.0, 3));
        assert_eq!((&course.sender, &course.sender), (&course.receiver, &course.server));
        assert!((13..=14).contains(&course.sender.len()), "{}", course.sender.len());
        assert!(course.sender.iter().all(|w| w.begin >= FIRST_US && w.begin < 20e6));
        let held = course.server[0];
        assert_eq!(held_until(&course.server, held.begin + 1.0), held.end);
        assert_eq!(held_until(&course.server, held.end), held.end);
        assert_eq!(held_until(&course.server, held.begin - 1.0), held.begin - 1.0);
    }
}
