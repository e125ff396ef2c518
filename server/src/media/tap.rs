//! Taps: bounded rings by which other threads receive the audio of a room. A consumer that falls behind loses packets of its
//! own, which are counted, and delays nobody.

use super::counters::{Dropped, ThreadCounters};
use super::forward_queue::{ForwardQueue, QueuedPacket, RoomNumber};
use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use rtjam_protocol::Micros;
use rtjam_protocol::datagram::MAX_DATAGRAM;

/// Packets that a tap holds: two mixer ticks of 64 musicians with the shortest packets. 1.3 MB, which the system provides
/// once it is used.
const CAPACITY: usize = 1024;

/// A consumer of taps; it has one tap at each media thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TapId {
    /// The mixer.
    Mixer,
    #[cfg(test)]
    Test,
}

/// The consumers that want a room's audio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TapSet(u8);

impl TapSet {
    pub(super) fn set(&mut self, tap: TapId, on: bool) {
        let bit = 1 << tap as u8;
        self.0 = if on { self.0 | bit } else { self.0 & !bit };
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn contains(self, tap: TapId) -> bool {
        self.0 >> tap as u8 & 1 == 1
    }
}

/// An opened packet on its way to a consumer.
pub(super) struct TapPacket {
    pub(super) room: RoomNumber,
    pub(super) arrived: Micros,
    len: u16,
    frames: [u8; MAX_DATAGRAM],
}

impl TapPacket {
    pub(super) fn frames(&self) -> &[u8] {
        &self.frames[..usize::from(self.len)]
    }
}

/// A media thread's end of a tap.
pub(super) struct TapProducer {
    id: TapId,
    ring: HeapProd<TapPacket>,
    /// The reason under which lost packets are counted.
    overflow: Dropped,
}

/// A consumer's end of a tap.
pub(super) struct TapConsumer(HeapCons<TapPacket>);

/// Both ends of a tap. Packets that do not fit are counted under `overflow`.
pub(super) fn tap(id: TapId, overflow: Dropped) -> (TapProducer, TapConsumer) {
    let (producer, consumer) = HeapRb::new(CAPACITY).split();
    (TapProducer { id, ring: producer, overflow }, TapConsumer(consumer))
}

impl TapProducer {
    /// Copies a packet into the ring. Returns whether it fitted. Neither waits nor allocates.
    fn push(&mut self, room: RoomNumber, arrived: Micros, frames: &[u8]) -> bool {
        let mut packet = TapPacket { room, arrived, len: 0, frames: [0; MAX_DATAGRAM] };
        let Some(place) = packet.frames.get_mut(..frames.len()) else { return false };
        place.copy_from_slice(frames);
        packet.len = frames.len() as u16;
        self.ring.try_push(packet).is_ok()
    }
}

impl TapConsumer {
    /// Takes all packets that have arrived, oldest first.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = TapPacket> + '_ {
        self.0.pop_iter()
    }
}

/// The taps of one media thread.
pub(super) struct Taps(pub(super) Vec<TapProducer>);

impl Taps {
    /// Offers packets of a room to the consumers in `wanted`, and counts what does not fit.
    pub(super) fn offer(
        &mut self,
        wanted: TapSet,
        packets: &[QueuedPacket],
        queue: &ForwardQueue,
        counters: &ThreadCounters,
    ) {
        for tap in self.0.iter_mut().filter(|tap| wanted.contains(tap.id)) {
            let fitted = packets.iter().filter(|p| tap.push(p.room, p.arrived, queue.frames(p))).count();
            counters.add_dropped(tap.overflow, (packets.len() - fitted) as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::forwarder::Forwarder;
    use super::super::route::{LocalEndpoint, MediaPath, Recipient, Route};
    use super::super::socket::{MediaSocket, PolledSocket};
    use super::super::speaker_selection::SourceSet;
    use super::*;
    use crate::real_time::ServerClock;
    use rtjam_protocol::control::{Features, SessionKeys};
    use rtjam_protocol::seal::ring::CRYPTO;
    use rtjam_protocol::seal::{Key, KeyId, Lane, Suite};
    use rtjam_protocol::{SessionId, SourceId, retransmit};
    use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
    use std::sync::Arc;
    use std::time::Duration;

    const ROOM: RoomNumber = RoomNumber(1);

    fn socket() -> UdpSocket {
        UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port")
    }

    /// A listener in the room whose datagrams arrive at `client`.
    fn recipient(client: &UdpSocket) -> Recipient {
        let session = SessionId(7);
        let keys = SessionKeys { suite: Suite::Aes128Gcm, id: KeyId(0), up: Key([1; 32]), down: Key([2; 32]) };
        let route = Arc::new(Route::new());
        let local = LocalEndpoint { socket: 0, address: None };
        route.store(Some(MediaPath::new(client.local_addr().expect("bound"), local)));
        Recipient {
            session,
            source: SourceId(200),
            sends: false,
            lane: keys.downlink(session, Features::SUPPORTED, CRYPTO).send_lane(Lane::UPLINK[0]),
            route,
            forwarded: true,
            retransmitter: retransmit::Retransmitter::default(),
            waits_told: Micros::ZERO,
            pinned: Vec::new(),
            heard: SourceSet::ALL,
            selection_version: 0,
        }
    }

    /// Of two consumers one has stalled. The other receives every packet, the losses of the stalled one are counted, and the
    /// recipient receives everything.
    #[test]
    fn stalled_consumer_loses_alone() {
        const PACKETS: usize = CAPACITY + 300;
        let (client, clock) = (socket(), ServerClock::start());
        client.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
        let sockets =
            [PolledSocket { socket: MediaSocket::new(socket()).expect("set up"), ready: false, failed: false }];
        let counters = Arc::<ThreadCounters>::default();
        let (stalled, mut behind) = tap(TapId::Mixer, Dropped::MixerFull);
        // Any reason that nothing else in this test counts.
        let (working, mut consumer) = tap(TapId::Test, Dropped::Replayed);
        let mut forwarder = Forwarder::new(counters.clone(), Taps(vec![stalled, working]));
        forwarder.add(ROOM, recipient(&client));
        forwarder.set_tap(ROOM, TapId::Mixer, true);
        forwarder.set_tap(ROOM, TapId::Test, true);

        let mut queue = ForwardQueue::new();
        let (mut consumed, mut received) = (Vec::new(), 0);
        let mut buffer = [0; 2 * MAX_DATAGRAM];
        for n in 0..PACKETS {
            let frames = (n as u32).to_be_bytes();
            assert!(queue.push(ROOM, SessionId(1), SourceId(1), clock.now(), |out| out.extend_from_slice(&frames)));
            assert_eq!(forwarder.forward(&mut queue, &sockets, &clock), 1);
            consumed.extend(consumer.drain().map(|packet| packet.frames().to_vec()));
            client.recv(&mut buffer).expect("a forwarded datagram");
            received += 1;
        }
        let all: Vec<Vec<u8>> = (0..PACKETS as u32).map(|n| n.to_be_bytes().to_vec()).collect();
        assert_eq!((consumed, received), (all, PACKETS));
        let totals = counters.totals();
        assert_eq!((totals.dropped(Dropped::MixerFull), totals.dropped(Dropped::Replayed)), (300, 0));
        assert_eq!(behind.drain().count(), CAPACITY);

        forwarder.set_tap(ROOM, TapId::Test, false);
        assert!(queue.push(ROOM, SessionId(1), SourceId(1), clock.now(), |out| out.push(1)));
        forwarder.forward(&mut queue, &sockets, &clock);
        assert_eq!((consumer.drain().count(), behind.drain().count()), (0, 1));
    }
}
