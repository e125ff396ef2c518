//! Packetizes the input at 48 kHz into the ring.

use crate::bridge::{AudioEnd, OutPacket};
use crate::controls::{Controls, MAX_PACKET_FRAMES, PacketSize};
use crate::level::Meter;
use crate::meters::Meters;
use crate::mixer::Ramp;
use crate::resampler::PIECE;
use ringbuf::traits::Producer;
use rtjam_protocol::audio::{CHANNELS, Layout, WIRE_RATE};
use rtjam_protocol::{FramePosition, Sequence, StreamId};

/// In automatic mode a callback of up to this many frames makes one packet.
const LARGEST_AUTO: usize = 256;
/// Longer callbacks are split into packets of about this many frames, and blocks shorter than [`SMALLEST_AUTO`] are collected
/// to it.
const TYPICAL: usize = 128;
/// The smallest packet in automatic mode: in smaller ones headers outweigh the sound.
const SMALLEST_AUTO: usize = 32;
/// A callback makes at most about this many packets.
const MOST_A_CALL: usize = 64;

/// Collects frames, stamps them and hands them to the network.
///
/// Positions and sequence numbers advance even if the ring is full: the receiver sees a gap of the right length, and no
/// sound that is too early.
pub(crate) struct Packetizer {
    stream: StreamId,
    sequence: Sequence,
    position: FramePosition,
    entropy: u64,
    /// Frames not sent yet; the first `waiting` of each channel count.
    frames: [Box<[f32]>; CHANNELS],
    waiting: usize,
    plan: Plan,
    small_blocks: bool,
    layout: Layout,
    most_frames: usize,
    mute: Ramp,
    meters: [Meter; CHANNELS],
    pushed: bool,
}

/// When frames become a packet, decided once per call.
#[derive(Clone, Copy)]
struct Plan {
    /// This many waiting frames are sent at once.
    full: usize,
    /// At the end of the call this many or more are sent.
    rest: usize,
}

impl Packetizer {
    /// `seed` makes the stream ids. Allocates.
    pub(crate) fn new(seed: u32) -> Packetizer {
        let room = MAX_PACKET_FRAMES + PIECE;
        let mut new = Packetizer {
            stream: StreamId(0),
            sequence: Sequence(0),
            position: FramePosition(0),
            entropy: u64::from(seed),
            frames: [vec![0.0; room].into(), vec![0.0; room].into()],
            waiting: 0,
            plan: Plan { full: TYPICAL, rest: TYPICAL },
            small_blocks: false,
            layout: Layout::Stereo,
            most_frames: MAX_PACKET_FRAMES,
            mute: Ramp::at(1.0),
            meters: [Meter::default(); CHANNELS],
            pushed: false,
        };
        new.restart(TYPICAL);
        new
    }

    /// Begins a new stream, at position 0. `block` is the host's block in frames at 48 kHz.
    pub(crate) fn restart(&mut self, block: usize) {
        self.stream = StreamId(self.draw());
        self.sequence = Sequence(0);
        self.position = FramePosition(0);
        self.waiting = 0;
        self.small_blocks = block < SMALLEST_AUTO;
    }

    /// Begins a call that brings about `expected` frames.
    pub(crate) fn begin(&mut self, expected: usize, controls: &Controls) {
        self.plan = plan(controls.packet_size(), self.waiting + expected, self.small_blocks);
        self.layout = controls.layout();
        self.most_frames = controls.max_frames();
        self.mute.aim(send_gain(controls), WIRE_RATE);
    }

    /// Meters a call's input without sending it. The next sent frame begins with the mute that is set then.
    pub(crate) fn measure(&mut self, channels: [&[f32]; CHANNELS], rate: u32, controls: &Controls, meters: &Meters) {
        self.mute = Ramp::at(send_gain(controls));
        for ((samples, meter), cell) in channels.into_iter().zip(&mut self.meters).zip(&meters.tx) {
            if controls.sends_silence() {
                meter.feed_silence(samples.len(), rate as f32);
            } else {
                meter.feed(samples, rate as f32);
            }
            cell.set(meter);
        }
    }

    /// Takes the next frames, at most [`PIECE`].
    pub(crate) fn push(&mut self, channels: [&[f32]; CHANNELS], audio: &mut AudioEnd, meters: &Meters) {
        let count = channels[0].len().min(channels[1].len()).min(PIECE);
        let span = self.waiting..self.waiting + count;
        let mut ramp = self.mute;
        for ((to, from), meter) in self.frames.iter_mut().zip(channels).zip(&mut self.meters) {
            // Both channels follow the same ramp.
            ramp = self.mute;
            to[span.clone()].copy_from_slice(&from[..count]);
            ramp.apply(&mut to[span.clone()]);
            meter.feed(&to[span.clone()], WIRE_RATE as f32);
        }
        self.mute = ramp;
        self.waiting += count;
        while self.waiting >= self.plan.full {
            self.send(self.plan.full, audio, meters);
        }
    }

