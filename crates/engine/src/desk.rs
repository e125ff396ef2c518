//! Many mixes of the same musicians: each is decoded once, and every recipient hears their own sum.
//!
//! A [`Desk`] has a voice a musician; who clocks it calls, every [`Desk::FRAMES`] frames of time, [`Desk::begin`],
//! [`Desk::receive`] for each packet that has come, and [`Desk::render`]; then [`Mix::fill`] once a recipient. All of
//! that belongs to one thread. Memory is taken where a musician is met for the first time, and in constructors.

use crate::bridge::{InPacket, NotTaken};
use crate::controls::Comfort;
use crate::hostrate::PIECE;
use crate::meters::{VoiceMeters, VoiceReading};
use crate::mixer::{Balance, Limiter, Ramp, VoiceMix};
use crate::timeline::{HostTimeline, HostWindow};
use crate::voice::{Call, FractionalDelay, Voice};
use rtjam_protocol::audio::{AudioFrame, CHANNELS, WIRE_RATE};
use rtjam_protocol::{Micros, SourceId};

/// Musicians of one desk; more than a room has.
const MOST: usize = 256;

const FRAMES: usize = Desk::FRAMES;

/// An hour.
const MOST_LEFT_OUT: usize = 1_350_000;

/// A room's musicians, decoded. About 0.35 MiB each.
pub struct Desk {
    timeline: HostTimeline,
    window: Option<HostWindow>,
    now: Micros,
    places: Vec<Place>,
    filter: FractionalDelay,
    scratch: [Box<[f32]>; CHANNELS],
}

/// One musician.
struct Place {
    source: SourceId,
    voice: Box<Voice>,
    meters: Box<VoiceMeters>,
    sound: [[f32; FRAMES]; CHANNELS],
}

impl Desk {
    /// Frames of one call, at 48 kHz: 2.67 ms.
    pub const FRAMES: usize = 128;

    /// Nobody plays. Allocates.
    pub fn new() -> Desk {
        Desk {
            timeline: HostTimeline::new(),
            window: None,
            now: Micros::ZERO,
            places: Vec::new(),
            filter: FractionalDelay::new(),
            scratch: [vec![0.0; PIECE].into(), vec![0.0; PIECE].into()],
        }
    }

    /// Begins a call at `now`, on the clock that packets are stamped with.
    pub fn begin(&mut self, now: Micros) {
        self.now = now;
        self.window = self.timeline.begin(now, FRAMES as f64);
    }

    /// Takes a packet that came in at `arrived`; `again` says that it was sent before. Allocates for a musician who is
    /// new.
    ///
    /// # Errors
    /// When the packet is malformed, or there is no room for one more musician.
    pub fn receive(&mut self, arrived: Micros, frame: &AudioFrame<'_>, again: bool) -> Result<(), NotTaken> {
        let packet = InPacket::new(arrived, frame, again)?;
        let index = self.place_of(packet.header.source).ok_or(NotTaken::Full)?;
        let call = call(self.now, &self.timeline, self.window);
        let Place { voice, meters, .. } = &mut self.places[index];
        voice.receive(&packet, &call, meters);
        Ok(())
    }

    /// Leaves out so many calls, because who clocks the desk could not keep up; after [`Desk::receive`], before
    /// [`Desk::render`]. The delay stays what it was.
    pub fn leave_out(&mut self, calls: u64) {
        // After more than that nothing is left of what was playing.
        let frames = usize::try_from(calls).unwrap_or(usize::MAX).min(MOST_LEFT_OUT) * FRAMES;
        self.timeline.take(frames);
        self.places.iter_mut().for_each(|place| place.voice.leave_out(frames));
    }

    /// Makes everyone's next [`Desk::FRAMES`] frames.
    pub fn render(&mut self) {
        let call = call(self.now, &self.timeline, self.window);
        for Place { voice, meters, sound, .. } in &mut self.places {
            voice.steer(&call, FRAMES, meters);
            if !voice.is_idle() {
                let made = voice.render(FRAMES, &self.filter, &mut self.scratch, meters);
                sound.iter_mut().zip(made).for_each(|(to, from)| to.copy_from_slice(from));
                voice.publish(meters);
            }
        }
        self.timeline.take(FRAMES);
    }

    /// A musician has left.
    pub fn forget(&mut self, source: SourceId) {
        self.places.retain(|p| p.source != source);
    }

    /// How long sound waits here on average, from its packet's arrival to the call that mixes it; `None` where nobody but
    /// `without` plays.
    pub fn wait(&self, without: SourceId) -> Option<Micros> {
        let waits = self.heard().filter(|p| p.source != without).map(|p| p.meters.delay_ms.get());
        let (count, sum) = waits.fold((0, 0.0), |(n, sum), ms| (n + 1, sum + ms));
        (count > 0).then(|| Micros((sum.max(0.0) * 1000.0) as u64 / count))
    }

