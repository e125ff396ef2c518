//! Queries and commands: what the HTTP API, metrics and moderation ask of the rooms.

use super::actor::RoomsActor;
use super::authority::{Authority, RoomAction};
use super::messages::{CommandError, RoomSnapshot, RoomsCommand, RoomsQuery, ServerStatus};
use crate::statistics::AudioTotals;
use rtjam_protocol::server::rooms::{Ban, MemberSelector, SeatedMember};
use rtjam_protocol::{RoomName, SessionId};

impl RoomsActor {
    pub(super) fn handle_query(&mut self, query: RoomsQuery) {
        // A reply fails to be sent when the caller has stopped waiting.
        match query {
            RoomsQuery::Status(reply) => {
                self.test_store();
                let _ = reply.send(self.status());
            }
            RoomsQuery::Snapshots(authority, room, reply) => {
                let _ = reply.send(self.snapshots(&authority, room.as_ref()));
            }
        }
    }

    pub(super) fn handle_command(&mut self, command: RoomsCommand) {
        match command {
            RoomsCommand::Kick(authority, room, target, reply) => {
                let _ = reply.send(self.kick(&authority, &room, &target));
            }
            RoomsCommand::Ban(authority, room, target, reply) => {
                let _ = reply.send(self.ban(&authority, &room, &target));
            }
            RoomsCommand::Configure { limits, pins } => {
                self.limits.reconfigure(limits);
                self.rooms.set_pins(pins);
            }
            RoomsCommand::ShutDown => self.rooms.handle_going_down(),
        }
    }

    fn status(&self) -> ServerStatus {
        let live = self.sessions.values().map(|session| session.counters.audio());
        ServerStatus {
            census: self.rooms.census(),
            audio: live.fold(self.ended_audio, AudioTotals::plus),
            over_rate: self.sessions_over_rate(),
            refused: self.refused.iter().map(|(reason, count)| (*reason, *count)).collect(),
            sessions_begun: self.sessions_begun,
            store_fails: self.store_health.fails(),
        }
    }

    fn sessions_over_rate(&self) -> Vec<(SessionId, u64)> {
        let all = self.sessions.iter().map(|(id, session)| (*id, session.counters.over_rate()));
        let mut offenders: Vec<(SessionId, u64)> = all.filter(|(_, dropped)| *dropped > 0).collect();
        offenders.sort_unstable_by_key(|(session, _)| session.0);
        offenders
    }

    /// One room or all occupied rooms, as far as `authority` may see them.
    pub(super) fn snapshots(&self, authority: &Authority, room: Option<&RoomName>) -> Vec<RoomSnapshot> {
        let rooms = room.map_or_else(|| self.rooms.occupied(), |room| vec![room.clone()]);
        let visible = rooms.into_iter().filter(|room| authority.permits(RoomAction::SeeMembers, room));
        visible.map(|room| self.snapshot(authority, room)).collect()
    }

    fn snapshot(&self, authority: &Authority, room: RoomName) -> RoomSnapshot {
        let mut members = self.rooms.list(Some(&room));
        if !authority.permits(RoomAction::SeeAddresses, &room) {
            members.iter_mut().for_each(|member| member.address = None);
        }
        RoomSnapshot { crowded: self.media.is_crowded(&room), members, room }
    }

    pub(super) fn kick(
        &mut self,
        authority: &Authority,
        room: &RoomName,
        target: &MemberSelector,
    ) -> Result<Vec<SeatedMember>, CommandError> {
        if !authority.permits(RoomAction::Kick, room) {
            return Err(CommandError::Forbidden);
        }
        let kicked = self.rooms.handle_kick(self.clock.now(), room, target);
        tracing::info!("{room}: {} kicked by a moderator", kicked.len());
        if kicked.is_empty() { Err(CommandError::NoMatch) } else { Ok(kicked) }
    }

    pub(super) fn ban(
        &mut self,
        authority: &Authority,
        room: &RoomName,
        target: &MemberSelector,
    ) -> Result<Ban, CommandError> {
        if !authority.permits(RoomAction::Ban, room) {
            return Err(CommandError::Forbidden);
        }
        let ban = self.rooms.ban_against(room, target).ok_or(CommandError::NoMatch)?;
        self.store.add_ban(room, &ban).and_then(|_| self.apply_rules())?;
        tracing::info!("{room}: a ban was added");
        Ok(ban)
    }
}

