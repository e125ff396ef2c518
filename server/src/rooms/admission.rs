//! Who gets a seat: reads a room's record and applies limits, for control connections and for gateways.

use super::actor::RoomsActor;
use super::messages::{GatewayMailbox, GatewayReply, GatewayRequest};
use crate::statistics::SessionCounters;
use crate::store::StoreAccess;
use crate::system::resident_mib;
use rtjam_protocol::RoomName;
use rtjam_protocol::control::{Refusal, Refused, SeatRole};
use rtjam_protocol::server::rooms::{ConnectionId, GatewayMusician, NewSession, RoomRecord, RoomSecrets, SeatClaim};
use std::net::IpAddr;
use std::sync::Arc;

impl RoomsActor {
    /// Reads a room's record for a connection that asks for a seat.
    pub(super) fn look_up(&mut self, connection: ConnectionId, room: &RoomName) {
        // Read for each seat: `invite --renew` may have replaced a secret a moment ago.
        let secrets = self.store.secrets(room);
        self.note(StoreAccess::Read, secrets.as_ref().err(), "nobody can join until that works");
        let record = match secrets {
            Ok(secrets) => self.room_record(connection, room, secrets),
            Err(_) => Ok(RoomRecord::Unavailable),
        };
        match record {
            Ok(record) => {
                let last_taken = match &record {
                    RoomRecord::Found { slots, .. } => slots.iter().map(|s| s.taken_at).max().unwrap_or(0),
                    _ => 0,
                };
                let Some(origin) = self.connections.get(&connection).map(|c| self.limits.origin(c.from)) else {
                    return;
                };
                let taken_at = last_taken.saturating_add(1);
                self.rooms.handle_room(self.clock.now(), connection, origin, record, taken_at, &mut self.random);
            }
            Err(refused) => self.rooms.handle_refused(connection, refused),
        }
    }

    /// The record of a room for a connection that asks for a seat. Only a right secret is charged to the address's joins,
    /// and a wrong secret takes as much work as a room that does not exist.
    fn room_record(
        &mut self,
        connection: ConnectionId,
        room: &RoomName,
        secrets: Option<RoomSecrets>,
    ) -> Result<RoomRecord, Refused> {
        let known = self.connections.get(&connection).map(|c| (c.from, c.role));
        let claim = self.rooms.claim(connection, secrets.as_ref().unwrap_or(&self.decoy_secrets));
        let (Some(secrets), true) = (secrets, claim != SeatClaim::Nothing) else { return Ok(RoomRecord::Unknown) };
        if let (Some((from, role)), SeatClaim::Seat) = (known, claim) {
            self.limits.charge_join(self.clock.now(), from, role)?;
        }
        let rest = self.store.slots(room).and_then(|slots| Ok((slots, self.store.mix(room)?, self.bans(room)?)));
        self.note(StoreAccess::Read, rest.as_ref().err(), "nobody can join until that works");
        let Ok((slots, mix, bans)) = rest else { return Ok(RoomRecord::Unavailable) };
        let limit = known.and_then(|(from, role)| self.limits.refuse_session(from, role, resident_mib()));
        Ok(RoomRecord::Found { secrets, slots, mix, bans, limit })
    }

    /// Opens a session for a gateway.
    pub(super) fn handle_gateway(&mut self, request: GatewayRequest, mailbox: &GatewayMailbox) {
        match request {
            GatewayRequest::Seat { room, via, musician, name, from } => {
                let mix = self.store.mix(&room);
                self.note(StoreAccess::Read, mix.as_ref().err(), "musicians of gateways receive all others separately");
                let bans = self.bans(&room);
                self.note(StoreAccess::Read, bans.as_ref().err(), "no ban is applied");
                let newcomer = GatewayMusician {
                    room,
                    via,
                    musician,
                    name,
                    mix: mix.unwrap_or_default(),
                    origin: self.limits.origin(from.ip()),
                    bans: bans.unwrap_or_default(),
                };
                mailbox.send(match self.seat_gateway_musician(&newcomer, from.ip()) {
                    Ok((new, counters)) => GatewayReply::Seated(from, new, counters),
                    Err(refused) => {
                        *self.refused.entry(refused.name()).or_default() += 1;
                        GatewayReply::Refused(from)
                    }
                });
            }
            GatewayRequest::Listen { room, via } => {
                if let Some(new) = self.rooms.handle_gateway_listener(&room, via, &mut self.random) {
                    self.media.open(&new, Arc::default());
                    mailbox.send(GatewayReply::Listening(new));
                }
            }
        }
    }

    fn seat_gateway_musician(
        &mut self,
        newcomer: &GatewayMusician,
        from: IpAddr,
    ) -> Result<(NewSession, Arc<SessionCounters>), Refusal> {
        self.limits.charge_join(self.clock.now(), from, SeatRole::Musician).map_err(|refused| refused.reason)?;
        if let Some(refused) = self.limits.refuse_session(from, SeatRole::Musician, resident_mib()) {
            return Err(refused.reason);
        }
        let slots = self.store.slots(&newcomer.room);
        self.note(StoreAccess::Read, slots.as_ref().err(), "nobody can join until that works");
        let slots = slots.map_err(|_| Refusal::ServerUnable)?;
        let new = self.rooms.handle_gateway_musician(self.clock.now(), newcomer, &slots, &mut self.random)?;
        tracing::info!("{}: a musician takes seat {} ({:?})", new.room, new.source.0, newcomer.via);
        let counters = self.begin(&new, Some(from));
        Ok((new, counters))
    }
}
