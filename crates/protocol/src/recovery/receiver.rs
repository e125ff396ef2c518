//! The receiving end of a hop: what is missing, and when to say so.

use super::caution::Caution;
use super::gaps::{Gaps, LONGEST_RUN};
use super::{Feedback, KEPT_FOR, Waits};
use crate::datagram::{Class, DATAGRAM_OVERHEAD, FRAME_HEADER_LEN, Header};
use crate::seal::{Counter, Lane};
use crate::time::Micros;
use alloc::vec::Vec;

/// What is missing for so long was not overtaken: it is lost.
const SURE: Micros = Micros::from_millis(15);

/// The longest wait before something missing is asked for, on a network that reorders.
const LONGEST_DOUBT: Micros = Micros::from_millis(10);

/// Feedback about what is newly missing is at least so far apart.
const ASK_EVERY: Micros = Micros::from_millis(5);

/// While copies are wanted it is said so often.
const REPEAT_EVERY: Micros = Micros::from_millis(250);

/// While audio comes the waits are told so often.
const TELL_EVERY: Micros = Micros::from_secs(1);

/// Losses last until there was none for so long; where they come back within the second time, for that long.
const LAST_FOR: Micros = Micros::from_secs(30);
const RECURRING_LAST_FOR: Micros = Micros::from_secs(60);

/// Of what is received, one part in so many may be spent on feedback.
const SHARE: usize = 16;

/// The longest datagram with feedback, and what may be saved up for such: a few.
const LONGEST: usize = DATAGRAM_OVERHEAD + FRAME_HEADER_LEN + Feedback::MAX_LEN;
const MOST_CREDIT: usize = 6 * LONGEST;

/// The most lanes of one sender that are watched.
const MOST_LANES: usize = 64;

/// What the driver adds to a feedback.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    /// How much later than usual packets may come and still be heard.
    pub waits: Waits,
    /// Packets that only copies and resends brought, since the session began.
    pub recovered: u64,
}

/// Watches the datagrams of one sender.
pub struct Receiver {
    lanes: Vec<LaneWatch>,
    /// Bytes that may be spent on feedback.
    credit: usize,
}

struct LaneWatch {
    lane: Lane,
    newest: u64,
    missing: Gaps,
    expected: u64,
    lost: u64,
    last_loss: Option<Micros>,
    /// Whether the one before was not long ago.
    recurring: bool,
    /// How long datagrams that were overtaken take to turn up.
    doubt: Micros,
    told: Micros,
    /// Audio came since.
    heard: bool,
    /// Something was lost since.
    news: bool,
    caution: Caution,
}

impl Default for Receiver {
    fn default() -> Receiver {
        Receiver { lanes: Vec::new(), credit: MOST_CREDIT }
    }
}

impl Receiver {
    /// A datagram of `size` bytes opened.
    pub fn handle_datagram(&mut self, now: Micros, header: &Header, size: usize) {
        self.credit = (self.credit + size / SHARE).min(MOST_CREDIT);
        let counter = header.counter.get();
        if let Some(lane) = self.lanes.iter_mut().find(|l| l.lane == header.lane) {
            lane.note(now, counter);
            lane.heard |= header.class == Class::Media;
        } else if header.class == Class::Media && self.lanes.len() < MOST_LANES {
            // Lanes without audio have nothing to recover.
            self.lanes.push(LaneWatch::new(now, header.lane, counter));
        }
    }

    /// What to tell the sender now, if anything. Call it after every datagram, and when the time of
    /// [`Receiver::poll_timeout`] has come, until it returns `None`. All feedback together is at most a sixteenth of
    /// what was received.
    pub fn poll_feedback(&mut self, now: Micros, tell: impl FnOnce() -> Told) -> Option<Feedback> {
        self.lanes.iter_mut().for_each(|lane| lane.settle(now));
        let mut due = self.lanes.iter_mut().filter(|lane| lane.due() <= now);
        if self.credit < LONGEST {
            due.for_each(|lane| lane.told = now);
            return None;
        }
        let feedback = due.next()?.feedback(now, &tell());
        self.credit -= DATAGRAM_OVERHEAD + FRAME_HEADER_LEN + feedback.body_len();
        Some(feedback)
    }

