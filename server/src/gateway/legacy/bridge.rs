//! The gateway's thread: forwards packets between legacy sources, and between them and the media threads. In steady state it
//! does not allocate.

use super::outbox::Outbox;
use super::room_session::{RoomDownlink, RoomUplink};
use super::sources::{LegacySources, PacketVerdict, To, assigned_id};
use crate::media::batching::Batching;
use crate::media::socket::MediaSocket;
use crate::media::{LocalEndpoint, MAX_BATCH_WAIT_US, MediaPath};
use crate::platform::{DatagramArrival, RecvBatch};
use crate::real_time::YieldBudget;
use crate::real_time::{ServerClock, sleep};
use crate::rooms::messages::{GatewayMailbox, GatewayReply, GatewayRequest, MediaEvent, RoomsHandle};
use crate::statistics::counters::Counter;
use crate::system::Random;
use crossbeam_channel::Receiver;
use mio::{Events, Interest, Poll, Token, Waker};
use rtjam_protocol::audio::AudioFrame;
use rtjam_protocol::control::{DownstreamMode, MemberAccess};
use rtjam_protocol::datagram::{Frame, MAX_DATAGRAM};
use rtjam_protocol::legacy::{
    BEAT, DecoderScratch, EncoderScratch, LegacyClientId, LegacyEncoder, LegacyHeader, LegacyPacket, TOS, beat_at,
    write_channels,
};
use rtjam_protocol::seal::Lane;
use rtjam_protocol::server::rooms::MAX_MUSICIANS;
use rtjam_protocol::{Micros, RoomName, Sequence, SessionId, StreamId};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

/// How this gateway is known in rooms.
const VIA: MemberAccess = MemberAccess::Legacy;

/// How often timeouts are checked.
const CHECK_EVERY: Micros = Micros::from_millis(20);

/// A listening session that was not granted is requested again after this.
const REQUEST_AGAIN_AFTER: Micros = Micros::from_secs(1);

/// Receive calls on one socket before the other has its turn.
const READS: usize = 4;

/// Under load the thread batches packets for this long.
const BATCH_WAIT: Micros = Micros(MAX_BATCH_WAIT_US as u64);

const WAKE: Token = Token(0);
const LEGACY: Token = Token(1);
const LOOPBACK: Token = Token(2);

/// The state of the thread.
pub(super) struct Bridge {
    poll: Poll,
    clock: ServerClock,
    room: RoomName,
    rooms: RoomsHandle,
    mailbox: GatewayMailbox,
    replies: Receiver<GatewayReply>,
    random: Random,
    sources: LegacySources,
    /// Receives everyone's packets, while a legacy musician is seated.
    listener: Option<RoomDownlink>,
    /// When a session for the listener was last requested.
    listener_requested: Option<Micros>,
    /// One for each RTJam musician, by slot.
    repackers: Vec<LegacyEncoder>,
    /// Ended sessions that have not been reported yet.
    over: Vec<SessionId>,
    sockets: Sockets,
    decoded: EncoderScratch,
    scratch: DecoderScratch,
    sealed: Vec<u8>,
    outbox: Outbox,
    batching: Batching,
    last_check: Micros,
}

struct Sockets {
    /// To legacy programs.
    legacy: MediaSocket,
    /// To the media threads.
    loopback: MediaSocket,
    media: MediaPath,
    counters: Arc<LegacyCounters>,
}

/// What the gateway counts. Its thread alone writes, any thread may read.
#[derive(Debug, Default)]
pub struct LegacyCounters {
    /// Musicians who have a seat at present.
    pub(crate) musicians: Counter,
    /// Packets of seated musicians.
    pub(crate) received: Counter,
    /// Packets sent: audio, or headers that return to their sender.
    pub(crate) sent: Counter,
    /// Datagrams that are not packets, or that come from sources without a seat.
    pub(crate) ignored: Counter,
    /// Packets dropped because their musician exceeds the rate limit.
    pub(crate) over_rate: Counter,
    /// Packets that the system refused to send.
    pub(crate) not_sent: Counter,
}

