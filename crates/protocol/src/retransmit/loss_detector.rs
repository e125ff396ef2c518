//! The receiving end of a hop: detects losses and composes feedback.

use super::RETRANSMIT_WINDOW;
use super::copy_guard::CopyGuard;
use super::gap_tracker::{GapTracker, MAX_RUN};
use crate::datagram::{DATAGRAM_OVERHEAD, DatagramClass, DatagramHeader, FRAME_HEADER_LEN, Feedback, RetransmitWaits};
use crate::seal::{Lane, NonceCounter};
use crate::time::Micros;
use alloc::vec::Vec;

/// A datagram that is missing for this long is lost and not merely reordered.
const LOST_AFTER: Micros = Micros::from_millis(15);

/// The longest time for which a missing datagram is not reported, on a network that reorders.
const MAX_REORDER_WAIT: Micros = Micros::from_millis(10);

/// Minimum interval between reports of new losses.
const NACK_INTERVAL: Micros = Micros::from_millis(5);

/// Interval of feedback while copies are welcome.
const COPY_REQUEST_INTERVAL: Micros = Micros::from_millis(250);

/// Interval of feedback while audio arrives.
const REPORT_INTERVAL: Micros = Micros::from_secs(1);

/// Copies are welcome for this long after a single loss, and after one that followed another within the second time.
const COPIES_AFTER_LOSS: Micros = Micros::from_secs(30);
const COPIES_AFTER_RECURRING_LOSS: Micros = Micros::from_secs(60);

/// Feedback may use one part in this many of the received bytes.
const FEEDBACK_SHARE: usize = 16;

/// The longest datagram with feedback, and the most credit that is saved up for feedback.
const MAX_FEEDBACK_DATAGRAM: usize = DATAGRAM_OVERHEAD + FRAME_HEADER_LEN + Feedback::MAX_LEN;
const MAX_CREDIT: usize = 6 * MAX_FEEDBACK_DATAGRAM;

/// The most lanes of one sender that are tracked.
const MAX_LANES: usize = 64;

/// The driver's part of a feedback frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReceiverReport {
    /// How late a packet of each source may arrive.
    pub waits: RetransmitWaits,
    /// Packets recovered by retransmission since the session began.
    pub recovered: u64,
}

/// Detects losses in the datagrams of one sender.
pub struct LossDetector {
    lanes: Vec<LaneLosses>,
    /// Bytes that may be spent on feedback.
    credit: usize,
}

struct LaneLosses {
    lane: Lane,
    newest: u64,
    missing: GapTracker,
    expected: u64,
    lost: u64,
    last_loss: Option<Micros>,
    /// Whether the last loss followed another one shortly.
    recurring: bool,
    /// How late reordered datagrams arrive.
    reorder_wait: Micros,
    last_feedback: Micros,
    /// Whether audio arrived since the last feedback.
    heard: bool,
    /// Whether a loss was detected since the last feedback.
    new_loss: bool,
    copy_guard: CopyGuard,
}

impl Default for LossDetector {
    fn default() -> LossDetector {
        LossDetector { lanes: Vec::new(), credit: MAX_CREDIT }
    }
}

impl LossDetector {
    /// Records a datagram of `size` bytes that opened.
    pub fn handle_datagram(&mut self, now: Micros, header: &DatagramHeader, size: usize) {
        self.credit = (self.credit + size / FEEDBACK_SHARE).min(MAX_CREDIT);
        let counter = header.counter.get();
        if let Some(lane) = self.lanes.iter_mut().find(|l| l.lane == header.lane) {
            lane.record(now, counter);
            lane.heard |= header.class == DatagramClass::Media;
        } else if header.class == DatagramClass::Media && self.lanes.len() < MAX_LANES {
            // Lanes without audio are not tracked.
            self.lanes.push(LaneLosses::new(now, header.lane, counter));
        }
    }

    /// The next feedback frame that is due. Call it after every datagram and at the time of [`LossDetector::poll_timeout`],
    /// until it returns `None`. All feedback together is at most a sixteenth of the received bytes.
    pub fn poll_feedback(&mut self, now: Micros, report: impl FnOnce() -> ReceiverReport) -> Option<Feedback> {
        self.lanes.iter_mut().for_each(|lane| lane.settle(now));
        let mut due = self.lanes.iter_mut().filter(|lane| lane.due() <= now);
        if self.credit < MAX_FEEDBACK_DATAGRAM {
            due.for_each(|lane| lane.last_feedback = now);
            return None;
        }
        let feedback = due.next()?.feedback(now, &report());
        self.credit -= DATAGRAM_OVERHEAD + FRAME_HEADER_LEN + feedback.body_len();
        Some(feedback)
    }

