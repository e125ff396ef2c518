//! The loop guard: mutes the send when the room's sound appears to be fed back into the room, which grows until it hurts.
//! It takes loud sending into a room that is equally loud for feedback.

use rtjam_protocol::Micros;

/// Levels above this (RMS, dBFS) are loud.
const LOUD: f32 = -6.0;

/// The room counts as equally loud down to this far below the sent level, in dB.
const MARGIN: f32 = 3.0;

/// A loop lasts this long; a drum stroke does not.
const MIN_DURATION: Micros = Micros::from_secs(1);

/// Watches the levels about ten times a second.
#[derive(Debug, Default)]
pub(crate) struct LoopGuard {
    loud_since: Option<Micros>,
    tripped: bool,
}

impl LoopGuard {
    /// Takes the current levels of the send and of the room (RMS, dBFS). `muted` says whether anything mutes the send.
    /// Returns whether to mute it now.
    pub(crate) fn watch(&mut self, now: Micros, sent: f32, room: f32, muted: bool) -> bool {
        if !muted {
            // The user has unmuted the send.
            self.tripped = false;
        }
        let suspicious = !muted && sent > LOUD && room >= sent - MARGIN;
        if !suspicious {
            self.loud_since = None;
            return false;
        }
        let since = *self.loud_since.get_or_insert(now);
        if now.since(since) < MIN_DURATION {
            return false;
        }
        self.loud_since = None;
        self.tripped = true;
        true
    }

    /// Whether this guard has muted the send.
    pub(crate) fn has_tripped(&self) -> bool {
        self.tripped
    }

    /// Starts anew: the send is open again, or there is no room.
    pub(crate) fn reset(&mut self) {
        *self = LoopGuard::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Watches levels for `seconds`; returns the time at which the guard mutes.
    fn mutes_after(guard: &mut LoopGuard, from: u64, seconds: u64, sent: f32, room: f32) -> Option<Micros> {
        let mut ticks = (0..seconds * 10).map(|tick| Micros::from_millis(from + tick * 100));
        ticks.find(|now| guard.watch(*now, sent, room, false))
    }

    /// One second of loud sending into an equally loud room mutes.
    #[test]
    fn a_loop_of_one_second_mutes() {
        let mut guard = LoopGuard::default();
        assert_eq!(mutes_after(&mut guard, 0, 5, -5.9, -8.0), Some(Micros::from_secs(1)));
        assert!(guard.has_tripped());
        // Muted and silent, it stays tripped.
        assert!(!guard.watch(Micros::from_secs(9), -120.0, -120.0, true));
        assert!(guard.has_tripped());
    }

    /// Loud playing into silence or a quieter room is not a loop.
    #[test]
    fn loud_playing_is_not_a_loop() {
        let mut guard = LoopGuard::default();
        assert_eq!(mutes_after(&mut guard, 0, 60, -1.0, -120.0), None);
        assert_eq!(mutes_after(&mut guard, 0, 60, -1.0, -4.1), None);
        assert_eq!(mutes_after(&mut guard, 0, 60, -6.1, 0.0), None);
    }

    /// A pause restarts the second.
    #[test]
    fn a_pause_restarts_the_time() {
        let mut guard = LoopGuard::default();
        assert_eq!(mutes_after(&mut guard, 0, 1, -3.0, -3.0), None);
        guard.watch(Micros::from_millis(1000), -20.0, -3.0, false);
        assert_eq!(mutes_after(&mut guard, 1100, 1, -3.0, -3.0), None);
    }

    /// After unmuting, another full second must pass.
    #[test]
    fn unmuting_restarts_the_time() {
        let mut guard = LoopGuard::default();
        mutes_after(&mut guard, 0, 5, 0.0, 0.0);
        guard.watch(Micros::from_secs(6), -40.0, -40.0, false);
        assert!(!guard.has_tripped());
        assert_eq!(mutes_after(&mut guard, 7000, 5, 0.0, 0.0), Some(Micros::from_secs(8)));
    }
}
