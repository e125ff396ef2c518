//! Bad networks.

use crate::common::{Flying, Jam, Peer, Rng, delay_at, first_wrong, noise, sent, tones};
use rtjam_engine::Playout;
use rtjam_protocol::audio::Codec;
use rtjam_protocol::{FramePosition, Micros, Sequence, StreamId};

/// A receiver at 64 frames with fixed playout, and packets of 64 frames for it, one per call.
struct Script {
    receiver: Peer,
    packets: Vec<Flying>,
}

impl Script {
    fn new(calls: usize, playout_ms: f32) -> Script {
        let mut sender = Peer::new(48_000, 64, noise, 1);
        let receiver = Peer::new(48_000, 64, |_| [0.0; 2], 2);
        receiver.console.set_playout(Playout::Fixed { ms: playout_ms });
        (0..calls).for_each(|_| sender.callback());
        let mut packets = sent(&mut sender.network, Codec::F32, 1);
        // The ring holds 256.
        while packets.len() < calls {
            packets.extend(sent(&mut sender.network, Codec::F32, 1));
        }
        Script { receiver, packets }
    }

    /// Plays `calls` callbacks; the packets `due(i)` arrive before callback `i`.
    fn play(&mut self, calls: usize, due: impl Fn(usize) -> Vec<usize>) {
        for call in 0..calls {
            for index in due(call) {
                if let Some(packet) = self.packets.get_mut(index) {
                    packet.arrives = self.receiver.next - 200.0;
                    packet.land(&mut self.receiver.network);
                }
            }
            self.receiver.callback();
        }
    }

    fn reading(&self) -> rtjam_engine::VoiceReading {
        self.receiver.console.voice(rtjam_protocol::SourceId(1)).expect("heard")
    }
}

/// Lost, late and duplicate packets are counted exactly.
#[test]
fn packet_counts_are_exact() {
    let mut script = Script::new(200, 0.0);
    script.play(200, |call| match call {
        20 | 21 => vec![], // lost
        50 => vec![],      // late by one call
        51 => vec![50, 51],
        70 => vec![70, 70, 69], // two duplicates
        90 => vec![91],         // reordered: 90 is late, 91 early
        91 => vec![90],
        _ => vec![call],
    });
    // Missing packets count as lost when the stream has stopped, or 512 packets later.
    script.play(400, |_| vec![]);
    let reading = script.reading();
    assert_eq!((reading.packets, reading.lost, reading.late), (198, 2, 2), "{reading:?}");
    // 20 and 21; 50 and 90 until they arrived.
    assert_eq!(reading.concealed_frames, 4 * 64);
}

/// Reordering within the playout delay is not heard.
#[test]
fn reordering_within_delay_is_inaudible() {
    let mut script = Script::new(200, 4.0);
    script.play(200, |call| vec![call ^ 1]);
    assert_eq!(script.reading().late, 0);
    let out = &script.receiver.out[0];
    let delay = delay_at(out, 0, noise, 2000, 1000, 0.0).expect("sound");
    assert_eq!(first_wrong(out, 0, noise, 2000, delay, 0.0), None);
}

/// A late packet is used from the frame that is due.
#[test]
fn late_packet_is_partly_used() {
    // 1.5 packets of delay: half the frames of a packet that is one call late are used.
    let mut script = Script::new(200, 0.0);
    script.play(200, |call| match call {
        0 => vec![],
        100 => vec![98],
        101 => vec![99, 100],
        _ => vec![call - 1],
    });
    let before = script.reading();
    assert_eq!(before.late, 1);
    assert_eq!(before.concealed_frames, 64);
}

/// Sequence numbers and positions may wrap around.
#[test]
fn numbers_and_positions_may_wrap() {
    let mut script = Script::new(250, 2.0);
    for packet in &mut script.packets {
        packet.header.sequence = Sequence(packet.header.sequence.0.wrapping_sub(100));
        packet.header.position = FramePosition(packet.header.position.0.wrapping_sub(6400));
    }
    script.play(250, |call| vec![call]);
    let reading = script.reading();
    assert_eq!((reading.packets, reading.lost, reading.late, reading.concealed_frames), (250, 0, 0, 0));
    let out = &script.receiver.out[0];
    assert_eq!(first_wrong(out, 0, noise, 2000, 96, 0.0), None);
}

