//! The local input without the room: while bypassed, and outside any room.

use crate::common::{Jam, NetworkLink, Peer, noise, tones};
use rtjam_engine::{Gain, Outputs, SLOTS};
use rtjam_protocol::Micros;
use rtjam_protocol::audio::Codec;

/// 15 ms at 48 kHz, and a block in which the change begins.
const FADED: usize = 720 + 64;

/// A jam of one second. The receiver plays noise, and has the sender on its first slot.
fn jam() -> Jam {
    let mut jam =
        Jam::new(Peer::new(48_000, 64, tones, 1), Peer::new(48_000, 64, noise, 2), NetworkLink::clean(Codec::F32));
    jam.receiver.console.set_monitor(Gain::db(-6.0));
    jam.run_for(1.0);
    jam
}

fn loudest(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |most, s| s.abs().max(most))
}

/// Bypass passes the input at unity, and silences room, slots and sending.
#[test]
fn bypass_passes_only_the_input() {
    let mut jam = jam();
    assert!(loudest(&jam.receiver.slot[0]) > 0.4, "the sender is heard");
    while jam.receiver.network.outgoing.pop().is_some() {}
    let from = jam.receiver.out[0].len();
    jam.receiver.console.set_bypass(true);
    jam.run_for(1.0);
    let receiver = &mut jam.receiver;
    for frame in from + FADED..receiver.out[0].len() {
        assert_eq!([receiver.out[0][frame], receiver.out[1][frame]], noise(frame as u64), "{frame}");
    }
    assert_eq!(loudest(&receiver.slot[0][from + FADED..]), 0.0);
    let sent: Vec<f32> = std::iter::from_fn(|| receiver.network.outgoing.pop())
        .map(|packet| packet.channels().iter().map(|c| loudest(c)).fold(0.0, f32::max))
        .collect();
    assert!(sent.len() >= 256, "packets go on: {}", sent.len());
    assert_eq!(loudest(&sent[FADED / 64 + 1..]), 0.0);

    // The room returns at its previous level.
    receiver.console.set_bypass(false);
    let from = receiver.out[0].len();
    jam.run_for(1.0);
    let (out, slot) = (&jam.receiver.out[0][from + FADED..], &jam.receiver.slot[0][from + FADED..]);
    assert!(loudest(slot) > 0.4);
    let own = |frame: usize| noise((from + FADED + frame) as u64)[0] * Gain::db(-6.0).factor();
    let difference = (0..out.len()).map(|i| (out[i] - own(i) - slot[i]).abs()).fold(0.0, f32::max);
    assert!(difference < 1e-5, "{difference}");
}

/// Entering and leaving bypass makes no click.
#[test]
fn bypass_does_not_click() {
    let mut jam = Jam::new(
        Peer::new(48_000, 64, tones, 1),
        Peer::new(48_000, 64, |_| [0.5; 2], 2),
        NetworkLink::clean(Codec::F32),
    );
    jam.receiver.console.set_monitor(Gain::OFF);
    jam.run_for(1.0);
    let from = jam.receiver.out[0].len();
    for bypass in [true, false] {
        jam.receiver.console.set_bypass(bypass);
        jam.run_for(0.2);
    }
    // The steepest slope of the tones, and what a fade over 15 ms adds.
    let steepest = |s: &[f32]| s.windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max);
    let usual = steepest(&jam.receiver.out[0][from - 10_000..from]);
    for heard in jam.receiver.out.iter().chain(&jam.receiver.slot) {
        let worst = steepest(&heard[from - 64..]);
        assert!(worst < 2.2 * usual + 0.004, "{worst} after {usual}");
    }
}

/// Calls `monitor` once, with what the peer would play next.
fn monitor(peer: &mut Peer) {
    let input: Vec<[f32; 2]> = (0..peer.block as u64).map(|i| (peer.signal)(peer.played + i)).collect();
    let (left, right): (Vec<f32>, Vec<f32>) = input.iter().map(|[l, r]| (*l, *r)).unzip();
    let mut out = [vec![f32::NAN; peer.block], vec![f32::NAN; peer.block]];
    let [l, r] = &mut out;
    peer.engine.monitor(Micros(peer.next as u64), [&left, &right], [l, r]);
    peer.out.iter_mut().zip(&out).for_each(|(all, new)| all.extend(new));
    peer.played += peer.block as u64;
    peer.next += peer.block as f64 * 1e6 / f64::from(peer.rate);
}

