//! Sources of legacy packets: on probation, waiting for a seat, or seated.
//!
//! An address is *verified* once a packet from it has returned a server time that was sent there, which nobody who forges
//! the address can know. Until then a seated source receives at most [`UNVERIFIED_FACTOR`] times the bytes that it sends.

use super::probation::{LONGEST_PAUSE, Probation};
use super::room_session::{RoomDownlink, RoomUplink};
use crate::limits::AddressKey;
use crate::media::rate_limit::{RateBucket, RateLimit};
use crate::media::{LocalEndpoint, MediaPath};
use rtjam_protocol::legacy::{BEAT, LegacyClientId, LegacyEncoder, LegacyPacket};
use rtjam_protocol::{Micros, SessionId, SourceId};
use std::net::{IpAddr, SocketAddr};

/// A source that is silent for this long has left.
const SILENCE: Micros = Micros::from_secs(1);

/// The most sources in all.
const MAX_SOURCES: usize = 64;

/// The most sources of one address.
const MAX_PER_ADDRESS: usize = 8;

/// The most sources that are not verified.
const MAX_UNVERIFIED: usize = 8;

/// Bytes that an unverified source may receive for each that it sends.
const UNVERIFIED_FACTOR: u64 = 8;

/// Frames and packets a second of a seated source: what an RTJam client may send, in packets of at least 64 frames.
const FRAMES: RateLimit = RateLimit::new(48_480, 250);
const PACKETS: RateLimit = RateLimit::new(2_000, 500);

/// The most bytes of credit that an unverified source can accumulate.
const MAX_CREDIT: u64 = 64 * 1024;

/// A server time that returns later than this verifies nothing.
const LONGEST_ROUND_TRIP: Micros = Micros::from_secs(2);

/// RTJam musicians are shown with this plus their slot as a client id, and so is a legacy musician whose own id is taken or
/// reserved.
const ASSIGNED_IDS: u32 = 41_000;

/// Ids that legacy programs reserve.
const RESERVED: std::ops::Range<u32> = 40_000..42_000;

/// One source.
pub(super) struct LegacySource {
    pub(super) address: SocketAddr,
    pub(super) path: MediaPath,
    client: LegacyClientId,
    last_heard: Micros,
    state: State,
    /// A secret that is added to the server's time in packets to this source. It does not move the beat.
    offset: Micros,
    frames: RateBucket,
    packets: RateBucket,
    seated_at: Micros,
    verified: bool,
    credit: u64,
}

enum State {
    OnProbation(Probation),
    /// The rooms actor has been asked for a seat.
    Requested,
    Seated(Box<LegacySeat>),
}

/// A source's place in the room.
pub(super) struct LegacySeat {
    pub(super) uplink: RoomUplink,
    /// The client id that others see.
    pub(super) shown_id: LegacyClientId,
    /// Set when the source receives a mix; otherwise it receives everyone's packets.
    pub(super) mix: Option<LegacyMix>,
}

/// A legacy musician's mix.
pub(super) struct LegacyMix {
    pub(super) downlink: RoomDownlink,
    pub(super) repacker: LegacyEncoder,
}

/// The recipients of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// All sources that receive everyone's packets, except its sender.
    AllBut(Option<SocketAddr>),
    /// One source, whatever it receives.
    One(SocketAddr),
}

/// What to do with a packet.
pub(super) enum PacketVerdict<'a> {
    /// Ignore it: there are too many sources.
    TooManySources,
    /// Ignore it: its source is on probation or waits for a seat.
    NotSeated,
    /// Drop it: its source exceeds the rate limit.
    OverRate,
    /// Ask for a seat for its source.
    RequestSeat(LegacyClientId),
    /// Forward it. With it comes the round-trip time, where the packet tells it.
    Seated(&'a mut LegacySeat, Option<Micros>),
}

/// All sources. Allocates once, except for seats.
pub(super) struct LegacySources {
    list: Vec<LegacySource>,
    limit_loopback: bool,
}

impl LegacySources {
    pub(super) fn new(limit_loopback: bool) -> LegacySources {
        LegacySources { list: Vec::with_capacity(MAX_SOURCES), limit_loopback }
    }

