//! Misbehaving hosts.

use crate::common::{Jam, NetworkLink, Peer, delay_at, first_wrong, noise, sent};
use rtjam_engine::{Playout, STRIPS};
use rtjam_protocol::SourceId;
use rtjam_protocol::audio::Codec;

/// The current delay, in frames.
fn delay_now(jam: &Jam) -> f64 {
    jam.delay_now(noise).expect("the sender's sound")
}

fn same(a: f64, b: f64) -> bool {
    (a - b).abs() < 2.0
}

/// After three seconds without a call the delay is normal within half a second.
#[test]
fn delay_recovers_after_a_pause() {
    for fixed in [false, true] {
        let mut jam = Jam::at_48k(64, Codec::F32, 30.0);
        if fixed {
            jam.receiver.console.set_playout(Playout::Fixed { ms: 4.0 });
        }
        jam.run_to(4.0);
        let before = delay_now(&jam);
        // The receiver's host sleeps; its clock continues.
        jam.receiver.next += 64.0 / 48_000.0 * 1e6 * 2250.0;
        jam.run_to(7.6);
        let after = delay_now(&jam);
        assert!((after - before).abs() <= 66.0, "fixed {fixed}: {before} {after}");
        assert!(jam.reading().delay_changes <= 4, "{:?}", jam.reading());
    }
}

/// The final delay: what it is some seconds later.
fn delay_that_stays(jam: &mut Jam) -> f64 {
    let now = (jam.receiver.next - 1e6) / 1e6;
    jam.run_to(now + 8.0);
    delay_now(jam)
}

/// Another block size has its normal delay within half a second.
#[test]
fn new_block_size_settles_soon() {
    for blocks in [[64, 128], [128, 64], [64, 256], [256, 32], [64, 1024]] {
        let mut jam = Jam::at_48k(blocks[0], Codec::F32, 30.0);
        jam.sender.block = 64;
        jam.run_to(6.0);
        jam.receiver.block = blocks[1];
        jam.receiver.engine.configure(48_000, blocks[1]);
        let changes = jam.reading().delay_changes;
        jam.run_to(6.5);
        let soon = delay_now(&jam);
        assert!(jam.reading().delay_changes - changes <= 2, "{blocks:?}: {:?}", jam.reading());
        let normal = delay_that_stays(&mut jam);
        assert!((soon - normal).abs() <= 64.0, "{blocks:?}: {soon} {normal}");
    }
}

/// A burst of four blocks costs one fade, and the delay is normal again.
#[test]
fn burst_of_blocks_costs_one_fade() {
    let mut jam = Jam::at_48k(64, Codec::F32, 30.0);
    jam.run_to(6.0);
    let (before, changes) = (delay_now(&jam), jam.reading().delay_changes);
    // The host was busy for four blocks, and catches up with all of them at once.
    let at = jam.receiver.next + 4.0 * 64.0 / 0.048;
    while jam.sender.next <= at {
        jam.send();
    }
    for _ in 0..4 {
        jam.receiver.next = at;
        jam.receive();
    }
    let now = (jam.receiver.next - 1e6) / 1e6;
    jam.run_to(now + 0.5);
    assert!(same(delay_now(&jam), before), "{before} {}", delay_now(&jam));
    assert!(jam.reading().delay_changes - changes <= 1, "{:?}", jam.reading());
}

/// A short xrun of the receiver costs one fade and no delay.
#[test]
fn receiver_xrun_costs_one_fade() {
    for periods in [1.0, 3.0, 20.0] {
        let mut jam = Jam::at_48k(64, Codec::F32, 30.0);
        jam.run_to(4.0);
        let (before, changes) = (delay_now(&jam), jam.reading().delay_changes);
        jam.receiver.next += 64.0 / 48_000.0 * 1e6 * periods;
        jam.run_to(4.55 + periods / 750.0);
        let after = delay_now(&jam);
        assert!(same(after, before), "{periods}: {before} {after}");
        assert_eq!(jam.reading().delay_changes - changes, 1, "{periods}");
    }
}

