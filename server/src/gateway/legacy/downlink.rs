//! Receives what the media threads send to the gateway's sessions, over loopback: everyone's packets for all legacy
//! musicians together, or the mix of one.

use rtjam_protocol::datagram::{ClockRequest, DatagramClass, Frame, write_frame};
use rtjam_protocol::seal::ring::CRYPTO;
use rtjam_protocol::seal::{Lane, OpenedDatagram, ReceiveKey, SendLane};
use rtjam_protocol::server::rooms::NewSession;
use rtjam_protocol::{Micros, SessionId};

/// How often the session sends something: until its path is validated, and afterwards to stay alive.
const VALIDATE_EVERY: Micros = Micros::from_millis(260);
const KEEP_ALIVE_EVERY: Micros = Micros::from_secs(1);

/// The server sends something to every session every 200 ms; after this long without anything the session has ended.
const SILENCE: Micros = Micros::from_secs(3);

/// The downlink of one session.
pub(super) struct RoomDownlink {
    pub(super) session: SessionId,
    receive: ReceiveKey,
    lane: SendLane,
    last_sent: Option<Micros>,
    last_heard: Micros,
    has_path: bool,
}

impl RoomDownlink {
    /// `lane` must not have another owner in this session.
    pub(super) fn new(now: Micros, new: &NewSession, lane: Lane) -> RoomDownlink {
        let receive = new.keys.downlink(new.session, new.features, CRYPTO).receive();
        let lane = new.keys.uplink(new.session, new.features, CRYPTO).send_lane(lane);
        RoomDownlink { session: new.session, receive, lane, last_sent: None, last_heard: now, has_path: false }
    }

    /// Opens a datagram, and puts the answer to a challenge into `answer`. `None` if it is not for this session.
    pub(super) fn open<'d>(
        &mut self,
        now: Micros,
        datagram: &'d mut [u8],
        answer: &mut Vec<u8>,
    ) -> Option<OpenedDatagram<'d>> {
        let opened = self.receive.open(now, datagram).ok()?;
        self.last_heard = now;
        answer.clear();
        for frame in opened.frames() {
            match frame {
                Frame::PathChallenge(data) => {
                    self.lane.seal(DatagramClass::Session, answer, |out| write_frame(&Frame::PathResponse(data), out));
                }
                _ => self.has_path = true,
            }
        }
        Some(opened)
    }

    /// Puts a keep-alive into `out` if one is due, and returns whether it is.
    pub(super) fn poll(&mut self, now: Micros, out: &mut Vec<u8>) -> bool {
        let every = if self.has_path { KEEP_ALIVE_EVERY } else { VALIDATE_EVERY };
        if self.last_sent.is_some_and(|sent| now.since(sent) < every) {
            return false;
        }
        self.last_sent = Some(now);
        // A clock request is longer than a keep-alive, and the server sends no challenge that is longer than what it has
        // received.
        let request = Frame::ClockRequest(ClockRequest { sent: now });
        self.lane.seal(DatagramClass::Session, out, |out| write_frame(&request, out));
        true
    }

    /// Whether the session has ended without a goodbye, for example because the machine was suspended.
    pub(super) fn is_dead(&self, now: Micros) -> bool {
        now.since(self.last_heard) > SILENCE
    }
}
