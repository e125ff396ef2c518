//! From when the room plays to when it is heard.

/// How long the room's sound takes to the ear, by its parts, in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    /// A packet leaves when its last frame is there.
    pub packet: u32,
    /// At the server, before it is mixed; `None` where everyone comes separately.
    pub mix: Option<u32>,
    /// From the server to here: half the round trip.
    pub network: u32,
    /// In the jitter buffer.
    pub buffer: u32,
}

impl Delay {
    /// The parts in whole milliseconds, once all are known. What is shown adds up.
    pub fn of(parts: &rtjam_client::Delay) -> Option<Delay> {
        let whole = |ms: f32| ms.clamp(0.0, 60_000.0).round() as u32;
        Some(Delay {
            packet: whole(parts.packet_ms?),
            mix: parts.mix_ms.map(whole),
            network: whole(parts.network_ms?),
            buffer: whole(parts.buffer_ms?),
        })
    }

    /// All together, in milliseconds.
    pub fn total(self) -> u32 {
        self.packet + self.mix.unwrap_or(0) + self.network + self.buffer
    }

    /// For the musician. Parts that take no time are left out.
    pub fn sentence(self) -> String {
        let parts = [
            (Some(self.packet), "to fill a packet"),
            (self.mix, "in the server's mix"),
            (Some(self.network), "on the network"),
            (Some(self.buffer), "waiting for late packets"),
        ];
        let told = |(ms, what): (Option<u32>, &str)| ms.filter(|ms| *ms > 0).map(|ms| format!("{ms} ms {what}"));
        let parts: Vec<String> = parts.into_iter().filter_map(told).collect();
        let total = self.total();
        if parts.is_empty() {
            return "You hear the room as it plays, without a delay.".to_owned();
        }
        format!("You hear the room {total} ms after it plays: {}.", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(packet: f32, mix: Option<f32>, network: f32, buffer: f32) -> rtjam_client::Delay {
        rtjam_client::Delay { packet_ms: Some(packet), mix_ms: mix, network_ms: Some(network), buffer_ms: Some(buffer) }
    }

    #[test]
    fn the_sentence_adds_up() {
        let sentence = |parts| Delay::of(&parts).expect("known").sentence();
        assert_eq!(
            sentence(parts(2.67, None, 14.2, 6.4)),
            "You hear the room 23 ms after it plays: 3 ms to fill a packet, 14 ms on the network, 6 ms waiting for late packets."
        );
        assert_eq!(
            sentence(parts(2.67, Some(1.6), 14.2, 6.4)),
            "You hear the room 25 ms after it plays: 3 ms to fill a packet, 2 ms in the server's mix, 14 ms on the network, 6 ms waiting for late packets."
        );
        assert_eq!(
            sentence(parts(2.67, None, 0.2, 2.7)),
            "You hear the room 6 ms after it plays: 3 ms to fill a packet, 3 ms waiting for late packets."
        );
        assert_eq!(sentence(parts(0.3, None, 0.2, 0.4)), "You hear the room as it plays, without a delay.");
        let total = |parts| Delay::of(&parts).expect("known").total();
        assert_eq!(total(parts(0.3, None, 0.2, 0.4)), 0);
        assert_eq!(total(parts(f32::NAN, None, -1.0, f32::INFINITY)), 60_000);
        assert_eq!(Delay::of(&rtjam_client::Delay::default()), None);
    }
}
