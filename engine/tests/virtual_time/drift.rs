//! Clocks that run apart.

use crate::common::{Jam, Link, Peer, first_wrong, noise, tones};
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

fn neither_drops_out_nor_creeps(sender: f64, receiver: f64, seconds: usize) {
    let hour = hour(sender, receiver, 256, seconds);
    let reading = hour.jam.reading();
    assert_eq!(reading.lost, 0);
    assert!((f64::from(reading.drift_ppm) - (sender - receiver)).abs() < 5.0, "{reading:?}");
    let settled = wander(&hour.delays[60..]);
    assert!(settled < 0.001, "{settled} s, {reading:?}");
    assert_eq!(reading.concealed_frames, hour.at_the_start, "{reading:?}");
}

#[test]
fn a_clock_200_ppm_faster_neither_drops_out_nor_creeps_over_an_hour() {
    neither_drops_out_nor_creeps(100.0, -100.0, 3600);
}

#[test]
fn a_clock_200_ppm_slower_neither_drops_out_nor_creeps_over_an_hour() {
    neither_drops_out_nor_creeps(-100.0, 100.0, 3600);
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

#[test]
fn equal_clocks_give_equal_bits_for_minutes_whatever_the_scheduling() {
    let mut jam = Jam::at_48k(64, Codec::F32, 0.0);
    // Late callbacks and late packets, by up to 300 and 500 µs: the packet still comes before it is due.
    (jam.receiver.lateness, jam.link.base, jam.link.jitter) = (300.0, 350.0, 500.0);
    jam.run_to(5.0);
    let delay = jam.delay_now(noise).expect("the sender's sound").round() as usize;
    assert_eq!(delay, 64);
    jam.run_to(180.0);
    assert_eq!(jam.reading().drift_ppm, 0.0);
    let out = &jam.receiver.slot[0];
    assert_eq!(first_wrong(out, 0, noise, 5 * 48_000, delay, 0.0), None);
}

#[test]
fn when_clocks_are_equal_again_the_bits_are_exact_again() {
    let mut jam = Jam::at_48k(128, Codec::F32, 300.0);
    jam.sender.ppm = 60.0;
    jam.run_to(40.0);
    assert!((jam.reading().drift_ppm - 60.0).abs() < 5.0, "{:?}", jam.reading());
    jam.sender.ppm = 0.0;
    jam.run_to(140.0);
    assert_eq!(jam.reading().drift_ppm, 0.0, "{:?}", jam.reading());
    assert!(jam.delay_now(noise).is_some_and(|d| d < 400.0), "{:?}", jam.delay_now(noise));
    let concealed = jam.reading().concealed_frames;
    jam.run_to(150.0);
    assert!(jam.delay_now(noise).is_some());
    assert_eq!(jam.reading().concealed_frames, concealed);
}
