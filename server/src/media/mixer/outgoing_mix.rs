//! One mix on its way to one session: encoding, sending and retransmission.

use super::super::route::Route;
use super::super::socket::MediaSocket;
use super::counters::MixerCounters;
use rtjam_engine::{Balance, Level, Mix, MixBus, VoiceReading};
use rtjam_protocol::audio::{AudioHeader, CHANNELS, Codec, Layout, Peak, WIRE_RATE, encode};
use rtjam_protocol::datagram::{
    DatagramClass, Frame, MAX_DATAGRAM, MixReport, MixedMusician, write_audio, write_frame,
};
use rtjam_protocol::retransmit;
use rtjam_protocol::retransmit::{Feedback, PacketHistory};
use rtjam_protocol::seal::SendLane;
use rtjam_protocol::{FramePosition, Micros, Sequence, SessionId, SourceId, StreamId};
use std::sync::Arc;

/// A new mix fades in after this many ticks (21 ms): by then its musicians have been placed, here and at the client.
const FADE_IN_AT: u32 = 8;

/// After this many ticks (32 ms) the musicians are not forwarded any more; the client fades them out.
const MIX_ALONE_AT: u32 = 12;

/// A mix that ends fades out after this many ticks, when the musicians are forwarded again, and is over after
/// [`OVER_AT`].
const FADE_OUT_AT: u32 = 6;
const OVER_AT: u32 = 14;

/// Levels and delays of the musicians are reported every this many ticks: 9.9 times a second.
const REPORT_EVERY: u64 = 38;

/// A session at the mixer. The lane belongs to the mixer alone.
pub(in super::super) struct MixMember {
    pub(in super::super) session: SessionId,
    pub(in super::super) source: SourceId,
    /// Whether this is a musician's session.
    pub(in super::super) sends: bool,
    lane: SendLane,
    route: Arc<Route>,
    /// Set while a mix is made for it, even if it ends soon.
    pub(super) stream: Option<Box<OutgoingMix>>,
}

impl MixMember {
    pub(in super::super) fn new(
        session: SessionId,
        source: SourceId,
        sends: bool,
        lane: SendLane,
        route: Arc<Route>,
    ) -> MixMember {
        MixMember { session, source, sends, lane, route, stream: None }
    }

    /// Sends the tick that the bus has rendered, retransmissions, and a report when it is due. Returns how the mix goes on.
    pub(super) fn send(&mut self, now: Micros, tick: u64, bus: &MixBus, output: &mut MixOutput) -> Transition {
        let Some(stream) = &mut self.stream else { return Transition::None };
        let [left, right] = &mut output.sum;
        stream.mix.fill(bus, self.source, [left, right]);
        stream.encode(tick, output);
        if let Some(packet) = stream.history.keep(now, &output.plain) {
            let MixOutput { plain, sealed, sockets, counters, .. } = output;
            let counter = self.lane.seal(DatagramClass::Media, sealed, |out| out.extend_from_slice(plain));
            stream.retransmitter.record_original(now, packet, plain.len(), || Some(&stream.history));
            stream.retransmitter.record_sent(counter, packet, now);
            send_to(&self.route, sealed, sockets, counters);
        }
        self.retransmit(output);
        // Reports to different sessions are spread over different ticks.
        if (tick + u64::from(self.source.0)).is_multiple_of(REPORT_EVERY) {
            self.report(bus, output);
        }
        self.stream.as_deref_mut().map_or(Transition::None, OutgoingMix::advance)
    }

    /// Handles NACKs for the mixer's lane, and retransmits.
    pub(super) fn handle_feedback(&mut self, now: Micros, feedback: &Feedback, output: &mut MixOutput) {
        if let Some(stream) = &mut self.stream {
            stream.retransmitter.handle_feedback(now, feedback);
            self.retransmit(output);
        }
    }

    /// Reports level, packet size and delay of each musician in the mix.
    fn report(&mut self, bus: &MixBus, output: &mut MixOutput) {
        let MixOutput { payload, plain, sealed, sockets, counters, .. } = output;
        let mut others = bus.readings(self.source).map(|reading| mixed(&reading)).peekable();
        while others.peek().is_some() {
            payload.clear();
            others.by_ref().take(MixReport::MAX).for_each(|musician| musician.write(payload));
            plain.clear();
            write_frame(&Frame::MixReport(MixReport::new(payload)), plain);
            self.lane.seal(DatagramClass::Media, sealed, |out| out.extend_from_slice(plain));
            send_to(&self.route, sealed, sockets, counters);
        }
    }

