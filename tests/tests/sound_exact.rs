//! With fixed playout what B hears is what A plays: one delay, equal to the format's precision.

use rtjam_tests::jackd::Jackd;
use rtjam_tests::musician::{Musician, Options};
use rtjam_tests::room::Room;
use rtjam_tests::{probe, sound};

const SECONDS: usize = 18;
/// Joining, and the first placing of the playout.
const SKIP: usize = 2 * 48_000;
/// What must be exact between two xruns.
const EXACT_SECONDS: usize = 10;
/// After an xrun the ends' clocks have slipped against each other; playout settles again within this time.
const AFTER_XRUN: usize = 48_000;

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

/// Takes are repeated while xruns leave no stretch of ten seconds: they are the driver's.
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

    let mut longest = 0;
    for attempt in 0..5 {
        let signals = [
            ("A:in_1", sound::noise_float(SECONDS * 48_000, 1 + attempt)),
            ("A:in_2", sound::noise_float(SECONDS * 48_000, 101 + attempt)),
        ];
        let take = probe::take(&jackd.name, &signals, &["B:out_1", "B:out_2", "B:slot01_1", "B:slot01_2"]);
        longest = longest.max(longest_exact_stretch(&take, tolerance));
        if longest >= EXACT_SECONDS * 48_000 {
            return;
        }
        eprintln!("attempt {attempt}: xruns at {:?}, exact for {longest} frames", take.xruns);
    }
    panic!("at {period} frames {format} was exact for {longest} frames only\n{}", b.child.transcript());
}

/// The longest run of frames between xruns in which all four outputs are A's inputs at one delay.
fn longest_exact_stretch(take: &probe::Take, tolerance: f32) -> usize {
    let frames = take.sent[0].len();
    let mut edges = vec![SKIP];
    edges.extend(take.xruns.iter().map(|x| x + AFTER_XRUN));
    edges.push(frames + AFTER_XRUN);
    let stretches = edges.windows(2).map(|w| (w[0], w[1] - AFTER_XRUN)).filter(|(from, to)| from + 4800 < *to);
    stretches.map(|(from, to)| exact_frames(take, from, to, tolerance)).max().unwrap_or(0)
}

/// How many frames from `from` on are exact in all outputs.
fn exact_frames(take: &probe::Take, from: usize, to: usize, tolerance: f32) -> usize {
    let (lag, alike) = sound::delay_at(&take.sent[0], &take.got[0], from, 1024, 4800);
    assert!(alike > 0.99, "B does not hear A ({alike:.3} at {lag})");
    let equal = |at: usize| {
        (0..4).all(|port| {
            let (sent, got) = (take.sent[port % 2][at], take.got[port][at + lag]);
            (sent - got).abs() <= tolerance
        })
    };
    (from..to - lag).position(|at| !equal(at)).unwrap_or(to - lag - from)
}
