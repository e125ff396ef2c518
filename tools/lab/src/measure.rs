//! All measurements of one trace.

use super::aftermath::Aftermath;
use super::damage::{BLOCK, damaged};
use super::gaps::{Gaps, find};
use super::oracle::Arrivals;
use super::position_path::{CHUNK, PositionPath, follow};
use super::replay::{Playback, Settings, TAIL_S, Unplayable, play};
use super::report::Report;
use super::resample::resample;
use super::statistics::DelayStatistics;
use super::trace::Trace;
use rtjam_engine::Playout;
use rtjam_protocol::audio::WIRE_RATE;
use std::ops::Range;

/// The search assumes that the engine adds at most this much to the network's largest delay, in ms.
const MOST_OVER: f64 = 300.0;

/// A replayed trace and its results.
pub struct Measurement {
    /// The figures.
    pub report: Report,
    /// Measured positions.
    pub span: Range<usize>,
    /// Position over time.
    pub path: PositionPath,
    /// Missing audio.
    pub gaps: Gaps,
    /// First positions of damaged blocks.
    pub damaged: Vec<usize>,
    /// The replay.
    pub playback: Playback,
}

/// Plays `sound` (48 kHz, at least as long as the trace) over the trace, and measures the output.
///
/// # Errors
/// If trace and settings do not fit.
pub fn measure(trace: &Trace, sound: &[f32], settings: &Settings) -> Result<Measurement, Unplayable> {
    let playback = play(trace, sound, settings)?;
    let wire = f64::from(WIRE_RATE);
    let [sound_heard, marks_heard] = playback.heard.each_ref().map(|h| resample(h, f64::from(settings.rate), wire));
    let frames = trace.packets.len() * settings.packet;
    let span = (settings.skip * wire) as usize..frames - (TAIL_S * wire) as usize;
    let path = follow(&playback.grid, &playback.sent[1], &marks_heard, most_delay_ms(trace, &playback, settings));
    let arrivals =
        Arrivals { grid: &playback.grid, packet: settings.packet, found: &playback.found, span: span.clone() };
    let gaps = find(&path, &arrivals);
    let (damaged, blocks) = damaged(&path, &playback.sent[0], &sound_heard, span.clone());

    let measured = span.start / settings.packet..span.end.div_ceil(settings.packet).min(playback.found.len());
    let skipped = trace.skipped.iter().filter(|index| measured.contains(index)).count();
    let packets = &playback.found[measured];
    let lost = packets.iter().filter(|p| p.is_none()).count() - skipped;
    let lost_frames = arrivals.concealed(i64::MAX / 4);
    let playout = DelayStatistics::of(delays(&playback, &path, &span));
    // A splice may skip lost audio; a constant delay cannot.
    let oracle = arrivals.least_delay_ms(gaps.concealed.max(lost_frames));
    let minutes = span.len() as f64 / wire / 60.0;
    let ms_per_min = |frames: u64| frames as f64 / 48.0 / minutes;
    let packet_ms = settings.packet as f64 / 48.0;
    let with_copies = oracle.map(|ms| ms_per_min(arrivals.concealed_with_copies(arrivals.lag_of(ms + packet_ms))));
    let report = Report {
        packets: packets.len() - skipped,
        lost,
        late: gaps.late,
        recovered: playback.engine[1].map_or(0, |e| e.recovered - playback.engine[0].map_or(0, |e| e.recovered)),
        extra_pct: playback.extra_share * 100.0,
        playout,
        concealed_ms_per_min: gaps.concealed as f64 / 48.0 / minutes,
        longest_gap_ms: gaps.longest() as f64 / 48.0,
        oracle_delay_ms: oracle,
        oracle_with_copies: with_copies,
        aftermath: Aftermath::of(trace, &playback, &path, &arrivals),
        damaged_pct: damaged.len() as f64 * 100.0 / blocks.max(1) as f64,
        measured_s: minutes * 60.0,
        engine: playback.engine,
    };
    Ok(Measurement { report, span, path, gaps, damaged, playback })
}

/// Delay of each chunk that was heard, in ms.
fn delays<'a>(
    playback: &'a Playback,
    path: &'a PositionPath,
    span: &'a Range<usize>,
) -> impl Iterator<Item = f64> + 'a {
    path.iter().filter(|(_, place)| place.heard).filter_map(move |(n, place)| {
        let position = n as f64 - place.lag;
        let counts = position >= span.start as f64 && position + (CHUNK as f64) < span.end as f64;
        counts.then(|| playback.grid.delay_ms(n as f64, position))
    })
}

fn most_delay_ms(trace: &Trace, playback: &Playback, settings: &Settings) -> f64 {
    let transit = |(i, found): (usize, &Option<u64>)| {
        let n = (*found)? as f64 * playback.grid.block();
        Some(playback.grid.delay_ms(n, (i * settings.packet) as f64))
    };
    let worst = playback.found.iter().enumerate().filter_map(transit).fold(0.0, f64::max);
    let fixed = if let Playout::Fixed { ms } = settings.playout { f64::from(ms) } else { 0.0 };
    let longest = trace.packets.len() as f64 * trace.interval_us() / 1000.0;
    (worst + fixed + MOST_OVER).min(longest)
}

/// Time in a picture: the second at which a position was sent.
pub fn seconds(position: usize) -> f64 {
    position as f64 / f64::from(WIRE_RATE)
}

