//! What the server sends to those who bring classic musicians to a room: everyone's packets for all of them, to a session
//! that plays nothing, and to a musician's own session their mix. Over loopback.

use rtjam_protocol::datagram::{ClockRequest, DatagramClass, Frame, write_frame};
use rtjam_protocol::seal::ring::CRYPTO;
use rtjam_protocol::seal::{Lane, OpenedDatagram, ReceiveKey, SendLane};
use rtjam_protocol::server::rooms::NewSession;
use rtjam_protocol::{Micros, SessionId};

/// Until the way back is validated, and then to stay alive.
const ASK_EVERY: Micros = Micros::from_millis(260);
const LIVE_EVERY: Micros = Micros::from_secs(1);

/// The server sends every session something every 200 ms: after this there is none any more.
const DEAF: Micros = Micros::from_secs(3);

/// The session.
pub(super) struct Ear {
    pub(super) session: SessionId,
    receive: ReceiveKey,
    lane: SendLane,
    asked: Option<Micros>,
    heard: Micros,
    has_path: bool,
}

impl Ear {
    /// `lane` must be nobody else's of this session.
    pub(super) fn new(now: Micros, new: &NewSession, lane: Lane) -> Ear {
        let receive = new.keys.downlink(new.session, new.features, CRYPTO).receive();
        let lane = new.keys.uplink(new.session, new.features, CRYPTO).send_lane(lane);
        Ear { session: new.session, receive, lane, asked: None, heard: now, has_path: false }
    }

    /// Opens a datagram; a challenge in it has its answer in `answer`. `None` for what is not for this session.
    pub(super) fn open<'d>(
        &mut self,
        now: Micros,
        datagram: &'d mut [u8],
        answer: &mut Vec<u8>,
    ) -> Option<OpenedDatagram<'d>> {
        let opened = self.receive.open(now, datagram).ok()?;
        self.heard = now;
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

    /// Whether a sign of life is due, which is then in `out`.
    pub(super) fn poll(&mut self, now: Micros, out: &mut Vec<u8>) -> bool {
        let every = if self.has_path { LIVE_EVERY } else { ASK_EVERY };
        if self.asked.is_some_and(|asked| now.since(asked) < every) {
            return false;
        }
        self.asked = Some(now);
        // A request rather than a keep-alive: the server challenges nobody with more bytes than it got.
        let request = Frame::ClockRequest(ClockRequest { sent: now });
        self.lane.seal(DatagramClass::Session, out, |out| write_frame(&request, out));
        true
    }

    /// The session has ended without a word: the machine slept, say.
    pub(super) fn is_deaf(&self, now: Micros) -> bool {
        now.since(self.heard) > DEAF
    }
}
