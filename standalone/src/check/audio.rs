//! Checks JACK, and measures: the xruns of a JACK server, or without one how late the system wakes an audio thread.

use super::devices;
use super::system_files::SystemFiles;
use crate::backends::{self, AudioHealth, AudioRequest, BackendKind, OpenError, RunningBackend, raise_priority};
use crate::handover::handover;
use rtjam_check::{Finding, lateness};
use rtjam_ui::settings::{AudioChoices, BackendChoice};
use serde::Serialize;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// The engine's sample rate in Hz.
const RATE: u32 = 48_000;

/// The period in frames whose wake-ups are measured, and that is recommended.
const PERIOD: u32 = 64;

/// The longest period in frames without a warning.
const LONG_PERIOD: u32 = 128;

/// A client that starts or connects may itself cause an xrun, which does not count.
const SETTLE: Duration = Duration::from_millis(300);

/// What was measured.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Measurement {
    /// `jack`, or `dummy` for a timer.
    pub(super) backend: &'static str,
    pub(super) seconds: u64,
    /// Hz.
    pub(super) rate: u32,
    /// Frames.
    pub(super) period: u32,
    /// For `dummy`: wake-ups that were late by a period or more.
    pub(super) xruns: u64,
    /// `dummy` only.
    pub(super) wake_ups: Option<WakeUps>,
}

/// How late the system woke the timer, in µs.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct WakeUps {
    p999_us: u64,
    max_us: u64,
}

/// A silent client of the running JACK server, which counts its xruns.
pub(super) struct JackClient {
    backend: RunningBackend,
    health: Arc<AudioHealth>,
}

/// Opens a client that connects nothing, and waits until its start can no longer cause an xrun.
///
/// # Errors
/// There is no server, or it refuses.
pub(super) fn open_jack() -> Result<JackClient, OpenError> {
    let request = AudioRequest {
        choices: AudioChoices { backend: BackendChoice::Jack, ..AudioChoices::default() },
        jack_name: "rtjam-check".to_owned(),
        connect: false,
    };
    let health = Arc::new(AudioHealth::default());
    // Without a processor the audio thread's end of the handover is silent.
    let (_main_end, audio) = handover();
    let backend = backends::open(BackendKind::Jack, &request, audio, &health)?;
    thread::sleep(SETTLE);
    Ok(JackClient { backend, health })
}

const JACK: &str = "JACK";

/// Checks the JACK server's rate and period. Where JACK is not usual, it may be absent.
pub(super) fn server(files: &SystemFiles, jack: Result<&JackClient, &OpenError>) -> Option<Finding> {
    match jack {
        Ok(jack) => Some(judge_server(jack.backend.rate(), jack.health.period())),
        Err(why) => files.is_linux().then(|| absent(why, files)),
    }
}

fn judge_server(rate: u32, period: u32) -> Finding {
    let ms = f64::from(period) * 1000.0 / f64::from(rate.max(1));
    let seen = format!("runs at {rate} Hz with {period} frames ({ms:.1} ms)");
    if rate != RATE {
        let advice = format!("RTJam converts the rate, which adds delay. Start jackd with -r {RATE}.");
        return Finding::warn(JACK, seen, advice);
    }
    if period > LONG_PERIOD {
        let advice = format!("Each period adds {ms:.1} ms in both directions. Start jackd with -p {PERIOD}.");
        return Finding::warn(JACK, seen, advice);
    }
    Finding::good(JACK, seen)
}

fn absent(why: &OpenError, files: &SystemFiles) -> Finding {
    let seen = "no server can be used";
    let start = |card| format!(" For low delay: jackd -R -d alsa -d {card} -r {RATE} -p {PERIOD} -n 2");
    let advice = format!("{why}{}", devices::alsa_name(files).map_or_else(String::new, start));
    if devices::has_card(files) { Finding::warn(JACK, seen, advice) } else { Finding::bad(JACK, seen, advice) }
}

/// Counts the server's xruns for `time`.
pub(super) fn count_xruns(jack: JackClient, time: Duration) -> (Finding, Measurement) {
    let JackClient { mut backend, health } = jack;
    let (before, begin) = (health.xruns(), Instant::now());
    let mut lost = None;
    while begin.elapsed() < time && lost.is_none() {
        thread::sleep(Duration::from_millis(100).min(time));
        lost = backend.lost();
    }
    let measured = Measurement {
        backend: "jack",
        seconds: begin.elapsed().as_secs(),
        rate: backend.rate(),
        period: health.period(),
        xruns: health.xruns() - before,
        wake_ups: None,
    };
    let finding = match lost {
        Some(_) => Finding::warn(XRUNS, "JACK stopped or changed its rate", "Run the check again."),
        None => judge_xruns(measured.xruns, measured.seconds, measured.period),
    };
    (finding, measured)
}

const XRUNS: &str = "xruns";

