//! Sound arrives exactly: at a constant delay, with the bits of its format.

use crate::common::{Jam, delay_at, first_wrong, noise};
use rtjam_engine::Playout;
use rtjam_protocol::audio::Codec;

const CODECS: [(Codec, f32); 3] = [(Codec::Pcm16, 1.0 / 32768.0), (Codec::Pcm24, 1.0 / 8_388_608.0), (Codec::F32, 0.0)];

/// Checks main and aux output from 3 s to the end. Returns the delay in frames.
fn exact_from_3s(jam: &Jam, tolerance: f32) -> usize {
    let from = 3 * 48_000;
    let outs = [&jam.receiver.out, &jam.receiver.slot];
    let delay = delay_at(&outs[0][0], 0, noise, from, 30_000, tolerance).expect("the sender's sound");
    for out in outs {
        for (channel, out) in out.iter().enumerate() {
            assert_eq!(first_wrong(out, channel, noise, from, delay, tolerance), None, "channel {channel}");
        }
    }
    let reading = jam.reading();
    assert_eq!((reading.lost, reading.concealed_frames), (0, 0), "{reading:?}");
    delay
}

/// Fixed playout is constant and exact for every format and block.
#[test]
fn fixed_playout_is_exact() {
    for block in [32, 64, 100, 128, 256, 441] {
        for (codec, tolerance) in CODECS {
            let mut jam = Jam::at_48k(block, codec, 30.0);
            jam.receiver.console.set_playout(Playout::Fixed { ms: 5.0 });
            jam.run_to(8.0);
            let delay = exact_from_3s(&jam, tolerance);
            // A packet is sent at its block's end, and drained by the next callback at the latest.
            assert!((240 + block..=240 + 2 * block).contains(&delay), "{block} {codec:?}: {delay}");
        }
    }
}

/// On one clock automatic playout settles at one period.
#[test]
fn one_clock_settles_at_one_period() {
    for block in [32, 64, 128, 256] {
        for phase in [20.0, 50.0] {
            let mut jam = Jam::at_48k(block, Codec::F32, phase);
            jam.run_to(10.0);
            let delay = exact_from_3s(&jam, 0.0);
            assert_eq!(delay, block, "{block} {phase}");
            assert_eq!(jam.reading().late, 0);
        }
    }
}
