//! A classic server as heard by `jam-recv`, and who is there, for `jam-send`. Nothing here is sealed or can be verified:
//! what counts is that it comes from the server's address.

use super::receive::{LastHeard, Ways};
use crate::trace::Arrival;
use rtjam_protocol::audio::AudioFrame;
use rtjam_protocol::legacy::{DecoderScratch, LegacyClientId, LegacyDecoder, LegacyPacket};
use rtjam_protocol::{Micros, SourceId, StreamId};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Who is silent for so long has left; so has the server.
pub(crate) const FORGOTTEN_AFTER: Micros = Micros::from_secs(1);

/// Musicians that are told apart; further ones are not heard.
const MOST: usize = 64;

/// A loop that takes longer is none: the server returned something else.
const LONGEST_LOOP: Micros = Micros::from_secs(5);

/// Who is there, and what the server last said. `jam-recv` writes, `jam-send` looks when it is awake anyway; the latest
/// value wins.
#[derive(Debug)]
pub(crate) struct Presence {
    heard: LastHeard,
    server_time: AtomicU64,
    /// The loop, in µs; 0 before it is known.
    rtt: AtomicU64,
    seats: [Seat; MOST],
}

/// A musician's place: its index plus one is their source.
#[derive(Debug)]
struct Seat {
    client: AtomicU32,
    heard: AtomicU64,
}

impl Default for Presence {
    fn default() -> Presence {
        let seat = |_| Seat { client: AtomicU32::new(LegacyClientId::EMPTY.0), heard: AtomicU64::new(0) };
        let (server_time, rtt) = (AtomicU64::new(0), AtomicU64::new(0));
        Presence { heard: LastHeard::default(), server_time, rtt, seats: std::array::from_fn(seat) }
    }
}

impl Presence {
    /// When something came from the server last.
    pub(crate) fn heard(&self) -> Option<Micros> {
        self.heard.get()
    }

    /// The server's time, as it said last.
    pub(crate) fn server_time(&self) -> Micros {
        Micros(self.server_time.load(Relaxed))
    }

    /// The round trip to the server, once a header of ours came back.
    pub(crate) fn rtt(&self) -> Option<Micros> {
        Some(Micros(self.rtt.load(Relaxed))).filter(|rtt| *rtt != Micros::ZERO)
    }

    /// As if the server had spoken then.
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

/// The ear for a classic server.
pub(crate) struct ClassicEar {
    server: SocketAddr,
    /// Who we are: headers under this id are our own that came back.
    own: LegacyClientId,
    presence: Arc<Presence>,
    heard: Vec<LegacyDecoder>,
    /// The id of the next new stream.
    stream: StreamId,
    scratch: DecoderScratch,
}

impl ClassicEar {
    /// Hears the server at that address, as `own`. `stream` is random.
    pub(crate) fn new(
        server: SocketAddr,
        own: LegacyClientId,
        presence: Arc<Presence>,
        stream: StreamId,
    ) -> ClassicEar {
        let heard = (0..MOST).map(|_| LegacyDecoder::new(stream)).collect();
        ClassicEar { server, own, presence, heard, stream, scratch: DecoderScratch::default() }
    }

    /// What comes from elsewhere, or is no classic packet, is dropped.
    pub(super) fn take(&mut self, ways: &mut Ways, arrived: Micros, from: SocketAddr, datagram: &[u8]) {
        if (from.ip(), from.port()) != (self.server.ip(), self.server.port()) {
            return;
        }
        let Ok(packet) = LegacyPacket::read(datagram) else { return };
        let is_news = self.presence.heard.get().is_none_or(|at| arrived.since(at) > FORGOTTEN_AFTER);
        self.presence.heard.set(arrived);
        self.presence.server_time.store(packet.header.server_time.0, Relaxed);
        if packet.header.client == self.own && packet.frames() == 0 {
            self.note_loop(arrived, packet.header.client_time);
        } else if let Some(seat) = self.seat(arrived, packet.header.client) {
            self.play(ways, arrived, seat, &packet);
        }
        if is_news {
            ways.wake.wake();
        }
    }

    fn play(&mut self, ways: &mut Ways, arrived: Micros, seat: usize, packet: &LegacyPacket<'_>) {
        let Some((mut header, payload)) = self.heard[seat].take(packet, &mut self.scratch) else { return };
        header.source = SourceId(seat as u16 + 1);
        if let Some(tape) = &ways.tape {
            let _ = tape.try_send(Arrival { at: arrived, header });
        }
        // The engine counts what it does not take.
        let _ = ways.incoming.push(arrived, &AudioFrame { header, payload });
    }

    /// A musician's seat: the one they have, else one that is free. `None` where all are taken.
    fn seat(&mut self, now: Micros, client: LegacyClientId) -> Option<usize> {
        if client == LegacyClientId::EMPTY {
            return None;
        }
        let seats = &self.presence.seats;
        let is_free = |seat: &Seat| seat.heard() == Micros::ZERO || now.since(seat.heard()) > FORGOTTEN_AFTER;
        let own = seats.iter().position(|seat| seat.client() == client);
        let index = own.or_else(|| seats.iter().position(is_free))?;
        let seat = &seats[index];
        if is_free(seat) {
            // Somebody else's numbers, or after a while their own: a timeline of its own.
            self.heard[index] = LegacyDecoder::new(self.stream);
            self.stream = StreamId(self.stream.0.wrapping_add(STREAMS_A_SEAT));
            seat.client.store(client.0, Relaxed);
        }
        seat.heard.store(now.0, Relaxed);
        Some(index)
    }

