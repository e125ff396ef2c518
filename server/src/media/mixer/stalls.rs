//! What stalls of the machine do to the delay of a mix, in virtual time.

use super::pace::{Due, Pace};
use rtjam_engine::MixBus;
use rtjam_protocol::audio::{AudioFrame, AudioHeader, CHANNELS, Codec, Layout, Peak};
use rtjam_protocol::{FramePosition, Micros, Sequence, SourceId, StreamId};

/// From `at` on nothing runs for so long: the mixer, or what receives.
#[derive(Clone, Copy)]
struct Stall {
    at: u64,
    long: u64,
    mixer: bool,
    media: bool,
}

/// Two musicians whose packets of 128 frames come every 2667 µs; gives the wait at the server in ms at each of `looks` (ms).
fn waits(stalls: &[Stall], looks: &[u64]) -> Vec<f64> {
    let (mut desk, mut pace) = (MixBus::new(), Pace::new());
    let (mut now, mut sent, mut found) = (Micros::from_secs(1), 0_u64, Vec::new());
    let start = now;
    pace.resume(now);
    let held = |time: u64, mixer: bool| {
        let stall = stalls
            .iter()
            .find(|s| (if mixer { s.mixer } else { s.media }) && (s.at * 1000..(s.at + s.long) * 1000).contains(&time));
        stall.map_or(time, |s| (s.at + s.long) * 1000)
    };
    let payload = [0_u8; 512];
    for look in looks {
        while now.since(start) < Micros::from_millis(*look) {
            now = start + Micros(held(now.since(start).0, true));
            match pace.poll(now) {
                Due::In(wait) => now += wait,
                Due::Now { skipped, .. } => {
                    desk.begin(now);
                    loop {
                        // Musicians are half a tick away.
                        let arrives = start + Micros(held(sent * 8000 / 3 + 1300, false));
                        if arrives > now {
                            break;
                        }
                        for source in [1, 2] {
                            let header = AudioHeader {
                                source: SourceId(source),
                                stream: StreamId(u32::from(source)),
                                sequence: Sequence(sent as u32),
                                position: FramePosition(sent * 128),
                                codec: Codec::Pcm16,
                                layout: Layout::Stereo,
                                frames: 128,
                                peak: [Peak(0); CHANNELS],
                            };
                            desk.receive(arrives, &AudioFrame { header, payload: &payload }, false).expect("taken");
                        }
                        sent += 1;
                    }
                    desk.skip(skipped);
                    desk.render();
                    // What a tick takes.
                    now += Micros(30);
                }
            }
        }
        found.push(desk.wait(SourceId(9)).map_or(-1.0, |w| w.0 as f64 / 1000.0));
    }
    found
}

#[test]
fn two_seconds_after_a_stall_a_mix_adds_less_than_a_packet_again_whenever_it_was() {
    for at in [0, 3, 50, 150, 250, 900, 1500, 3000] {
        for long in [10, 30, 66, 100, 300] {
            for (mixer, media) in [(true, false), (false, true), (true, true)] {
                let end = at + long;
                let waits = waits(&[Stall { at, long, mixer, media }], &[end + 2000, end + 5000]);
                let (worst, packet) = (waits.iter().fold(0.0_f64, |most, ms| most.max(*ms)), 128.0 / 48.0);
                assert!(worst < packet, "{long} ms at {at} ms, mixer {mixer}, media {media}: {waits:?} ms");
            }
        }
    }
}
