//! A trace: send and arrival times of packets.
//!
//! ```text
//! # model fiber seed 1 packet 128 base_us 8000
//! sent_us,arrived_us
//! 1000000,5008123
//! 1002666,
//! 1005333,5013460;5014001
//! ```
//!
//! One packet per line, in sequence order. `arrived_us` is empty if the packet was lost; further arrivals of a duplicated
//! packet follow after semicolons. The offset of the two clocks is unknown. Lines that begin with `#` are comments; `base_us
//! N` in a comment is the smallest delay of the network, which cannot be derived from two clocks. Comments also record the
//! stalls of hosts (see [`super::stall`]):
//!
//! ```text
//! # sender lost 4000 us at position 480000
//! # sender skipped packet 3750
//! # receiver stalls lost from 5008123 to 5012123 us
//! ```

use super::stall::{StallEffect, StallSite};
use rtjam_engine::HostCall;
use rtjam_protocol::Micros;
use std::fmt::{self, Write};

/// The line before the first packet.
pub const HEADER: &str = "sent_us,arrived_us";

/// The line before the first recorded call.
pub const CALLS_HEADER: &str = "begun_us,frames,rate";

/// Packets of one stream, in sequence order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Description for people.
    pub note: String,
    /// The network's smallest delay, in µs.
    pub base_us: u64,
    /// Lost time of the sender's host, in order.
    pub lost: Vec<LostTime>,
    /// Indices of packets that the sender's host counted but never recorded or sent, in order.
    pub skipped: Vec<usize>,
    /// Stalls, with their times.
    pub stalls: Vec<StallRecord>,
    /// Callbacks of the receiver's host, if they were recorded.
    pub calls: Vec<HostCall>,
    /// The packets.
    pub packets: Vec<Packet>,
}

/// Lost time of the sender's host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostTime {
    /// First position after it.
    pub position: u64,
    /// Duration.
    pub us: u64,
}

/// A stall, on the receiver's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StallRecord {
    /// One of the hosts, or the server.
    pub who: StallSite,
    /// Begin.
    pub from: u64,
    /// End.
    pub to: u64,
    /// What happens to callbacks of the host that are due in it.
    pub how: StallEffect,
}

/// One packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    /// Send time, on the sender's clock.
    pub sent: u64,
    /// Arrival times on the receiver's clock, earliest first; empty if the packet was lost.
    pub arrived: Vec<u64>,
}

/// Why a text is not a trace. Lines count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadTrace {
    /// The first line that is not a comment is not [`HEADER`].
    NoHeader,
    /// The line does not consist of two times in microseconds.
    Line(usize),
    /// The line's packet was sent before the one above it.
    Order(usize),
    /// There are fewer than two packets, or none that arrived.
    Empty,
    /// The first line of recorded calls is not [`CALLS_HEADER`].
    NoCalls,
    /// The line is not a call.
    Call(usize),
}

impl fmt::Display for BadTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadTrace::NoHeader => write!(f, "the first line must be {HEADER}"),
            BadTrace::Line(n) => {
                write!(f, "line {n} must be SENT,ARRIVED in whole microseconds (ARRIVED may be empty)")
            }
            BadTrace::Order(n) => write!(f, "line {n}: packets must be in the order in which they were sent"),
            BadTrace::NoCalls => write!(f, "the first line must be {CALLS_HEADER}"),
            BadTrace::Call(n) => write!(f, "line {n} must be a call: microseconds, frames and rate"),
            BadTrace::Empty => f.write_str("a trace needs two packets, one of which arrived"),
        }
    }
}

impl std::error::Error for BadTrace {}

