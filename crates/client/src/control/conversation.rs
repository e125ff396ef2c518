//! One control connection from dialling to hanging up.

use super::channel::{ControlReport, ControlReports, JamConnection, ServerTarget};
use super::dial::{self, OpenConnection};
use super::error::ConnectionError;
use super::resolve::Resolver;
use super::tls::TlsClient;
use futures_util::future::{Either, select};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use rtjam_protocol::control::{self, ClientMessage};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};

/// The session pings every 8 s and is answered. After this silence the connection counts as dead, even if TCP has not
/// noticed: roster changes would no longer arrive.
const SILENCE: Duration = Duration::from_secs(20);

/// How long the closing handshake may take.
const CLOSING_TIME: Duration = Duration::from_millis(150);

/// Reports that may wait for `jam-send`. Beyond that nothing is read from the server until some are taken.
const MAX_WAITING: usize = 256;

/// Dials, then passes messages both ways until either end closes the connection. Dropping the sender of `messages`
/// closes it from this end.
pub(super) async fn run(
    connection: JamConnection,
    target: ServerTarget,
    tls: TlsClient,
    resolver: Resolver,
    mut messages: UnboundedReceiver<ClientMessage>,
    reports: ControlReports,
) {
    let dialled = {
        let dialling = pin!(dial::dial(&target, &tls, &resolver));
        // The session sends nothing before the connection is open.
        let hung_up = pin!(async { while messages.recv().await.is_some() {} });
        match select(dialling, hung_up).await {
            Either::Left((dialled, _)) => dialled,
            Either::Right(_) => return,
        }
    };
    match dialled {
        Ok(OpenConnection { stream, server, address }) => {
            reports.send(ControlReport::Opened { connection, server, address });
            let (sink, stream) = stream.split();
            let sending = pin!(send(sink, messages));
            let receiving = pin!(receive(connection, stream, &reports));
            match select(sending, receiving).await {
                // A connection that can no longer send is reported closed like any other.
                Either::Left((_, _)) => reports.send(ControlReport::Closed(connection, ConnectionError::Closed)),
                Either::Right((error, _)) => reports.send(ControlReport::Closed(connection, error)),
            }
        }
        Err(error) => reports.send(ControlReport::Closed(connection, error)),
    }
}

/// Sends all messages; ends when their sender is dropped or the peer is gone.
async fn send(mut sink: impl Sink<Message, Error = Error> + Unpin, mut messages: UnboundedReceiver<ClientMessage>) {
    while let Some(message) = messages.recv().await {
        if sink.send(Message::text(control::write(&message))).await.is_err() {
            return;
        }
    }
    let _ = timeout(CLOSING_TIME, sink.close()).await;
}

/// Reports the server's messages until it is silent for too long, closes, or sends something that is not a message.
async fn receive(
    connection: JamConnection,
    mut stream: impl Stream<Item = Result<Message, Error>> + Unpin,
    reports: &ControlReports,
) -> ConnectionError {
    loop {
        let received = match timeout(SILENCE, stream.next()).await {
            Ok(Some(Ok(message))) => message,
            Err(_) => return ConnectionError::NoAnswer,
            Ok(_) => return ConnectionError::Closed,
        };
        match received {
            Message::Text(text) => match control::read(&text) {
                Ok(message) => reports.send(ControlReport::Received(connection, message)),
                Err(_) => return ConnectionError::NotRtjam,
            },
            Message::Close(_) => return ConnectionError::Closed,
            // The library answers pings.
            _ => {}
        }
        while reports.channel.len() > MAX_WAITING {
            sleep(Duration::from_millis(5)).await;
        }
    }
}