    /// How much later than usual each musician's packets may come and mostly still be heard.
    pub fn patience(&self) -> impl Iterator<Item = (SourceId, Micros)> + '_ {
        self.heard().map(|p| (p.source, Micros((p.meters.patience_ms.get().max(0.0) * 1000.0) as u64)))
    }

    /// Everyone who plays but `without`, as heard here.
    pub fn readings(&self, without: SourceId) -> impl Iterator<Item = VoiceReading> + '_ {
        self.heard().filter(move |p| p.source != without).filter_map(|p| p.meters.read())
    }

    fn heard(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(|p| !p.voice.is_idle())
    }

    fn place_of(&mut self, source: SourceId) -> Option<usize> {
        if let Some(index) = self.places.iter().position(|p| p.source == source) {
            return Some(index);
        }
        if self.places.len() == MOST {
            return None;
        }
        let (mut voice, meters) = (Box::new(Voice::new()), Box::<VoiceMeters>::default());
        voice.take(source, &meters);
        self.places.push(Place { source, voice, meters, sound: [[0.0; FRAMES]; CHANNELS] });
        Some(self.places.len() - 1)
    }
}

impl Default for Desk {
    fn default() -> Desk {
        Desk::new()
    }
}

fn call(now: Micros, timeline: &HostTimeline, window: Option<HostWindow>) -> Call<'_> {
    Call { now, timeline, window, period: FRAMES as f64, fixed: None, comfort: Comfort::Normal }
}

/// What one recipient hears of a desk. It begins closed: silent until it is opened.
pub struct Mix {
    balances: Vec<(SourceId, Balance)>,
    lines: Vec<(SourceId, VoiceMix)>,
    fade: Ramp,
    limiter: Limiter,
}

impl Mix {
    /// Everyone at unity, and closed.
    pub fn new() -> Mix {
        Mix { balances: Vec::new(), lines: Vec::new(), fade: Ramp::at(0.0), limiter: Limiter::new(WIRE_RATE) }
    }

    /// How loud musicians are from now on, those that are not named at unity. Changes take 15 ms.
    pub fn set_balances(&mut self, balances: Vec<(SourceId, Balance)>) {
        self.balances = balances;
    }

    /// A musician has left: whoever comes in their place begins at unity.
    pub fn forget(&mut self, source: SourceId) {
        self.balances.retain(|(s, _)| *s != source);
        self.lines.retain(|(s, _)| *s != source);
    }

    /// Fades all of it in or out, over 15 ms.
    pub fn open(&mut self, open: bool) {
        self.fade.aim(if open { 1.0 } else { 0.0 }, WIRE_RATE);
    }

