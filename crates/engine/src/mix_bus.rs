//! Many mixes of the same musicians: each musician is decoded once, and every recipient hears their own sum.
//!
//! A [`MixBus`] has a voice for each musician. Every [`MixBus::FRAMES`] frames of time its owner calls [`MixBus::begin`],
//! [`MixBus::receive`] for each packet that arrived, and [`MixBus::render`]; then [`Mix::fill`] for each recipient. All of it
//! belongs to one thread. Constructors allocate, and the first packet of a musician does.

use crate::bridge::{InPacket, NotTaken};
use crate::controls::PlayoutBias;
use crate::meters::{VoiceMeters, VoiceReading};
use crate::mixer::{Balance, Limiter, Ramp, VoiceMix};
use crate::resampler::PIECE;
use crate::timeline::{HostTimeline, HostWindow};
use crate::voice::{CallContext, FractionalDelay, Voice};
use rtjam_protocol::audio::{AudioFrame, CHANNELS, WIRE_RATE};
use rtjam_protocol::{Micros, SourceId};

/// Musicians of one bus; more than a room has.
const MOST_MUSICIANS: usize = 256;

const FRAMES: usize = MixBus::FRAMES;

/// Most frames skipped at once: an hour.
const MOST_SKIPPED: usize = 1_350_000;

/// A room's musicians, decoded. About 0.35 MiB each.
pub struct MixBus {
    timeline: HostTimeline,
    window: Option<HostWindow>,
    now: Micros,
    members: Vec<BusMember>,
    filter: FractionalDelay,
    scratch: [Box<[f32]>; CHANNELS],
}

/// One musician.
struct BusMember {
    source: SourceId,
    voice: Box<Voice>,
    meters: Box<VoiceMeters>,
    sound: [[f32; FRAMES]; CHANNELS],
}

impl MixBus {
    /// Frames of one call at 48 kHz: 2.67 ms.
    pub const FRAMES: usize = 128;

    /// Begins a call at `now`, on the clock of the packets' arrival times.
    pub fn begin(&mut self, now: Micros) {
        self.now = now;
        self.window = self.timeline.begin(now, FRAMES as f64);
    }

    /// Takes a packet that arrived at `arrived`; `retransmitted` says that it is a retransmission or a redundant copy. Allocates
    /// for a new musician.
    ///
    /// # Errors
    /// If the packet is malformed, or the bus is full.
    pub fn receive(&mut self, arrived: Micros, frame: &AudioFrame<'_>, retransmitted: bool) -> Result<(), NotTaken> {
        let packet = InPacket::new(arrived, frame, retransmitted)?;
        let index = self.index_of(packet.header.source).ok_or(NotTaken::Full)?;
        let call = call(self.now, &self.timeline, self.window);
        let BusMember { voice, meters, .. } = &mut self.members[index];
        voice.receive(&packet, &call, meters);
        Ok(())
    }

    /// Skips this many calls, because the owner was behind; after [`MixBus::receive`], before [`MixBus::render`]. The playout
    /// delay does not change.
    pub fn skip(&mut self, calls: u64) {
        // After more than that nothing is left of what was playing.
        let frames = usize::try_from(calls).unwrap_or(usize::MAX).min(MOST_SKIPPED) * FRAMES;
        self.timeline.take(frames);
        self.members.iter_mut().for_each(|member| member.voice.skip(frames));
    }

    /// Renders the next [`MixBus::FRAMES`] frames of all musicians.
    pub fn render(&mut self) {
        let call = call(self.now, &self.timeline, self.window);
        for BusMember { voice, meters, sound, .. } in &mut self.members {
            voice.steer(&call, FRAMES, meters);
            if !voice.is_idle() {
                let made = voice.render(FRAMES, &self.filter, &mut self.scratch, meters);
                sound.iter_mut().zip(made).for_each(|(to, from)| to.copy_from_slice(from));
                voice.publish(meters);
            }
        }
        self.timeline.take(FRAMES);
    }

    /// Removes a musician who left.
    pub fn forget(&mut self, source: SourceId) {
        self.members.retain(|p| p.source != source);
    }

