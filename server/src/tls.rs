//! TLS with two certificates: native clients, which offer ALPN `rtjam/1`, are shown the identity's; everyone else is shown
//! the operator's, if there is one.

use crate::identity::ServerIdentity;
use rtjam_protocol::control::ALPN;
use rtjam_protocol::link::Pin;
use rtjam_protocol::seal::ring::pin_of;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The operator's certificate, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, followed by the intermediate certificates.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The server's TLS configuration.
pub struct Tls {
    /// The configuration for each connection.
    pub config: Arc<ServerConfig>,
    /// The pins of the keys in use, the identity's first.
    pub pins: Vec<Pin>,
}

/// Why TLS cannot be configured.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{flag} {file} cannot be read ({error}). Give the file's path, and let this user read it.")]
    Unreadable {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The certificate file holds no certificate.
    #[error(
        "--tls-cert {0} holds no certificate. It must be a PEM file that begins with -----BEGIN CERTIFICATE-----, such \
         as Let's Encrypt's fullchain.pem."
    )]
    NoCertificate(PathBuf),
    /// The key file holds no private key.
    #[error(
        "--tls-key {0} holds no private key. It must be a PEM file that begins with -----BEGIN PRIVATE KEY----- and has \
         no password, such as Let's Encrypt's privkey.pem."
    )]
    NoKey(PathBuf),
    /// The key is of a kind that TLS cannot use.
    #[error("--tls-key {0} cannot be used ({1}). It must be an RSA, P-256, P-384 or Ed25519 key.")]
    UnusableKey(PathBuf, rustls::Error),
    /// The certificate is for another key.
    #[error(
        "--tls-cert {} and --tls-key {} do not belong together: the certificate is for another key. Give the two files \
         that were made together.",
        .0.cert.display(), .0.key.display()
    )]
    Mismatch(TlsFiles),
    /// The certificate is damaged.
    #[error("--tls-cert {0} is damaged ({1}). Fetch the certificate again.")]
    DamagedCertificate(PathBuf, rustls::Error),
    /// TLS itself failed.
    #[error("TLS cannot be used: {0}.")]
    Tls(rustls::Error),
}

impl Tls {
    /// Configures TLS with the server's identity and the operator's certificate.
    ///
    /// # Errors
    /// When a file cannot be read, is not PEM, or certificate and key do not belong together.
    pub fn new(identity: &ServerIdentity, operator: Option<&TlsFiles>) -> Result<Tls, TlsError> {
        let native = Arc::new(certified(vec![identity.certificate.clone()], &identity.key).map_err(TlsError::Tls)?);
        let others = operator.map(read_operators_certificate).transpose()?.map(Arc::new);
        let mut pins = vec![identity.pin];
        pins.extend(others.as_deref().and_then(|key| key.key.public_key()).map(|spki| pin_of(&spki)));

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Tls)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ByAlpn { native, others }));
        config.alpn_protocols = vec![ALPN.to_vec(), b"http/1.1".to_vec()];
        // Session resumption would skip the certificate, which clients must check, and would cost memory.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Tls { config: Arc::new(config), pins })
    }
}

#[derive(Debug)]
struct ByAlpn {
    native: Arc<CertifiedKey>,
    others: Option<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for ByAlpn {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let is_native = hello.alpn().is_some_and(|mut offered| offered.any(|protocol| protocol == ALPN));
        let others = self.others.as_ref().filter(|_| !is_native);
        Some(others.unwrap_or(&self.native).clone())
    }
}

fn read_operators_certificate(files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
    check_readable("--tls-cert", &files.cert)?;
    check_readable("--tls-key", &files.key)?;
    let chain: Vec<_> = CertificateDer::pem_file_iter(&files.cert).and_then(Iterator::collect).unwrap_or_default();
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(files.cert.clone()));
    }
    let private = PrivateKeyDer::from_pem_file(&files.key).map_err(|_| TlsError::NoKey(files.key.clone()))?;
    let certified = certified(chain, &private).map_err(|e| TlsError::UnusableKey(files.key.clone(), e))?;
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => Err(TlsError::Mismatch(files.clone())),
        Err(e) => Err(TlsError::DamagedCertificate(files.cert.clone(), e)),
    }
}

fn check_readable(flag: &'static str, file: &Path) -> Result<(), TlsError> {
    match std::fs::read(file) {
        Ok(_) => Ok(()),
        Err(error) => Err(TlsError::Unreadable { flag, file: file.to_owned(), error }),
    }
}

fn certified(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'static>) -> Result<CertifiedKey, rustls::Error> {
    Ok(CertifiedKey::new(chain, any_supported_type(key)?))
}

impl crate::failure::OperatorError for TlsError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::tests::TempDir;

    fn identity(dir: &TempDir) -> ServerIdentity {
        let mut store = Store::open(&dir.0).expect("opens");
        ServerIdentity::load(&mut store).expect("an identity")
    }

    fn write(dir: &TempDir, name: &str, text: &str) -> PathBuf {
        let path = dir.0.join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    fn pem() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["jam.example.org".to_owned()]).expect("made");
        (to_pem("CERTIFICATE", made.cert.der()), to_pem("PRIVATE KEY", &made.signing_key.serialize_der()))
    }

    /// rcgen writes PEM only with a feature that the server does not need.
    fn to_pem(label: &str, der: &[u8]) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for (i, group) in der.chunks(3).enumerate() {
            let bits = group.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - group.len()));
            for digit in 0..4 {
                let c = if digit > group.len() {
                    '='
                } else {
                    char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63])
                };
                text.push(c);
            }
            if i % 16 == 15 {
                text.push('\n');
            }
        }
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    }

    /// The identity's pin survives a restart; the operator's key adds a pin of its own.
    #[test]
    fn each_key_has_its_pin() {
        let dir = TempDir::new();
        let first = identity(&dir);
        let (cert, key) = pem();
        let files = TlsFiles { cert: write(&dir, "cert.pem", &cert), key: write(&dir, "key.pem", &key) };
        let again = identity(&dir);
        assert_eq!(first.pin, again.pin);
        let tls = Tls::new(&again, Some(&files)).expect("usable");
        assert_eq!(tls.pins.len(), 2);
        assert_eq!(tls.pins[0], first.pin);
        assert_ne!(tls.pins[1], first.pin);
    }

    #[test]
    fn errors_name_the_bad_file() {
        let dir = TempDir::new();
        let identity = identity(&dir);
        let (cert, key) = pem();
        let (_, other_key) = pem();
        let cert = write(&dir, "cert.pem", &cert);
        let key = write(&dir, "key.pem", &key);
        let other_key = write(&dir, "other.pem", &other_key);
        let nonsense = write(&dir, "nonsense.pem", "hello");
        for (cert, key, said) in [
            (&dir.0.join("missing.pem"), &key, "--tls-cert"),
            (&cert, &dir.0.join("missing.pem"), "cannot be read"),
            (&nonsense, &key, "holds no certificate"),
            (&cert, &nonsense, "holds no private key"),
            (&cert, &other_key, "do not belong together"),
        ] {
            let files = TlsFiles { cert: cert.clone(), key: key.clone() };
            let error = Tls::new(&identity, Some(&files)).err().expect("refused").to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
