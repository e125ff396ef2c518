//! Host rates other than 48 kHz.

use crate::common::{Jam, NetworkLink, Peer, Rng};
use rtjam_engine::{Notice, Playout};
use rtjam_protocol::audio::Codec;
use std::f64::consts::TAU;

/// Noise from `low` to `high` Hz: tones with random frequencies and phases.
struct Band(Vec<(f64, f64)>);

impl Band {
    fn new(low: f64, high: f64) -> Band {
        let mut rng = Rng(5);
        Band((0..60).map(|_| (low + (high - low) * rng.unit(), TAU * rng.unit())).collect())
    }

    /// The value at `time` seconds.
    fn at(&self, time: f64) -> f64 {
        self.0.iter().map(|(hz, phase)| (TAU * hz * time + phase).sin()).sum::<f64>() * 0.02
    }
}

/// The longest delay that is searched, in seconds.
const MOST: f64 = 0.05;

/// The normalised correlation of `out` (at `rate`) with the band at the best delay, to a fraction of a frame, and that delay
/// in seconds.
fn similarity(out: &[f32], band: &Band, rate: f64, from: usize) -> (f64, f64) {
    let window = &out[from..from + 3000];
    let alike = |delay: f64| -> f64 {
        let (mut xy, mut xx, mut yy) = (0.0, 1e-12, 1e-12);
        for (i, &x) in window.iter().enumerate() {
            let (x, y) = (f64::from(x), band.at((from + i) as f64 / rate - delay));
            xy += x * y;
            xx += x * x;
            yy += y * y;
        }
        xy / (xx * yy).sqrt()
    };
    let most = (MOST * rate) as usize;
    let played: Vec<f64> = (from - most..from + window.len()).map(|i| band.at(i as f64 / rate)).collect();
    let product = |delay: &usize| -> f64 {
        (0..window.len()).step_by(5).map(|i| f64::from(window[i]) * played[most + i - delay]).sum()
    };
    let whole = (0..most).max_by(|a, b| product(a).total_cmp(&product(b))).expect("some");
    let mut best = (alike(whole as f64 / rate), whole as f64);
    for step in [0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005] {
        for delay in [best.1 - step, best.1 + step] {
            let there = alike(delay / rate);
            if there > best.0 {
                best = (there, delay);
            }
        }
    }
    (best.0, best.1 / rate)
}

/// Sends a band from a host at `from` Hz to one at `to` Hz. Returns similarity and delay in seconds, of the main and the slot
/// output.
fn send_band(from: u32, to: u32, block: usize, low: f64, high: f64) -> [(f64, f64); 2] {
    let band = Band::new(low, high);
    let sender = Peer::new(from, block, |_| [0.0; 2], 1);
    let mut receiver = Peer::new(to, block, |_| [0.0; 2], 2);
    receiver.next += 40.0;
    sender.console.set_max_frames(Codec::F32.frames_in(1150));
    receiver.console.set_playout(Playout::Fixed { ms: 15.0 });
    let mut jam = Jam::new(sender, receiver, NetworkLink::clean(Codec::F32));
    let seconds = 1.4;
    while jam.sender.next.min(jam.receiver.next) < (1.0 + seconds) * 1e6 {
        if jam.sender.next <= jam.receiver.next {
            let first = jam.sender.played;
            let samples = (0..block as u64).map(|i| band.at((first + i) as f64 / f64::from(from)) as f32).collect();
            jam.send_samples(samples);
        } else {
            jam.receive();
        }
    }
    let start = to as usize * 9 / 10;
    [&jam.receiver.out[0], &jam.receiver.slot[1]].map(|out| similarity(out, &band, f64::from(to), start))
}

/// Music is preserved at every combination of host rates.
#[test]
fn every_rate_preserves_music() {
    for (from, to, block, high) in [
        (44_100, 44_100, 64, 8000.0),
        (96_000, 96_000, 128, 8000.0),
        (192_000, 192_000, 256, 8000.0),
        (88_200, 44_100, 100, 8000.0),
        (48_000, 44_100, 441, 8000.0),
        (16_000, 16_000, 64, 6000.0),
        (8_000, 8_000, 32, 3000.0),
        (8_000, 192_000, 64, 3000.0),
    ] {
        for (alike, delay) in send_band(from, to, block, 50.0, high) {
            assert!(alike > 0.999, "{from} → {to}: {alike} at {delay}");
            assert!(delay < MOST - 0.001, "{from} → {to}: {delay} s");
        }
    }
}

/// On one clock automatic playout settles at one period at other rates too.
#[test]
fn other_rates_settle_at_one_period() {
    for (rate, block) in [(44_100, 64), (44_100, 128), (96_000, 128), (88_200, 256)] {
        let sender = Peer::new(rate, block, |_| [0.1; 2], 1);
        let mut receiver = Peer::new(rate, block, |_| [0.0; 2], 2);
        receiver.next += 30.0;
        let mut jam = Jam::new(sender, receiver, NetworkLink::clean(Codec::Pcm16));
        jam.run_to(3.0);
        let before = jam.reading();
        jam.run_to(20.0);
        let after = jam.reading();
        assert_eq!((after.late, after.concealed_frames), (before.late, before.concealed_frames), "{rate}");
        assert!(after.delay_changes <= before.delay_changes + 1, "{rate} {after:?}");
        // From the arrival to the next call, and a frame or two by which the resamplers' counts differ.
        let period = block as f32 * 1000.0 / rate as f32;
        assert!(after.playout_delay_ms < period + 0.05, "{rate}: {after:?}");
    }
}

/// Sound above a slow host's band does not alias.
#[test]
fn low_rates_do_not_alias() {
    // 5 to 20 kHz, above the band of a host at 8 kHz.
    let band = Band::new(5000.0, 20_000.0);
    let sender = Peer::new(48_000, 64, |_| [0.0; 2], 1);
    let receiver = Peer::new(8000, 64, |_| [0.0; 2], 2);
    let mut jam = Jam::new(sender, receiver, NetworkLink::clean(Codec::F32));
    while jam.sender.next < 3e6 {
        if jam.sender.next <= jam.receiver.next {
            let first = jam.sender.played;
            jam.send_samples((0..64).map(|i| band.at((first + i) as f64 / 48_000.0) as f32).collect());
        } else {
            jam.receive();
        }
    }
    let out = &jam.receiver.out[0][8000..];
    let rms = (out.iter().map(|s| f64::from(s * s)).sum::<f64>() / out.len() as f64).sqrt();
    assert!(rms < 1e-4, "{rms}");
}

/// A rate that cannot be played is silent, and the console says why.
#[test]
fn unsupported_rate_is_silent() {
    for rate in [0, 7_999, 192_001, 384_000, u32::MAX] {
        let mut peer = Peer::new(48_000, 64, |_| [0.5; 2], 1);
        peer.engine.configure(rate, 64);
        peer.callback();
        assert!(peer.out.iter().chain(&peer.slot).flatten().all(|s| *s == 0.0));
        assert_eq!(peer.console.engine().notice, Some(Notice::RateUnsupported));
        peer.engine.configure(48_000, 64);
        assert_eq!(peer.console.engine().notice, None);
    }
}
