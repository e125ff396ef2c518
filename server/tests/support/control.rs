//! A control connection of a test: TLS with a pinned key, then a WebSocket.

use super::SOON;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rtjam_protocol::control::{
    self, ALPN, ClientMessage, Features, Hello, Joined, Refusal, Release, ResumeToken, SeatRequest, SeatRole,
    ServerMessage, Welcome,
};
use rtjam_protocol::link::{InviteLink, Pin, Trust};
use rtjam_protocol::seal::ring::{pin_of, preferred_suites};
use rtjam_protocol::{MusicianId, SourceId};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use socket2::{Domain, Socket, Type};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A musician's control connection.
pub struct Control {
    socket: WebSocket<Tls>,
    pub server: SocketAddr,
    link: InviteLink,
    pin: Pin,
    welcome: Welcome,
}

/// The identity with this number.
pub fn identity(who: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[who; 32]).expect("32 bytes are a seed")
}

impl Control {
    /// Connects to the server of a link and receives the welcome.
    pub fn connect(link: &InviteLink) -> Control {
        Control::connect_for(link, None)
    }

    /// Connects like a proxy that names this address.
    pub fn connect_for(link: &InviteLink, forwarded_for: Option<&str>) -> Control {
        Control::connect_as(link, None, forwarded_for)
    }

    /// Connects from one of this machine's addresses.
    pub fn connect_from(link: &InviteLink, from: IpAddr) -> Control {
        Control::connect_as(link, Some(from), None)
    }

    fn connect_as(link: &InviteLink, from: Option<IpAddr>, forwarded_for: Option<&str>) -> Control {
        let pin = match link.key.as_ref().expect("a key").trust {
            Trust::Pinned(pin) => pin,
            Trust::SystemRoots => panic!("the server pins its key"),
        };
        let server = SocketAddr::new(link.host.to_string().parse().expect("an address"), link.port);
        let (tls, seen) = tls_from(from, server, &[ALPN]);
        assert_eq!(seen, Some(pin), "the server has the key that its link pins");
        let url = format!("wss://{}{}", link.host, control::PATH);
        let mut request = url.into_client_request().expect("a request");
        if let Some(address) = forwarded_for {
            request.headers_mut().insert("x-forwarded-for", address.parse().expect("a value"));
        }
        let (socket, _) = client(request, tls).expect("a WebSocket");
        let welcome = Welcome { version: 0, nonce: [0; 32], release: None };
        let mut control = Control { socket, server, link: link.clone(), pin, welcome };
        match control.hear() {
            Some(ServerMessage::Welcome(welcome)) => control.welcome = welcome,
            other => panic!("{other:?} is not a welcome"),
        }
        control
    }

    pub fn say(&mut self, message: &ClientMessage) {
        self.say_text(&control::write(message));
    }

