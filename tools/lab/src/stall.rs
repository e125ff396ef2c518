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
//!
//! Missing frames are not numbered: the positions before and after them are consecutive. A stall in which no second callback
//! is due loses nothing.

use super::random::Random;
use std::fmt;
use std::str::FromStr;

/// Stalls begin after the stream has settled, in µs.
const FIRST_US: f64 = 6e6;

/// A repeated stall.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stall {
    /// What stalls.
    pub who: Who,
    /// What happens to callbacks that are due during the stall.
    pub how: How,
    /// Duration.
    pub ms: f64,
    /// Interval from the begin of one stall to the next.
    pub every_ms: f64,
}

/// What stalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the module's table is the documentation")]
pub enum Who {
    Sender,
    Receiver,
    Both,
    Server,
    Machine,
}

/// What happens to callbacks that are due during a stall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the module's table is the documentation")]
pub enum How {
    Late,
    Lost,
    Reset,
}

const WHO: [(&str, Who); 5] = [
    ("sender", Who::Sender),
    ("receiver", Who::Receiver),
    ("both", Who::Both),
    ("server", Who::Server),
    ("machine", Who::Machine),
];

const HOW: [(&str, How); 3] = [("late", How::Late), ("lost", How::Lost), ("reset", How::Reset)];

impl Who {
    /// Name on the command line and in traces.
    pub fn name(self) -> &'static str {
        WHO.iter().find(|(_, who)| *who == self).map_or("", |(name, _)| name)
    }
}

impl How {
    /// Name on the command line and in traces.
    pub fn name(self) -> &'static str {
        HOW.iter().find(|(_, how)| *how == self).map_or("", |(name, _)| name)
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}", self.who.name(), self.how.name(), self.ms, self.every_ms)
    }
}

/// A text that is not a valid stall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadStall;

impl fmt::Display for BadStall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a stall is WHO:HOW:MS:EVERY, with sender, receiver, both, server or machine, then late, lost or reset, 1 to \
             100 ms, and every 100 to 60000 ms (at least twice the stall)",
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
        let (ms, every_ms): (f64, f64) = (ms.parse().map_err(|_| BadStall)?, every.parse().map_err(|_| BadStall)?);
        let fits = (1.0..=100.0).contains(&ms) && (100.0..=60_000.0).contains(&every_ms) && every_ms >= 2.0 * ms;
        if fits { Ok(Stall { who, how, ms, every_ms }) } else { Err(BadStall) }
    }
}

impl FromStr for Who {
    type Err = BadStall;

    fn from_str(text: &str) -> Result<Who, BadStall> {
        WHO.iter().find(|(name, _)| *name == text).map(|(_, who)| *who).ok_or(BadStall)
    }
}

impl FromStr for How {
    type Err = BadStall;

    fn from_str(text: &str) -> Result<How, BadStall> {
        HOW.iter().find(|(name, _)| *name == text).map(|(_, how)| *how).ok_or(BadStall)
    }
}

/// One stall, in µs from the sender's first callback.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Begin.
    pub begin: f64,
    /// End.
    pub end: f64,
    /// What happens to callbacks that are due in it.
    pub how: How,
}

/// The stalls of each party.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course {
    /// The sender's host.
    pub sender: Vec<Window>,
    /// The receiver's host.
    pub receiver: Vec<Window>,
    /// The server.
    pub server: Vec<Window>,
}

impl Course {
    /// Stalls until `until_s`, each beginning at a random time.
    pub fn new(stalls: &[Stall], until_s: f64, seed: u64) -> Course {
        let mut course = Course::default();
        for (index, stall) in stalls.iter().enumerate() {
            let mut random = Random::new(seed, 1000 + index as u64);
            let mut begin = FIRST_US + random.unit() * stall.every_ms * 1000.0;
            while begin < until_s * 1e6 {
                // Rounded to microseconds, as in traces.
                let window = Window { begin: begin.floor(), end: (begin + stall.ms * 1000.0).floor(), how: stall.how };
                let hits: &mut [&mut Vec<Window>] = match stall.who {
                    Who::Sender => &mut [&mut course.sender],
                    Who::Receiver => &mut [&mut course.receiver],
                    Who::Both => &mut [&mut course.sender, &mut course.receiver],
                    Who::Server => &mut [&mut course.server],
                    Who::Machine => &mut [&mut course.sender, &mut course.receiver, &mut course.server],
                };
                hits.iter_mut().for_each(|windows| windows.push(window));
                begin += stall.every_ms * 1000.0;
            }
        }
        for windows in [&mut course.sender, &mut course.receiver, &mut course.server] {
            windows.sort_by(|a, b| a.begin.total_cmp(&b.begin));
        }
        course
    }
}

