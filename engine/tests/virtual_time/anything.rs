//! Whatever the network does: finite, not louder than what was played, and after the trouble the sound itself.

use crate::common::{Jam, Link};
use proptest::prelude::*;
use rtjam_engine::Playout;
use rtjam_protocol::audio::Codec;

/// A loud chord with a slow tremolo: every 64 frames of it are unlike all others within a second.
fn chord(i: u64) -> [f32; 2] {
    let at = |hz: f64| (std::f64::consts::TAU * hz * i as f64 / 48_000.0).sin();
    let swell = 0.7 + 0.3 * at(0.37);
    [(0.4 * swell * (at(220.0) + at(563.7))) as f32, (0.8 * swell * at(331.3)) as f32]
}

#[derive(Clone, Debug)]
struct Trouble {
    seconds: f64,
    base: f64,
    jitter: f64,
    loss: f64,
    duplicate: f64,
    ordered: bool,
    receiver_pause: f64,
    sender_pause: f64,
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let pause = prop_oneof![3 => Just(0.0), 1 => 0.0..800_000.0];
    (0.2..2.0, 0.0..60_000.0, 0.0..80_000.0, 0.0..0.6, 0.0..0.3, any::<bool>(), pause.clone(), pause).prop_map(
        |(seconds, base, jitter, loss, duplicate, ordered, receiver_pause, sender_pause)| Trouble {
            seconds,
            base,
            jitter,
            loss,
            duplicate,
            ordered,
            receiver_pause,
            sender_pause,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_trouble_ends_and_is_never_louder_than_the_sound(
        troubles in prop::collection::vec(trouble(), 1..4),
        seed in any::<u64>(),
        block in prop_oneof![Just(64_usize), Just(128), Just(100)],
        fixed in prop::option::of(0.0_f32..40.0),
    ) {
        let mut jam = Jam::at_48k(block, Codec::F32, 30.0);
        jam.sender.signal = chord;
        jam.link.rng.0 = seed;
        if let Some(ms) = fixed {
            jam.receiver.console.set_playout(Playout::Fixed { ms });
        }
        let mut end = 1.0;
        jam.run_to(end);
        for trouble in &troubles {
            let link = &mut jam.link;
            (link.base, link.jitter, link.ordered) = (trouble.base, trouble.jitter, trouble.ordered);
            (link.loss, link.duplicate) = (trouble.loss, trouble.duplicate);
            jam.receiver.next += trouble.receiver_pause;
            jam.sender.next += trouble.sender_pause;
            end += trouble.seconds + trouble.receiver_pause.max(trouble.sender_pause) / 1e6;
            jam.run_to(end);
        }
        jam.link = Link::clean(Codec::F32);
        // What the trouble moved a fixed delay by is given back when it has stayed for 4 s.
        jam.run_to(end + 6.0);
        for out in jam.receiver.out.iter().chain(&jam.receiver.slot) {
            prop_assert!(out.iter().all(|s| s.is_finite()));
            let top = out.iter().fold(0.0_f32, |m, s| m.max(s.abs()));
            prop_assert!(top <= 0.8 * 1.122, "{top}");
        }
        // Positions of sender and receiver differ by their pauses.
        let out = &jam.receiver.slot[0];
        let shift = jam.sender.played as i64 - out.len() as i64;
        let from = out.len() - 9600;
        let ahead = |i: u64| chord((i as i64 + shift + 2000).max(0) as u64);
        let delay = (0..30_000_usize).find(|d| {
            (0..64).all(|i| ahead((from + i - d.min(&(from + i))) as u64)[0] == out[from + i])
        });
        prop_assert!(delay.is_some(), "{:?}", jam.reading());
        let delay = delay.unwrap_or(0);
        let wrong = (from..out.len()).find(|&i| ahead((i - delay) as u64)[0] != out[i]);
        prop_assert!(wrong.is_none(), "{wrong:?} {:?}", jam.reading());
    }
}
