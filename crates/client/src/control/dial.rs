//! From a link to an open WebSocket: a race between addresses (RFC 8305, "happy eyeballs"), TLS, and the upgrade.
//! Every step has a time limit.

use super::channel::ServerTarget;
use super::error::ConnectionError;
use super::resolve::Resolver;
use super::tls::TlsClient;
use rtjam_protocol::control::{MAX_TEXT, PATH};
use rtjam_protocol::link::{Host, Pin};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// The next address is tried when the last one has not answered for this long.
const STAGGER: Duration = Duration::from_millis(200);

/// Time limit for TCP to connect to one address. Long enough for two lost SYNs; the session starts another dial beside
/// this one long before.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(2500);

/// Time limit for TLS, and again for the upgrade.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_millis(2500);

/// At most this many addresses are tried.
const MAX_ADDRESSES: usize = 8;

/// A new control connection.
pub(super) struct OpenConnection {
    pub(super) stream: WebSocketStream<TlsStream<TcpStream>>,
    /// The pin of the key that the server showed.
    pub(super) server: Pin,
    pub(super) address: SocketAddr,
}

/// The host as system calls take it: IPv6 without brackets.
pub(super) fn plain_host(host: &Host) -> String {
    match host {
        Host::Name(name) => name.clone(),
        Host::V6(ip) => ip.to_string(),
        Host::Scoped(ip, zone) => format!("{ip}%{zone}"),
    }
}

/// Opens a control connection.
pub(super) async fn dial(
    target: &ServerTarget,
    tls: &TlsClient,
    resolver: &Resolver,
) -> Result<OpenConnection, ConnectionError> {
    let host = plain_host(&target.host);
    let mut addresses = resolver.resolve(&host).await?;
    addresses.truncate(MAX_ADDRESSES);
    addresses.iter_mut().for_each(|address| address.set_port(target.port));
    let (stream, server, address) = race(addresses, &host, tls).await?;
    let upgrade = timeout(HANDSHAKE_TIMEOUT, upgrade(target, stream)).await;
    let stream = upgrade.map_err(|_| ConnectionError::NoAnswer)??;
    Ok(OpenConnection { stream, server, address })
}

type Secured = (TlsStream<TcpStream>, Pin, SocketAddr);

/// Tries the addresses in order, each [`STAGGER`] after the last or as soon as that one has failed. The first server
/// that shows the right key wins; one that shows another key does not end the race.
async fn race(addresses: Vec<SocketAddr>, host: &str, tls: &TlsClient) -> Result<Secured, ConnectionError> {
    let mut errors = Vec::new();
    let mut attempts = JoinSet::new();
    let (results, mut finished) = mpsc::unbounded_channel();
    let mut waiting = addresses.into_iter();
    let mut running = 0;
    loop {
        if let Some(address) = waiting.next() {
            let (results, host, tls) = (results.clone(), host.to_owned(), tls.clone());
            running += 1;
            attempts.spawn(async move {
                let _ = results.send(attempt(address, &host, &tls).await);
            });
        } else if running == 0 {
            return Err(ConnectionError::most_telling(errors));
        }
        let last = waiting.as_slice().is_empty();
        // After the last address there is nothing left to start: every attempt ends by its own limits.
        let limit = if last { CONNECT_TIMEOUT + HANDSHAKE_TIMEOUT } else { STAGGER };
        match timeout(limit, finished.recv()).await {
            // Dropping the set aborts the others.
            Ok(Some(Ok(secured))) => return Ok(secured),
            Ok(Some(Err(error))) => {
                running -= 1;
                errors.push(error);
            }
            Ok(None) => return Err(ConnectionError::Closed),
            Err(_) if last => return Err(ConnectionError::NoAnswer),
            Err(_) => {}
        }
    }
}

async fn attempt(address: SocketAddr, host: &str, tls: &TlsClient) -> Result<Secured, ConnectionError> {
    let connected = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
    let tcp = connected.map_err(|_| ConnectionError::NoAnswer)?.map_err(|e| ConnectionError::of_connect(&e))?;
    // Messages are short and awaited.
    let _ = tcp.set_nodelay(true);
    let shaken = timeout(HANDSHAKE_TIMEOUT, tls.handshake(host, tcp)).await;
    let (stream, pin) = shaken.map_err(|_| ConnectionError::NoAnswer)??;
    Ok((stream, pin, address))
}

