//! What one musician received from the other, measured between two status lines.

use std::time::Duration;

use super::status::StatusMusician;

/// Counts from the first status line after the settling time to the newest.
#[derive(Clone, Debug, Default)]
pub(super) struct Measurement {
    first: Option<(Duration, Counts)>,
    latest: (Duration, Counts),
    /// Sum of earlier counts, from before the musician left and rejoined.
    before: Counts,
    powers: Vec<f64>,
    is_there: bool,
    playout_delay_ms: Option<f64>,
}

/// One direction of the jam.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Hearing {
    pub(super) seconds: f64,
    pub(super) counts: Counts,
    /// Mean power of the louder channel.
    pub(super) dbfs: Option<f64>,
    pub(super) playout_delay_ms: Option<f64>,
    /// Whether the musician was in the room at the end.
    pub(super) is_there: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Received packets, including late ones.
    pub(super) packets: u64,
    pub(super) lost: u64,
    pub(super) late: u64,
    pub(super) concealed_frames: u64,
}

impl Measurement {
    /// Adds a status line at `at`, a time after the settling; `musician` is `None` if the line does not contain them.
    pub(super) fn take(&mut self, at: Duration, musician: Option<&StatusMusician>) {
        self.is_there = musician.is_some();
        let Some(musician) = musician else { return };
        let counts = Counts::of(musician);
        if self.first.is_none() {
            self.first = Some((at, counts));
            self.latest = (at, counts);
        } else {
            if !counts.is_from(&self.latest.1) {
                self.before = self.before.plus(&self.latest.1);
            }
            self.latest = (at, counts);
            self.powers.extend(musician.level().map(|dbfs| 10_f64.powf(dbfs / 10.0)));
        }
        self.playout_delay_ms = musician.playout_delay_ms;
    }

    /// The result; `None` until there are two status lines.
    pub(super) fn hearing(&self) -> Option<Hearing> {
        let (start, first) = self.first?;
        let (end, latest) = self.latest;
        (end > start).then(|| Hearing {
            seconds: (end - start).as_secs_f64(),
            counts: self.before.plus(&latest).minus(&first),
            dbfs: mean_dbfs(&self.powers),
            playout_delay_ms: self.playout_delay_ms,
            is_there: self.is_there,
        })
    }
}

impl Hearing {
    /// Sum of the lost and late packets relative to those expected, and of the concealed frames relative to those played: 0 to
    /// about 3, if every packet is lost and its gap concealed.
    pub(super) fn damaged(&self) -> f64 {
        let Counts { packets, lost, late, concealed_frames } = self.counts;
        share(lost + late, (packets + lost) as f64) + share(concealed_frames, self.seconds * WIRE_RATE)
    }
}

/// Frames per second on the wire, in which concealment is counted.
const WIRE_RATE: f64 = 48_000.0;

fn share(part: u64, whole: f64) -> f64 {
    if part == 0 { 0.0 } else { part as f64 / whole.max(1.0) }
}

fn mean_dbfs(powers: &[f64]) -> Option<f64> {
    let mean = powers.iter().sum::<f64>() / powers.len() as f64;
    (!powers.is_empty()).then(|| (10.0 * mean.log10()).max(-120.0))
}

impl Counts {
    fn of(musician: &StatusMusician) -> Self {
        Self {
            packets: musician.packets.unwrap_or(0),
            lost: musician.lost.unwrap_or(0),
            late: musician.late.unwrap_or(0),
            concealed_frames: musician.concealed_frames.unwrap_or(0),
        }
    }

    /// Whether these counts can have grown from `earlier`.
    fn is_from(&self, earlier: &Self) -> bool {
        self.packets >= earlier.packets
            && self.lost >= earlier.lost
            && self.late >= earlier.late
            && self.concealed_frames >= earlier.concealed_frames
    }

    fn plus(&self, other: &Self) -> Self {
        Self {
            packets: self.packets + other.packets,
            lost: self.lost + other.lost,
            late: self.late + other.late,
            concealed_frames: self.concealed_frames + other.concealed_frames,
        }
    }

    fn minus(&self, other: &Self) -> Self {
        Self {
            packets: self.packets.saturating_sub(other.packets),
            lost: self.lost.saturating_sub(other.lost),
            late: self.late.saturating_sub(other.late),
            concealed_frames: self.concealed_frames.saturating_sub(other.concealed_frames),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn musician(packets: u64, lost: u64, late: u64, concealed_frames: u64, dbfs: f64) -> StatusMusician {
        StatusMusician {
            name: "Demo".to_owned(),
            packets: Some(packets),
            lost: Some(lost),
            late: Some(late),
            concealed_frames: Some(concealed_frames),
            playout_delay_ms: Some(4.0),
            dbfs: Some(vec![Some(dbfs), Some(-120.0)]),
        }
    }

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    /// Counts from before the first status line are ignored.
    #[test]
    fn counts_start_at_first_line() {
        let mut measurement = Measurement::default();
        measurement.take(seconds(3), Some(&musician(1000, 50, 9, 7000, -120.0)));
        assert_eq!(measurement.hearing(), None);
        measurement.take(seconds(4), Some(&musician(1370, 52, 10, 7480, -20.0)));
        measurement.take(seconds(5), Some(&musician(1748, 54, 11, 7960, -20.0)));
        let hearing = measurement.hearing().expect("two seconds");
        assert_eq!(hearing.counts, Counts { packets: 748, lost: 4, late: 2, concealed_frames: 960 });
        assert!((hearing.damaged() - (6.0 / 752.0 + 0.01)).abs() < 1e-9);
        assert!((hearing.dbfs.expect("a level") + 20.0).abs() < 1e-9);
        assert!(hearing.is_there);
    }

    /// Counts that restart at zero are added to the earlier ones.
    #[test]
    fn restarted_counts_are_added() {
        let mut measurement = Measurement::default();
        measurement.take(seconds(3), Some(&musician(100, 1, 0, 0, -20.0)));
        measurement.take(seconds(4), Some(&musician(200, 5, 0, 0, -20.0)));
        measurement.take(seconds(5), None);
        assert!(!measurement.hearing().expect("an interval").is_there);
        measurement.take(seconds(6), Some(&musician(30, 2, 0, 0, -20.0)));
        let hearing = measurement.hearing().expect("three seconds");
        assert_eq!(hearing.counts, Counts { packets: 130, lost: 6, late: 0, concealed_frames: 0 });
    }

    /// Levels are averaged by power, and silence has a floor.
    #[test]
    fn levels_are_averaged_by_power() {
        assert_eq!(mean_dbfs(&[]), None);
        assert_eq!(mean_dbfs(&[0.0]), Some(-120.0));
        let mean = mean_dbfs(&[0.02, 0.0]).expect("a level");
        assert!((mean + 20.0).abs() < 1e-9);
    }

    /// Without any packet there is no division by zero.
    #[test]
    fn nothing_received_is_valid() {
        let nothing = Hearing::default();
        assert_eq!(nothing.damaged(), 0.0);
        let all_lost = Hearing { counts: Counts { lost: 10, ..Default::default() }, ..Default::default() };
        assert_eq!(all_lost.damaged(), 1.0);
    }
}
