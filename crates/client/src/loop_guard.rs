//! The loop guard: sound that goes out, comes back from the room and goes out again grows until it hurts. Sending
//! loudly while the room is as loud is taken for that.

use rtjam_protocol::Micros;

/// Sending above this level (RMS, dBFS) is loud.
const LOUD: f32 = -6.0;

/// The room is "as loud" down to this much below what is sent, in dB.
const MARGIN: f32 = 3.0;

/// Loud for so long is no drum stroke.
const PATIENCE: Micros = Micros::from_secs(1);

/// Watches levels, about ten times a second.
#[derive(Debug, Default)]
pub(crate) struct LoopGuard {
    loud_since: Option<Micros>,
    tripped: bool,
}

/// What the guard wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Fine,
    /// Mute the send.
    Mute,
}

impl LoopGuard {
    /// Levels now (RMS, dBFS): what is sent, and the room as heard. `muted`: whether the send is muted, by whomever.
    pub(crate) fn watch(&mut self, now: Micros, sent: f32, room: f32, muted: bool) -> Verdict {
        if !muted {
            // Whoever opened the send again knows what they do.
            self.tripped = false;
        }
        let suspicious = !muted && sent > LOUD && room >= sent - MARGIN;
        if !suspicious {
            self.loud_since = None;
            return Verdict::Fine;
        }
        let since = *self.loud_since.get_or_insert(now);
        if now.since(since) < PATIENCE {
            return Verdict::Fine;
        }
        self.loud_since = None;
        self.tripped = true;
        Verdict::Mute
    }

    /// Whether the send is muted on this guard's account.
    pub(crate) fn has_tripped(&self) -> bool {
        self.tripped
    }

    /// Forgets all: the send is open again, or there is no room.
    pub(crate) fn reset(&mut self) {
        *self = LoopGuard::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Watches levels for `seconds`; the time at which it mutes.
    fn mutes_after(guard: &mut LoopGuard, from: u64, seconds: u64, sent: f32, room: f32) -> Option<Micros> {
        let mut ticks = (0..seconds * 10).map(|tick| Micros::from_millis(from + tick * 100));
        ticks.find(|now| guard.watch(*now, sent, room, false) == Verdict::Mute)
    }

    #[test]
    fn a_second_of_loud_sending_into_a_room_as_loud_mutes() {
        let mut guard = LoopGuard::default();
        assert_eq!(mutes_after(&mut guard, 0, 5, -5.9, -8.0), Some(Micros::from_secs(1)));
        assert!(guard.has_tripped());
        // Muted, so silent; it stays so.
        assert_eq!(guard.watch(Micros::from_secs(9), -120.0, -120.0, true), Verdict::Fine);
        assert!(guard.has_tripped());
    }

    #[test]
    fn loud_alone_or_in_a_quieter_room_is_playing() {
        let mut guard = LoopGuard::default();
        assert_eq!(mutes_after(&mut guard, 0, 60, -1.0, -120.0), None);
        assert_eq!(mutes_after(&mut guard, 0, 60, -1.0, -4.1), None);
        assert_eq!(mutes_after(&mut guard, 0, 60, -6.1, 0.0), None);
    }

    #[test]
    fn a_pause_begins_the_second_anew() {
        let mut guard = LoopGuard::default();
        assert_eq!(mutes_after(&mut guard, 0, 1, -3.0, -3.0), None);
        guard.watch(Micros::from_millis(1000), -20.0, -3.0, false);
        assert_eq!(mutes_after(&mut guard, 1100, 1, -3.0, -3.0), None);
    }

    #[test]
    fn whoever_opens_the_send_again_has_a_second_before_it_mutes_again() {
        let mut guard = LoopGuard::default();
        mutes_after(&mut guard, 0, 5, 0.0, 0.0);
        guard.watch(Micros::from_secs(6), -40.0, -40.0, false);
        assert!(!guard.has_tripped());
        assert_eq!(mutes_after(&mut guard, 7000, 5, 0.0, 0.0), Some(Micros::from_secs(8)));
    }
}
