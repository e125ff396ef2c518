//! The server's key pair and its certificate.

use crate::store::{Store, StoreError};
use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData as _};
use rtjam_protocol::link::Pin;
use rtjam_protocol::seal::ring::pin_of;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// The server's identity.
pub struct ServerIdentity {
    /// The P-256 key.
    pub key: PrivateKeyDer<'static>,
    /// A certificate for the key, made at each start: links pin only the key.
    pub certificate: CertificateDer<'static>,
    /// The pin in invite links.
    pub pin: Pin,
}

/// Why the server has no identity.
#[derive(Debug, thiserror::Error)]
pub enum ServerIdentityError {
    /// No key pair could be generated.
    #[error("No key pair could be made: {0}.")]
    Generate(rcgen::Error),
    /// The stored key pair is damaged.
    #[error("The server's key in the data folder is damaged ({0}). Restore it from a backup.")]
    Damaged(rcgen::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ServerIdentity {
    /// Reads the identity from the store, or makes it on the first start.
    ///
    /// # Errors
    /// When the store fails or its key is damaged.
    pub fn load(store: &mut Store) -> Result<ServerIdentity, ServerIdentityError> {
        let fresh = KeyPair::generate().map_err(ServerIdentityError::Generate)?;
        let pkcs8 = store.identity(|| fresh.serialize_der())?;
        ServerIdentity::from_pkcs8(pkcs8).map_err(ServerIdentityError::Damaged)
    }

    fn from_pkcs8(pkcs8: Vec<u8>) -> Result<ServerIdentity, rcgen::Error> {
        let pair = KeyPair::try_from(pkcs8.as_slice())?;
        let mut params = CertificateParams::new(vec!["rtjam-server".to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, "RTJam room server");
        let certificate = params.self_signed(&pair)?.der().clone();
        let pin = pin_of(&pair.subject_public_key_info());
        Ok(ServerIdentity { key: PrivatePkcs8KeyDer::from(pkcs8).into(), certificate, pin })
    }
}

impl crate::failure::OperatorError for ServerIdentityError {}
