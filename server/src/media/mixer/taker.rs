//! One mix on its way to one session.

use super::super::route::Route;
use super::super::socket::MediaSocket;
use super::figures::MixFigures;
use rtjam_engine::{Balance, Level, Mix, MixBus, VoiceReading};
use rtjam_protocol::audio::{AudioHeader, CHANNELS, Codec, Layout, Peak, WIRE_RATE, encode};
use rtjam_protocol::datagram::{
    DatagramClass, Frame, MAX_DATAGRAM, MixReport, MixedMusician, write_audio, write_frame,
};
use rtjam_protocol::retransmit::{Feedback, PacketHistory, Retransmitter};
use rtjam_protocol::seal::SendLane;
use rtjam_protocol::{FramePosition, Micros, Sequence, SessionId, SourceId, StreamId};
use std::sync::Arc;

/// A mix is open after so many ticks (21 ms): by then the musicians have been placed, here and at the other end, and it
/// fades in.
const OPENS_AT: u32 = 8;

/// After so many (32 ms) musicians are not sent separately any more; what is missing of them is faded out there.
const ALONE_AT: u32 = 12;

/// A mix that ends is closed after so many ticks, when everyone comes separately again, and is over after so many.
const CLOSES_AT: u32 = 6;
const OVER_AT: u32 = 14;

/// How the musicians stand is told every so many ticks: 9.9 times a second.
const REPORT_EVERY: u64 = 38;

/// A session, as the mixer knows it. The lane is the mixer's alone, and lives as long as the session.
pub(in super::super) struct Guest {
    pub(in super::super) session: SessionId,
    pub(in super::super) source: SourceId,
    /// Whether others hear it.
    pub(in super::super) sends: bool,
    pub(in super::super) lane: SendLane,
    pub(in super::super) route: Arc<Route>,
    pub(super) taking: Option<Box<Taking>>,
}

impl Guest {
    pub(in super::super) fn new(
        session: SessionId,
        source: SourceId,
        sends: bool,
        lane: SendLane,
        route: Arc<Route>,
    ) -> Guest {
        Guest { session, source, sends, lane, route, taking: None }
    }

    /// Whether a mix is made for them, be it one that ends.
    pub(super) fn takes(&self) -> bool {
        self.taking.is_some()
    }

    /// Sends what the desk plays now, and what was missed. Says what has come to pass by it.
    pub(super) fn send(&mut self, now: Micros, tick: u64, desk: &MixBus, outlet: &mut Outlet) -> Passed {
        let Some(taking) = &mut self.taking else { return Passed::Nothing };
        let [left, right] = &mut outlet.sum;
        taking.mix.fill(desk, self.source, [left, right]);
        taking.write(tick, outlet);
        if let Some(packet) = taking.history.keep(now, &outlet.plain) {
            let Outlet { plain, sealed, sockets, figures, .. } = outlet;
            let counter = self.lane.seal(DatagramClass::Media, sealed, |out| out.extend_from_slice(plain));
            taking.again.record_original(now, packet, plain.len(), || Some(&taking.history));
            taking.again.record_sent(counter, packet, now);
            send_to(&self.route, sealed, sockets, figures);
        }
        self.send_again(outlet);
        // Not all takers at the same tick.
        if (tick + u64::from(self.source.0)).is_multiple_of(REPORT_EVERY) {
            self.report(desk, outlet);
        }
        self.taking.as_deref_mut().map_or(Passed::Nothing, Taking::pass)
    }

    /// They miss something of what was sent.
    pub(super) fn handle_feedback(&mut self, now: Micros, feedback: &Feedback, outlet: &mut Outlet) {
        if let Some(taking) = &mut self.taking {
            taking.again.handle_feedback(now, feedback);
            self.send_again(outlet);
        }
    }

    /// Says how the musicians of the mix stand.
    fn report(&mut self, desk: &MixBus, outlet: &mut Outlet) {
        let Outlet { payload, plain, sealed, sockets, figures, .. } = outlet;
        let mut others = desk.readings(self.source).map(|reading| mixed(&reading)).peekable();
        while others.peek().is_some() {
            payload.clear();
            others.by_ref().take(MixReport::MAX).for_each(|musician| musician.write(payload));
            plain.clear();
            write_frame(&Frame::MixReport(MixReport::new(payload)), plain);
            self.lane.seal(DatagramClass::Media, sealed, |out| out.extend_from_slice(plain));
            send_to(&self.route, sealed, sockets, figures);
        }
    }

    fn send_again(&mut self, outlet: &mut Outlet) {
        let Some(taking) = &mut self.taking else { return };
        let Outlet { plain, sealed, sockets, figures, .. } = outlet;
        loop {
            plain.clear();
            let history = &taking.history;
            let Some((packet, first_sent)) = taking.again.poll_retransmit(|_| Some(history), plain) else { return };
            let counter = self.lane.seal(DatagramClass::Media, sealed, |out| out.extend_from_slice(plain));
            taking.again.record_sent(counter, packet, first_sent);
            send_to(&self.route, sealed, sockets, figures);
        }
    }
}

