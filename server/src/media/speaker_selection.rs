//! Speaker selection in a crowded room, which has more musicians than one musician receives: each receives the sources that
//! it has pinned, then the loudest, [`MAX_RECEIVED`] in all.
//!
//! Levels are measured from the samples, because a sender chooses the peak that its packet states. Each thread writes the
//! levels of its own musicians; whichever thread comes first decides for the room, ten times a second. Smaller rooms have no
//! selection and pay nothing for it.

#[cfg(loom)]
use super::try_mutex::Mutex;
use arc_swap::{ArcSwapOption, Guard};
#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
use rtjam_protocol::audio::mean_square;
use rtjam_protocol::datagram::{Frame, Frames};
use rtjam_protocol::{Micros, RoomName, SourceId};
use std::sync::Arc;
#[cfg(not(loom))]
use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

/// The most musicians that one receives separately: as many as the client has voices.
pub const MAX_RECEIVED: usize = 32;

/// A selected musician receives the others only, so one more is selected than anybody receives.
const SELECTED: usize = MAX_RECEIVED + 1;

/// Source numbers are below this.
const SOURCES: usize = 256;

/// Levels are averaged over about this many frames: 0.3 s.
const SMOOTHING: f32 = 14_400.0;

/// How often the selection is decided, and how often it is reported at the most.
const DECIDE_EVERY: Micros = Micros::from_millis(100);
const REPORT_EVERY: Micros = Micros::from_millis(500);

/// A selected source stays for at least this long, and a level counts for this long after it was reached.
const HYSTERESIS: Micros = Micros::from_secs(3);

/// A source that sends nothing for this long is deselected.
const SILENCE: Micros = Micros::from_secs(3);

/// A challenger must be 6 dB louder: four times the power.
const MARGIN: f32 = 4.0;

/// Levels below −60 dBFS count as equal.
const FLOOR: f32 = 1e-6;

/// A set of sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceSet([u64; SOURCES / 64]);

impl SourceSet {
    /// All sources.
    pub const ALL: SourceSet = SourceSet([u64::MAX; SOURCES / 64]);

    /// Whether the set contains this source. Numbers beyond the set's end belong to [`SourceSet::ALL`] only.
    pub fn contains(&self, source: SourceId) -> bool {
        self.0.get(usize::from(source.0) / 64).map_or(*self == SourceSet::ALL, |word| word >> (source.0 % 64) & 1 == 1)
    }