    /// The sum of everyone but `without`, each with their balance: to the sample, while it and each musician stay at or
    /// under −1 dBFS. What goes over is cut, and turned down where it lasts.
    pub fn fill(&mut self, desk: &Desk, without: SourceId, out: [&mut [f32; FRAMES]; 2]) {
        let [left, right] = out;
        left.fill(0.0);
        right.fill(0.0);
        for place in desk.heard().filter(|p| p.source != without) {
            let balance = self.balances.iter().find(|(s, _)| *s == place.source).map(|(_, b)| *b);
            let line = line_of(&mut self.lines, place.source);
            line.aim(&balance.unwrap_or_default(), place.voice.layout());
            line.add(place.sound.each_ref().map(|s| &s[..]), [left, right]);
        }
        // Whoever is silent begins where they are wanted, not on the way from the past.
        for (source, line) in &mut self.lines {
            if !desk.heard().any(|p| p.source == *source) {
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
    fn default() -> Mix {
        Mix::new()
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

    /// Of a millionth part of a second a tick has 8000/3000.
    fn tick(n: u64) -> Micros {
        Micros(1_000_000 + n * 8000 / 3)
    }

    /// What a musician plays at a frame: of a 16-bit grid, other for each.
    fn played(source: u16, channel: usize, frame: u64) -> f32 {
        let n = (frame.wrapping_mul(2_654_435_761) ^ (u64::from(source) * 977) ^ (channel as u64 * 31)) % 4096;
        (n as f32 - 2048.0) / 32768.0
    }

    struct Stage {
        desk: Desk,
        at: u64,
        playing: Vec<u16>,
        layout: Layout,
    }

    impl Stage {
        fn new(playing: &[u16]) -> Stage {
            Stage { desk: Desk::new(), at: 0, playing: playing.to_vec(), layout: Layout::Stereo }
        }

        /// Everyone's packet comes half a call before it is due; a call is made.
        fn call(&mut self) {
            let now = tick(self.at);
            self.desk.begin(now);
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
                self.desk.receive(Micros(now.0 - 1300), &frame, false).expect("taken");
            }
            self.desk.render();
            self.at += 1;
        }

        /// What a recipient hears in the next call, after many.
        fn hears(&mut self, mix: &mut Mix, without: u16) -> [[f32; FRAMES]; 2] {
            let (mut left, mut right) = ([0.0; FRAMES], [0.0; FRAMES]);
            mix.open(true);
            for _ in 0..3000 {
                self.call();
                mix.fill(&self.desk, SourceId(without), [&mut left, &mut right]);
            }
            [left, right]
        }

        /// What was played by `sources` at the delay at which `heard` fits, which is the same for all.
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

    #[test]
    fn everyone_hears_the_exact_sum_of_the_others_and_never_themselves() {
        let mut stage = Stage::new(&[1, 2, 3]);
        for (me, others) in [(1, [2, 3]), (2, [1, 3]), (3, [1, 2])] {
            let heard = stage.hears(&mut Mix::new(), me);
            assert!(stage.expected(&others.map(|s| (s, 1.0)), &heard), "{me}");
            assert!(!stage.expected(&[(1, 1.0), (2, 1.0), (3, 1.0)], &heard));
        }
        // A listener, who is none of them.
        let heard = stage.hears(&mut Mix::new(), 100);
        assert!(stage.expected(&[(1, 1.0), (2, 1.0), (3, 1.0)], &heard));
    }

    #[test]
    fn everyone_has_their_own_gains() {
        let mut stage = Stage::new(&[1, 2, 3]);
        let half = Balance { gains: [Gain::linear(0.5); CHANNELS], ..Balance::default() };
        let off = Balance { gains: [Gain::OFF; CHANNELS], ..Balance::default() };
        let mut mix = Mix::new();
        mix.set_balances(vec![(SourceId(1), half), (SourceId(2), off)]);
        let heard = stage.hears(&mut mix, 100);
        assert!(stage.expected(&[(1, 0.5), (3, 1.0)], &heard));
        let other = stage.hears(&mut Mix::new(), 100);
        assert!(stage.expected(&[(1, 1.0), (2, 1.0), (3, 1.0)], &other));
        mix.forget(SourceId(2));
        let again = stage.hears(&mut mix, 100);
        assert!(stage.expected(&[(1, 0.5), (2, 1.0), (3, 1.0)], &again), "a gain outlived its musician");
    }

    #[test]
    fn two_sources_of_one_musician_lie_where_they_are_put() {
        let mut stage = Stage::new(&[1]);
        let swapped = Balance { pans: [Some(Pan::RIGHT), Some(Pan::LEFT)], ..Balance::default() };
        let mut mix = Mix::new();
        mix.set_balances(vec![(SourceId(1), swapped)]);
        let [left, right] = stage.hears(&mut mix, 100);
        assert!(stage.expected(&[(1, 1.0)], &[right, left]));
        stage.layout = Layout::DualMono;
        let [left, right] = stage.hears(&mut Mix::new(), 100);
        assert!(left == right && left != [0.0; FRAMES], "said to be two voices, both in the middle");
    }

    #[test]
    fn a_mix_fades_in_and_out_and_what_goes_over_is_turned_down() {
        let mut stage = Stage::new(&[1]);
        let loud = Balance { gains: [Gain::MAX; CHANNELS], ..Balance::default() };
        let mut mix = Mix::new();
        mix.set_balances(vec![(SourceId(1), loud)]);
        let heard = stage.hears(&mut mix, 100);
        let top = heard.as_flattened().iter().fold(0.0_f32, |m, s| m.max(s.abs()));
        assert!(top > 0.5 && top <= Limiter::CEILING, "{top}");
        let (mut left, mut right) = ([0.0; FRAMES], [0.0; FRAMES]);
        mix.open(false);
        for _ in 0..7 {
            stage.call();
            mix.fill(&stage.desk, SourceId(100), [&mut left, &mut right]);
        }
        assert_eq!((left, right), ([0.0; FRAMES], [0.0; FRAMES]));
    }

    #[test]
    fn the_wait_that_it_adds_is_under_a_packet_once_the_network_is_known() {
        let mut stage = Stage::new(&[1, 2]);
        stage.hears(&mut Mix::new(), 100);
        let wait = stage.desk.wait(SourceId(1)).expect("somebody plays");
        println!("a mix adds {} us where packets come every 2667 us without jitter", wait.0);
        assert!(wait < Micros(8000 / 3), "{} us", wait.0);
        assert_eq!(Stage::new(&[]).desk.wait(SourceId(1)), None);
    }
}
