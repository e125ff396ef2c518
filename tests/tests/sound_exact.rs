//! With fixed playout what B hears is what A plays: one delay, equal to the format's precision.

use rtjam_tests::jackd::Jackd;
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::room::Room;
use rtjam_tests::{probe, sound};

/// Of a take: what is skipped, what must be exact, and one more.
const SECONDS: usize = 13;
/// Joining, and the first placing of the playout.
const SKIP: usize = 2 * 48_000;
/// What must be exact between xruns: in one stretch, or added up from whole ones.
const EXACT: usize = 10 * 48_000;
/// A stretch between two xruns that counts, if it is exact from its beginning to its end.
const WHOLE: usize = 48_000;
/// After an xrun the ends' clocks have slipped against each other; playout settles again within this time.
const AFTER_XRUN: usize = 24_000;
/// An xrun is told somewhat after it has happened.
const BEFORE_XRUN: usize = 9_600;

#[test]
fn pcm16_arrives_within_one_step_at_64_frames() {
    arrives(64, "pcm16", 1.0 / 32768.0);
}

#[test]
fn pcm16_arrives_within_one_step_at_256_frames() {
    arrives(256, "pcm16", 1.0 / 32768.0);
}

#[test]
fn float_arrives_bit_for_bit_at_128_frames() {
    arrives(128, "f32", 0.0);
}

#[test]
fn float_arrives_bit_for_bit_at_256_frames_in_two_datagrams_a_period() {
    arrives(256, "f32", 0.0);
}

#[test]
fn pcm24_arrives_within_one_step_at_128_frames() {
    arrives(128, "pcm24", 1.0 / 8_388_608.0);
}

/// Takes are repeated while xruns leave less than ten seconds: they are the driver's, and on a busy machine it has one
/// every few seconds.
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
    for attempt in 0..7 {
        let signals = [
            ("A:in_1", sound::noise_float(SECONDS * 48_000, 1 + attempt)),
            ("A:in_2", sound::noise_float(SECONDS * 48_000, 101 + attempt)),
        ];
        let take = probe::take(&jackd.name, &signals, &["B:out_1", "B:out_2", "B:slot01_1", "B:slot01_2"]);
        exact += exact_stretches(&take, tolerance);
        if exact >= EXACT {
            return;
        }
        eprintln!("attempt {attempt}: xruns at {:?}, exact for {exact} frames so far", take.xruns);
    }
    panic!("at {period} frames {format} was exact for {exact} frames only\n{}", b.child.transcript());
}

/// How many frames of the stretches between xruns count: in each all four outputs are A's inputs at one delay.
fn exact_stretches(take: &probe::Take, tolerance: f32) -> usize {
    let begins = std::iter::once(SKIP).chain(take.xruns.iter().map(|x| (x + AFTER_XRUN).max(SKIP)));
    let ends = take.xruns.iter().map(|x| x.saturating_sub(BEFORE_XRUN)).chain([take.sent[0].len()]);
    let stretches = begins.zip(ends).filter(|(from, to)| from + WHOLE < *to);
    let counts = |(from, to)| {
        let (exact, is_whole) = exact_frames(take, from, to, tolerance);
        if is_whole || exact >= EXACT { exact } else { 0 }
    };
    stretches.map(counts).sum()
}

/// How many frames from `from` on are exact in all outputs, and whether those are all until `to`.
fn exact_frames(take: &probe::Take, from: usize, to: usize, tolerance: f32) -> (usize, bool) {
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
