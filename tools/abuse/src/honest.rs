//! The musicians who must not notice: some in the attacker's room, as many in another.

use crate::house::House;
use crate::outcome::{Bound, Outcome};
use crate::pace::Stop;
use crate::town::{Quarter, Town};
use crate::trouble::Trouble;
use clap::Parser as _;
use rtjam_load::{self as load, Options, Report};
use rtjam_protocol::SessionId;
use std::sync::mpsc;
use std::time::Duration;

/// The room that attackers are in.
pub const SAME: &str = "lobby";

/// The room that they are not in.
pub const OTHER: &str = "other";

/// Musicians a room, unless an attack says otherwise.
pub const MUSICIANS: u16 = 4;

/// Forwarding takes at most this long for 99 of 100 packets, in ms.
const P99_MS: f64 = 2.0;

/// All of them have joined within this time.
const JOIN: Duration = Duration::from_secs(40);

/// What the two rooms went through.
pub struct Honest {
    /// The attackers' room.
    pub same: Report,
    /// The other one.
    pub other: Report,
}

/// Musicians who play while an attack goes on.
pub struct Band<'a> {
    /// Where.
    pub town: &'a Town,
    /// At whose place.
    pub house: &'a House,
    /// How long they are counted.
    pub length: Duration,
    /// How many they are in each room.
    pub musicians: u16,
}

impl Band<'_> {
    /// Has them play and be counted, with `attack` going on from shortly after their beginning to their end. It is told
    /// their sessions, those of the attacked room first.
    ///
    /// # Errors
    /// When they cannot join, and those of the attack.
    pub fn play_under<T: Send>(
        &self,
        attack: impl FnOnce(&Stop, &[SessionId]) -> Result<T, Trouble> + Send,
    ) -> Result<(Honest, T), Trouble> {
        let links = [self.house.invite(SAME, &[])?, self.house.invite(OTHER, &[])?];
        let (begun, beginning) = mpsc::channel();
        let stop = &Stop::default();
        std::thread::scope(|scope| {
            let rooms = [0, 1].map(|room| {
                let (begun, link) = (begun.clone(), links[room].clone());
                self.town.spawn(scope, Quarter::Honest, move || {
                    let options = options(&link, self.length, self.musicians)?;
                    let tell = |sessions: Vec<SessionId>| drop(begun.send((room, sessions)));
                    load::run_beside(
                        &options,
                        |_| {},
                        |players| tell(players.iter().filter_map(|p| p.session()).collect()),
                    )
                    .map_err(Trouble::Honest)
                })
            });
            drop(begun);
            let begun: Vec<_> = (0..2).filter_map(|_| beginning.recv_timeout(JOIN).ok()).collect();
            let both = begun.len() == 2;
            let attacker = scope.spawn(move || {
                let mut begun = begun;
                begun.sort_by_key(|(room, _)| *room);
                let sessions: Vec<SessionId> = begun.into_iter().flat_map(|(_, sessions)| sessions).collect();
                both.then(|| attack(stop, &sessions)).transpose()
            });
            let [same, other] = rooms.map(|room| room.join());
            stop.now();
            let attacked = attacker.join();
            let whole =
                |report: std::thread::Result<_>| report.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let honest = Honest { same: whole(same)?, other: whole(other)? };
            match attacked.unwrap_or_else(|panic| std::panic::resume_unwind(panic))? {
                Some(attacked) => Ok((honest, attacked)),
                None => Err(Trouble::Honest("they did not begin together".to_owned())),
            }
        })
    }
}

fn options(link: &str, length: Duration, musicians: u16) -> Result<Options, Trouble> {
    let seconds = length.as_secs_f64().to_string();
    let musicians = musicians.to_string();
    let line = ["load", "--join", link, "--musicians", &musicians, "--seconds", &seconds];
    Options::try_parse_from(line).map_err(|e| Trouble::Honest(e.to_string()))
}

impl Honest {
    /// Adds what the musicians lost, and how late they heard each other. Both rooms must be untouched.
    pub fn judge(&self, outcome: &mut Outcome) {
        for (room, report) in [("same room", &self.same), ("other room", &self.other)] {
            let (lost, expected) = (report.lost as f64, report.expected.max(1));
            outcome.bounded(&format!("{room}: lost of {expected}"), lost, "packets", Bound::AtMost(0.0));
            outcome.told(&format!("{room}: lost"), lost * 100.0 / expected as f64, "%");
            let p99 = report.forward_us[1] as f64 / 1000.0;
            outcome.timing(&format!("{room}: p99 of forwarding"), p99, "ms", Bound::AtMost(P99_MS));
            // What their own sockets had no room for is the instrument's fault, not the server's.
            if report.own_drops > 0 {
                outcome.told(&format!("{room}: dropped by the instrument"), report.own_drops as f64, "");
            }
        }
    }
}
