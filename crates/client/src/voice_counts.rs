//! Packet counts of a voice: of a musician, or of the server's mix.

use rtjam_engine::VoiceReading;
use serde::Serialize;

/// Packet counts of a voice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VoiceCounts {
    /// Packets received.
    pub packets: u64,
    /// Packets lost.
    pub lost: u64,
    /// Packets that arrived too late to be played.
    pub late: u64,
    /// Packets recovered by retransmission.
    pub recovered: u64,
    /// Frames that were concealed.
    pub concealed_frames: u64,
}

impl VoiceCounts {
    pub(crate) fn of(voice: &VoiceReading) -> VoiceCounts {
        VoiceCounts {
            packets: voice.packets,
            lost: voice.lost,
            late: voice.late,
            recovered: voice.recovered,
            concealed_frames: voice.concealed_frames,
        }
    }

    /// The difference to `before`. If the voice has restarted from 0 since, its counts are taken whole.
    pub(crate) fn since(&self, before: &VoiceCounts) -> VoiceCounts {
        let restarted = self.packets < before.packets;
        let before = if restarted { VoiceCounts::default() } else { *before };
        VoiceCounts {
            packets: self.packets.saturating_sub(before.packets),
            lost: self.lost.saturating_sub(before.lost),
            late: self.late.saturating_sub(before.late),
            recovered: self.recovered.saturating_sub(before.recovered),
            concealed_frames: self.concealed_frames.saturating_sub(before.concealed_frames),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts are those since joining; a voice that restarted counts whole.
    #[test]
    fn voice_counts_survive_a_restart() {
        let before = VoiceCounts { packets: 10, lost: 2, ..VoiceCounts::default() };
        let later = VoiceCounts { packets: 15, lost: 2, late: 1, ..VoiceCounts::default() };
        assert_eq!(later.since(&before), VoiceCounts { packets: 5, late: 1, ..VoiceCounts::default() });
        let restarted = VoiceCounts { packets: 4, lost: 1, ..VoiceCounts::default() };
        assert_eq!(restarted.since(&before), restarted);
    }
}
