//! Everything that is visible at a moment. The model is read about 30 times a second, and a frame is drawn only if the
//! scene has changed; so everything in it is rounded to what can be seen.

use super::ballistics::{Bar, Needle};
use super::delay_and_loss::{LossWatch, Losses, WholeDelay};
use super::message_list::{self, Message};
use crate::audio::{AudioState, DeviceDelay, RunningAudio};
use crate::editor_model::{EditorModel, InstanceCondition, Kind};
use crate::messages::Language;
use crate::params::{Param, Slot};
use crate::settings::Settings;
use rtjam_client::{Musician, SessionState};
use rtjam_engine::Level;
use rtjam_protocol::control::DownstreamMode;
use std::collections::HashMap;
use std::time::Duration;

/// Everything that is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// What is being edited.
    pub kind: Kind,
    /// Language of all texts.
    pub language: Language,
    /// State of the session.
    pub state: SessionState,
    /// Name of the room.
    pub room: Option<String>,
    /// Messages, the most urgent first.
    pub messages: Vec<Message>,
    /// The other musicians, in the order of their slots.
    pub players: Vec<Player>,
    /// Meters of what is sent.
    pub sent: [Bar; 2],
    /// Meters of the room.
    pub heard: [Bar; 2],
    /// The downstream: forwarded sources or one mix.
    pub mix: DownstreamMode,
    /// Wait at the server before mixing, in ms; `None` if unknown or not mixed.
    pub mix_ms: Option<u32>,
    /// The limiter is reducing the room's level.
    pub limiting: bool,
    /// The settings.
    pub settings: Settings,
    /// The values of all parameters, in their order.
    pub values: Vec<f64>,
    /// The audio system; `None` in a plugin.
    pub audio: Option<AudioState>,
}

/// Another musician in the room.
#[derive(Clone, Debug, PartialEq)]
pub struct Player {
    /// Source number in the room.
    pub source: u16,
    /// Slot in the mixer; `None` beyond twelve: such a musician is heard without controls.
    pub slot: Option<Slot>,
    /// Display name.
    pub name: String,
    /// Meters, left and right.
    pub bars: [Bar; 2],
    /// Delay from the server to the ear, in ms.
    pub delay_ms: Option<u32>,
    /// Packet loss during the last minute.
    pub losses: Losses,
    /// Whether the room sends this musician here.
    pub heard: bool,
}

/// Takes scenes, and remembers what they need.
#[derive(Debug, Default)]
pub struct Watcher {
    sent: [Needle; 2],
    heard: [Needle; 2],
    players: HashMap<u16, PlayerMemory>,
}

#[derive(Debug, Default)]
struct PlayerMemory {
    needles: [Needle; 2],
    losses: LossWatch,
}

impl Watcher {
    /// The scene at `now`, a time that never decreases.
    pub fn look(&mut self, model: &dyn EditorModel, now: Duration) -> Scene {
        let (status, console, condition) = (model.status(), model.console(), model.condition());
        let settings = model.settings();
        let language = Language::chosen(settings.choices.language);
        let in_room = status.state == SessionState::Joined;
        self.players.retain(|source, _| status.musicians.iter().any(|m| m.source == *source));
        let mut delays = Vec::new();
        let mut players: Vec<Player> = status
            .musicians
            .iter()
            .map(|musician| {
                let memory = self.players.entry(musician.source).or_default();
                let delay = in_room.then(|| delay(musician, &condition)).flatten();
                delays.extend(delay);
                memory.player(musician, delay, now)
            })
            .collect();
        players.sort_by_key(|p| (p.slot.map_or(usize::MAX, Slot::index), p.source));
        let slowest = delays.into_iter().max_by_key(|d| d.total());
        let room = console.room();
        let audio = model.audio().map(rounded);
        Scene {
            kind: model.kind(),
            language,
            state: status.state,
            messages: message_list::messages(&status, &condition, audio.as_ref(), slowest, language),
            players,
            sent: feed(&mut self.sent, console.tx().levels, now),
            heard: feed(&mut self.heard, room.levels, now),
            mix: status.mix,
            mix_ms: status.mix_delay_ms.map(|ms| ms.round() as u32),
            limiting: room.limiter_active,
            settings,
            values: Param::all().map(|param| model.value(param)).collect(),
            room: status.room,
            audio,
        }
    }
}

impl PlayerMemory {
    fn player(&mut self, musician: &Musician, delay: Option<WholeDelay>, now: Duration) -> Player {
        let Musician { counts, dbfs, peak_dbfs, .. } = musician;
        let levels = [0, 1].map(|side| Level { rms_dbfs: dbfs[side], peak_dbfs: peak_dbfs[side] });
        self.losses.feed(counts.packets, counts.lost + counts.late, now);
        Player {
            source: musician.source,
            slot: musician.slot.and_then(|number| Slot::new(usize::from(number).checked_sub(1)?)),
            name: musician.name.clone(),
            bars: feed(&mut self.needles, levels, now),
            delay_ms: delay.map(WholeDelay::total),
            losses: self.losses.drawn(),
            heard: musician.heard,
        }
    }
}

/// Delays are shown in tenths of a ms.
fn rounded(audio: AudioState) -> AudioState {
    let tenths = |ms: f32| (ms * 10.0).round() / 10.0;
    let delay =
        |delay: DeviceDelay| DeviceDelay { input_ms: tenths(delay.input_ms), output_ms: tenths(delay.output_ms) };
    let running = audio.running.map(|running| RunningAudio { delay: running.delay.map(delay), ..running });
    AudioState { running, ..audio }
}

/// `None` while the host does not play, since nothing is heard then.
fn delay(musician: &Musician, condition: &InstanceCondition) -> Option<WholeDelay> {
    use InstanceCondition::{Failed, Offline, Paused};
    if matches!(condition, Offline | Paused | Failed { .. }) { None } else { WholeDelay::of(&musician.delay) }
}

fn feed(needles: &mut [Needle; 2], levels: [Level; 2], now: Duration) -> [Bar; 2] {
    let [left, right] = needles;
    [left.feed(levels[0], now), right.feed(levels[1], now)]
}
