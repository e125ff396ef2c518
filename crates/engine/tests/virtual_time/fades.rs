//! What misbehaving hosts cost, measured by ear: one fade, and the final delay half a second later.
//!
//! Each channel plays a tone. At a constant delay each frame of a tone is a weighted sum of the previous two; in a fade it is
//! not. So fades are found at any rate, whatever caused them, and the phases of both tones tell the delay.

use crate::common::{Jam, NetworkLink, Peer};
use rtjam_protocol::audio::Codec;
use std::f64::consts::TAU;

/// Tone of each channel, in Hz: all delays below 24 ms differ.
const TONES: [f64; 2] = [441.1, 1003.7];

/// More than the resamplers' error for a tone of 0.5, and less than the slightest fade.
const BROKEN: f64 = 2e-4;

/// Fades closer than this, in seconds, are one.
const APART: f64 = 0.03;

/// The delay is normal again after this many seconds.
const SOON: f64 = 0.5;

/// A host after 6 s of calls.
struct Host {
    jam: Jam,
    /// Frames that were output until then.
    before: usize,
}

fn tone(hz: f64, seconds: f64) -> f64 {
    0.5 * (TAU * hz * seconds).sin()
}

fn tones(i: u64) -> [f32; 2] {
    TONES.map(|hz| tone(hz, i as f64 / 48_000.0) as f32)
}

impl Host {
    /// With this rate and block, and packets of this many frames.
    fn new(rate: u32, block: usize, packet: usize) -> Host {
        let sender = Peer::new(48_000, packet, tones, 1);
        let mut receiver = Peer::new(rate, block, |_| [0.0; 2], 2);
        receiver.next += 30.0;
        let mut jam = Jam::new(sender, receiver, NetworkLink::clean(Codec::F32));
        jam.run_to(6.0);
        Host { before: jam.receiver.out[0].len(), jam }
    }

    fn run_for(&mut self, seconds: f64) {
        let now = (self.jam.receiver.next - 1e6) / 1e6;
        self.jam.run_to(now + seconds);
    }

    /// Changes rate and block.
    fn becomes(&mut self, rate: u32, block: usize) {
        (self.jam.receiver.rate, self.jam.receiver.block) = (rate, block);
        self.jam.receiver.engine.configure(rate, block);
    }

    /// When fades began since then, in seconds.
    fn fades(&self) -> Vec<f64> {
        let (out, rate) = (&self.jam.receiver.slot, f64::from(self.jam.receiver.rate));
        let (mut times, mut last) = (Vec::new(), f64::MIN);
        for i in self.before..out[0].len() {
            let broken = out.iter().zip(TONES).any(|(out, hz)| {
                let [a, b, c] = [out[i - 2], out[i - 1], out[i]].map(f64::from);
                (c - 2.0 * (TAU * hz / rate).cos() * b + a).abs() > BROKEN
            });
            let at = (i - self.before) as f64 / rate;
            if broken && at - last > APART {
                times.push(at);
            }
            last = if broken { at } else { last };
        }
        times
    }

    /// The current delay, in ms.
    fn delay(&self) -> f64 {
        let (receiver, sender) = (&self.jam.receiver, &self.jam.sender);
        let rate = f64::from(receiver.rate);
        let played_now = sender.played as f64 / 48_000.0 + (receiver.next - sender.next) / 1e6;
        let off = |ms: f64| {
            let mut off = 0.0;
            for (out, hz) in receiver.slot.iter().zip(TONES) {
                for back in 1..=120 {
                    let meant = tone(hz, played_now - f64::from(back) / rate - ms / 1000.0);
                    off += (f64::from(out[out.len() - back as usize]) - meant).powi(2);
                }
            }
            off
        };
        let best = (0..1200).map(|step| f64::from(step) / 50.0).min_by(|a, b| off(*a).total_cmp(&off(*b)));
        let best = best.expect("a delay");
        assert!(off(best) < 0.3, "at no delay: {}", off(best));
        best
    }

    /// Asserts that within half a second the delay is the final one, within a packet, and that there was one fade in the first
    /// quarter of a second and none after it.
    #[track_caller]
    fn assert_one_fade(mut self, packet: usize, what: &str) {
        self.run_for(SOON);
        let soon = self.delay();
        self.run_for(8.0);
        let (stays, fades) = (self.delay(), self.fades());
        assert!((soon - stays).abs() <= packet as f64 / 48.0, "{what}: {soon} ms, then {stays} ms");
        assert!((1..=2).contains(&fades.len()) && fades.iter().all(|at| *at < 0.25), "{what}: {fades:.3?}");
    }
}

/// A host that does not call for three seconds causes one fade.
#[test]
fn pause_is_one_fade() {
    for packet in [64, 128] {
        for rate in [44_100, 48_000, 96_000] {
            let mut host = Host::new(rate, 64, packet);
            let before = host.delay();
            host.jam.receiver.next += 3e6;
            host.run_for(SOON);
            let after = host.delay();
            assert!((after - before).abs() <= packet as f64 / 48.0, "{rate} {packet}: {before} ms, then {after} ms");
            host.assert_one_fade(packet, &format!("{rate} Hz, packets of {packet}"));
        }
    }
}

/// Four blocks in a burst cause one fade.
#[test]
fn burst_of_blocks_is_one_fade() {
    for packet in [64, 128] {
        for (rate, block) in [(44_100, 64), (44_100, 128), (48_000, 64), (48_000, 128), (48_000, 441), (96_000, 128)] {
            let mut host = Host::new(rate, block, packet);
            let (before, jam) = (host.delay(), &mut host.jam);
            let at = jam.receiver.next + 4.0 * block as f64 * 1e6 / f64::from(rate);
            while jam.sender.next <= at {
                jam.send();
            }
            for _ in 0..4 {
                jam.receiver.next = at;
                jam.receive();
            }
            host.run_for(SOON);
            let after = host.delay();
            let what = format!("{rate} Hz, blocks of {block}, packets of {packet}");
            assert!((after - before).abs() <= packet as f64 / 48.0, "{what}: {before} ms, then {after} ms");
            host.assert_one_fade(packet, &what);
        }
    }
}

/// Another block size causes one fade.
#[test]
fn new_block_size_is_one_fade() {
    for packet in [64, 128] {
        for blocks in [
            [64, 128],
            [128, 64],
            [64, 256],
            [256, 32],
            [100, 441],
            [441, 100],
            [32, 441],
            [64, 1024],
            [1024, 64],
            [1024, 441],
        ] {
            let mut host = Host::new(48_000, blocks[0], packet);
            host.becomes(48_000, blocks[1]);
            host.assert_one_fade(packet, &format!("blocks of {blocks:?}, packets of {packet}"));
        }
    }
}

/// Another sample rate causes one fade.
#[test]
fn new_rate_is_one_fade() {
    for packet in [64, 128] {
        for (from, to) in
            [(44_100, 48_000), (48_000, 44_100), (48_000, 96_000), (96_000, 48_000), (44_100, 96_000), (96_000, 44_100)]
        {
            for block in [64, 128] {
                let mut host = Host::new(from, block, packet);
                host.becomes(to, block);
                host.assert_one_fade(packet, &format!("{from} to {to} Hz, blocks of {block}, packets of {packet}"));
            }
        }
    }
}
