//! Invite links.

use crate::address::{AdvertisedAddress, PublicAddress, advertised_address};
use crate::identity::{IdentityError, ServerIdentity};
use crate::store::{Store, StoreError};
use crate::system::Random;
use rtjam_protocol::RoomName;
use rtjam_protocol::control::DownstreamMode;
use rtjam_protocol::link::{InviteLink, Pin, Role, RoomKey, Trust};
use std::fmt;
use std::path::Path;

/// The arguments of `rtjam-server invite`.
#[derive(Clone, Debug)]
pub struct InviteRequest {
    /// The room; it is created if it is new.
    pub room: RoomName,
    /// What the link lets its holder do.
    pub role: Role,
    /// Whether earlier links of that role stop working.
    pub renew: bool,
    /// Whether sessions that those links opened continue.
    pub keep_sessions: bool,
    /// What those who do not choose receive from now on; `None` changes nothing.
    pub mix: Option<DownstreamMode>,
    /// Replaces the address with which the server was last started.
    pub public_address: Option<PublicAddress>,
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
#[derive(Debug)]
pub enum InviteError {
    /// The data folder or its database failed.
    Store(StoreError),
    /// The server has no identity.
    Identity(IdentityError),
    /// Another program removed the room in the meantime.
    RoomRemoved(RoomName),
}

/// Makes a link. The server may be running, or may never have been started.
///
/// # Errors
/// When the data folder cannot be used.
pub fn invite(data: &Path, request: &InviteRequest) -> Result<Invitation, InviteError> {
    let mut store = Store::open(data)?;
    let mut random = Random::new();
    let identity = ServerIdentity::load(&mut store).map_err(InviteError::Identity)?;
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
) -> Result<InviteLink, InviteError> {
    let secrets = store.secrets(room)?.ok_or_else(|| InviteError::RoomRemoved(room.clone()))?;
    let secret = secrets.of(role).secret.clone();
    let key = RoomKey { role, secret, trust: Trust::Pinned(pin) };
    Ok(InviteLink { host: address.host.clone(), port: address.port, room: room.clone(), key: Some(key) })
}

impl From<StoreError> for InviteError {
    fn from(e: StoreError) -> InviteError {
        InviteError::Store(e)
    }
}

impl fmt::Display for InviteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InviteError::Store(e) => e.fmt(f),
            InviteError::Identity(e) => e.fmt(f),
            InviteError::RoomRemoved(room) => {
                write!(f, "The room {room} was removed while its link was being made. Try again.")
            }
        }
    }
}

impl std::error::Error for InviteError {}

impl crate::failure::OperatorError for InviteError {}

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
