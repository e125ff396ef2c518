//! The acceptor: a thread of its own, of low priority, for everyone who has no seat yet.
//!
//! It accepts connections, does TLS handshakes, and answers HTTP requests. A control connection moves to the main
//! thread when it is seated. So whatever strangers ask for, those who play and their control messages do not wait
//! for it.
//!
//! | module | what lives there |
//! |---|---|
//! | `places` | the half-open connections: which must close |
//! | `handshakes` | the queue for TLS handshakes |

mod handshakes;
mod places;

pub use places::{Place, Places};

use crate::http::Http;
use crate::limits::{AddressKey, Stage};
use crate::open_files;
use crate::thread_end::EndNotice;
use handshakes::Handshakes;
use socket2::SockRef;
use std::io;
use std::net::{IpAddr, TcpListener as StdTcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{interval, sleep};
use tokio_rustls::LazyConfigAcceptor;

/// TLS's first byte: a handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

/// Places for half-open connections of strangers, and for those of addresses that have sessions.
const STRANGERS: u64 = 1024;
const KNOWN: u64 = 256;

/// How often connections without progress are looked for.
const SWEEP: Duration = Duration::from_millis(250);

/// How far below others the thread is scheduled (`nice`).
const NICENESS: i32 = 5;

/// The running thread. Dropping it closes what it still serves.
pub struct AcceptorThread {
    stop: Option<oneshot::Sender<()>>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread works with.
#[derive(Clone)]
struct Acceptor {
    http: Http,
    places: Places,
    handshakes: Handshakes,
    /// Where control connections go when they are seated: it watches their sockets from the handshake on.
    seated: Handle,
}

/// How many places there are for strangers and for known addresses: a part of the files that may be open.
pub fn places() -> (usize, usize) {
    let files = open_files::allowed().unwrap_or(u64::MAX);
    let part = |most: u64, part: u64| usize::try_from(most.min(files / part)).unwrap_or(1);
    (part(STRANGERS, 4), part(KNOWN, 16))
}

impl AcceptorThread {
    /// Starts the thread. `seated` is the runtime for seated control connections.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        listeners: Vec<StdTcpListener>,
        http: Http,
        places: Places,
        seated: Handle,
        notice: EndNotice,
    ) -> io::Result<AcceptorThread> {
        let handshakes = Handshakes::new(http.clock());
        let acceptor = Acceptor { http, places, handshakes, seated };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            // Handshakes are long steps; between few of them new connections are looked for.
            .event_interval(8)
            .build()?;
        let listeners = {
            let _inside = runtime.enter();
            listeners.into_iter().map(TcpListener::from_std).collect::<io::Result<Vec<_>>>()?
        };
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("acceptor".to_owned()).spawn(move || {
            let _notice = notice;
            be_nice();
            runtime.block_on(acceptor.run(listeners, stopped, ended));
            runtime.shutdown_background();
        })?;
        Ok(AcceptorThread { stop: Some(stop), end: Some(end), thread: Some(thread) })
    }

    /// Nobody is accepted any more; those who are there are still served.
    pub fn stop(&mut self) {
        self.stop = None;
    }
}

impl Drop for AcceptorThread {
    fn drop(&mut self) {
        (self.stop, self.end) = (None, None);
        // Fails when the thread panicked, which it has printed.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Acceptor {
    /// Until `stopped`, accepts; until `ended`, serves. Each resolves when its sender is dropped.
    async fn run(self, listeners: Vec<TcpListener>, stopped: oneshot::Receiver<()>, ended: oneshot::Receiver<()>) {
        let accepting: Vec<_> = listeners.into_iter().map(|l| tokio::spawn(self.clone().accept(l))).collect();
        tokio::spawn(self.handshakes.clone().run());
        tokio::spawn(sweep(self.places.clone()));
        let _ = stopped.await;
        accepting.iter().for_each(tokio::task::JoinHandle::abort);
        let _ = ended.await;
    }

    async fn accept(self, listener: TcpListener) {
        let mut failing = false;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    failing = false;
                    let peer = peer.ip();
                    let place = Arc::new(self.places.enter(peer, self.http.trusts(peer)));
                    // Until it has been answered, nobody is owed a proper end.
                    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                    let acceptor = self.clone();
                    tokio::spawn(async move {
                        tokio::select! {
                            () = place.evicted() => {}
                            () = acceptor.serve(stream, peer, &place) => {}
                        }
                    });
                }
                Err(e) => {
                    if !failing {
                        tracing::warn!("connections cannot be accepted ({e}); raise the limit of open files");
                    }
                    failing = true;
                    // Out of file descriptors, most likely; some will be free again soon.
                    self.places.evict();
                    sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }

    async fn serve(self, stream: TcpStream, peer: IpAddr, place: &Arc<Place>) {
        // Control messages are small and each is awaited.
        let _ = stream.set_nodelay(true);
        let mut first = [0];
        if !matches!(stream.peek(&mut first).await, Ok(1)) {
            return;
        }
        // Boxed, so that those who say nothing cost no memory for it.
        if first[0] == TLS_HANDSHAKE {
            Box::pin(self.shake_hands(stream, peer, place)).await;
        } else {
            deliver_before_closing(&stream);
            Box::pin(self.http.speak(stream, peer, false, place)).await;
        }
    }

    async fn shake_hands(self, stream: TcpStream, peer: IpAddr, place: &Arc<Place>) {
        let Ok(stream) = self.watched_where_the_seated_are(stream) else { return };
        let Ok(start) = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await else { return };
        let Some(permit) = self.handshakes.turn(AddressKey::of(peer)).await else { return };
        // Here is the work: key exchange and signature.
        let handshake = start.into_stream(self.http.tls());
        drop(permit);
        let Ok(stream) = handshake.await else { return };
        place.advance(Stage::Secured);
        deliver_before_closing(stream.get_ref().0);
        self.http.speak(stream, peer, true, place).await;
    }

    fn watched_where_the_seated_are(&self, stream: TcpStream) -> io::Result<TcpStream> {
        let stream = stream.into_std()?;
        let _inside = self.seated.enter();
        TcpStream::from_std(stream)
    }
}

/// From now on what was sent is delivered before the connection ends.
fn deliver_before_closing(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(None);
}

async fn sweep(places: Places) {
    let mut again = interval(SWEEP);
    loop {
        again.tick().await;
        places.expire();
    }
}

/// Gives the calling thread a lower priority than others of this process.
#[cfg(target_os = "linux")]
fn be_nice() {
    // SAFETY: the call takes numbers and has no memory effects; 0 names the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
}

/// Elsewhere a priority is the whole process's.
#[cfg(not(target_os = "linux"))]
fn be_nice() {
    let _ = NICENESS;
}
