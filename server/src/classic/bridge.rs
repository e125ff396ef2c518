//! The classic thread: hands packets between classic sources, and between them and the media threads. In steady state it
//! does not allocate.

use super::ear::Ear;
use super::figures::ClassicFigures;
use super::outbox::{Outbox, To};
use super::sources::{Came, Sources, our_id};
use super::speaker::Speaker;
use super::{Answer, Ask};
use crate::clock::Clock;
use crate::lobby::Input;
use crate::media::{Breath, Gather, Inbox, MOST_GATHER_US, MediaSocket, Path, Via};
use crate::system::Random;
use crossbeam_channel::Receiver;
use mio::{Events, Interest, Poll, Token};
use rtjam_protocol::audio::AudioFrame;
use rtjam_protocol::classic::{self, BEAT, ClientId, Header, HeardScratch, Packet, RepackScratch, Repacker, beat_at};
use rtjam_protocol::control::MixChoice;
use rtjam_protocol::datagram::{Frame, MAX_DATAGRAM};
use rtjam_protocol::room::MAX_MUSICIANS;
use rtjam_protocol::seal::Lane;
use rtjam_protocol::{Micros, Sequence, SessionId, StreamId};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// What is due is looked after this often.
const TEND_EVERY: Micros = Micros::from_millis(20);

/// Calls that read one socket before the other has its turn.
const READS: usize = 4;

/// Under load packets wait so long for company.
const MOST_GATHER: Micros = Micros(MOST_GATHER_US as u64);

pub(super) const WAKE: Token = Token(0);
const CLASSIC: Token = Token(1);
const ROOM: Token = Token(2);

/// The thread's own world.
pub(super) struct Bridge {
    poll: Poll,
    clock: Clock,
    lobby: mpsc::Sender<Input>,
    answers: Receiver<Answer>,
    random: Random,
    sources: Sources,
    ear: Option<Ear>,
    /// An ear was asked for.
    asked_ear: Option<Micros>,
    /// A musician's of ours each, by their slot.
    repackers: Vec<Repacker>,
    /// Sessions that are over, which the lobby could not be told yet.
    over: Vec<SessionId>,
    links: Links,
    decoded: RepackScratch,
    scratch: HeardScratch,
    sealed: Vec<u8>,
    outbox: Outbox,
    gather: Gather,
    tended: Micros,
}

/// The sockets, and what goes out.
struct Links {
    /// To classic programs.
    classic: MediaSocket,
    /// To the media threads, over loopback.
    room: MediaSocket,
    media: Path,
    figures: Arc<ClassicFigures>,
}

/// What the thread is given.
pub(super) struct Parts {
    pub(super) poll: Poll,
    pub(super) classic: std::net::UdpSocket,
    pub(super) room: std::net::UdpSocket,
    /// Where the media threads listen.
    pub(super) media: SocketAddr,
    pub(super) clock: Clock,
    pub(super) lobby: mpsc::Sender<Input>,
    pub(super) answers: Receiver<Answer>,
    pub(super) limit_loopback: bool,
    pub(super) figures: Arc<ClassicFigures>,
}

impl Bridge {
    pub(super) fn new(parts: Parts) -> io::Result<Bridge> {
        let Parts { poll, classic, room, media, clock, lobby, answers, limit_loopback, figures } = parts;
        let mut classic = MediaSocket::with_class(classic, classic::TOS.into())?;
        let mut room = MediaSocket::new(room)?;
        poll.registry().register(classic.source(), CLASSIC, Interest::READABLE)?;
        poll.registry().register(room.source(), ROOM, Interest::READABLE)?;
        let media = Path::new(media, Via { socket: 0, local: None });
        Ok(Bridge {
            poll,
            clock,
            lobby,
            answers,
            random: Random::new(),
            sources: Sources::new(limit_loopback),
            ear: None,
            asked_ear: None,
            repackers: (0..=MAX_MUSICIANS).map(|_| Repacker::default()).collect(),
            over: Vec::new(),
            links: Links { classic, room, media, figures },
            decoded: RepackScratch::default(),
            scratch: HeardScratch::default(),
            sealed: Vec::with_capacity(MAX_DATAGRAM),
            outbox: Outbox::new(),
            gather: Gather::new(clock.now(), MOST_GATHER),
            tended: Micros::ZERO,
        })
    }

