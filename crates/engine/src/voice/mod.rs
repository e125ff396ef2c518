//! One musician: from packets to a steady stream of frames.
//!
//! ```text
//! packet ─► sequence window ─► jitter buffer ─► concealment ─► limiter ─► history ─► drift filter ─► mixer, slot output
//!              │  slack ─► regulator ─► read cursor ▲                        ▲
//!              └─ arrival ─► drift ─────────────────┴────────────────────────┘
//! ```
//!
//! All of it runs on the audio thread. The [read cursor](cursor) is at the first frame that has not been played yet; a
//! frame that arrives before its turn is used, however late its packet is.

mod buffer;
mod call;
mod clock;
mod concealment;
mod cursor;
mod delay;
mod render;
mod steering;

pub(crate) use call::CallContext;
pub(crate) use clock::FractionalDelay;

use crate::bridge::InPacket;
use crate::level::Meter;
use crate::meters::VoiceMeters;
use crate::mixer::Limiter;
use crate::timeline::whole_frames;
use buffer::{Arrival, History, JitterBuffer, KEPT, SequenceWindow};
use clock::{AHEAD, Drift, InterSampleCeiling, PacketTiming, TimeBase};
use concealment::{Concealer, ConcealmentRate};
use cursor::ReadCursor;
use delay::{BeatPhase, ClockedArrival, StallBursts, TypicalSlack, Warmup};
use rtjam_protocol::audio::{CHANNELS, Layout, WIRE_RATE};
use rtjam_protocol::{FramePosition, Micros, SourceId, StreamId};

/// This many late frames in a row (100 ms) mean that the cursor is in the wrong place.
const MISPLACED: usize = 4800;

/// A call that begins this many frames (1.5 ms) late is a stall of the host.
const HOST_STALL: f64 = 72.0;

/// Frames that the drift filter needs after the one it reads, and one more for a step of more than a frame.
const LOOK_AHEAD: usize = AHEAD + 1;

/// One musician's playout.
pub(crate) struct Voice {
    source: Option<SourceId>,
    stream: StreamId,
    /// The stream before; its late packets do not restart it.
    previous_stream: Option<StreamId>,
    state: State,
    sequence: SequenceWindow,
    buffer: JitterBuffer,
    concealer: Concealer,
    /// Keeps what enters the history at or below −1 dBFS.
    limiter: Limiter,
    history: History,
    reader: Reader,
    ceiling: InterSampleCeiling,
    cursor: ReadCursor,
    drift: Drift,
    time_base: TimeBase,
    stall_bursts: StallBursts,
    /// Packets' times and positions are compared relative to this position.
    origin: FramePosition,
    newest_packet: NewestPacket,
    layout: Layout,
    last_packet: Micros,
    /// Frames in a row that arrived too late.
    late_run: usize,
    /// The next packet places the cursor; until then the buffered frames play on.
    place_next: bool,
    /// The next placement begins with a warm-up.
    warm_up_next: bool,
    warmup: Option<Warmup>,
    beat_phase: BeatPhase,
    /// Whether sound was played since the cursor was placed.
    has_sounded: bool,
    /// Frames concealed since the last sound. They count only when sound follows.
    open_gap: u64,
    concealment_rate: ConcealmentRate,
    pending_decrease: Option<PendingDecrease>,
    meters: [Meter; CHANNELS],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// No packets.
    Idle,
    /// The first packets are in; the cursor is placed when the ring is drained.
    Placing {
        /// The earliest frame that arrived just now, else the latest of those that had waited in the ring.
        first: FramePosition,
        /// Whether it arrived just now.
        fresh: bool,
    },
    Playing,
}

/// How frames are read from the history.
#[derive(Clone, Copy, PartialEq)]
enum Reader {
    /// Frame by frame, bit for bit.
    Exact,
    /// Through the drift filter: [`LOOK_AHEAD`] frames before the history's end, plus this fraction of a frame.
    Between {
        phase: f64,
        /// Whether to approach a whole frame, and become exact there.
        landing: bool,
    },
}

#[derive(Clone, Copy)]
struct NewestPacket {
    position: FramePosition,
    frames: usize,
}

/// A decrease of the playout delay that waits for a quiet moment.
#[derive(Clone, Copy)]
struct PendingDecrease {
    by: i64,
    /// Frames for which it has waited.
    waited: usize,
}

