//! Gains, pans, solos, limiter and meters.

use crate::common::{Jam, NetworkLink, Peer, noise};
use rtjam_engine::{Gain, Pan, Playout};
use rtjam_protocol::SourceId;
use rtjam_protocol::audio::{Codec, Layout};

const HALF_POWER: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// A settled jam of constant signals: 0.25 on channel 1, 0.5 on channel 2.
fn settled() -> Jam {
    let mut jam = Jam::at_48k(64, Codec::F32, 30.0);
    jam.sender.signal = |_| [0.25, 0.5];
    jam.receiver.console.set_playout(Playout::Fixed { ms: 2.0 });
    jam.run_to(1.0);
    jam
}

/// The last frame of the main output, 100 ms later.
fn later(jam: &mut Jam) -> [f32; 2] {
    let until = (jam.receiver.next - 1e6) / 1e6 + 0.1;
    jam.run_to(until);
    [0, 1].map(|side| *jam.receiver.out[side].last().expect("played"))
}

fn near(got: [f32; 2], expected: [f32; 2]) {
    let off = got.iter().zip(expected).map(|(g, e)| (g - e).abs()).fold(0.0, f32::max);
    assert!(off < 1e-6, "{got:?} {expected:?}");
}

/// Gain, pan, mute and layout change the mix as documented, and not the aux output.
#[test]
fn strip_controls_shape_the_mix() {
    let mut jam = settled();
    let console = jam.receiver.console.clone();
    let strip = console.strip(0).expect("strip");
    let [one, two] = strip.channels();
    assert_eq!(later(&mut jam), [0.25, 0.5]);
    one.set_gain(Gain::linear(2.0));
    near(later(&mut jam), [0.5, 0.5]);
    one.set_pan(Some(Pan::CENTRE));
    near(later(&mut jam), [0.5 * HALF_POWER, 0.5 + 0.5 * HALF_POWER]);
    one.set_mute(true);
    near(later(&mut jam), [0.0, 0.5]);
    two.set_pan(Some(Pan::LEFT));
    near(later(&mut jam), [0.5, 0.0]);
    one.set_mute(false);
    one.set_gain(Gain::UNITY);
    one.set_pan(None);
    two.set_pan(None);
    strip.set_layout(Some(Layout::DualMono));
    near(later(&mut jam), [0.75 * HALF_POWER; 2]);
    strip.set_layout(None);
    jam.sender.console.set_layout(Layout::DualMono);
    near(later(&mut jam), [0.75 * HALF_POWER; 2]);
    console.set_room(Gain::OFF);
    assert_eq!(later(&mut jam), [0.0, 0.0]);
    // The aux output is not affected.
    assert!(jam.receiver.slot[0][24_000..].iter().all(|s| *s == 0.25));
    assert!(jam.receiver.slot[1][24_000..].iter().all(|s| *s == 0.5));
}

/// A solo silences the others in the main mix, and not on the aux outputs.
#[test]
fn solo_affects_only_the_main_mix() {
    let mut jam = settled();
    let console = jam.receiver.console.clone();
    console.assign(SourceId(9), Some(3));
    let other = console.strip(3).expect("strip");
    other.channels()[1].set_solo(true);
    assert_eq!(later(&mut jam), [0.0, 0.0]);
    assert_eq!(*jam.receiver.slot[1].last().expect("played"), 0.5);
    console.strip(0).expect("strip").channels()[1].set_solo(true);
    assert_eq!(later(&mut jam), [0.0, 0.5]);
    // A solo without a musician has no effect.
    console.assign(SourceId(9), None);
    console.strip(0).expect("strip").channels()[1].set_solo(false);
    assert_eq!(later(&mut jam), [0.25, 0.5]);
}

/// A musician removed from the main mix stays on the aux output.
#[test]
fn main_mix_switch_keeps_the_slot() {
    let mut jam = settled();
    let console = jam.receiver.console.clone();
    let strip = console.strip(0).expect("strip");
    assert!(strip.main_mix());
    strip.set_main_mix(false);
    assert_eq!(later(&mut jam), [0.0, 0.0]);
    assert_eq!(*jam.receiver.slot[1].last().expect("played"), 0.5);
    strip.set_main_mix(true);
    assert_eq!(later(&mut jam), [0.25, 0.5]);
}

/// A source without a strip plays at unity, and on no aux output.
#[test]
fn unassigned_source_plays_at_unity() {
    let mut jam = settled();
    jam.receiver.console.assign(SourceId(1), None);
    assert_eq!(later(&mut jam), [0.25, 0.5]);
    assert_eq!(*jam.receiver.slot[0].last().expect("played"), 0.0);
}

