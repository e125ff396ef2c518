//! Selects the frames of a client's datagram that the other members of the room receive.

use crate::audio::AudioFrame;
use crate::datagram::{FRAME_HEADER_LEN, kind, raw_frames, write_raw};
use crate::ids::SourceId;
use crate::retransmit::DuplicateFilter;
use alloc::vec::Vec;

/// What [`forwardable_frames`] selected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForwardSummary {
    /// Whether there is audio.
    pub audio: bool,
    /// Packets that arrived only as copies.
    pub recovered: u64,
    /// Frames of audio, for rate limiting: at least [`SHORTEST_PACKET`] for each packet, and one for every 8 bytes.
    pub frames: u32,
    /// Bytes of all other frames.
    pub other_bytes: u32,
}

/// Frames of the shortest audio packet.
pub const SHORTEST_PACKET: u16 = 16;

/// The frames that a packet counts for: its own number, but not less than its bytes or [`SHORTEST_PACKET`].
fn frames_of(body: &[u8]) -> u32 {
    let said = AudioFrame::read(body).map_or(0, |a| a.header.frames);
    // Two channels of the largest samples, 4 bytes each.
    let worth = body.len().saturating_sub(AudioFrame::HEADER_LEN).div_ceil(8);
    u32::from(said.max(SHORTEST_PACKET)).max(u32::try_from(worth).unwrap_or(u32::MAX))
}

/// Appends the frames of a client's plaintext that the room receives (audio, copies and MIDI) to `out`, and sets their
/// source. Forwards a copy only if its packet is new to `seen`.
pub fn forwardable_frames(
    plain: &[u8],
    source: SourceId,
    seen: &mut DuplicateFilter,
    out: &mut Vec<u8>,
) -> ForwardSummary {
    let mut summary = ForwardSummary::default();
    for (kind, body) in raw_frames(plain) {
        let goes_on = match kind {
            // Forwards audio frames of unknown formats: the listeners may know them.
            kind::AUDIO => AudioFrame::read(body).is_none_or(|a| seen.original(a.header.stream, a.header.sequence)),
            kind::COPY => AudioFrame::read(body).is_some_and(|a| seen.copy(a.header.stream, a.header.sequence)),
            kind::MIDI => true,
            _ => false,
        };
        if goes_on && body.len() >= 2 {
            let begin = out.len() + FRAME_HEADER_LEN;
            write_raw(kind, body, out);
            out[begin..begin + 2].copy_from_slice(&source.0.to_be_bytes());
            summary.audio |= matches!(kind, kind::AUDIO | kind::COPY);
            summary.recovered += u64::from(kind == kind::COPY);
            match kind {
                kind::AUDIO | kind::COPY => summary.frames = summary.frames.saturating_add(frames_of(body)),
                _ => summary.other_bytes += (FRAME_HEADER_LEN + body.len()) as u32,
            }
        }
    }
    summary
}