    fn add(&mut self, source: SourceId) -> bool {
        let Some(word) = self.0.get_mut(usize::from(source.0) / 64) else { return false };
        let bit = 1 << (source.0 % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// The sources that `own` receives: the pinned ones, then the first of `speakers`, never itself. All sources while fewer
    /// are selected than fit, so that a musician who starts to play is heard at once.
    pub fn received_by(own: SourceId, pinned: &[SourceId], speakers: &[SourceId]) -> SourceSet {
        if speakers.len() < SELECTED {
            return SourceSet::ALL;
        }
        let (mut set, mut left) = (SourceSet([0; SOURCES / 64]), MAX_RECEIVED);
        for source in pinned.iter().chain(speakers).filter(|source| **source != own) {
            if left == 0 {
                break;
            }
            left -= usize::from(set.add(*source));
        }
        set
    }
}

/// The decision for a room.
#[derive(Debug)]
pub struct Selection {
    /// Grows with each decision, from 1.
    pub(super) version: u64,
    /// The room.
    pub room: RoomName,
    /// The selected sources. A musician who pins nobody and is not selected receives the first [`MAX_RECEIVED`].
    pub speakers: Arc<[SourceId]>,
}

/// The selection of one crowded room. The media threads share it.
pub(super) struct SpeakerSelection {
    room: RoomName,
    /// Each source's mean square (bits of an `f32`), and when it was last heard, in ms.
    levels: Vec<AtomicU64>,
    /// When to decide again, in µs.
    due: AtomicU64,
    ranking: Mutex<Ranking>,
    selection: ArcSwapOption<Selection>,
    /// The version that was last reported; 0 to report again in any case.
    reported_version: AtomicU64,
}

impl SpeakerSelection {
    pub(super) fn new(room: RoomName) -> SpeakerSelection {
        SpeakerSelection {
            room,
            levels: (0..SOURCES).map(|_| AtomicU64::new(0)).collect(),
            due: AtomicU64::new(0),
            ranking: Mutex::new(Ranking::default()),
            selection: ArcSwapOption::empty(),
            reported_version: AtomicU64::new(0),
        }
    }

    /// Measures frames of a musician that are being forwarded. Only the thread that owns the session.
    pub(super) fn measure(&self, now: Micros, source: SourceId, frames: &[u8]) {
        let Some(level) = self.levels.get(usize::from(source.0)) else { return };
        for frame in Frames::new(frames) {
            let Frame::Audio(audio) = frame else { continue };
            let (before, _) = unpack(level.load(Ordering::Relaxed));
            let share = (f32::from(audio.header.frames) / SMOOTHING).min(1.0);
            let now_power = mean_square(audio.header.codec, audio.payload);
            level.store(pack(before + (now_power - before) * share, now), Ordering::Relaxed);
        }
    }

    /// The present selection; `None` until the first decision, and then everyone receives everyone.
    pub(super) fn selection(&self) -> Guard<Option<Arc<Selection>>> {
        self.selection.load()
    }

    /// Decides again if that is due. Returns the selection if it has changed and must be reported to the room.
    pub(super) fn decide(&self, now: Micros) -> Option<Arc<Selection>> {
        let due = self.due.load(Ordering::Relaxed);
        let next = (now + DECIDE_EVERY).0;
        if now.0 < due || self.due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return None;
        }
        // Fails only if another thread has been stalled in here for a tenth of a second.
        let mut ranking = self.ranking.try_lock().ok()?;
        let levels = self.levels.iter().map(|level| unpack(level.load(Ordering::Relaxed)));
        if ranking.decide(now, levels) {
            ranking.version += 1;
            let speakers = ranking.selected.iter().map(|selected| selected.source).collect();
            let selection = Selection { version: ranking.version, room: self.room.clone(), speakers };
            self.selection.store(Some(Arc::new(selection)));
        }
        let selection = self.selection.load_full()?;
        let is_reported = selection.version == self.reported_version.load(Ordering::Relaxed);
        if is_reported || now.since(ranking.reported) < REPORT_EVERY {
            return None;
        }
        self.reported_version.store(selection.version, Ordering::Relaxed);
        ranking.reported = now;
        Some(selection)
    }

    /// Call this when a report could not be delivered, so that it is made again. If another thread decides meanwhile, the
    /// room is told the same twice at worst.
    pub(super) fn repeat_report(&self) {
        self.reported_version.store(0, Ordering::Relaxed);
    }
}

fn pack(power: f32, now: Micros) -> u64 {
    u64::from(power.to_bits()) << 32 | ((now.0 / 1000) & 0xFFFF_FFFF)
}

/// A level, and when it was set in ms; 0 means never.
fn unpack(level: u64) -> (f32, u32) {
    (f32::from_bits((level >> 32) as u32), level as u32)
}

/// The selected sources and the levels of all.
struct Ranking {
    selected: Vec<Selected>,
    scores: Vec<Score>,
    scores_began: Micros,
    version: u64,
    reported: Micros,
}

impl Default for Ranking {
    fn default() -> Ranking {
        Ranking {
            selected: Vec::with_capacity(SELECTED),
            scores: vec![Score::default(); SOURCES],
            scores_began: Micros::ZERO,
            version: 0,
            reported: Micros::ZERO,
        }
    }
}

#[derive(Clone, Copy)]
struct Selected {
    source: SourceId,
    since: Micros,
}

/// The recent level of a source.
#[derive(Clone, Copy, Default)]
struct Score {
    present: bool,
    /// The highest level in the present window of [`HYSTERESIS`] and in the previous one.
    now: f32,
    before: f32,
}

impl Score {
    fn power(&self) -> f32 {
        self.now.max(self.before)
    }
}

impl Ranking {
    /// Decides by the levels, each with the time in ms when it was set. Returns whether the selection has changed.
    fn decide(&mut self, now: Micros, levels: impl Iterator<Item = (f32, u32)>) -> bool {
        let begins = now.since(self.scores_began) >= HYSTERESIS;
        if begins {
            self.scores_began = now;
        }
        let now_ms = (now.0 / 1000) as u32;
        for (score, (power, at)) in self.scores.iter_mut().zip(levels) {
            if begins {
                (score.before, score.now) = (score.now, 0.0);
            }
            score.present = at != 0 && u64::from(now_ms.wrapping_sub(at)) * 1000 < SILENCE.0;
            score.now = if score.present { score.now.max(power) } else { 0.0 };
        }
        let before = self.selected.len();
        let scores = &self.scores;
        self.selected.retain(|selected| scores[usize::from(selected.source.0)].present);
        let mut changed = self.selected.len() != before;
        // Each step fills a place or gives one to a louder source, so there are few.
        for _ in 0..SELECTED {
            let Some(challenger) = self.loudest_outside() else { break };
            let since = now;
            if self.selected.len() < SELECTED {
                self.selected.push(Selected { source: challenger, since });
            } else {
                let Some(at) = self.weakest_inside(now, self.power(challenger)) else { break };
                self.selected[at] = Selected { source: challenger, since };
            }
            changed = true;
        }
        changed
    }

