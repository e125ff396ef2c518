//! Receiving from a legacy server, and who is there. Packets are neither sealed nor authenticated: all that counts is
//! that they come from the server's address.

use super::channel::{Channels, LastHeard};
use crate::trace::PacketArrival;
use rtjam_protocol::audio::AudioFrame;
use rtjam_protocol::legacy::{DecoderScratch, LegacyClientId, LegacyDecoder, LegacyPacket};
use rtjam_protocol::{Micros, SourceId, StreamId};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// A musician or a server that is silent for this long has left.
pub(crate) const FORGOTTEN_AFTER: Micros = Micros::from_secs(1);

/// At most this many musicians are heard.
const MAX_MUSICIANS: usize = 64;

/// A longer round trip is not one: the server returned something else.
const MAX_RTT: Micros = Micros::from_secs(5);

/// Who is there, and the server's time. `jam-recv` writes, `jam-send` reads when it is awake anyway; the latest value
/// wins.
#[derive(Debug)]
pub(crate) struct LegacyPresence {
    heard: LastHeard,
    server_time: AtomicU64,
    /// Round-trip time in µs; 0 before it is known.
    rtt: AtomicU64,
    seats: [Seat; MAX_MUSICIANS],
}

/// A musician's entry: its index plus one is their source number.
#[derive(Debug)]
struct Seat {
    client: AtomicU32,
    heard: AtomicU64,
}

impl Default for LegacyPresence {
    fn default() -> LegacyPresence {
        let seat = |_| Seat { client: AtomicU32::new(LegacyClientId::EMPTY.0), heard: AtomicU64::new(0) };
        let (server_time, rtt) = (AtomicU64::new(0), AtomicU64::new(0));
        LegacyPresence { heard: LastHeard::default(), server_time, rtt, seats: std::array::from_fn(seat) }
    }
}

impl LegacyPresence {
    /// When a packet last came from the server.
    pub(crate) fn heard(&self) -> Option<Micros> {
        self.heard.get()
    }

    /// The server's time in its last packet.
    pub(crate) fn server_time(&self) -> Micros {
        Micros(self.server_time.load(Relaxed))
    }

    /// Round-trip time to the server, once one of our own headers came back.
    pub(crate) fn rtt(&self) -> Option<Micros> {
        Some(Micros(self.rtt.load(Relaxed))).filter(|rtt| *rtt != Micros::ZERO)
    }

    /// As if a packet of the server had arrived then.
    #[cfg(test)]
    pub(crate) fn pretend(&self, heard: Micros, server_time: u64) {
        self.heard.set(heard);
        self.server_time.store(server_time, Relaxed);
    }

    /// Everyone who was heard within the last second.
    pub(crate) fn here(&self, now: Micros) -> impl Iterator<Item = (SourceId, LegacyClientId)> {
        let present =
            move |seat: &Seat| seat.client() != LegacyClientId::EMPTY && now.since(seat.heard()) <= FORGOTTEN_AFTER;
        let seats = self.seats.iter().zip(1..).filter(move |(seat, _)| present(seat));
        seats.map(|(seat, number)| (SourceId(number), seat.client()))
    }
}

impl Seat {
    fn client(&self) -> LegacyClientId {
        LegacyClientId(self.client.load(Relaxed))
    }

    fn heard(&self) -> Micros {
        Micros(self.heard.load(Relaxed))
    }
}

/// Receives from a legacy server.
pub(crate) struct LegacyReceiver {
    server: SocketAddr,
    /// Our own id: the server returns our headers under it.
    own: LegacyClientId,
    presence: Arc<LegacyPresence>,
    streams: Vec<LegacyDecoder>,
    next_stream: StreamId,
    scratch: DecoderScratch,
}

impl LegacyReceiver {
    /// A receiver for the server at that address. `stream` is random.
    pub(crate) fn new(
        server: SocketAddr,
        own: LegacyClientId,
        presence: Arc<LegacyPresence>,
        stream: StreamId,
    ) -> LegacyReceiver {
        let streams = (0..MAX_MUSICIANS).map(|_| LegacyDecoder::new(stream)).collect();
        LegacyReceiver { server, own, presence, streams, next_stream: stream, scratch: DecoderScratch::default() }
    }

