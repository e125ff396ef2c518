//! Datagrams: a cleartext header, encrypted frames, and an authentication tag.
//!
//! ```text
//! 0      1       2     3          7          14                      n − 16
//! class  key id  lane  session    counter    encrypted frames …      tag
//! ```
//!
//! The tag authenticates the header together with the frames. `docs/PROTOCOL.md` has the byte tables.

mod feedback;
mod frame;
mod mix_report;

pub use feedback::{Feedback, MissingCounters, RetransmitWaits};
pub use frame::{ClockReply, ClockRequest, Frame, Frames, Probe, kind, write_audio, write_frame};
pub(crate) use frame::{raw_frames, write_raw};
pub use mix_report::{MixReport, MixedMusician};

use crate::ids::{KeyId, NonceCounter, SessionId};
use crate::lane::Lane;
use crate::reader::ByteReader;
use alloc::vec::Vec;

/// Bytes of a datagram's authentication tag, in every cipher suite.
pub const TAG_LEN: usize = 16;

/// The largest UDP payload in bytes.
pub const MAX_DATAGRAM: usize = 1200;

/// Bytes of a frame before its body.
pub const FRAME_HEADER_LEN: usize = 3;

/// Bytes of a datagram that are not frames.
pub const DATAGRAM_OVERHEAD: usize = DatagramHeader::LEN + TAG_LEN;

/// The largest audio payload of both channels, in bytes, in a datagram of `datagram` bytes.
pub const fn audio_payload_in(datagram: usize) -> usize {
    datagram.saturating_sub(DATAGRAM_OVERHEAD + FRAME_HEADER_LEN + crate::audio::AudioFrame::HEADER_LEN)
}

/// Version and class of a datagram: the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DatagramClass {
    /// Version 1: audio and what accompanies it.
    Media = 4,
    /// Version 1: session maintenance, such as clock, path, probe and goodbye frames.
    Session = 5,
}

/// The cleartext header of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatagramHeader {
    /// Version and class.
    pub class: DatagramClass,
    /// Id of the key.
    pub key: KeyId,
    /// Lane of the sender.
    pub lane: Lane,
    /// Session that the datagram belongs to.
    pub session: SessionId,
    /// Number of the datagram within its lane.
    pub counter: NonceCounter,
}

impl DatagramHeader {
    /// Bytes of the header.
    pub const LEN: usize = 14;

    /// Reads the header of a datagram; `None` if it is not an RTJam datagram.
    pub fn read(datagram: &[u8]) -> Option<DatagramHeader> {
        let mut r = ByteReader::new(datagram);
        let class = match r.u8()? {
            4 => DatagramClass::Media,
            5 => DatagramClass::Session,
            _ => return None,
        };
        let key = KeyId(r.u8()?);
        let lane = Lane::from_number(r.u8()?);
        let session = SessionId(r.u32()?);
        let counter = NonceCounter::from_bytes(r.array()?);
        Some(DatagramHeader { class, key, lane, session, counter })
    }

    /// Appends the header.
    pub fn write(&self, out: &mut Vec<u8>) {
        // Writes two words instead of single fields, because this runs for every datagram.
        let counter = self.counter.get();
        let front = u64::from_be_bytes([self.class as u8, self.key.0, self.lane.number(), 0, 0, 0, 0, 0]);
        let front = front | u64::from(self.session.0) << 8 | counter >> 48;
        out.extend_from_slice(&front.to_be_bytes());
        out.extend_from_slice(&counter.to_be_bytes()[2..]);
    }
}