/// By what packets leave, and room to make them in.
pub(super) struct Outlet {
    pub(super) sockets: Vec<MediaSocket>,
    pub(super) figures: Arc<MixFigures>,
    sum: [[f32; MixBus::FRAMES]; CHANNELS],
    payload: Vec<u8>,
    plain: Vec<u8>,
    sealed: Vec<u8>,
}

impl Outlet {
    pub(super) fn new(sockets: Vec<MediaSocket>, figures: Arc<MixFigures>) -> Outlet {
        let buffer = || Vec::with_capacity(MAX_DATAGRAM);
        let sum = [[0.0; MixBus::FRAMES]; CHANNELS];
        Outlet { sockets, figures, sum, payload: buffer(), plain: buffer(), sealed: buffer() }
    }
}

fn mixed(reading: &VoiceReading) -> MixedMusician {
    let [left, right] = reading.levels.map(Level::to_wire);
    MixedMusician {
        source: reading.source,
        wait: Micros((f64::from(reading.playout_delay_ms.max(0.0)) * 1000.0) as u64),
        frames: (reading.packet_ms * WIRE_RATE as f32 / 1000.0).round() as u16,
        rms: [left[0], right[0]],
        peak: [left[1], right[1]],
    }
}

fn send_to(route: &Route, sealed: &[u8], sockets: &[MediaSocket], figures: &MixFigures) {
    let path = route.load();
    let Some(path) = path.as_deref() else { return };
    let sent = sockets.get(path.via.socket).is_some_and(|socket| socket.send(sealed, path).is_ok());
    if sent { figures.packets.add() } else { figures.not_sent.add() }
}

/// What a tick brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    Nothing,
    /// From now on the mix is all that they are sent.
    Alone,
    /// There is no mix any more.
    Over,
}

/// A mix that is made. About 90 KB with the last 250 ms of it.
pub(super) struct Taking {
    pub(super) mix: Mix,
    codec: Codec,
    stream: StreamId,
    sequence: Sequence,
    first: Option<u64>,
    history: PacketHistory,
    again: Retransmitter,
    stage: Stage,
    /// The wait that the session was last told of.
    pub(super) told: Option<Micros>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It begins; so many ticks have gone.
    Begins(u32),
    Runs,
    /// It ends.
    Ends(u32),
}

impl Taking {
    /// `stream` is random.
    pub(super) fn new(stream: StreamId) -> Taking {
        Taking {
            mix: Mix::new(),
            codec: Codec::Pcm16,
            stream,
            sequence: Sequence(0),
            first: None,
            history: PacketHistory::new(SourceId::MIX),
            again: Retransmitter::new(),
            stage: Stage::Begins(0),
            told: None,
        }
    }

    pub(super) fn set(&mut self, codec: Codec, balances: Vec<(SourceId, Balance)>) {
        self.codec = codec;
        self.mix.set_balances(balances);
        if matches!(self.stage, Stage::Ends(_)) {
            self.stage = Stage::Begins(0);
        }
    }

    pub(super) fn end(&mut self) {
        if !matches!(self.stage, Stage::Ends(_)) {
            self.stage = Stage::Ends(0);
        }
    }

    fn write(&mut self, tick: u64, outlet: &mut Outlet) {
        let Outlet { sum, payload, plain, .. } = outlet;
        payload.clear();
        sum.iter().for_each(|side| encode(self.codec, side, payload));
        let first = *self.first.get_or_insert(tick);
        let header = AudioHeader {
            source: SourceId::MIX,
            stream: self.stream,
            sequence: self.sequence,
            // Ticks that were left out are frames that nobody hears.
            position: FramePosition((tick - first) * MixBus::FRAMES as u64),
            codec: self.codec,
            layout: Layout::Stereo,
            frames: MixBus::FRAMES as u16,
            peak: sum.each_ref().map(|side| Peak::of(side)),
        };
        self.sequence = Sequence(self.sequence.0.wrapping_add(1));
        plain.clear();
        write_audio(&header, payload, plain);
    }

    /// A tick has gone.
    fn pass(&mut self) -> Passed {
        let (stage, passed) = match self.stage {
            Stage::Begins(ALONE_AT) => (Stage::Runs, Passed::Alone),
            Stage::Begins(ticks) => (Stage::Begins(ticks + 1), Passed::Nothing),
            Stage::Runs => (Stage::Runs, Passed::Nothing),
            Stage::Ends(OVER_AT) => (Stage::Ends(OVER_AT), Passed::Over),
            Stage::Ends(ticks) => (Stage::Ends(ticks + 1), Passed::Nothing),
        };
        self.stage = stage;
        match self.stage {
            Stage::Begins(OPENS_AT) => self.mix.open(true),
            Stage::Ends(CLOSES_AT) => self.mix.open(false),
            _ => {}
        }
        passed
    }
}