    /// Mean wait of a frame from its packet's arrival to the call that mixes it; `None` if nobody but `without` plays.
    pub fn wait(&self, without: SourceId) -> Option<Micros> {
        let waits = self.heard().filter(|p| p.source != without).map(|p| p.meters.delay_ms.get());
        let (count, sum) = waits.fold((0, 0.0), |(n, sum), ms| (n + 1, sum + ms));
        (count > 0).then(|| Micros((sum.max(0.0) * 1000.0) as u64 / count))
    }

    /// How much later than usual each musician's packets may arrive and mostly still be played.
    pub fn late_tolerances(&self) -> impl Iterator<Item = (SourceId, Micros)> + '_ {
        self.heard().map(|p| (p.source, Micros((p.meters.late_tolerance_ms.get().max(0.0) * 1000.0) as u64)))
    }

    /// Readings of everyone who plays, except `without`.
    pub fn readings(&self, without: SourceId) -> impl Iterator<Item = VoiceReading> + '_ {
        self.heard().filter(move |p| p.source != without).filter_map(|p| p.meters.read())
    }

    fn heard(&self) -> impl Iterator<Item = &BusMember> {
        self.members.iter().filter(|p| !p.voice.is_idle())
    }

    fn index_of(&mut self, source: SourceId) -> Option<usize> {
        if let Some(index) = self.members.iter().position(|p| p.source == source) {
            return Some(index);
        }
        if self.members.len() == MOST_MUSICIANS {
            return None;
        }
        let (mut voice, meters) = (Box::new(Voice::new()), Box::<VoiceMeters>::default());
        voice.assign(source, &meters);
        self.members.push(BusMember { source, voice, meters, sound: [[0.0; FRAMES]; CHANNELS] });
        Some(self.members.len() - 1)
    }
}

impl Default for MixBus {
    /// A bus without musicians. Allocates.
    fn default() -> MixBus {
        MixBus {
            timeline: HostTimeline::new(),
            window: None,
            now: Micros::ZERO,
            members: Vec::new(),
            filter: FractionalDelay::new(),
            scratch: [vec![0.0; PIECE].into(), vec![0.0; PIECE].into()],
        }
    }
}

fn call(now: Micros, timeline: &HostTimeline, window: Option<HostWindow>) -> CallContext<'_> {
    CallContext { now, timeline, window, period: FRAMES as f64, fixed_delay: None, bias: PlayoutBias::Normal }
}

/// What one recipient hears of a bus. A new mix is closed: silent until it is opened.
pub struct Mix {
    balances: Vec<(SourceId, Balance)>,
    lines: Vec<(SourceId, VoiceMix)>,
    fade: Ramp,
    limiter: Limiter,
}

impl Mix {
    /// Sets the musicians' balances; those that are not named are at unity. Changes take 15 ms.
    pub fn set_balances(&mut self, balances: Vec<(SourceId, Balance)>) {
        self.balances = balances;
    }

    /// Removes a musician who left: their successor begins at unity.
    pub fn forget(&mut self, source: SourceId) {
        self.balances.retain(|(s, _)| *s != source);
        self.lines.retain(|(s, _)| *s != source);
    }

    /// Fades the mix in or out, over 15 ms.
    pub fn open(&mut self, open: bool) {
        self.fade.aim(if open { 1.0 } else { 0.0 }, WIRE_RATE);
    }

    /// The sum of everyone except `without`, each with their balance. Exact to the sample as long as the sum and each musician
    /// stay at or below −1 dBFS; beyond that it is limited.
    pub fn fill(&mut self, bus: &MixBus, without: SourceId, out: [&mut [f32; FRAMES]; 2]) {
        let [left, right] = out;
        left.fill(0.0);
        right.fill(0.0);
        for member in bus.heard().filter(|p| p.source != without) {
            let balance = self.balances.iter().find(|(s, _)| *s == member.source).map(|(_, b)| *b);
            let line = line_of(&mut self.lines, member.source);
            line.aim(&balance.unwrap_or_default(), member.voice.layout());
            line.add(member.sound.each_ref().map(|s| &s[..]), [left, right]);
        }
        // A silent musician returns at the balance that is set then, not on the way from an old one.
        for (source, line) in &mut self.lines {
            if !bus.heard().any(|p| p.source == *source) {
                line.restart();
            }
        }
        let mut fade = self.fade;
        fade.apply(left);
        self.fade.apply(right);
        self.limiter.process(left, right);
    }
}