    /// When [`LossDetector::poll_feedback`] is next due.
    pub fn poll_timeout(&self) -> Option<Micros> {
        self.lanes.iter().map(LaneLosses::due).min().filter(|at| *at != NEVER)
    }

    /// Number of lost datagrams.
    pub fn lost(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.lost).sum()
    }
}

/// Never due.
const NEVER: Micros = Micros(u64::MAX);

impl LaneLosses {
    fn new(now: Micros, lane: Lane, newest: u64) -> LaneLosses {
        LaneLosses {
            lane,
            newest,
            missing: GapTracker::default(),
            expected: 0,
            lost: 0,
            last_loss: None,
            recurring: false,
            reorder_wait: Micros::ZERO,
            last_feedback: now,
            heard: true,
            new_loss: false,
            copy_guard: CopyGuard::new(now),
        }
    }

    fn record(&mut self, now: Micros, counter: u64) {
        let Some(ahead) = counter.checked_sub(self.newest).filter(|ahead| *ahead > 0) else {
            return self.record_late(now, counter);
        };
        self.expected += ahead;
        // After a long interruption only the latest datagrams can be retransmitted.
        let tracked = (ahead - 1).min(MAX_RUN);
        self.lost += ahead - 1 - tracked;
        self.lost += self.missing.add(now, counter - tracked, tracked);
        self.newest = counter;
    }

    fn record_late(&mut self, now: Micros, counter: u64) {
        let Some(late) = self.missing.remove(now, counter) else { return };
        self.lost -= u64::from(late.was_lost);
        self.reorder_wait = self.reorder_wait.max(Micros(late.after.0 + late.after.0 / 4)).min(MAX_REORDER_WAIT);
    }

    /// Declares lost what has been missing for long enough.
    fn settle(&mut self, now: Micros) {
        let lost = self.missing.settle(now, LOST_AFTER, RETRANSMIT_WINDOW);
        if lost > 0 {
            self.lost += lost;
            // Simultaneous losses count as one.
            let since = self.last_loss.map(|at| now.since(at)).filter(|since| *since > LOST_AFTER);
            self.recurring = since.map_or(self.recurring, |since| since < COPIES_AFTER_RECURRING_LOSS);
            (self.last_loss, self.new_loss) = (Some(now), true);
        }
        let copying = self.wants_copies(now);
        self.copy_guard.observe(now, self.expected, self.lost, copying);
    }

    fn wants_copies(&self, now: Micros) -> bool {
        let duration = if self.recurring { COPIES_AFTER_RECURRING_LOSS } else { COPIES_AFTER_LOSS };
        self.last_loss.is_some_and(|at| now.since(at) < duration) && !self.copy_guard.forbids(now)
    }

    fn due(&self) -> Micros {
        let unreported = self.missing.first_unreported().map(|detected| detected + self.reorder_wait);
        let lost = self.missing.first_undecided().map(|detected| detected + LOST_AFTER);
        let new_loss = self.new_loss.then_some(self.last_feedback);
        let losses = [unreported, lost, new_loss]
            .into_iter()
            .flatten()
            .min()
            .map_or(NEVER, |at| at.max(self.last_feedback + NACK_INTERVAL));
        let copying = self.wants_copies(self.last_feedback);
        let repeat = if copying { self.last_feedback + COPY_REQUEST_INTERVAL } else { NEVER };
        let report = if self.heard { self.last_feedback + REPORT_INTERVAL } else { NEVER };
        losses.min(repeat).min(report)
    }

    fn feedback(&mut self, now: Micros, report: &ReceiverReport) -> Feedback {
        (self.last_feedback, self.heard, self.new_loss) = (now, false, false);
        let missing = self.missing.take_nacks(now, self.reorder_wait, self.newest);
        Feedback {
            lane: self.lane,
            newest: NonceCounter::new(self.newest),
            copies: self.wants_copies(now),
            lost: self.lost as u32,
            recovered: report.recovered as u32,
            waits: report.waits,
            missing,
        }
    }
}