impl Trace {
    /// Reads a trace.
    ///
    /// # Errors
    /// If the text is not a trace; the error names the line.
    pub fn read(text: &str) -> Result<Trace, BadTrace> {
        let mut trace = Trace::default();
        let mut headed = false;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some(comment) = line.strip_prefix('#') {
                trace.comment(comment.trim());
            } else if line.is_empty() {
            } else if !headed {
                headed = line == HEADER;
                if !headed {
                    return Err(BadTrace::NoHeader);
                }
            } else {
                let packet = Packet::read(line).ok_or(BadTrace::Line(index + 1))?;
                if trace.packets.last().is_some_and(|before| before.sent > packet.sent) {
                    return Err(BadTrace::Order(index + 1));
                }
                trace.packets.push(packet);
            }
        }
        match trace.packets.len() >= 2 && trace.packets.iter().any(|p| !p.arrived.is_empty()) {
            true => Ok(trace),
            false => Err(BadTrace::Empty),
        }
    }

    /// Reads the callbacks of the receiver's host from a file that was recorded with the trace.
    ///
    /// # Errors
    /// If the text is not such a record; the error names the line.
    pub fn read_calls(&mut self, text: &str) -> Result<(), BadTrace> {
        let mut lines = text.lines().enumerate();
        if lines.next().is_none_or(|(_, line)| line.trim() != CALLS_HEADER) {
            return Err(BadTrace::NoCalls);
        }
        let call = |line: &str| {
            let mut fields = line.trim().split(',');
            let begun = Micros(fields.next()?.parse().ok()?);
            Some(HostCall { begun, frames: fields.next()?.parse().ok()?, rate: fields.next()?.parse().ok()? })
        };
        self.calls =
            lines.map(|(index, line)| call(line).ok_or(BadTrace::Call(index + 1))).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// The trace as text, without recorded calls.
    pub fn write(&self) -> String {
        let mut out = format!("# {} base_us {}\n", self.note, self.base_us);
        for LostTime { position, us } in &self.lost {
            let _ = writeln!(out, "# sender lost {us} us at position {position}");
        }
        for packet in &self.skipped {
            let _ = writeln!(out, "# sender skipped packet {packet}");
        }
        for StallRecord { who, from, to, how } in &self.stalls {
            let _ = writeln!(out, "# {} stalls {} from {from} to {to} us", who.name(), how.name());
        }
        let _ = writeln!(out, "{HEADER}");
        for packet in &self.packets {
            let _ = write!(out, "{},", packet.sent);
            for (i, at) in packet.arrived.iter().enumerate() {
                let _ = write!(out, "{}{at}", if i > 0 { ";" } else { "" });
            }
            out.push('\n');
        }
        out
    }

    /// Number of packets that were sent and never arrived.
    pub fn lost(&self) -> usize {
        self.packets.iter().filter(|p| p.arrived.is_empty()).count() - self.skipped.len()
    }

    /// Mean interval between packets, in µs, from the first and the last.
    pub fn interval_us(&self) -> f64 {
        match (self.packets.first(), self.packets.last()) {
            (Some(first), Some(last)) if self.packets.len() > 1 => {
                (last.sent - first.sent) as f64 / (self.packets.len() - 1) as f64
            }
            _ => 0.0,
        }
    }

    fn comment(&mut self, comment: &str) {
        if self.stall(comment).is_none() {
            self.describe(comment);
        }
    }

    /// Reads a comment that records a stall.
    fn stall(&mut self, comment: &str) -> Option<()> {
        match comment.split_whitespace().collect::<Vec<_>>()[..] {
            ["sender", "lost", us, "us", "at", "position", position] => {
                self.lost.push(LostTime { position: position.parse().ok()?, us: us.parse().ok()? });
            }
            ["sender", "skipped", "packet", packet] => self.skipped.push(packet.parse().ok()?),
            [who, "stalls", how, "from", from, "to", to, "us"] => {
                let (from, to) = (from.parse().ok()?, to.parse().ok()?);
                self.stalls.push(StallRecord { who: who.parse().ok()?, from, to, how: how.parse().ok()? });
            }
            _ => return None,
        }
        Some(())
    }

    fn describe(&mut self, comment: &str) {
        let mut words = comment.split_whitespace();
        let mut kept = Vec::new();
        while let Some(word) = words.next() {
            match (word, words.clone().next().and_then(|n| n.parse().ok())) {
                ("base_us", Some(base)) => {
                    self.base_us = base;
                    words.next();
                }
                _ => kept.push(word),
            }
        }
        if self.note.is_empty() {
            self.note = kept.join(" ");
        }
    }
}

impl Packet {
    fn read(line: &str) -> Option<Packet> {
        let (sent, arrived) = line.split_once(',')?;
        let times = arrived.split(';').map(str::trim).filter(|t| !t.is_empty());
        let mut arrived = times.map(|t| t.parse().ok()).collect::<Option<Vec<u64>>>()?;
        arrived.sort_unstable();
        Some(Packet { sent: sent.trim().parse().ok()?, arrived })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# model x base_us 8000\nsent_us,arrived_us\n0,500\n2666,\n5333,9000;9700\n";

    /// A trace that was written is read unchanged.
    #[test]
    fn trace_round_trips() {
        let trace = Trace::read(TEXT).unwrap();
        assert_eq!((trace.base_us, trace.note.as_str(), trace.lost()), (8000, "model x", 1));
        assert_eq!(trace.packets[2], Packet { sent: 5333, arrived: vec![9000, 9700] });
        assert_eq!(trace.write(), TEXT);
        assert_eq!(trace.interval_us(), 2666.5);
    }

    /// Stalls that were written are read unchanged.
    #[test]
    fn stalls_round_trip() {
        let text = "# x base_us 1\n# sender lost 4000 us at position 256\n# sender skipped packet 7\n\
                    # receiver stalls reset from 500 to 4500 us\nsent_us,arrived_us\n0,500\n2666,3000\n";
        let trace = Trace::read(text).unwrap();
        assert_eq!((&trace.lost[..], &trace.skipped[..]), (&[LostTime { position: 256, us: 4000 }][..], &[7][..]));
        assert_eq!(
            trace.stalls,
            [StallRecord { who: StallSite::Receiver, from: 500, to: 4500, how: StallEffect::Reset }]
        );
        assert_eq!((trace.note.as_str(), trace.write().as_str()), ("x", text));
    }

    /// An error names the line.
    #[test]
    fn errors_name_their_line() {
        assert_eq!(Trace::read("0,5\n"), Err(BadTrace::NoHeader));
        assert_eq!(Trace::read("sent_us,arrived_us\n0,5\n1;6\n"), Err(BadTrace::Line(3)));
        assert_eq!(Trace::read("sent_us,arrived_us\n7,\n5,9\n"), Err(BadTrace::Order(3)));
        assert_eq!(Trace::read("sent_us,arrived_us\n7,\n9,\n"), Err(BadTrace::Empty));
    }
}
