//! The datagram: a header in the clear, then sealed frames, then the seal's tag.
//!
//! ```text
//! 0      1       2     3          7          14                      n − 16
//! class  key id  lane  session    counter    sealed frames …         tag
//! ```
//! The header is authenticated with the frames. Byte tables in `docs/PROTOCOL.md`.

mod frame;
mod mixed;
pub mod read;

pub use frame::{ClockReply, ClockReport, ClockRequest, Frame, Frames, Probe, kind, write_audio, write_frame};
pub(crate) use frame::{raw_frames, write_raw};
pub use mixed::{MixReport, Mixed};

use crate::ids::SessionId;
use crate::seal::{Counter, KeyId, Lane, TAG_LEN};
use alloc::vec::Vec;
use read::{Reader, Truncated};

/// The largest UDP payload that either end sends.
pub const MAX_DATAGRAM: usize = 1200;

/// Bytes of a frame before its body: kind and length.
pub const FRAME_HEADER_LEN: usize = 3;

/// Bytes of a datagram that are not frames.
pub const DATAGRAM_OVERHEAD: usize = Header::LEN + TAG_LEN;

/// The largest audio payload (both channels) that a datagram of `datagram` bytes carries.
pub const fn audio_payload_in(datagram: usize) -> usize {
    datagram.saturating_sub(DATAGRAM_OVERHEAD + FRAME_HEADER_LEN + crate::audio::AudioFrame::HEADER_LEN)
}

/// Version and class of a datagram, its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Class {
    /// Version 1, audio and what travels with it.
    Media = 4,
    /// Version 1, what keeps the session: clock, path, probes, goodbye.
    Session = 5,
}

/// The part of a datagram that is in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Version and class.
    pub class: Class,
    /// Which key of the session's direction sealed it.
    pub key: KeyId,
    /// Which sending thread sealed it.
    pub lane: Lane,
    /// Whose it is.
    pub session: SessionId,
    /// Its number within key and lane.
    pub counter: Counter,
}

impl Header {
    /// Bytes of a header.
    pub const LEN: usize = 14;

    /// Reads the header at the front of a datagram; `None` when this is none of ours.
    pub fn read(datagram: &[u8]) -> Option<Header> {
        let mut r = Reader::new(datagram);
        let class = match r.u8().ok()? {
            4 => Class::Media,
            5 => Class::Session,
            _ => return None,
        };
        Self::read_after_class(class, &mut r).ok()
    }

    fn read_after_class(class: Class, r: &mut Reader<'_>) -> Result<Header, Truncated> {
        let key = KeyId(r.u8()?);
        let lane = Lane(r.u8()?);
        let session = SessionId(r.u32()?);
        let counter = Counter::from_bytes(r.array()?);
        Ok(Header { class, key, lane, session, counter })
    }

    /// Appends the header's bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        // Two words, and not field by field: this is done for every datagram.
        let counter = self.counter.get();
        let front = u64::from_be_bytes([self.class as u8, self.key.0, self.lane.0, 0, 0, 0, 0, 0]);
        let front = front | u64::from(self.session.0) << 8 | counter >> 48;
        out.extend_from_slice(&front.to_be_bytes());
        out.extend_from_slice(&counter.to_be_bytes()[2..]);
    }
}
