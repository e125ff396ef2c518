//! The sender of a replay: encodes the sound and the marks by the real engine.

use super::sound::marks;
use rtjam_engine::{Engine, Outgoing, Outputs, PacketSize, engine};
use rtjam_protocol::audio::{AudioHeader, CHANNELS, Codec, WIRE_RATE, encode};
use rtjam_protocol::{Micros, Sequence, SourceId};

/// The musician at the sending end.
pub(super) const SOURCE: SourceId = SourceId(1);

/// An encoded packet.
pub(super) struct Encoded {
    pub(super) header: AudioHeader,
    pub(super) payload: Vec<u8>,
    pub(super) samples: [Vec<f32>; CHANNELS],
}

/// The sending end, whose engine makes the packets.
pub(super) struct Sender {
    engine: Engine,
    outgoing: Outgoing,
    packet: usize,
}

impl Sender {
    pub(super) fn new(packet: usize) -> Sender {
        let (mut engine, network, console) = engine(7, || ());
        console.set_packet_size(PacketSize::Frames(packet as u16));
        engine.configure(WIRE_RATE, packet);
        Sender { engine, outgoing: network.outgoing, packet }
    }

    /// The first `count` packets of `sound`. Those that are `skipped`, by index, are never sent and have no sequence number.
    pub(super) fn packets(mut self, sound: &[f32], count: usize, skipped: &[usize]) -> Vec<Encoded> {
        let frames = count * self.packet;
        let marks = marks(frames);
        let silence = vec![0.0; self.packet];
        let mut packets = Vec::with_capacity(count);
        for from in (0..frames).step_by(self.packet) {
            let span = from..from + self.packet;
            let input = [sound.get(span.clone()).unwrap_or(&silence), &marks[span]];
            let (mut left, mut right) = (silence.clone(), silence.clone());
            let mut outputs = Outputs { main: [&mut left, &mut right], slots: Default::default() };
            self.engine.process(Micros(from as u64 * 1_000_000 / u64::from(WIRE_RATE)), input, &mut outputs);
            while let Some(packet) = self.outgoing.pop() {
                assert_eq!(packet.position.0, packets.len() as u64 * self.packet as u64, "each block makes one packet");
                let before = skipped.partition_point(|index| *index < packets.len());
                packets.push(encoded(&packet, before as u32));
            }
        }
        packets
    }
}

fn encoded(packet: &rtjam_engine::OutPacket, skipped_before: u32) -> Encoded {
    let header = AudioHeader {
        source: SOURCE,
        stream: packet.stream,
        sequence: Sequence(packet.sequence.0.wrapping_sub(skipped_before)),
        position: packet.position,
        codec: Codec::F32,
        layout: packet.layout,
        frames: packet.frames(),
        peak: packet.peak,
    };
    let mut payload = Vec::new();
    for channel in packet.channels() {
        encode(Codec::F32, channel, &mut payload);
    }
    Encoded { header, payload, samples: packet.channels().map(<[f32]>::to_vec) }
}
