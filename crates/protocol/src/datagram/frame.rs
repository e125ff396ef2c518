//! Frames: kind (one byte), length (two bytes), body.
//!
//! Readers skip frames of unknown kinds. The body of every kind that the server forwards begins with the source (two
//! bytes), which the server sets.

use super::feedback::Feedback;
use super::mix_report::MixReport;
use crate::audio::{AudioFrame, AudioHeader};
use crate::reader::ByteReader;
use crate::time::Micros;
use alloc::vec::Vec;

/// Frame kinds. Number 8 is a clock report, which only earlier versions send.
pub mod kind {
    /// An audio packet.
    pub const AUDIO: u8 = 1;
    /// Keeps the session alive.
    pub const KEEP_ALIVE: u8 = 2;
    /// Asks for the room's time.
    pub const CLOCK_REQUEST: u8 = 3;
    /// Tells the room's time.
    pub const CLOCK_REPLY: u8 = 4;
    /// Asks the receiver to prove that it receives at this address.
    pub const PATH_CHALLENGE: u8 = 5;
    /// Returns the challenge.
    pub const PATH_RESPONSE: u8 = 6;
    /// Ends the session.
    pub const GOODBYE: u8 = 7;
    /// NACKs and reception statistics of a lane.
    pub const FEEDBACK: u8 = 9;
    /// Tests the datagram size of the path.
    pub const PROBE: u8 = 10;
    /// Reply to a probe, of the same size.
    pub const PROBE_REPLY: u8 = 11;
    /// Reserved for MIDI events.
    pub const MIDI: u8 = 12;
    /// A retransmitted audio packet.
    pub const COPY: u8 = 13;
    /// Levels and waits of the musicians in a mix.
    pub const MIX_REPORT: u8 = 14;
}

/// A frame of an opened datagram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Frame<'a> {
    /// An audio packet.
    Audio(AudioFrame<'a>),
    /// Keeps the session alive.
    KeepAlive,
    /// Asks for the room's time.
    ClockRequest(ClockRequest),
    /// Tells the room's time.
    ClockReply(ClockReply),
    /// Asks the receiver to prove that it receives at this address.
    PathChallenge([u8; 8]),
    /// Returns the challenge.
    PathResponse([u8; 8]),
    /// Ends the session.
    Goodbye,
    /// Tests the datagram size of the path.
    Probe(Probe),
    /// Reply to a probe.
    ProbeReply(Probe),
    /// NACKs and reception statistics of a lane.
    Feedback(Feedback),
    /// A retransmitted audio packet.
    Copy(AudioFrame<'a>),
    /// Levels and waits of the musicians in a mix.
    MixReport(MixReport<'a>),
}

/// A request for the room's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockRequest {
    /// Time of sending by the client's clock.
    pub sent: Micros,
}

/// Reply to a clock request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReply {
    /// The request's `sent`.
    pub asked: Micros,
    /// Arrival of the request by the room's clock.
    pub received: Micros,
    /// Sending of the reply by the room's clock.
    pub replied: Micros,
    /// Random number of the server's start. Room times of different epochs do not compare.
    pub epoch: u32,
}

/// A test whether a datagram of a certain size arrives, or the reply to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Id chosen by the client.
    pub id: u16,
    /// Size of the whole datagram in bytes.
    pub size: u16,
}

/// Iterates over the frames of an opened datagram. Skips unknown and malformed frames, and ends at a truncated one.
pub struct Frames<'a> {
    rest: ByteReader<'a>,
}

impl<'a> Frames<'a> {
    /// Reads the plaintext of a datagram.
    pub fn new(plain: &'a [u8]) -> Frames<'a> {
        Frames { rest: ByteReader::new(plain) }
    }

    fn next_raw(&mut self) -> Option<(u8, &'a [u8])> {
        let kind = self.rest.u8()?;
        let len = self.rest.u16()?;
        Some((kind, self.rest.take(usize::from(len))?))
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        loop {
            let (kind, body) = self.next_raw()?;
            if let Some(frame) = read_body(kind, body) {
                return Some(frame);
            }
        }
    }
}

fn read_body(kind: u8, body: &[u8]) -> Option<Frame<'_>> {
    let mut r = ByteReader::new(body);
    match kind {
        kind::AUDIO => AudioFrame::read(body).map(Frame::Audio),
        kind::KEEP_ALIVE => Some(Frame::KeepAlive),
        kind::CLOCK_REQUEST => Some(Frame::ClockRequest(ClockRequest { sent: Micros(r.u64()?) })),
        kind::CLOCK_REPLY => read_clock_reply(r).map(Frame::ClockReply),
        kind::PATH_CHALLENGE => r.array().map(Frame::PathChallenge),
        kind::PATH_RESPONSE => r.array().map(Frame::PathResponse),
        kind::GOODBYE => Some(Frame::Goodbye),
        kind::PROBE => read_probe(r).map(Frame::Probe),
        kind::PROBE_REPLY => read_probe(r).map(Frame::ProbeReply),
        kind::FEEDBACK => Feedback::read(body).map(Frame::Feedback),
        kind::COPY => AudioFrame::read(body).map(Frame::Copy),
        kind::MIX_REPORT => Some(Frame::MixReport(MixReport::new(body))),
        _ => None,
    }
}

