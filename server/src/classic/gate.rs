//! Who has sent audio at an audio rate for half a second. Nothing goes back to anybody before that.

use rtjam_protocol::Micros;

/// For so long a source sends audio before it gets a byte.
pub(super) const PROBATION: Micros = Micros::from_millis(500);

/// A longer pause, and it begins again.
pub(super) const LONGEST_PAUSE: Micros = Micros::from_millis(100);

/// Frames a second that count as 48,000: clocks drift little, but networks deliver unevenly.
const AUDIO_RATE: std::ops::RangeInclusive<u64> = 38_400..=60_000;

/// One source's half second.
#[derive(Debug, Default)]
pub(super) struct Gate(Option<Run>);

#[derive(Debug)]
struct Run {
    began: Micros,
    last: Micros,
    /// After the first packet.
    frames: u64,
}

impl Gate {
    /// A packet of so many frames. Returns whether the source has shown that it plays.
    pub(super) fn hear(&mut self, now: Micros, frames: usize) -> bool {
        if frames == 0 {
            return false;
        }
        let Some(run) = self.0.as_mut().filter(|run| now.since(run.last) <= LONGEST_PAUSE) else {
            self.0 = Some(Run { began: now, last: now, frames: 0 });
            return false;
        };
        run.last = now;
        run.frames += frames as u64;
        let took = now.since(run.began);
        if took < PROBATION {
            return false;
        }
        let plays = AUDIO_RATE.contains(&(run.frames * 1_000_000 / took.0));
        if !plays {
            self.0 = None;
        }
        plays
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When a source that sends 128 frames every `gap` µs is let in, of the first three seconds.
    fn let_in(gap: u64, skip: impl Fn(u64) -> bool) -> Option<u64> {
        let mut gate = Gate::default();
        (0..3_000_000 / gap).map(|n| n * gap).filter(|at| !skip(*at)).find(|at| gate.hear(Micros(*at), 128))
    }

    #[test]
    fn half_a_second_of_audio_at_its_rate_opens() {
        let at = let_in(2667, |_| false).expect("let in");
        assert!((500_000..510_000).contains(&at), "{at}");
    }

    #[test]
    fn too_much_too_little_and_interruptions_do_not() {
        assert_eq!(let_in(1333, |_| false), None);
        assert_eq!(let_in(5333, |_| false), None);
        let at = let_in(2667, |at| (300_000..450_000).contains(&at)).expect("let in later");
        assert!((950_000..970_000).contains(&at), "{at}");
    }

    #[test]
    fn headers_alone_do_not() {
        let mut gate = Gate::default();
        assert!(!(0..1000).any(|n| gate.hear(Micros(n * 2667), 0)));
    }
}
