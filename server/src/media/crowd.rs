//! Whom musicians are sent in a room of more than [`MOST_HEARD`] others: those whom they pin, then the loudest.
//!
//! Levels are measured from the samples: what a packet says of its own peak is its sender's to choose. Each thread writes
//! those of its own musicians; whichever thread comes first decides for the room, ten times a second. A room with fewer
//! musicians has no crowd, and none of this costs it anything.

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

/// The most musicians that one is sent separately: as many voices as their end has.
pub const MOST_HEARD: usize = 32;

/// One of those who are chosen is sent the others only, so one more is chosen than anybody hears.
const CHOSEN: usize = MOST_HEARD + 1;

/// Source numbers end below this.
const SOURCES: usize = 256;

/// Levels are means over about so many frames: 0.3 s.
const SMOOTHING: f32 = 14_400.0;

/// A choice is looked at so often, and told so often at the most.
const DECIDE_EVERY: Micros = Micros::from_millis(100);
const TELL_EVERY: Micros = Micros::from_millis(500);

/// Who is chosen stays for so long at least, and a level counts for so long after it was reached.
const HYSTERESIS: Micros = Micros::from_secs(3);

/// Who sends nothing for so long is not chosen any more.
const SILENCE: Micros = Micros::from_secs(3);

/// A challenger must be louder by 6 dB: four times the power.
const MARGIN: f32 = 4.0;

/// Below −60 dBFS nobody is louder than anybody.
const FLOOR: f32 = 1e-6;

/// A set of sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sources([u64; SOURCES / 64]);

impl Sources {
    /// Everyone.
    pub const ALL: Sources = Sources([u64::MAX; SOURCES / 64]);

    /// Whether it has this one. Sources beyond the set's end belong to it only where all do.
    pub fn has(&self, source: SourceId) -> bool {
        self.0.get(usize::from(source.0) / 64).map_or(*self == Sources::ALL, |word| word >> (source.0 % 64) & 1 == 1)
    }

