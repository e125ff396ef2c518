//! The rings between the audio thread and the network threads: outgoing packets, incoming packets, and the host's calls.
//!
//! Neither side waits for the other. A full ring drops what is pushed and counts it.

use crate::controls::MAX_PACKET_FRAMES;
use crate::meters::Meters;
use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use rtjam_protocol::audio::{AudioFrame, AudioHeader, CHANNELS, Layout, Peak};
use rtjam_protocol::{FramePosition, Micros, Sequence, StreamId};
use std::fmt;
use std::sync::Arc;

/// Largest payload of an incoming packet, in bytes: no datagram carries more.
pub const MAX_PAYLOAD: usize = 1200;

/// Outgoing packets that the ring holds: 340 ms at 64 frames, and more than the longest block makes.
const OUTGOING: usize = 256;

/// Incoming packets that the ring holds: 2 s of one musician at 64 frames, 0.17 s (the longest block) of twelve.
const INCOMING: usize = 1536;

/// Calls that the ring holds: 5 s of blocks of 64 frames at 48 kHz.
const CALLS: usize = 4096;

/// An outgoing packet: samples at 48 kHz, not encoded yet.
#[derive(Clone, Debug)]
pub struct OutPacket {
    /// The stream: one run of this engine's timeline.
    pub stream: StreamId,
    /// Sequence number within the stream.
    pub sequence: Sequence,
    /// Position of the first frame, in frames at 48 kHz.
    pub position: FramePosition,
    /// What the two channels are.
    pub layout: Layout,
    /// Largest magnitude of each channel.
    pub peak: [Peak; CHANNELS],
    frames: u16,
    samples: [[f32; MAX_PACKET_FRAMES]; CHANNELS],
}

impl OutPacket {
    /// Makes a packet of two channels of the same length, of which at most [`MAX_PACKET_FRAMES`] frames are taken.
    pub(crate) fn new(
        stream: StreamId,
        sequence: Sequence,
        position: FramePosition,
        layout: Layout,
        channels: [&[f32]; CHANNELS],
    ) -> OutPacket {
        let frames = channels[0].len().min(channels[1].len()).min(MAX_PACKET_FRAMES);
        let mut samples = [[0.0; MAX_PACKET_FRAMES]; CHANNELS];
        for (to, from) in samples.iter_mut().zip(channels) {
            to[..frames].copy_from_slice(&from[..frames]);
        }
        let peak = channels.map(|c| Peak::of(&c[..frames]));
        OutPacket { stream, sequence, position, layout, peak, frames: frames as u16, samples }
    }

    /// Frames of the packet, 1 to [`MAX_PACKET_FRAMES`].
    pub fn frames(&self) -> u16 {
        self.frames
    }

    /// The samples of each channel; full scale is 1.
    pub fn channels(&self) -> [&[f32]; CHANNELS] {
        let frames = usize::from(self.frames);
        [&self.samples[0][..frames], &self.samples[1][..frames]]
    }
}

/// The network threads' end of an engine.
pub struct NetworkEnd {
    /// For the sending thread.
    pub outgoing: Outgoing,
    /// For the receiving thread.
    pub incoming: Incoming,
    /// For a thread that records when the host calls; optional.
    pub calls: Calls,
}

/// A call of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostCall {
    /// When the call began.
    pub begun: Micros,
    /// Frames that it asked for, at the host's rate.
    pub frames: u32,
    /// The host's sample rate, in Hz.
    pub rate: u32,
}

/// Reports the host's calls. One thread owns it. If nobody takes them, later calls are not reported.
pub struct Calls {
    ring: HeapCons<HostCall>,
}

impl Calls {
    /// The next call, oldest first. Never blocks.
    pub fn pop(&mut self) -> Option<HostCall> {
        self.ring.try_pop()
    }
}

/// Takes packets from the audio thread. The sending thread owns it.
pub struct Outgoing {
    ring: HeapCons<OutPacket>,
}

impl Outgoing {
    /// The next packet to send, oldest first. Never blocks.
    pub fn pop(&mut self) -> Option<OutPacket> {
        self.ring.try_pop()
    }
}