impl Bridge {
    /// Receives legacy packets from `legacy`, and speaks to the media threads at the address `media`. Also returns the
    /// mailbox for replies to the thread, and its counters.
    pub(super) fn new(
        legacy: UdpSocket,
        media: SocketAddr,
        clock: ServerClock,
        room: RoomName,
        rooms: RoomsHandle,
        limit_loopback: bool,
    ) -> io::Result<(Bridge, GatewayMailbox, Arc<LegacyCounters>)> {
        let loopback = UdpSocket::bind(SocketAddr::new(media.ip(), 0))?;
        loopback.set_nonblocking(true)?;
        let poll = Poll::new()?;
        let (mailbox, replies) = GatewayMailbox::new(Waker::new(poll.registry(), WAKE)?);
        let mut legacy = MediaSocket::with_traffic_class(legacy, TOS.into())?;
        let mut loopback = MediaSocket::new(loopback)?;
        poll.registry().register(legacy.source(), LEGACY, Interest::READABLE)?;
        poll.registry().register(loopback.source(), LOOPBACK, Interest::READABLE)?;
        let media = MediaPath::new(media, LocalEndpoint { socket: 0, address: None });
        let counters = Arc::<LegacyCounters>::default();
        let bridge = Bridge {
            poll,
            clock,
            room,
            rooms,
            mailbox: mailbox.clone(),
            replies,
            random: Random::new(),
            sources: LegacySources::new(limit_loopback),
            listener: None,
            listener_requested: None,
            repackers: (0..=MAX_MUSICIANS).map(|_| LegacyEncoder::default()).collect(),
            over: Vec::new(),
            sockets: Sockets { legacy, loopback, media, counters: counters.clone() },
            decoded: EncoderScratch::default(),
            scratch: DecoderScratch::default(),
            sealed: Vec::with_capacity(MAX_DATAGRAM),
            outbox: Outbox::new(),
            batching: Batching::new(clock.now(), BATCH_WAIT),
            last_check: Micros::ZERO,
        };
        Ok((bridge, mailbox, counters))
    }