    /// Ends the call: sends the remaining frames if they are enough, and wakes the sending thread if there is a packet for it.
    pub(crate) fn end(&mut self, audio: &mut AudioEnd, meters: &Meters) {
        if self.waiting >= self.plan.rest {
            self.send(self.waiting, audio, meters);
        }
        for (cell, meter) in meters.tx.iter().zip(&self.meters) {
            cell.set(meter);
        }
        if std::mem::take(&mut self.pushed) {
            (audio.wake)();
        }
    }

    /// Sends the first `count` waiting frames, in as many equal parts as datagrams need.
    fn send(&mut self, count: usize, audio: &mut AudioEnd, meters: &Meters) {
        let parts = count.div_ceil(self.most_frames.min(MAX_PACKET_FRAMES)).max(1);
        let mut sent = 0;
        for part in 0..parts {
            let end = count * (part + 1) / parts;
            self.push_packet(sent..end, audio, meters);
            sent = end;
        }
        for channel in &mut self.frames {
            channel.copy_within(count..self.waiting, 0);
        }
        self.waiting -= count;
    }

    fn push_packet(&mut self, span: std::ops::Range<usize>, audio: &mut AudioEnd, meters: &Meters) {
        let frames = span.len() as u64;
        let channels = [&self.frames[0][span.clone()], &self.frames[1][span]];
        let packet = OutPacket::new(self.stream, self.sequence, self.position, self.layout, channels);
        if audio.outgoing.try_push(packet).is_ok() {
            meters.tx_packets.add(1);
            self.pushed = true;
        } else {
            meters.tx_dropped.add(1);
        }
        self.sequence = self.sequence.next();
        self.position = self.position.plus(frames);
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): a stream id needs to be new, not secret.
    fn draw(&mut self) -> u32 {
        self.entropy = self.entropy.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.entropy;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 32) as u32
    }
}

/// Linear gain of what is sent.
fn send_gain(controls: &Controls) -> f32 {
    if controls.sends_silence() { 0.0 } else { 1.0 }
}