/// Hands packets to the audio thread. The receiving thread owns it.
pub struct Incoming {
    ring: HeapProd<InPacket>,
    meters: Arc<Meters>,
}

/// Why a packet was not handed to the audio thread. Each is counted in [`crate::EngineReading::incoming_dropped`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// The ring is full: the audio thread is behind, or does not run.
    Full,
    /// The payload is longer than [`MAX_PAYLOAD`], or does not match its header.
    BadPayload,
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotTaken::Full => "the audio thread takes no packets",
            NotTaken::BadPayload => "the payload does not match its header",
        })
    }
}

impl std::error::Error for NotTaken {}

impl Incoming {
    /// Hands over a packet that arrived at `arrived`, on the clock that `process` is called with. Copies the payload; the
    /// audio thread decodes it. Never blocks.
    ///
    /// # Errors
    /// If the packet was dropped.
    pub fn push(&mut self, arrived: Micros, frame: &AudioFrame<'_>) -> Result<(), NotTaken> {
        self.hand_over(arrived, frame, false)
    }

    /// Hands over a retransmitted packet, or a redundant copy. It counts only if the original was lost.
    ///
    /// # Errors
    /// If the packet was dropped.
    pub fn push_retransmitted(&mut self, arrived: Micros, frame: &AudioFrame<'_>) -> Result<(), NotTaken> {
        self.hand_over(arrived, frame, true)
    }

    fn hand_over(&mut self, arrived: Micros, frame: &AudioFrame<'_>, retransmitted: bool) -> Result<(), NotTaken> {
        let taken = InPacket::new(arrived, frame, retransmitted)
            .and_then(|p| self.ring.try_push(p).map_err(|_| NotTaken::Full));
        if taken.is_err() {
            self.meters.incoming_dropped.add(1);
        }
        taken
    }
}

/// An incoming packet, payload still encoded.
pub(crate) struct InPacket {
    pub(crate) arrived: Micros,
    pub(crate) header: AudioHeader,
    /// A retransmission or a redundant copy.
    pub(crate) retransmitted: bool,
    len: u16,
    payload: [u8; MAX_PAYLOAD],
}

impl InPacket {
    pub(crate) fn new(arrived: Micros, frame: &AudioFrame<'_>, retransmitted: bool) -> Result<InPacket, NotTaken> {
        let (header, len) = (frame.header, frame.payload.len());
        let expected = usize::from(header.frames) * CHANNELS * header.codec.bytes_per_sample();
        if len != expected || len == 0 || len > MAX_PAYLOAD {
            return Err(NotTaken::BadPayload);
        }
        let mut payload = [0; MAX_PAYLOAD];
        payload[..len].copy_from_slice(frame.payload);
        Ok(InPacket { arrived, header, retransmitted, len: len as u16, payload })
    }

    /// One channel's encoded samples: exactly `header.frames` of them.
    pub(crate) fn channel(&self, channel: usize) -> &[u8] {
        let len = usize::from(self.len) / CHANNELS;
        &self.payload[channel * len..][..len]
    }
}

/// The audio thread's ends of the rings, and how it wakes the sending thread.
pub(crate) struct AudioEnd {
    pub(crate) outgoing: HeapProd<OutPacket>,
    pub(crate) incoming: HeapCons<InPacket>,
    pub(crate) calls: HeapProd<HostCall>,
    pub(crate) wake: Box<dyn Fn() + Send>,
}

/// Makes the three rings.
pub(crate) fn bridge(wake: Box<dyn Fn() + Send>, meters: Arc<Meters>) -> (AudioEnd, NetworkEnd) {
    let (out_push, out_pop) = HeapRb::new(OUTGOING).split();
    let (in_push, in_pop) = HeapRb::new(INCOMING).split();
    let (calls_push, calls_pop) = HeapRb::new(CALLS).split();
    let audio = AudioEnd { outgoing: out_push, incoming: in_pop, calls: calls_push, wake };
    let network = NetworkEnd {
        outgoing: Outgoing { ring: out_pop },
        incoming: Incoming { ring: in_push, meters },
        calls: Calls { ring: calls_pop },
    };
    (audio, network)
}
