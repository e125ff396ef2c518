//! The newest status of both musicians.

use std::time::{Duration, Instant};

use super::hearing::{Hearing, Measurement};
use super::part::Who;
use super::status::{StatusLine, StatusMusician};

/// Playout settles during this time after both have joined, so nothing is judged.
pub(crate) const SETTLE: Duration = Duration::from_secs(3);

#[derive(Default)]
pub(super) struct Players {
    you: Player,
    demo: Player,
    both_joined: Option<Instant>,
}

#[derive(Default)]
pub(super) struct Player {
    pub(super) status: Option<StatusLine>,
    other: Measurement,
}

impl Players {
    pub(super) fn take(&mut self, who: Who, status: StatusLine, now: Instant) {
        let (player, other) = match who {
            Who::You => (&mut self.you, DEMO_NAME),
            Who::Demo => (&mut self.demo, YOUR_NAME),
            Who::Server => return,
        };
        if let Some(joined) = self.both_joined
            && now - joined >= SETTLE
        {
            let musician = if status.is_joined() { status.musician(other) } else { None };
            player.other.take(now - joined, musician);
        }
        player.status = Some(status);
        if self.both_joined.is_none() && self.you_hear().is_some() && self.demo_hears().is_some() {
            self.both_joined = Some(now);
        }
    }

    /// Time since which both have been in the room and seen each other.
    pub(super) fn both_joined(&self) -> Option<Instant> {
        self.both_joined
    }

    pub(super) fn you(&self) -> Option<&StatusLine> {
        self.you.status.as_ref()
    }

    pub(super) fn demo(&self) -> Option<&StatusLine> {
        self.demo.status.as_ref()
    }

    /// The demo, as seen by you.
    pub(super) fn you_hear(&self) -> Option<&StatusMusician> {
        self.you().filter(|status| status.is_joined())?.musician(DEMO_NAME)
    }

    /// You, as seen by the demo.
    pub(super) fn demo_hears(&self) -> Option<&StatusMusician> {
        self.demo().filter(|status| status.is_joined())?.musician(YOUR_NAME)
    }

    /// What you received from the demo, and the demo from you.
    pub(super) fn measured(&self) -> Option<(Hearing, Hearing)> {
        Some((self.you.other.hearing()?, self.demo.other.hearing()?))
    }

    pub(super) fn why_not_joined(&self, limit: Duration) -> String {
        let state = |status: Option<&StatusLine>| status.map_or("silent".to_owned(), |s| s.state.clone());
        format!(
            "after {} s the two are not in the room together: you are {}, the demo is {}.",
            limit.as_secs(),
            state(self.you()),
            state(self.demo())
        )
    }
}

/// Names with which the two join.
const YOUR_NAME: &str = "You";
const DEMO_NAME: &str = "Demo";

#[cfg(test)]
mod tests {
    use super::*;

    fn hears(name: &str, packets: u64) -> StatusLine {
        let line = format!(
            r#"{{"state":"joined","musicians":[{{"name":"{name}","packets":{packets},"lost":0,"late":0,
            "concealed_frames":0,"dbfs":[-20.0,-20.0]}}]}}"#
        );
        serde_json::from_str(&line).expect("a status")
    }

    /// Counting starts three seconds after both have joined.
    #[test]
    fn counting_starts_after_settling() {
        let mut players = Players::default();
        let start = Instant::now();
        players.take(Who::You, hears("Demo", 10), start);
        assert_eq!(players.both_joined(), None);
        for second in 1..=8 {
            let now = start + Duration::from_secs(second);
            players.take(Who::Demo, hears("You", second * 100), now);
            players.take(Who::You, hears("Demo", second * 375), now);
        }
        assert_eq!(players.both_joined(), Some(start + Duration::from_secs(1)));
        let (you_hear, demo_hears) = players.measured().expect("measured");
        assert_eq!((you_hear.seconds, you_hear.counts.packets), (4.0, 4 * 375));
        assert_eq!((demo_hears.seconds, demo_hears.counts.packets), (4.0, 400));
    }

    /// A player who has left the room hears nobody.
    #[test]
    fn absent_player_hears_nobody() {
        let mut players = Players::default();
        let start = Instant::now();
        players.take(Who::You, hears("Demo", 10), start);
        players.take(Who::Demo, hears("You", 10), start);
        for second in 4..8 {
            let now = start + Duration::from_secs(second);
            let mut status = hears("Demo", second * 100);
            if second == 7 {
                "connecting".clone_into(&mut status.state);
            }
            players.take(Who::You, status, now);
            players.take(Who::Demo, hears("You", second * 100), now);
        }
        let (you_hear, demo_hears) = players.measured().expect("measured");
        assert!(!you_hear.is_there && demo_hears.is_there);
    }

    /// The message about a failed join contains the state of both.
    #[test]
    fn join_failure_names_both_states() {
        let mut players = Players::default();
        players.take(Who::You, hears("Nobody", 1), Instant::now());
        let sentence = players.why_not_joined(Duration::from_secs(20));
        assert!(sentence.contains("you are joined") && sentence.contains("the demo is silent"), "{sentence}");
    }
}
