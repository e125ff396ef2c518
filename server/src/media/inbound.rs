//! What comes in: the one place where a thread holds a musician's opened packet, and all that was asked in it.
//!
//! Answers and goodbyes are seen to at once, whatever the load. Audio waits until all that arrived with it is opened.

use super::command::RoomKey;
use super::counters::{Counters, Dropped};
use super::route::Via;
use super::session::{Life, Session};
use super::socket::Arrival;
use super::waiting::Waiting;
use rtjam_protocol::Micros;
use rtjam_protocol::SessionId;
use rtjam_protocol::datagram::{Header, MAX_DATAGRAM, kind};
use rtjam_protocol::recovery::Feedback;
use rtjam_protocol::seal::Rejected;
use std::collections::HashMap;

/// What a datagram meant for its session.
pub(super) struct Effect {
    pub(super) session: SessionId,
    pub(super) goodbye: bool,
    /// What the musician misses, and in which room.
    pub(super) feedback: Option<(RoomKey, Feedback)>,
}

/// A datagram as it lies in the inbox.
pub(super) struct Incoming<'a> {
    pub(super) now: Micros,
    /// Which of the thread's sockets.
    pub(super) socket: usize,
    pub(super) arrival: Arrival,
    pub(super) bytes: &'a mut [u8],
    /// The thread cannot keep up, and this has waited too long.
    pub(super) too_old: bool,
}

impl Incoming<'_> {
    /// Opens the datagram and takes it to its session; what others shall hear of it begins to wait. `None` when it
    /// was dropped, which is counted.
    pub(super) fn take(
        self,
        sessions: &mut HashMap<SessionId, Session>,
        waiting: &mut Waiting,
        counters: &Counters,
        challenge: impl FnOnce() -> [u8; 8],
    ) -> Option<Effect> {
        let Incoming { now, socket, arrival, bytes, too_old } = self;
        let (session, heard) = match open(now, &arrival, bytes, sessions, challenge) {
            Ok(opened) => opened,
            Err(why) => {
                counters.dropped(why);
                return None;
            }
        };
        counters.received.add();
        let feedback = heard.feedback.map(|feedback| (session.room, feedback));
        let effect = Effect { session: session.peer.session(), goodbye: heard.goodbye, feedback };
        if session.sends {
            let arrived = Micros(now.0.saturating_sub(arrival.waited.0));
            session.uplink.hear(arrived, heard.plain);
            if !too_old {
                let (peer, source) = (&mut session.peer, session.source);
                waiting.push(session.room, effect.session, source, arrived, |out| {
                    peer.forwardable(heard.plain, source, out);
                });
            } else if heard.plain.first() == Some(&kind::AUDIO) {
                counters.dropped(Dropped::TooOld);
            }
        } else if heard.plain.first() == Some(&kind::AUDIO) {
            counters.dropped(Dropped::ListenerPlays);
        }
        session.note_arrival(arrival.from, Via { socket, local: arrival.local }, heard.moved_to);
        Some(effect)
    }
}

type Opened<'s, 'd> = (&'s mut Session, rtjam_protocol::peer::Heard<'d>);

fn open<'s, 'd>(
    now: Micros,
    arrival: &Arrival,
    bytes: &'d mut [u8],
    sessions: &'s mut HashMap<SessionId, Session>,
    challenge: impl FnOnce() -> [u8; 8],
) -> Result<Opened<'s, 'd>, Dropped> {
    let header = Header::read(bytes).filter(|_| arrival.len <= MAX_DATAGRAM).ok_or(Dropped::NotOurs)?;
    let live = sessions.get_mut(&header.session).filter(|s| s.life == Life::Live);
    let session = live.ok_or(Dropped::UnknownSession)?;
    let heard = session.peer.handle_datagram(now, arrival.from, bytes, challenge).map_err(|e| match e {
        Rejected::NotOurs => Dropped::NotOurs,
        Rejected::Replayed => Dropped::Replayed,
        Rejected::DidNotOpen => Dropped::DidNotOpen,
    })?;
    Ok((session, heard))
}
