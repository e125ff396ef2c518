//! An editor model with a real engine and simulated musicians, to show the editor without a room server and twelve
//! programs.

use egui::{Id, Pos2, RawInput, Rect, vec2};
use rtjam_client::{Delay, Musician, SessionState, Status, You};
use rtjam_engine::{Console, Engine, NetworkEnd, Outputs, SLOTS};
use rtjam_protocol::audio::{AudioFrame, AudioHeader, Codec, Layout, Peak, encode};
use rtjam_protocol::{FramePosition, Micros, Sequence, SourceId, StreamId};
use rtjam_ui::audio::{AudioAction, AudioState};
use rtjam_ui::editor::Editor;
use rtjam_ui::editor::scene::Watcher;
use rtjam_ui::editor_model::{EditorModel, InstanceCondition, JoinError, Kind};
use rtjam_ui::messages::Language;
use rtjam_ui::params::{Param, Values, apply};
use rtjam_ui::settings::{Change, Choices, RecentRoom, Settings};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Names of the simulated musicians.
pub const BAND: [&str; 12] = [
    "Piano",
    "Bass",
    "Drums",
    "Guitar",
    "Voice",
    "Violin",
    "Cello",
    "Flute",
    "Trumpet",
    "Organ",
    "Saxophone",
    "Percussion",
];

/// Frames in a packet and in a period.
const FRAMES: usize = 128;

/// A call of the model by the editor.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// Join this link.
    Join(String),
    /// Leave the room.
    Leave,
    /// Change a setting.
    Change(Change),
    /// Begin a gesture.
    Begin(Param),
    /// Set a parameter.
    Set(Param, f64),
    /// End a gesture.
    End(Param),
    /// Resume sending.
    Resume,
    /// Restart the engine.
    Restart,
    /// Do this on the audio page.
    Audio(AudioAction),
}

/// An editor model whose musicians play until it is dropped.
pub struct Stage {
    kind: Kind,
    console: Console,
    values: Values,
    inner: Mutex<Inner>,
    poisoned: AtomicBool,
    stop: Arc<AtomicBool>,
    playing: Option<JoinHandle<()>>,
}

struct Inner {
    status: Status,
    settings: Settings,
    condition: InstanceCondition,
    audio: Option<AudioState>,
    asked: Vec<Asked>,
}

impl Stage {
    /// A plugin in a room with the first `musicians` of [`BAND`] and further guests. They play if `plays` is set.
    pub fn new(musicians: usize, plays: bool) -> Arc<Stage> {
        Stage::of(Kind::Plugin, musicians, plays)
    }

    /// The same for another kind of editor.
    pub fn of(kind: Kind, musicians: usize, plays: bool) -> Arc<Stage> {
        let (mut engine, network, console) = rtjam_engine::engine(1, || {});
        engine.configure(48_000, FRAMES);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let playing = plays.then(|| thread::spawn(move || play(engine, network, musicians, &stopped)));
        let inner = Inner {
            status: status(musicians),
            settings: settings(),
            condition: InstanceCondition::Fine,
            audio: None,
            asked: vec![],
        };
        let inner = Mutex::new(inner);
        let (values, poisoned) = (Values::default(), AtomicBool::new(false));
        Arc::new(Stage { kind, console, values, inner, poisoned, stop, playing })
    }

    /// Changes what the model reports.
    pub fn arrange(&self, change: impl FnOnce(&mut Status, &mut Settings, &mut InstanceCondition)) {
        let Inner { status, settings, condition, .. } = &mut *self.inner();
        change(status, settings, condition);
    }

    /// Sets the state of the audio system; the model has none until then.
    pub fn set_audio(&self, audio: AudioState) {
        self.inner().audio = Some(audio);
    }

    /// Sets the language of the editor; English until then.
    pub fn set_language(&self, language: Language) {
        self.inner().settings.choices.language = language.into();
    }

