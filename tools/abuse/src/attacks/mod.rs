//! The attacks.

mod classic_flood;
mod crowd;
mod forged;
mod idle_tcp;
mod join_budget;
mod lane_gaps;
mod loud_sample;
mod nack_zero;
mod one_link;
mod packet_flood;
mod revoked;
mod tls_hello;

use crate::guest::{Guest, Seated, block_on};
use crate::honest::{self, Band, SAME};
use crate::house::{House, link_from};
use crate::media::Media;
use crate::outcome::Outcome;
use crate::pace::Stop;
use crate::town::{Quarter, Town};
use crate::trouble::Trouble;
use rtjam_load::player::{COUNTED, WARM_UP};
use rtjam_protocol::datagram::Frame;
use std::path::Path;
use std::time::{Duration, Instant};

/// Whoever joins an unharmed server has a seat within this time.
const PATIENCE: Duration = Duration::from_secs(8);

/// Frames of one musician that others may be sent within a second: the rate and the burst of docs/PROTOCOL.md.
const MOST_FRAMES: f64 = 48_480.0 + 12_120.0;

/// An attack.
pub struct Attack {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub what: &'static str,
    /// Carries it out.
    pub run: fn(&Setting<'_>) -> Result<Outcome, Trouble>,
}

/// All of them.
pub const ALL: [Attack; 12] = [
    idle_tcp::ATTACK,
    tls_hello::ATTACK,
    lane_gaps::ATTACK,
    packet_flood::ATTACK,
    forged::ATTACK,
    loud_sample::ATTACK,
    revoked::ATTACK,
    one_link::ATTACK,
    classic_flood::ATTACK,
    join_budget::ATTACK,
    nack_zero::ATTACK,
    crowd::ATTACK,
];

/// The attack of a name.
pub fn named(name: &str) -> Option<&'static Attack> {
    ALL.iter().find(|attack| attack.name == name)
}

/// Where an attack takes place.
pub struct Setting<'a> {
    /// The namespaces.
    pub town: &'a Town,
    /// The server's program.
    pub server: &'a Path,
    /// How long musicians are counted.
    pub length: Duration,
}

impl Setting<'_> {
    fn house(&self) -> Result<House, Trouble> {
        House::open(self.town, self.server, &[])
    }

    fn band<'a>(&'a self, house: &'a House) -> Band<'a> {
        self.band_of(house, honest::MUSICIANS)
    }

    /// With so many musicians a room.
    fn band_of<'a>(&'a self, house: &'a House, musicians: u16) -> Band<'a> {
        Band { town: self.town, house, length: self.length, musicians }
    }

    /// Seats somebody in the attacked room; they hear the server.
    fn musician(&self, house: &House, quarter: Quarter, address: usize) -> Result<(Seated, Media), Trouble> {
        let link = link_from(quarter, &house.invite(SAME, &[])?)?;
        self.seat(quarter, &Guest::new(&link, quarter.address(address)))
    }

    fn seat(&self, quarter: Quarter, guest: &Guest) -> Result<(Seated, Media), Trouble> {
        self.town.inside(quarter, || {
            let (seated, _) = block_on(guest.insist(None, PATIENCE))?;
            let media = Media::settled(&seated, guest.from, quarter.server())?;
            Ok((seated, media))
        })
    }
}

/// The most frames a second that came to somebody until `stop`, those of the honest musicians left out.
fn frames_a_second(hearer: &mut Media, stop: &Stop) -> f64 {
    let mut most = 0;
    while !stop.asked() {
        let (began, mut frames) = (Instant::now(), 0);
        while began.elapsed() < Duration::from_secs(1) && !stop.asked() {
            hearer.hear(|frame, _| {
                if let Frame::Audio(audio) = frame
                    && ![WARM_UP, COUNTED].contains(&audio.header.stream)
                {
                    frames += u64::from(audio.header.frames);
                }
            });
            hearer.send(&Frame::KeepAlive);
            std::thread::park_timeout(Duration::from_millis(2));
        }
        most = most.max(frames);
    }
    most as f64
}
