//! Clocks that run apart.

use crate::common::{Jam, Link, Peer, tones};
use rtjam_protocol::audio::Codec;

/// An hour of two clocks, `ppm` apart, at `block` frames. The receiver's output is looked at as it comes.
struct Hour {
    jam: Jam,
    /// Phase of 1 kHz in the right channel against the sender's own, in seconds of delay, once a second.
    delays: Vec<f64>,
    /// Frames concealed in the first ten seconds.
    at_the_start: u64,
}

/// The delay of a 1 kHz tone modulo 1 ms, from one second's last 4800 frames: `end` is the true time of their end.
fn tone_delay(out: &[f32], rate: f64, end: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (i, &s) in out.iter().enumerate() {
        let at = end - (out.len() - i) as f64 / rate;
        let angle = std::f64::consts::TAU * 1000.0 * at;
        re += f64::from(s) * angle.cos();
        im += f64::from(s) * angle.sin();
    }
    // s = sin(2π·1000·(t − delay))
    (-re).atan2(im).rem_euclid(std::f64::consts::TAU) / (std::f64::consts::TAU * 1000.0)
}

fn hour(sender_ppm: f64, receiver_ppm: f64, block: usize, seconds: usize) -> Hour {
    let mut sender = Peer::new(48_000, block, tones, 1);
    let mut receiver = Peer::new(48_000, block, |_| [0.0; 2], 2);
    (sender.ppm, receiver.ppm) = (sender_ppm, receiver_ppm);
    (sender.lateness, receiver.lateness) = (0.0, 300.0);
    receiver.next += 700.0;
    let mut jam = Jam::new(sender, receiver, Link::clean(Codec::Pcm16));
    let (mut delays, mut at_the_start) = (Vec::new(), 0);
    let sender_rate = 48_000.0 * (1.0 + sender_ppm * 1e-6);
    for second in 1..=seconds {
        jam.run_to(second as f64);
        if second == 10 {
            at_the_start = jam.reading().concealed_frames;
        }
        let out = &jam.receiver.out[1];
        let rate = 48_000.0 * (1.0 + receiver_ppm * 1e-6);
        // In the sender's own time, where its tone is exactly 1 kHz.
        let end = (jam.receiver.next - 1e6) / 1e6 * sender_rate / 48_000.0;
        delays.push(tone_delay(&out[out.len() - 4800..], rate * 48_000.0 / sender_rate, end));
        for out in jam.receiver.out.iter_mut().chain(&mut jam.receiver.slot) {
            out.clear();
        }
        for out in jam.sender.out.iter_mut().chain(&mut jam.sender.slot) {
            out.clear();
        }
    }
    Hour { jam, delays, at_the_start }
}

/// How far delays, known modulo 1 ms, wander from their first, in seconds.
fn wander(delays: &[f64]) -> f64 {
    let mut unwrapped = delays[0];
    let (mut low, mut high) = (unwrapped, unwrapped);
    for d in delays {
        let off = (d - unwrapped + 0.0005).rem_euclid(0.001) - 0.0005;
        unwrapped += off;
        (low, high) = (low.min(unwrapped), high.max(unwrapped));
    }
    high - low
}

fn neither_drops_out_nor_creeps(sender: f64, receiver: f64) {
    let hour = hour(sender, receiver, 256, 3600);
    let reading = hour.jam.reading();
    assert_eq!(reading.lost, 0);
    assert!((f64::from(reading.drift_ppm) - (sender - receiver)).abs() < 5.0, "{reading:?}");
    let settled = wander(&hour.delays[60..]);
    assert!(settled < 0.001, "{settled} s, {reading:?}");
    assert_eq!(reading.concealed_frames, hour.at_the_start, "{reading:?}");
}

#[test]
fn a_clock_200_ppm_faster_neither_drops_out_nor_creeps_over_an_hour() {
    neither_drops_out_nor_creeps(100.0, -100.0);
}

#[test]
fn a_clock_200_ppm_slower_neither_drops_out_nor_creeps_over_an_hour() {
    neither_drops_out_nor_creeps(-100.0, 100.0);
}

#[test]
fn a_tone_is_steady_while_clocks_differ() {
    let hour = hour(80.0, -60.0, 64, 90);
    // A cent is 578 ppm: from second to second the delay of a tone that is off by a cent moves by 578 µs.
    for pair in hour.delays[10..].windows(2) {
        let off = (pair[1] - pair[0] + 0.0005).rem_euclid(0.001) - 0.0005;
        assert!(off.abs() < 0.000_2, "{off} s in a second");
    }
    assert!(wander(&hour.delays[30..]) < 0.000_5);
    assert_eq!(hour.jam.reading().concealed_frames, hour.at_the_start);
}