/// Recurring stalls of the host are counted and reported until they end.
#[test]
fn host_stalls_are_reported() {
    let mut jam = Jam::at_48k(64, Codec::F32, 30.0);
    jam.run_to(4.0);
    assert_eq!((jam.receiver.console.engine().stalls, jam.receiver.console.engine().stalling), (0, None));
    for second in 4..10 {
        jam.run_to(f64::from(second));
        // After the stall three calls are due at once, and nothing is lost.
        let due = jam.receiver.next;
        for call in 0..3 {
            jam.receiver.next = due + 4000.0;
            while jam.sender.next <= jam.receiver.next {
                jam.send();
            }
            jam.receive();
            jam.receiver.next = due + f64::from(call + 1) * 4000.0 / 3.0;
        }
    }
    let engine = jam.receiver.console.engine();
    let stalling = engine.stalling.expect("it goes on");
    assert_eq!(engine.stalls, 6);
    assert!((stalling.ms - 4.0).abs() < 0.2 && (stalling.every_s - 1.0).abs() < 0.02, "{stalling:?}");
    jam.run_to(14.0);
    assert_eq!((jam.receiver.console.engine().stalls, jam.receiver.console.engine().stalling), (6, None));
}

/// A fixed delay stays constant when the sender's host loses frames again and again.
#[test]
fn fixed_delay_does_not_creep() {
    // 60 periods are eight times the delay.
    for every in [1.5, 3.0, 7.0] {
        let mut jam = Jam::at_48k(64, Codec::F32, 30.0);
        jam.receiver.console.set_playout(Playout::Fixed { ms: 10.0 });
        jam.run_to(4.0);
        let (before, at_the_start) = (jam.reading().playout_delay_ms, jam.reading().concealed_frames);
        for xrun in 0..60 {
            jam.sender.next += 64.0 / 48_000.0 * 1e6;
            jam.run_to(4.0 + every * f64::from(xrun + 1));
        }
        jam.run_to(4.0 + every * 60.0 + 10.0);
        let after = jam.reading();
        assert!((after.playout_delay_ms - before).abs() < 1.0, "every {every} s: {before} {after:?}");
        // Fades play some frames twice; none is missing.
        assert_eq!((after.late, after.concealed_frames), (0, at_the_start), "every {every} s: {after:?}");
    }
}

/// An xrun of both hosts on one sound card changes nothing.
#[test]
fn common_xrun_changes_nothing() {
    let mut jam = Jam::at_48k(64, Codec::F32, 30.0);
    jam.run_to(4.0);
    let changes = jam.reading().delay_changes;
    jam.receiver.next += 4000.0;
    jam.sender.next += 4000.0;
    jam.run_to(8.0);
    assert_eq!(jam.reading().delay_changes, changes);
    assert!(same(delay_now(&jam), 64.0), "{}", delay_now(&jam));
}

/// An xrun of the sender is followed, and the delay stays.
#[test]
fn sender_xrun_keeps_the_delay() {
    let mut jam = Jam::at_48k(64, Codec::F32, 30.0);
    jam.run_to(4.0);
    jam.sender.next += 64.0 / 48_000.0 * 1e6;
    jam.run_to(6.0);
    let reading = jam.reading();
    assert!(reading.late < 60 && reading.delay_changes <= 4, "{reading:?}");
    let late = reading.late;
    jam.run_to(9.0);
    assert_eq!(jam.reading().late, late);
}

/// Calls in bursts play every frame.
#[test]
fn bursts_of_calls_get_every_frame() {
    // Four blocks of 64 at once, every 5.3 ms, as from a host with a large device buffer.
    let mut jam = Jam::at_48k(64, Codec::F32, 30.0);
    let mut end = 1_000_030.0;
    while end < 9e6 {
        end += 256.0 / 48_000.0 * 1e6;
        while jam.sender.next <= end {
            jam.send();
        }
        jam.receiver.next = end;
        for _ in 0..4 {
            jam.receive();
            jam.receiver.next = end;
        }
    }
    let out = &jam.receiver.out[0];
    let delay = delay_at(out, 0, noise, 4 * 48_000, 4000, 0.0).expect("sound");
    assert!(delay <= 512, "{delay}");
    assert_eq!(first_wrong(out, 0, noise, 4 * 48_000, delay, 0.0), None);
}

