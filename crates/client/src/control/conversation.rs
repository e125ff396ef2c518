//! One control connection from dialling to hanging up.

use super::dial::{self, Opened, Place};
use super::error::Trouble;
use super::resolve::Resolver;
use super::tls::Tls;
use super::{Connection, Report, Reports};
use futures_util::future::{Either, select};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use rtjam_protocol::control::{self, ClientMessage};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};

/// The session pings every 8 s, and is answered. Silence of this length is a dead connection that TCP has not noticed:
/// without a new one, nobody would tell us who comes and goes.
const SILENCE: Duration = Duration::from_secs(20);

/// A peer that does not take our last words for so long does not get them.
const LAST_WORDS: Duration = Duration::from_millis(150);

/// Reports that may wait for `jam-send`. Beyond that the server is not read, which is all the harm that it does.
const MAX_WAITING: usize = 256;

/// Dials, then passes messages both ways until either end hangs up. We hang up by dropping the sender of `words`.
pub(super) async fn hold(
    connection: Connection,
    place: Place,
    tls: Tls,
    resolver: Resolver,
    mut words: UnboundedReceiver<ClientMessage>,
    reports: Reports,
) {
    let dialled = {
        let dialling = pin!(dial::dial(&place, &tls, &resolver));
        // Nothing is said before the connection is open.
        let hung_up = pin!(async { while words.recv().await.is_some() {} });
        match select(dialling, hung_up).await {
            Either::Left((dialled, _)) => dialled,
            Either::Right(_) => return,
        }
    };
    match dialled {
        Ok(Opened { stream, server, address }) => {
            reports.tell(Report::Opened { connection, server, address });
            let (sink, stream) = stream.split();
            let speaking = pin!(speak(sink, words));
            let listening = pin!(listen(connection, stream, &reports));
            match select(speaking, listening).await {
                // A connection that takes no more words is reported closed like any other.
                Either::Left((_, _)) => reports.tell(Report::Closed(connection, Trouble::Lost)),
                Either::Right((trouble, _)) => reports.tell(Report::Closed(connection, trouble)),
            }
        }
        Err(trouble) => reports.tell(Report::Closed(connection, trouble)),
    }
}

/// Says all words; ends when there are no more to come, or the peer is gone.
async fn speak(mut sink: impl Sink<Message, Error = Error> + Unpin, mut words: UnboundedReceiver<ClientMessage>) {
    while let Some(message) = words.recv().await {
        if sink.send(Message::text(control::write(&message))).await.is_err() {
            return;
        }
    }
    let _ = timeout(LAST_WORDS, sink.close()).await;
}

/// Reports what the server says, until it is silent for too long, hangs up, or says what is none of our messages.
async fn listen(
    connection: Connection,
    mut stream: impl Stream<Item = Result<Message, Error>> + Unpin,
    reports: &Reports,
) -> Trouble {
    loop {
        let heard = match timeout(SILENCE, stream.next()).await {
            Ok(Some(Ok(message))) => message,
            Err(_) => return Trouble::Silent,
            Ok(_) => return Trouble::Lost,
        };
        match heard {
            Message::Text(text) => match control::read(&text) {
                Ok(message) => reports.tell(Report::Said(connection, message)),
                Err(_) => return Trouble::NotRtjam,
            },
            Message::Close(_) => return Trouble::Lost,
            // Pings are answered by the library.
            _ => {}
        }
        while reports.channel.len() > MAX_WAITING {
            sleep(Duration::from_millis(5)).await;
        }
    }
}
