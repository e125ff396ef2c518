//! How a client is made.

use crate::identity::Identity;
use rtjam_protocol::audio::Codec;
use rtjam_protocol::control::DownstreamMode;
use std::path::PathBuf;

/// Where a client gets its identity from.
#[derive(Clone, Debug)]
pub enum IdentitySource {
    /// This identity.
    Ready(Identity),
    /// The identity of this config folder, loaded or created at the first join.
    Folder(PathBuf),
}

impl From<Identity> for IdentitySource {
    fn from(identity: Identity) -> IdentitySource {
        IdentitySource::Ready(identity)
    }
}

/// How to make a [`Client`](crate::Client).
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The musician's key pair.
    pub identity: IdentitySource,
    /// Display name, at most 40 characters.
    pub name: String,
    /// Format of the samples that are sent.
    pub format: Codec,
    /// The downstream: forwarded sources or one mix. `None` takes the room's default.
    pub mix: Option<DownstreamMode>,
    /// Names of the musicians to receive even when more play than the server forwards (32).
    pub pinned: Vec<String>,
    /// The config folder, which keeps the slot map for all programs of the user. `None` keeps nothing.
    pub folder: Option<PathBuf>,
}

impl ClientOptions {
    /// Sends PCM16, takes the room's default downstream, and keeps no files.
    pub fn new(identity: impl Into<IdentitySource>, name: impl Into<String>) -> ClientOptions {
        ClientOptions {
            identity: identity.into(),
            name: name.into(),
            format: Codec::default(),
            mix: None,
            pinned: Vec::new(),
            folder: None,
        }
    }
}
