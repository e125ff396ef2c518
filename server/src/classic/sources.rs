//! Who sends classic packets, and how far each of them has come: proving that they play, asking for a seat, seated.
//!
//! An address is *verified* once a packet from it has returned a server time that was sent there: whoever forges addresses
//! cannot know it. Until then a seated source gets at most [`UNVERIFIED_FACTOR`] times the bytes that it sends.

use super::ear::Ear;
use super::gate::{Gate, LONGEST_PAUSE};
use super::outbox::To;
use super::speaker::Speaker;
use crate::limits::AddressKey;
use crate::media::{Limit, Path, Rate, Via};
use rtjam_protocol::legacy::{BEAT, LegacyClientId, LegacyEncoder, LegacyPacket};
use rtjam_protocol::{Micros, SessionId, SourceId};
use std::net::{IpAddr, SocketAddr};

/// After silence of this long they have left.
const SILENCE: Micros = Micros::from_secs(1);

/// Sources in all, verified or not.
pub(super) const MOST: usize = 64;

/// Sources of one address.
pub(super) const MOST_PER_ADDRESS: usize = 8;

/// Sources that are not verified, in all.
pub(super) const MOST_UNVERIFIED: usize = 8;

/// Bytes that a source gets for each that it sends, until it is verified.
pub(super) const UNVERIFIED_FACTOR: u64 = 8;

/// Frames and packets a second of a source that has a seat, and how many milliseconds' worth at once: what a musician of
/// ours may send, in packets of 64 frames and more. What exceeds it is dropped.
const FRAMES: Limit = Limit::new(48_480, 250);
const PACKETS: Limit = Limit::new(2_000, 500);

/// Bytes that an unverified source may have saved up.
const MOST_CREDIT: u64 = 64 * 1024;

/// A server time that comes back later than this proves nothing.
const LONGEST_LOOP: Micros = Micros::from_secs(2);

/// Ours have this and their slot as a client id, and so has a classic musician whose own is taken or reserved.
pub(super) const OUR_IDS: u32 = 41_000;

const RESERVED: std::ops::Range<u32> = 40_000..42_000;

/// One source.
pub(super) struct Source {
    pub(super) address: SocketAddr,
    /// How to send there.
    pub(super) path: Path,
    client: LegacyClientId,
    heard: Micros,
    standing: Standing,
    /// What is added to the server's clock in what goes there. It moves no beat.
    offset: Micros,
    frames: Rate,
    packets: Rate,
    seated_at: Micros,
    verified: bool,
    credit: u64,
}

enum Standing {
    Proving(Gate),
    Asked,
    Seated(Box<Seat>),
}

/// A source's place in the room.
pub(super) struct Seat {
    pub(super) speaker: Speaker,
    /// What others see as their client id.
    pub(super) shown: LegacyClientId,
    /// What hears their mix, in the mode `mix`; in the mode `separate` they are sent everyone's packets.
    pub(super) mix: Option<Mix>,
}

/// A classic musician's mix.
pub(super) struct Mix {
    pub(super) ear: Ear,
    pub(super) repacker: LegacyEncoder,
}

/// What a packet means.
pub(super) enum Came<'a> {
    /// There are too many; the packet is forgotten.
    NoRoom,
    /// Not yet proven.
    Proving,
    /// They play more than a musician may; the packet is forgotten.
    OverRate,
    /// They have shown that they play: they want a seat.
    Asks(LegacyClientId),
    /// They are in.
    Seated(&'a mut Seat, Option<Micros>),
}

/// All of them. Its memory is taken once, but for a seat.
pub(super) struct Sources {
    list: Vec<Source>,
    limit_loopback: bool,
}

impl Sources {
    pub(super) fn new(limit_loopback: bool) -> Sources {
        Sources { list: Vec::with_capacity(MOST), limit_loopback }
    }

