//! What a musician should know about the session: the most urgent condition, and lesser notices.
//!
//! Both are data. A user interface renders them in the user's language; no program parses text back.

use crate::control::ConnectionError;
use crate::identity::IdentityError;
use crate::slots::SlotFileError;
use rtjam_engine::StallPattern;
use rtjam_protocol::client::{ClientState, MediaHealth};
use rtjam_protocol::control::StallReport;
use rtjam_protocol::control::{Refusal, Refused};
use rtjam_protocol::datagram::MAX_DATAGRAM;
use rtjam_protocol::link::{Host, InviteLink, LegacyServer, Role};
use serde::Serialize;

/// The most urgent thing to tell the musician. A [`Status`](crate::Status) carries at most one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nobody else is in the room. Others join by this link, which holds the room's key.
    Alone(InviteLink),
    /// The link admits a listener: nothing is sent.
    Listening {
        /// No musician is in the room.
        empty: bool,
    },
    /// The loop guard has muted the send until [`Client::resume_sending`](crate::Client::resume_sending).
    MutedByLoopGuard,
    /// The control connection works, but no UDP datagram arrives from the server.
    UdpBlocked {
        /// The server's media port.
        port: u16,
    },
    /// Nothing arrives from the room at the moment.
    NetworkInterrupted,
    /// The path carries only datagrams up to this many bytes, so packets are smaller than usual.
    SmallDatagrams(usize),
    /// The server drops part of what this client sends, because it is more than one musician may send.
    OverRate,
    /// The connection to the room was lost; the client is joining again.
    Rejoining,
    /// The server announced that it stops; the client joins again when it is back.
    ServerStopping,
    /// The room refused this client, for good or for now.
    Refused(Refused),
    /// The link names a room but has no key, so it cannot be joined.
    NoKey,
    /// There is no control connection; the client keeps trying.
    Unreachable {
        /// The server's host, as the link names it.
        host: Host,
        /// The server's TCP port.
        port: u16,
        /// Why there is no connection.
        error: ConnectionError,
    },
    /// Connected to a legacy server, whose link is neither private nor authenticated.
    LegacyLink,
    /// The same, and nobody else is heard there.
    LegacyAlone(LegacyServer),
    /// The legacy server's name has no address.
    LegacyNotFound(LegacyServer),
    /// Nothing has come from the legacy server so far.
    LegacySilent(LegacyServer),
    /// Nothing comes from the legacy server any more.
    LegacyLost(LegacyServer),
    /// The musician's identity cannot be read or created.
    NoIdentity(IdentityError),
    /// The system started no network threads, for this reason.
    NoThreads(String),
}

/// Something less urgent that is worth telling once.
#[derive(Clone, Debug, PartialEq)]
pub enum StatusNotice {
    /// The system does not permit real-time priority to the network threads.
    NoRealtimePriority,
    /// The slot map cannot be read or written.
    SlotsNotSaved(SlotFileError),
    /// The system gives no UDP socket, for this reason.
    NoSocket(String),
    /// The trace file cannot be written any more, for this reason.
    TraceStopped(String),
    /// These musicians use legacy packets, so their links are neither private nor authenticated.
    LegacyMusicians(Vec<String>),
    /// What the engine reports.
    Engine(rtjam_engine::Notice),
    /// This computer keeps pausing the audio callback.
    Stalling(RoundedStalls),
    /// Another musician's computer does, as that musician's client reports it.
    MusicianStalling {
        /// The musician's display name.
        name: String,
        /// The stalls.
        stalls: RoundedStalls,
    },
}

/// Typical length of repeated stalls and the time between them, rounded so that similar stalls are equal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RoundedStalls {
    /// Length of one stall, in ms: 2 to 500.
    pub ms: f32,
    /// Time from one stall to the next, in s: 0.1 (several a second) to 60.
    pub every_s: f32,
}

impl RoundedStalls {
    pub(crate) fn rounded(stalling: &StallPattern) -> RoundedStalls {
        RoundedStalls {
            ms: nearest(stalling.ms, &[2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0, 200.0, 500.0]),
            every_s: nearest(stalling.every_s, &[0.1, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0]),
        }
    }