    /// All calls so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.inner().asked.clone()
    }

    /// From now on reading a value while drawing panics.
    pub fn poison(&self) {
        self.poisoned.store(true, Relaxed);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, asked: Asked) {
        self.inner().asked.push(asked);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(playing) = self.playing.take() {
            let _ = playing.join();
        }
    }
}

impl EditorModel for Stage {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn status(&self) -> Status {
        let mut status = self.inner().status.clone();
        for musician in &mut status.musicians {
            if let Some(voice) = self.console.voice(SourceId(musician.source)) {
                musician.counts.packets = voice.packets;
                musician.counts.lost += voice.lost;
                musician.counts.late = voice.late;
                musician.dbfs = voice.levels.map(|level| level.rms_dbfs);
                musician.peak_dbfs = voice.levels.map(|level| level.peak_dbfs);
            }
        }
        status
    }

    fn console(&self) -> Console {
        self.console.clone()
    }

    fn condition(&self) -> InstanceCondition {
        self.inner().condition.clone()
    }

    fn value(&self, param: Param) -> f64 {
        let draws = thread::current().name() != Some("editor-watch");
        assert!(!(draws && self.poisoned.load(Relaxed)), "a fault for the test");
        self.values.get(param)
    }

    fn begin(&self, param: Param) {
        self.ask(Asked::Begin(param));
    }

    fn set(&self, param: Param, value: f64) {
        let value = self.values.set(param, value);
        apply(&self.console, param, value);
        self.ask(Asked::Set(param, value));
    }

    fn end(&self, param: Param) {
        self.ask(Asked::End(param));
    }

    fn join(&self, link: &str, _anyway: bool) -> Result<(), JoinError> {
        self.ask(Asked::Join(link.to_owned()));
        link.parse::<rtjam_protocol::link::Link>().map_err(JoinError::BadLink)?;
        Ok(())
    }

    fn leave(&self) {
        self.ask(Asked::Leave);
    }

    fn resume_sending(&self) {
        self.ask(Asked::Resume);
    }

    fn settings(&self) -> Settings {
        self.inner().settings.clone()
    }

    fn change(&self, change: Change) {
        let mut inner = self.inner();
        inner.settings.choices.apply(change.clone());
        inner.asked.push(Asked::Change(change));
    }

    fn restart(&self) {
        self.ask(Asked::Restart);
    }

    fn audio(&self) -> Option<AudioState> {
        self.inner().audio.clone()
    }

    fn ask_audio(&self, action: AudioAction) {
        let mut inner = self.inner();
        if let Some(audio) = inner.audio.as_mut().filter(|_| action == AudioAction::Done) {
            audio.is_due = false;
        }
        inner.asked.push(Asked::Audio(action));
    }
}

fn settings() -> Settings {
    let link = |room: &str| format!("rtjam://jam.example.org/{room}#AQEHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH");
    let recent =
        ["lobby", "band"].map(|room| RecentRoom { name: format!("{room} at jam.example.org"), link: link(room) });
    Settings {
        choices: Choices {
            named: true,
            language: Some(Language::English),
            ..Choices::with_name("Keyboard".to_owned())
        },
        link: Some(link("lobby")),
        recent: recent.into(),
    }
}

/// The rectangle of one of the editor's controls, in a window of `size` logical pixels with this many musicians. Lays out a
/// frame without a screen.
///
/// # Panics
/// There is no such control.
pub fn place(control: Id, size: (u32, u32), musicians: usize) -> Rect {
    place_in(control, size, &Stage::of(Kind::Plugin, musicians, false))
}

/// A control's rectangle on the program's audio page, in a window of `size` logical pixels.
///
/// # Panics
/// There is no such control.
pub fn place_on_audio_page(control: Id, size: (u32, u32)) -> Rect {
    let stage = Stage::of(Kind::Standalone, 0, false);
    stage.set_audio(AudioState { is_due: true, ..AudioState::default() });
    place_in(control, size, &stage)
}

