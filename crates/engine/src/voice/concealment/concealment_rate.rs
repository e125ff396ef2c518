//! How much sound was concealed recently.

use rtjam_protocol::audio::WIRE_RATE;

/// Time constant of the memory, in frames (a minute): older frames count less and less.
const MEMORY: f32 = 60.0 * WIRE_RATE as f32;

/// Concealed frames relative to played ones. Audio thread.
#[derive(Clone, Copy, Default)]
pub(crate) struct ConcealmentRate {
    concealed: f32,
    played: f32,
}

impl ConcealmentRate {
    /// `frames` frames were concealed.
    pub(crate) fn conceal(&mut self, frames: u64) {
        self.concealed += frames as f32;
    }

    /// `frames` frames were played.
    pub(crate) fn play(&mut self, frames: usize) {
        let kept = 1.0 - (frames as f32 / MEMORY).min(1.0);
        self.concealed *= kept;
        self.played = self.played * kept + frames as f32;
    }

    /// Concealed milliseconds per minute; 0 during the first second of a stream.
    pub(crate) fn ms_per_min(&self) -> f32 {
        if self.played < WIRE_RATE as f32 { 0.0 } else { self.concealed / self.played * 60_000.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rate is right after seconds, and gone minutes after the last concealment.
    #[test]
    fn rate_is_right_and_decays() {
        let mut rate = ConcealmentRate::default();
        let mut second = |concealed: u64, seconds: usize| {
            for _ in 0..seconds {
                rate.conceal(concealed);
                (0..375).for_each(|_| rate.play(128));
            }
            rate.ms_per_min()
        };
        assert_eq!(second(0, 1), 0.0);
        // 480 of 48,000 frames: 600 ms a minute.
        let soon = second(480, 10);
        assert!((500.0..620.0).contains(&soon), "{soon}");
        let later = second(480, 120);
        assert!((590.0..610.0).contains(&later), "{later}");
        assert!(second(0, 300) < 10.0);
    }
}