    /// Stalls that another musician reports.
    pub(crate) fn reported(report: StallReport) -> RoundedStalls {
        let pattern = StallPattern { ms: f32::from(report.ms()), every_s: f32::from(report.every_ms()) / 1000.0 };
        RoundedStalls::rounded(&pattern)
    }

    /// The report to the room.
    pub(crate) fn report(&self) -> StallReport {
        // Both are whole numbers of ms, at most 60,000.
        StallReport::new(self.ms as u64, (self.every_s * 1000.0).round() as u64)
    }
}

/// The step whose ratio to `value` is closest to 1.
fn nearest(value: f32, steps: &[f32]) -> f32 {
    let distance = |step: f32| (value.max(1e-3) / step).ln().abs();
    steps.iter().copied().min_by(|a, b| distance(*a).total_cmp(&distance(*b))).unwrap_or(value)
}

/// Everything that decides the condition in a room.
#[derive(Clone, Debug)]
pub(crate) struct RoomSituation<'a> {
    pub(crate) link: &'a InviteLink,
    pub(crate) state: ClientState,
    pub(crate) health: Option<MediaHealth>,
    /// Why the last attempt to connect failed.
    pub(crate) error: Option<&'a ConnectionError>,
    pub(crate) refusal: Option<&'a Refused>,
    pub(crate) server_stopping: bool,
    pub(crate) over_rate: bool,
    /// This jam was in the room before.
    pub(crate) was_joined: bool,
    pub(crate) loop_guard_tripped: bool,
    /// The largest datagram that gets through, in bytes.
    pub(crate) datagram_limit: usize,
    pub(crate) media_port: u16,
    /// Other musicians in the room; `None` before the server has sent the roster.
    pub(crate) others: Option<usize>,
    pub(crate) role: Role,
}

impl RoomSituation<'_> {
    /// The most urgent condition, if there is anything to tell.
    pub(crate) fn condition(&self) -> Option<Condition> {
        match self.state {
            ClientState::Left => None,
            ClientState::Refused => Some(match (self.refusal, self.error) {
                (Some(refused), _) => Condition::Refused(refused.clone()),
                (None, Some(error)) => self.unreachable(error),
                (None, None) => Condition::Refused(Refused::new(Refusal::Unknown)),
            }),
            ClientState::Connecting => self.connecting(),
            ClientState::Joined => self.joined(),
        }
    }

    fn connecting(&self) -> Option<Condition> {
        if let Some(refused) = self.refusal {
            return Some(Condition::Refused(refused.clone()));
        }
        if self.health == Some(MediaHealth::Blocked) {
            return Some(Condition::UdpBlocked { port: self.media_port });
        }
        if self.server_stopping {
            return Some(Condition::ServerStopping);
        }
        match self.error {
            Some(error) => Some(self.unreachable(error)),
            None => self.was_joined.then_some(Condition::Rejoining),
        }
    }

    fn joined(&self) -> Option<Condition> {
        if self.loop_guard_tripped {
            return Some(Condition::MutedByLoopGuard);
        }
        if self.server_stopping {
            return Some(Condition::ServerStopping);
        }
        match self.health {
            Some(MediaHealth::Blocked) => return Some(Condition::UdpBlocked { port: self.media_port }),
            Some(MediaHealth::Interrupted) => return Some(Condition::NetworkInterrupted),
            Some(MediaHealth::Opening | MediaHealth::Flowing) | None => {}
        }
        if self.over_rate {
            return Some(Condition::OverRate);
        }
        let empty = self.others == Some(0);
        if self.role == Role::Listener {
            return Some(Condition::Listening { empty });
        }
        if empty {
            return Some(Condition::Alone(self.link.clone()));
        }
        (self.datagram_limit < MAX_DATAGRAM).then_some(Condition::SmallDatagrams(self.datagram_limit))
    }

    fn unreachable(&self, error: &ConnectionError) -> Condition {
        Condition::Unreachable { host: self.link.host.clone(), port: self.link.port, error: error.clone() }
    }
}

