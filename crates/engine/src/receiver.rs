//! Receives all musicians' packets: from the ring to their voices.

use crate::bridge::{AudioEnd, InPacket};
use crate::controls::{Controls, STRIPS};
use crate::host_stalls::HostStalls;
use crate::meters::Meters;
use crate::timeline::HostTimeline;
use crate::voice::{CallContext, Voice};
use ringbuf::traits::Consumer;
use rtjam_protocol::Micros;

/// One call decodes the packets that everyone sends in the time of the call, at 64 frames a packet, and this many more to
/// catch up. The rest waits for the next call. Stale packets cost next to nothing and do not count; the ring bounds them.
const CATCH_UP: usize = 512;

/// The voices, and the timeline that they measure against. Audio thread.
pub(crate) struct Receiver {
    voices: Vec<Voice>,
    timeline: HostTimeline,
    stalls: HostStalls,
    fixed_delay: Option<u32>,
    /// Length of the usual call in frames at 48 kHz; more than 0.
    period: f64,
}

impl Receiver {
    /// Allocates about 10.5 MiB, of which the system provides only what is used.
    pub(crate) fn new() -> Receiver {
        Receiver {
            voices: (0..STRIPS).map(|_| Voice::new()).collect(),
            timeline: HostTimeline::new(),
            stalls: HostStalls::default(),
            fixed_delay: None,
            period: 128.0,
        }
    }

    /// The host's timeline restarts, with calls of about `period` frames.
    pub(crate) fn restart(&mut self, period: f64) {
        self.timeline = HostTimeline::new();
        self.period = period.max(1.0);
        self.voices.iter_mut().for_each(Voice::host_restarted);
    }

    /// Begins a call of `period` frames at 48 kHz: drains the ring, and lets every voice decide where to read.
    pub(crate) fn begin(
        &mut self,
        now: Micros,
        period: f64,
        controls: &Controls,
        audio: &mut AudioEnd,
        meters: &Meters,
    ) {
        let (fixed_delay, bias) = (controls.fixed_playout(), controls.playout_bias());
        if period > 0.0 {
            self.period = period;
        }
        if fixed_delay != self.fixed_delay {
            self.fixed_delay = fixed_delay;
            self.voices.iter_mut().for_each(Voice::playout_changed);
        }
        self.stalls.observe_call(now, self.timeline.lateness(now), self.period);
        meters.stalls.set(self.stalls.count());
        meters.set_stall_pattern(self.stalls.pattern(now));
        let window = self.timeline.begin(now, self.period);
        let call = CallContext { now, timeline: &self.timeline, window, period: self.period, fixed_delay, bias };
        drain(&mut self.voices, &call, audio, meters);
        for (voice, meters) in self.voices.iter_mut().zip(&meters.voices) {
            voice.steer(&call, period.round() as usize, meters);
        }
    }

    /// The call took `frames` frames at 48 kHz.
    pub(crate) fn end(&mut self, frames: usize, meters: &Meters) {
        self.timeline.take(frames);
        for (voice, meters) in self.voices.iter().zip(&meters.voices).filter(|(v, _)| !v.is_idle()) {
            voice.publish(meters);
        }
    }

    /// All voices; each has the meters with the same index.
    pub(crate) fn voices(&mut self) -> &mut [Voice] {
        &mut self.voices
    }
}

fn drain(voices: &mut [Voice], call: &CallContext<'_>, audio: &mut AudioEnd, meters: &Meters) {
    let limit = CATCH_UP + call.block() * STRIPS / 64;
    let (mut taken, mut decoded) = (0, 0);
    let (first, second) = audio.incoming.as_slices();
    for packet in first.iter().chain(second) {
        if decoded == limit {
            break;
        }
        match voice_for(packet, voices, meters) {
            Some(index) => voices[index].receive(packet, call, &meters.voices[index]),
            None => meters.unheard.add(1),
        }
        taken += 1;
        decoded += usize::from(!call.is_stale(packet.arrived));
    }
    // Packets own no memory: this only moves the ring's index.
    audio.incoming.skip(taken);
}

/// The voice of the packet's musician; else a free one, or the one idle for longest.
fn voice_for(packet: &InPacket, voices: &mut [Voice], meters: &Meters) -> Option<usize> {
    let source = packet.header.source;
    if let Some(index) = voices.iter().position(|v| v.source() == Some(source)) {
        return Some(index);
    }
    let index = free_voice(voices)?;
    voices[index].assign(source, &meters.voices[index]);
    Some(index)
}

fn free_voice(voices: &[Voice]) -> Option<usize> {
    let idle = voices.iter().enumerate().filter(|(_, v)| v.is_idle());
    idle.min_by_key(|(_, v)| (v.source().is_some(), v.last_packet())).map(|(index, _)| index)
}