    /// A packet of `len` bytes, which came to our address `local` where the system tells. `secret` is random, used for a new source. With [`Came::Seated`] comes how long the loop
    /// took, where the packet tells.
    pub(super) fn hear(
        &mut self,
        now: Micros,
        (from, local): (SocketAddr, Option<IpAddr>),
        packet: &LegacyPacket<'_>,
        len: usize,
        secret: impl FnOnce() -> u32,
    ) -> Came<'_> {
        let via = Via { socket: 0, local };
        let known = self.find(from);
        let Some(at) = known.or_else(|| self.admit(now, Path::new(from, via), packet.header.client, secret)) else {
            return Came::NoRoom;
        };
        let source = &mut self.list[at];
        if source.path.via != via {
            source.path = Path::new(from, via);
        }
        source.heard = now;
        if let Standing::Proving(gate) = &mut source.standing {
            if !gate.hear(now, packet.frames()) {
                return Came::Proving;
            }
            source.standing = Standing::Asked;
            return Came::Asks(source.client);
        }
        let Standing::Seated(seat) = &mut source.standing else { return Came::Proving };
        if !source.packets.take(now, PACKETS, 1) || !source.frames.take(now, FRAMES, packet.frames() as u64) {
            return Came::OverRate;
        }
        source.credit = (source.credit + len as u64 * UNVERIFIED_FACTOR).min(MOST_CREDIT);
        let back = packet.header.server_time;
        let sent = Micros(back.0.wrapping_sub(source.offset.0));
        let known = back >= source.offset && sent >= source.seated_at && sent <= now;
        let took = known.then(|| now.since(sent)).filter(|took| *took <= LONGEST_LOOP);
        source.verified |= took.is_some();
        Came::Seated(seat, took)
    }

    /// The lobby has a seat for them.
    ///
    /// # Errors
    /// When they are gone meanwhile: the session that must be ended.
    pub(super) fn seat(
        &mut self,
        now: Micros,
        address: SocketAddr,
        speaker: Speaker,
        ear: Option<Ear>,
    ) -> Result<(), SessionId> {
        let at = self.find(address).filter(|at| matches!(self.list[*at].standing, Standing::Asked));
        let Some(at) = at else { return Err(speaker.session) };
        let client = self.list[at].client;
        let taken = RESERVED.contains(&client.0) || self.seats().any(|seat| seat.shown == client);
        let shown = if taken { our_id(speaker.source) } else { client };
        let mix = ear.map(|ear| Mix { ear, repacker: LegacyEncoder::default() });
        let source = &mut self.list[at];
        source.seated_at = now;
        source.standing = Standing::Seated(Box::new(Seat { speaker, shown, mix }));
        Ok(())
    }

    /// The lobby has none, or could not be asked.
    pub(super) fn turn_away(&mut self, address: SocketAddr) {
        self.list.retain(|s| s.address != address || !matches!(s.standing, Standing::Asked));
    }

    /// Forgets whoever is silent; `left` gets the sessions of those who had a seat.
    pub(super) fn expire(&mut self, now: Micros, mut left: impl FnMut(SessionId)) {
        self.list.retain(|source| {
            let patience = if let Standing::Proving(_) = source.standing { LONGEST_PAUSE } else { SILENCE };
            let stays = now.since(source.heard) <= patience;
            if !stays && let Standing::Seated(seat) = &source.standing {
                left(seat.speaker.session);
            }
            stays
        });
    }

    /// Whether a musician of ours has this number, rather than one of these.
    pub(super) fn is_ours(&self, source: SourceId) -> bool {
        !self.seats().any(|seat| seat.speaker.source == source)
    }

    /// How many have a seat.
    pub(super) fn seated(&self) -> usize {
        self.seats().count()
    }

    /// Whose session this is, where they are sent a mix.
    pub(super) fn mixed(&mut self, session: SessionId) -> Option<(SocketAddr, &mut Mix)> {
        self.list.iter_mut().find_map(|source| match &mut source.standing {
            Standing::Seated(seat) if seat.speaker.session == session => Some((source.address, seat.mix.as_mut()?)),
            _ => None,
        })
    }

    /// All who have a seat.
    pub(super) fn seated_sources(&mut self) -> impl Iterator<Item = &mut Source> {
        self.list.iter_mut().filter(|source| matches!(source.standing, Standing::Seated(_)))
    }

    fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.list.iter().filter_map(|s| if let Standing::Seated(seat) = &s.standing { Some(&**seat) } else { None })
    }

    fn find(&self, address: SocketAddr) -> Option<usize> {
        self.list.iter().position(|s| s.address == address)
    }

    fn admit(
        &mut self,
        now: Micros,
        path: Path,
        client: LegacyClientId,
        secret: impl FnOnce() -> u32,
    ) -> Option<usize> {
        let from = path.remote;
        // Whoever proves nothing any more makes room; nobody with a seat does.
        self.list.retain(|s| !matches!(s.standing, Standing::Proving(_)) || now.since(s.heard) <= LONGEST_PAUSE);
        let unverified = self.list.iter().filter(|s| !s.verified).count();
        let key = AddressKey::of(from.ip());
        let exempt = from.ip().to_canonical().is_loopback() && !self.limit_loopback;
        let neighbours = self.list.iter().filter(|s| AddressKey::of(s.address.ip()) == key).count();
        let full = self.list.len() >= MOST || unverified >= MOST_UNVERIFIED;
        if full || (!exempt && neighbours >= MOST_PER_ADDRESS) {
            return None;
        }
        self.list.push(Source {
            address: from,
            path,
            client,
            heard: now,
            standing: Standing::Proving(Gate::default()),
            // Whole rounds of beats, at least one.
            offset: Micros((u64::from(secret()) + 1) * BEAT.0 * 4),
            frames: Rate::default(),
            packets: Rate::default(),
            seated_at: now,
            verified: false,
            credit: 0,
        });
        Some(self.list.len() - 1)
    }
}

