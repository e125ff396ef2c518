//! A musician's delay, in whole milliseconds, and packet loss during the last minute.

use std::time::Duration;

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

/// Length of the graph, in seconds.
pub const SECONDS: usize = 60;

/// Missing packets of each second, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Losses([Second; SECONDS]);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Second {
    missing: u32,
    came: u32,
}

impl Losses {
    /// Missing packets in total.
    pub fn missing(&self) -> u32 {
        self.0.iter().map(|s| s.missing).sum()
    }

    /// The height of each second's bar, 0 to 1, the oldest first. Any loss is visible, and 10 % fills the graph.
    pub fn bars(&self) -> impl Iterator<Item = f32> + '_ {
        self.0.iter().map(|second| {
            if second.missing == 0 {
                return 0.0;
            }
            let share = second.missing as f32 / (second.missing + second.came).max(1) as f32;
            (share / 0.1).clamp(0.15, 1.0)
        })
    }
}

/// Follows the counts of received and missing packets.
#[derive(Clone, Debug)]
pub struct LossWatch {
    losses: Losses,
    /// End of the current second.
    ends: Option<Duration>,
    before: (u64, u64),
}

impl Default for LossWatch {
    fn default() -> LossWatch {
        LossWatch { losses: Losses([Second::default(); SECONDS]), ends: None, before: (0, 0) }
    }
}

impl LossWatch {
    /// Takes the counts of received and missing packets at `now`, a time that never decreases.
    pub fn feed(&mut self, came: u64, missing: u64, now: Duration) -> &Losses {
        let Some(mut ends) = self.ends else {
            // Earlier losses cannot be assigned to a second.
            (self.ends, self.before) = (Some(now + Duration::from_secs(1)), (came, missing));
            return &self.losses;
        };
        let seconds = &mut self.losses.0;
        if now >= ends + Duration::from_secs(SECONDS as u64) {
            *seconds = [Second::default(); SECONDS];
            ends = now + Duration::from_secs(1);
        }
        while now >= ends {
            seconds.rotate_left(1);
            seconds[SECONDS - 1] = Second::default();
            ends += Duration::from_secs(1);
        }
        self.ends = Some(ends);
        // Counts restart when a musician rejoins.
        let more = |now: u64, before: u64| u32::try_from(now.saturating_sub(before)).unwrap_or(u32::MAX);
        let last = &mut seconds[SECONDS - 1];
        let (came_more, missing_more) = (more(came, self.before.0), more(missing, self.before.1));
        last.missing = last.missing.saturating_add(missing_more);
        last.came = last.came.saturating_add(came_more);
        self.before = (came, missing);
        &self.losses
    }

    /// The graph as it is drawn: seconds without loss are equal, however many packets were received.
    pub fn drawn(&self) -> Losses {
        let mut drawn = self.losses.clone();
        for second in drawn.0.iter_mut().filter(|s| s.missing == 0) {
            second.came = 0;
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// A loss appears in its second and disappears after a minute.
    #[test]
    fn losses_last_a_minute() {
        let mut watch = LossWatch::default();
        watch.feed(100, 7, at(0.0));
        assert_eq!(watch.losses.missing(), 0);
        watch.feed(475, 9, at(0.5));
        watch.feed(850, 9, at(1.5));
        let bars: Vec<f32> = watch.drawn().bars().collect();
        assert_eq!((bars.len(), bars[SECONDS - 1]), (SECONDS, 0.0));
        assert!(bars[SECONDS - 2] > 0.0);
        assert_eq!(watch.losses.missing(), 2);
        watch.feed(23_000, 9, at(59.9));
        assert_eq!(watch.losses.missing(), 2);
        watch.feed(23_400, 9, at(60.1));
        assert_eq!(watch.losses.missing(), 0);
    }

    /// A loss of 10 % fills the graph, and a single packet is visible.
    #[test]
    fn any_loss_is_visible() {
        let mut watch = LossWatch::default();
        watch.feed(0, 0, at(0.0));
        watch.feed(374, 1, at(0.9));
        assert_eq!(watch.drawn().bars().last(), Some(0.15));
        watch.feed(374, 100, at(0.95));
        assert_eq!(watch.drawn().bars().last(), Some(1.0));
    }

    /// Without loss the graph stays equal.
    #[test]
    fn graph_is_still_without_loss() {
        let mut watch = LossWatch::default();
        watch.feed(0, 0, at(0.0));
        let before = watch.drawn();
        for second in 1..200 {
            watch.feed(375 * second, 0, at(second as f64));
            assert_eq!(watch.drawn(), before);
        }
    }

    /// Long pauses and counts that restart are accepted.
    #[test]
    fn restarted_counts_are_accepted() {
        let mut watch = LossWatch::default();
        watch.feed(1000, 50, at(0.0));
        watch.feed(2000, 80, at(5.0));
        watch.feed(3, 0, at(4000.0));
        assert_eq!(watch.losses.missing(), 0);
        watch.feed(10, 2, at(4000.5));
        assert_eq!(watch.losses.missing(), 2);
    }

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
