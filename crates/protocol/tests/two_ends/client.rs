//! A client as its driver sees it.

use super::net::NetworkLink;
use crate::common::{Identity, client_config};
use core::net::SocketAddr;
use rtjam_protocol::audio::{AudioHeader, Codec, Layout, Peak};
use rtjam_protocol::client::{ClientConfig, ClientSession, MediaHealth, OwnSeat};
use rtjam_protocol::control::{Refused, RosterEntry, SeatRole};
use rtjam_protocol::datagram::Frame;
use rtjam_protocol::seal::{ReceiveKey, Rejected};
use rtjam_protocol::{FramePosition, Micros, Sequence, SourceId, StreamId};
use std::collections::{BTreeMap, BTreeSet};

/// Interval of audio packets.
pub(crate) const PACKET_EVERY: Micros = Micros::from_millis(5);
const PACKET_FRAMES: u16 = 240;

/// A client, with all that it received.
pub(crate) struct TestClient {
    pub(crate) session: ClientSession,
    pub(crate) receive: Option<Box<ReceiveKey>>,
    pub(crate) address: SocketAddr,
    pub(crate) link: NetworkLink,
    /// The value of its samples, which identifies it to others.
    pub(crate) mark: u8,
    sequence: u32,
    pub(crate) seats: Vec<OwnSeat>,
    /// Number of joins with fresh keys.
    pub(crate) fresh: usize,
    pub(crate) lost: usize,
    pub(crate) going_down: usize,
    pub(crate) refusals: Vec<Refused>,
    pub(crate) roster: Vec<RosterEntry>,
    pub(crate) left: Vec<String>,
    /// Arrival times of audio from each mark.
    pub(crate) heard: BTreeMap<u8, Vec<Micros>>,
    /// Sources of audio from each mark.
    pub(crate) sources: BTreeMap<u8, BTreeSet<SourceId>>,
    packets: BTreeSet<(u8, u32)>,
    /// Packets that arrived only as retransmissions.
    pub(crate) recovered: usize,
    /// Why datagrams were rejected.
    pub(crate) rejected: Vec<Rejected>,
}

impl TestClient {
    pub(crate) fn new(
        now: Micros,
        number: u8,
        identity: u8,
        role: SeatRole,
        change: impl FnOnce(&mut ClientConfig),
    ) -> TestClient {
        let mut config = client_config(["Ann", "Ben", "Cat"][usize::from(identity - 1) % 3], role);
        change(&mut config);
        TestClient {
            session: ClientSession::new(now, config, Box::new(Identity::new(identity))),
            receive: None,
            address: SocketAddr::from(([10, 0, 0, number], 40_000)),
            link: NetworkLink::good(),
            mark: number,
            sequence: 0,
            seats: Vec::new(),
            fresh: 0,
            lost: 0,
            going_down: 0,
            refusals: Vec::new(),
            roster: Vec::new(),
            left: Vec::new(),
            heard: BTreeMap::new(),
            sources: BTreeMap::new(),
            packets: BTreeSet::new(),
            recovered: 0,
            rejected: Vec::new(),
        }
    }

    /// The next audio packet, sealed, if the session sends.
    pub(crate) fn play(&mut self, now: Micros) -> Option<Vec<u8>> {
        self.sequence += 1;
        let position = FramePosition(u64::from(self.sequence) * u64::from(PACKET_FRAMES));
        let header = AudioHeader {
            source: SourceId(0),
            stream: StreamId(u32::from(self.mark)),
            sequence: Sequence(self.sequence),
            position,
            codec: Codec::Pcm16,
            layout: Layout::Stereo,
            frames: PACKET_FRAMES,
            peak: [Peak(u16::from(self.mark)); 2],
        };
        let mut out = Vec::new();
        self.session.seal_audio(now, &header, &[self.mark; PACKET_FRAMES as usize * 4], &mut out).map(|_| out)
    }

    /// A datagram arrives.
    pub(crate) fn receive(&mut self, now: Micros, mut datagram: Vec<u8>) {
        let Some(receive) = &mut self.receive else { return };
        let opened = match receive.open(now, &mut datagram) {
            Ok(opened) => opened,
            Err(why) => {
                if why == Rejected::Exhausted {
                    self.session.handle_exhausted(now);
                }
                return self.rejected.push(why);
            }
        };
        self.session.handle_heard(now);
        for frame in opened.frames() {
            match frame {
                Frame::Audio(audio) => {
                    let mark = audio.payload[0];
                    assert!(audio.payload.iter().all(|b| *b == mark), "damaged audio");
                    // During a renewal, two sessions of the client receive everything.
                    let first = self.packets.insert((mark, audio.header.sequence.0));
                    assert!(first || self.fresh > 1, "a packet was heard twice");
                    self.heard.entry(mark).or_default().push(now);
                    self.sources.entry(mark).or_default().insert(audio.header.source);
                }
                Frame::Copy(audio) => {
                    let mark = audio.payload[0];
                    if self.packets.insert((mark, audio.header.sequence.0)) {
                        self.heard.entry(mark).or_default().push(now);
                        self.recovered += 1;
                    }
                }
                frame => self.session.handle_frame(now, &frame),
            }
        }
    }

    pub(crate) fn seat(&self) -> &OwnSeat {
        self.seats.last().expect("a seat")
    }

    pub(crate) fn health(&self, now: Micros) -> Option<MediaHealth> {
        self.session.health(now)
    }

    /// Time from `since` until audio of `mark` arrives.
    pub(crate) fn hears_after(&self, mark: u8, since: Micros) -> Option<Micros> {
        self.heard.get(&mark)?.iter().find(|at| **at > since).map(|at| at.since(since))
    }

    /// The longest time without audio of `mark` in a period.
    pub(crate) fn longest_gap(&self, mark: u8, from: Micros, to: Micros) -> Micros {
        let times = self.heard.get(&mark).map_or(&[][..], |t| &t[..]);
        let within = times.iter().copied().filter(|t| (from..=to).contains(t));
        let (last, gap) = within.fold((from, Micros::ZERO), |(last, gap), t| (t, gap.max(t.since(last))));
        gap.max(to.since(last))
    }
}
