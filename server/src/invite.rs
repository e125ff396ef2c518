//! Invite links.

use crate::address::{AdvertisedAddress, PublicAddress, advertised_address};
use crate::config::FIRST_ROOM;
use crate::identity::{ServerIdentity, ServerIdentityError};
use crate::store::{Store, StoreError};
use crate::system::Random;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use rtjam_protocol::RoomName;
use rtjam_protocol::control::DownstreamMode;
use rtjam_protocol::link::{InviteLink, Pin, Role, RoomKey, Trust};
use std::path::Path;

/// The arguments of `rtjam-server invite`.
// The doc comments are the help texts.
#[derive(Args, Clone, Debug)]
pub struct InviteRequest {
    /// The room's name; the room is created if it is new
    #[arg(default_value = FIRST_ROOM, value_parser = RoomName::new)]
    pub room: RoomName,
    /// What the link lets its holder do
    #[arg(long, value_parser = one_of(ROLES), default_value = "musician")]
    pub role: Role,
    /// Make a new link: earlier links of this role stop working, and sessions that they opened end
    #[arg(long)]
    pub renew: bool,
    /// With --renew: let the sessions that are open continue
    #[arg(long, requires = "renew")]
    pub keep_sessions: bool,
    /// What musicians who do not choose receive from their next join on: everyone separately, or one mix made by the
    /// server [default: unchanged; separate for a new room]
    #[arg(long, value_parser = one_of(MIXES))]
    pub mix: Option<DownstreamMode>,
    /// The host name or address in the link [default: as the server was last started; else the address of the default
    /// route]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub public_address: Option<PublicAddress>,
}

const ROLES: [(&str, Role); 3] =
    [("musician", Role::Musician), ("listener", Role::Listener), ("moderator", Role::Moderator)];

const MIXES: [(&str, DownstreamMode); 2] = [("separate", DownstreamMode::Forwarded), ("one", DownstreamMode::Mixed)];

/// Parses one of the words to its value.
fn one_of<T: Copy + Send + Sync + 'static, const N: usize>(
    words: [(&'static str, T); N],
) -> impl TypedValueParser<Value = T> {
    let value =
        move |word: String| words.iter().find(|(known, _)| *known == word).map_or(words[0].1, |(_, value)| *value);
    PossibleValuesParser::new(words.map(|(word, _)| word)).map(value)
}

/// A link, and what the operator should know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The link. Anyone who has it can enter the room.
    pub link: String,
    /// Says where the link does not work.
    pub warning: Option<String>,
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum InvitationError {
    /// The data folder or its database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server has no identity.
    #[error(transparent)]
    Identity(#[from] ServerIdentityError),
    /// Another program removed the room in the meantime.
    #[error("The room {0} was removed while its link was being made. Try again.")]
    RoomRemoved(RoomName),
}

/// Makes a link. The server may be running, or may never have been started.
///
/// # Errors
/// When the data folder cannot be used.
pub fn invite(data: &Path, request: &InviteRequest) -> Result<Invitation, InvitationError> {
    let mut store = Store::open(data)?;
    let mut random = Random::new();
    let identity = ServerIdentity::load(&mut store)?;
    store.ensure_room(&request.room, &mut random)?;
    if request.renew {
        store.renew(&request.room, request.role, request.keep_sessions, &mut random)?;
    }
    if let Some(mix) = request.mix {
        store.set_mix(&request.room, mix)?;
    }
    let mut server = store.server_address()?;
    if request.public_address.is_some() {
        server.public.clone_from(&request.public_address);
    }
    let address = advertised_address(&server);
    let link = link(&store, &request.room, request.role, identity.pin, &address)?;
    Ok(Invitation { link: link.to_string(), warning: address.warning })
}

/// The link to a room that exists.
///
/// # Errors
/// When the database fails or the room no longer exists.
pub fn link(
    store: &Store,
    room: &RoomName,
    role: Role,
    pin: Pin,
    address: &AdvertisedAddress,
) -> Result<InviteLink, InvitationError> {
    let secrets = store.secrets(room)?.ok_or_else(|| InvitationError::RoomRemoved(room.clone()))?;
    let secret = secrets.of(role).secret.clone();
    let key = RoomKey { role, secret, trust: Trust::Pinned(pin) };
    Ok(InviteLink { host: address.host.clone(), port: address.port, room: room.clone(), key: Some(key) })
}

impl crate::failure::OperatorError for InvitationError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::TempDir;

    #[test]
    fn link_is_stable_until_renewed() {
        let dir = TempDir::new();
        let request = InviteRequest {
            room: RoomName::new("Thursday Jam").expect("a name"),
            role: Role::Musician,
            renew: false,
            keep_sessions: false,
            mix: None,
            public_address: "jam.example.org:9000".parse().ok(),
        };
        let invite = |request: &InviteRequest| invite(&dir.0, request).expect("a link");
        let first = invite(&request);
        assert_eq!(first.warning, None);
        assert_eq!(invite(&request), first);
        let renewed = invite(&InviteRequest { renew: true, ..request.clone() });
        assert_ne!(renewed, first);
        assert_eq!(invite(&request), renewed);

        let read: InviteLink = renewed.link.parse().expect("a valid link");
        assert_eq!((read.host.to_string().as_str(), read.port), ("jam.example.org", 9000));
        assert_eq!(read.key.map(|k| k.role), Some(Role::Musician));
    }
}