/// Everything that decides the condition on a legacy server.
#[derive(Clone, Debug)]
pub(crate) struct LegacySituation<'a> {
    pub(crate) server: &'a LegacyServer,
    /// Something has come from the server within the last second.
    pub(crate) joined: bool,
    pub(crate) was_joined: bool,
    /// The server's name has no address.
    pub(crate) not_found: bool,
    /// Nothing has come for so long that the musician should know.
    pub(crate) silent: bool,
    pub(crate) loop_guard_tripped: bool,
    pub(crate) alone: bool,
}

impl LegacySituation<'_> {
    /// The most urgent condition, if there is anything to tell.
    pub(crate) fn condition(&self) -> Option<Condition> {
        let server = || self.server.clone();
        Some(match self {
            LegacySituation { joined: true, loop_guard_tripped: true, .. } => Condition::MutedByLoopGuard,
            LegacySituation { joined: true, alone: true, .. } => Condition::LegacyAlone(server()),
            LegacySituation { joined: true, .. } => Condition::LegacyLink,
            LegacySituation { not_found: true, .. } => Condition::LegacyNotFound(server()),
            LegacySituation { was_joined: true, .. } => Condition::LegacyLost(server()),
            LegacySituation { silent: true, .. } => Condition::LegacySilent(server()),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> InviteLink {
        "rtjam://jam.example.org:7000/lobby#AQEHBwcHBwcHBwcHBwcHBwcH".parse().expect("a link")
    }

    fn joined(link: &InviteLink) -> RoomSituation<'_> {
        RoomSituation {
            link,
            state: ClientState::Joined,
            health: Some(MediaHealth::Flowing),
            error: None,
            refusal: None,
            server_stopping: false,
            over_rate: false,
            was_joined: true,
            loop_guard_tripped: false,
            datagram_limit: MAX_DATAGRAM,
            media_port: 7001,
            others: Some(2),
            role: Role::Musician,
        }
    }

    /// Stalls that differ by less than a step are the same notice.
    #[test]
    fn similar_stalls_are_equal() {
        let pattern = |ms, every_s| RoundedStalls::rounded(&StallPattern { ms, every_s });
        assert_eq!(pattern(4.2, 0.98), RoundedStalls { ms: 4.0, every_s: 1.0 });
        assert_eq!(pattern(4.2, 0.98), pattern(3.9, 1.1));
        assert_eq!(pattern(12.0, 0.25), RoundedStalls { ms: 10.0, every_s: 0.1 });
        assert_eq!(pattern(33.0, 5.2), RoundedStalls { ms: 30.0, every_s: 5.0 });
    }

    /// Network trouble goes before the listener's standing condition.
    #[test]
    fn listeners_have_their_own_condition() {
        let link = link();
        let listens = RoomSituation { role: Role::Listener, ..joined(&link) };
        assert_eq!(listens.condition(), Some(Condition::Listening { empty: false }));
        let empty = RoomSituation { others: Some(0), ..listens.clone() };
        assert_eq!(empty.condition(), Some(Condition::Listening { empty: true }));
        let interrupted = RoomSituation { health: Some(MediaHealth::Interrupted), ..listens };
        assert_eq!(interrupted.condition(), Some(Condition::NetworkInterrupted));
    }

    /// A session without problems has no condition, before and after joining.
    #[test]
    fn healthy_sessions_have_no_condition() {
        let link = link();
        assert_eq!(joined(&link).condition(), None);
        assert_eq!(RoomSituation { others: None, ..joined(&link) }.condition(), None);
        let connecting = RoomSituation { state: ClientState::Connecting, was_joined: false, ..joined(&link) };
        assert_eq!(connecting.condition(), None);
    }

    /// A musician without company is given the link.
    #[test]
    fn alone_carries_the_link() {
        let link = link();
        let alone = RoomSituation { others: Some(0), ..joined(&link) };
        assert_eq!(alone.condition(), Some(Condition::Alone(link.clone())));
    }

    /// Blocked UDP is reported with its port, also between two attempts to join.
    #[test]
    fn blocked_udp_carries_its_port() {
        let link = link();
        let blocked = RoomSituation { health: Some(MediaHealth::Blocked), others: Some(0), ..joined(&link) };
        assert_eq!(blocked.condition(), Some(Condition::UdpBlocked { port: 7001 }));
        let connecting = RoomSituation { state: ClientState::Connecting, ..blocked };
        assert_eq!(connecting.condition(), Some(Condition::UdpBlocked { port: 7001 }));
    }

    /// In the room the loop guard is the most urgent condition.
    #[test]
    fn loop_guard_is_most_urgent() {
        let link = link();
        let health = Some(MediaHealth::Interrupted);
        let muted = RoomSituation { loop_guard_tripped: true, health, over_rate: true, ..joined(&link) };
        assert_eq!(muted.condition(), Some(Condition::MutedByLoopGuard));
        let over_rate = RoomSituation { over_rate: true, ..joined(&link) };
        assert_eq!(over_rate.condition(), Some(Condition::OverRate));
    }

    /// A failed connection is reported while joining; in the room media goes on, so it is not.
    #[test]
    fn connection_errors_matter_while_joining() {
        let link = link();
        for error in [ConnectionError::NameNotFound, ConnectionError::System("too many open files".into())] {
            let situation = RoomSituation { error: Some(&error), ..joined(&link) };
            let connecting = RoomSituation { state: ClientState::Connecting, ..situation.clone() };
            let expected = Condition::Unreachable { host: link.host.clone(), port: 7000, error: error.clone() };
            assert_eq!(connecting.condition(), Some(expected));
            assert_eq!(situation.condition(), None);
        }
    }

    /// A refusal keeps its reason and its waiting time, whether it is final or not.
    #[test]
    fn refusals_keep_reason_and_time() {
        let link = link();
        for refused in [Refused::new(Refusal::RoomFull), Refused::after(Refusal::TooManyJoins, 12)] {
            for state in [ClientState::Connecting, ClientState::Refused] {
                let situation = RoomSituation { state, refusal: Some(&refused), ..joined(&link) };
                assert_eq!(situation.condition(), Some(Condition::Refused(refused.clone())));
            }
        }
    }

    /// While the server stops, a failed connection is expected. A narrow path is told when nothing else is.
    #[test]
    fn stopping_servers_are_waited_for() {
        let link = link();
        let gone = RoomSituation {
            state: ClientState::Connecting,
            server_stopping: true,
            error: Some(&ConnectionError::NothingListens),
            ..joined(&link)
        };
        assert_eq!(gone.condition(), Some(Condition::ServerStopping));
        assert_eq!(RoomSituation { state: ClientState::Joined, ..gone }.condition(), Some(Condition::ServerStopping));
        let narrow = RoomSituation { datagram_limit: 800, ..joined(&link) };
        assert_eq!(narrow.condition(), Some(Condition::SmallDatagrams(800)));
        let rejoining = RoomSituation { state: ClientState::Connecting, ..joined(&link) };
        assert_eq!(rejoining.condition(), Some(Condition::Rejoining));
    }

    /// On a legacy server the standing condition is that the link is not private.
    #[test]
    fn legacy_servers_have_their_conditions() {
        let rtjam_protocol::link::Link::Legacy(server) = "classic://band.example.org:7000".parse().expect("a link")
        else {
            panic!("not a link to a legacy server")
        };
        let well = LegacySituation {
            server: &server,
            joined: true,
            was_joined: true,
            not_found: false,
            silent: false,
            loop_guard_tripped: false,
            alone: false,
        };
        let away = LegacySituation { joined: false, was_joined: false, ..well.clone() };
        for (situation, condition) in [
            (well.clone(), Condition::LegacyLink),
            (LegacySituation { alone: true, ..well.clone() }, Condition::LegacyAlone(server.clone())),
            (LegacySituation { loop_guard_tripped: true, ..well.clone() }, Condition::MutedByLoopGuard),
            (LegacySituation { joined: false, ..well.clone() }, Condition::LegacyLost(server.clone())),
            (LegacySituation { silent: true, ..away.clone() }, Condition::LegacySilent(server.clone())),
            (
                LegacySituation { not_found: true, silent: true, ..away.clone() },
                Condition::LegacyNotFound(server.clone()),
            ),
        ] {
            assert_eq!(situation.condition(), Some(condition));
        }
        assert_eq!(away.condition(), None);
    }
}