/// Length of a block of the damage measure, in seconds.
pub const BLOCK_S: f64 = BLOCK as f64 / WIRE_RATE as f64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound::chord;
    use crate::trace::Packet;

    /// A network with a constant delay of 8 ms.
    fn perfect(seconds: usize, packet: usize) -> Trace {
        let at = |i: usize| (i * packet) as u64 * 1_000_000 / 48_000;
        let packets =
            (0..seconds * 48_000 / packet).map(|i| Packet { sent: at(i), arrived: vec![777_000_123 + at(i)] });
        Trace { note: "perfect".into(), base_us: 8000, packets: packets.collect(), ..Trace::default() }
    }

    fn measured(trace: &Trace, settings: &Settings) -> Measurement {
        let sound = chord(trace.packets.len() * settings.packet);
        measure(trace, &sound, settings).unwrap()
    }

    /// A perfect network costs only the grid of the callbacks.
    #[test]
    fn perfect_network_costs_only_the_grid() {
        for (packet, block) in [(128, 128), (64, 64), (64, 128), (128, 64)] {
            let settings = Settings { packet, block, ..Settings::default() };
            let report = measured(&perfect(12, packet), &settings).report;
            assert_eq!((report.lost, report.late, report.damaged_pct), (0, 0, 0.0), "{packet}/{block}");
            assert_eq!((report.concealed_ms_per_min, report.longest_gap_ms), (0.0, 0.0));
            assert!(report.playout.max - report.playout.mean < 1e-6, "{packet}/{block}: {report:?}");
            assert!((report.delay_over_oracle().unwrap() - 1.0).abs() < 1e-6, "{packet}/{block}: {report:?}");
            let least = 8.0 + if packet > block { 0.0 } else { (block - packet) as f64 / 48.0 };
            assert!((least..least + packet as f64 / 48.0 + 0.1).contains(&report.playout.mean), "{report:?}");
        }
    }

    /// A fixed playout delay is the requested one.
    #[test]
    fn fixed_playout_delay_is_exact() {
        let trace = perfect(8, 64);
        let at = |ms: f32| {
            let settings = Settings { packet: 64, block: 64, playout: Playout::Fixed { ms }, ..Settings::default() };
            measured(&trace, &settings).report.playout
        };
        let (short, long) = (at(2.0), at(42.0));
        assert!((long.mean - short.mean - 40.0).abs() < 1e-6 && long.max - long.mean < 1e-6, "{short:?} {long:?}");
        assert!((10.0..11.4).contains(&short.mean), "{short:?}");
    }

    /// A lost packet is a gap of exactly its length.
    #[test]
    fn lost_packet_is_one_gap() {
        for lost in [1, 3] {
            let mut trace = perfect(12, 128);
            for i in 0..lost {
                trace.packets[2500 + i].arrived.clear();
            }
            let got = measured(&trace, &Settings::default());
            let ms = lost as f64 * 128.0 / 48.0;
            assert_eq!((got.report.lost, got.report.late), (lost, 0));
            assert!((got.report.longest_gap_ms - ms).abs() < 1e-6, "{:?}", got.report);
            assert_eq!(got.gaps.concealed, 128 * lost as u64);
            assert_eq!(got.gaps.runs.len(), 1);
            assert!((got.report.delay_over_oracle().unwrap() - 1.0).abs() < 1e-6);
            assert!(got.damaged.len() <= lost + 1);
        }
    }

    /// A late packet counts as late and not as lost.
    #[test]
    fn late_packet_is_not_lost() {
        let mut trace = perfect(12, 128);
        trace.packets[2000].arrived[0] += 20_000;
        let report = measured(&trace, &Settings::default()).report;
        assert_eq!((report.lost, report.late), (0, 1));
        assert!((report.longest_gap_ms - 128.0 / 48.0).abs() < 1e-6);
    }

    /// Clock drift causes neither gaps nor a growing delay.
    #[test]
    fn clock_drift_causes_no_gaps() {
        for drift_ppm in [-100.0, 100.0] {
            let settings = Settings { drift_ppm, skip: 15.0, ..Settings::default() };
            let report = measured(&perfect(40, 128), &settings).report;
            assert_eq!(report.lost, 0);
            // Callbacks drift through one packet interval in 27 s.
            assert!(report.concealed_ms_per_min < 10.0, "{report:?}");
            assert!(report.damaged_pct < 0.1, "{report:?}");
            assert!(report.playout.max - report.playout.p50 < 3.5, "{report:?}");
            let ppm = report.engine[1].unwrap().drift_ppm;
            assert!((f64::from(ppm) - drift_ppm).abs() < 10.0, "{ppm}");
        }
    }

    /// Receivers at other sample rates are measured, too.
    #[test]
    fn other_rates_are_measured() {
        for rate in [44_100, 96_000] {
            let settings = Settings { rate, ..Settings::default() };
            let report = measured(&perfect(8, 128), &settings).report;
            assert_eq!((report.lost, report.late), (0, 0), "{rate}: {report:?}");
            // White noise up to 24 kHz does not pass 44.1 kHz unchanged.
            assert!(report.damaged_pct < 1.0, "{rate}: {report:?}");
            assert!((8.0..17.0).contains(&report.playout.mean), "{rate}: {report:?}");
        }
    }
}
