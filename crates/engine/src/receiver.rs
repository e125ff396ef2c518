//! All musicians: from the ring to their voices.

use crate::bridge::{AudioEnd, InPacket};
use crate::controls::{Controls, STRIPS};
use crate::meters::Meters;
use crate::stalls::Stalls;
use crate::timeline::HostTimeline;
use crate::voice::{Call, Voice};
use ringbuf::traits::Consumer;
use rtjam_protocol::Micros;

/// Packets that one call decodes: what everyone sends in the time of the call, at 64 frames a packet, and
/// this many more to catch up. The rest waits for the next call. What is too old to be heard costs next to
/// nothing and is not counted; the ring bounds it.
const CATCH_UP: usize = 512;

/// The voices, and the timeline that they measure against. Audio thread.
pub(crate) struct Receiver {
    voices: Vec<Voice>,
    timeline: HostTimeline,
    stalls: Stalls,
    fixed: Option<u32>,
    /// Frames at 48 kHz of the usual call; more than 0.
    period: f64,
}

impl Receiver {
    /// Allocates (about 10.5 MiB, of which the system gives only what is used).
    pub(crate) fn new() -> Receiver {
        Receiver {
            voices: (0..STRIPS).map(|_| Voice::new()).collect(),
            timeline: HostTimeline::new(),
            stalls: Stalls::default(),
            fixed: None,
            period: 128.0,
        }
    }

    /// The host's timeline begins anew, with calls of about `period` frames.
    pub(crate) fn restart(&mut self, period: f64) {
        self.timeline = HostTimeline::new();
        self.period = period.max(1.0);
        self.voices.iter_mut().for_each(Voice::host_restarted);
    }

    /// Begins a call of `period` frames at 48 kHz: takes what has come, and lets every voice decide
    /// where to read.
    pub(crate) fn begin(
        &mut self,
        now: Micros,
        period: f64,
        controls: &Controls,
        audio: &mut AudioEnd,
        meters: &Meters,
    ) {
        let (fixed, comfort) = (controls.fixed_playout(), controls.comfort());
        if period > 0.0 {
            self.period = period;
        }
        if fixed != self.fixed {
            self.fixed = fixed;
            self.voices.iter_mut().for_each(Voice::place_again);
        }
        self.stalls.call(now, self.timeline.lateness(now), self.period);
        let pattern = self.stalls.pattern(now);
        meters.stalls.set(self.stalls.count());
        meters.stall_ms.set(pattern.map_or(0.0, |p| p.ms));
        meters.stall_every_s.set(pattern.map_or(0.0, |p| p.every_s));
        let window = self.timeline.begin(now, self.period);
        let call = Call { now, timeline: &self.timeline, window, period: self.period, fixed, comfort };
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

    /// Every voice, the place of its meters being its own.
    pub(crate) fn voices(&mut self) -> &mut [Voice] {
        &mut self.voices
    }
}

fn drain(voices: &mut [Voice], call: &Call<'_>, audio: &mut AudioEnd, meters: &Meters) {
    let most = CATCH_UP + call.block() * STRIPS / 64;
    let (mut taken, mut decoded) = (0, 0);
    let (first, second) = audio.incoming.as_slices();
    for packet in first.iter().chain(second) {
        if decoded == most {
            break;
        }
        match voice_for(packet, voices, meters) {
            Some(index) => voices[index].receive(packet, call, &meters.voices[index]),
            None => meters.unheard.add(1),
        }
        taken += 1;
        decoded += usize::from(!call.is_stale(packet.arrived));
    }
    // Packets have nothing to free: this only moves the ring's index.
    audio.incoming.skip(taken);
}

/// The voice of the packet's musician: theirs, else one that nobody has, else the one idle the longest.
fn voice_for(packet: &InPacket, voices: &mut [Voice], meters: &Meters) -> Option<usize> {
    let source = packet.header.source;
    if let Some(index) = voices.iter().position(|v| v.source() == Some(source)) {
        return Some(index);
    }
    let index = free_voice(voices)?;
    voices[index].take(source, &meters.voices[index]);
    Some(index)
}

fn free_voice(voices: &[Voice]) -> Option<usize> {
    let idle = voices.iter().enumerate().filter(|(_, v)| v.is_idle());
    idle.min_by_key(|(_, v)| (v.source().is_some(), v.last_packet())).map(|(index, _)| index)
}
