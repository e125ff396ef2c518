//! What a media thread has done, in numbers that any thread may read.

use super::mixer::{MixFigures, MixTotals};
use crate::counter::Counter;
use rtjam_protocol::Micros;
use std::fmt;
use std::sync::Arc;

/// Upper bounds of the forwarding histogram's buckets, in µs; a last bucket takes the rest.
pub const FORWARDING_BOUNDS_US: [u64; 12] = [25, 50, 100, 150, 250, 400, 700, 1_000, 2_500, 5_000, 10_000, 25_000];

/// Why a datagram went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// No header of ours, too long, or another key.
    NotOurs,
    /// Of no session here.
    UnknownSession,
    /// Seen before, or too old to tell.
    Replayed,
    /// Not genuine.
    DidNotOpen,
    /// Audio that had waited too long: the thread has more to do than it can.
    TooOld,
    /// The system did not take it; counted once a listener.
    NotSent,
    /// Audio of a listener, who hears and is not heard.
    ListenerPlays,
    /// The mixer did not take it in time: it is missing in mixes alone.
    MixerFull,
    /// Of a third lane of one musician, whose end may use two.
    TooManyLanes,
    /// Of a session that sends more than a musician may.
    OverRate,
    /// Not opened: so many came for the session from addresses that are not known to be its own, or altogether.
    TooManyOpens,
    /// Of the room that takes most of a thread which cannot keep up.
    OverShare,
}

impl Dropped {
    /// All of them, in the order of their numbers.
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

    /// A name for figures: lower case, words joined by underscores.
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

/// A media thread's counters. One thread writes.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Datagrams that opened.
    pub(super) received: Counter,
    /// Datagrams sealed and handed to the system for another musician.
    pub(super) forwarded: Counter,
    /// Datagrams sent for the server itself: answers, challenges, keep-alives.
    pub(super) answered: Counter,
    /// Datagrams with audio that a musician may have lost, sent again.
    pub(super) sent_again: Counter,
    drops: [Counter; Dropped::ALL.len()],
    forwarding: [Counter; FORWARDING_BOUNDS_US.len() + 1],
    forwarding_us: Counter,
    cpu_us: Counter,
}

impl Counters {
    /// A datagram went no further.
    pub(super) fn dropped(&self, why: Dropped) {
        self.dropped_many(why, 1);
    }

    /// `n` datagrams went no further.
    pub(super) fn dropped_many(&self, why: Dropped, n: u64) {
        self.drops[why as usize].add_many(n);
    }

    /// A packet has been handed on to the last of its listeners, this long after it had arrived.
    pub(super) fn forwarding_took(&self, took: Micros) {
        let bucket = FORWARDING_BOUNDS_US.partition_point(|bound| *bound < took.0);
        self.forwarding[bucket].add();
        self.forwarding_us.add_many(took.0);
    }

    /// What the calling thread has used of the processor so far. Only the thread that owns the counters.
    pub(super) fn note_cpu(&self) {
        if let Some(used) = thread_cpu() {
            self.cpu_us.set(used.0);
        }
    }

    fn figures(&self) -> Figures {
        Figures {
            received: self.received.get(),
            forwarded: self.forwarded.get(),
            answered: self.answered.get(),
            sent_again: self.sent_again.get(),
            drops: std::array::from_fn(|i| self.drops[i].get()),
            forwarding: std::array::from_fn(|i| self.forwarding[i].get()),
            forwarding_us: self.forwarding_us.get(),
            cpu: Micros(self.cpu_us.get()),
        }
    }
}

#[cfg(unix)]
pub(super) fn thread_cpu() -> Option<Micros> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place to write to.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    (result == 0).then(|| Micros(time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000))
}

/// Other systems do not tell by this call.
#[cfg(not(unix))]
pub(super) fn thread_cpu() -> Option<Micros> {
    None
}