    fn power(&self, source: SourceId) -> f32 {
        self.scores[usize::from(source.0)].power()
    }

    fn loudest_outside(&self) -> Option<SourceId> {
        let outside = |source: &SourceId| self.selected.iter().all(|selected| selected.source != *source);
        let present = (0..SOURCES as u16).map(SourceId).filter(|source| self.scores[usize::from(source.0)].present);
        present.filter(outside).max_by(|a, b| self.power(*a).total_cmp(&self.power(*b)))
    }

    /// The place of the source that gives way to a challenger of this level.
    fn weakest_inside(&self, now: Micros, challenger: f32) -> Option<usize> {
        let settled = self.selected.iter().enumerate().filter(|(_, s)| now.since(s.since) >= HYSTERESIS);
        let power = |selected: &Selected| self.power(selected.source);
        let (at, weakest) = settled.min_by(|(_, a), (_, b)| power(a).total_cmp(&power(b)))?;
        (challenger > FLOOR && challenger > power(weakest) * MARGIN).then_some(at)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use rtjam_protocol::audio::{AudioHeader, Codec, Layout, Peak, encode};
    use rtjam_protocol::datagram::write_audio;
    use rtjam_protocol::{FramePosition, Sequence, StreamId};

    const MUSICIANS: u16 = 64;

    struct Simulation {
        selection: SpeakerSelection,
        now: Micros,
        /// Level of each source; `None` for one that sends nothing.
        plays: Vec<Option<f32>>,
        reports: usize,
    }

    impl Simulation {
        /// Musicians 1 to 64; lower numbers are louder.
        fn new() -> Simulation {
            let plays = (0..=MUSICIANS).map(|n| (n > 0).then(|| 0.5 / f32::from(n))).collect();
            let selection = SpeakerSelection::new(RoomName::new("r").expect("a name"));
            Simulation { selection, now: Micros::from_secs(5), plays, reports: 0 }
        }

        fn run(&mut self, seconds: u64) {
            for _ in 0..seconds * 50 {
                self.now += Micros::from_millis(20);
                for (source, level) in self.plays.iter().enumerate() {
                    // All packets state the highest peak.
                    if let Some(level) = level {
                        self.selection.measure(self.now, SourceId(source as u16), &frames(*level, Peak(u16::MAX)));
                    }
                }
                self.reports += usize::from(self.selection.decide(self.now).is_some());
            }
        }

        fn selected(&self) -> Vec<u16> {
            let selection = self.selection.selection();
            let speakers = &selection.as_ref().expect("a decision").speakers;
            let mut all: Vec<u16> = speakers.iter().map(|source| source.0).collect();
            all.sort_unstable();
            all
        }
    }

    fn frames(level: f32, peak: Peak) -> Vec<u8> {
        let header = AudioHeader {
            source: SourceId(1),
            stream: StreamId(1),
            sequence: Sequence(1),
            position: FramePosition(0),
            codec: Codec::Pcm16,
            layout: Layout::Stereo,
            frames: 512,
            peak: [peak; 2],
        };
        let (mut payload, mut out) = (Vec::new(), Vec::new());
        encode(Codec::Pcm16, &[level; 1024], &mut payload);
        write_audio(&header, &payload, &mut out);
        out
    }

    /// The loudest sources are selected, whatever peaks packets state.
    #[test]
    fn loudest_sources_are_selected() {
        let mut simulation = Simulation::new();
        simulation.run(10);
        assert_eq!(simulation.selected(), (1..=33).collect::<Vec<u16>>());
        simulation.plays[1..].reverse();
        simulation.run(10);
        let loud = simulation.selected().iter().filter(|source| **source > 32).count();
        assert!(loud >= 20, "only {loud} of those who are loud now are selected");
    }

    /// A source that becomes loud replaces another within a second; one that pauses for two seconds keeps its place.
    #[test]
    fn selection_has_hysteresis() {
        let mut simulation = Simulation::new();
        simulation.run(10);
        simulation.plays[64] = Some(0.9);
        simulation.run(1);
        assert!(simulation.selected().contains(&64) && !simulation.selected().contains(&33));
        simulation.plays[64] = Some(0.0);
        simulation.run(2);
        assert!(simulation.selected().contains(&64));
        simulation.run(15);
        assert_eq!(simulation.selected(), (1..=33).collect::<Vec<u16>>());
    }

    /// Equally loud sources do not replace each other, and a source that stops sending loses its place.
    #[test]
    fn equal_sources_do_not_alternate() {
        let mut simulation = Simulation::new();
        simulation.plays[1..].iter_mut().for_each(|level| *level = Some(0.1));
        simulation.run(5);
        let (selected, reports) = (simulation.selected(), simulation.reports);
        simulation.run(20);
        assert_eq!((simulation.selected(), simulation.reports), (selected.clone(), reports));
        simulation.plays[usize::from(selected[0])] = None;
        simulation.run(4);
        assert!(!simulation.selected().contains(&selected[0]) && simulation.selected().len() == SELECTED);
    }

    /// A musician receives at most 32 sources, never itself, and pinned ones first.
    #[test]
    fn pinned_sources_come_first() {
        let speakers: Vec<SourceId> = (1..=33).map(SourceId).collect();
        let all = |own, pinned: &[SourceId]| -> Vec<u16> {
            let set = SourceSet::received_by(SourceId(own), pinned, &speakers);
            (0..256).filter(|n| set.contains(SourceId(*n))).collect()
        };
        assert_eq!(all(5, &[]), (1..=33).filter(|n| *n != 5).collect::<Vec<u16>>());
        assert_eq!(all(60, &[]), (1..=32).collect::<Vec<u16>>());
        assert_eq!(all(60, &[50, 51, 3, 60].map(SourceId)), [(1..=30).collect::<Vec<u16>>(), vec![50, 51]].concat());
        assert!(SourceSet::ALL.contains(SourceId(7)) && SourceSet::ALL.contains(SourceId::MIX));
        assert_eq!(SourceSet::received_by(SourceId(5), &[], &speakers[..32]), SourceSet::ALL, "there is a place left");
    }
}