/// `monitor` outputs the same bits as `process` with a silent room.
#[test]
fn monitor_equals_process_bit_for_bit() {
    for rate in [44_100, 48_000, 96_000] {
        let [mut alone, mut mixed, mut changing] = [1, 2, 3].map(|seed| Peer::new(rate, 100, noise, seed));
        for call in 0..400_u32 {
            for peer in [&alone, &mixed, &changing] {
                // Also in the middle of a fade.
                peer.console.set_monitor(Gain::db([-6.0, 3.0, 0.0, -40.0][(call / 13 % 4) as usize]));
                peer.console.set_bypass(call / 50 % 3 == 1);
            }
            monitor(&mut alone);
            mixed.callback();
            if call / 7 % 2 == 0 { monitor(&mut changing) } else { changing.callback() }
        }
        assert_eq!(alone.out, mixed.out, "{rate}");
        assert_eq!(changing.out, mixed.out, "{rate}");
        assert!(loudest(&mixed.out[0]) > 0.3);
    }
}

/// `monitor` meters the input, sends nothing, and outputs no denormals.
#[test]
fn monitor_meters_and_sends_nothing() {
    let mut peer = Peer::new(48_000, 64, |_| [0.25, f32::NAN], 1);
    peer.console.set_monitor(Gain::UNITY);
    (0..100).for_each(|_| monitor(&mut peer));
    let level = peer.console.tx().levels;
    assert!((level[0].rms_dbfs + 12.04).abs() < 0.1 && level[1].rms_dbfs == -120.0, "{level:?}");
    assert!(peer.network.outgoing.pop().is_none());
    assert!(peer.out[0].iter().all(|s| *s == 0.25) && peer.out[1].iter().all(|s| *s == 0.0));
    peer.console.set_send_mute(true);
    (0..750).for_each(|_| monitor(&mut peer));
    assert_eq!(peer.console.tx().levels[0].rms_dbfs, -120.0, "muted, nothing would be sent");

    for rate in [1, 4_000, 48_000, 384_000, u32::MAX] {
        let mut peer = Peer::new(rate, 64, |i| [f32::MIN_POSITIVE * (1.0 + i as f32 % 3.0), 0.0], 1);
        peer.console.set_monitor(Gain::db(-20.0));
        (0..200).for_each(|_| monitor(&mut peer));
        assert!(peer.out[0].iter().all(|s| *s == 0.0 || s.is_normal()), "{rate}");
    }
}

/// After `monitor` a new stream begins, without frames of the old one.
#[test]
fn monitoring_ends_with_a_new_stream() {
    let mut peer = Peer::new(48_000, 16, |_| [0.5; 2], 1);
    // Half a packet waits.
    (0..4).for_each(|_| peer.callback());
    let before = std::iter::from_fn(|| peer.network.outgoing.pop()).last().map(|p| p.stream);
    monitor(&mut peer);
    peer.signal = |_| [-0.5; 2];
    (0..8).for_each(|_| peer.callback());
    let packet = peer.network.outgoing.pop().expect("a packet");
    assert_eq!((packet.position.0, packet.frames()), (0, 128));
    assert_ne!(Some(packet.stream), before);
    assert_eq!(packet.channels(), [&[-0.5; 128][..]; 2]);
}

/// An engine that replaces another keeps the controls, and resets the readings.
#[test]
fn replaced_engine_keeps_the_controls() {
    let jam = jam();
    let console = jam.receiver.console.clone();
    assert!(console.voices().count() == 1);
    let (mut engine, _network) = rtjam_engine::engine_for(&console, 9, || {});
    assert_eq!(console.voices().count(), 0);
    assert_eq!(console.room().levels[0].rms_dbfs, -120.0);
    engine.configure(48_000, 64);
    let mut out = [[0.0; 64]; 2];
    for _ in 0..100 {
        let [left, right] = &mut out;
        let mut outputs = Outputs { main: [left, right], slots: [const { None }; SLOTS] };
        engine.process(Micros(1), [&[1.0; 64]; 2], &mut outputs);
    }
    assert_eq!(out[0][63], Gain::db(-6.0).factor());
}