    /// When [`Receiver::poll_feedback`] is next due.
    pub fn poll_timeout(&self) -> Option<Micros> {
        self.lanes.iter().map(LaneWatch::due).min().filter(|at| *at != NEVER)
    }

    /// Datagrams that never came.
    pub fn lost(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.lost).sum()
    }
}

/// No time at all.
const NEVER: Micros = Micros(u64::MAX);

impl LaneWatch {
    fn new(now: Micros, lane: Lane, newest: u64) -> LaneWatch {
        LaneWatch {
            lane,
            newest,
            missing: Gaps::default(),
            expected: 0,
            lost: 0,
            last_loss: None,
            recurring: false,
            doubt: Micros::ZERO,
            told: now,
            heard: true,
            news: false,
            caution: Caution::new(now),
        }
    }

    fn note(&mut self, now: Micros, counter: u64) {
        let Some(ahead) = counter.checked_sub(self.newest).filter(|ahead| *ahead > 0) else {
            return self.note_late(now, counter);
        };
        self.expected += ahead;
        // After a long silence only the end can be had again.
        let watched = (ahead - 1).min(LONGEST_RUN);
        self.lost += ahead - 1 - watched;
        self.lost += self.missing.add(now, counter - watched, watched);
        self.newest = counter;
    }

    /// Something overtaken came after all.
    fn note_late(&mut self, now: Micros, counter: u64) {
        let Some(late) = self.missing.remove(now, counter) else { return };
        self.lost -= u64::from(late.was_lost);
        self.doubt = self.doubt.max(Micros(late.after.0 + late.after.0 / 4)).min(LONGEST_DOUBT);
    }

    /// Time passes: what is missing for long is lost.
    fn settle(&mut self, now: Micros) {
        let lost = self.missing.settle(now, SURE, KEPT_FOR);
        if lost > 0 {
            self.lost += lost;
            // What was lost at the same time is one loss.
            let since = self.last_loss.map(|at| now.since(at)).filter(|since| *since > SURE);
            self.recurring = since.map_or(self.recurring, |since| since < RECURRING_LAST_FOR);
            (self.last_loss, self.news) = (Some(now), true);
        }
        let asking = self.asks_for_copies(now);
        self.caution.look(now, self.expected, self.lost, asking);
    }

    fn asks_for_copies(&self, now: Micros) -> bool {
        let last_for = if self.recurring { RECURRING_LAST_FOR } else { LAST_FOR };
        self.last_loss.is_some_and(|at| now.since(at) < last_for) && !self.caution.forbids(now)
    }

    fn due(&self) -> Micros {
        let unasked = self.missing.first_unasked().map(|noticed| noticed + self.doubt);
        let sure = self.missing.first_unsettled().map(|noticed| noticed + SURE);
        let news = self.news.then_some(self.told);
        let ask = [unasked, sure, news].into_iter().flatten().min().map_or(NEVER, |at| at.max(self.told + ASK_EVERY));
        let asking = self.asks_for_copies(self.told);
        let repeat = if asking { self.told + REPEAT_EVERY } else { NEVER };
        let tell = if self.heard { self.told + TELL_EVERY } else { NEVER };
        ask.min(repeat).min(tell)
    }

    fn feedback(&mut self, now: Micros, told: &Told) -> Feedback {
        (self.told, self.heard, self.news) = (now, false, false);
        let missing = self.missing.ask(now, self.doubt, self.newest);
        Feedback {
            lane: self.lane,
            newest: Counter::of(self.newest),
            copies: self.asks_for_copies(now),
            lost: self.lost as u32,
            recovered: told.recovered as u32,
            waits: told.waits,
            missing,
        }
    }
}