/// Changes of the controls are ramps without zipper noise.
#[test]
fn control_changes_are_ramps() {
    let mut jam = settled();
    let console = jam.receiver.console.clone();
    for gain in [0.0, 1.0, 0.3, 1.0] {
        let from = jam.receiver.out[0].len();
        console.strip(0).expect("strip").channels().iter().for_each(|c| c.set_gain(Gain::linear(gain)));
        later(&mut jam);
        let widest = jam.receiver.out[1][from..].windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max);
        assert!(widest < 0.5 / 700.0, "{gain}: {widest}");
    }
    assert_eq!(later(&mut jam), [0.25, 0.5]);
}

/// The room sum never exceeds −1 dBFS, and the limiter's work is reported.
#[test]
fn room_is_limited_and_reported() {
    let mut jam = settled();
    let strip = |jam: &Jam, gain| {
        jam.receiver.console.strip(0).expect("strip").channels().iter().for_each(|c| c.set_gain(gain));
    };
    jam.sender.signal = |i| noise(i).map(|s| s * 2.0);
    strip(&jam, Gain::db(12.0));
    let from = jam.receiver.out[0].len();
    later(&mut jam);
    assert!(jam.receiver.out.iter().all(|o| o[from..].iter().all(|s| s.abs() <= 0.891_251)));
    assert!(jam.receiver.console.room().limiter_active);
    strip(&jam, Gain::UNITY);
    jam.sender.signal = |_| [0.25, 0.5];
    for _ in 0..20 {
        later(&mut jam);
    }
    assert!(!jam.receiver.console.room().limiter_active);
    assert_eq!(later(&mut jam), [0.25, 0.5]);
}

/// The local input has no delay and the monitor gain.
#[test]
fn own_input_has_no_delay() {
    for rate in [48_000, 44_100] {
        let mut peer = Peer::new(rate, 64, noise, 3);
        peer.console.set_monitor(Gain::UNITY);
        (0..100).for_each(|_| peer.callback());
        let (from, to) = (2000, 6000);
        for (side, out) in peer.out.iter().enumerate() {
            let expected: Vec<f32> = (from..to).map(|i| noise(i)[side]).collect();
            assert_eq!(out[from as usize..to as usize], expected);
        }
        let at = peer.out[0].len();
        peer.console.set_monitor(Gain::OFF);
        (0..100).for_each(|_| peer.callback());
        assert!(peer.out[0][at + 2000..].iter().all(|s| *s == 0.0));
    }
}

/// NaN, infinities and denormals of the input do not pass.
#[test]
fn non_finite_input_is_silenced() {
    let bad = |i: u64| match i % 7 {
        0 => [f32::NAN, 1e-42],
        1 => [f32::INFINITY, f32::NAN],
        2 => [0.5, f32::NEG_INFINITY],
        _ => [1e-40, 0.25],
    };
    for rate in [48_000, 44_100] {
        let sender = Peer::new(rate, 64, bad, 1);
        sender.console.set_monitor(Gain::UNITY);
        let receiver = Peer::new(rate, 64, bad, 2);
        let mut jam = Jam::new(sender, receiver, NetworkLink::clean(Codec::F32));
        jam.receiver.console.set_monitor(Gain::UNITY);
        jam.run_to(1.0);
        for peer in [&jam.sender, &jam.receiver] {
            let all = peer.out.iter().chain(&peer.slot).flatten();
            assert!(all.copied().all(|s| s == 0.0 || s.is_normal()), "{rate}");
        }
        assert!(jam.sender.console.tx().levels.iter().all(|l| l.rms_dbfs.is_finite()));
    }
}

/// The readings match what is sent and heard.
#[test]
fn meters_match_the_signals() {
    let mut jam = Jam::at_48k(64, Codec::F32, 30.0);
    jam.sender.signal = |i| [if i % 2 == 0 { 0.5 } else { -0.5 }, 0.0];
    jam.run_to(3.0);
    let sent = jam.sender.console.tx();
    let heard = jam.reading();
    let room = jam.receiver.console.room();
    for levels in [sent.levels, heard.levels, room.levels] {
        assert!((levels[0].rms_dbfs + 6.02).abs() < 0.1 && (levels[0].peak_dbfs + 6.02).abs() < 0.1, "{levels:?}");
        assert_eq!(levels[1], rtjam_engine::Level::SILENT);
    }
    assert_eq!(sent.packets, jam.sender.played / 64);
    // The wait from the arrival, up to 400 µs after the sender's call, to the next call.
    assert!((0.8..1.4).contains(&heard.playout_delay_ms), "{heard:?}");
}
