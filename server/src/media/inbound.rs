//! What comes in: the one place where a thread holds a musician's opened packet, and all that was asked in it.
//!
//! Answers and goodbyes are seen to at once, whatever the load. Audio waits until all that arrived with it is opened. What
//! a session sends beyond its [budget](super::police) is dropped here.

use super::command::RoomKey;
use super::counters::{Counters, Dropped};
use super::route::Via;
use super::session::{Life, Session};
use super::socket::Arrival;
use super::waiting::Waiting;
use rtjam_protocol::Micros;
use rtjam_protocol::SessionId;
use rtjam_protocol::datagram::{DatagramHeader, MAX_DATAGRAM, kind};
use rtjam_protocol::retransmit::Feedback;
use rtjam_protocol::seal::Rejected;
use std::collections::HashMap;

/// What a datagram meant for its session.
pub(super) struct Effect {
    pub(super) session: SessionId,
    pub(super) goodbye: bool,
    /// What the musician misses, and in which room.
    pub(super) feedback: Option<(RoomKey, Feedback)>,
    /// The session sends more than it may: how many datagrams were dropped for that, since it began.
    pub(super) offends: Option<u64>,
}

/// A datagram as it lies in the inbox.
pub(super) struct Incoming<'a> {
    pub(super) now: Micros,
    /// Which of the thread's sockets.
    pub(super) socket: usize,
    pub(super) arrival: Arrival,
    pub(super) bytes: &'a mut [u8],
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
        let Incoming { now, socket, arrival, bytes } = self;
        let (session, heard) = match open(now, &arrival, bytes, sessions, challenge) {
            Ok(opened) => opened,
            Err(why) => {
                counters.dropped(why);
                return None;
            }
        };
        counters.received.add();
        let arrived = Micros(now.0.saturating_sub(arrival.waited.0));
        let admitted = session.policer.admits(now);
        let mut effect =
            Effect { session: session.peer.session(), goodbye: heard.goodbye, feedback: None, offends: None };
        if !admitted {
            counters.dropped(Dropped::OverRate);
        } else {
            effect.feedback = heard.feedback.map(|feedback| (session.room, feedback));
            if let Err(why) = session.pass_on(now, arrived, heard.plain, waiting) {
                counters.dropped(why);
            }
        }
        if session.policer.offends(now) {
            effect.offends = Some(session.policer.dropped());
        }
        session.note_arrival(arrival.from, Via { socket, local: arrival.local }, heard.moved_to);
        Some(effect)
    }
}

impl Session {
    /// What others shall hear of a datagram that opened begins to wait.
    fn pass_on(&mut self, now: Micros, arrived: Micros, plain: &[u8], waiting: &mut Waiting) -> Result<(), Dropped> {
        if !self.sends {
            let plays = plain.first() == Some(&kind::AUDIO);
            return if plays { Err(Dropped::ListenerPlays) } else { Ok(()) };
        }
        self.uplink.hear(arrived, plain);
        let Session { peer, policer, source, .. } = self;
        let mut granted = true;
        let fitted = waiting.push(self.room, peer.session(), *source, arrived, |out| {
            granted = policer.forwards(now, &peer.forwardable_frames(plain, *source, out));
            if !granted {
                out.clear();
            }
        });
        match (fitted, granted) {
            (true, true) => Ok(()),
            (true, false) => Err(Dropped::OverRate),
            (false, _) => Err(Dropped::OverShare),
        }
    }
}

type Opened<'s, 'd> = (&'s mut Session, rtjam_protocol::server::ReceivedDatagram<'d>);

fn open<'s, 'd>(
    now: Micros,
    arrival: &Arrival,
    bytes: &'d mut [u8],
    sessions: &'s mut HashMap<SessionId, Session>,
    challenge: impl FnOnce() -> [u8; 8],
) -> Result<Opened<'s, 'd>, Dropped> {
    let header = DatagramHeader::read(bytes).filter(|_| arrival.len <= MAX_DATAGRAM).ok_or(Dropped::NotOurs)?;
    let live = sessions.get_mut(&header.session).filter(|s| s.life == Life::Live);
    let session = live.ok_or(Dropped::UnknownSession)?;
    if !session.policer.may_open(now, session.peer.knows(arrival.from)) {
        return Err(Dropped::TooManyOpens);
    }
    let heard = session.peer.handle_datagram(now, arrival.from, bytes, challenge).map_err(|e| match e {
        Rejected::NotOurs => Dropped::NotOurs,
        Rejected::Replayed => Dropped::Replayed,
        Rejected::DidNotOpen | Rejected::Exhausted => Dropped::DidNotOpen,
        Rejected::TooManyLanes => Dropped::TooManyLanes,
    })?;
    Ok((session, heard))
}