fn judge_xruns(xruns: u64, seconds: u64, period: u32) -> Finding {
    let seen = format!("{xruns} in {seconds} s with {period} frames");
    if xruns == 0 {
        return Finding::good(XRUNS, seen);
    }
    let longer = period.saturating_mul(2);
    let advice = format!(
        "Everyone hears each as a gap. Follow the advice above first. If they stay, start jackd with -p {longer} or -n 3."
    );
    Finding::warn(XRUNS, seen, advice)
}

/// Measures for `time` how late the system wakes an audio thread.
pub(super) fn measure_wake_ups(time: Duration) -> (Finding, Measurement) {
    let period = Duration::from_secs(u64::from(PERIOD)) / RATE;
    let count = (time.as_nanos() / period.as_nanos()) as usize;
    let measure = move || {
        // If the priority is refused, the measurement shows the consequence.
        raise_priority(&AudioHealth::default());
        lateness(period, count)
    };
    let late = thread::spawn(measure).join().unwrap_or_default();
    judge_wake_ups(&late, period, time)
}

fn judge_wake_ups(sorted: &[Duration], period: Duration, time: Duration) -> (Finding, Measurement) {
    const PART: &str = "wake-ups";
    let us = |late: Option<&Duration>| late.map_or(0, |late| late.as_micros() as u64);
    let (p999_us, max_us) = (us(sorted.get(sorted.len() * 999 / 1000)), us(sorted.last()));
    let xruns = sorted.iter().filter(|late| **late >= period).count() as u64;
    let seen = format!("late by {p999_us} µs (99.9 %), {max_us} µs (worst)");
    let finding = if xruns == 0 {
        Finding::good(PART, seen)
    } else {
        let advice = format!(
            "With a period of {PERIOD} frames, {xruns} of {} wake-ups come too late. Follow the advice above, and close \
             other programs.",
            sorted.len()
        );
        Finding::warn(PART, seen, advice)
    };
    let wake_ups = Some(WakeUps { p999_us, max_us });
    (finding, Measurement { backend: "dummy", seconds: time.as_secs(), rate: RATE, period: PERIOD, xruns, wake_ups })
}

#[cfg(test)]
mod tests {
    use super::super::system_files::tests::FakeSystem;
    use super::*;
    use rtjam_check::Verdict;

    #[test]
    fn long_periods_and_other_rates_are_warned_about() {
        assert_eq!(judge_server(48_000, 64).seen, "runs at 48000 Hz with 64 frames (1.3 ms)");
        assert_eq!(
            (judge_server(48_000, 128).verdict, judge_server(48_000, 64).verdict),
            (Verdict::Good, Verdict::Good)
        );
        assert!(judge_server(48_000, 1024).advice.is_some_and(|a| a.contains("21.3 ms") && a.contains("-p 64")));
        assert!(judge_server(44_100, 64).advice.is_some_and(|a| a.contains("-r 48000")));
    }

    /// Without a server the advice names the interface; without a card either, there is nothing to play through.
    #[test]
    fn missing_server_is_bad_without_sound_card() {
        let why = OpenError::Dummy(std::io::Error::other("no thread"));
        let linux = || FakeSystem::new().with("proc/version", "Linux");
        let bare = linux();
        assert_eq!(server(&bare.files(), Err(&why)).map(|f| f.verdict), Some(Verdict::Bad));
        let card = linux().with("proc/asound/cards", " 1 [USB ]: USB-Audio - Scarlett\n");
        let finding = server(&card.files(), Err(&why)).expect("known");
        assert!(finding.advice.is_some_and(|a| a.contains("-d hw:USB -r 48000 -p 64 -n 2")));
        assert_eq!(server(&FakeSystem::new().files(), Err(&why)), None);
    }

    #[test]
    fn every_xrun_is_warned_about() {
        assert_eq!(judge_xruns(0, 10, 64).verdict, Verdict::Good);
        let some = judge_xruns(3, 10, 64);
        assert!(some.verdict == Verdict::Warn && some.seen == "3 in 10 s with 64 frames", "{some}");
        assert!(some.advice.is_some_and(|a| a.contains("-p 128")));
    }

    #[test]
    fn wake_ups_are_judged_by_the_period() {
        let period = Duration::from_micros(1333);
        let mut late = vec![Duration::from_micros(60); 1000];
        late[999] = Duration::from_micros(900);
        let (good, measured) = judge_wake_ups(&late, period, Duration::from_secs(10));
        assert_eq!((good.verdict, measured.wake_ups), (Verdict::Good, Some(WakeUps { p999_us: 900, max_us: 900 })));
        late[999] = Duration::from_micros(5000);
        let (bad, measured) = judge_wake_ups(&late, period, Duration::from_secs(10));
        assert_eq!((bad.verdict, measured.xruns), (Verdict::Warn, 1));
        let (none, _) = judge_wake_ups(&[], period, Duration::from_secs(10));
        assert_eq!(none.verdict, Verdict::Good);
    }
}