    fn note_loop(&self, arrived: Micros, sent: Micros) {
        let took = arrived.since(sent);
        if sent > arrived || took > LONGEST_LOOP {
            return;
        }
        let rtt = &self.presence.rtt;
        let usual = match rtt.load(Relaxed) {
            0 => took.0,
            before => before - before / 16 + took.0 / 16,
        };
        rtt.store(usual.max(1), Relaxed);
    }
}

/// A musician whose numbers jump begins a new stream, which is the one after.
const STREAMS_A_SEAT: u32 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::shared::Shared;
    use crate::wake::Wake;
    use rtjam_engine::Console;
    use rtjam_protocol::Sequence;
    use rtjam_protocol::legacy::LegacyHeader;

    const OWN: LegacyClientId = LegacyClientId(7);
    const T0: Micros = Micros::from_secs(9);

    struct Bench {
        ear: ClassicEar,
        ways: Ways,
        presence: Arc<Presence>,
        /// Counts what the engine would not take.
        console: Console,
        _engine: rtjam_engine::Engine,
    }

    fn server() -> SocketAddr {
        "127.0.0.1:7891".parse().expect("an address")
    }

    impl Bench {
        fn new() -> Bench {
            let (engine, network, console) = rtjam_engine::engine(1, || {});
            let (notes, _) = crossbeam_channel::bounded(1);
            let ways = Ways {
                clock: Clock::new(),
                incoming: network.incoming,
                console: console.clone(),
                shared: Arc::<Shared>::default(),
                notes,
                tape: None,
                wake: Wake::new(),
            };
            let presence = Arc::<Presence>::default();
            let ear = ClassicEar::new(server(), OWN, Arc::clone(&presence), StreamId(5));
            Bench { ear, ways, presence, console, _engine: engine }
        }

        fn hear(&mut self, now: Micros, from: &str, header: LegacyHeader, frames: usize) {
            let mut bytes = Vec::new();
            header.write(frames, &mut bytes, |out| (0..frames * 2).for_each(|_| out.extend([0x7F, 0xFE])));
            self.ear.take(&mut self.ways, now, from.parse().expect("an address"), &bytes);
        }

        fn here(&self, now: Micros) -> Vec<(u16, u32)> {
            self.presence.here(now).map(|(source, client)| (source.0, client.0)).collect()
        }
    }

    fn from(client: u32, sequence: u32) -> LegacyHeader {
        let (client, sequence) = (LegacyClientId(client), Sequence(sequence));
        LegacyHeader { client, sequence, server_time: Micros(77), ..LegacyHeader::default() }
    }

    #[test]
    fn only_the_servers_address_is_heard() {
        let mut bench = Bench::new();
        bench.hear(T0, "127.0.0.1:7892", from(17, 1), 64);
        bench.hear(T0, "127.0.0.2:7891", from(17, 1), 64);
        assert_eq!((bench.presence.heard(), bench.here(T0)), (None, vec![]));
        bench.hear(T0, "127.0.0.1:7891", from(17, 1), 64);
        assert_eq!((bench.presence.heard(), bench.here(T0)), (Some(T0), vec![(1, 17)]));
        assert_eq!(bench.presence.server_time(), Micros(77));
    }

    #[test]
    fn who_is_silent_for_a_second_is_forgotten_and_their_seat_is_free() {
        let mut bench = Bench::new();
        bench.hear(T0, "127.0.0.1:7891", from(17, 1), 64);
        bench.hear(T0, "127.0.0.1:7891", from(40_002, 1), 128);
        bench.hear(T0, "127.0.0.1:7891", from(40_000, 1), 128);
        assert_eq!(bench.here(T0), [(1, 17), (2, 40_002)]);
        let later = T0 + FORGOTTEN_AFTER;
        bench.hear(later, "127.0.0.1:7891", from(40_002, 2), 128);
        assert_eq!(bench.here(later + Micros(1)), [(2, 40_002)]);
        bench.hear(later + Micros(1), "127.0.0.1:7891", from(18, 1), 64);
        assert_eq!(bench.here(later + Micros(1)), [(1, 18), (2, 40_002)]);
    }

    #[test]
    fn a_header_of_ours_tells_the_loop_and_is_no_musician() {
        let mut bench = Bench::new();
        let sent = |client_time| LegacyHeader { client_time, ..from(OWN.0, 3) };
        bench.hear(T0, "127.0.0.1:7891", sent(T0 + Micros(5)), 0);
        assert_eq!(bench.presence.rtt(), None, "from the future");
        bench.hear(T0 + Micros(12_000), "127.0.0.1:7891", sent(T0), 0);
        assert_eq!((bench.presence.rtt(), bench.here(T0)), (Some(Micros(12_000)), vec![]));
    }

    #[test]
    fn more_than_there_are_seats_for_are_not_heard_and_nothing_breaks() {
        let mut bench = Bench::new();
        for client in 100..300 {
            bench.hear(T0, "127.0.0.1:7891", from(client, 1), 249);
            bench.hear(T0, "127.0.0.1:7891", from(client, 2), 0);
            bench.hear(T0, "127.0.0.1:7891", from(client, 3), 1);
        }
        assert_eq!(bench.here(T0).len(), MOST);
        assert_eq!(bench.console.engine().incoming_dropped, 0);
    }
}