/// A restarted stream is heard, and late packets of the old one are not.
#[test]
fn restarted_stream_replaces_the_old() {
    let mut script = Script::new(250, 2.0);
    let mut again = script.packets.clone();
    for packet in &mut again {
        packet.header.stream = StreamId(packet.header.stream.0 ^ 1);
    }
    script.play(100, |call| vec![call]);
    let mut second = Script { receiver: script.receiver, packets: again };
    second.play(100, |call| vec![call]);
    let straggler = &script.packets[101];
    straggler.land(&mut second.receiver.network);
    second.play(50, |call| vec![100 + call]);
    let reading = second.reading();
    assert_eq!((reading.packets, reading.lost, reading.late, reading.concealed_frames), (250, 0, 0, 0));
    let out = &second.receiver.out[0][6400..];
    assert_eq!(first_wrong(out, 0, noise, 2000, 96, 0.0), None);
}

/// A jump of the positions beyond the buffer is a resync.
#[test]
fn jump_beyond_buffer_is_a_resync() {
    let mut script = Script::new(250, 2.0);
    for packet in &mut script.packets[100..] {
        packet.header.position = packet.header.position.plus(10_000_000);
    }
    for packet in &mut script.packets[200..] {
        packet.header.position = packet.header.position.plus(5_000_000_u64.wrapping_neg());
    }
    script.play(250, |call| vec![call]);
    let reading = script.reading();
    assert_eq!((reading.lost, reading.late), (0, 0), "{reading:?}");
    let out = &script.receiver.out[0];
    for at in [5000, 12_000, 15_000] {
        assert!(delay_at(out, 0, noise, at, 200, 0.0).is_some(), "{at}");
    }
}

/// The largest step from sample to sample.
fn widest_step(out: &[f32]) -> f32 {
    out.windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max)
}

/// Gaps of any rate of packet loss do not click.
#[test]
fn gaps_do_not_click() {
    for loss in [0.01, 0.05, 0.3] {
        for block in [64, 128] {
            let mut jam = Jam::at_48k(block, Codec::Pcm16, 30.0);
            jam.sender.signal = tones;
            jam.link.loss = loss;
            jam.run_to(12.0);
            assert!(jam.reading().concealed_frames > 0);
            for (out, hz) in jam.receiver.out.iter().zip([440.0, 1000.0]) {
                let own = 0.5 * std::f32::consts::TAU * hz / 48_000.0;
                let widest = widest_step(&out[48_000..]);
                assert!(widest < own * 2.0 + 0.005, "{loss} {block} {hz}: {widest} against {own}");
                assert!(out.iter().all(|s| s.abs() <= 0.5 * 1.122));
            }
        }
    }
}

/// A gap in silence is silent.
#[test]
fn gap_in_silence_is_silent() {
    let mut jam = Jam::at_48k(64, Codec::Pcm16, 30.0);
    jam.sender.signal = |_| [0.0; 2];
    jam.link.loss = 0.3;
    jam.run_to(3.0);
    assert!(jam.receiver.out.iter().flatten().all(|s| *s == 0.0));
}

/// A stream that stops and returns is heard at the same delay.
#[test]
fn interrupted_stream_keeps_its_delay() {
    let mut jam = Jam::at_48k(64, Codec::F32, 30.0);
    jam.run_to(4.0);
    jam.link.loss = 1.0;
    jam.run_to(6.0);
    assert!(jam.receiver.out[0][5 * 48_000 + 24_000..].iter().all(|s| *s == 0.0));
    assert!(!jam.reading().active);
    jam.link.loss = 0.0;
    jam.run_to(8.0);
    let out = &jam.receiver.out[0];
    assert_eq!(delay_at(out, 0, noise, 7 * 48_000, 3000, 0.0), Some(64));
    let reading = jam.reading();
    assert!((1490..1510).contains(&reading.lost), "{reading:?}");
}