/// Calls of changing block sizes play every frame.
#[test]
fn any_block_sizes_play_every_frame() {
    let mut jam = Jam::at_48k(128, Codec::F32, 30.0);
    jam.receiver.console.set_playout(Playout::Fixed { ms: 250.0 });
    let sizes = [0, 1, 7, 64, 8192, 0, 100, 441, 2048, 33, 10_000];
    let mut sizes = sizes.into_iter().cycle();
    while jam.sender.next < 9e6 {
        if jam.sender.next <= jam.receiver.next {
            jam.send();
        } else {
            jam.deliver();
            jam.receiver.callback_of(sizes.next().expect("endless"));
        }
    }
    let out = &jam.receiver.out[0];
    let delay = delay_at(out, 0, noise, 100_000, 40_000, 0.0).expect("sound");
    assert_eq!(first_wrong(out, 0, noise, 100_000, delay, 0.0), None);
}

/// A call of the longest block takes all packets that a full room sent meanwhile.
#[test]
fn long_block_drains_a_full_room() {
    let mut receiver = Peer::new(48_000, 2048, |_| [0.0; 2], 2);
    receiver.console.set_playout(Playout::Fixed { ms: 50.0 });
    receiver.console.assign(SourceId(1), Some(0));
    let mut sender = Peer::new(48_000, 64, noise, 1);
    for _ in 0..60 {
        for _ in 0..32 {
            let at = sender.next + 200.0;
            sender.callback();
            for packet in sent(&mut sender.network, Codec::F32, 0) {
                for source in 1..=32 {
                    let mut packet = packet.clone();
                    (packet.header.source, packet.arrives) = (SourceId(source), at);
                    packet.land(&mut receiver.network);
                }
            }
        }
        receiver.next = sender.next;
        receiver.callback();
    }
    assert_eq!(receiver.console.engine().incoming_dropped, 0);
    for voice in receiver.console.voices() {
        assert_eq!((voice.late, voice.concealed_frames), (0, 0), "{voice:?}");
    }
    let out = &receiver.slot[0];
    let delay = delay_at(out, 0, noise, 40_000, 8000, 0.0).expect("sound");
    assert_eq!(first_wrong(out, 0, noise, 40_000, delay, 0.0), None);
}

/// Another rate or block keeps the musicians and their voices.
#[test]
fn reconfiguration_keeps_the_musicians() {
    let mut jam = Jam::at_48k(64, Codec::F32, 30.0);
    jam.run_to(2.0);
    let packets = jam.reading().packets;
    for (rate, block) in [(44_100, 64), (96_000, 256), (48_000, 128), (48_000, 64)] {
        (jam.receiver.rate, jam.receiver.block) = (rate, block);
        jam.receiver.engine.configure(rate, block);
        let until = (jam.receiver.next - 1e6) / 1e6 + 3.0;
        jam.run_to(until);
        let tail = &jam.receiver.out[0][jam.receiver.out[0].len() - 4000..];
        assert!(tail.iter().map(|s| s * s).sum::<f32>() / 4000.0 > 0.02, "{rate}");
    }
    assert!(jam.reading().packets > packets + 6000);
    assert!(delay_now(&jam) < 130.0);
}