    /// Drops what comes from another address or is not a legacy packet.
    pub(super) fn handle_datagram(
        &mut self,
        channels: &mut Channels,
        arrived: Micros,
        from: SocketAddr,
        datagram: &[u8],
    ) {
        if (from.ip(), from.port()) != (self.server.ip(), self.server.port()) {
            return;
        }
        let Some(packet) = LegacyPacket::read(datagram) else { return };
        let returns = self.presence.heard.get().is_none_or(|at| arrived.since(at) > FORGOTTEN_AFTER);
        self.presence.heard.set(arrived);
        self.presence.server_time.store(packet.header.server_time.0, Relaxed);
        if packet.header.client == self.own && packet.frames() == 0 {
            self.update_rtt(arrived, packet.header.client_time);
        } else if let Some(seat) = self.seat_of(arrived, packet.header.client) {
            self.play(channels, arrived, seat, &packet);
        }
        if returns {
            channels.wake.wake();
        }
    }

    fn play(&mut self, channels: &mut Channels, arrived: Micros, seat: usize, packet: &LegacyPacket<'_>) {
        let Some((mut header, payload)) = self.streams[seat].take(packet, &mut self.scratch) else { return };
        header.source = SourceId(seat as u16 + 1);
        if let Some(trace) = &channels.trace {
            let _ = trace.try_send(PacketArrival { at: arrived, header });
        }
        // The engine counts the packets that it has no room for.
        let _ = channels.incoming.push(arrived, &AudioFrame { header, payload });
    }

    /// The musician's seat, or a free one; `None` if all are taken.
    fn seat_of(&mut self, now: Micros, client: LegacyClientId) -> Option<usize> {
        if client == LegacyClientId::EMPTY {
            return None;
        }
        let seats = &self.presence.seats;
        let is_free = |seat: &Seat| seat.heard() == Micros::ZERO || now.since(seat.heard()) > FORGOTTEN_AFTER;
        let own = seats.iter().position(|seat| seat.client() == client);
        let index = own.or_else(|| seats.iter().position(is_free))?;
        let seat = &seats[index];
        if is_free(seat) {
            // Sequence numbers start anew, so this is another stream.
            self.streams[index] = LegacyDecoder::new(self.next_stream);
            self.next_stream = StreamId(self.next_stream.0.wrapping_add(STREAMS_PER_SEAT));
            seat.client.store(client.0, Relaxed);
        }
        seat.heard.store(now.0, Relaxed);
        Some(index)
    }

    fn update_rtt(&self, arrived: Micros, sent: Micros) {
        let took = arrived.since(sent);
        if sent > arrived || took > MAX_RTT {
            return;
        }
        let rtt = &self.presence.rtt;
        let smoothed = match rtt.load(Relaxed) {
            0 => took.0,
            before => before - before / 16 + took.0 / 16,
        };
        rtt.store(smoothed.max(1), Relaxed);
    }
}

