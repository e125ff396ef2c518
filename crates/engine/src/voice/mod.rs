//! One musician: from packets to a steady stream of frames.
//!
//! ```text
//! packet ─► sequence ─► jitter buffer ─► concealment ─► limiter ─► line ─► drift filter ─► mixer, slot output
//!              │  slack ─► regulator ─► where to read ▲                        ▲
//!              └─ arrival ─► drift ───────────────────┴────────────────────────┘
//! ```
//!
//! All of it runs on the audio thread. The read position (`head`) is the first frame that has not been
//! put on the line yet; a frame that comes before its turn is used, whenever it comes.

mod bursts;
mod ceiling;
mod conceal;
mod drift;
mod fractional;
mod grace;
mod hold;
mod jitter_buffer;
mod line;
mod listening;
mod losses;
mod patched;
mod phases;
mod playout;
mod predict;
mod render;
mod sequence;
mod similar;
mod slack;
mod steering;
mod time_base;
mod usual;

pub(crate) use fractional::FractionalDelay;

use crate::bridge::InPacket;
use crate::controls::Comfort;
use crate::level::Meter;
use crate::meters::VoiceMeters;
use crate::mixer::Limiter;
use crate::timeline::{HostTimeline, HostWindow};
use bursts::Bursts;
use ceiling::Ceiling;
use conceal::Concealer;
use drift::Drift;
use fractional::AHEAD;
use grace::Grace;
use hold::Hold;
use jitter_buffer::{JitterBuffer, KEPT};
use line::Line;
use listening::Listening;
use patched::Patched;
use phases::Phases;
use playout::{Course, Regulator};
use rtjam_protocol::audio::{CHANNELS, Layout, WIRE_RATE};
use rtjam_protocol::{FramePosition, Micros, SourceId, StreamId};
use sequence::{Arrival, SequenceWindow};
use time_base::{Came, TimeBase};
use usual::Usual;

/// A musician without packets for so long is not heard any more, and their voice may go to another.
const IDLE: Micros = Micros::from_millis(500);

/// What waited in the ring for longer than this (and three blocks) is old: the host did not call.
const STALE: Micros = Micros::from_millis(300);

/// What arrived within the last so long (or two blocks) is new at this call.
const FRESH: Micros = Micros::from_millis(12);

/// So much sound in a row that came too late, in frames (100 ms), means that its place is wrong.
const HOPELESS: usize = 4800;

/// A call that comes this many frames (1.5 ms) later than it should is a stall.
const STALL: f64 = 72.0;

/// Frames that the drift filter needs after the one it reads; one more for a step over 1.
const LOOK_AHEAD: usize = AHEAD + 1;

/// What all voices need to know of a call.
pub(crate) struct Call<'a> {
    pub(crate) now: Micros,
    pub(crate) timeline: &'a HostTimeline,
    /// The window that ended with this call.
    pub(crate) window: Option<HostWindow>,
    /// The usual call's length in frames at 48 kHz, more than 0; calls of another rate take a frame more or less than the
    /// last.
    pub(crate) period: f64,
    /// The fixed playout delay, in frames.
    pub(crate) fixed: Option<u32>,
    /// What automatic playout prefers.
    pub(crate) comfort: Comfort,
}

impl Call<'_> {
    /// The usual call's length in whole frames; 1 or more.
    pub(crate) fn block(&self) -> usize {
        (self.period.round() as usize).max(1)
    }

    /// For how many frames a packet has waited that arrived then.
    fn waited(&self, arrived: Micros) -> f64 {
        self.now.since(arrived).0 as f64 * (f64::from(WIRE_RATE) / 1e6)
    }

    /// Whether a packet came since about the last call, rather than having waited for the host.
    fn is_fresh(&self, arrived: Micros) -> bool {
        let blocks = Micros(2 * self.block() as u64 * 1_000_000 / u64::from(WIRE_RATE));
        self.now.since(arrived) <= FRESH.max(blocks)
    }

    /// Whether a packet waited for the host so long that it must not be heard.
    pub(crate) fn is_stale(&self, arrived: Micros) -> bool {
        let blocks = Micros(3 * self.block() as u64 * 1_000_000 / u64::from(WIRE_RATE));
        self.now.since(arrived) > STALE + blocks
    }
}