    /// Runs until [`GatewayReply::Stop`] arrives.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(4);
        let mut yield_budget = YieldBudget::new(self.clock.now());
        let mut batch = RecvBatch::new();
        let (mut more, mut took) = (false, Micros::ZERO);
        loop {
            let patience = if more { Duration::ZERO } else { Duration::from_micros(CHECK_EVERY.0) };
            let begun = self.clock.now();
            if let Some(rest) = self.batching.poll_sleep(took) {
                // Both sockets are read afterwards, whether the poll reports them or not.
                sleep(rest);
            } else if let Err(e) = self.poll.poll(&mut events, Some(patience))
                && e.kind() != io::ErrorKind::Interrupted
            {
                // A live poll does not fail; if it does, the loop must not spin.
                sleep(CHECK_EVERY);
            }
            let woken = self.clock.now();
            yield_budget.record_wait(woken.since(begun));
            loop {
                match self.replies.try_recv() {
                    Ok(GatewayReply::Stop) | Err(crossbeam_channel::TryRecvError::Disconnected) => return,
                    Ok(reply) => self.handle_reply(reply),
                    Err(crossbeam_channel::TryRecvError::Empty) => break,
                }
            }
            let more_legacy = self.receive(&mut batch, |sockets| &sockets.legacy, Bridge::handle_legacy);
            more = self.receive(&mut batch, |sockets| &sockets.loopback, Bridge::handle_room) || more_legacy;
            self.flush();
            let now = self.clock.now();
            took = now.since(woken);
            if now.since(self.last_check) >= CHECK_EVERY {
                self.last_check = now;
                self.handle_timeout(now);
            }
            // A flood must not starve other threads.
            if let Some(rest) = yield_budget.poll_sleep(now) {
                sleep(rest);
            }
        }
    }

    fn handle_reply(&mut self, reply: GatewayReply) {
        let now = self.clock.now();
        match reply {
            GatewayReply::Seated(address, new, counters) => {
                let stream = StreamId(u32::from_be_bytes(self.random.array()));
                // The uplink has lane 0.
                let downlink =
                    (new.mix == DownstreamMode::Mixed).then(|| RoomDownlink::new(now, &new, Lane::UPLINK[1]));
                match self.sources.seat(now, address, RoomUplink::new(&new, stream, counters), downlink) {
                    Ok(()) => tracing::info!("legacy: {address} plays in slot {}", new.source.0),
                    Err(gone) => self.over.push(gone),
                }
            }
            GatewayReply::Refused(address) => self.sources.refuse(address),
            GatewayReply::Listening(new) => {
                self.listener_requested = None;
                let old = self.listener.replace(RoomDownlink::new(now, &new, Lane::UPLINK[0]));
                self.over.extend(old.map(|listener| listener.session));
            }
            GatewayReply::Stop => {}
        }
    }

    /// Sends the packets of this round.
    fn flush(&mut self) {
        let now = self.clock.now();
        let Sockets { legacy, counters, .. } = &self.sockets;
        let (made, accepted) = self.outbox.flush(now, &mut self.sources, legacy);
        counters.sent.add(accepted);
        counters.not_sent.add(made - accepted);
        self.batching.record_sent(now, accepted);
    }

    /// Receives from one of the sockets. Returns whether more may be waiting.
    fn receive(
        &mut self,
        batch: &mut RecvBatch,
        socket: fn(&Sockets) -> &MediaSocket,
        handle: fn(&mut Bridge, &DatagramArrival, &mut [u8]),
    ) -> bool {
        for _ in 0..READS {
            match socket(&self.sockets).receive(batch) {
                Ok(received) => {
                    for i in 0..received {
                        if let Some((arrival, bytes)) = batch.datagram(i) {
                            handle(self, &arrival, bytes);
                        }
                        if self.outbox.is_full() {
                            self.flush();
                        }
                    }
                    if !RecvBatch::is_full_of(received) {
                        return false;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return false,
                // A source's port is closed; further datagrams may be waiting.
                Err(_) => {}
            }
        }
        true
    }

    fn handle_legacy(&mut self, arrival: &DatagramArrival, datagram: &mut [u8]) {
        let (from, local) = (arrival.from, arrival.local);
        let Some(packet) = LegacyPacket::read(datagram) else { return self.sockets.counters.ignored.increment() };
        let now = self.clock.now();
        let random = &mut self.random;
        let secret = || u32::from_be_bytes(random.array()) >> 2;
        match self.sources.handle_packet(now, (from, local), &packet, datagram.len(), secret) {
            PacketVerdict::TooManySources | PacketVerdict::NotSeated => self.sockets.counters.ignored.increment(),
            PacketVerdict::OverRate => self.sockets.counters.over_rate.increment(),
            PacketVerdict::RequestSeat(client) => {
                let request = GatewayRequest::Seat {
                    room: self.room.clone(),
                    via: VIA,
                    musician: client.identity(),
                    name: format!("Classic {}", client.0),
                    from,
                };
                if self.rooms.try_gateway(request, &self.mailbox).is_err() {
                    self.sources.refuse(from);
                }
            }
            PacketVerdict::Seated(seat, round_trip) => {
                if let Some(round_trip) = round_trip {
                    seat.uplink.counters.record_round_trip(round_trip);
                }
                self.sockets.counters.received.increment();
                let (shown_id, mixed) = (seat.shown_id, seat.mix.is_some());
                if seat.uplink.seal(&packet, &mut self.scratch, &mut self.sealed) {
                    self.sockets.send_to_room(&self.sealed);
                }
                // The outbox writes time and beat when the packet leaves.
                let header = LegacyHeader { client: shown_id, ..packet.header };
                if packet.frames() > 0 {
                    self.outbox.add(To::AllBut(Some(from)), &header, packet.frames(), |out| {
                        packet.channels().iter().for_each(|channel| out.extend_from_slice(channel));
                    });
                }
                // A mix carries the server's time, so its recipient needs no header of its own.
                if !mixed {
                    let header = LegacyHeader { client: packet.header.client, ..header };
                    self.outbox.add(To::One(from), &header, 0, |_| {});
                }
            }
        }
    }

    /// Forwards a datagram of a mix. Returns `false` if the session is not one that receives a mix.
    fn handle_mix(&mut self, now: Micros, session: SessionId, datagram: &mut [u8]) -> bool {
        let Some((to, mix)) = self.sources.mix_of(session) else { return false };
        let Some(opened) = mix.downlink.open(now, datagram, &mut self.sealed) else { return true };
        if !self.sealed.is_empty() {
            self.sockets.send_to_room(&self.sealed);
        }
        for frame in opened.frames() {
            let Frame::Audio(audio) = frame else { continue };
            // A packet of a mix has the length of a legacy packet and lies on its grid.
            mix.repacker.take(&audio, &mut self.decoded, |sequence, channels| {
                let header = header_of(now, LegacyClientId::MIX, sequence);
                self.outbox.add(To::One(to), &header, channels[0].len(), |out| write_channels(channels, out));
            });
        }
        true
    }

    fn handle_room(&mut self, arrival: &DatagramArrival, datagram: &mut [u8]) {
        if arrival.from != self.sockets.media.remote {
            return;
        }
        let now = self.clock.now();
        let Some(session) = rtjam_protocol::datagram::DatagramHeader::read(datagram).map(|header| header.session)
        else {
            return;
        };
        if self.handle_mix(now, session, datagram) {
            return;
        }
        let Some(opened) = self.listener.as_mut().and_then(|l| l.open(now, datagram, &mut self.sealed)) else { return };
        if !self.sealed.is_empty() {
            self.sockets.send_to_room(&self.sealed);
        }
        for frame in opened.frames() {
            if let Frame::Audio(audio) = frame {
                self.forward(now, &audio);
            }
        }
    }

    /// Forwards a packet of an RTJam musician to the legacy musicians.
    fn forward(&mut self, now: Micros, audio: &AudioFrame<'_>) {
        let source = audio.header.source;
        if self.sources.has_slot(source) {
            return;
        }
        let Some(repacker) = self.repackers.get_mut(usize::from(source.0)) else { return };
        repacker.take(audio, &mut self.decoded, |sequence, channels| {
            let header = header_of(now, assigned_id(source), sequence);
            let to = To::AllBut(None);
            self.outbox.add(to, &header, channels[0].len(), |out| write_channels(channels, out));
        });
    }

    /// Ends silent sources, keeps the listening session alive, and reports ended sessions.
    fn handle_timeout(&mut self, now: Micros) {
        let over = &mut self.over;
        self.sources.expire(now, |session| over.push(session));
        let seated = self.sources.seated();
        self.sockets.counters.musicians.set(seated as u64);
        if let Some(listener) = self.listener.take_if(|listener| seated == 0 || listener.is_dead(now)) {
            self.over.push(listener.session);
        }
        if let Some(listener) = &mut self.listener {
            if listener.poll(now, &mut self.sealed) {
                self.sockets.send_to_room(&self.sealed);
            }
        } else if seated > 0 && self.listener_requested.is_none_or(|at| now.since(at) >= REQUEST_AGAIN_AFTER) {
            self.listener_requested = Some(now);
            let request = GatewayRequest::Listen { room: self.room.clone(), via: VIA };
            // If the queue is full, it is requested again.
            let _ = self.rooms.try_gateway(request, &self.mailbox);
        }
        let rooms = &self.rooms;
        self.over.retain(|session| rooms.try_media(MediaEvent::SessionOver(*session)).is_err());
    }
}

/// The header of a packet that the gateway makes.
fn header_of(now: Micros, client: LegacyClientId, sequence: Sequence) -> LegacyHeader {
    LegacyHeader { beat: beat_at(now, BEAT), server_time: now, client_time: now, client, sequence }
}

impl Sockets {
    fn send_to_room(&self, datagram: &[u8]) {
        if self.loopback.send(datagram, &self.media).is_err() {
            self.counters.not_sent.increment();
        }
    }
}