impl Source {
    fn has_mix(&self) -> bool {
        matches!(&self.standing, Standing::Seated(seat) if seat.mix.is_some())
    }

    /// Whether a packet goes there.
    pub(super) fn is_sent(&self, to: To) -> bool {
        match to {
            To::AllBut(origin) => Some(self.address) != origin && !self.has_mix(),
            To::One(address) => self.address == address,
        }
    }

    /// What the server's clock shows there.
    pub(super) fn clock(&self, now: Micros) -> Micros {
        now + self.offset
    }

    /// Whether so many bytes may go there, which are then taken off what they have.
    pub(super) fn pay(&mut self, len: usize) -> bool {
        if !matches!(self.standing, Standing::Seated(_)) {
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

/// The client id of a musician of ours.
pub(super) const fn our_id(source: SourceId) -> LegacyClientId {
    LegacyClientId(OUR_IDS + source.0 as u32)
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
        sources: Sources,
        now: Micros,
    }

    fn address(n: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([203, 0, 113, n], port))
    }

    fn speaker(n: u16) -> Speaker {
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
        Speaker::new(&new, StreamId(1), Arc::default())
    }

    impl World {
        fn new() -> World {
            World { sources: Sources::new(false), now: Micros::from_secs(9) }
        }

        /// What becomes of one packet: a word, and the loop's time.
        fn hear(&mut self, from: SocketAddr, client: u32, server_time: Micros) -> (&'static str, Option<Micros>) {
            let header = LegacyHeader { client: LegacyClientId(client), server_time, ..LegacyHeader::default() };
            let mut bytes = Vec::new();
            header.write(128, &mut bytes, |out| out.resize(LEN, 0));
            let packet = LegacyPacket::read(&bytes).expect("a packet");
            match self.sources.hear(self.now, (from, None), &packet, LEN, || 77) {
                Came::NoRoom => ("no room", None),
                Came::Proving => ("proving", None),
                Came::OverRate => ("over rate", None),
                Came::Asks(_) => ("asks", None),
                Came::Seated(_, took) => ("seated", took),
            }
        }

        /// All of these play for 600 ms; says whoever asked for a seat.
        fn play(&mut self, who: &[(SocketAddr, u32)]) -> Vec<SocketAddr> {
            let mut asked = Vec::new();
            for _ in 0..225 {
                self.now += PERIOD;
                for (from, client) in who {
                    if self.hear(*from, *client, Micros::ZERO).0 == "asks" {
                        asked.push(*from);
                    }
                }
            }
            asked
        }

        fn seat(&mut self, who: SocketAddr, n: u16) {
            assert!(self.sources.seat(self.now, who, speaker(n), None).is_ok());
        }

        fn listeners(&mut self, origin: Option<SocketAddr>) -> Vec<SocketAddr> {
            self.sent(To::AllBut(origin), LEN).map(|source| source.address).collect()
        }

        /// What a packet's clock shows that goes back to its maker.
        fn echo(&mut self, origin: SocketAddr, len: usize) -> Option<Micros> {
            let now = self.now;
            self.sent(To::One(origin), len).map(|source| source.clock(now)).next()
        }

        fn sent(&mut self, to: To, len: usize) -> impl Iterator<Item = &mut Source> {
            self.sources
                .seated_sources()
                .filter(move |source| source.is_sent(to))
                .filter_map(move |source| source.pay(len).then_some(source))
        }
    }

    #[test]
    fn nothing_goes_to_a_source_before_it_is_seated_and_nothing_to_the_origin() {
        let mut world = World::new();
        let (a, b) = (address(1, 1), address(2, 1));
        assert_eq!(world.play(&[(a, 1), (b, 2)]), [a, b]);
        assert!(world.listeners(None).is_empty() && world.echo(a, 28).is_none());
        world.seat(a, 1);
        world.seat(b, 2);
        world.play(&[(a, 1), (b, 2)]);
        assert_eq!((world.listeners(Some(a)), world.listeners(None)), (vec![b], vec![a, b]));
        assert!(world.echo(a, 28).is_some());
        assert!(!world.sources.is_ours(SourceId(2)) && world.sources.is_ours(SourceId(3)));
    }

    #[test]
    fn eight_are_unverified_at_a_time_and_verified_ones_make_room() {
        let mut world = World::new();
        let all: Vec<_> = (1..=10).map(|n| (address(n, 1), u32::from(n))).collect();
        let asked = world.play(&all);
        assert_eq!(asked, all[..8].iter().map(|(a, _)| *a).collect::<Vec<_>>());
        asked.iter().zip(1..).for_each(|(a, n)| world.seat(*a, n));
        assert!(world.play(&all).is_empty());
        // One of them returns what it was sent.
        let sent = world.echo(all[0].0, 28).expect("seated");
        world.now += Micros(30_000);
        assert_eq!(world.hear(all[0].0, 1, sent), ("seated", Some(Micros(30_000))));
        assert_eq!(world.play(&all), [all[8].0]);
    }

    #[test]
    fn an_address_has_eight_sources_but_loopback_has_more() {
        for (ip, most) in [([203, 0, 113, 1], MOST_PER_ADDRESS), ([127, 0, 0, 1], 12)] {
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

    #[test]
    fn until_it_is_verified_a_source_gets_eight_times_what_it_sends() {
        let mut world = World::new();
        let a = address(1, 1);
        world.play(&[(a, 1)]);
        world.seat(a, 1);
        world.hear(a, 1, Micros::ZERO);
        let got = (0..100).filter(|_| !world.listeners(None).is_empty()).count();
        assert_eq!(got, 8);
        // A guess, and a time from before it was seated, verify nothing.
        for guess in [world.now, world.now + Micros::from_secs(2), Micros(1)] {
            assert_eq!(world.hear(a, 1, guess), ("seated", None));
        }
        let sent = world.echo(a, 28).expect("credit");
        assert_eq!(beat_at(sent, BEAT), beat_at(world.now, BEAT));
        assert_eq!(world.hear(a, 1, sent), ("seated", Some(Micros::ZERO)));
        assert_eq!((0..100).filter(|_| !world.listeners(None).is_empty()).count(), 100);
    }

    #[test]
    fn after_a_second_of_silence_a_musician_has_left() {
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
        assert!(world.sources.seat(world.now, a, speaker(7), None).is_err());
    }

    #[test]
    fn a_client_id_that_is_taken_or_reserved_is_shown_as_another() {
        let mut world = World::new();
        let all = [(address(1, 1), 17), (address(2, 1), 17), (address(3, 1), 40_002)];
        world.play(&all).into_iter().zip(1..).for_each(|(a, n)| world.seat(a, n));
        let shown: Vec<u32> = world.sources.seats().map(|seat| seat.shown.0).collect();
        assert_eq!(shown, [17, 41_002, 41_003]);
    }

    /// Who has a seat goes on being policed: of 12,000 packets a second one musician's audio comes through, and of headers
    /// without audio what a musician could send at the most.
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
                    world.sources.hear(world.now, (a, None), &packet, bytes.len(), || 77),
                    Came::Seated(..)
                ));
            }
            assert!(came <= most && came > most * 9 / 10, "{came} of at most {most} with {frames} frames");
        }
    }
}
