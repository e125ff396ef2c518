//! TLS to a room server, trusted by the pin in the link or by the system's root certificates.

use super::error::ConnectionError;
use rtjam_protocol::control::ALPN;
use rtjam_protocol::link::{Pin, Trust};
use rtjam_protocol::seal::ring::pin_of;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, IpAddr, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    WantsVerifier,
};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A TLS configuration with the trust of a link. Copies are cheap.
#[derive(Clone)]
pub(super) struct TlsClient {
    connector: TlsConnector,
}

impl TlsClient {
    /// For [`Trust::SystemRoots`] this reads the system's certificates, which takes some milliseconds.
    ///
    /// # Errors
    /// The cipher library offers no TLS version. No build of ours is like that.
    pub(super) fn new(trust: &Trust) -> Result<TlsClient, Error> {
        let config = match trust {
            Trust::Pinned(pin) => pinned(*pin)?,
            Trust::SystemRoots => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                versions(&provider())?.with_root_certificates(roots).with_no_client_auth()
            }
        };
        Ok(TlsClient { connector: TlsConnector::from(Arc::new(config)) })
    }

    /// Does the handshake over `tcp`; `host` is the link's, without brackets. Also returns the pin of the server's key.
    pub(super) async fn handshake(
        &self,
        host: &str,
        tcp: TcpStream,
    ) -> Result<(TlsStream<TcpStream>, Pin), ConnectionError> {
        let name = server_name(host, &tcp);
        let stream = self.connector.connect(name, tcp).await.map_err(|e| ConnectionError::of_tls(&e))?;
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let pin = shown.and_then(|c| pin_shown_by(c).ok()).ok_or(ConnectionError::NotRtjam)?;
        Ok((stream, pin))
    }
}

/// The TLS configuration for a server whose key has this pin, whatever the dates and names of its certificate, for
/// programs that hold control connections themselves. It offers only RTJam's protocol ([`ALPN`]).
///
/// # Errors
/// The cipher library offers no TLS version. No build of ours is like that.
pub fn pinned(pin: Pin) -> Result<ClientConfig, Error> {
    let provider = provider();
    let builder = versions(&provider)?;
    let verifier = Arc::new(PinVerifier { pin, provider });
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn versions(provider: &Arc<CryptoProvider>) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, Error> {
    ClientConfig::builder_with_provider(Arc::clone(provider)).with_safe_default_protocol_versions()
}

/// The name to verify. A host that is not a DNS name (letters beyond ASCII) is verified by its address.
fn server_name(host: &str, tcp: &TcpStream) -> ServerName<'static> {
    ServerName::try_from(host.to_owned()).unwrap_or_else(|_| {
        let ip = tcp.peer_addr().map_or(std::net::Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip());
        ServerName::IpAddress(IpAddr::from(ip))
    })
}

fn pin_shown_by(certificate: &CertificateDer<'_>) -> Result<Pin, Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    Ok(pin_of(parsed.subject_public_key_info().as_ref()))
}

/// Accepts only the pinned key, whatever the dates and names of its certificate.
#[derive(Debug)]
struct PinVerifier {
    pin: Pin,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if pin_shown_by(end_entity).is_ok_and(|pin| pin == self.pin) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    // The signature over the handshake proves that the server holds the private key, so it is verified as usual.

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