    /// Handles a packet of `len` bytes, which was sent to the local address `local`, where the system reports that. `secret`
    /// returns random bits for a new source.
    pub(super) fn handle_packet(
        &mut self,
        now: Micros,
        (from, local): (SocketAddr, Option<IpAddr>),
        packet: &LegacyPacket<'_>,
        len: usize,
        secret: impl FnOnce() -> u32,
    ) -> PacketVerdict<'_> {
        let local = LocalEndpoint { socket: 0, address: local };
        let known = self.find(from);
        let Some(at) = known.or_else(|| self.admit(now, MediaPath::new(from, local), packet.header.client, secret))
        else {
            return PacketVerdict::TooManySources;
        };
        let source = &mut self.list[at];
        if source.path.local != local {
            source.path = MediaPath::new(from, local);
        }
        source.last_heard = now;
        if let State::OnProbation(probation) = &mut source.state {
            if !probation.handle_packet(now, packet.frames()) {
                return PacketVerdict::NotSeated;
            }
            source.state = State::Requested;
            return PacketVerdict::RequestSeat(source.client);
        }
        let State::Seated(seat) = &mut source.state else { return PacketVerdict::NotSeated };
        if !source.packets.take(now, PACKETS, 1) || !source.frames.take(now, FRAMES, packet.frames() as u64) {
            return PacketVerdict::OverRate;
        }
        source.credit = (source.credit + len as u64 * UNVERIFIED_FACTOR).min(MAX_CREDIT);
        let returned = packet.header.server_time;
        let sent = Micros(returned.0.wrapping_sub(source.offset.0));
        let is_ours = returned >= source.offset && sent >= source.seated_at && sent <= now;
        let round_trip = is_ours.then(|| now.since(sent)).filter(|took| *took <= LONGEST_ROUND_TRIP);
        source.verified |= round_trip.is_some();
        PacketVerdict::Seated(seat, round_trip)
    }

    /// Seats a source for which a seat was requested.
    ///
    /// # Errors
    /// When the source has left meanwhile: the session that must be ended.
    pub(super) fn seat(
        &mut self,
        now: Micros,
        address: SocketAddr,
        uplink: RoomUplink,
        downlink: Option<RoomDownlink>,
    ) -> Result<(), SessionId> {
        let at = self.find(address).filter(|at| matches!(self.list[*at].state, State::Requested));
        let Some(at) = at else { return Err(uplink.session) };
        let client = self.list[at].client;
        let taken = RESERVED.contains(&client.0) || self.seats().any(|seat| seat.shown_id == client);
        let shown_id = if taken { assigned_id(uplink.source) } else { client };
        let mix = downlink.map(|downlink| LegacyMix { downlink, repacker: LegacyEncoder::default() });
        let source = &mut self.list[at];
        source.seated_at = now;
        source.state = State::Seated(Box::new(LegacySeat { uplink, shown_id, mix }));
        Ok(())
    }

    /// Forgets a source for which there is no seat.
    pub(super) fn refuse(&mut self, address: SocketAddr) {
        self.list.retain(|s| s.address != address || !matches!(s.state, State::Requested));
    }

    /// Forgets silent sources. `left` receives the sessions of those that had a seat.
    pub(super) fn expire(&mut self, now: Micros, mut left: impl FnMut(SessionId)) {
        self.list.retain(|source| {
            let patience = if let State::OnProbation(_) = source.state { LONGEST_PAUSE } else { SILENCE };
            let stays = now.since(source.last_heard) <= patience;
            if !stays && let State::Seated(seat) = &source.state {
                left(seat.uplink.session);
            }
            stays
        });
    }

    /// Whether a legacy musician has this slot.
    pub(super) fn has_slot(&self, slot: SourceId) -> bool {
        self.seats().any(|seat| seat.uplink.source == slot)
    }

    /// The number of seated sources.
    pub(super) fn seated(&self) -> usize {
        self.seats().count()
    }

    /// The source whose mix arrives by this session.
    pub(super) fn mix_of(&mut self, session: SessionId) -> Option<(SocketAddr, &mut LegacyMix)> {
        self.list.iter_mut().find_map(|source| match &mut source.state {
            State::Seated(seat) if seat.uplink.session == session => Some((source.address, seat.mix.as_mut()?)),
            _ => None,
        })
    }

    /// The seated sources.
    pub(super) fn seated_sources(&mut self) -> impl Iterator<Item = &mut LegacySource> {
        self.list.iter_mut().filter(|source| matches!(source.state, State::Seated(_)))
    }

    fn seats(&self) -> impl Iterator<Item = &LegacySeat> {
        self.list.iter().filter_map(|s| if let State::Seated(seat) = &s.state { Some(&**seat) } else { None })
    }

    fn find(&self, address: SocketAddr) -> Option<usize> {
        self.list.iter().position(|s| s.address == address)
    }

    fn admit(
        &mut self,
        now: Micros,
        path: MediaPath,
        client: LegacyClientId,
        secret: impl FnOnce() -> u32,
    ) -> Option<usize> {
        let from = path.remote;
        // Sources whose probation has lapsed make room for others.
        self.list.retain(|s| !matches!(s.state, State::OnProbation(_)) || now.since(s.last_heard) <= LONGEST_PAUSE);
        let unverified = self.list.iter().filter(|s| !s.verified).count();
        let key = AddressKey::of(from.ip());
        let exempt = from.ip().to_canonical().is_loopback() && !self.limit_loopback;
        let neighbours = self.list.iter().filter(|s| AddressKey::of(s.address.ip()) == key).count();
        let full = self.list.len() >= MAX_SOURCES || unverified >= MAX_UNVERIFIED;
        if full || (!exempt && neighbours >= MAX_PER_ADDRESS) {
            return None;
        }
        self.list.push(LegacySource {
            address: from,
            path,
            client,
            last_heard: now,
            state: State::OnProbation(Probation::default()),
            // Whole cycles of four beats, at least one.
            offset: Micros((u64::from(secret()) + 1) * BEAT.0 * 4),
            frames: RateBucket::default(),
            packets: RateBucket::default(),
            seated_at: now,
            verified: false,
            credit: 0,
        });
        Some(self.list.len() - 1)
    }
}

