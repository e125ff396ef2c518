//! The musician's identity: an Ed25519 key pair in the config folder, shared by all programs of the user.

use crate::files::{self, Created};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use rtjam_protocol::MusicianId;
use rtjam_protocol::client::Signer;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file's name in the config folder. It holds PKCS #8 (DER).
const FILE: &str = "identity.p8";

/// A musician's key pair. Copies are cheap.
#[derive(Clone)]
pub struct Identity {
    pair: Arc<Ed25519KeyPair>,
}

impl Identity {
    /// Reads the identity from the user's config folder, or makes one on first use. Programs that do so at the same time
    /// get the same identity.
    ///
    /// # Errors
    /// The folder cannot be read or written, or the file holds no key pair. An existing file is never overwritten.
    pub fn load_or_create(folder: &Path) -> Result<Identity, IdentityError> {
        let path = folder.join(FILE);
        let failed = |io: std::io::Error| IdentityError::Io(path.clone(), io.to_string());
        if let Some(bytes) = files::read(&path).map_err(failed)? {
            return Identity::read(&path, &bytes);
        }
        let fresh = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| IdentityError::NoEntropy)?;
        match files::create(&path, fresh.as_ref()).map_err(failed)? {
            Created::New => Identity::read(&path, fresh.as_ref()),
            Created::Existing(bytes) => Identity::read(&path, &bytes),
        }
    }

    /// An identity that lasts as long as the process.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn ephemeral() -> Result<Identity, IdentityError> {
        let fresh = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| IdentityError::NoEntropy)?;
        Identity::read(Path::new(FILE), fresh.as_ref())
    }

    /// The public key.
    pub fn musician(&self) -> MusicianId {
        let mut id = [0; 32];
        id.copy_from_slice(self.pair.public_key().as_ref());
        MusicianId(id)
    }

    fn read(path: &Path, bytes: &[u8]) -> Result<Identity, IdentityError> {
        let pair = Ed25519KeyPair::from_pkcs8(bytes).map_err(|_| IdentityError::Damaged(path.to_owned()))?;
        Ok(Identity { pair: Arc::new(pair) })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.musician()).finish()
    }
}

impl Signer for Identity {
    fn musician(&self) -> MusicianId {
        Identity::musician(self)
    }

    fn sign(&self, text: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(text).as_ref());
        signature
    }
}

/// Why there is no identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// The file cannot be read or written, for this reason.
    Io(PathBuf, String),
    /// The file holds no key pair.
    Damaged(PathBuf),
    /// The system has no random numbers.
    NoEntropy,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdentityError::Io(path, why) => write!(
                f,
                "Your identity key at {} cannot be read or created: {why}. Make that folder writable, or choose \
                 another one.",
                path.display()
            ),
            IdentityError::Damaged(path) => write!(
                f,
                "Your identity key is damaged: {}. Restore the file from a copy, or move it away. RTJam then makes a \
                 new key, and rooms treat you as a new musician.",
                path.display()
            ),
            IdentityError::NoEntropy => {
                f.write_str("Your system could not give RTJam random numbers. Restart the computer.")
            }
        }
    }
}

impl std::error::Error for IdentityError {}
