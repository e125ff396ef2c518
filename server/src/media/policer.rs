//! Policing: a session may send what one musician can play, and no more.
//!
//! Before a datagram is opened, only the work of opening is limited: separately for the session's own addresses and for all
//! other addresses together. Forged datagrams use up the second budget only, and a musician whose address changes gets
//! through within a moment. Everything else is charged after authentication, so nobody can use up another's budget.

use super::rate_limit::{RateBucket, RateLimit};
use rtjam_protocol::Micros;
use rtjam_protocol::server::ForwardSummary;

/// Audio frames a second: 48 kHz with a clock that is 1 % fast. The burst of 250 ms is what arrives late after a machine or
/// a network has stalled. Redundant copies are not forwarded and not counted.
const FRAMES: RateLimit = RateLimit::new(48_480, 250);

/// Bytes a second of all other forwarded frames: clock reports and MIDI, of which a cable carries 3,125.
const OTHER_BYTES: RateLimit = RateLimit::new(16_384, 1000);

/// Authentic datagrams a second: 3,000 packets of 16 frames, as many separate redundant copies, and feedback.
const DATAGRAMS: RateLimit = RateLimit::new(8_000, 500);

/// Opened datagrams a second from the session's address or one that is being validated. More than the session may send, so
/// that forged datagrams with the musician's source address do no harm at once.
const OPENS: RateLimit = RateLimit::new(40_000, 250);

/// Opened datagrams a second from all other addresses together. A client whose address changes sends hundreds a second, one
/// of which must be opened.
const FOREIGN_OPENS: RateLimit = RateLimit::new(2_000, 100);

/// A session offends when more than one datagram in [`OFFENDING_SHARE`] is dropped in each of two windows in a row. A single
/// burst after a stall is not an offence.
const WINDOW: Micros = Micros::from_secs(1);
const OFFENDING_SHARE: u32 = 16;

/// The budgets of one session.
#[derive(Debug, Default)]
pub(super) struct Policer {
    frames: RateBucket,
    other_bytes: RateBucket,
    datagrams: RateBucket,
    opens: RateBucket,
    foreign_opens: RateBucket,
    window: PolicingWindow,
    /// Datagrams dropped since the session began.
    dropped: u64,
}

#[derive(Debug, Default)]
struct PolicingWindow {
    began: Micros,
    datagrams: u32,
    dropped: u32,
    /// The previous window exceeded the share.
    offended: bool,
}

impl Policer {
    /// Whether a datagram may be opened. `known`: it comes from the session's address or from one that is being validated.
    pub(super) fn may_open(&mut self, now: Micros, known: bool) -> bool {
        let (rate, limit) = if known { (&mut self.opens, OPENS) } else { (&mut self.foreign_opens, FOREIGN_OPENS) };
        rate.take(now, limit, 1)
    }

    /// Whether the session may send another datagram; called for each one that opened.
    pub(super) fn admits(&mut self, now: Micros) -> bool {
        self.window.datagrams = self.window.datagrams.saturating_add(1);
        let admitted = self.datagrams.take(now, DATAGRAMS, 1);
        self.count(admitted)
    }