fn read_clock_reply(mut r: ByteReader<'_>) -> Option<ClockReply> {
    let asked = Micros(r.u64()?);
    let received = Micros(r.u64()?);
    let replied = Micros(r.u64()?);
    Some(ClockReply { asked, received, replied, epoch: r.u32()? })
}

fn read_probe(mut r: ByteReader<'_>) -> Option<Probe> {
    Some(Probe { id: r.u16()?, size: r.u16()? })
}

/// Iterates over kind and body of the frames in a plaintext. Ends at a truncated frame.
pub(crate) fn raw_frames(plain: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut frames = Frames::new(plain);
    core::iter::from_fn(move || frames.next_raw())
}

pub(crate) fn write_raw(kind: u8, body: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(&(body.len() as u16).to_be_bytes());
    out.extend_from_slice(body);
}

/// Appends an audio frame. `payload` must have the length that the header says.
pub fn write_audio(header: &AudioHeader, payload: &[u8], out: &mut Vec<u8>) {
    out.push(kind::AUDIO);
    out.extend_from_slice(&((AudioFrame::HEADER_LEN + payload.len()) as u16).to_be_bytes());
    header.write(out);
    out.extend_from_slice(payload);
}

/// Appends a frame. Probes and their replies are padded with zeros, so that a datagram with this frame alone has the
/// probe's size.
pub fn write_frame(frame: &Frame<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; super::FRAME_HEADER_LEN]);
    let kind = write_body(frame, out);
    let len = (out.len() - start - super::FRAME_HEADER_LEN) as u16;
    out[start] = kind;
    out[start + 1..start + 3].copy_from_slice(&len.to_be_bytes());
}

fn write_body(frame: &Frame<'_>, out: &mut Vec<u8>) -> u8 {
    match frame {
        Frame::Audio(audio) | Frame::Copy(audio) => {
            audio.header.write(out);
            out.extend_from_slice(audio.payload);
            if matches!(frame, Frame::Audio(_)) { kind::AUDIO } else { kind::COPY }
        }
        Frame::Feedback(feedback) => {
            feedback.write(out);
            kind::FEEDBACK
        }
        Frame::MixReport(report) => {
            out.extend_from_slice(report.body());
            kind::MIX_REPORT
        }
        Frame::KeepAlive => kind::KEEP_ALIVE,
        Frame::ClockRequest(c) => {
            out.extend_from_slice(&c.sent.0.to_be_bytes());
            kind::CLOCK_REQUEST
        }
        Frame::ClockReply(c) => {
            for t in [c.asked, c.received, c.replied] {
                out.extend_from_slice(&t.0.to_be_bytes());
            }
            out.extend_from_slice(&c.epoch.to_be_bytes());
            kind::CLOCK_REPLY
        }
        Frame::PathChallenge(data) => {
            out.extend_from_slice(data);
            kind::PATH_CHALLENGE
        }
        Frame::PathResponse(data) => {
            out.extend_from_slice(data);
            kind::PATH_RESPONSE
        }
        Frame::Goodbye => kind::GOODBYE,
        Frame::Probe(p) => {
            write_probe(p, out);
            kind::PROBE
        }
        Frame::ProbeReply(p) => {
            write_probe(p, out);
            kind::PROBE_REPLY
        }
    }
}

fn write_probe(p: &Probe, out: &mut Vec<u8>) {
    out.extend_from_slice(&p.id.to_be_bytes());
    out.extend_from_slice(&p.size.to_be_bytes());
    let written = super::DATAGRAM_OVERHEAD + super::FRAME_HEADER_LEN + 4;
    let padding = usize::from(p.size).min(super::MAX_DATAGRAM).saturating_sub(written);
    out.resize(out.len() + padding, 0);
}