impl Voice {
    /// Allocates about 0.33 MiB.
    pub(crate) fn new() -> Voice {
        Voice {
            source: None,
            stream: StreamId(0),
            previous_stream: None,
            state: State::Idle,
            sequence: SequenceWindow::new(),
            buffer: JitterBuffer::new(),
            concealer: Concealer::new(),
            limiter: Limiter::new(WIRE_RATE),
            history: History::new(),
            reader: Reader::Exact,
            ceiling: InterSampleCeiling::default(),
            cursor: ReadCursor::new(),
            drift: Drift::new(),
            time_base: TimeBase::default(),
            stall_bursts: StallBursts::default(),
            origin: FramePosition(0),
            newest_packet: NewestPacket { position: FramePosition(0), frames: 0 },
            layout: Layout::Stereo,
            last_packet: Micros::ZERO,
            late_run: 0,
            place_next: false,
            warm_up_next: false,
            warmup: None,
            beat_phase: BeatPhase::default(),
            has_sounded: false,
            open_gap: 0,
            concealment_rate: ConcealmentRate::default(),
            pending_decrease: None,
            meters: [Meter::default(); CHANNELS],
        }
    }

    pub(crate) fn source(&self) -> Option<SourceId> {
        self.source
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    pub(crate) fn last_packet(&self) -> Micros {
        self.last_packet
    }

    /// Assigns the voice to another musician.
    pub(crate) fn assign(&mut self, source: SourceId, meters: &VoiceMeters) {
        self.source = Some(source);
        self.previous_stream = None;
        self.state = State::Idle;
        self.sequence = SequenceWindow::new();
        self.history.clear();
        self.limiter = Limiter::new(WIRE_RATE);
        self.concealer.restart();
        (self.reader, self.ceiling) = (Reader::Exact, InterSampleCeiling::default());
        self.drift.restart();
        self.cursor.typical_slack = TypicalSlack::default();
        (self.open_gap, self.concealment_rate) = (0, ConcealmentRate::default());
        (self.warm_up_next, self.warmup) = (false, None);
        self.meters = [Meter::default(); CHANNELS];
        meters.assign(source);
    }

    /// The playout setting changed: the next packet places the cursor anew.
    pub(crate) fn playout_changed(&mut self) {
        self.place_next = true;
        self.cursor.typical_slack = TypicalSlack::default();
    }

    /// The host's timeline restarted.
    pub(crate) fn host_restarted(&mut self) {
        self.place_next = true;
        self.warm_up_next = self.state == State::Playing;
        if !self.warm_up_next {
            self.cursor.typical_slack = TypicalSlack::default();
        }
    }

    /// Takes one of this musician's packets from the ring.
    pub(crate) fn receive(&mut self, packet: &InPacket, call: &CallContext<'_>, meters: &VoiceMeters) {
        let header = &packet.header;
        if self.source.is_some() && self.previous_stream == Some(header.stream) {
            return;
        }
        self.follow_stream(header.stream, meters);
        match self.sequence.note(header.sequence) {
            Arrival::Duplicate if packet.retransmitted => return self.cursor.retransmit_wait.copy_arrived(),
            Arrival::Duplicate => return,
            Arrival::New { lost } => meters.lost.add(lost),
        }
        meters.packets.add(1);
        self.last_packet = call.now;
        self.layout = header.layout;
        meters.packet_ms.set(f32::from(header.frames) / (WIRE_RATE as f32 / 1000.0));
        if !call.is_stale(packet.arrived) {
            self.place_or_measure(packet, call, meters);
            let frames = usize::from(header.frames);
            self.buffer.insert(header.position, frames, header.codec, [packet.channel(0), packet.channel(1)]);
        }
    }

    fn follow_stream(&mut self, stream: StreamId, meters: &VoiceMeters) {
        let known = meters.packets.get() > 0;
        if known && self.stream == stream {
            return;
        }
        if known {
            self.previous_stream = Some(self.stream);
            meters.lost.add(self.sequence.give_up());
            self.sequence = SequenceWindow::new();
        }
        self.stream = stream;
        self.open_gap = 0;
        self.place_next = true;
    }

    /// Places the cursor by the packet, or measures when it arrived.
    fn place_or_measure(&mut self, packet: &InPacket, call: &CallContext<'_>, meters: &VoiceMeters) {
        let position = packet.header.position;
        match self.state {
            State::Idle => self.begin_placing(packet, call),
            _ if self.place_next => self.begin_placing(packet, call),
            State::Placing { first, fresh } => {
                let now_fresh = call.is_fresh(packet.arrived);
                let earlier = position.ahead_of(first) < 0;
                if (now_fresh && !fresh) || (now_fresh == fresh && earlier == fresh) {
                    self.state = State::Placing { first: position, fresh: now_fresh };
                }
            }
            State::Playing if self.is_jump(packet) => {
                self.warm_up_next = true;
                self.begin_placing(packet, call);
            }
            State::Playing if position.ahead_of(self.cursor.position()) < -(KEPT as i64) => {
                meters.late.add(1);
                return;
            }
            State::Playing => self.measure(packet, call, meters),
        }
        // A retransmitted packet tells when it was sent again, which says nothing about the clocks.
        if !packet.retransmitted {
            let wait = call.wait_until_due(packet.arrived).unwrap_or(f64::INFINITY);
            self.drift.observe(self.lead(position, packet.arrived, call), wait);
        }
    }

    /// Whether the stream jumped: the packet lies beyond the buffer, or has the newest number and an old position.
    fn is_jump(&self, packet: &InPacket) -> bool {
        let header = &packet.header;
        let behind = header.position.ahead_of(self.cursor.position()) < -(KEPT as i64);
        self.buffer.is_beyond(header.position, usize::from(header.frames))
            || (behind && self.sequence.is_newest(header.sequence))
    }

    /// The stream's timeline begins (again) with this packet.
    fn begin_placing(&mut self, packet: &InPacket, call: &CallContext<'_>) {
        let position = packet.header.position;
        self.buffer.restart(position);
        self.origin = position;
        self.state = State::Placing { first: position, fresh: call.is_fresh(packet.arrived) };
        self.drift.rebase();
        (self.late_run, self.place_next) = (0, false);
    }

    /// Measures a packet's slack: how many frames before its turn it arrived.
    fn measure(&mut self, packet: &InPacket, call: &CallContext<'_>, meters: &VoiceMeters) {
        let (sequence, position) = (packet.header.sequence, packet.header.position);
        let frames = usize::from(packet.header.frames);
        let slack = position.ahead_of(self.cursor.position());
        let regulated_slack = position.ahead_of(self.cursor.regulated_position());
        if packet.retransmitted {
            let counter = if slack < 0 { &meters.late } else { &meters.recovered };
            counter.add(1);
            self.cursor.retransmit_wait.retransmission_arrived(sequence);
            return;
        }
        self.cursor.retransmit_wait.packet_arrived(sequence, slack, frames);
        if self.cursor.regulator.is_settling() {
            let natural_slack = regulated_slack + self.cursor.regulator.moved();
            self.beat_phase.observe(natural_slack, frames, call.frames_since(packet.arrived), call.period);
        }
        if slack < 0 {
            meters.late.add(1);
            self.late_run += frames;
        } else {
            self.late_run = 0;
            let look_ahead = if self.reader == Reader::Exact { 0 } else { LOOK_AHEAD };
            self.cursor.note_in_time(slack, call.frames_since(packet.arrived) as f32, look_ahead);
        }
        if self.late_run >= MISPLACED {
            self.cursor.typical_slack = TypicalSlack::default();
            self.begin_placing(packet, call);
            return;
        }
        let Some(host) = call.timeline.offset() else {
            return self.cursor.regulator.observe(regulated_slack, frames);
        };
        // Packets that are late while the own host stalls say nothing about the network.
        let host_stalls = self.time_base.awaits_sender() || call.timeline.lateness(call.now) >= HOST_STALL;
        let lead = self.lead(position, packet.arrived, call) + host;
        let drifting = self.drift.is_following();
        let worst = if drifting { whole_frames(lead - self.worst_phase(call)) } else { i64::MAX };
        if !(host_stalls && slack < 0) {
            self.cursor.regulator.observe(regulated_slack.min(worst), frames);
        }
        let (Some(distance), Some(wait)) = (self.drift.distance(), call.wait_until_due(packet.arrived)) else { return };
        self.newest_packet = NewestPacket { position, frames };
        let early = lead - distance;
        let natural_slack = regulated_slack + self.cursor.regulator.moved();
        let timing = PacketTiming { at: packet.arrived, frames, early, natural_slack };
        let separate = self.time_base.is_separate(timing.at, frames);
        if host_stalls {
            return self.time_base.observe(&timing, regulated_slack < 0, false);
        }
        let held = self.sequence.is_newest(sequence)
            && self.stall_bursts.observe(&timing, separate, self.cursor.regulator.straggler());
        let arrival = ClockedArrival { slack: regulated_slack, wait, early, drifting };
        self.cursor.regulator.observe_clocked(&arrival, frames);
        if held {
            self.cursor.regulator.mark_held_back(&timing);
        }
        self.time_base.observe(&timing, regulated_slack < 0, held);
    }

    /// The lead that a packet needs to have no slack if it only just missed a callback.
    ///
    /// While clocks differ, callbacks pass through the arrivals. Then this worst case counts, which does not change.
    fn worst_phase(&self, call: &CallContext<'_>) -> f64 {
        let regulated = self.cursor.regulated_position().ahead_of(self.origin);
        regulated as f64 - call.timeline.taken() as f64 + call.block() as f64
    }

    /// A packet's position minus its time of arrival, in frames.
    fn lead(&self, position: FramePosition, arrived: Micros, call: &CallContext<'_>) -> f64 {
        position.ahead_of(self.origin) as f64 - call.timeline.frames_at(arrived)
    }
}