/// Plans a call after which `total` frames would be waiting.
fn plan(size: PacketSize, total: usize, small_blocks: bool) -> Plan {
    match size {
        PacketSize::Frames(n) => {
            let full = usize::from(n).max(total.div_ceil(MOST_A_CALL)).min(MAX_PACKET_FRAMES);
            Plan { full, rest: full }
        }
        PacketSize::Auto if small_blocks => Plan { full: TYPICAL, rest: TYPICAL },
        // A resampler may make one frame more than expected, which is sent with the rest.
        PacketSize::Auto if total <= LARGEST_AUTO => Plan { full: MAX_PACKET_FRAMES, rest: SMALLEST_AUTO },
        PacketSize::Auto => Plan { full: total.div_ceil(total.div_ceil(TYPICAL)), rest: SMALLEST_AUTO },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::{NetworkEnd, bridge};
    use crate::console::Console;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    struct Rig {
        packetizer: Packetizer,
        console: Console,
        meters: Arc<Meters>,
        audio: AudioEnd,
        network: NetworkEnd,
        wakes: Arc<AtomicUsize>,
        fed: usize,
    }

    fn rig() -> Rig {
        let (wakes, meters) = (Arc::new(AtomicUsize::new(0)), Arc::new(Meters::default()));
        let count = wakes.clone();
        let (audio, network) = bridge(
            Box::new(move || {
                count.fetch_add(1, Relaxed);
            }),
            meters.clone(),
        );
        Rig { packetizer: Packetizer::new(7), console: Console::new(), meters, audio, network, wakes, fed: 0 }
    }

    impl Rig {
        /// Makes one call with a counting signal. Returns (position, frames) of each packet.
        fn call(&mut self, frames: usize) -> Vec<(u64, u16)> {
            self.packetizer.begin(frames, &self.console.controls);
            let signal: Vec<f32> = (self.fed..self.fed + frames).map(|i| i as f32 / 65536.0).collect();
            self.fed += frames;
            for piece in signal.chunks(PIECE) {
                self.packetizer.push([piece, piece], &mut self.audio, &self.meters);
            }
            self.packetizer.end(&mut self.audio, &self.meters);
            let mut out = Vec::new();
            while let Some(p) = self.network.outgoing.pop() {
                if self.console.send_mute() {
                } else {
                    let expected: Vec<f32> =
                        (0..u64::from(p.frames())).map(|i| (p.position.0 + i) as f32 / 65536.0).collect();
                    assert_eq!(p.channels(), [&expected[..], &expected[..]]);
                }
                out.push((p.position.0, p.frames()));
            }
            out
        }
    }

    /// A call of 32 to 256 frames makes one packet and one wake.
    #[test]
    fn usual_block_is_one_packet() {
        for block in [32, 64, 100, 128, 256] {
            let mut rig = rig();
            for call in 0..20 {
                assert_eq!(rig.call(block), [(call * block as u64, block as u16)]);
            }
            assert_eq!(rig.wakes.load(Relaxed), 20);
        }
    }

    /// Longer blocks are split evenly, and leave no frames waiting.
    #[test]
    fn long_blocks_are_split_evenly() {
        let mut rig = rig();
        assert_eq!(rig.call(441), [(0, 111), (111, 111), (222, 111), (333, 108)]);
        assert_eq!(rig.call(512), [(441, 128), (569, 128), (697, 128), (825, 128)]);
        let whole: u64 = rig.call(8192).iter().map(|p| u64::from(p.1)).sum();
        assert_eq!(whole, 8192);
    }

    /// Blocks shorter than 32 frames are collected into packets of 128.
    #[test]
    fn small_blocks_are_collected() {
        let mut rig = rig();
        rig.packetizer.restart(16);
        let made: Vec<_> = (0..16).flat_map(|_| rig.call(16)).collect();
        assert_eq!(made, [(0, 128), (128, 128)]);
    }

    /// A fixed packet size holds for any block, within the ring's limit.
    #[test]
    fn fixed_packet_size_is_kept() {
        let mut rig = rig();
        rig.console.set_packet_size(PacketSize::Frames(120));
        let made: Vec<_> = [64, 64, 200, 7, 25].into_iter().flat_map(|n| rig.call(n)).collect();
        assert_eq!(made, [(0, 120), (120, 120), (240, 120)]);
        assert!(rig.call(8192).len() <= 70);
    }

    /// Packets longer than a datagram are split evenly.
    #[test]
    fn datagram_limit_splits_packets() {
        let mut rig = rig();
        rig.console.set_max_frames(100);
        assert_eq!(rig.call(256), [(0, 85), (85, 85), (170, 86)]);
    }

    /// A full ring drops packets, counts them, and leaves a gap of the right length.
    #[test]
    fn full_ring_leaves_a_gap() {
        let mut rig = rig();
        for _ in 0..300 {
            rig.packetizer.begin(64, &rig.console.controls);
            rig.packetizer.push([&[0.5; 64]; 2], &mut rig.audio, &rig.meters);
            rig.packetizer.end(&mut rig.audio, &rig.meters);
        }
        assert_eq!((rig.meters.tx_packets.get(), rig.meters.tx_dropped.get()), (256, 44));
        let kept: Vec<_> = std::iter::from_fn(|| rig.network.outgoing.pop()).collect();
        assert_eq!(kept.last().unwrap().position.0, 255 * 64);
        rig.packetizer.begin(64, &rig.console.controls);
        rig.packetizer.push([&[0.5; 64]; 2], &mut rig.audio, &rig.meters);
        rig.packetizer.end(&mut rig.audio, &rig.meters);
        let next = rig.network.outgoing.pop().unwrap();
        assert_eq!((next.sequence, next.position.0), (Sequence(300), 300 * 64));
    }

    /// Send mute fades to silence, and packets continue.
    #[test]
    fn send_mute_sends_silence() {
        let mut rig = rig();
        rig.call(64);
        rig.console.set_send_mute(true);
        for _ in 0..20 {
            assert_eq!(rig.call(64).len(), 1);
        }
        rig.packetizer.begin(64, &rig.console.controls);
        rig.packetizer.push([&[0.9; 64]; 2], &mut rig.audio, &rig.meters);
        rig.packetizer.end(&mut rig.audio, &rig.meters);
        assert_eq!(rig.network.outgoing.pop().unwrap().channels(), [&[0.0; 64][..]; 2]);
    }

    /// A restart begins a new stream at position 0.
    #[test]
    fn restart_begins_a_new_stream() {
        let mut rig = rig();
        rig.call(64);
        let old = rig.packetizer.stream;
        rig.packetizer.restart(64);
        rig.fed = 0;
        assert_ne!(rig.packetizer.stream, old);
        assert_eq!(rig.call(64), [(0, 64)]);
    }
}
