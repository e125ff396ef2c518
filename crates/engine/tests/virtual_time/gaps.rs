//! What concealed gaps sound like: drums, late packets, two channels.

use crate::common::{Jam, Signal, noise, tones};
use rtjam_engine::Playout;
use rtjam_protocol::audio::Codec;

/// Interval of the hits, in packets of 64 frames.
const HIT: u64 = 300;

/// Hits before the first loss.
const SETTLED: u64 = 2;

/// Power is averaged over this many frames: 2.5 ms.
const PART: usize = 120;

fn since(i: u64) -> f32 {
    (i % (HIT * 64)) as f32
}

/// Decays to a third within this many frames.
fn dies(i: u64, frames: f32) -> f32 {
    (-since(i) / frames).exp()
}

fn bass_drum(i: u64) -> [f32; 2] {
    let turn = 0.0063 * since(i) + 17.0 * (1.0 - dies(i, 1200.0));
    [0.8 * turn.sin() * dies(i, 3400.0), 0.5 * turn.sin() * dies(i, 3400.0)]
}

fn snare(i: u64) -> [f32; 2] {
    noise(i).map(|n| (1.6 * n + 0.3 * (0.0245 * since(i)).sin()) * dies(i, 2200.0))
}

fn hi_hat(i: u64) -> [f32; 2] {
    let (now, before) = (noise(i), noise(i.saturating_sub(1)));
    [now[0] - before[0], now[1] - before[1]].map(|n| n * dies(i, 700.0))
}

fn rimshot(i: u64) -> [f32; 2] {
    noise(i).map(|n| 2.0 * n * dies(i, 150.0) + 0.1 * (0.21 * since(i)).sin() * dies(i, 1500.0))
}

/// The output for `signal` while packets are lost, by their hit and their number after it, and the input.
fn heard(signal: Signal, hits: u64, lost: impl Fn(u64, u64) -> bool) -> ([Vec<f32>; 2], [Vec<f32>; 2]) {
    let mut jam = Jam::at_48k(64, Codec::F32, 30.0);
    jam.sender.signal = signal;
    jam.receiver.console.set_playout(Playout::Fixed { ms: 0.0 });
    while jam.sender.played < (SETTLED + hits) * HIT * 64 {
        jam.step();
        jam.flying.retain(|p| {
            let (hit, number) = (p.header.position.0 / 64 / HIT, p.header.position.0 / 64 % HIT);
            hit < SETTLED || !lost(hit - SETTLED, number)
        });
    }
    // On one clock and without delay the sound is one period behind.
    let from = (SETTLED * HIT * 64) as usize;
    let out = jam.receiver.slot.map(|out| out[from + 64..].to_vec());
    let (left, right) = (0..out[0].len()).map(|i| signal((from + i) as u64)).map(|[l, r]| (l, r)).unzip();
    (out, [left, right])
}

fn power(sound: &[f32], part: usize) -> f32 {
    sound[part * PART..(part + 1) * PART].iter().map(|s| s * s).sum::<f32>() / PART as f32
}

/// Hits in the output that are not in the input: parts with four times the power of all input within 10 ms before and after,
/// and at least a thirtieth (−15 dB) of the loudest hit's.
fn onsets(heard: &[f32], played: &[f32]) -> Vec<usize> {
    let played: Vec<f32> = (0..played.len() / PART).map(|part| power(played, part)).collect();
    let least = played.iter().fold(0.0_f32, |m, p| m.max(*p)) / 30.0;
    let struck = |part: &usize| {
        let near = played[part.saturating_sub(3)..played.len().min(part + 5)].iter().fold(0.0_f32, |m, p| m.max(*p));
        power(heard, *part) > least.max(4.0 * near)
    };
    (0..played.len()).filter(struck).collect()
}

/// A drum whose packets are lost repeatedly is not struck again.
#[test]
fn concealment_does_not_repeat_drum_hits() {
    let drums: [(&str, Signal); 4] =
        [("bass drum", bass_drum), ("snare", snare), ("hi-hat", hi_hat), ("rimshot", rimshot)];
    // Runs of one to five packets, the first of them 1.3 to 15 ms after the hit: each once, and then repeatedly with twice as
    // many packets between.
    let (firsts, runs) = (11, 5);
    let lost = |hit: u64, packet: u64| {
        let (first, run, once) = (1 + hit % firsts, 1 + hit / firsts % runs, hit / firsts < runs);
        let after = packet.wrapping_sub(first);
        packet >= first && if once { after < run } else { after % (3 * run) < run }
    };
    for (name, drum) in drums {
        let (out, meant) = heard(drum, 2 * firsts * runs, lost);
        for (out, meant) in out.iter().zip(&meant) {
            let found = onsets(out, meant);
            let at = found.iter().map(|part| (part * PART / 64 / HIT as usize, part * PART / 64 % HIT as usize));
            assert!(found.is_empty(), "{name}, hits and packets after them: {:?}", at.collect::<Vec<_>>());
        }
    }
}

/// Sound of late packets returns without a click.
#[test]
fn late_packets_return_without_clicks() {
    let mut jam = Jam::at_48k(64, Codec::F32, 30.0);
    jam.sender.signal = tones;
    jam.receiver.console.set_playout(Playout::Fixed { ms: 3.0 });
    jam.run_to(1.0);
    // Out of order, and up to 6 ms late: mostly after a part of the packet was due.
    (jam.link.jitter, jam.link.ordered) = (6000.0, false);
    jam.run_to(12.0);
    assert!(jam.reading().late > 1000, "{:?}", jam.reading());
    for (out, hz) in jam.receiver.slot.iter().zip([440.0, 1000.0]) {
        let own = 0.5 * std::f32::consts::TAU * hz / 48_000.0;
        let widest = out[48_000..].windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max);
        assert!(widest < own * 2.0 + 0.005, "{hz}: {widest} against {own}");
    }
}

/// Both channels of a gap keep the stereo image.
#[test]
fn concealment_keeps_the_stereo_image() {
    // A musician a little to the left: so is the concealed sound.
    let placed: Signal = |i| {
        let [a, b] = tones(i);
        let sound = 0.6 * a + 0.3 * b + 0.05 * noise(i)[0];
        [sound, 0.5 * sound]
    };
    let (out, _) = heard(placed, 6, |_, packet| packet % 9 < 3);
    let off = out[0].iter().zip(&out[1]).map(|(l, r)| (0.5 * l - r).abs()).fold(0.0, f32::max);
    assert!(off < 1e-3, "{off}");
    assert!(out[0].chunks(64).any(|c| c.iter().any(|s| s.abs() > 0.1)));
}