/// More musicians than there are voices come and go, and all are heard.
#[test]
fn voices_are_reassigned() {
    let mut receiver = Peer::new(48_000, 64, |_| [0.0; 2], 2);
    receiver.console.set_playout(Playout::Fixed { ms: 3.0 });
    let mut senders: Vec<Peer> = (0..8).map(|i| Peer::new(48_000, 64, noise, 100 + i)).collect();
    // Eight at a time, each for a second under a new id: 80 musicians.
    for round in 0..10_u16 {
        for (i, sender) in senders.iter().enumerate() {
            sender.console.set_send_mute(i != 0);
        }
        for _ in 0..750 {
            let at = receiver.next;
            for (i, sender) in senders.iter_mut().enumerate() {
                sender.callback();
                for mut packet in sent(&mut sender.network, Codec::F32, 1 + round * 8 + i as u16) {
                    packet.arrives = at - 500.0;
                    packet.land(&mut receiver.network);
                }
            }
            receiver.callback();
        }
        let out = &receiver.out[0];
        let delay = delay_at(out, 0, noise, out.len() - 64, 3000, 0.0);
        assert!(delay.is_some(), "round {round}: {:?}", receiver.console.voice(SourceId(1 + round * 8)));
    }
    assert_eq!(receiver.console.voices().count(), STRIPS);
    assert_eq!(receiver.console.engine().unheard, 0);
}

/// The 33rd musician at once is not heard, and does not disturb the others.
#[test]
fn musician_33_is_not_heard() {
    let mut receiver = Peer::new(48_000, 64, |_| [0.0; 2], 2);
    receiver.console.set_playout(Playout::Fixed { ms: 3.0 });
    let mut loud = Peer::new(48_000, 64, noise, 1);
    let mut silent = Peer::new(48_000, 64, |_| [0.0; 2], 2);
    for _ in 0..750 {
        let at = receiver.next - 500.0;
        loud.callback();
        silent.callback();
        let mut land = |mut packet: crate::common::Flying| {
            packet.arrives = at;
            packet.land(&mut receiver.network);
        };
        sent(&mut loud.network, Codec::F32, 1).into_iter().for_each(&mut land);
        for packet in sent(&mut silent.network, Codec::F32, 2) {
            for source in 2..=33 {
                let mut packet = packet.clone();
                packet.header.source = SourceId(source);
                land(packet);
            }
        }
        receiver.callback();
    }
    assert_eq!(receiver.console.engine().unheard, 750);
    let out = &receiver.out[0];
    let delay = delay_at(out, 0, noise, 24_000, 3000, 0.0).expect("sound");
    assert_eq!(first_wrong(out, 0, noise, 24_000, delay, 0.0), None);
}

/// Sound is exact between peers with different block sizes.
#[test]
fn different_block_sizes_are_exact() {
    for (sends, receives) in [(64, 128), (128, 64), (1024, 64), (64, 1024), (100, 441), (32, 256)] {
        let sender = Peer::new(48_000, sends, noise, 1);
        let mut receiver = Peer::new(48_000, receives, |_| [0.0; 2], 2);
        receiver.next += 30.0;
        sender.console.set_max_frames(143);
        let mut jam = Jam::new(sender, receiver, NetworkLink::clean(Codec::F32));
        jam.run_to(8.0);
        let out = &jam.receiver.out[0];
        let delay = delay_at(out, 0, noise, 5 * 48_000, 6000, 0.0).expect("sound");
        assert_eq!(first_wrong(out, 0, noise, 5 * 48_000, delay, 0.0), None, "{sends} {receives}");
        assert!(delay <= sends + receives, "{sends} {receives}: {delay}");
    }
}

/// A pause of the host while the network is bad does not silence a musician for good.
#[test]
fn pause_on_bad_network_ends_in_sound() {
    for pause in [100_000.0, 300_000.0, 450_000.0, 572_763.0, 700_000.0] {
        let mut jam = Jam::at_48k(64, Codec::F32, 30.0);
        jam.link.rng.0 = 29;
        jam.run_to(1.0);
        (jam.link.base, jam.link.jitter) = (49_500.0, 45_500.0);
        jam.receiver.next += pause;
        jam.run_to(1.2 + pause / 1e6);
        jam.link = NetworkLink::clean(Codec::F32);
        jam.run_to(5.2 + pause / 1e6);
        assert!(jam.delay_now(noise).is_some_and(|d| d < 2000.0), "{pause}: {:?}", jam.reading());
        assert!(jam.reading().delay_changes < 20, "{pause}: {:?}", jam.reading());
    }
}
