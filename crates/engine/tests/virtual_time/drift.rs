//! Clock drift between musicians.

use crate::common::{Jam, NetworkLink, Peer, first_wrong, noise, tones};
use rtjam_protocol::audio::Codec;

/// Plays two clocks that are `ppm` apart, at `block` frames. Takes looks at the receiver's output on the way.
struct Hour {
    jam: Jam,
    /// At regular times: phase of 1 kHz in the right channel relative to the sender's own, in seconds of delay.
    delays: Vec<f64>,
    /// Frames concealed in the first ten seconds.
    at_the_start: u64,
}

/// The delay of a 1 kHz tone modulo 1 ms, from the last 4080 frames (85 periods), which end at true time `end`.
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
    played(sender_ppm, receiver_ppm, block, 300.0, seconds, 1)
}

/// Plays with this many looks per second, and packets that are up to `jitter` µs late.
fn played(sender_ppm: f64, receiver_ppm: f64, block: usize, jitter: f64, seconds: usize, looks: usize) -> Hour {
    let mut sender = Peer::new(48_000, block, tones, 1);
    let mut receiver = Peer::new(48_000, block, |_| [0.0; 2], 2);
    (sender.ppm, receiver.ppm) = (sender_ppm, receiver_ppm);
    (sender.lateness, receiver.lateness) = (0.0, 300.0);
    receiver.next += 700.0;
    let mut jam = Jam::new(sender, receiver, NetworkLink { jitter, ordered: true, ..NetworkLink::clean(Codec::Pcm16) });
    let (mut delays, mut at_the_start) = (Vec::new(), 0);
    let sender_rate = 48_000.0 * (1.0 + sender_ppm * 1e-6);
    for look in 1..=seconds * looks {
        jam.run_to(look as f64 / looks as f64);
        if look == 10 * looks {
            at_the_start = jam.reading().concealed_frames;
        }
        let out = &jam.receiver.out[1];
        let rate = 48_000.0 * (1.0 + receiver_ppm * 1e-6);
        // On the sender's own time, on which its tone is exactly 1 kHz.
        let end = (jam.receiver.next - 1e6) / 1e6 * sender_rate / 48_000.0;
        delays.push(tone_delay(&out[out.len() - 4080..], rate * 48_000.0 / sender_rate, end));
        for out in jam.receiver.out.iter_mut().chain(&mut jam.receiver.slot) {
            out.clear();
        }
        for out in jam.sender.out.iter_mut().chain(&mut jam.sender.slot) {
            out.clear();
        }
    }
    Hour { jam, delays, at_the_start }
}

/// Consecutive delays, each known modulo 1 ms.
fn unwrapped(delays: &[f64]) -> Vec<f64> {
    let mut last = delays[0];
    let next = |d: &f64| {
        last += (d - last + 0.0005).rem_euclid(0.001) - 0.0005;
        last
    };
    delays.iter().map(next).collect()
}

/// The largest distance of the delays from their median, in seconds.
fn off_target(delays: &[f64]) -> f64 {
    let mut delays = unwrapped(delays);
    delays.sort_unstable_by(f64::total_cmp);
    let target = delays[delays.len() / 2];
    (target - delays[0]).max(delays[delays.len() - 1] - target)
}

fn neither_drops_out_nor_creeps(sender: f64, receiver: f64, seconds: usize) {
    let hour = hour(sender, receiver, 256, seconds);
    let reading = hour.jam.reading();
    assert_eq!(reading.lost, 0);
    assert!((f64::from(reading.drift_ppm) - (sender - receiver)).abs() < 5.0, "{reading:?}");
    let off = off_target(&hour.delays[60..]);
    assert!(off < 0.000_5, "{off} s, {reading:?}");
    assert_eq!(reading.concealed_frames, hour.at_the_start, "{reading:?}");
}

/// A clock that is 200 ppm faster causes no gaps and no growing delay over an hour.
#[test]
fn faster_clock_is_followed_for_an_hour() {
    neither_drops_out_nor_creeps(100.0, -100.0, 3600);
}

/// A clock that is 200 ppm slower causes no gaps and no growing delay over an hour.
#[test]
fn slower_clock_is_followed_for_an_hour() {
    neither_drops_out_nor_creeps(-100.0, 100.0, 3600);
}

/// From ten seconds on a tone is within a tenth of a cent of its pitch, and the delay within half a millisecond of its
/// target.
///
/// A cent is 578 ppm: it would move the delay by 58 µs from look to look, a tenth of a second. Clocks 200 ppm apart are off by
/// a third of a cent if nothing is corrected.
#[test]
fn drifting_tone_keeps_pitch_and_delay() {
    for (sender, receiver, block, jitter) in
        [(100.0, -100.0, 64, 0.0), (-100.0, 100.0, 64, 0.0), (80.0, -60.0, 128, 400.0), (-10.0, 10.0, 64, 400.0)]
    {
        let hour = played(sender, receiver, block, jitter, 60, 10);
        let delays = unwrapped(&hour.delays[100..]);
        let cents = delays.windows(2).map(|pair| (pair[1] - pair[0]).abs() / 0.1 / 578e-6).fold(0.0, f64::max);
        let off = off_target(&hour.delays[100..]);
        println!("{sender} against {receiver} ppm: {cents:.3} cents, {:.3} ms off", off * 1000.0);
        assert!(cents < 0.1, "{sender} against {receiver} ppm: {cents} cents");
        assert!(off < 0.000_5, "{sender} against {receiver} ppm: {off} s");
        assert_eq!(hour.jam.reading().concealed_frames, hour.at_the_start, "{sender} against {receiver} ppm");
    }
}

/// With equal clocks sound is bit-exact for minutes, whatever the scheduling.
#[test]
fn equal_clocks_give_equal_bits() {
    let mut jam = Jam::at_48k(64, Codec::F32, 0.0);
    // Callbacks and packets are late by up to 300 and 500 µs: packets still arrive before they are due.
    (jam.receiver.lateness, jam.link.base, jam.link.jitter) = (300.0, 350.0, 500.0);
    jam.run_to(5.0);
    let delay = jam.delay_now(noise).expect("the sender's sound").round() as usize;
    assert_eq!(delay, 64);
    jam.run_to(180.0);
    assert_eq!(jam.reading().drift_ppm, 0.0);
    let out = &jam.receiver.slot[0];
    assert_eq!(first_wrong(out, 0, noise, 5 * 48_000, delay, 0.0), None);
}

/// When clocks become equal again, so do the bits.
#[test]
fn equal_clocks_become_exact_again() {
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
