//! Opens datagrams: the only place where a thread holds an opened packet of a musician.
//!
//! Answers and goodbyes are handled at once, whatever the load. Audio waits in the forward queue until all datagrams of the
//! round are opened. What a session sends beyond its [budget](super::policer) is dropped here.

use super::counters::{Dropped, ThreadCounters};
use super::forward_queue::{ForwardQueue, RoomNumber};
use super::route::LocalEndpoint;
use super::session::{Life, MediaSession};
use crate::platform::DatagramArrival;
use rtjam_protocol::Micros;
use rtjam_protocol::SessionId;
use rtjam_protocol::datagram::{DatagramHeader, MAX_DATAGRAM, kind};
use rtjam_protocol::retransmit::Feedback;
use rtjam_protocol::seal::Rejected;
use std::collections::HashMap;

/// What the thread must do about a datagram, besides forwarding its audio.
pub(super) struct DatagramEffect {
    pub(super) session: SessionId,
    pub(super) goodbye: bool,
    /// NACKs of the client, with its room.
    pub(super) feedback: Option<(RoomNumber, Feedback)>,
    /// Set when the session exceeds its rate limit: how many datagrams have been dropped since it began.
    pub(super) over_rate: Option<u64>,
}

/// A received datagram.
pub(super) struct InboundDatagram<'a> {
    pub(super) now: Micros,
    /// Index of the thread's socket.
    pub(super) socket: usize,
    pub(super) arrival: DatagramArrival,
    pub(super) bytes: &'a mut [u8],
}

impl InboundDatagram<'_> {
    /// Opens the datagram for its session and queues its audio. `None` when it was dropped, which is counted.
    pub(super) fn handle(
        self,
        sessions: &mut HashMap<SessionId, MediaSession>,
        queue: &mut ForwardQueue,
        counters: &ThreadCounters,
        challenge: impl FnOnce() -> [u8; 8],
    ) -> Option<DatagramEffect> {
        let InboundDatagram { now, socket, arrival, bytes } = self;
        let (session, heard) = match open(now, &arrival, bytes, sessions, challenge) {
            Ok(opened) => opened,
            Err(why) => {
                counters.count_dropped(why);
                return None;
            }
        };
        counters.received.increment();
        let arrived = Micros(now.0.saturating_sub(arrival.waited.0));
        let admitted = session.policer.admits(now);
        let mut effect =
            DatagramEffect { session: session.peer.session(), goodbye: heard.goodbye, feedback: None, over_rate: None };
        if !admitted {
            counters.count_dropped(Dropped::OverRate);
        } else {
            effect.feedback = heard.feedback.map(|feedback| (session.room, feedback));
            if let Err(why) = session.queue_audio(now, arrived, heard.plain, queue) {
                counters.count_dropped(why);
            }
        }
        if session.policer.poll_offence(now) {
            effect.over_rate = Some(session.policer.dropped());
        }
        session.record_arrival(arrival.from, LocalEndpoint { socket, address: arrival.local }, heard.moved_to);
        Some(effect)
    }
}

impl MediaSession {
    /// Queues what an opened datagram brings for others.
    fn queue_audio(
        &mut self,
        now: Micros,
        arrived: Micros,
        plain: &[u8],
        queue: &mut ForwardQueue,
    ) -> Result<(), Dropped> {
        if !self.sends {
            let is_audio = plain.first() == Some(&kind::AUDIO);
            return if is_audio { Err(Dropped::ListenerPlays) } else { Ok(()) };
        }
        self.uplink.handle_frames(arrived, plain);
        let MediaSession { peer, policer, source, .. } = self;
        let mut granted = true;
        let fitted = queue.push(self.room, peer.session(), *source, arrived, |out| {
            granted = policer.permits(now, &peer.forwardable_frames(plain, *source, out));
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

type Opened<'s, 'd> = (&'s mut MediaSession, rtjam_protocol::server::ReceivedDatagram<'d>);

fn open<'s, 'd>(
    now: Micros,
    arrival: &DatagramArrival,
    bytes: &'d mut [u8],
    sessions: &'s mut HashMap<SessionId, MediaSession>,
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
