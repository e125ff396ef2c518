//! A board with a real engine behind it, which musicians of the stage's own play to: for the editor's windows, where a
//! room server and twelve programs would only be in the way.

use rtjam_client::{Delay, Musician, Rx, State, Status, Tx, You};
use rtjam_engine::{Console, Engine, NetworkEnd, Outputs, SLOTS};
use rtjam_protocol::audio::{AudioFrame, AudioHeader, Codec, Layout, Peak, encode};
use rtjam_protocol::{FramePosition, Micros, Sequence, SourceId, StreamId};
use rtjam_ui::board::{Board, Change, Choices, Condition, Kind, NotJoining, RecentRoom, Settings};
use rtjam_ui::params::{Param, Values, apply};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Who plays.
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

/// Frames in a packet and in a block.
const FRAMES: usize = 128;

/// What a board was asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// To join this link.
    Join(String),
    /// To leave.
    Leave,
    /// To change a setting.
    Change(Change),
    /// The hand took a parameter, set it, or let it go.
    Begin(Param),
    /// See [`Asked::Begin`].
    Set(Param, f64),
    /// See [`Asked::Begin`].
    End(Param),
    /// To send again.
    Resume,
    /// To begin anew.
    Restart,
}

/// A board whose musicians play until it is dropped.
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
    condition: Condition,
    asked: Vec<Asked>,
}

impl Stage {
    /// A room with the first `musicians` of [`BAND`], and guests beyond it, all of whom play. Still: they do not.
    pub fn new(musicians: usize, plays: bool) -> Arc<Stage> {
        Stage::of(Kind::Plugin, musicians, plays)
    }

    /// The same with the editor of another class.
    pub fn of(kind: Kind, musicians: usize, plays: bool) -> Arc<Stage> {
        let (mut engine, network, console) = rtjam_engine::engine(1, || {});
        engine.configure(48_000, FRAMES);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let playing = plays.then(|| thread::spawn(move || play(engine, network, musicians, &stopped)));
        let inner =
            Inner { status: status(musicians), settings: settings(), condition: Condition::Fine, asked: vec![] };
        let inner = Mutex::new(inner);
        let (values, poisoned) = (Values::default(), AtomicBool::new(false));
        Arc::new(Stage { kind, console, values, inner, poisoned, stop, playing })
    }

    /// Changes what the board says.
    pub fn arrange(&self, change: impl FnOnce(&mut Status, &mut Settings, &mut Condition)) {
        let Inner { status, settings, condition, .. } = &mut *self.inner();
        change(status, settings, condition);
    }

    /// All that the board was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.inner().asked.clone()
    }

    /// From now on, whoever asks for a value while drawing meets a panic.
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

impl Board for Stage {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn status(&self) -> Status {
        let mut status = self.inner().status.clone();
        for musician in &mut status.musicians {
            if let Some(voice) = self.console.voice(SourceId(musician.source)) {
                musician.packets = voice.packets;
                musician.lost += voice.lost;
                musician.late = voice.late;
                musician.dbfs = voice.levels.map(|level| level.rms_dbfs);
                musician.peak_dbfs = voice.levels.map(|level| level.peak_dbfs);
            }
        }
        status
    }

    fn console(&self) -> Console {
        self.console.clone()
    }

    fn condition(&self) -> Condition {
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

    fn join(&self, link: &str, _anyway: bool) -> Result<(), NotJoining> {
        self.ask(Asked::Join(link.to_owned()));
        match link.parse::<rtjam_protocol::link::Link>() {
            Ok(_) => Ok(()),
            Err(why) => Err(NotJoining::Wrong(why.to_string())),
        }
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
}

fn settings() -> Settings {
    let link = |room: &str| format!("rtjam://jam.example.org/{room}#AQEHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH");
    let recent =
        ["lobby", "band"].map(|room| RecentRoom { name: format!("{room} at jam.example.org"), link: link(room) });
    Settings {
        choices: Choices { named: true, ..Choices::with_name("Keyboard".to_owned()) },
        link: Some(link("lobby")),
        recent: recent.into(),
    }
}

fn status(musicians: usize) -> Status {
    let musician = |i: usize| Musician {
        slot: (i < SLOTS).then_some(i as u8 + 1),
        name: BAND.get(i).map_or_else(|| format!("Guest {}", i + 1), |name| (*name).to_owned()),
        packets: 0,
        lost: 0,
        late: 0,
        recovered: 0,
        concealed_frames: 0,
        playout_delay_ms: Some(4.0 + i as f32),
        delay: Delay { packet_ms: Some(2.7), mix_ms: None, network_ms: Some(14.0), buffer_ms: Some(4.0 + i as f32) },
        concealed_ms_per_min: 0.0,
        dbfs: [-120.0; 2],
        peak_dbfs: [-120.0; 2],
        strip: (i < SLOTS).then_some(i as u8),
        source: i as u16 + 1,
        classic: false,
        heard: true,
    };
    Status {
        state: State::Joined,
        room: Some("lobby".to_owned()),
        classic: false,
        rtt_ms: Some(28.0),
        xruns: Some(0),
        device_ms: None,
        callback_load_pct: None,
        stalls: rtjam_client::Stalls::default(),
        tx: Tx { packets: 0, dropped: 0, dbfs: [-120.0; 2], lost: 0, recovered: 0, extra_kbps: 0.0, over_rate: 0 },
        rx: Rx { lost: 0, recovered: 0, extra_kbps: 0.0 },
        musicians: (0..musicians).map(musician).collect(),
        you: Some(You { name: "Keyboard".to_owned(), source: 40 }),
        role: Some(rtjam_protocol::link::Role::Musician),
        listeners: 0,
        mix: rtjam_protocol::control::DownstreamMode::Forwarded,
        mix_delay_ms: None,
        mix_stream: None,
        sentence: None,
        notices: Vec::new(),
    }
}

/// Everyone's packets in, blocks out, in real time.
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
            // Full: the engine was not called for long. It goes on.
            let _ = network.incoming.push(now, &AudioFrame { header, payload: &payload });
        }
        let own = [0, 1].map(|channel| tone(20, channel, block));
        let (mut left, mut right) = ([0.0; FRAMES], [0.0; FRAMES]);
        let mut outputs = Outputs { main: [&mut left, &mut right], slots: [const { None }; SLOTS] };
        engine.process(now, [&own[0], &own[1]], &mut outputs);
        while network.outgoing.pop().is_some() {}
    }
}

/// Strokes of an instrument's own pitch and pace.
fn tone(source: u16, channel: usize, block: u64) -> [f32; FRAMES] {
    let (pitch, pace) = (80.0 * 1.19_f64.powi(i32::from(source)), 0.35 + 0.13 * f64::from(source % 5));
    let loud = 0.35 / f64::from(1 + (source * 7 + channel as u16) % 4);
    core::array::from_fn(|i| {
        let t = (block * FRAMES as u64 + i as u64) as f64 / 48_000.0;
        let stroke = (-(t % pace) * 6.0).exp();
        (loud * stroke * (t * pitch * std::f64::consts::TAU).sin()) as f32
    })
}
