//! What is to be seen at a moment: taken from the board some thirty times a second, compared, and drawn only when it
//! changed. So everything in it is as coarse as what is drawn.

use super::ballistics::{Bar, Needle};
use super::delay::Delay;
use super::losses::{LossWatch, Losses};
use super::words::{self, Message};
use crate::board::{Board, Condition, Kind, Settings};
use crate::params::{Param, Slot};
use rtjam_client::{Musician, State};
use rtjam_engine::Level;
use rtjam_protocol::control::DownstreamMode;
use std::collections::HashMap;
use std::time::Duration;

/// All that is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// Whose editor it is.
    pub kind: Kind,
    /// Where the session stands.
    pub state: State,
    /// The room's name.
    pub room: Option<String>,
    /// What to tell, the most urgent first.
    pub messages: Vec<Message>,
    /// The others, in the order of their slots.
    pub players: Vec<Player>,
    /// What is sent.
    pub sent: [Bar; 2],
    /// The mix of the others.
    pub heard: [Bar; 2],
    /// What of the others is sent.
    pub mix: DownstreamMode,
    /// How long sound waits at the server before it is mixed, in ms; `None` where it is not, or not known yet.
    pub mix_ms: Option<u32>,
    /// The limiter turns the mix down.
    pub limiting: bool,
    /// What is set beside the parameters.
    pub settings: Settings,
    /// What the parameters are set to, in their order.
    pub values: Vec<f64>,
}

/// Somebody else in the room.
#[derive(Clone, Debug, PartialEq)]
pub struct Player {
    /// Their number in the room.
    pub source: u16,
    /// Their place in the mixer; `None` beyond twelve: they are heard as they are.
    pub slot: Option<Slot>,
    /// Their name.
    pub name: String,
    /// Left and right.
    pub bars: [Bar; 2],
    /// From when they reach the server to when they are heard, in ms.
    pub delay_ms: Option<u32>,
    /// What was missing.
    pub losses: Losses,
    /// Whether the room sends them here.
    pub heard: bool,
}

/// Takes scenes, and remembers what they need.
#[derive(Debug, Default)]
pub struct Watcher {
    sent: [Needle; 2],
    heard: [Needle; 2],
    players: HashMap<u16, Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    needles: [Needle; 2],
    losses: LossWatch,
}

impl Watcher {
    /// What is to be seen at `now`, a time that only grows.
    pub fn look(&mut self, board: &dyn Board, now: Duration) -> Scene {
        let (status, console, condition) = (board.status(), board.console(), board.condition());
        let in_room = status.state == State::Joined;
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
        let settings = board.settings();
        let room = console.room();
        Scene {
            kind: board.kind(),
            state: status.state,
            messages: words::messages(&status, &condition, slowest),
            players,
            sent: feed(&mut self.sent, console.tx().levels, now),
            heard: feed(&mut self.heard, room.levels, now),
            mix: status.mix,
            mix_ms: status.mix_delay_ms.map(|ms| ms.round() as u32),
            limiting: room.limiter_active,
            settings,
            values: Param::all().map(|param| board.value(param)).collect(),
            room: status.room,
        }
    }
}

impl Memory {
    fn player(&mut self, musician: &Musician, delay: Option<Delay>, now: Duration) -> Player {
        let Musician { dbfs, peak_dbfs, .. } = musician;
        let levels = [0, 1].map(|side| Level { rms_dbfs: dbfs[side], peak_dbfs: peak_dbfs[side] });
        self.losses.feed(musician.packets, musician.lost + musician.late, now);
        Player {
            source: musician.source,
            slot: musician.slot.and_then(|number| Slot::new(usize::from(number).checked_sub(1)?)),
            name: musician.name.clone(),
            bars: feed(&mut self.needles, levels, now),
            delay_ms: delay.map(Delay::total),
            losses: self.losses.drawn(),
            heard: musician.heard,
        }
    }
}

fn delay(musician: &Musician, condition: &Condition) -> Option<Delay> {
    // While the host does not listen, nothing is heard at any time.
    if matches!(condition, Condition::Offline | Condition::Paused | Condition::Failed { .. }) {
        return None;
    }
    Delay::of(&musician.delay)
}

fn feed(needles: &mut [Needle; 2], levels: [Level; 2], now: Duration) -> [Bar; 2] {
    let [left, right] = needles;
    [left.feed(levels[0], now), right.feed(levels[1], now)]
}
