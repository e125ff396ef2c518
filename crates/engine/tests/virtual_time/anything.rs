//! Any behaviour of network, hosts and clocks: the output is finite and not louder than the input, the buffered sound is
//! bounded, and after the trouble the sound is exact again.
//!
//! `PROPTEST_CASES=1000` tries more cases than the suite.

use crate::common::{Jam, NetworkLink, Rng, Signal, noise};
use proptest::prelude::*;
use rtjam_engine::Playout;
use rtjam_protocol::audio::Codec;

/// 1 dB.
const HEADROOM: f32 = 1.122;

/// The loudest sample that passes unchanged: a little below −1 dBFS.
const PASSES: f32 = 0.891;

/// The most sound that waits, in ms: a voice's capacity, a long pause of the host and the longest fixed delay.
const MOST_DELAY: f32 = 683.0 + 800.0 + 40.0;

/// A loud chord with a slow tremolo: any 64 frames differ from all others within a second.
fn chord(i: u64) -> [f32; 2] {
    let at = |hz: f64| (std::f64::consts::TAU * hz * i as f64 / 48_000.0).sin();
    let swell = 0.7 + 0.3 * at(0.37);
    [(0.4 * swell * (at(220.0) + at(563.7))) as f32, (0.8 * swell * at(331.3)) as f32]
}

/// Drums: a hit every quarter of a second, and silence between.
fn drums(i: u64) -> [f32; 2] {
    let since = (i % 12_000) as f32;
    let [left, right] = noise(i);
    let skin = (since * 0.011).sin() * (-since / 3000.0).exp();
    let stick = (-since / 200.0).exp();
    [0.5 * skin + 0.9 * left * stick, 0.4 * skin + right * stick]
}

/// The hardest sound for a filter: the largest unchanged magnitude, of changing sign, frame by frame.
fn hardest(i: u64) -> [f32; 2] {
    noise(i).map(|s| PASSES.copysign(s))
}

/// A quarter of the rate, sampled between its peaks: the peaks are 3 dB above the frames.
fn between_frames(i: u64) -> [f32; 2] {
    [[PASSES, PASSES, -PASSES, -PASSES][(i % 4) as usize]; 2]
}

/// Steps and single frames out of silence.
fn steps(i: u64) -> [f32; 2] {
    let block = Rng(i / 700).next() % 5;
    let click = if i.is_multiple_of(997) { PASSES } else { 0.0 };
    [(block as f32 - 2.0) / 2.5, click]
}

const SIGNALS: [Signal; 6] = [chord, noise, drums, hardest, between_frames, steps];

#[derive(Clone, Debug)]
struct Trouble {
    seconds: f64,
    base: f64,
    jitter: f64,
    loss: f64,
    duplicate: f64,
    duplicate_after: f64,
    ordered: bool,
    /// How late callbacks may be, µs.
    lateness: f64,
    receiver_pause: f64,
    sender_pause: f64,
    /// The receiver makes this many calls at once.
    burst: u32,
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let pause = prop_oneof![3 => Just(0.0), 1 => 0.0..800_000.0];
    let network = (0.0..60_000.0, 0.0..80_000.0, 0.0..0.6, 0.0..0.3, 1000.0..900_000.0, any::<bool>());
    let hosts =
        (prop_oneof![Just(0.0), 0.0..5000.0], pause.clone(), pause, prop_oneof![3 => Just(0_u32), 1 => 1_u32..8]);
    (0.2..2.0, network, hosts).prop_map(|(seconds, network, hosts)| {
        let (base, jitter, loss, duplicate, duplicate_after, ordered) = network;
        let (lateness, receiver_pause, sender_pause, burst) = hosts;
        Trouble {
            seconds,
            base,
            jitter,
            loss,
            duplicate,
            duplicate_after,
            ordered,
            lateness,
            receiver_pause,
            sender_pause,
            burst,
        }
    })
}

impl Trouble {
    /// Plays the trouble. Returns when it is over, in seconds from the start.
    fn befall(&self, jam: &mut Jam, begins: f64) -> Result<f64, TestCaseError> {
        let link = &mut jam.link;
        (link.base, link.jitter, link.ordered) = (self.base, self.jitter, self.ordered);
        (link.loss, link.duplicate, link.duplicate_after) = (self.loss, self.duplicate, self.duplicate_after);
        jam.receiver.lateness = self.lateness;
        jam.receiver.next += self.receiver_pause;
        jam.sender.next += self.sender_pause;
        if self.burst > 0 {
            let at = jam.receiver.next + f64::from(self.burst) * jam.receiver.block as f64 / 0.048;
            while jam.sender.next <= at {
                jam.send();
            }
            for _ in 0..self.burst {
                jam.receiver.next = at;
                jam.receive();
            }
        }
        let ends = begins + self.seconds + self.receiver_pause.max(self.sender_pause) / 1e6;
        run_bounded(jam, ends)?;
        Ok(ends)
    }
}

/// Plays on, and checks repeatedly how much sound waits.
fn run_bounded(jam: &mut Jam, ends: f64) -> Result<(), TestCaseError> {
    let mut now = (jam.receiver.next.min(jam.sender.next) - 1e6) / 1e6;
    while now < ends {
        now += 0.05;
        jam.run_to(now.min(ends));
        if let Some(reading) = jam.receiver.console.voice(rtjam_protocol::SourceId(1)) {
            prop_assert!(reading.playout_delay_ms <= MOST_DELAY, "{reading:?}");
        }
        prop_assert_eq!(jam.receiver.console.engine().incoming_dropped, 0);
        prop_assert_eq!(jam.sender.console.tx().dropped, 0);
    }
    Ok(())
}