impl Default for Mix {
    /// A closed mix with everyone at unity.
    fn default() -> Mix {
        Mix { balances: Vec::new(), lines: Vec::new(), fade: Ramp::at(0.0), limiter: Limiter::new(WIRE_RATE) }
    }
}

fn line_of(lines: &mut Vec<(SourceId, VoiceMix)>, source: SourceId) -> &mut VoiceMix {
    let index = lines.iter().position(|(s, _)| *s == source).unwrap_or_else(|| {
        lines.push((source, VoiceMix::new()));
        lines.len() - 1
    });
    &mut lines[index].1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::{Gain, Pan};
    use rtjam_protocol::audio::{AudioHeader, Codec, Layout, Peak, encode};
    use rtjam_protocol::{FramePosition, Sequence, StreamId};

    /// A tick takes 8000/3 µs.
    fn tick(n: u64) -> Micros {
        Micros(1_000_000 + n * 8000 / 3)
    }

    /// What a musician plays at a frame: on a 16-bit grid, different for each.
    fn played(source: u16, channel: usize, frame: u64) -> f32 {
        let n = (frame.wrapping_mul(2_654_435_761) ^ (u64::from(source) * 977) ^ (channel as u64 * 31)) % 4096;
        (n as f32 - 2048.0) / 32768.0
    }

    struct TestBus {
        bus: MixBus,
        at: u64,
        playing: Vec<u16>,
        layout: Layout,
    }

    impl TestBus {
        fn new(playing: &[u16]) -> TestBus {
            TestBus { bus: MixBus::default(), at: 0, playing: playing.to_vec(), layout: Layout::Stereo }
        }

        /// Makes a call; everyone's packet arrives half a call before it.
        fn call(&mut self) {
            let now = tick(self.at);
            self.bus.begin(now);
            for &source in &self.playing {
                let first = self.at * FRAMES as u64;
                let mut payload = Vec::new();
                for channel in 0..CHANNELS {
                    let samples: Vec<f32> = (0..FRAMES as u64).map(|i| played(source, channel, first + i)).collect();
                    encode(Codec::Pcm16, &samples, &mut payload);
                }
                let header = AudioHeader {
                    source: SourceId(source),
                    stream: StreamId(u32::from(source)),
                    sequence: Sequence(self.at as u32),
                    position: FramePosition(first),
                    codec: Codec::Pcm16,
                    layout: self.layout,
                    frames: FRAMES as u16,
                    peak: [Peak(0); CHANNELS],
                };
                let frame = AudioFrame { header, payload: &payload };
                self.bus.receive(Micros(now.0 - 1300), &frame, false).expect("taken");
            }
            self.bus.render();
            self.at += 1;
        }

        /// What a recipient hears after many calls.
        fn hears(&mut self, mix: &mut Mix, without: u16) -> [[f32; FRAMES]; 2] {
            let (mut left, mut right) = ([0.0; FRAMES], [0.0; FRAMES]);
            mix.open(true);
            for _ in 0..3000 {
                self.call();
                mix.fill(&self.bus, SourceId(without), [&mut left, &mut right]);
            }
            [left, right]
        }

        /// Whether `heard` is the sum of these musicians with these gains, at any delay that is the same for all.
        fn expected(&self, gains: &[(u16, f32)], heard: &[[f32; FRAMES]; 2]) -> bool {
            let end = self.at * FRAMES as u64;
            let sum =
                |channel: usize, frame: u64| gains.iter().map(|(s, g)| played(*s, channel, frame) * g).sum::<f32>();
            (0..4000).any(|delay| {
                let first = end - FRAMES as u64 - delay;
                heard
                    .iter()
                    .enumerate()
                    .all(|(channel, side)| (0..FRAMES).all(|i| (side[i] - sum(channel, first + i as u64)).abs() < 1e-6))
            })
        }
    }

    /// Every recipient hears the exact sum of the others, and never themselves (mix-minus).
    #[test]
    fn mix_is_exact_sum_of_others() {
        let mut stage = TestBus::new(&[1, 2, 3]);
        for (me, others) in [(1, [2, 3]), (2, [1, 3]), (3, [1, 2])] {
            let heard = stage.hears(&mut Mix::default(), me);
            assert!(stage.expected(&others.map(|s| (s, 1.0)), &heard), "{me}");
            assert!(!stage.expected(&[(1, 1.0), (2, 1.0), (3, 1.0)], &heard));
        }
        // A listener, who plays nothing.
        let heard = stage.hears(&mut Mix::default(), 100);
        assert!(stage.expected(&[(1, 1.0), (2, 1.0), (3, 1.0)], &heard));
    }

    /// Every recipient has their own gains, which do not outlive a musician.
    #[test]
    fn each_mix_has_its_gains() {
        let mut stage = TestBus::new(&[1, 2, 3]);
        let half = Balance { gains: [Gain::linear(0.5); CHANNELS], ..Balance::default() };
        let off = Balance { gains: [Gain::OFF; CHANNELS], ..Balance::default() };
        let mut mix = Mix::default();
        mix.set_balances(vec![(SourceId(1), half), (SourceId(2), off)]);
        let heard = stage.hears(&mut mix, 100);
        assert!(stage.expected(&[(1, 0.5), (3, 1.0)], &heard));
        let other = stage.hears(&mut Mix::default(), 100);
        assert!(stage.expected(&[(1, 1.0), (2, 1.0), (3, 1.0)], &other));
        mix.forget(SourceId(2));
        let again = stage.hears(&mut mix, 100);
        assert!(stage.expected(&[(1, 0.5), (2, 1.0), (3, 1.0)], &again), "a gain outlived its musician");
    }

    /// Pans place each channel; dual mono lies in the middle.
    #[test]
    fn pans_place_both_channels() {
        let mut stage = TestBus::new(&[1]);
        let swapped = Balance { pans: [Some(Pan::RIGHT), Some(Pan::LEFT)], ..Balance::default() };
        let mut mix = Mix::default();
        mix.set_balances(vec![(SourceId(1), swapped)]);
        let [left, right] = stage.hears(&mut mix, 100);
        assert!(stage.expected(&[(1, 1.0)], &[right, left]));
        stage.layout = Layout::DualMono;
        let [left, right] = stage.hears(&mut Mix::default(), 100);
        assert!(left == right && left != [0.0; FRAMES], "said to be two voices, both in the middle");
    }

    /// A mix fades in and out, and stays below the limiter's ceiling.
    #[test]
    fn mix_fades_and_is_limited() {
        let mut stage = TestBus::new(&[1]);
        let loud = Balance { gains: [Gain::MAX; CHANNELS], ..Balance::default() };
        let mut mix = Mix::default();
        mix.set_balances(vec![(SourceId(1), loud)]);
        let heard = stage.hears(&mut mix, 100);
        let top = heard.as_flattened().iter().fold(0.0_f32, |m, s| m.max(s.abs()));
        assert!(top > 0.5 && top <= Limiter::CEILING, "{top}");
        let (mut left, mut right) = ([0.0; FRAMES], [0.0; FRAMES]);
        mix.open(false);
        for _ in 0..7 {
            stage.call();
            mix.fill(&stage.bus, SourceId(100), [&mut left, &mut right]);
        }
        assert_eq!((left, right), ([0.0; FRAMES], [0.0; FRAMES]));
    }

    /// Once the network is known, a mix adds less than a packet of delay.
    #[test]
    fn wait_is_under_a_packet() {
        let mut stage = TestBus::new(&[1, 2]);
        stage.hears(&mut Mix::default(), 100);
        let wait = stage.bus.wait(SourceId(1)).expect("somebody plays");
        println!("a mix adds {} us where packets come every 2667 us without jitter", wait.0);
        assert!(wait < Micros(8000 / 3), "{} us", wait.0);
        assert_eq!(TestBus::new(&[]).bus.wait(SourceId(1)), None);
    }
}
