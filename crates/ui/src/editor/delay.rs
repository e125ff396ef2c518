//! The delay from the room to the ear, in whole milliseconds.

/// The parts of the delay in whole milliseconds, so that what is shown adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WholeDelay {
    /// Time to fill a packet at the sender.
    pub packet: u32,
    /// Wait at the server before mixing; `None` while sources are forwarded.
    pub mix: Option<u32>,
    /// One-way delay from the server: half the round-trip time.
    pub network: u32,
    /// Playout delay.
    pub buffer: u32,
}

impl WholeDelay {
    /// Rounds the parts, once all of them are known.
    pub fn of(parts: &rtjam_client::Delay) -> Option<WholeDelay> {
        let whole = |ms: f32| ms.clamp(0.0, 60_000.0).round() as u32;
        Some(WholeDelay {
            packet: whole(parts.packet_ms?),
            mix: parts.mix_ms.map(whole),
            network: whole(parts.network_ms?),
            buffer: whole(parts.buffer_ms?),
        })
    }

    /// The sum in milliseconds.
    pub fn total(self) -> u32 {
        self.packet + self.mix.unwrap_or(0) + self.network + self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The total is the sum of the rounded parts, whatever the figures are.
    #[test]
    fn total_is_sum_of_rounded_parts() {
        let total = |packet, mix_ms, network, buffer| {
            let (packet_ms, network_ms, buffer_ms) = (Some(packet), Some(network), Some(buffer));
            let parts = rtjam_client::Delay { packet_ms, mix_ms, network_ms, buffer_ms };
            WholeDelay::of(&parts).expect("known").total()
        };
        assert_eq!(total(2.67, None, 14.2, 6.4), 23);
        assert_eq!(total(2.67, Some(1.6), 14.2, 6.4), 25);
        assert_eq!(total(0.3, None, 0.2, 0.4), 0);
        assert_eq!(total(f32::NAN, None, -1.0, f32::INFINITY), 60_000);
        assert_eq!(WholeDelay::of(&rtjam_client::Delay::default()), None);
    }
}
