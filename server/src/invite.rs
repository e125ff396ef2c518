//! Invite links.

use crate::Failure;
use crate::address::{Advertised, PublicAddress, advertised};
use crate::identity::Identity;
use crate::random::Random;
use crate::store::Store;
use rtjam_protocol::RoomName;
use rtjam_protocol::control::DownstreamMode;
use rtjam_protocol::link::{InviteLink, Pin, Role, RoomKey, Trust};
use std::path::Path;

/// What `rtjam-server invite` is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which room; it is made where it is missing.
    pub room: RoomName,
    /// What the link's holder may do.
    pub role: Role,
    /// Whether all earlier links of that role shall open nothing any more.
    pub renew: bool,
    /// Whether sessions of those links shall go on.
    pub keep_sessions: bool,
    /// What those shall be sent from now on who do not choose; `None`: as before.
    pub mix: Option<DownstreamMode>,
    /// Overrides what the server was last started with.
    pub public_address: Option<PublicAddress>,
}

/// A link, and what to tell the operator besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The link; it opens the room to anyone who has it.
    pub link: String,
    /// When the link does not work from everywhere.
    pub caution: Option<String>,
}

/// Makes a link, beside a running server or before the first start.
///
/// # Errors
/// When the data folder cannot be used.
pub fn invite(data: &Path, request: &Request) -> Result<Invitation, Failure> {
    let mut store = Store::open(data)?;
    let mut random = Random::new();
    let identity = Identity::load(&mut store)?;
    store.ensure_room(&request.room, &mut random)?;
    if request.renew {
        store.renew(&request.room, request.role, request.keep_sessions, &mut random)?;
    }
    if let Some(mix) = request.mix {
        store.set_mix(&request.room, mix)?;
    }
    let mut reachable = store.reachable()?;
    if request.public_address.is_some() {
        reachable.public.clone_from(&request.public_address);
    }
    let address = advertised(&reachable);
    let link = link(&store, &request.room, request.role, identity.pin, &address)?;
    Ok(Invitation { link: link.to_string(), caution: address.caution })
}

/// The link of a room that exists.
///
/// # Errors
/// When the database fails, or someone has just removed the room from it.
pub fn link(store: &Store, room: &RoomName, role: Role, pin: Pin, to: &Advertised) -> Result<InviteLink, Failure> {
    let gone = || Failure::new(format!("The room {room} was removed while its link was made. Try again."));
    let secrets = store.secrets(room)?.ok_or_else(gone)?;
    let secret = secrets.of(role).secret.clone();
    let key = RoomKey { role, secret, trust: Trust::Pinned(pin) };
    Ok(InviteLink { host: to.host.clone(), port: to.port, room: room.clone(), key: Some(key) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::TempDir;

    #[test]
    fn a_link_stays_until_it_is_renewed() {
        let dir = TempDir::new();
        let request = Request {
            room: RoomName::new("Thursday Jam").expect("a name"),
            role: Role::Musician,
            renew: false,
            keep_sessions: false,
            mix: None,
            public_address: "jam.example.org:9000".parse().ok(),
        };
        let first = invite(&dir.0, &request).expect("a link");
        assert_eq!(first.caution, None);
        assert_eq!(invite(&dir.0, &request), Ok(first.clone()));
        let renewed = invite(&dir.0, &Request { renew: true, ..request.clone() }).expect("a link");
        assert_ne!(renewed, first);
        assert_eq!(invite(&dir.0, &request), Ok(renewed.clone()));

        let read: InviteLink = renewed.link.parse().expect("a link that reads back");
        assert_eq!((read.host.to_string().as_str(), read.port), ("jam.example.org", 9000));
        assert_eq!(read.key.map(|k| k.role), Some(Role::Musician));
    }
}