    /// Whether the contents of a datagram may be forwarded.
    pub(super) fn permits(&mut self, now: Micros, what: &ForwardSummary) -> bool {
        // What is not forwarded is not charged.
        let before = self.frames;
        let granted = self.frames.take(now, FRAMES, what.frames.into())
            && self.other_bytes.take(now, OTHER_BYTES, what.other_bytes.into());
        if !granted {
            self.frames = before;
        }
        self.count(granted)
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether the session offends. Call it repeatedly; it returns `true` at most once in two windows.
    pub(super) fn poll_offence(&mut self, now: Micros) -> bool {
        if now.since(self.window.began) < WINDOW {
            return false;
        }
        let PolicingWindow { datagrams, dropped, offended, .. } = self.window;
        let too_many = dropped > datagrams / OFFENDING_SHARE;
        let offends = too_many && offended;
        self.window = PolicingWindow { began: now, offended: too_many && !offends, ..PolicingWindow::default() };
        offends
    }

    fn count(&mut self, granted: bool) -> bool {
        if !granted {
            self.window.dropped = self.window.dropped.saturating_add(1);
            self.dropped += 1;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audio(frames: u32) -> ForwardSummary {
        ForwardSummary { frames, ..ForwardSummary::default() }
    }

    /// Sends a packet every `gap_us` for ten seconds. Returns how many are forwarded and how often the session offends.
    fn forwarded(gap_us: u64, frames: u32) -> (u64, u32) {
        let (mut policer, mut forwarded, mut offences) = (Policer::default(), 0, 0);
        for us in (0..10_000_000).step_by(gap_us as usize) {
            let now = Micros(us);
            forwarded += u64::from(policer.admits(now) && policer.permits(now, &audio(frames)));
            offences += u32::from(policer.poll_offence(now));
        }
        (forwarded, offences)
    }

    /// A musician loses nothing, with packets of any size.
    #[test]
    fn musicians_lose_nothing() {
        for frames in [16, 32, 64, 128, 256, 512] {
            let gap = u64::from(frames) * 1_000_000 / 48_000;
            assert_eq!(forwarded(gap, frames), (10_000_000_u64.div_ceil(gap), 0), "{frames} frames");
        }
    }

    /// Of a flood, one musician's audio is forwarded, and the session offends.
    #[test]
    fn flood_is_limited_to_one_musician() {
        for (gap, frames) in [(50, 16), (50, 128), (30, 285)] {
            let (forwarded, offences) = forwarded(gap, frames);
            let most = (48_480 * 10 + 12_120) / u64::from(frames);
            assert!(forwarded <= most && forwarded > most * 9 / 10, "{forwarded} of at most {most}");
            assert!((4..=5).contains(&offences), "{offences}");
        }
    }

    /// The burst after a stall of a quarter of a second is forwarded, and so is another one a while later.
    #[test]
    fn burst_after_stall_is_forwarded() {
        let (mut policer, mut offences) = (Policer::default(), 0);
        for stall in 0..5 {
            let begin = stall * 30_000_000;
            for packet in 0..10_000_u64 {
                let due = begin + packet * 2667;
                let now = Micros(if packet < 90 { begin + 240_000 } else { due.max(begin + 240_000) });
                assert!(policer.admits(now) && policer.permits(now, &audio(128)), "packet {packet} of stall {stall}");
                offences += u32::from(policer.poll_offence(now));
            }
        }
        assert_eq!(offences, 0);
    }

    /// Forged datagrams from other addresses do not use up the budget of the session's own address.
    #[test]
    fn forgeries_leave_own_address_its_budget() {
        let (mut policer, mut own, mut foreign) = (Policer::default(), 0, 0);
        for us in (0..5_000_000).step_by(33) {
            foreign += u32::from(policer.may_open(Micros(us), false));
            if us % 2667 < 33 {
                assert!(policer.may_open(Micros(us), true));
                own += 1;
            }
        }
        assert!(own > 1800 && (9_000..=10_300).contains(&foreign), "{own} and {foreign}");
    }

    /// MIDI and clock reports have a separate budget, and excess ones do not use up the audio's.
    #[test]
    fn other_frames_have_separate_budget() {
        let (mut policer, mut forwarded) = (Policer::default(), 0);
        for us in (0..10_000_000).step_by(1000) {
            let now = Micros(us);
            let midi = ForwardSummary { other_bytes: 1000, ..ForwardSummary::default() };
            forwarded += u32::from(policer.permits(now, &midi));
            if us % 3000 == 0 {
                assert!(policer.permits(now, &audio(128)));
            }
        }
        assert!((160..=181).contains(&forwarded), "{forwarded}");
    }
}
