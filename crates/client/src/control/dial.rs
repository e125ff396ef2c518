//! From a link to an open WebSocket: addresses raced (RFC 8305, "happy eyeballs"), TLS, upgrade. Everything is bounded
//! in time.

use super::error::Trouble;
use super::resolve::Resolver;
use super::tls::Tls;
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

/// The next address is tried when this one has not answered for so long.
const STAGGER: Duration = Duration::from_millis(200);

/// An address that takes no connection for so long is given up. Long enough for two lost SYNs; the session begins
/// another dial beside this one long before.
const CONNECT_PATIENCE: Duration = Duration::from_millis(2500);

/// TLS, and after it the upgrade, may take so long each.
const HANDSHAKE_PATIENCE: Duration = Duration::from_millis(2500);

/// More addresses than that are not tried.
const MAX_ADDRESSES: usize = 8;

/// Where a server is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) host: Host,
    pub(super) port: u16,
}

/// A control connection on which nothing was said yet.
pub(super) struct Opened {
    pub(super) stream: WebSocketStream<TlsStream<TcpStream>>,
    /// Of the key that the server showed.
    pub(super) server: Pin,
    pub(super) address: SocketAddr,
}

/// The host as the system's calls want it: IPv6 without brackets.
pub(super) fn plain_host(host: &Host) -> String {
    match host {
        Host::Name(name) => name.clone(),
        Host::V6(ip) => ip.to_string(),
        Host::Scoped(ip, zone) => format!("{ip}%{zone}"),
    }
}

/// Opens a control connection.
pub(super) async fn dial(place: &Place, tls: &Tls, resolver: &Resolver) -> Result<Opened, Trouble> {
    let host = plain_host(&place.host);
    let mut addresses = resolver.resolve(&host).await?;
    addresses.truncate(MAX_ADDRESSES);
    addresses.iter_mut().for_each(|address| address.set_port(place.port));
    let (stream, server, address) = race(addresses, &host, tls).await?;
    let upgrade = timeout(HANDSHAKE_PATIENCE, upgrade(place, stream)).await;
    let stream = upgrade.map_err(|_| Trouble::Silent)??;
    Ok(Opened { stream, server, address })
}

type Secured = (TlsStream<TcpStream>, Pin, SocketAddr);

/// Tries the addresses one after the other, each some time after the one before or as soon as that one failed. The
/// first that shows the right key wins: an address where a stranger listens takes nobody out of the race.
async fn race(addresses: Vec<SocketAddr>, host: &str, tls: &Tls) -> Result<Secured, Trouble> {
    let mut troubles = Vec::new();
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
            return Err(Trouble::most_telling(troubles));
        }
        let last = waiting.as_slice().is_empty();
        // Without a next address there is nothing to be in a hurry for; every attempt ends by itself.
        let patience = if last { CONNECT_PATIENCE + HANDSHAKE_PATIENCE } else { STAGGER };
        match timeout(patience, finished.recv()).await {
            // Dropping the set aborts the others.
            Ok(Some(Ok(secured))) => return Ok(secured),
            Ok(Some(Err(trouble))) => {
                running -= 1;
                troubles.push(trouble);
            }
            Ok(None) => return Err(Trouble::Lost),
            Err(_) if last => return Err(Trouble::Silent),
            Err(_) => {}
        }
    }
}

async fn attempt(address: SocketAddr, host: &str, tls: &Tls) -> Result<Secured, Trouble> {
    let connected = timeout(CONNECT_PATIENCE, TcpStream::connect(address)).await;
    let tcp = connected.map_err(|_| Trouble::Silent)?.map_err(|e| Trouble::of_connect(&e))?;
    // Messages are short, and somebody waits for each.
    let _ = tcp.set_nodelay(true);
    let shaken = timeout(HANDSHAKE_PATIENCE, tls.handshake(host, tcp)).await;
    let (stream, pin) = shaken.map_err(|_| Trouble::Silent)??;
    Ok((stream, pin, address))
}

async fn upgrade(
    place: &Place,
    stream: TlsStream<TcpStream>,
) -> Result<WebSocketStream<TlsStream<TcpStream>>, Trouble> {
    let config = WebSocketConfig::default().max_message_size(Some(MAX_TEXT)).max_frame_size(Some(MAX_TEXT));
    // Only a virtual host would look at the name. A URL can hold neither letters beyond ASCII nor, for this library, a zone.
    let host = match &place.host {
        Host::Name(name) if !name.is_ascii() => "rtjam".to_owned(),
        Host::Scoped(ip, _) => Host::V6(*ip).to_string(),
        host => host.to_string(),
    };
    let url = format!("ws://{host}:{}{PATH}", place.port);
    match tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await {
        Ok((stream, _)) => Ok(stream),
        Err(tokio_tungstenite::tungstenite::Error::Io(_)) => Err(Trouble::Lost),
        Err(_) => Err(Trouble::NotRtjam),
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

    /// An address whose backlog is full: SYNs to it are dropped, as on a dead route. Lives as long as what comes with it.
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

    /// A server that shakes hands with whoever comes, on a thread that ends with the test process.
    fn server() -> (SocketAddr, Tls, Pin) {
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
        (to, Tls::new(&Trust::Pinned(pin)).expect("TLS"), pin)
    }

    #[test]
    fn a_dead_address_costs_a_fifth_of_a_second_and_not_the_connection() {
        let (live, tls, pin) = server();
        let (dead, _keep) = dead();
        let begun = Instant::now();
        let won = runtime().block_on(race(vec![dead, live], "localhost", &tls));
        assert_eq!(won.map(|(_, shown, address)| (shown, address)).ok(), Some((pin, live)));
        let took = begun.elapsed();
        assert!(took >= STAGGER && took < Duration::from_secs(1), "{took:?}");
    }

    #[test]
    fn a_stranger_at_the_first_address_does_not_keep_us_from_the_second() {
        let (live, tls, pin) = server();
        let (stranger, _, _) = server();
        let won = runtime().block_on(race(vec![stranger, live], "localhost", &tls));
        assert_eq!(won.map(|(_, shown, _)| shown).ok(), Some(pin));
    }

    #[test]
    fn a_link_that_trusts_the_systems_roots_trusts_no_other_certificate() {
        let (stranger, _, _) = server();
        let tls = Tls::new(&Trust::SystemRoots).expect("TLS");
        let told = runtime().block_on(race(vec![stranger], "localhost", &tls)).err();
        assert!(matches!(told, Some(Trouble::Certificate(_))), "{told:?}");
    }

    #[test]
    fn a_stranger_is_told_only_where_there_is_nobody_else() {
        let (stranger, _, _) = server();
        let tls = Tls::new(&Trust::Pinned(Pin([3; 16]))).expect("TLS");
        let closed = address(&TcpListener::bind("127.0.0.1:0").expect("a port"));
        let told = |addresses| runtime().block_on(race(addresses, "localhost", &tls)).err();
        assert_eq!(told(vec![stranger]), Some(Trouble::WrongServer));
        assert_eq!(told(vec![stranger, closed]), Some(Trouble::NothingListens));
        assert_eq!(told(vec![closed, stranger]), Some(Trouble::NothingListens));
    }
}