/// One musician's playout.
pub(crate) struct Voice {
    source: Option<SourceId>,
    stream: StreamId,
    /// The stream before: its stragglers are not a restart.
    former: Option<StreamId>,
    state: State,
    sequence: SequenceWindow,
    buffer: JitterBuffer,
    concealer: Concealer,
    /// Keeps what enters the line at or under −1 dBFS.
    limiter: Limiter,
    line: Line,
    reader: Reader,
    ceiling: Ceiling,
    regulator: Regulator,
    grace: Grace,
    drift: Drift,
    base: TimeBase,
    bursts: Bursts,
    hold: Hold,
    /// Frames by which the read position was jumped forward, in all.
    jumped: i64,
    head: FramePosition,
    /// The position that arrival times are compared with.
    anchor: FramePosition,
    /// Position and length of the newest packet.
    newest: (FramePosition, usize),
    layout: Layout,
    last_packet: Micros,
    usual: Usual,
    /// Frames that came too late, in a row.
    hopeless: usize,
    /// The next packet is placed afresh; until then what there is goes on.
    place_next: bool,
    /// The next place is found by listening first.
    listen_first: bool,
    listening: Option<Listening>,
    phases: Phases,
    /// Whether sound was heard since the read position was placed.
    sounding: bool,
    /// Concealed frames since the last sound; they count when sound follows.
    gap: u64,
    patched: Patched,
    /// Frames to play sooner when it is quiet, and for how long that was waited for.
    spare: Option<(i64, usize)>,
    /// Mean wait of a frame, in frames.
    wait: f32,
    meters: [Meter; CHANNELS],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// No packets.
    Idle,
    /// The first packets are in; the read position is placed when the ring is drained.
    Placing {
        /// The earliest frame that came just now, else the latest of those that waited in the ring.
        first: FramePosition,
        /// Whether it came just now.
        fresh: bool,
    },
    Playing,
}

/// How frames are read from the line.
#[derive(Clone, Copy, PartialEq)]
enum Reader {
    /// Frame by frame, exactly.
    Exact,
    /// Between frames: [`LOOK_AHEAD`] frames behind the line's end, and this part of a frame.
    Between {
        phase: f64,
        /// Whether to come to a whole frame and stay.
        landing: bool,
    },
}

