//! Who is shown which certificate: native clients (they offer ALPN `rtjam/1`) the identity's, everyone else the
//! operator's, where there is one.

use crate::Failure;
use crate::identity::Identity;
use rtjam_protocol::control::ALPN;
use rtjam_protocol::link::Pin;
use rtjam_protocol::seal::ring::pin_of;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The operator's certificate, as files in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, then those between it and a root.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// TLS as the server speaks it.
pub struct Tls {
    /// For each connection.
    pub config: Arc<ServerConfig>,
    /// The pins of the keys that are shown, the identity's first.
    pub pins: Vec<Pin>,
}

impl Tls {
    /// Puts the identity and the operator's certificate together.
    ///
    /// # Errors
    /// When a file cannot be read, is no PEM, or the two do not belong together.
    pub fn new(identity: &Identity, operator: Option<&TlsFiles>) -> Result<Tls, Failure> {
        let native = Arc::new(certified(vec![identity.certificate.clone()], &identity.key).map_err(unusable)?);
        let others = operator.map(read_operators).transpose()?.map(Arc::new);
        let mut pins = vec![identity.pin];
        pins.extend(others.as_deref().and_then(|key| key.key.public_key()).map(|spki| pin_of(&spki)));

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ByAlpn { native, others }));
        config.alpn_protocols = vec![ALPN.to_vec(), b"http/1.1".to_vec()];
        // Resumption would skip the certificate that a client wants to check, and cost memory.
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

fn read_operators(files: &TlsFiles) -> Result<CertifiedKey, Failure> {
    let (cert, key) = (files.cert.display(), files.key.display());
    readable("--tls-cert", &files.cert)?;
    readable("--tls-key", &files.key)?;
    let chain: Vec<_> = CertificateDer::pem_file_iter(&files.cert).and_then(Iterator::collect).unwrap_or_default();
    if chain.is_empty() {
        return Err(Failure::new(format!(
            "--tls-cert {cert} holds no certificate. It must be a PEM file that begins with -----BEGIN CERTIFICATE-----, \
             such as Let's Encrypt's fullchain.pem."
        )));
    }
    let private = PrivateKeyDer::from_pem_file(&files.key).map_err(|_| {
        Failure::new(format!(
            "--tls-key {key} holds no private key. It must be a PEM file that begins with -----BEGIN PRIVATE KEY----- \
             and has no password, such as Let's Encrypt's privkey.pem."
        ))
    })?;
    let certified = certified(chain, &private).map_err(|e| {
        Failure::new(format!("--tls-key {key} cannot be used ({e}). It must be an RSA, P-256, P-384 or Ed25519 key."))
    })?;
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => Err(Failure::new(format!(
            "--tls-cert {cert} and --tls-key {key} do not belong together: the certificate is of another key. Give the \
             two files that were made together."
        ))),
        Err(e) => Err(Failure::new(format!("--tls-cert {cert} is damaged ({e}). Fetch the certificate again."))),
    }
}

fn readable(flag: &str, path: &Path) -> Result<(), Failure> {
    std::fs::read(path).map(|_| ()).map_err(|e| {
        let path = path.display();
        Failure::new(format!("{flag} {path} cannot be read ({e}). Give the file's path, and let this user read it."))
    })
}

fn certified(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'static>) -> Result<CertifiedKey, rustls::Error> {
    Ok(CertifiedKey::new(chain, any_supported_type(key)?))
}

fn unusable(error: rustls::Error) -> Failure {
    Failure::new(format!("TLS cannot be used: {error}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::tests::TempDir;

    fn identity(dir: &TempDir) -> Identity {
        let mut store = Store::open(&dir.0).expect("opens");
        Identity::load(&mut store).expect("an identity")
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

    /// rcgen writes PEM by a feature that the server has no use for.
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

    #[test]
    fn the_pin_of_the_identity_stays_and_an_operators_key_has_its_own() {
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
    fn what_is_wrong_with_the_files_is_said() {
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
