//! Probation: a source must send audio at an audio rate for half a second before anything is sent back to it.

use rtjam_protocol::Micros;

/// How long a source must send audio.
const DURATION: Micros = Micros::from_millis(500);

/// After a longer pause the probation begins again.
pub(super) const LONGEST_PAUSE: Micros = Micros::from_millis(100);

/// Frames a second that count as 48,000: clocks drift little, but networks have jitter.
const AUDIO_RATE: std::ops::RangeInclusive<u64> = 38_400..=60_000;

/// The probation of one source.
#[derive(Debug, Default)]
pub(super) struct Probation(Option<AudioRun>);

#[derive(Debug)]
struct AudioRun {
    began: Micros,
    last: Micros,
    /// Frames after the first packet.
    frames: u64,
}

impl Probation {
    /// Records a packet. Returns whether the source has passed.
    pub(super) fn handle_packet(&mut self, now: Micros, frames: usize) -> bool {
        if frames == 0 {
            return false;
        }
        let Some(run) = self.0.as_mut().filter(|run| now.since(run.last) <= LONGEST_PAUSE) else {
            self.0 = Some(AudioRun { began: now, last: now, frames: 0 });
            return false;
        };
        run.last = now;
        run.frames += frames as u64;
        let took = now.since(run.began);
        if took < DURATION {
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

    /// When a source that sends 128 frames every `gap` µs passes, within three seconds.
    fn passes_at(gap: u64, skip: impl Fn(u64) -> bool) -> Option<u64> {
        let mut probation = Probation::default();
        (0..3_000_000 / gap)
            .map(|n| n * gap)
            .filter(|at| !skip(*at))
            .find(|at| probation.handle_packet(Micros(*at), 128))
    }

    /// Half a second of audio at its rate passes.
    #[test]
    fn half_second_of_audio_passes() {
        let at = passes_at(2667, |_| false).expect("passes");
        assert!((500_000..510_000).contains(&at), "{at}");
    }

    /// Too much audio, too little, or an interruption does not pass.
    #[test]
    fn wrong_rates_do_not_pass() {
        assert_eq!(passes_at(1333, |_| false), None);
        assert_eq!(passes_at(5333, |_| false), None);
        let at = passes_at(2667, |at| (300_000..450_000).contains(&at)).expect("passes later");
        assert!((950_000..970_000).contains(&at), "{at}");
    }

    /// Packets without audio do not pass.
    #[test]
    fn empty_packets_do_not_pass() {
        let mut probation = Probation::default();
        assert!(!(0..1000).any(|n| probation.handle_packet(Micros(n * 2667), 0)));
    }
}
