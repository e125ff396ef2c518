//! Counters of the media threads, which any thread may read.

use super::mixer::counters::{MixerCounters, MixerTotals};
use crate::platform::thread_cpu_time;
use crate::statistics::counters::Counter;
use rtjam_protocol::Micros;
use std::fmt;
use std::sync::Arc;

/// Upper bounds of the forwarding histogram's buckets, in µs; one more bucket takes longer times.
pub const FORWARDING_BOUNDS_US: [u64; 12] = [25, 50, 100, 150, 250, 400, 700, 1_000, 2_500, 5_000, 10_000, 25_000];

/// Why a datagram was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// It has no valid header, is too long, or names an unknown key.
    NotOurs,
    /// No such session exists.
    UnknownSession,
    /// A replay, or older than the replay window.
    Replayed,
    /// Authentication failed.
    DidNotOpen,
    /// Audio that waited too long because the thread is overloaded.
    TooOld,
    /// The system refused to send it; counted once for each recipient.
    NotSent,
    /// Audio from a listener.
    ListenerPlays,
    /// The mixer's tap was full; the packet is missing in mixes only.
    MixerFull,
    /// It uses a third lane of one session; a client may use two.
    TooManyLanes,
    /// The session exceeds its rate limit.
    OverRate,
    /// Not opened: too many datagrams arrived for the session, in all or from unknown addresses.
    TooManyOpens,
    /// The queue of an overloaded thread was full, and the packet's room takes most of the thread.
    OverShare,
}

impl Dropped {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Dropped; 12] = [
        Dropped::NotOurs,
        Dropped::UnknownSession,
        Dropped::Replayed,
        Dropped::DidNotOpen,
        Dropped::TooOld,
        Dropped::NotSent,
        Dropped::ListenerPlays,
        Dropped::MixerFull,
        Dropped::TooManyLanes,
        Dropped::OverRate,
        Dropped::TooManyOpens,
        Dropped::OverShare,
    ];

    /// Name for metrics: lower case, words joined by underscores.
    pub const fn name(self) -> &'static str {
        match self {
            Dropped::NotOurs => "not_ours",
            Dropped::UnknownSession => "unknown_session",
            Dropped::Replayed => "replayed",
            Dropped::DidNotOpen => "did_not_open",
            Dropped::TooOld => "too_old",
            Dropped::NotSent => "not_sent",
            Dropped::ListenerPlays => "listener_plays",
            Dropped::MixerFull => "mixer_full",
            Dropped::TooManyLanes => "too_many_lanes",
            Dropped::OverRate => "over_rate",
            Dropped::TooManyOpens => "too_many_opens",
            Dropped::OverShare => "over_share",
        }
    }
}

/// The counters of a media thread, which alone writes them. See [`ThreadTotals`] for their meaning.
#[derive(Debug, Default)]
pub(super) struct ThreadCounters {
    pub(super) received: Counter,
    pub(super) forwarded: Counter,
    pub(super) answered: Counter,
    pub(super) retransmitted: Counter,
    drops: [Counter; Dropped::ALL.len()],
    forwarding: [Counter; FORWARDING_BOUNDS_US.len() + 1],
    forwarding_us: Counter,
    cpu_us: Counter,
}

impl ThreadCounters {
    pub(super) fn count_dropped(&self, why: Dropped) {
        self.add_dropped(why, 1);
    }

    pub(super) fn add_dropped(&self, why: Dropped, n: u64) {
        self.drops[why as usize].add(n);
    }

    /// Records the time from a packet's arrival until it was sent to its last recipient.
    pub(super) fn record_forwarding(&self, took: Micros) {
        let bucket = FORWARDING_BOUNDS_US.partition_point(|bound| *bound < took.0);
        self.forwarding[bucket].increment();
        self.forwarding_us.add(took.0);
    }

    /// Records the processor time of the calling thread, which owns the counters.
    pub(super) fn record_cpu_time(&self) {
        if let Some(used) = thread_cpu_time() {
            self.cpu_us.set(used.0);
        }
    }

    pub(super) fn totals(&self) -> ThreadTotals {
        ThreadTotals {
            received: self.received.get(),
            forwarded: self.forwarded.get(),
            answered: self.answered.get(),
            retransmitted: self.retransmitted.get(),
            drops: std::array::from_fn(|i| self.drops[i].get()),
            forwarding: std::array::from_fn(|i| self.forwarding[i].get()),
            forwarding_us: self.forwarding_us.get(),
            cpu: Micros(self.cpu_us.get()),
        }
    }
}

