//! What stalls of the machine do to the delay of a mix, in virtual time.

use super::tick_clock::{Due, TickClock};
use rtjam_engine::MixBus;
use rtjam_protocol::audio::{AudioFrame, AudioHeader, CHANNELS, Codec, Layout, Peak};
use rtjam_protocol::{FramePosition, Micros, Sequence, SourceId, StreamId};

/// A stall of the mixer or of the media thread: it begins at `at` ms and lasts `long` ms.
#[derive(Clone, Copy)]
struct Stall {
    at: u64,
    long: u64,
    mixer: bool,
    media: bool,
}

/// Mixes two musicians, whose packets of 128 frames arrive every 2667 µs. Returns the delay at the server at each of the times
/// `looks`, all in ms.
fn delays(stalls: &[Stall], looks: &[u64]) -> Vec<f64> {
    let (mut bus, mut clock) = (MixBus::default(), TickClock::new());
    let (mut now, mut sent, mut found) = (Micros::from_secs(1), 0_u64, Vec::new());
    let start = now;
    clock.resume(now);
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
            match clock.poll(now) {
                Due::In(wait) => now += wait,
                Due::Now { skipped, .. } => {
                    bus.begin(now);
                    loop {
                        // Packets arrive half a tick after a tick.
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
                            bus.receive(arrives, &AudioFrame { header, payload: &payload }, false).expect("taken");
                        }
                        sent += 1;
                    }
                    bus.skip(skipped);
                    bus.render();
                    // The duration of mixing a tick.
                    now += Micros(30);
                }
            }
        }
        found.push(bus.wait(SourceId(9)).map_or(-1.0, |w| w.0 as f64 / 1000.0));
    }
    found
}

/// Two seconds after a stall, a mix adds less than the duration of a packet, whenever the stall was.
#[test]
fn delay_recovers_after_stall() {
    for at in [0, 3, 50, 150, 250, 900, 1500, 3000] {
        for long in [10, 30, 66, 100, 300] {
            for (mixer, media) in [(true, false), (false, true), (true, true)] {
                let end = at + long;
                let delays = delays(&[Stall { at, long, mixer, media }], &[end + 2000, end + 5000]);
                let (worst, packet) = (delays.iter().fold(0.0_f64, |most, ms| most.max(*ms)), 128.0 / 48.0);
                assert!(worst < packet, "{long} ms at {at} ms, mixer {mixer}, media {media}: {delays:?} ms");
            }
        }
    }
}