/// Checks that the output is finite and at most 1 dB above the loudest frame of the input.
fn check_level(jam: &Jam) -> Result<(), TestCaseError> {
    let played = (0..jam.sender.played).flat_map(jam.sender.signal).fold(0.0_f32, |m, s| m.max(s.abs()));
    for out in jam.receiver.out.iter().chain(&jam.receiver.slot) {
        prop_assert!(out.iter().all(|s| s.is_finite()));
        let top = out.iter().fold(0.0_f32, |m, s| m.max(s.abs()));
        prop_assert!(top <= played * HEADROOM, "{top} of {played}");
    }
    Ok(())
}

/// Checks that the last 0.2 s of both channels equal the input at some delay, bit by bit.
fn check_exact(jam: &Jam) -> Result<(), TestCaseError> {
    let signal = jam.sender.signal;
    let [left, right] = &jam.receiver.slot;
    // Positions of sender and receiver differ by their pauses.
    let shift = jam.sender.played as i64 - left.len() as i64 + 2000;
    let (from, end) = (left.len() - 9600, left.len());
    let played = |i: usize, delay: usize| signal((i as i64 + shift - delay as i64).max(0) as u64);
    let alike = |i: usize, delay: usize| played(i, delay) == [left[i], right[i]];
    let delay =
        (0..40_000).find(|delay| (from..from + 64).all(|i| alike(i, *delay)) && (from..end).all(|i| alike(i, *delay)));
    prop_assert!(delay.is_some(), "{:?}", jam.reading());
    Ok(())
}

fn jam(block: usize, signal: Signal, seed: u64, fixed: Option<f32>) -> Jam {
    let mut jam = Jam::at_48k(block, Codec::F32, 30.0);
    jam.sender.signal = signal;
    jam.link.rng.0 = seed;
    if let Some(ms) = fixed {
        jam.receiver.console.set_playout(Playout::Fixed { ms });
    }
    jam
}

fn cases(usual: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn blocks() -> impl Strategy<Value = usize> {
    prop_oneof![Just(64_usize), Just(128), Just(100)]
}

proptest! {
    #![proptest_config(cases(32))]

    /// After any trouble the sound is exact again, and it is never too loud on the way.
    #[test]
    fn any_trouble_ends_exact_and_bounded(
        troubles in prop::collection::vec(trouble(), 1..4),
        seed in any::<u64>(),
        block in blocks(),
        fixed in prop::option::of(0.0_f32..40.0),
        signal in 0..SIGNALS.len(),
    ) {
        let mut jam = jam(block, SIGNALS[signal], seed, fixed);
        let mut end = 1.0;
        run_bounded(&mut jam, end)?;
        for trouble in &troubles {
            end = trouble.befall(&mut jam, end)?;
        }
        jam.link = NetworkLink::clean(Codec::F32);
        jam.receiver.lateness = 0.0;
        // A shift of a fixed delay is undone after 4 s.
        run_bounded(&mut jam, end + 6.0)?;
        check_level(&jam)?;
        check_exact(&jam)?;
    }
}

/// Jitter that looks like a clock that is fast is not followed for long.
#[test]
fn short_jitter_is_no_drift() -> Result<(), TestCaseError> {
    let mut jam = jam(64, chord, 3_115_728_073_483_865_405, None);
    let mut end = 1.0;
    run_bounded(&mut jam, end)?;
    let first = Trouble {
        seconds: 1.600_017_984_202_624_5,
        base: 43_021.687_276_819_47,
        jitter: 46_161.970_292_708_38,
        loss: 0.543_941_622_349_287,
        duplicate: 0.026_906_305_357_212_67,
        duplicate_after: 1000.0,
        ordered: false,
        lateness: 0.0,
        receiver_pause: 0.0,
        sender_pause: 0.0,
        burst: 0,
    };
    let second = Trouble {
        seconds: 0.950_674_162_601_778_4,
        base: 0.0,
        jitter: 16_910.739_614_961_858,
        loss: 0.076_327_879_151_107_53,
        duplicate: 0.156_355_318_099_571_35,
        ..first.clone()
    };
    for trouble in [first, second] {
        end = trouble.befall(&mut jam, end)?;
    }
    jam.link = NetworkLink::clean(Codec::F32);
    run_bounded(&mut jam, end + 6.0)?;
    check_exact(&jam)
}

proptest! {
    #![proptest_config(cases(8))]

    /// The same with drifting clocks, where the sound is complete but not bit-exact.
    #[test]
    fn drifting_trouble_stays_bounded(
        trouble in trouble(),
        seed in any::<u64>(),
        block in blocks(),
        fixed in prop::option::of(0.0_f32..40.0),
        signal in 0..SIGNALS.len(),
        ppm in prop_oneof![-200.0..-40.0, 40.0..200.0],
    ) {
        let mut jam = jam(block, SIGNALS[signal], seed, fixed);
        jam.sender.ppm = ppm;
        run_bounded(&mut jam, 14.0)?;
        prop_assert!(jam.reading().drift_ppm != 0.0, "{:?}", jam.reading());
        let end = trouble.befall(&mut jam, 14.0)?;
        jam.link = NetworkLink::clean(Codec::F32);
        jam.receiver.lateness = 0.0;
        run_bounded(&mut jam, end + 4.0)?;
        check_level(&jam)?;
        if fixed.is_none() {
            let before = jam.reading();
            run_bounded(&mut jam, end + 6.0)?;
            prop_assert_eq!(jam.reading().concealed_frames, before.concealed_frames);
        }
    }
}