/// What a media thread has counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadTotals {
    /// Datagrams that opened.
    pub received: u64,
    /// Datagrams sealed and sent to a recipient of forwarded audio.
    pub forwarded: u64,
    /// Datagrams of the server's own: answers, challenges, keep-alives.
    pub answered: u64,
    /// Retransmitted datagrams.
    pub retransmitted: u64,
    drops: [u64; Dropped::ALL.len()],
    /// Packets by the time from arrival until they were sent to the last recipient: a count for each bound of
    /// [`FORWARDING_BOUNDS_US`], not cumulative, and one for longer times.
    pub forwarding: [u64; FORWARDING_BOUNDS_US.len() + 1],
    /// The sum of those times, in µs.
    pub forwarding_us: u64,
    /// Processor time of the thread, updated about once a second; 0 where the system does not report it.
    pub cpu: Micros,
}

impl ThreadTotals {
    /// Datagrams dropped for this reason.
    pub fn dropped(&self, why: Dropped) -> u64 {
        self.drops[why as usize]
    }

    fn plus(mut self, other: &ThreadTotals) -> ThreadTotals {
        self.received += other.received;
        self.forwarded += other.forwarded;
        self.answered += other.answered;
        self.retransmitted += other.retransmitted;
        self.drops.iter_mut().zip(other.drops).for_each(|(a, b)| *a += b);
        self.forwarding.iter_mut().zip(other.forwarding).for_each(|(a, b)| *a += b);
        self.forwarding_us += other.forwarding_us;
        self.cpu += other.cpu;
        self
    }
}

/// Reads the counters of all media threads and of the mixer, from any thread.
#[derive(Clone, Debug)]
pub struct MediaTotals {
    threads: Vec<Arc<ThreadCounters>>,
    mixer: Arc<MixerCounters>,
}

impl MediaTotals {
    pub(super) fn new(threads: Vec<Arc<ThreadCounters>>, mixer: Arc<MixerCounters>) -> MediaTotals {
        MediaTotals { threads, mixer }
    }

    /// The mixer's totals.
    pub fn mixer(&self) -> MixerTotals {
        self.mixer.totals()
    }

    /// Each thread's totals, `media-0` first.
    pub fn threads(&self) -> Vec<ThreadTotals> {
        self.threads.iter().map(|c| c.totals()).collect()
    }

    /// The sum over all threads.
    pub fn sum(&self) -> ThreadTotals {
        self.threads().iter().fold(ThreadTotals::default(), ThreadTotals::plus)
    }
}

impl fmt::Display for MediaTotals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = self.sum();
        let ThreadTotals { received, forwarded, answered, .. } = sum;
        write!(f, "datagrams: received {received}, forwarded {forwarded}, answered {answered}; dropped:")?;
        for (n, why) in Dropped::ALL.into_iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(f, "{comma} {} {}", why.name().replace('_', " "), sum.dropped(why))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A time falls into the first bucket whose bound it does not exceed.
    #[test]
    fn forwarding_buckets_are_inclusive() {
        let counters = ThreadCounters::default();
        for us in [0, 25, 26, 25_000, 25_001, 9_000_000] {
            counters.record_forwarding(Micros(us));
        }
        let totals = counters.totals();
        assert_eq!(totals.forwarding[..2], [2, 1]);
        assert_eq!(totals.forwarding[FORWARDING_BOUNDS_US.len() - 1..], [1, 2]);
        assert_eq!(totals.forwarding_us, 9_050_052);
    }

    /// The totals of all threads add up, and the log shows them in one line.
    #[test]
    fn totals_add_up() {
        let threads: Vec<Arc<ThreadCounters>> = (0..3).map(|_| Arc::default()).collect();
        for (n, counters) in threads.iter().enumerate() {
            counters.received.add(n as u64);
            counters.count_dropped(Dropped::DidNotOpen);
        }
        threads[1].count_dropped(Dropped::TooOld);
        let totals = MediaTotals::new(threads, Arc::default());
        assert_eq!(totals.threads().iter().map(|f| f.received).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!((totals.sum().received, totals.sum().dropped(Dropped::DidNotOpen)), (3, 3));
        let line = totals.to_string();
        assert!(line.starts_with("datagrams: received 3, forwarded 0, answered 0; dropped: not ours 0,"), "{line}");
        assert!(line.contains("did not open 3, too old 1, not sent 0"), "{line}");
    }

    #[test]
    fn cpu_time_grows_with_work() {
        let counters = ThreadCounters::default();
        counters.record_cpu_time();
        let before = counters.totals().cpu;
        let mut x = 1_u64;
        while counters.totals().cpu <= before {
            x = std::hint::black_box(x.wrapping_mul(3));
            counters.record_cpu_time();
        }
    }
}