    pub fn say_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).expect("said");
    }

    /// The next message; `None` if the server has closed the connection.
    pub fn hear(&mut self) -> Option<ServerMessage> {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => return Some(control::read(&text).expect("a message")),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Sends WebSocket pings at once and returns the number of answers within a time.
    pub fn pongs(&mut self, pings: usize, within: Duration) -> usize {
        let deadline = Instant::now() + within;
        for _ in 0..pings {
            self.socket.write(Message::Ping(Vec::new().into())).expect("written");
        }
        self.socket.flush().expect("sent");
        self.socket.get_ref().sock.set_read_timeout(Some(Duration::from_millis(50))).expect("set");
        let mut pongs = 0;
        while Instant::now() < deadline {
            pongs += usize::from(matches!(self.socket.read(), Ok(Message::Pong(_))));
        }
        pongs
    }

    /// Receives messages until a wanted one.
    pub fn wait_for<T>(&mut self, wanted: impl Fn(&ServerMessage) -> Option<T>) -> T {
        loop {
            let message = self.hear().expect("not closed before");
            if let Some(found) = wanted(&message) {
                return found;
            }
        }
    }

    /// Receives messages until somebody leaves the room; returns the slot.
    pub fn wait_for_a_leave(&mut self) -> SourceId {
        self.wait_for(|message| match message {
            ServerMessage::Left { source, .. } => Some(*source),
            ServerMessage::RosterChanges { left, .. } => left.first().copied(),
            _ => None,
        })
    }

    pub fn hello(&self, who: u8) -> Hello {
        let key = identity(who);
        let signature = key.sign(&control::signed_text(&self.welcome.nonce, &self.pin));
        Hello {
            version: control::VERSION,
            musician: MusicianId(key.public_key().as_ref().try_into().expect("32 bytes")),
            signature: signature.as_ref().try_into().expect("64 bytes"),
            name: format!("Musician {who}"),
            suites: preferred_suites().to_vec(),
            features: Features::SUPPORTED,
            release: Some(Release::OWN),
        }
    }

    pub fn seat(&self, role: SeatRole) -> SeatRequest {
        let secret = self.link.key.as_ref().map(|k| k.secret.clone());
        SeatRequest {
            room: self.link.room.clone(),
            role,
            secret,
            instance: None,
            resume: None,
            replaces: None,
            mix: None,
        }
    }

    /// Sends both messages and receives the answer.
    pub fn ask(&mut self, hello: Hello, seat: SeatRequest) -> Result<Joined, Refusal> {
        self.say(&ClientMessage::Hello(hello));
        self.say(&ClientMessage::Seat(seat));
        self.answer()
    }

    /// Receives the answer to a seat request. After a refusal the server must close the connection.
    pub fn answer(&mut self) -> Result<Joined, Refusal> {
        match self.hear() {
            Some(ServerMessage::Joined(joined)) => Ok(joined),
            Some(ServerMessage::Refused(refused)) => {
                assert_eq!(refused.retry, refused.reason.retry());
                assert_eq!(self.hear(), None);
                Err(refused.reason)
            }
            other => panic!("{other:?} is not an answer to a seat request"),
        }
    }
}

/// Joins as a musician.
pub fn join(link: &InviteLink, who: u8) -> (Control, Result<Joined, Refusal>) {
    join_as(link, who, SeatRole::Musician, None)
}

pub fn join_as(
    link: &InviteLink,
    who: u8,
    role: SeatRole,
    resume: Option<ResumeToken>,
) -> (Control, Result<Joined, Refusal>) {
    let mut control = Control::connect(link);
    let (hello, seat) = (control.hello(who), SeatRequest { resume, ..control.seat(role) });
    let answer = control.ask(hello, seat);
    (control, answer)
}

/// Opens a TLS connection; also returns the pin of the server's key.
pub fn tls(server: SocketAddr, alpn: &[&[u8]]) -> (Tls, Option<Pin>) {
    tls_from(None, server, alpn)
}

fn tls_from(from: Option<IpAddr>, server: SocketAddr, alpn: &[&[u8]]) -> (Tls, Option<Pin>) {
    let (mut tls, seen) = tls_client(server.ip(), alpn);
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None).expect("a socket");
    if let Some(from) = from {
        socket.bind(&SocketAddr::new(from, 0).into()).expect("an address of this machine");
    }
    socket.connect(&server.into()).expect("connected");
    let mut tcp = TcpStream::from(socket);
    tcp.set_read_timeout(Some(2 * SOON)).expect("set");
    tcp.set_nodelay(true).expect("set");
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp).expect("a handshake");
    }
    let pin = *seen.lock().expect("not poisoned");
    (StreamOwned::new(tls, tcp), pin)
}

/// The client's end of TLS, and the place of the server's pin after the handshake.
pub fn tls_client(server: IpAddr, alpn: &[&[u8]]) -> (ClientConnection, Arc<Mutex<Option<Pin>>>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let seen = Arc::new(Mutex::new(None));
    let verifier = Arc::new(AnyKey { provider: provider.clone(), seen: seen.clone() });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    let tls = ClientConnection::new(Arc::new(config), ServerName::from(server)).expect("a client");
    (tls, seen)
}

/// Accepts every key with a valid signature, and stores its pin.
#[derive(Debug)]
struct AnyKey {
    provider: Arc<CryptoProvider>,
    seen: Arc<Mutex<Option<Pin>>>,
}

impl ServerCertVerifier for AnyKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let spki = ParsedCertificate::try_from(end_entity)?.subject_public_key_info();
        *self.seen.lock().expect("not poisoned") = Some(pin_of(&spki));
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
