//! Who the musician is: an Ed25519 key pair in the config folder, shared by all programs of the user.

use crate::files::{self, Kept};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use rtjam_protocol::MusicianId;
use rtjam_protocol::client::Signer;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file's name in the config folder. It holds PKCS #8 (DER).
const FILE: &str = "identity.p8";

/// A musician's key pair. Copies share it.
#[derive(Clone)]
pub struct Identity {
    pair: Arc<Ed25519KeyPair>,
}

impl Identity {
    /// The identity of the user whose config folder this is; made on first use. Programs that do so at the same time get
    /// the same one.
    ///
    /// # Errors
    /// When the folder cannot be read or written, or the file in it is no key pair. What is there is never overwritten.
    pub fn load_or_create(folder: &Path) -> Result<Identity, IdentityError> {
        let path = folder.join(FILE);
        let failed = |io: std::io::Error| IdentityError::Io(path.clone(), io.to_string());
        if let Some(bytes) = files::read(&path).map_err(failed)? {
            return Identity::read(&path, &bytes);
        }
        let fresh = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| IdentityError::NoEntropy)?;
        match files::create(&path, fresh.as_ref()).map_err(failed)? {
            Kept::Ours => Identity::read(&path, fresh.as_ref()),
            Kept::Theirs(bytes) => Identity::read(&path, &bytes),
        }
    }

    /// An identity that is forgotten with the process.
    ///
    /// # Errors
    /// When the system has no random numbers.
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

/// Why there is no identity. The texts tell a musician what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// The folder or the file cannot be used.
    Io(PathBuf, String),
    /// The file is no key pair.
    Damaged(PathBuf),
    /// The system gives no random numbers.
    NoEntropy,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdentityError::Io(path, why) => write!(
                f,
                "The key by which rooms know you cannot be read or made at {}: {why}. Make that folder writable for \
                 you, or name another one.",
                path.display()
            ),
            IdentityError::Damaged(path) => write!(
                f,
                "The key by which rooms know you is damaged: {}. Put a copy of it back, or move the file away: RTJam \
                 then makes a new key, and rooms take you for somebody new.",
                path.display()
            ),
            IdentityError::NoEntropy => f.write_str("This system gives RTJam no random numbers. Restart the computer."),
        }
    }
}

impl std::error::Error for IdentityError {}