/// Lasting jitter is covered with little more delay than it needs.
#[test]
fn lasting_jitter_is_covered() {
    let mut jam = Jam::at_48k(64, Codec::F32, 30.0);
    (jam.link.base, jam.link.jitter) = (8000.0, 6000.0);
    jam.run_to(10.0);
    let (late, concealed) = (jam.reading().late, jam.reading().concealed_frames);
    jam.run_to(40.0);
    let reading = jam.reading();
    let share = (reading.late - late) as f64 / (30.0 * 750.0);
    assert!(share < 0.005, "{share} {reading:?}");
    assert!((reading.concealed_frames - concealed) as f64 / (30.0 * 48_000.0) < 0.005);
    // 6 ms of jitter and a period, from the earliest arrival.
    assert!(reading.playout_delay_ms < 7.5, "{reading:?}");
}

/// A slower network is followed within 50 ms, and a faster one within 5 s.
#[test]
fn network_delay_changes_are_followed() {
    let mut jam = Jam::at_48k(64, Codec::F32, 30.0);
    jam.run_to(20.0);
    let changes = jam.reading().delay_changes;
    jam.link.base += 10_000.0;
    jam.run_to(20.05);
    let late = jam.reading().late;
    jam.run_to(40.0);
    assert_eq!(jam.reading().late, late);
    assert!(jam.reading().delay_changes - changes <= 2, "{:?}", jam.reading());
    jam.link.base -= 10_000.0;
    jam.run_to(45.0);
    let out = &jam.receiver.out[0];
    assert_eq!(delay_at(out, 0, noise, out.len() - 64, 3000, 0.0), Some(64), "{:?}", jam.reading());
    assert_eq!(jam.reading().late, late);
    assert!(jam.reading().delay_changes - changes <= 3, "{:?}", jam.reading());
}

/// Packets that a full ring drops are counted, and pushing never blocks.
#[test]
fn full_ring_counts_dropped_packets() {
    let mut script = Script::new(10, 0.0);
    let network = &mut script.receiver.network;
    let frame =
        rtjam_protocol::audio::AudioFrame { header: script.packets[0].header, payload: &script.packets[0].payload };
    let taken = (0..5000).filter(|_| network.incoming.push(Micros(0), &frame).is_ok()).count();
    assert_eq!(script.receiver.console.engine().incoming_dropped, 5000 - taken as u64);
    let wrong = rtjam_protocol::audio::AudioFrame { header: script.packets[0].header, payload: &[0; 2000] };
    assert_eq!(script.receiver.network.incoming.push(Micros(0), &wrong), Err(rtjam_engine::NotTaken::BadPayload));
}

/// Random headers and payloads do not affect other musicians.
#[test]
fn random_packets_do_not_spread() {
    let mut rng = Rng(77);
    let mut jam = Jam::at_48k(64, Codec::F32, 30.0);
    jam.receiver.console.set_playout(Playout::Fixed { ms: 3.0 });
    let mut sample = Vec::new();
    while jam.sender.next < 6e6 {
        if jam.sender.next <= jam.receiver.next {
            jam.send();
            if let Some(p) = jam.flying.last() {
                sample.push(p.clone());
            }
        } else {
            for _ in 0..4 {
                let mut bad = sample[(rng.next() % sample.len() as u64) as usize].clone();
                bad.header.source = rtjam_protocol::SourceId(2 + (rng.next() % 5) as u16);
                bad.header.stream = StreamId((rng.next() % 3) as u32);
                let any = |r: u64| if r.is_multiple_of(3) { r } else { r % 100_000 };
                bad.header.sequence = Sequence(any(rng.next()) as u32);
                bad.header.position = FramePosition(any(rng.next()).wrapping_sub(50_000));
                bad.arrives = if rng.unit() < 0.1 { rng.unit() * 1e9 } else { jam.receiver.next };
                bad.land(&mut jam.receiver.network);
            }
            jam.receive();
        }
    }
    assert!(jam.receiver.out.iter().flatten().all(|s| s.is_finite() && s.abs() <= 0.892));
    // The aux output has the first musician alone.
    let out = &jam.receiver.slot[0];
    let delay = delay_at(out, 0, noise, 48_000, 1000, 0.0).expect("sound");
    assert_eq!(first_wrong(out, 0, noise, 48_000, delay, 0.0), None);
}