async fn upgrade(
    target: &ServerTarget,
    stream: TlsStream<TcpStream>,
) -> Result<WebSocketStream<TlsStream<TcpStream>>, ConnectionError> {
    let config = WebSocketConfig::default().max_message_size(Some(MAX_TEXT)).max_frame_size(Some(MAX_TEXT));
    // Only a virtual host would read the name. A URL holds no letters beyond ASCII and, for this library, no zone.
    let host = match &target.host {
        Host::Name(name) if !name.is_ascii() => "rtjam".to_owned(),
        Host::Scoped(ip, _) => Host::V6(*ip).to_string(),
        host => host.to_string(),
    };
    let url = format!("ws://{host}:{}{PATH}", target.port);
    match tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await {
        Ok((stream, _)) => Ok(stream),
        Err(tokio_tungstenite::tungstenite::Error::Io(_)) => Err(ConnectionError::Closed),
        Err(_) => Err(ConnectionError::NotRtjam),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, PublicKeyData};
    use rtjam_protocol::link::Trust;
    use rtjam_protocol::seal::ring::pin_of;
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::time::Instant;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
    }

    fn address(listener: &TcpListener) -> SocketAddr {
        listener.local_addr().expect("an address")
    }

    /// An address whose backlog is full: SYNs to it are dropped, as on a dead route. It lasts as long as the second value.
    fn dead() -> (SocketAddr, impl Sized) {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port");
        socket.listen(0).expect("listening");
        let listener = TcpListener::from(socket);
        let to = address(&listener);
        let fill = || std::net::TcpStream::connect_timeout(&to, Duration::from_millis(300)).ok();
        let taken: Vec<_> = std::iter::repeat_with(fill).take_while(Option::is_some).take(8).collect();
        (to, (listener, taken))
    }

    /// A server that does TLS handshakes on a thread which ends with the test process.
    fn server() -> (SocketAddr, TlsClient, Pin) {
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::default().self_signed(&key).expect("a certificate").der().clone();
        let pin = pin_of(&key.subject_public_key_info());
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
        let mut config = builder.with_single_cert(vec![certificate], der).expect("a pair");
        config.alpn_protocols = vec![rtjam_protocol::control::ALPN.to_vec()];
        let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").expect("a port"));
        let to = address(&listener);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).expect("a connection");
                let _ = tls.complete_io(&mut stream);
            }
        });
        (to, TlsClient::new(&Trust::Pinned(pin)).expect("TLS"), pin)
    }

    /// A dead first address costs one stagger of 200 ms.
    #[test]
    fn dead_address_delays_by_one_stagger() {
        let (live, tls, pin) = server();
        let (dead, _keep) = dead();
        let begun = Instant::now();
        let won = runtime().block_on(race(vec![dead, live], "localhost", &tls));
        assert_eq!(won.map(|(_, shown, address)| (shown, address)).ok(), Some((pin, live)));
        let took = begun.elapsed();
        assert!(took >= STAGGER && took < Duration::from_secs(1), "{took:?}");
    }

    /// A wrong server at the first address does not hide the right one at the second.
    #[test]
    fn wrong_server_does_not_win() {
        let (live, tls, pin) = server();
        let (wrong, _, _) = server();
        let won = runtime().block_on(race(vec![wrong, live], "localhost", &tls));
        assert_eq!(won.map(|(_, shown, _)| shown).ok(), Some(pin));
    }

    /// A link that trusts the system's root certificates trusts no self-signed one.
    #[test]
    fn system_roots_reject_self_signed() {
        let (wrong, _, _) = server();
        let tls = TlsClient::new(&Trust::SystemRoots).expect("TLS");
        let reported = runtime().block_on(race(vec![wrong], "localhost", &tls)).err();
        assert!(matches!(reported, Some(ConnectionError::Certificate(_))), "{reported:?}");
    }

    /// A wrong server is reported only if no other address could become the right one.
    #[test]
    fn wrong_server_is_reported_last() {
        let (wrong, _, _) = server();
        let tls = TlsClient::new(&Trust::Pinned(Pin([3; 16]))).expect("TLS");
        let closed = address(&TcpListener::bind("127.0.0.1:0").expect("a port"));
        let reported = |addresses| runtime().block_on(race(addresses, "localhost", &tls)).err();
        assert_eq!(reported(vec![wrong]), Some(ConnectionError::WrongServer));
        assert_eq!(reported(vec![wrong, closed]), Some(ConnectionError::NothingListens));
        assert_eq!(reported(vec![closed, wrong]), Some(ConnectionError::NothingListens));
    }
}