    fn retransmit(&mut self, output: &mut MixOutput) {
        let Some(stream) = &mut self.stream else { return };
        let MixOutput { plain, sealed, sockets, counters, .. } = output;
        loop {
            plain.clear();
            let history = &stream.history;
            let next = stream.retransmitter.poll_retransmit(|_| Some(history), plain);
            let Some((packet, first_sent)) = next else { return };
            let counter = self.lane.seal(DatagramClass::Media, sealed, |out| out.extend_from_slice(plain));
            stream.retransmitter.record_sent(counter, packet, first_sent);
            send_to(&self.route, sealed, sockets, counters);
        }
    }
}

/// The sockets of the mixer, and scratch space.
pub(super) struct MixOutput {
    sockets: Vec<MediaSocket>,
    counters: Arc<MixerCounters>,
    sum: [[f32; MixBus::FRAMES]; CHANNELS],
    payload: Vec<u8>,
    plain: Vec<u8>,
    sealed: Vec<u8>,
}

impl MixOutput {
    pub(super) fn new(sockets: Vec<MediaSocket>, counters: Arc<MixerCounters>) -> MixOutput {
        let buffer = || Vec::with_capacity(MAX_DATAGRAM);
        let sum = [[0.0; MixBus::FRAMES]; CHANNELS];
        MixOutput { sockets, counters, sum, payload: buffer(), plain: buffer(), sealed: buffer() }
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

fn send_to(route: &Route, sealed: &[u8], sockets: &[MediaSocket], counters: &MixerCounters) {
    let path = route.load();
    let Some(path) = path.as_deref() else { return };
    let sent = sockets.get(path.local.socket).is_some_and(|socket| socket.send(sealed, path).is_ok());
    if sent { counters.packets.increment() } else { counters.not_sent.increment() }
}

/// What changes after a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transition {
    None,
    /// From now on the session receives the mix and no forwarded packets.
    MixAlone,
    /// The mix has ended.
    Over,
}

/// A mix for one session: about 90 KB with its last 250 ms.
pub(super) struct OutgoingMix {
    pub(super) mix: Mix,
    codec: Codec,
    stream: StreamId,
    sequence: Sequence,
    first_tick: Option<u64>,
    history: PacketHistory,
    retransmitter: retransmit::Retransmitter,
    stage: MixStage,
    /// The delay that the session was last told.
    pub(super) told_delay: Option<Micros>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MixStage {
    /// The mix has begun this many ticks ago.
    Starting(u32),
    Running,
    /// The end of the mix was requested this many ticks ago.
    Ending(u32),
}

impl OutgoingMix {
    /// A mix that starts. `stream` is random.
    pub(super) fn new(stream: StreamId) -> OutgoingMix {
        OutgoingMix {
            mix: Mix::default(),
            codec: Codec::Pcm16,
            stream,
            sequence: Sequence(0),
            first_tick: None,
            history: PacketHistory::new(SourceId::MIX),
            retransmitter: retransmit::Retransmitter::default(),
            stage: MixStage::Starting(0),
            told_delay: None,
        }
    }

    pub(super) fn configure(&mut self, codec: Codec, balances: Vec<(SourceId, Balance)>) {
        self.codec = codec;
        self.mix.set_balances(balances);
        if matches!(self.stage, MixStage::Ending(_)) {
            self.stage = MixStage::Starting(0);
        }
    }

    pub(super) fn end(&mut self) {
        if !matches!(self.stage, MixStage::Ending(_)) {
            self.stage = MixStage::Ending(0);
        }
    }

    /// Encodes `output.sum` as a packet in `output.plain`.
    fn encode(&mut self, tick: u64, output: &mut MixOutput) {
        let MixOutput { sum, payload, plain, .. } = output;
        payload.clear();
        sum.iter().for_each(|side| encode(self.codec, side, payload));
        let first = *self.first_tick.get_or_insert(tick);
        let header = AudioHeader {
            source: SourceId::MIX,
            stream: self.stream,
            sequence: self.sequence,
            // Skipped ticks are a gap in the position.
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

    /// Counts a tick.
    fn advance(&mut self) -> Transition {
        let (stage, transition) = match self.stage {
            MixStage::Starting(MIX_ALONE_AT) => (MixStage::Running, Transition::MixAlone),
            MixStage::Starting(ticks) => (MixStage::Starting(ticks + 1), Transition::None),
            MixStage::Running => (MixStage::Running, Transition::None),
            MixStage::Ending(OVER_AT) => (MixStage::Ending(OVER_AT), Transition::Over),
            MixStage::Ending(ticks) => (MixStage::Ending(ticks + 1), Transition::None),
        };
        self.stage = stage;
        match self.stage {
            MixStage::Starting(FADE_IN_AT) => self.mix.open(true),
            MixStage::Ending(FADE_OUT_AT) => self.mix.open(false),
            _ => {}
        }
        transition
    }
}
