//! The honest musicians, whom attacks must not affect: some in the attacked room, and as many in another one.

use crate::error::AttackError;
use crate::outcome::{AttackOutcome, Bound};
use crate::pacing::StopSignal;
use crate::target_server::TargetServer;
use crate::testbed::{Segment, Testbed};
use clap::Parser as _;
use rtjam_load::{self as load, LoadOptions, LoadReport};
use rtjam_protocol::SessionId;
use std::sync::mpsc;
use std::time::Duration;

/// The room of the attackers.
pub const ATTACKED_ROOM: &str = "lobby";

/// A room without attackers.
pub const OTHER_ROOM: &str = "other";

/// The default number of honest musicians in each room.
pub const MUSICIANS: u16 = 4;

/// The bound for the p99 of forwarding, in ms.
const P99_MS: f64 = 2.0;

/// How long all of them can take to join.
const JOIN_TIMEOUT: Duration = Duration::from_secs(40);

/// The results of the honest musicians.
pub struct HonestReports {
    /// The attacked room.
    pub same: LoadReport,
    /// The other room.
    pub other: LoadReport,
}

/// Honest musicians who play during an attack.
pub struct HonestMusicians<'a> {
    /// The network namespaces.
    pub testbed: &'a Testbed,
    /// The attacked server.
    pub server: &'a TargetServer,
    /// How long their packets are counted.
    pub length: Duration,
    /// Their number in each room.
    pub musicians: u16,
}

impl HonestMusicians<'_> {
    /// Plays, and runs `attack` meanwhile. The attack gets the sessions of the musicians, those of the attacked room first.
    ///
    /// # Errors
    /// When the musicians cannot join, or the attack fails.
    pub fn play_during<T: Send>(
        &self,
        attack: impl FnOnce(&StopSignal, &[SessionId]) -> Result<T, AttackError> + Send,
    ) -> Result<(HonestReports, T), AttackError> {
        let links = [self.server.invite(ATTACKED_ROOM, &[])?, self.server.invite(OTHER_ROOM, &[])?];
        let (begun, beginning) = mpsc::channel();
        let stop = &StopSignal::default();
        std::thread::scope(|scope| {
            let rooms = [0, 1].map(|room| {
                let (begun, link) = (begun.clone(), links[room].clone());
                self.testbed.spawn(scope, Segment::Honest, move || {
                    let options = options(&link, self.length, self.musicians)?;
                    let tell = |sessions: Vec<SessionId>| drop(begun.send((room, sessions)));
                    load::run_beside(
                        &options,
                        |_| {},
                        |players| tell(players.iter().filter_map(|p| p.session()).collect()),
                    )
                    .map_err(|e| AttackError::Honest(e.to_string()))
                })
            });
            drop(begun);
            let begun: Vec<_> = (0..2).filter_map(|_| beginning.recv_timeout(JOIN_TIMEOUT).ok()).collect();
            let both = begun.len() == 2;
            let attacker = scope.spawn(move || {
                let mut begun = begun;
                begun.sort_by_key(|(room, _)| *room);
                let sessions: Vec<SessionId> = begun.into_iter().flat_map(|(_, sessions)| sessions).collect();
                both.then(|| attack(stop, &sessions)).transpose()
            });
            let [same, other] = rooms.map(|room| room.join());
            stop.request();
            let attacked = attacker.join();
            let unwrap =
                |report: std::thread::Result<_>| report.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let honest = HonestReports { same: unwrap(same)?, other: unwrap(other)? };
            match attacked.unwrap_or_else(|panic| std::panic::resume_unwind(panic))? {
                Some(attacked) => Ok((honest, attacked)),
                None => Err(AttackError::Honest("the two rooms did not begin together".to_owned())),
            }
        })
    }
}

fn options(link: &str, length: Duration, musicians: u16) -> Result<LoadOptions, AttackError> {
    let seconds = length.as_secs_f64().to_string();
    let musicians = musicians.to_string();
    let line = ["load", "--join", link, "--musicians", &musicians, "--seconds", &seconds];
    LoadOptions::try_parse_from(line).map_err(|e| AttackError::Honest(e.to_string()))
}

impl HonestReports {
    /// Adds the packet loss and the delay of the musicians, with bounds for both rooms.
    pub fn judge(&self, outcome: &mut AttackOutcome) {
        for (room, report) in [("same room", &self.same), ("other room", &self.other)] {
            let (lost, expected) = (report.lost as f64, report.expected.max(1));
            outcome.bounded(&format!("{room}: lost of {expected}"), lost, "packets", Bound::AtMost(0.0));
            outcome.info(&format!("{room}: lost"), lost * 100.0 / expected as f64, "%");
            let p99 = report.forward_us[1] as f64 / 1000.0;
            outcome.timing(&format!("{room}: p99 of forwarding"), p99, "ms", Bound::AtMost(P99_MS));
            // Drops of the load's own sockets are not the server's fault.
            if report.own_drops > 0 {
                outcome.info(&format!("{room}: dropped by the instrument"), report.own_drops as f64, "");
            }
        }
    }
}