    fn add(&mut self, source: SourceId) -> bool {
        let Some(word) = self.0.get_mut(usize::from(source.0) / 64) else { return false };
        let bit = 1 << (source.0 % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Those whom `own` is sent: pinned ones, then those first in `order`, themselves never. Everyone, as long as there are
    /// places for more than have been chosen: whoever begins to play is heard at once then.
    pub fn heard(own: SourceId, pinned: &[SourceId], order: &[SourceId]) -> Sources {
        if order.len() < CHOSEN {
            return Sources::ALL;
        }
        let (mut set, mut left) = (Sources([0; SOURCES / 64]), MOST_HEARD);
        for source in pinned.iter().chain(order).filter(|source| **source != own) {
            if left == 0 {
                break;
            }
            left -= usize::from(set.add(*source));
        }
        set
    }
}

/// What was decided for a room.
#[derive(Debug)]
pub struct Choice {
    /// Grows with each choice; from 1.
    pub(super) version: u64,
    /// Which room.
    pub room: RoomName,
    /// Those who are chosen; the first [`MOST_HEARD`] of them are sent to whoever pins nobody and is not chosen.
    pub order: Vec<SourceId>,
}

/// A crowded room, shared by the threads.
pub(super) struct Crowd {
    room: RoomName,
    /// The mean square of each source's samples (its bits), and when it was last heard, in ms.
    levels: Vec<AtomicU64>,
    /// When to decide again, in µs.
    due: AtomicU64,
    ranking: Mutex<Ranking>,
    choice: ArcSwapOption<Choice>,
    /// The version that the room was told last; 0 where it is to be told in any case.
    told_version: AtomicU64,
}

impl Crowd {
    pub(super) fn new(room: RoomName) -> Crowd {
        Crowd {
            room,
            levels: (0..SOURCES).map(|_| AtomicU64::new(0)).collect(),
            due: AtomicU64::new(0),
            ranking: Mutex::new(Ranking::default()),
            choice: ArcSwapOption::empty(),
            told_version: AtomicU64::new(0),
        }
    }

    /// Frames of a musician are handed on. Only the thread that owns their session.
    pub(super) fn hear(&self, now: Micros, source: SourceId, frames: &[u8]) {
        let Some(level) = self.levels.get(usize::from(source.0)) else { return };
        for frame in Frames::new(frames) {
            let Frame::Audio(audio) = frame else { continue };
            let (before, _) = unpack(level.load(Ordering::Relaxed));
            let share = (f32::from(audio.header.frames) / SMOOTHING).min(1.0);
            let now_power = mean_square(audio.header.codec, audio.payload);
            level.store(pack(before + (now_power - before) * share, now), Ordering::Relaxed);
        }
    }

    /// Those whom everyone is sent; `None` until the first choice: then it is everybody.
    pub(super) fn choice(&self) -> Guard<Option<Arc<Choice>>> {
        self.choice.load()
    }

    /// Decides anew where that is due. Returns what to tell the room, where there is news.
    pub(super) fn decide(&self, now: Micros) -> Option<Arc<Choice>> {
        let due = self.due.load(Ordering::Relaxed);
        let next = (now + DECIDE_EVERY).0;
        if now.0 < due || self.due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return None;
        }
        // Nobody waits: another thread decides only if this one has been held up for a tenth of a second.
        let mut ranking = self.ranking.try_lock().ok()?;
        let levels = self.levels.iter().map(|level| unpack(level.load(Ordering::Relaxed)));
        if ranking.decide(now, levels) {
            ranking.version += 1;
            let order = ranking.chosen.iter().map(|chosen| chosen.source).collect();
            let choice = Choice { version: ranking.version, room: self.room.clone(), order };
            self.choice.store(Some(Arc::new(choice)));
        }
        let choice = self.choice.load_full()?;
        if choice.version == self.told_version.load(Ordering::Relaxed) || now.since(ranking.told) < TELL_EVERY {
            return None;
        }
        self.told_version.store(choice.version, Ordering::Relaxed);
        ranking.told = now;
        Some(choice)
    }

    /// What was to be told could not be; it is told again. Another thread may decide meanwhile: at worst, the room is told
    /// the same once more.
    pub(super) fn not_told(&self) {
        self.told_version.store(0, Ordering::Relaxed);
    }
}

fn pack(power: f32, now: Micros) -> u64 {
    u64::from(power.to_bits()) << 32 | ((now.0 / 1000) & 0xFFFF_FFFF)
}

/// A level, and when it was set, in ms; 0 is never.
fn unpack(level: u64) -> (f32, u32) {
    (f32::from_bits((level >> 32) as u32), level as u32)
}

/// Who is chosen, and since when.
struct Ranking {
    chosen: Vec<Chosen>,
    scores: Vec<Score>,
    scores_began: Micros,
    version: u64,
    told: Micros,
}

impl Default for Ranking {
    fn default() -> Ranking {
        Ranking {
            chosen: Vec::with_capacity(CHOSEN),
            scores: vec![Score::default(); SOURCES],
            scores_began: Micros::ZERO,
            version: 0,
            told: Micros::ZERO,
        }
    }
}

#[derive(Clone, Copy)]
struct Chosen {
    source: SourceId,
    since: Micros,
}

/// How loud one has been lately.
#[derive(Clone, Copy, Default)]
struct Score {
    present: bool,
    /// The loudest in this window of [`HYSTERESIS`], and in the one before.
    now: f32,
    before: f32,
}

impl Score {
    fn power(&self) -> f32 {
        self.now.max(self.before)
    }
}

impl Ranking {
    /// Takes the levels, each with the time in ms when it was set. Returns whether the choice has changed.
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
        let before = self.chosen.len();
        let scores = &self.scores;
        self.chosen.retain(|chosen| scores[usize::from(chosen.source.0)].present);
        let mut changed = self.chosen.len() != before;
        // Each step fills a place or gives one to somebody louder, so there are few.
        for _ in 0..CHOSEN {
            let Some(challenger) = self.loudest_outside() else { break };
            let since = now;
            if self.chosen.len() < CHOSEN {
                self.chosen.push(Chosen { source: challenger, since });
            } else {
                let Some(at) = self.weakest_inside(now, self.power(challenger)) else { break };
                self.chosen[at] = Chosen { source: challenger, since };
            }
            changed = true;
        }
        changed
    }

    fn power(&self, source: SourceId) -> f32 {
        self.scores[usize::from(source.0)].power()
    }

    fn loudest_outside(&self) -> Option<SourceId> {
        let outside = |source: &SourceId| self.chosen.iter().all(|chosen| chosen.source != *source);
        let present = (0..SOURCES as u16).map(SourceId).filter(|source| self.scores[usize::from(source.0)].present);
        present.filter(outside).max_by(|a, b| self.power(*a).total_cmp(&self.power(*b)))
    }

