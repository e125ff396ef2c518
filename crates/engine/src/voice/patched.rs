//! How much sound is made up, lately.

use rtjam_protocol::audio::WIRE_RATE;

/// What is older weighs less and less: a third after so many frames (a minute).
const MEMORY: f32 = 60.0 * WIRE_RATE as f32;

/// Concealed frames against played ones. Audio thread.
#[derive(Clone, Copy, Default)]
pub(crate) struct Patched {
    concealed: f32,
    played: f32,
}

impl Patched {
    /// So many frames were concealed, and counted as such.
    pub(crate) fn conceal(&mut self, frames: u64) {
        self.concealed += frames as f32;
    }

    /// So many frames were played.
    pub(crate) fn play(&mut self, frames: usize) {
        let kept = 1.0 - (frames as f32 / MEMORY).min(1.0);
        self.concealed *= kept;
        self.played = self.played * kept + frames as f32;
    }

    /// Milliseconds concealed a minute. A stream of less than a second has none yet.
    pub(crate) fn ms_per_min(&self) -> f32 {
        if self.played < WIRE_RATE as f32 { 0.0 } else { self.concealed / self.played * 60_000.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_told_as_it_is_and_forgotten_within_minutes() {
        let mut patched = Patched::default();
        let mut second = |concealed: u64, seconds: usize| {
            for _ in 0..seconds {
                patched.conceal(concealed);
                (0..375).for_each(|_| patched.play(128));
            }
            patched.ms_per_min()
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
