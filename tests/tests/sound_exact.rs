//! With a fixed playout delay B hears exactly what A plays, to the format's precision.

use rtjam_tests::jackd::Jackd;
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::room::Room;
use rtjam_tests::{probe, realtime_stalls, sound};

/// Length of a recording: the skipped part, the part that must be exact, and one second more.
const SECONDS: usize = 13;
/// Joining, and finding the first playout position.
const SKIP: usize = 2 * 48_000;
/// Frames between xruns that must be exact: in one stretch, or as a sum of complete ones.
const EXACT: usize = 10 * 48_000;
/// The shortest stretch between two xruns that counts, if it is exact as a whole.
const WHOLE: usize = 48_000;
/// An xrun shifts the clocks of the two clients; playout settles within this time.
const AFTER_XRUN: usize = 24_000;
/// An xrun is reported somewhat after it has happened.
const BEFORE_XRUN: usize = 9_600;

/// PCM16 arrives within one quantisation step.
#[test]
fn pcm16_at_64_frames_is_exact() {
    arrives(64, "pcm16", 1.0 / 32768.0);
}

/// PCM16 arrives within one quantisation step.
#[test]
fn pcm16_at_256_frames_is_exact() {
    arrives(256, "pcm16", 1.0 / 32768.0);
}

/// Float arrives bit for bit.
#[test]
fn float_at_128_frames_is_exact() {
    arrives(128, "f32", 0.0);
}

/// Float arrives bit for bit, in two datagrams per period.
#[test]
fn float_at_256_frames_is_exact() {
    arrives(256, "f32", 0.0);
}

/// PCM24 arrives within one quantisation step.
#[test]
fn pcm24_at_128_frames_is_exact() {
    arrives(128, "pcm24", 1.0 / 8_388_608.0);
}

/// Recordings are repeated while xruns leave less than ten seconds: xruns are the driver's, and a busy machine has one every
/// few seconds.
fn arrives(period: u32, format: &str, tolerance: f32) {
    let Some(jackd) = Jackd::start(48_000, period) else { return };
    let room = Room::start();
    let arguments = ["--backend", "jack", "--no-connect", "--format", format, "--playout", "10", "--monitor", "off"];
    let named = |name, jack_name| {
        let all: Vec<&str> = arguments.iter().copied().chain(["--jack-name", jack_name]).collect();
        let options = Options { name, link: &room.invite, arguments: &all, jack: Some(&jackd.name), prefix: &[] };
        Musician::start(&options)
    };
    let (mut a, mut b) = (named("A", "A"), named("B", "B"));
    a.wait_joined();
    b.wait_joined();
    b.wait_hears("A");

    let mut exact = 0;
    realtime_stalls::some_take(|n| {
        let signals = [
            ("A:in_1", sound::noise_float(SECONDS * 48_000, 1 + n)),
            ("A:in_2", sound::noise_float(SECONDS * 48_000, 101 + n)),
        ];
        let take = probe::record(&jackd.name, &signals, &["B:out_1", "B:out_2", "B:slot01_1", "B:slot01_2"]);
        exact += exact_stretches(&take, tolerance);
        let so_far = || format!("{format} exact for {exact} frames so far, xruns at {:?}", take.xruns);
        if exact >= EXACT { Ok(()) } else { Err(so_far()) }
    });
}

/// Sum of the stretches between xruns in which all four outputs equal A's inputs at one delay.
fn exact_stretches(take: &probe::Recording, tolerance: f32) -> usize {
    let begins = std::iter::once(SKIP).chain(take.xruns.iter().map(|x| (x + AFTER_XRUN).max(SKIP)));
    let ends = take.xruns.iter().map(|x| x.saturating_sub(BEFORE_XRUN)).chain([take.sent[0].len()]);
    let stretches = begins.zip(ends).filter(|(from, to)| from + WHOLE < *to);
    let counts = |(from, to)| {
        let (exact, is_whole) = exact_frames(take, from, to, tolerance);
        if is_whole || exact >= EXACT { exact } else { 0 }
    };
    stretches.map(counts).sum()
}

/// Number of exact frames from `from` on, and whether they reach `to`.
fn exact_frames(take: &probe::Recording, from: usize, to: usize, tolerance: f32) -> (usize, bool) {
    let (lag, alike) = sound::delay_at(&take.sent[0], &take.got[0], from, 1024, 4800);
    assert!(alike > 0.99, "B does not hear A ({alike:.3} at {lag})");
    let equal = |at: usize| {
        (0..4).all(|port| {
            let (sent, got) = (take.sent[port % 2][at], take.got[port][at + lag]);
            (sent - got).abs() <= tolerance
        })
    };
    match (from..to - lag).position(|at| !equal(at)) {
        Some(exact) => (exact, false),
        None => (to - lag - from, true),
    }
}
