//! The attacks.

mod classic_flood;
mod forged;
mod idle_tcp;
mod join_budget;
mod loud_sample;
mod mass_join;
mod nack_zero;
mod one_link;
mod packet_flood;
mod revoked;
mod tls_hello;

use crate::error::AttackError;
use crate::honest::{self, ATTACKED_ROOM, HonestMusicians};
use crate::outcome::AttackOutcome;
use crate::pacing::StopSignal;
use crate::raw_client::{RawClient, RawSession, block_on};
use crate::raw_media::RawMedia;
use crate::target_server::{TargetServer, link_from};
use crate::testbed::{Segment, Testbed};
use rtjam_load::musician::{COUNTED, WARM_UP};
use rtjam_protocol::datagram::Frame;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a join can take on a server that works.
const JOIN_TIMEOUT: Duration = Duration::from_secs(8);

/// The most frames of one musician that the server can forward in a second: the rate and the burst of docs/PROTOCOL.md.
const MOST_FRAMES: f64 = 48_480.0 + 12_120.0;

/// An attack.
pub struct Attack {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does.
    pub what: &'static str,
    /// Runs it.
    pub run: fn(&AttackContext<'_>) -> Result<AttackOutcome, AttackError>,
}

/// All attacks.
pub const ALL: [Attack; 12] = [
    idle_tcp::ATTACK,
    tls_hello::ATTACK,
    packet_flood::LANE_GAPS,
    packet_flood::PACKET_FLOOD,
    forged::ATTACK,
    loud_sample::ATTACK,
    revoked::ATTACK,
    one_link::ATTACK,
    classic_flood::ATTACK,
    join_budget::ATTACK,
    nack_zero::ATTACK,
    mass_join::ATTACK,
];

/// The attack with this name.
pub fn named(name: &str) -> Option<&'static Attack> {
    ALL.iter().find(|attack| attack.name == name)
}

/// The surroundings of an attack.
pub struct AttackContext<'a> {
    /// The network namespaces.
    pub testbed: &'a Testbed,
    /// The server's program.
    pub server: &'a Path,
    /// How long the honest musicians are counted.
    pub length: Duration,
}

impl AttackContext<'_> {
    fn start_server(&self) -> Result<TargetServer, AttackError> {
        TargetServer::start(self.testbed, self.server, &[])
    }

    fn band<'a>(&'a self, server: &'a TargetServer) -> HonestMusicians<'a> {
        self.band_of(server, honest::MUSICIANS)
    }

    /// So many honest musicians in each room.
    fn band_of<'a>(&'a self, server: &'a TargetServer, musicians: u16) -> HonestMusicians<'a> {
        HonestMusicians { testbed: self.testbed, server, length: self.length, musicians }
    }

    /// Seats a musician in the attacked room.
    fn musician(
        &self,
        server: &TargetServer,
        segment: Segment,
        address: usize,
    ) -> Result<(RawSession, RawMedia), AttackError> {
        let link = link_from(segment, &server.invite(ATTACKED_ROOM, &[])?)?;
        self.seat(segment, &RawClient::new(&link, segment.address(address)))
    }

    fn seat(&self, segment: Segment, client: &RawClient) -> Result<(RawSession, RawMedia), AttackError> {
        self.testbed.inside(segment, || {
            let (seated, _) = block_on(client.join(None, JOIN_TIMEOUT))?;
            let media = RawMedia::settled(&seated, client.from, segment.server())?;
            Ok((seated, media))
        })
    }
}

/// The most frames a second that `receiver` receives until `stop`, without those of the honest musicians.
fn frames_a_second(receiver: &mut RawMedia, stop: &StopSignal) -> f64 {
    let mut most = 0;
    while !stop.is_requested() {
        let (began, mut frames) = (Instant::now(), 0);
        while began.elapsed() < Duration::from_secs(1) && !stop.is_requested() {
            receiver.receive(|frame, _| {
                if let Frame::Audio(audio) = frame
                    && ![WARM_UP, COUNTED].contains(&audio.header.stream)
                {
                    frames += u64::from(audio.header.frames);
                }
            });
            receiver.send(&Frame::KeepAlive);
            std::thread::park_timeout(Duration::from_millis(2));
        }
        most = most.max(frames);
    }
    most as f64
}
