//! The server's key pair and its certificate.

use crate::Failure;
use crate::store::Store;
use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData as _};
use rtjam_protocol::link::Pin;
use rtjam_protocol::seal::ring::pin_of;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Who this server is.
pub struct Identity {
    /// The P-256 key.
    pub key: PrivateKeyDer<'static>,
    /// A certificate under it, made afresh at each start: links pin the key alone.
    pub certificate: CertificateDer<'static>,
    /// What links pin.
    pub pin: Pin,
}

impl Identity {
    /// Reads the identity from the store; makes it at the first start.
    ///
    /// # Errors
    /// When the store fails or holds no key.
    pub fn load(store: &mut Store) -> Result<Identity, Failure> {
        let fresh = KeyPair::generate().map_err(|e| Failure::new(format!("No key could be made: {e}.")))?;
        let pkcs8 = store.identity(|| fresh.serialize_der())?;
        Identity::from_pkcs8(pkcs8).map_err(|e| {
            Failure::new(format!("The server's key in the data folder is damaged ({e}). Put a backup in its place."))
        })
    }

    fn from_pkcs8(pkcs8: Vec<u8>) -> Result<Identity, rcgen::Error> {
        let pair = KeyPair::try_from(pkcs8.as_slice())?;
        let mut params = CertificateParams::new(vec!["rtjam-server".to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, "RTJam room server");
        let certificate = params.self_signed(&pair)?.der().clone();
        let pin = pin_of(&pair.subject_public_key_info());
        Ok(Identity { key: PrivatePkcs8KeyDer::from(pkcs8).into(), certificate, pin })
    }
}