fn place_in(control: Id, size: (u32, u32), stage: &Stage) -> Rect {
    let ctx = egui::Context::default();
    let (mut editor, mut watcher) = (Editor::new(Box::new(|| None)), Watcher::default());
    let window = Rect::from_min_size(Pos2::ZERO, vec2(size.0 as f32, size.1 as f32));
    for frame in 1..=2 {
        let scene = watcher.look(stage, Duration::from_millis(33) * frame);
        let input = RawInput { screen_rect: Some(window), ..RawInput::default() };
        ctx.run_ui(input, |ui| editor.show(ui, stage, &scene)).textures_delta.clear();
    }
    ctx.read_response(control).unwrap_or_else(|| panic!("no control {control:?}")).rect
}

fn status(musicians: usize) -> Status {
    let musician = |i: usize| Musician {
        slot: (i < SLOTS).then_some(i as u8 + 1),
        name: BAND.get(i).map_or_else(|| format!("Guest {}", i + 1), |name| (*name).to_owned()),
        playout_delay_ms: Some(4.0 + i as f32),
        delay: Delay { packet_ms: Some(2.7), mix_ms: None, network_ms: Some(14.0), buffer_ms: Some(4.0 + i as f32) },
        strip: (i < SLOTS).then_some(i as u8),
        source: i as u16 + 1,
        ..Musician::default()
    };
    Status {
        state: SessionState::Joined,
        room: Some("lobby".to_owned()),
        rtt_ms: Some(28.0),
        xruns: Some(0),
        musicians: (0..musicians).map(musician).collect(),
        you: Some(You { name: "Keyboard".to_owned(), source: 40 }),
        role: Some(rtjam_protocol::link::Role::Musician),
        ..Status::default()
    }
}

/// Feeds everyone's packets to the engine and calls it, in real time.
fn play(mut engine: Engine, mut network: NetworkEnd, musicians: usize, stop: &AtomicBool) {
    let begun = Instant::now();
    for block in 0_u64.. {
        if stop.load(Relaxed) {
            return;
        }
        let due = Duration::from_secs_f64((block * FRAMES as u64) as f64 / 48_000.0);
        thread::sleep(due.saturating_sub(begun.elapsed()));
        let now = Micros(begun.elapsed().as_micros() as u64 + 1);
        for source in 1..=musicians as u16 {
            let sound = [0, 1].map(|channel| tone(source, channel, block));
            let mut payload = Vec::new();
            sound.iter().for_each(|channel| encode(Codec::F32, channel, &mut payload));
            let header = AudioHeader {
                source: SourceId(source),
                stream: StreamId(u32::from(source)),
                sequence: Sequence(block as u32),
                position: FramePosition(block * FRAMES as u64),
                codec: Codec::F32,
                layout: Layout::Stereo,
                frames: FRAMES as u16,
                peak: sound.each_ref().map(|channel| Peak::of(channel)),
            };
            // The ring is full if the engine was not called for long. That does no harm.
            let _ = network.incoming.push(now, &AudioFrame { header, payload: &payload });
        }
        let own = [0, 1].map(|channel| tone(20, channel, block));
        let (mut left, mut right) = ([0.0; FRAMES], [0.0; FRAMES]);
        let mut outputs = Outputs { main: [&mut left, &mut right], slots: [const { None }; SLOTS] };
        engine.process(now, [&own[0], &own[1]], &mut outputs);
        while network.outgoing.pop().is_some() {}
    }
}

/// Strokes with a pitch and a tempo of each source's own.
fn tone(source: u16, channel: usize, block: u64) -> [f32; FRAMES] {
    let (pitch, pace) = (80.0 * 1.19_f64.powi(i32::from(source)), 0.35 + 0.13 * f64::from(source % 5));
    let loud = 0.35 / f64::from(1 + (source * 7 + channel as u16) % 4);
    core::array::from_fn(|i| {
        let t = (block * FRAMES as u64 + i as u64) as f64 / 48_000.0;
        let stroke = (-(t % pace) * 6.0).exp();
        (loud * stroke * (t * pitch * std::f64::consts::TAU).sin()) as f32
    })
}
