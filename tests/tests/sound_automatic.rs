//! Automatic playout delay on a clean network: at most two periods, and constant.

use rtjam_tests::jackd::Jackd;
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::probe::{self, Recording};
use rtjam_tests::room::Room;
use rtjam_tests::{realtime_stalls, sound};

const SECONDS: usize = 16;
const RATE: usize = 48_000;
const WINDOW: usize = 480;

/// At 128 frames the delay is at most two periods and changes at most once.
#[test]
fn delay_at_128_frames() {
    let claim = |take: &Recording| {
        let delays = settled(take, 3 * RATE, 5 * RATE)?;
        let changes = delays.windows(2).filter(|w| w[0] != w[1]).count();
        if delays.iter().any(|d| d.is_none_or(|d| d > 2 * 128)) || changes > 1 {
            return Err(Fault::Delays(delays));
        }
        Ok(())
    };
    some_recording_shows(128, claim);
}

/// At 64 frames the delay is at most two periods. At this period a shared machine has xruns every few seconds: a short
/// stretch has to do, and one block in a hundred may be off.
#[test]
fn delay_at_64_frames() {
    let claim = |take: &Recording| {
        let delays = settled(take, RATE, RATE)?;
        let damaged = delays.iter().filter(|d| d.is_none()).count();
        if damaged * 100 > delays.len() || delays.iter().flatten().any(|d| *d > 2 * 64) {
            return Err(Fault::Delays(delays));
        }
        Ok(())
    };
    some_recording_shows(64, claim);
}

/// Why a recording does not satisfy a claim; printed by a failed test.
#[derive(Debug)]
#[expect(dead_code, reason = "Debug output reads the fields")]
enum Fault {
    /// The JACK driver had too many xruns, at these positions.
    Xruns(Vec<usize>),
    /// Delays of every 10 ms; `None` where the audio is damaged.
    Delays(Vec<Option<usize>>),
}

/// Two musicians on one machine; some recording must satisfy the claim. The machine sometimes withholds the processor for
/// less than the driver reports as an xrun, and playout correctly adds delay then.
fn some_recording_shows(period: u32, claim: impl Fn(&Recording) -> Result<(), Fault>) {
    let Some(jackd) = Jackd::start(RATE as u32, period) else { return };
    let room = Room::start();
    let start = |name: &str| {
        let arguments = ["--backend", "jack", "--no-connect", "--jack-name", name, "--monitor", "off"];
        let jack = Some(jackd.name.as_str());
        Musician::start(&Options { name, link: &room.invite, arguments: &arguments, jack, prefix: &[] })
    };
    let (mut a, mut b) = (start("A"), start("B"));
    a.wait_joined();
    b.wait_joined();
    b.wait_hears("A");
    realtime_stalls::some_take(|_| {
        let signal = sound::noise_16bit(SECONDS * RATE, 7);
        claim(&probe::record(&jackd.name, &[("A:in_1", signal)], &["B:out_1"]))
    });
}

/// Delays of every 10 ms in the longest quiet stretch, if that is long enough.
fn settled(take: &Recording, settle: usize, length: usize) -> Result<Vec<Option<usize>>, Fault> {
    let stretch = quiet_stretch(take, settle).filter(|(from, to)| from + length < *to);
    let (from, to) = stretch.ok_or_else(|| Fault::Xruns(take.xruns.clone()))?;
    Ok(delays(take, from, to))
}

/// The longest stretch without xruns, starting `settle` frames after joining or after an xrun. Xruns are the driver's: a
/// shift that they cause is not a change of the playout.
fn quiet_stretch(take: &Recording, settle: usize) -> Option<(usize, usize)> {
    let end = take.sent[0].len() - 4 * WINDOW;
    let begins = std::iter::once(3 * RATE - settle).chain(take.xruns.iter().copied()).map(|at| at + settle);
    let ends = take.xruns.iter().copied().chain([end]);
    begins.zip(ends).max_by_key(|(from, to)| to.saturating_sub(*from))
}

/// Delay of every 10 ms; `None` where the audio is damaged.
fn delays(take: &Recording, from: usize, to: usize) -> Vec<Option<usize>> {
    let window = |at: usize| {
        let (lag, alike) = sound::delay_at(&take.sent[0], &take.got[0], at, WINDOW, 2 * WINDOW);
        (alike > 0.9).then_some(lag)
    };
    (from..to - WINDOW).step_by(WINDOW).map(window).collect()
}
