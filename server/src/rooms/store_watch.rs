//! What other programs write to the store while the server runs: commands of the operator, renewed secrets, bans.

use super::actor::RoomsActor;
use super::authority::Authority;
use super::messages::CommandError;
use crate::moderation::{ModerationCommand, ModerationReply};
use crate::store::{StoreAccess, StoreError};
use rtjam_protocol::Micros;

/// How often the actor checks whether another program has changed the store.
const CHECK_EVERY: Micros = Micros::from_millis(500);

impl RoomsActor {
    /// Carries out commands and applies rules that another program has written since the last check.
    pub(super) fn watch_store(&mut self) {
        let now = self.clock.now();
        if now < self.store_check_due {
            return;
        }
        self.store_check_due = now + CHECK_EVERY;
        let Ok(version) = self.store.version() else { return };
        if self.store_version == Some(version) {
            return;
        }
        match self.obey_orders().and_then(|()| self.apply_rules()) {
            Ok(()) => self.store_version = Some(version),
            Err(failure) => {
                self.note(
                    StoreAccess::Write,
                    Some(&failure),
                    "renewed invitations, bans and commands do not take effect",
                );
            }
        }
    }

    /// Ends the sessions that renewed secrets and bans no longer admit.
    pub(super) fn apply_rules(&mut self) -> Result<(), StoreError> {
        for room in self.rooms.occupied() {
            let bans = self.bans(&room)?;
            if let Some(secrets) = self.store.secrets(&room)? {
                self.rooms.handle_rules(self.clock.now(), &room, &secrets, &bans);
            }
        }
        Ok(())
    }

    fn obey_orders(&mut self) -> Result<(), StoreError> {
        for (id, request) in self.store.pending_commands()? {
            let answer = match serde_json::from_str(&request) {
                Ok(command) => self.obey(command)?,
                Err(_) => ModerationReply::NotUnderstood,
            };
            // Replies have string keys and no failing serializers.
            let answer = serde_json::to_string(&answer).unwrap_or_default();
            self.store.answer_command(id, &answer)?;
        }
        Ok(())
    }

    /// Carries out a command. Whoever may write to the store is the operator.
    fn obey(&mut self, command: ModerationCommand) -> Result<ModerationReply, StoreError> {
        let done = match command {
            ModerationCommand::List(room) => {
                let snapshots = self.snapshots(&Authority::Operator, room.as_ref());
                Ok(ModerationReply::Seated(snapshots.into_iter().flat_map(|snapshot| snapshot.members).collect()))
            }
            ModerationCommand::Kick(room, who) => {
                self.kick(&Authority::Operator, &room, &who).map(ModerationReply::Seated)
            }
            ModerationCommand::Ban(room, who) => {
                self.ban(&Authority::Operator, &room, &who).map(ModerationReply::Banned)
            }
        };
        match done {
            Ok(reply) => Ok(reply),
            Err(CommandError::Store(failure)) => Err(failure),
            Err(_) => Ok(ModerationReply::NobodyMatches),
        }
    }
}