    /// The place of whoever gives way to a challenger of this level.
    fn weakest_inside(&self, now: Micros, challenger: f32) -> Option<usize> {
        let settled = self.chosen.iter().enumerate().filter(|(_, chosen)| now.since(chosen.since) >= HYSTERESIS);
        let power = |chosen: &Chosen| self.power(chosen.source);
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

    struct Stage {
        crowd: Crowd,
        now: Micros,
        /// How loud each plays; `None` for one who sends nothing.
        plays: Vec<Option<f32>>,
        told: usize,
    }

    impl Stage {
        /// Musicians 1 to 64; those who come first are louder.
        fn new() -> Stage {
            let plays = (0..=MUSICIANS).map(|n| (n > 0).then(|| 0.5 / f32::from(n))).collect();
            Stage { crowd: Crowd::new(RoomName::new("r").expect("a name")), now: Micros::from_secs(5), plays, told: 0 }
        }

        fn run(&mut self, seconds: u64) {
            for _ in 0..seconds * 50 {
                self.now += Micros::from_millis(20);
                for (source, level) in self.plays.iter().enumerate() {
                    // All claim to be as loud as can be.
                    if let Some(level) = level {
                        self.crowd.hear(self.now, SourceId(source as u16), &frames(*level, Peak(u16::MAX)));
                    }
                }
                self.told += usize::from(self.crowd.decide(self.now).is_some());
            }
        }

        fn chosen(&self) -> Vec<u16> {
            let mut all: Vec<u16> =
                self.crowd.choice().as_ref().expect("a choice").order.iter().map(|source| source.0).collect();
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

    /// The loudest are chosen, whatever peaks packets claim.
    #[test]
    fn the_loudest_are_chosen() {
        let mut stage = Stage::new();
        stage.run(10);
        assert_eq!(stage.chosen(), (1..=33).collect::<Vec<u16>>());
        stage.plays[1..].reverse();
        stage.run(10);
        let loud = stage.chosen().iter().filter(|source| **source > 32).count();
        assert!(loud >= 20, "of those who are loud now {loud} are chosen");
    }

    /// One who becomes loud is heard within a second once somebody has had their three seconds; one who pauses for two
    /// seconds keeps their place.
    #[test]
    fn places_are_kept_for_three_seconds() {
        let mut stage = Stage::new();
        stage.run(10);
        stage.plays[64] = Some(0.9);
        stage.run(1);
        assert!(stage.chosen().contains(&64) && !stage.chosen().contains(&33));
        stage.plays[64] = Some(0.0);
        stage.run(2);
        assert!(stage.chosen().contains(&64));
        stage.run(15);
        assert_eq!(stage.chosen(), (1..=33).collect::<Vec<u16>>());
    }

    /// Two who are as loud as each other do not take each other's place, and those who leave give theirs up.
    #[test]
    fn equals_do_not_swap_and_the_silent_leave() {
        let mut stage = Stage::new();
        stage.plays[1..].iter_mut().for_each(|level| *level = Some(0.1));
        stage.run(5);
        let (chosen, told) = (stage.chosen(), stage.told);
        stage.run(20);
        assert_eq!((stage.chosen(), stage.told), (chosen.clone(), told));
        stage.plays[usize::from(chosen[0])] = None;
        stage.run(4);
        assert!(!stage.chosen().contains(&chosen[0]) && stage.chosen().len() == CHOSEN);
    }

    /// Nobody is sent more than 32, nor themselves, and pinned ones come first.
    #[test]
    fn pinned_ones_come_first() {
        let order: Vec<SourceId> = (1..=33).map(SourceId).collect();
        let all = |own, pinned: &[SourceId]| -> Vec<u16> {
            let set = Sources::heard(SourceId(own), pinned, &order);
            (0..256).filter(|n| set.has(SourceId(*n))).collect()
        };
        assert_eq!(all(5, &[]), (1..=33).filter(|n| *n != 5).collect::<Vec<u16>>());
        assert_eq!(all(60, &[]), (1..=32).collect::<Vec<u16>>());
        assert_eq!(all(60, &[50, 51, 3, 60].map(SourceId)), [(1..=30).collect::<Vec<u16>>(), vec![50, 51]].concat());
        assert!(Sources::ALL.has(SourceId(7)) && Sources::ALL.has(SourceId::MIX));
        assert_eq!(Sources::heard(SourceId(5), &[], &order[..32]), Sources::ALL, "there is a place left");
    }
}