/// Callbacks of a host with stalls.
pub struct Host<'a> {
    windows: &'a [Window],
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
}

impl<'a> Host<'a> {
    /// Callbacks every `period` µs if there were no stalls.
    pub fn new(windows: &'a [Window], period: f64) -> Host<'a> {
        Host { windows, period, over: 0, late_in: None, slip: 0.0, last: f64::NEG_INFINITY }
    }

    /// The next callback, which would be due at `on_time` if no frame had been lost.
    pub fn call(&mut self, on_time: f64) -> Call {
        let mut at = on_time + self.slip;
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
                    How::Late => {
                        at = window.end;
                        break;
                    }
                    How::Lost => self.slip += ((window.end - at) / self.period).ceil() * self.period,
                    How::Reset => self.slip += window.end - at,
                }
                at = on_time + self.slip;
            }
            self.over += 1;
        }
        self.last = at.max(self.last);
        Call { at: self.last, slip: self.slip }
    }
}

/// Time at which a server passes on a packet that arrives at `time`.
pub fn held_until(windows: &[Window], time: f64) -> f64 {
    let after = windows.partition_point(|w| w.begin <= time);
    windows[after.saturating_sub(4)..after].iter().fold(time, |at, w| if at < w.end { w.end } else { at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(how: How, begin: f64, end: f64) -> Vec<(f64, f64)> {
        let windows = [Window { begin, end, how }];
        let mut host = Host::new(&windows, 1000.0);
        (0..8).map(|k| host.call(f64::from(k) * 1000.0)).map(|c| (c.at, c.slip)).collect()
    }

    #[test]
    fn a_stall_delays_skips_or_shifts_callbacks() {
        let late = calls(How::Late, 1500.0, 4200.0);
        assert_eq!(late[1..6], [(1000.0, 0.0), (4200.0, 0.0), (4200.0, 0.0), (4200.0, 0.0), (5000.0, 0.0)]);
        let lost = calls(How::Lost, 1500.0, 4200.0);
        assert_eq!(lost[1..5], [(1000.0, 0.0), (4200.0, 0.0), (5000.0, 2000.0), (6000.0, 2000.0)]);
        let reset = calls(How::Reset, 1500.0, 4200.0);
        assert_eq!(reset[1..5], [(1000.0, 0.0), (4200.0, 0.0), (4200.0, 1200.0), (5200.0, 1200.0)]);
        for how in [How::Late, How::Lost, How::Reset] {
            // No second callback is due.
            assert_eq!(calls(how, 1500.0, 2800.0)[2..5], [(2800.0, 0.0), (3000.0, 0.0), (4000.0, 0.0)]);
        }
    }

    #[test]
    fn a_stall_reads_as_it_is_written_and_nonsense_does_not() {
        for text in ["both:reset:4:1000", "machine:lost:12.5:250", "server:late:100:60000"] {
            assert_eq!(text.parse::<Stall>().unwrap().to_string(), text);
        }
        for text in ["both:4:1000", "me:late:4:1000", "both:early:4:1000", "both:late:101:1000", "both:late:60:100"] {
            assert_eq!(text.parse::<Stall>(), Err(BadStall), "{text}");
        }
    }

    #[test]
    fn a_machine_stalls_everywhere_at_once_and_until_it_ends() {
        let stalls = [Stall { who: Who::Machine, how: How::Lost, ms: 4.0, every_ms: 1000.0 }];
        let course = Course::new(&stalls, 20.0, 3);
        assert_eq!(course, Course::new(&stalls, 20.0, 3));
        assert_eq!((&course.sender, &course.sender), (&course.receiver, &course.server));
        assert!((13..=14).contains(&course.sender.len()), "{}", course.sender.len());
        assert!(course.sender.iter().all(|w| w.begin >= FIRST_US && w.begin < 20e6));
        let held = course.server[0];
        assert_eq!(held_until(&course.server, held.begin + 1.0), held.end);
        assert_eq!(held_until(&course.server, held.end), held.end);
        assert_eq!(held_until(&course.server, held.begin - 1.0), held.begin - 1.0);
    }
}