impl LegacySource {
    fn has_mix(&self) -> bool {
        matches!(&self.state, State::Seated(seat) if seat.mix.is_some())
    }

    /// Whether the source receives a packet.
    pub(super) fn receives(&self, to: To) -> bool {
        match to {
            To::AllBut(origin) => Some(self.address) != origin && !self.has_mix(),
            To::One(address) => self.address == address,
        }
    }

    /// The server time in packets to this source.
    pub(super) fn clock(&self, now: Micros) -> Micros {
        now + self.offset
    }

    /// Whether `len` bytes may be sent to the source; deducts them from its credit.
    pub(super) fn pay(&mut self, len: usize) -> bool {
        if !matches!(self.state, State::Seated(_)) {
            return false;
        }
        if self.verified {
            return true;
        }
        let rest = self.credit.checked_sub(len as u64);
        self.credit = rest.unwrap_or(self.credit);
        rest.is_some()
    }
}

/// The client id by which legacy musicians see an RTJam musician.
pub(super) const fn assigned_id(source: SourceId) -> LegacyClientId {
    LegacyClientId(ASSIGNED_IDS + source.0 as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtjam_protocol::control::SessionKeys;
    use rtjam_protocol::legacy::{LegacyHeader, beat_at};
    use rtjam_protocol::seal::{Key, KeyId, Suite};
    use rtjam_protocol::server::rooms::NewSession;
    use rtjam_protocol::{MusicianId, RoomName, StreamId};
    use std::sync::Arc;

    const PERIOD: Micros = Micros(2667);
    const LEN: usize = 540;

    struct World {
        sources: LegacySources,
        now: Micros,
    }

    fn address(n: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([203, 0, 113, n], port))
    }

    fn uplink(n: u16) -> RoomUplink {
        let keys = SessionKeys { suite: Suite::Aes128Gcm, id: KeyId(0), up: Key([1; 32]), down: Key([2; 32]) };
        let new = NewSession {
            session: SessionId(n.into()),
            connection: None,
            musician: MusicianId([0; 32]),
            room: RoomName::new("r").expect("a name"),
            source: SourceId(n),
            sends: true,
            keys,
            mix: rtjam_protocol::control::DownstreamMode::Forwarded,
            features: rtjam_protocol::control::Features::SUPPORTED,
            replaces: None,
        };
        RoomUplink::new(&new, StreamId(1), Arc::default())
    }

    impl World {
        fn new() -> World {
            World { sources: LegacySources::new(false), now: Micros::from_secs(9) }
        }

        /// The verdict on one packet as text, and the round-trip time.
        fn hear(&mut self, from: SocketAddr, client: u32, server_time: Micros) -> (&'static str, Option<Micros>) {
            let header = LegacyHeader { client: LegacyClientId(client), server_time, ..LegacyHeader::default() };
            let mut bytes = Vec::new();
            header.write(128, &mut bytes, |out| out.resize(LEN, 0));
            let packet = LegacyPacket::read(&bytes).expect("a packet");
            match self.sources.handle_packet(self.now, (from, None), &packet, LEN, || 77) {
                PacketVerdict::TooManySources => ("too many", None),
                PacketVerdict::NotSeated => ("not seated", None),
                PacketVerdict::OverRate => ("over rate", None),
                PacketVerdict::RequestSeat(_) => ("requests", None),
                PacketVerdict::Seated(_, took) => ("seated", took),
            }
        }

        /// All of `who` play for 600 ms. Returns those who requested a seat.
        fn play(&mut self, who: &[(SocketAddr, u32)]) -> Vec<SocketAddr> {
            let mut requested = Vec::new();
            for _ in 0..225 {
                self.now += PERIOD;
                for (from, client) in who {
                    if self.hear(*from, *client, Micros::ZERO).0 == "requests" {
                        requested.push(*from);
                    }
                }
            }
            requested
        }

        fn seat(&mut self, who: SocketAddr, n: u16) {
            assert!(self.sources.seat(self.now, who, uplink(n), None).is_ok());
        }

        fn listeners(&mut self, origin: Option<SocketAddr>) -> Vec<SocketAddr> {
            self.sent(To::AllBut(origin), LEN).map(|source| source.address).collect()
        }

        /// The server time in a header that returns to its sender.
        fn echo(&mut self, origin: SocketAddr, len: usize) -> Option<Micros> {
            let now = self.now;
            self.sent(To::One(origin), len).map(|source| source.clock(now)).next()
        }

        fn sent(&mut self, to: To, len: usize) -> impl Iterator<Item = &mut LegacySource> {
            self.sources
                .seated_sources()
                .filter(move |source| source.receives(to))
                .filter_map(move |source| source.pay(len).then_some(source))
        }
    }

    /// A source receives nothing before it is seated, and never its own packets.
    #[test]
    fn only_seated_sources_receive() {
        let mut world = World::new();
        let (a, b) = (address(1, 1), address(2, 1));
        assert_eq!(world.play(&[(a, 1), (b, 2)]), [a, b]);
        assert!(world.listeners(None).is_empty() && world.echo(a, 28).is_none());
        world.seat(a, 1);
        world.seat(b, 2);
        world.play(&[(a, 1), (b, 2)]);
        assert_eq!((world.listeners(Some(a)), world.listeners(None)), (vec![b], vec![a, b]));
        assert!(world.echo(a, 28).is_some());
        assert!(world.sources.has_slot(SourceId(2)) && !world.sources.has_slot(SourceId(3)));
    }

    /// Eight sources may be unverified at a time; a verified one makes room for another.
    #[test]
    fn unverified_sources_are_limited() {
        let mut world = World::new();
        let all: Vec<_> = (1..=10).map(|n| (address(n, 1), u32::from(n))).collect();
        let asked = world.play(&all);
        assert_eq!(asked, all[..8].iter().map(|(a, _)| *a).collect::<Vec<_>>());
        asked.iter().zip(1..).for_each(|(a, n)| world.seat(*a, n));
        assert!(world.play(&all).is_empty());
        // One of them returns the server time that it was sent.
        let sent = world.echo(all[0].0, 28).expect("seated");
        world.now += Micros(30_000);
        assert_eq!(world.hear(all[0].0, 1, sent), ("seated", Some(Micros(30_000))));
        assert_eq!(world.play(&all), [all[8].0]);
    }

    /// An address has at most eight sources; loopback is exempt.
    #[test]
    fn sources_per_address_are_limited() {
        for (ip, most) in [([203, 0, 113, 1], MAX_PER_ADDRESS), ([127, 0, 0, 1], 12)] {
            let mut world = World::new();
            let mut in_all = Vec::new();
            for port in 1..=12_u16 {
                let from = SocketAddr::from((ip, port));
                in_all.push((from, u32::from(port)));
                for asked in world.play(&in_all) {
                    world.seat(asked, port);
                    let sent = world.echo(asked, 0).expect("seated");
                    world.hear(asked, port.into(), sent);
                }
            }
            assert_eq!(world.sources.seated(), most);
        }
    }

    /// An unverified source receives at most eight times the bytes that it sends.
    #[test]
    fn unverified_sources_receive_eightfold() {
        let mut world = World::new();
        let a = address(1, 1);
        world.play(&[(a, 1)]);
        world.seat(a, 1);
        world.hear(a, 1, Micros::ZERO);
        let got = (0..100).filter(|_| !world.listeners(None).is_empty()).count();
        assert_eq!(got, 8);
        // A guess or a time from before the source was seated verifies nothing.
        for guess in [world.now, world.now + Micros::from_secs(2), Micros(1)] {
            assert_eq!(world.hear(a, 1, guess), ("seated", None));
        }
        let sent = world.echo(a, 28).expect("credit");
        assert_eq!(beat_at(sent, BEAT), beat_at(world.now, BEAT));
        assert_eq!(world.hear(a, 1, sent), ("seated", Some(Micros::ZERO)));
        assert_eq!((0..100).filter(|_| !world.listeners(None).is_empty()).count(), 100);
    }

    #[test]
    fn silent_source_leaves_after_second() {
        let mut world = World::new();
        let a = address(1, 1);
        world.play(&[(a, 1)]);
        world.seat(a, 7);
        let mut left = Vec::new();
        world.now += Micros::from_millis(1000);
        world.sources.expire(world.now, |session| left.push(session));
        assert!(left.is_empty());
        world.now += Micros(1);
        world.sources.expire(world.now, |session| left.push(session));
        assert_eq!((left, world.sources.seated()), (vec![SessionId(7)], 0));
        assert!(world.sources.seat(world.now, a, uplink(7), None).is_err());
    }

    /// A client id that is taken or reserved is shown as an assigned one.
    #[test]
    fn conflicting_ids_are_reassigned() {
        let mut world = World::new();
        let all = [(address(1, 1), 17), (address(2, 1), 17), (address(3, 1), 40_002)];
        world.play(&all).into_iter().zip(1..).for_each(|(a, n)| world.seat(a, n));
        let shown: Vec<u32> = world.sources.seats().map(|seat| seat.shown_id.0).collect();
        assert_eq!(shown, [17, 41_002, 41_003]);
    }

    /// Seated sources stay policed: of 12,000 packets a second, one musician's audio is accepted, and of packets without
    /// audio as many as a musician can send at most.
    #[test]
    fn seated_sources_are_policed() {
        for (frames, most) in [(128, 2 * 48_480 / 128 + 12_120 / 128 + 1), (0, 5000)] {
            let mut world = World::new();
            let a = address(1, 1);
            world.play(&[(a, 1)]);
            world.seat(a, 1);
            let mut bytes = Vec::new();
            LegacyHeader { client: LegacyClientId(1), ..LegacyHeader::default() }.write(frames, &mut bytes, |out| {
                out.resize(out.len() + frames * 4, 0);
            });
            let packet = LegacyPacket::read(&bytes).expect("a packet");
            let mut came = 0;
            for _ in 0..24_000 {
                world.now += Micros(83);
                came += usize::from(matches!(
                    world.sources.handle_packet(world.now, (a, None), &packet, bytes.len(), || 77),
                    PacketVerdict::Seated(..)
                ));
            }
            assert!(came <= most && came > most * 9 / 10, "{came} of at most {most} with {frames} frames");
        }
    }
}
