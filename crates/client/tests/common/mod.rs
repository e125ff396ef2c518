//! Clients without audio and servers that misbehave, for all tests.

#![allow(dead_code, reason = "each test file uses its part")]

use rcgen::{CertificateParams, KeyPair, PublicKeyData, date_time_ymd};
use rtjam_client::{Client, ClientOptions, Clock, Condition, ConnectionError, Identity, Status, Wake};
use rtjam_protocol::RoomName;
use rtjam_protocol::link::{Host, InviteLink, Pin, Role, RoomKey, Secret, Trust};
use rtjam_protocol::seal::ring::pin_of;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A client whose engine is not called.
pub(crate) fn client() -> Client {
    let wake = Wake::new();
    let (_engine, network, console) = rtjam_engine::engine(1, wake.closure());
    let identity = Identity::ephemeral().expect("an identity");
    Client::new(ClientOptions::new(identity, "Anna"), Clock::new(), wake, network, console)
}

/// A musician's link to the room "lobby" of such a server.
pub(crate) fn link(host: &str, port: u16, pin: Pin) -> InviteLink {
    let key = RoomKey { role: Role::Musician, secret: Secret([7; 16]), trust: Trust::Pinned(pin) };
    InviteLink {
        host: Host::parse(host).expect("a host"),
        port,
        room: RoomName::new("lobby").expect("a room name"),
        key: Some(key),
    }
}

/// Waits for a status that satisfies `is`, and returns it.
#[track_caller]
pub(crate) fn wait_for(client: &Client, what: &str, patience: Duration, is: impl Fn(&Status) -> bool) -> Status {
    let until = Instant::now() + patience;
    loop {
        let status = client.status();
        if is(&status) {
            return status;
        }
        assert!(Instant::now() < until, "no {what} in {patience:?}: {status:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until the server at that host and port is unreachable for this reason.
#[track_caller]
pub(crate) fn wait_for_error(client: &Client, address: (&str, u16), expected: &ConnectionError) -> Status {
    let is = |s: &Status| match &s.condition {
        Some(Condition::Unreachable { host, port, error }) => {
            (host.to_string().as_str(), *port) == address && error == expected
        }
        _ => false,
    };
    wait_for(client, &expected.to_string(), Duration::from_secs(10), is)
}

/// A free port of 127.0.0.1 and its listener.
pub(crate) fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// A server's key, with a certificate that has expired and names another host: pins ignore both.
pub(crate) struct ServerKey {
    pub(crate) pin: Pin,
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl ServerKey {
    pub(crate) fn new() -> ServerKey {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["elsewhere.example".to_owned()]).expect("a name");
        params.not_before = date_time_ymd(1999, 1, 1);
        params.not_after = date_time_ymd(1999, 1, 2);
        let certificate = params.self_signed(&key).expect("a certificate").der().clone();
        ServerKey { pin: pin_of(&key.subject_public_key_info()), certificate, key }
    }

    /// A server that shows this certificate and signs with the key of `signer`.
    pub(crate) fn tls_signing_as(&self, signer: &ServerKey) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signer.key.serialize_der()));
        let signing = provider.key_provider.load_private_key(der).expect("a key");
        let shown = Arc::new(CertifiedKey::new(vec![self.certificate.clone()], signing));
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
        let mut config = builder.with_cert_resolver(Arc::new(Always(shown)));
        config.alpn_protocols = vec![rtjam_protocol::control::ALPN.to_vec()];
        Arc::new(config)
    }

    pub(crate) fn tls(&self) -> Arc<ServerConfig> {
        self.tls_signing_as(self)
    }
}

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}
