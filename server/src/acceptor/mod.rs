//! The acceptor: a thread of low priority for all connections that have no seat yet.
//!
//! It accepts connections, does TLS handshakes, and answers HTTP requests. A control connection moves to the main thread
//! when it is seated, so what strangers ask for delays neither audio nor the control messages of musicians.

mod handshake_limiter;

use crate::failure::ExitGuard;
use crate::http::HttpService;
use crate::limits::{AddressKey, ConnectionStage, HalfOpenConnections, HalfOpenGuard};
use crate::system;
use handshake_limiter::HandshakeLimiter;
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

/// The first byte of a TLS connection: a handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

/// The most half-open connections of strangers, and of addresses that have sessions.
const STRANGERS: u64 = 1024;
const KNOWN: u64 = 256;

/// How often connections that have timed out are closed.
const EXPIRE_INTERVAL: Duration = Duration::from_millis(250);

/// The running thread. Dropping it closes its connections and waits until it has ended.
pub struct AcceptorThread {
    stop: Option<oneshot::Sender<()>>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone)]
struct Acceptor {
    http: HttpService,
    half_open: HalfOpenConnections,
    handshakes: HandshakeLimiter,
    /// The runtime for seated control connections. It polls a socket from the handshake on, so that the connection can
    /// move there.
    seated: Handle,
}

/// The number of places for strangers and for known addresses, each a part of the open files that the system allows.
pub fn half_open_capacity() -> (usize, usize) {
    let files = system::open_file_limit().unwrap_or(u64::MAX);
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
        http: HttpService,
        half_open: HalfOpenConnections,
        seated: Handle,
        exit_guard: ExitGuard,
    ) -> io::Result<AcceptorThread> {
        let handshakes = HandshakeLimiter::new(http.clock());
        let acceptor = Acceptor { http, half_open, handshakes, seated };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            // A handshake takes long, so new connections are polled after every few tasks.
            .event_interval(8)
            .build()?;
        let listeners = {
            let _inside = runtime.enter();
            listeners.into_iter().map(TcpListener::from_std).collect::<io::Result<Vec<_>>>()?
        };
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("acceptor".to_owned()).spawn(move || {
            let _exit_guard = exit_guard;
            rtjam_platform::priority::lower();
            runtime.block_on(acceptor.run(listeners, stopped, ended));
            runtime.shutdown_background();
        })?;
        Ok(AcceptorThread { stop: Some(stop), end: Some(end), thread: Some(thread) })
    }

    /// Accepts no new connections; open ones are still served.
    pub fn stop(&mut self) {
        self.stop = None;
    }
}

impl Drop for AcceptorThread {
    fn drop(&mut self) {
        (self.stop, self.end) = (None, None);
        // Fails when the thread has panicked, which it has already printed.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Acceptor {
    /// Accepts until `stopped` and serves until `ended`. Each resolves when its sender is dropped.
    async fn run(self, listeners: Vec<TcpListener>, stopped: oneshot::Receiver<()>, ended: oneshot::Receiver<()>) {
        let accepting: Vec<_> = listeners.into_iter().map(|l| tokio::spawn(self.clone().accept(l))).collect();
        tokio::spawn(self.handshakes.clone().run());
        tokio::spawn(expire(self.half_open.clone()));
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
                    let guard = Arc::new(self.half_open.enter(peer, self.http.trusts(peer)));
                    // Closing resets the connection as long as nothing was sent that must arrive.
                    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                    let acceptor = self.clone();
                    tokio::spawn(async move {
                        tokio::select! {
                            () = guard.evicted() => {}
                            () = acceptor.serve(stream, peer, &guard) => {}
                        }
                    });
                }
                Err(e) => {
                    if !failing {
                        tracing::warn!("new connections cannot be accepted ({e}); raise the limit of open files");
                    }
                    failing = true;
                    // Most likely the process has no free file descriptor; closing a connection frees one.
                    self.half_open.evict();
                    sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }

    async fn serve(self, stream: TcpStream, peer: IpAddr, guard: &Arc<HalfOpenGuard>) {
        // Control messages are small, and the client waits for each answer.
        let _ = stream.set_nodelay(true);
        let mut first = [0];
        if !matches!(stream.peek(&mut first).await, Ok(1)) {
            return;
        }
        // Boxed, so that silent connections take no memory for it.
        if first[0] == TLS_HANDSHAKE {
            Box::pin(self.serve_tls(stream, peer, guard)).await;
        } else {
            deliver_before_closing(&stream);
            Box::pin(self.http.serve(stream, peer, false, guard)).await;
        }
    }

    async fn serve_tls(self, stream: TcpStream, peer: IpAddr, guard: &Arc<HalfOpenGuard>) {
        let Ok(stream) = self.move_to_seated_runtime(stream) else { return };
        let Ok(start) = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await else { return };
        let Some(permit) = self.handshakes.acquire(AddressKey::of(peer)).await else { return };
        // This does the work: key exchange and signature.
        let handshake = start.into_stream(self.http.tls());
        drop(permit);
        let Ok(stream) = handshake.await else { return };
        guard.advance(ConnectionStage::Secured);
        deliver_before_closing(stream.get_ref().0);
        self.http.serve(stream, peer, true, guard).await;
    }

    fn move_to_seated_runtime(&self, stream: TcpStream) -> io::Result<TcpStream> {
        let stream = stream.into_std()?;
        let _inside = self.seated.enter();
        TcpStream::from_std(stream)
    }
}

/// From now on, closing the connection delivers what was sent.
fn deliver_before_closing(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(None);
}

async fn expire(half_open: HalfOpenConnections) {
    let mut timer = interval(EXPIRE_INTERVAL);
    loop {
        timer.tick().await;
        half_open.expire();
    }
}