#[cfg(test)]
mod tests {
    use super::super::messages::{ControlEvent, GatewayMailbox, GatewayReply, GatewayRequest, RoomsHandle, RoomsInput};
    use super::*;
    use crate::failure::ExitNotifier;
    use crate::limits::{AddressCounts, LimitSettings, Limits};
    use crate::media::MediaThreads;
    use crate::real_time::ServerClock;
    use crate::store::Store;
    use crate::store::tests::TempDir;
    use crate::system::Random;
    use rtjam_protocol::control::{
        ClientMessage, Features, Hello, MemberAccess, Release, SeatRequest, SeatRole, ServerMessage, VERSION,
    };
    use rtjam_protocol::link::{Pin, Role};
    use rtjam_protocol::seal::Suite;
    use rtjam_protocol::server::rooms::{self, Caps, ConnectionId, RoomSecrets, Rooms};
    use rtjam_protocol::{Micros, MusicianId};
    use std::net::IpAddr;
    use tokio::sync::{mpsc, oneshot};

    const FROM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 1));

    fn name(text: &str) -> RoomName {
        RoomName::new(text).expect("a name")
    }

    struct World {
        actor: RoomsActor,
        secrets: RoomSecrets,
        next: u64,
        _dir: TempDir,
    }

    impl World {
        /// A server with the rooms `band` and `other`, and a media thread without sockets.
        fn new() -> World {
            let dir = TempDir::new();
            let mut store = Store::open(&dir.0).expect("opens");
            for room in ["band", "other"] {
                store.ensure_room(&name(room), &mut Random::new()).expect("made");
            }
            let secrets = store.secrets(&name("band")).expect("read").expect("there");
            let (handle, _) = RoomsHandle::channel();
            let (notices, _) = ExitNotifier::new();
            let clock = ServerClock::start();
            let (media, _) =
                MediaThreads::start(vec![vec![]], clock, Micros::ZERO, &handle, &notices).expect("started");
            let rooms = Rooms::new(rooms::RoomsConfig {
                pins: vec![Pin([0; 16])],
                suites: vec![Suite::Aes128Gcm],
                media: Vec::new(),
                media_threads: 1,
                max_musicians: 60,
                max_listeners: 60,
                caps: Caps { per_identity: 50, ..Caps::default() },
                verify: |_, _, _| true,
                release: Release::OWN,
            });
            let limits = Limits::new(LimitSettings::default(), AddressCounts::default());
            World { actor: RoomsActor::new(rooms, store, media, limits, clock), secrets, next: 0, _dir: dir }
        }

        /// Asks for a seat in `band` by the secret of `role`. Returns whether it was given.
        fn join(&mut self, role: Role, seat: SeatRole) -> bool {
            self.next += 1;
            let connection = ConnectionId(self.next);
            let (outbox, mut messages) = mpsc::channel(32);
            let hello = Hello {
                version: VERSION,
                musician: MusicianId([self.next as u8; 32]),
                signature: [0; 64],
                name: format!("Ann {}", self.next),
                suites: vec![Suite::Aes128Gcm],
                features: Features::default(),
                release: Some(Release::OWN),
            };
            let seat = SeatRequest {
                room: name("band"),
                role: seat,
                secret: Some(self.secrets.of(role).secret.clone()),
                instance: None,
                resume: None,
                replaces: None,
                mix: None,
            };
            self.event(connection, ControlEvent::Connected { from: FROM, outbox });
            self.event(connection, ControlEvent::Received(Ok(ClientMessage::Hello(hello))));
            self.event(connection, ControlEvent::Received(Ok(ClientMessage::Seat(seat))));
            std::iter::from_fn(|| messages.try_recv().ok()).any(|out| matches!(out.message, ServerMessage::Joined(_)))
        }

        fn event(&mut self, connection: ConnectionId, event: ControlEvent) {
            self.actor.handle(RoomsInput::Control(connection, event));
            self.actor.carry_out();
        }

        /// Makes a query or command with a reply.
        fn ask<T>(&mut self, input: impl FnOnce(oneshot::Sender<T>) -> RoomsInput) -> T {
            let (reply, mut replied) = oneshot::channel();
            self.actor.handle(input(reply));
            self.actor.carry_out();
            replied.try_recv().expect("a reply")
        }

        /// Whether the actor lets `authority` do `action` in `band`.
        fn may(&mut self, authority: &Authority, action: RoomAction) -> bool {
            let (authority, band) = (authority.clone(), name("band"));
            let first = |world: &World| world.actor.rooms.list(Some(&name("band"))).first().map(|seated| seated.source);
            match action {
                RoomAction::Hear | RoomAction::Play => match authority {
                    Authority::InRoom(room, role) if room == band => {
                        let seat = if action == RoomAction::Play { SeatRole::Musician } else { SeatRole::Listener };
                        self.join(role, seat)
                    }
                    // There is no secret of the operator, and none of another room opens this one.
                    _ => false,
                },
                RoomAction::SeeMembers | RoomAction::SeeAddresses => {
                    self.join(Role::Musician, SeatRole::Musician);
                    let query = |reply| RoomsInput::Query(RoomsQuery::Snapshots(authority, Some(band), reply));
                    let snapshots: Vec<RoomSnapshot> = self.ask(query);
                    snapshots
                        .iter()
                        .flat_map(|snapshot| &snapshot.members)
                        .any(|member| action == RoomAction::SeeMembers || member.address.is_some())
                }
                RoomAction::Kick => {
                    self.join(Role::Musician, SeatRole::Musician);
                    let target = MemberSelector::Slot(first(self).expect("a member"));
                    let result: Result<Vec<SeatedMember>, CommandError> =
                        self.ask(|reply| RoomsInput::Command(RoomsCommand::Kick(authority, band, target, reply)));
                    assert!(matches!(result, Ok(_) | Err(CommandError::Forbidden)), "{result:?}");
                    result.is_ok()
                }
                RoomAction::Ban => {
                    self.join(Role::Musician, SeatRole::Musician);
                    // An identity of nobody, so that later joins are not banned.
                    let target = MemberSelector::Identity(MusicianId([0xff; 32]));
                    let result: Result<Ban, CommandError> =
                        self.ask(|reply| RoomsInput::Command(RoomsCommand::Ban(authority, band, target, reply)));
                    assert!(matches!(result, Ok(_) | Err(CommandError::Forbidden)), "{result:?}");
                    result.is_ok()
                }
            }
        }
    }

    /// Each cell of the authority table is what the actor enforces.
    #[test]
    fn authority_table_is_enforced() {
        let mut world = World::new();
        let own = |role| Authority::InRoom(name("band"), role);
        let columns = [own(Role::Listener), own(Role::Musician), own(Role::Moderator), Authority::Operator];
        let table = [
            (RoomAction::Hear, [true, true, true, false]),
            (RoomAction::Play, [false, true, true, false]),
            (RoomAction::SeeMembers, [true, true, true, true]),
            (RoomAction::SeeAddresses, [false, false, true, true]),
            (RoomAction::Kick, [false, false, true, true]),
            (RoomAction::Ban, [false, false, true, true]),
        ];
        for (action, row) in table {
            for (authority, permitted) in columns.iter().zip(row) {
                assert_eq!(authority.permits(action, &name("band")), permitted, "{action:?} for {authority:?}");
                assert_eq!(world.may(authority, action), permitted, "{action:?} for {authority:?}");
            }
            let elsewhere = Authority::InRoom(name("other"), Role::Moderator);
            assert!(!world.may(&elsewhere, action), "{action:?} for a moderator of another room");
        }
    }

    /// A gateway's musician gets a session and is listed in the room.
    #[test]
    fn gateway_musicians_are_seated() {
        let mut world = World::new();
        let poll = mio::Poll::new().expect("a poll");
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).expect("a waker");
        let (mailbox, replies) = GatewayMailbox::new(waker);
        let request = GatewayRequest::Seat {
            room: name("band"),
            via: MemberAccess::Legacy,
            musician: MusicianId([9; 32]),
            name: "Bob".to_owned(),
            from: (FROM, 5).into(),
        };
        world.actor.handle(RoomsInput::Gateway(request, mailbox));
        assert!(matches!(replies.try_recv(), Ok(GatewayReply::Seated(from, ..)) if from == (FROM, 5).into()));
        let query = |reply| RoomsInput::Query(RoomsQuery::Snapshots(Authority::Operator, None, reply));
        let snapshots: Vec<RoomSnapshot> = world.ask(query);
        let members: Vec<_> = snapshots[0].members.iter().map(|m| m.name.as_str()).collect();
        assert_eq!((snapshots.len(), members), (1, vec!["Bob"]));
    }
}
