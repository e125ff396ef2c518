//! What one session may send: so much as a musician plays, and no more.
//!
//! Before a datagram's seal is opened only the work of opening is limited, each for the session's own addresses and for all
//! others together: whoever forges datagrams can spend that of the others alone, and a musician who moves to a new
//! address gets through it within a moment. Everything else is charged after the seal has opened, so that nobody can
//! spend what is another's.

use super::rate::{Limit, Rate};
use rtjam_protocol::Micros;
use rtjam_protocol::server::ForwardSummary;

/// Frames of audio a second that are forwarded: 48 kHz, a clock that is 1 % fast, and a quarter of a second at once, which
/// is what a machine or a network that stalled may bring late. Copies of packets that came are not forwarded.
const FRAMES: Limit = Limit::new(48_480, 250);

/// Bytes a second of everything else that is forwarded: MIDI, which a cable carries 3,125 of.
const OTHER_BYTES: Limit = Limit::new(16_384, 1000);

/// Genuine datagrams a second: 3,000 packets of 16 frames, as many copies that travel alone, and feedback.
const DATAGRAMS: Limit = Limit::new(8_000, 500);

/// Datagrams a second that are opened, of an address that the session has or that is being validated. More than it may
/// send, so that a forger who can write the musician's address into a datagram does no harm at once.
const OPENS: Limit = Limit::new(40_000, 250);

/// Datagrams a second that are opened, of all other addresses together. Someone who moves sends hundreds a second, of
/// which one must open.
const FOREIGN_OPENS: Limit = Limit::new(2_000, 100);

/// A session offends when in two of these in a row more than one datagram in so many was dropped. A single burst after a
/// stall is no offence.
const WINDOW: Micros = Micros::from_secs(1);
const OFFENDING_SHARE: u32 = 16;

/// One session's budgets.
#[derive(Debug, Default)]
pub(super) struct Policer {
    frames: Rate,
    other_bytes: Rate,
    datagrams: Rate,
    opens: Rate,
    foreign_opens: Rate,
    window: Window,
    /// Datagrams dropped since the session began.
    dropped: u64,
}

#[derive(Debug, Default)]
struct Window {
    began: Micros,
    datagrams: u32,
    dropped: u32,
    /// The one before had too many.
    offended: bool,
}

impl Policer {
    /// Whether a datagram may be opened. `known` says that it comes from the session's address, or from one that is being
    /// validated.
    pub(super) fn may_open(&mut self, now: Micros, known: bool) -> bool {
        let (rate, limit) = if known { (&mut self.opens, OPENS) } else { (&mut self.foreign_opens, FOREIGN_OPENS) };
        rate.take(now, limit, 1)
    }

    /// A datagram has opened: whether it is one of those that the session may send.
    pub(super) fn admits(&mut self, now: Micros) -> bool {
        self.window.datagrams = self.window.datagrams.saturating_add(1);
        let admitted = self.datagrams.take(now, DATAGRAMS, 1);
        self.note(admitted)
    }

    /// Whether what a datagram brings may be forwarded.
    pub(super) fn forwards(&mut self, now: Micros, what: &ForwardSummary) -> bool {
        // Nothing is taken for what is not forwarded.
        let before = self.frames;
        let granted = self.frames.take(now, FRAMES, what.frames.into())
            && self.other_bytes.take(now, OTHER_BYTES, what.other_bytes.into());
        if !granted {
            self.frames = before;
        }
        self.note(granted)
    }

    /// Datagrams dropped since the session began.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether the session has just been found to offend: at most once in two windows. Call it now and then.
    pub(super) fn offends(&mut self, now: Micros) -> bool {
        if now.since(self.window.began) < WINDOW {
            return false;
        }
        let Window { datagrams, dropped, offended, .. } = self.window;
        let too_many = dropped > datagrams / OFFENDING_SHARE;
        let offends = too_many && offended;
        self.window = Window { began: now, offended: too_many && !offends, ..Window::default() };
        offends
    }

    fn note(&mut self, granted: bool) -> bool {
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

    /// Packets that come every `gap_us` for ten seconds: how many are forwarded, and how often the session offends.
    fn forwarded(gap_us: u64, frames: u32) -> (u64, u32) {
        let (mut policer, mut forwarded, mut offences) = (Policer::default(), 0, 0);
        for us in (0..10_000_000).step_by(gap_us as usize) {
            let now = Micros(us);
            forwarded += u64::from(policer.admits(now) && policer.forwards(now, &audio(frames)));
            offences += u32::from(policer.offends(now));
        }
        (forwarded, offences)
    }

    /// Whoever plays loses nothing, with packets of any size and a clock that is a little fast.
    #[test]
    fn musicians_lose_nothing() {
        for frames in [16, 32, 64, 128, 256, 512] {
            let gap = u64::from(frames) * 1_000_000 / 48_000;
            assert_eq!(forwarded(gap, frames), (10_000_000_u64.div_ceil(gap), 0), "{frames} frames");
        }
    }

    /// Of 20,000 packets a second one musician's audio is forwarded, and the session offends.
    #[test]
    fn a_flood_is_cut_to_one_musicians_audio() {
        for (gap, frames) in [(50, 16), (50, 128), (30, 285)] {
            let (forwarded, offences) = forwarded(gap, frames);
            let most = (48_480 * 10 + 12_120) / u64::from(frames);
            assert!(forwarded <= most && forwarded > most * 9 / 10, "{forwarded} of at most {most}");
            assert!((4..=5).contains(&offences), "{offences}");
        }
    }

    /// What a machine brings late after it stalled for a quarter of a second is forwarded, once and again a while after.
    #[test]
    fn a_stalls_burst_is_forwarded() {
        let (mut policer, mut offences) = (Policer::default(), 0);
        for stall in 0..5 {
            let begin = stall * 30_000_000;
            for packet in 0..10_000_u64 {
                let due = begin + packet * 2667;
                let now = Micros(if packet < 90 { begin + 240_000 } else { due.max(begin + 240_000) });
                assert!(policer.admits(now) && policer.forwards(now, &audio(128)), "packet {packet} of stall {stall}");
                offences += u32::from(policer.offends(now));
            }
        }
        assert_eq!(offences, 0);
    }

    /// Forgeries from elsewhere take nothing of what the session's own address may, and leave others a chance.
    #[test]
    fn forgeries_leave_the_own_address_its_budget() {
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

    /// MIDI has a budget of its own, and what exceeds it takes none of the audio's.
    #[test]
    fn other_frames_have_a_budget_of_their_own() {
        let (mut policer, mut forwarded) = (Policer::default(), 0);
        for us in (0..10_000_000).step_by(1000) {
            let now = Micros(us);
            let midi = ForwardSummary { other_bytes: 1000, ..ForwardSummary::default() };
            forwarded += u32::from(policer.forwards(now, &midi));
            if us % 3000 == 0 {
                assert!(policer.forwards(now, &audio(128)));
            }
        }
        assert!((160..=181).contains(&forwarded), "{forwarded}");
    }
}