impl Voice {
    /// Allocates (about 0.33 MiB).
    pub(crate) fn new() -> Voice {
        Voice {
            source: None,
            stream: StreamId(0),
            former: None,
            state: State::Idle,
            sequence: SequenceWindow::new(),
            buffer: JitterBuffer::new(),
            concealer: Concealer::new(),
            limiter: Limiter::new(WIRE_RATE),
            line: Line::new(),
            reader: Reader::Exact,
            ceiling: Ceiling::default(),
            regulator: Regulator::new(),
            grace: Grace::new(),
            drift: Drift::new(),
            base: TimeBase::default(),
            bursts: Bursts::default(),
            hold: Hold::default(),
            jumped: 0,
            head: FramePosition(0),
            anchor: FramePosition(0),
            newest: (FramePosition(0), 0),
            layout: Layout::Stereo,
            last_packet: Micros::ZERO,
            usual: Usual::default(),
            hopeless: 0,
            place_next: false,
            listen_first: false,
            listening: None,
            phases: Phases::default(),
            sounding: false,
            gap: 0,
            patched: Patched::default(),
            spare: None,
            wait: 0.0,
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

    /// Gives the voice to a musician whom it did not have.
    pub(crate) fn take(&mut self, source: SourceId, meters: &VoiceMeters) {
        self.source = Some(source);
        self.former = None;
        self.state = State::Idle;
        self.sequence = SequenceWindow::new();
        self.line.clear();
        self.limiter = Limiter::new(WIRE_RATE);
        self.concealer.restart();
        (self.reader, self.ceiling) = (Reader::Exact, Ceiling::default());
        self.drift.restart();
        (self.usual, self.gap, self.patched) = (Usual::default(), 0, Patched::default());
        (self.listen_first, self.listening) = (false, None);
        self.meters = [Meter::default(); CHANNELS];
        meters.take(source);
    }

    /// Another playout was chosen: the next packet is placed afresh.
    pub(crate) fn place_again(&mut self) {
        self.place_next = true;
        self.usual = Usual::default();
    }

    /// The host's timeline began anew.
    pub(crate) fn host_restarted(&mut self) {
        self.place_next = true;
        self.listen_first = self.state == State::Playing;
        if !self.listen_first {
            self.usual = Usual::default();
        }
    }

    /// Takes a packet from the ring. The packet's source is this voice's.
    pub(crate) fn receive(&mut self, packet: &InPacket, call: &Call<'_>, meters: &VoiceMeters) {
        let header = &packet.header;
        if self.source.is_some() && self.former == Some(header.stream) {
            return;
        }
        self.meet_stream(header.stream, meters);
        match self.sequence.note(header.sequence) {
            Arrival::Duplicate if packet.again => return self.grace.copy_came(),
            Arrival::Duplicate => return,
            Arrival::New { lost } => meters.lost.add(lost),
        }
        meters.packets.add(1);
        self.last_packet = call.now;
        self.layout = header.layout;
        meters.packet_ms.set(f32::from(header.frames) / (WIRE_RATE as f32 / 1000.0));
        if !call.is_stale(packet.arrived) {
            self.place_or_check(packet, call, meters);
            let frames = usize::from(header.frames);
            self.buffer.insert(header.position, frames, header.codec, [packet.channel(0), packet.channel(1)]);
        }
    }

    fn meet_stream(&mut self, stream: StreamId, meters: &VoiceMeters) {
        let known = meters.packets.get() > 0;
        if known && self.stream == stream {
            return;
        }
        if known {
            self.former = Some(self.stream);
            meters.lost.add(self.sequence.give_up());
            self.sequence = SequenceWindow::new();
        }
        self.stream = stream;
        self.gap = 0;
        self.place_next = true;
    }

    /// Begins a stream with the packet, or notes how it came.
    fn place_or_check(&mut self, packet: &InPacket, call: &Call<'_>, meters: &VoiceMeters) {
        let position = packet.header.position;
        match self.state {
            State::Idle => self.begin(packet, call),
            _ if self.place_next => self.begin(packet, call),
            State::Placing { first, fresh } => {
                let now_fresh = call.is_fresh(packet.arrived);
                let earlier = position.ahead_of(first) < 0;
                if (now_fresh && !fresh) || (now_fresh == fresh && earlier == fresh) {
                    self.state = State::Placing { first: position, fresh: now_fresh };
                }
            }
            State::Playing if self.jumps(packet) => {
                self.listen_first = true;
                self.begin(packet, call);
            }
            State::Playing if position.ahead_of(self.head) < -(KEPT as i64) => {
                meters.late.add(1);
                return;
            }
            State::Playing => self.check(packet, call, meters),
        }
        // A recovered packet says when it was sent again, not how the clocks stand.
        if packet.again {
            return;
        }
        let before = match call.timeline.offset() {
            Some(host) => call.timeline.taken() as f64 + host - call.timeline.frames_at(packet.arrived),
            None => f64::INFINITY,
        };
        self.drift.observe(self.lead(position, packet.arrived, call), before);
    }

    /// Whether the packet belongs to another place of the timeline: beyond the buffer, or the newest by its
    /// number and yet long past by its position.
    fn jumps(&self, packet: &InPacket) -> bool {
        let header = &packet.header;
        let back = header.position.ahead_of(self.head) < -(KEPT as i64);
        self.buffer.is_beyond(header.position, usize::from(header.frames))
            || (back && self.sequence.is_newest(header.sequence))
    }

    /// The timeline begins (again) with this packet.
    fn begin(&mut self, packet: &InPacket, call: &Call<'_>) {
        let position = packet.header.position;
        self.buffer.restart(position);
        self.anchor = position;
        self.state = State::Placing { first: position, fresh: call.is_fresh(packet.arrived) };
        self.drift.rebase();
        (self.hopeless, self.place_next) = (0, false);
    }

    /// Measures a packet's slack.
    fn check(&mut self, packet: &InPacket, call: &Call<'_>, meters: &VoiceMeters) {
        let (position, frames) = (packet.header.position, usize::from(packet.header.frames));
        let slack = position.ahead_of(self.head);
        let without_grace = slack - self.grace.frames();
        if packet.again {
            let brought = if slack < 0 { &meters.late } else { &meters.recovered };
            brought.add(1);
            self.grace.came_again(packet.header.sequence);
            return;
        }
        self.grace.came(packet.header.sequence, slack, self.jumped, frames);
        if self.regulator.is_settling() {
            let slack = without_grace + self.regulator.moved_by();
            self.phases.see(slack, frames, call.waited(packet.arrived), call.period);
        }
        if slack < 0 {
            meters.late.add(1);
            self.hopeless += frames;
        } else {
            self.hopeless = 0;
            self.note_wait(slack, packet.arrived, call);
        }
        if self.hopeless >= HOPELESS {
            self.usual = Usual::default();
            self.begin(packet, call);
            return;
        }
        // What comes late while the own host stalls says nothing of the network.
        let stalling = self.base.awaits_sender() || call.timeline.lateness(call.now) >= STALL;
        let Some(host) = call.timeline.offset() else { return self.regulator.observe(without_grace, frames) };
        let early = self.lead(position, packet.arrived, call) + host;
        let drifting = self.drift.is_following();
        let worst = if drifting { whole(early - self.worst_phase(call)) } else { i64::MAX };
        if !(stalling && slack < 0) {
            self.regulator.observe(without_grace.min(worst), frames);
        }
        if let Some(distance) = self.drift.distance() {
            let wait = call.timeline.taken() as f64 + host - call.timeline.frames_at(packet.arrived);
            let (slack, early) = (without_grace, early - distance);
            self.newest = (position, frames);
            let came = Came { at: packet.arrived, frames, early, slack: without_grace + self.regulator.moved_by() };
            let apart = self.base.is_apart(came.at, frames);
            if stalling {
                return self.base.see(&came, without_grace < 0, false);
            }
            let held = self.sequence.is_newest(packet.header.sequence)
                && self.bursts.see(&came, apart, self.regulator.straggler());
            self.regulator.observe_course(&Course { slack, wait, early, drifting }, frames);
            if held {
                self.regulator.hold_back(&came);
            }
            self.base.see(&came, without_grace < 0, held);
        }
    }

    /// While clocks differ, callbacks and arrivals pass each other. What counts then is the slack if the
    /// packet had only just missed a callback, which stays the same all the time. This is how early a packet
    /// must be to have none of it.
    fn worst_phase(&self, call: &Call<'_>) -> f64 {
        let head = self.head.ahead_of(self.anchor) + self.grace.frames();
        head as f64 - call.timeline.taken() as f64 + call.block() as f64
    }

    /// A packet's position minus its time of arrival, in frames.
    fn lead(&self, position: FramePosition, arrived: Micros, call: &Call<'_>) -> f64 {
        position.ahead_of(self.anchor) as f64 - call.timeline.frames_at(arrived)
    }

    fn note_wait(&mut self, slack: i64, arrived: Micros, call: &Call<'_>) {
        let ring = call.waited(arrived) as f32;
        let filter = if self.reader == Reader::Exact { 0 } else { LOOK_AHEAD };
        self.wait += (slack as f32 + ring + filter as f32 - self.wait) * 0.02;
        self.usual.note(slack);
    }
}

/// Whole frames, within bounds: positions may be anything.
fn whole(frames: f64) -> i64 {
    frames.floor().clamp(-1e9, 1e9) as i64
}