/// What a media thread has done since its start. All numbers only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Datagrams that opened.
    pub received: u64,
    /// Datagrams sealed and handed to the system for another musician.
    pub forwarded: u64,
    /// Datagrams sent for the server itself: answers, challenges, keep-alives.
    pub answered: u64,
    /// Datagrams with audio that a musician may have lost, sent again.
    pub sent_again: u64,
    drops: [u64; Dropped::ALL.len()],
    /// Packets by the time from their arrival until they were handed on to the last of their listeners: one number a
    /// bound of [`FORWARDING_BOUNDS_US`], not summed up, and one for those above.
    pub forwarding: [u64; FORWARDING_BOUNDS_US.len() + 1],
    /// The sum of those times, in µs.
    pub forwarding_us: u64,
    /// Processor time that the thread has used, at most about a second ago; 0 where the system does not tell.
    pub cpu: Micros,
}

impl Figures {
    /// Datagrams dropped for this reason.
    pub fn dropped(&self, why: Dropped) -> u64 {
        self.drops[why as usize]
    }

    fn plus(mut self, other: &Figures) -> Figures {
        self.received += other.received;
        self.forwarded += other.forwarded;
        self.answered += other.answered;
        self.sent_again += other.sent_again;
        self.drops.iter_mut().zip(other.drops).for_each(|(a, b)| *a += b);
        self.forwarding.iter_mut().zip(other.forwarding).for_each(|(a, b)| *a += b);
        self.forwarding_us += other.forwarding_us;
        self.cpu += other.cpu;
        self
    }
}

/// The counters of all media threads. Clones read the same ones, from any thread, at any time.
#[derive(Clone, Debug)]
pub struct Totals {
    threads: Vec<Arc<Counters>>,
    mixer: Arc<MixFigures>,
}

impl Totals {
    pub(super) fn new(threads: Vec<Arc<Counters>>, mixer: Arc<MixFigures>) -> Totals {
        Totals { threads, mixer }
    }

    /// The mixer's figures.
    pub fn mixes(&self) -> MixTotals {
        self.mixer.totals()
    }

    /// Each thread's figures, `media-0` first.
    pub fn threads(&self) -> Vec<Figures> {
        self.threads.iter().map(|c| c.figures()).collect()
    }

    /// All threads' figures, added up.
    pub fn sum(&self) -> Figures {
        self.threads().iter().fold(Figures::default(), Figures::plus)
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = self.sum();
        let Figures { received, forwarded, answered, .. } = sum;
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

    #[test]
    fn a_time_falls_into_the_first_bucket_whose_bound_it_does_not_pass() {
        let counters = Counters::default();
        for us in [0, 25, 26, 25_000, 25_001, 9_000_000] {
            counters.forwarding_took(Micros(us));
        }
        let figures = counters.figures();
        assert_eq!(figures.forwarding[..2], [2, 1]);
        assert_eq!(figures.forwarding[FORWARDING_BOUNDS_US.len() - 1..], [1, 2]);
        assert_eq!(figures.forwarding_us, 9_050_052);
    }

    #[test]
    fn the_threads_figures_add_up_and_are_said_in_a_line() {
        let threads: Vec<Arc<Counters>> = (0..3).map(|_| Arc::default()).collect();
        for (n, counters) in threads.iter().enumerate() {
            counters.received.add_many(n as u64);
            counters.dropped(Dropped::DidNotOpen);
        }
        threads[1].dropped(Dropped::TooOld);
        let totals = Totals::new(threads, Arc::default());
        assert_eq!(totals.threads().iter().map(|f| f.received).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!((totals.sum().received, totals.sum().dropped(Dropped::DidNotOpen)), (3, 3));
        let line = totals.to_string();
        assert!(line.starts_with("datagrams: received 3, forwarded 0, answered 0; dropped: not ours 0,"), "{line}");
        assert!(line.contains("did not open 3, too old 1, not sent 0"), "{line}");
    }

    #[cfg(unix)]
    #[test]
    fn processor_time_grows_with_work() {
        let counters = Counters::default();
        counters.note_cpu();
        let before = counters.figures().cpu;
        let mut x = 1_u64;
        while counters.figures().cpu <= before {
            x = std::hint::black_box(x.wrapping_mul(3));
            counters.note_cpu();
        }
    }
}