/// A musician whose sequence numbers jump gets the next stream id, so seats keep this distance.
const STREAMS_PER_SEAT: u32 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::ClientShared;
    use crate::threads::{Clock, Wake};
    use rtjam_engine::Console;
    use rtjam_protocol::Sequence;
    use rtjam_protocol::legacy::LegacyHeader;

    const OWN: LegacyClientId = LegacyClientId(7);
    const T0: Micros = Micros::from_secs(9);

    struct Bench {
        receiver: LegacyReceiver,
        channels: Channels,
        presence: Arc<LegacyPresence>,
        /// Counts the packets that the engine had no room for.
        console: Console,
        _engine: rtjam_engine::Engine,
    }

    fn server() -> SocketAddr {
        "127.0.0.1:7891".parse().expect("an address")
    }

    impl Bench {
        fn new() -> Bench {
            let (engine, network, console) = rtjam_engine::engine(1, || {});
            let (events, _) = crossbeam_channel::bounded(1);
            let channels = Channels {
                clock: Clock::new(),
                incoming: network.incoming,
                console: console.clone(),
                shared: Arc::<ClientShared>::default(),
                events,
                trace: None,
                wake: Wake::new(),
            };
            let presence = Arc::<LegacyPresence>::default();
            let receiver = LegacyReceiver::new(server(), OWN, Arc::clone(&presence), StreamId(5));
            Bench { receiver, channels, presence, console, _engine: engine }
        }

        fn receive(&mut self, now: Micros, from: &str, header: LegacyHeader, frames: usize) {
            let mut bytes = Vec::new();
            header.write(frames, &mut bytes, |out| (0..frames * 2).for_each(|_| out.extend([0x7F, 0xFE])));
            self.receiver.handle_datagram(&mut self.channels, now, from.parse().expect("an address"), &bytes);
        }

        fn here(&self, now: Micros) -> Vec<(u16, u32)> {
            self.presence.here(now).map(|(source, client)| (source.0, client.0)).collect()
        }
    }

    fn from(client: u32, sequence: u32) -> LegacyHeader {
        let (client, sequence) = (LegacyClientId(client), Sequence(sequence));
        LegacyHeader { client, sequence, server_time: Micros(77), ..LegacyHeader::default() }
    }

    /// Packets from any other address or port are dropped.
    #[test]
    fn only_server_address_is_heard() {
        let mut bench = Bench::new();
        bench.receive(T0, "127.0.0.1:7892", from(17, 1), 64);
        bench.receive(T0, "127.0.0.2:7891", from(17, 1), 64);
        assert_eq!((bench.presence.heard(), bench.here(T0)), (None, vec![]));
        bench.receive(T0, "127.0.0.1:7891", from(17, 1), 64);
        assert_eq!((bench.presence.heard(), bench.here(T0)), (Some(T0), vec![(1, 17)]));
        assert_eq!(bench.presence.server_time(), Micros(77));
    }

    /// After a second of silence a musician's seat is free for another one.
    #[test]
    fn silent_musicians_are_forgotten() {
        let mut bench = Bench::new();
        bench.receive(T0, "127.0.0.1:7891", from(17, 1), 64);
        bench.receive(T0, "127.0.0.1:7891", from(40_002, 1), 128);
        bench.receive(T0, "127.0.0.1:7891", from(40_000, 1), 128);
        assert_eq!(bench.here(T0), [(1, 17), (2, 40_002)]);
        let later = T0 + FORGOTTEN_AFTER;
        bench.receive(later, "127.0.0.1:7891", from(40_002, 2), 128);
        assert_eq!(bench.here(later + Micros(1)), [(2, 40_002)]);
        bench.receive(later + Micros(1), "127.0.0.1:7891", from(18, 1), 64);
        assert_eq!(bench.here(later + Micros(1)), [(1, 18), (2, 40_002)]);
    }

    /// Our own header tells the round-trip time and is not a musician.
    #[test]
    fn returned_header_gives_rtt() {
        let mut bench = Bench::new();
        let sent = |client_time| LegacyHeader { client_time, ..from(OWN.0, 3) };
        bench.receive(T0, "127.0.0.1:7891", sent(T0 + Micros(5)), 0);
        assert_eq!(bench.presence.rtt(), None, "from the future");
        bench.receive(T0 + Micros(12_000), "127.0.0.1:7891", sent(T0), 0);
        assert_eq!((bench.presence.rtt(), bench.here(T0)), (Some(Micros(12_000)), vec![]));
    }

    /// Musicians beyond the last seat are not heard.
    #[test]
    fn extra_musicians_are_not_heard() {
        let mut bench = Bench::new();
        for client in 100..300 {
            bench.receive(T0, "127.0.0.1:7891", from(client, 1), 249);
            bench.receive(T0, "127.0.0.1:7891", from(client, 2), 0);
            bench.receive(T0, "127.0.0.1:7891", from(client, 3), 1);
        }
        assert_eq!(bench.here(T0).len(), MAX_MUSICIANS);
        assert_eq!(bench.console.engine().incoming_dropped, 0);
    }
}