    /// Works until it is told to stop, or nobody is left to tell it.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(4);
        let mut breath = Breath::new(self.clock.now());
        let mut inbox = Inbox::new();
        let (mut more, mut took) = (false, Micros::ZERO);
        loop {
            let patience = if more { Duration::ZERO } else { Duration::from_micros(TEND_EVERY.0) };
            let begun = self.clock.now();
            if let Some(rest) = self.gather.rest(took) {
                // Both sockets are read then, whatever the poll would say.
                std::thread::sleep(Duration::from_micros(rest.0));
            } else if let Err(e) = self.poll.poll(&mut events, Some(patience))
                && e.kind() != io::ErrorKind::Interrupted
            {
                // Cannot happen with a live poll; without it the thread would turn without rest.
                std::thread::sleep(Duration::from_micros(TEND_EVERY.0));
            }
            let woken = self.clock.now();
            breath.was_away(woken.since(begun));
            loop {
                match self.answers.try_recv() {
                    Ok(Answer::Stop) | Err(crossbeam_channel::TryRecvError::Disconnected) => return,
                    Ok(answer) => self.take(answer),
                    Err(crossbeam_channel::TryRecvError::Empty) => break,
                }
            }
            let from_them = self.hear_classic(&mut inbox);
            more = self.hear_room(&mut inbox) || from_them;
            self.flush();
            let now = self.clock.now();
            took = now.since(woken);
            if now.since(self.tended) >= TEND_EVERY {
                self.tended = now;
                self.tend(now);
            }
            // A flood must not take the processor from everybody else.
            if let Some(rest) = breath.rest(now) {
                std::thread::sleep(Duration::from_micros(rest.0));
            }
        }
    }

    fn take(&mut self, answer: Answer) {
        let now = self.clock.now();
        match answer {
            Answer::Seated(address, new, figures) => {
                let stream = StreamId(u32::from_be_bytes(self.random.array()));
                // The speaker's lane is 0.
                let ear = (new.mix == MixChoice::One).then(|| Ear::new(now, &new, Lane(1)));
                match self.sources.seat(now, address, Speaker::new(&new, stream, figures), ear) {
                    Ok(()) => tracing::info!("classic: {address} plays in slot {}", new.source.0),
                    Err(gone) => self.over.push(gone),
                }
            }
            Answer::TurnedAway(address) => self.sources.turn_away(address),
            Answer::Ear(new) => {
                self.asked_ear = None;
                let old = self.ear.replace(Ear::new(now, &new, Lane(0)));
                self.over.extend(old.map(|ear| ear.session));
            }
            Answer::Stop => {}
        }
    }

    /// Sends what this round has made.
    fn flush(&mut self) {
        let now = self.clock.now();
        let Links { classic, figures, .. } = &self.links;
        let sent = self.outbox.flush(now, &mut self.sources, classic, figures);
        self.gather.note(now, sent);
    }

    /// Returns whether there may be more.
    fn hear_classic(&mut self, inbox: &mut Inbox) -> bool {
        for _ in 0..READS {
            match self.links.classic.receive(inbox) {
                Ok(received) => {
                    for i in 0..received {
                        if let Some((arrival, bytes)) = inbox.datagram(i) {
                            self.take_classic(bytes, (arrival.from, arrival.local));
                        }
                        if self.outbox.is_full() {
                            self.flush();
                        }
                    }
                    if !Inbox::is_full_of(received) {
                        return false;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return false,
                // Someone's port is closed; the next datagram may be there.
                Err(_) => {}
            }
        }
        true
    }

    fn take_classic(&mut self, datagram: &[u8], (from, local): (SocketAddr, Option<IpAddr>)) {
        let Ok(packet) = Packet::read(datagram) else { return self.links.figures.ignored.add() };
        let now = self.clock.now();
        let random = &mut self.random;
        let secret = || u32::from_be_bytes(random.array()) >> 2;
        match self.sources.hear(now, (from, local), &packet, datagram.len(), secret) {
            Came::NoRoom | Came::Proving => self.links.figures.ignored.add(),
            Came::OverRate => self.links.figures.over_rate.add(),
            Came::Asks(client) => {
                if self.lobby.try_send(Input::Classic(Ask::Seat(from, client))).is_err() {
                    self.sources.turn_away(from);
                }
            }
            Came::Seated(seat, took) => {
                if let Some(took) = took {
                    seat.speaker.figures.round_trip_took(took);
                }
                self.links.figures.received.add();
                let (shown, mixed) = (seat.shown, seat.mix.is_some());
                if seat.speaker.seal(&packet, &mut self.scratch, &mut self.sealed) {
                    self.links.send_to_room(&self.sealed);
                }
                // Time and beat are written when it leaves.
                let header = Header { client: shown, ..packet.header };
                if packet.frames() > 0 {
                    self.outbox.add(To::AllBut(Some(from)), &header, packet.frames(), |out| {
                        packet.channels().iter().for_each(|channel| out.extend_from_slice(channel));
                    });
                }
                // Mixes bring the server's time along.
                if !mixed {
                    let header = Header { client: packet.header.client, ..header };
                    self.outbox.add(To::One(from), &header, 0, |_| {});
                }
            }
        }
    }

    /// Returns whether there may be more.
    fn hear_room(&mut self, inbox: &mut Inbox) -> bool {
        for _ in 0..READS {
            match self.links.room.receive(inbox) {
                Ok(received) => {
                    for i in 0..received {
                        match inbox.datagram(i) {
                            Some((arrival, bytes)) if arrival.from == self.links.media.remote => self.take_room(bytes),
                            _ => {}
                        }
                        if self.outbox.is_full() {
                            self.flush();
                        }
                    }
                    if !Inbox::is_full_of(received) {
                        return false;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => {}
            }
        }
        true
    }

    /// Takes what the server sent to a musician who is sent a mix; `false` when it is nobody's of those.
    fn take_mix(&mut self, now: Micros, session: SessionId, datagram: &mut [u8]) -> bool {
        let Some((to, mix)) = self.sources.mixed(session) else { return false };
        let Some(opened) = mix.ear.open(now, datagram, &mut self.sealed) else { return true };
        if !self.sealed.is_empty() {
            self.links.send_to_room(&self.sealed);
        }
        for frame in opened.frames() {
            let Frame::Audio(audio) = frame else { continue };
            // A packet of a mix is one of theirs: as long, and on their grid.
            mix.repacker.take(&audio, &mut self.decoded, |sequence, channels| {
                let header = header_of(now, ClientId::MIX, sequence);
                self.outbox.add(To::One(to), &header, channels[0].len(), |out| classic::write_channels(channels, out));
            });
        }
        true
    }

    fn take_room(&mut self, datagram: &mut [u8]) {
        let now = self.clock.now();
        let Some(session) = rtjam_protocol::datagram::Header::read(datagram).map(|header| header.session) else {
            return;
        };
        if self.take_mix(now, session, datagram) {
            return;
        }
        let Some(opened) = self.ear.as_mut().and_then(|ear| ear.open(now, datagram, &mut self.sealed)) else { return };
        if !self.sealed.is_empty() {
            self.links.send_to_room(&self.sealed);
        }
        for frame in opened.frames() {
            if let Frame::Audio(audio) = frame {
                self.hand_on(now, &audio);
            }
        }
    }

    /// What one of ours plays, to all classic musicians.
    fn hand_on(&mut self, now: Micros, audio: &AudioFrame<'_>) {
        let source = audio.header.source;
        if !self.sources.is_ours(source) {
            return;
        }
        let Some(repacker) = self.repackers.get_mut(usize::from(source.0)) else { return };
        repacker.take(audio, &mut self.decoded, |sequence, channels| {
            let header = header_of(now, our_id(source), sequence);
            let to = To::AllBut(None);
            self.outbox.add(to, &header, channels[0].len(), |out| classic::write_channels(channels, out));
        });
    }

    fn tend(&mut self, now: Micros) {
        let over = &mut self.over;
        self.sources.expire(now, |session| over.push(session));
        let seated = self.sources.seated();
        self.links.figures.musicians.set(seated as u64);
        if let Some(ear) = self.ear.take_if(|ear| seated == 0 || ear.is_deaf(now)) {
            self.over.push(ear.session);
        }
        if let Some(ear) = &mut self.ear {
            if ear.poll(now, &mut self.sealed) {
                self.links.send_to_room(&self.sealed);
            }
        } else if seated > 0 && self.asked_ear.is_none_or(|asked| now.since(asked) >= Micros::from_secs(1)) {
            self.asked_ear = Some(now);
            // Asked again when the queue was full.
            let _ = self.lobby.try_send(Input::Classic(Ask::Ear));
        }
        let lobby = &self.lobby;
        self.over.retain(|session| lobby.try_send(Input::SessionOver(*session)).is_err());
    }
}

/// Of a packet that the server makes.
fn header_of(now: Micros, client: ClientId, sequence: Sequence) -> Header {
    Header { beat: beat_at(now, BEAT), server_time: now, client_time: now, client, sequence }
}

impl Links {
    fn send_to_room(&self, datagram: &[u8]) {
        if self.room.send(datagram, &self.media).is_err() {
            self.figures.not_sent.add();
        }
    }
}
