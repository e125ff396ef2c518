//! A plugin instance, independent of the plugin format: engine, session, parameters, and the state in the project.
//!
//! | module | thread | what it does |
//! |---|---|---|
//! | `audio`, `host_buffers`, `host_timing` | audio | one call of the host, its buffers, and when it comes |
//! | `gestures` | any | edits on their way to the host |
//! | `session` | main, editor | client and settings |
//! | `project` | main | the state that the host stores |
//! | `editor_model` | main, editor | the [`EditorModel`](rtjam_ui::editor_model::EditorModel) of the instance |
//! | `panic_log` | any | panics, written to a file |
//!
//! A new instance opens no thread, socket or file; the first join does.

mod audio;
mod editor_model;
mod gestures;
mod host_buffers;
mod host_timing;
mod panic_log;
mod project;
mod session;

pub use gestures::Gesture;
pub use host_buffers::{HostBuffers, HostBus};
pub use project::BadProject;

use audio::{AudioPath, RenderScope};
use gestures::Gestures;
use host_timing::CallMonitor;
use rtjam_client::Clock;
use rtjam_engine::{Console, SLOTS};
use rtjam_ui::editor_model::Kind;
use rtjam_ui::params::{self, Param, SyncedValues};
use session::InstanceSession;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

/// The plugin vendor that hosts display.
pub const VENDOR: &str = "RTJam";

/// A plugin of the library.
pub struct PluginClass {
    /// The kind of its instances.
    pub kind: Kind,
    /// The name that hosts display.
    pub name: &'static str,
    /// A description in one sentence.
    pub description: &'static str,
}

/// All plugins, in the order in which hosts list them.
pub const CLASSES: [PluginClass; 2] = [
    PluginClass { kind: Kind::Plugin, name: "RTJam", description: "Play music together over the internet" },
    PluginClass {
        kind: Kind::Multi,
        name: "RTJam Multi",
        description: "Play music together over the internet, with an output for each musician",
    },
];

/// The name of an input or output bus: index 0 is the main bus, the others are the aux outputs of the slots.
pub fn bus_name(index: usize, is_input: bool) -> String {
    match (index, is_input) {
        (0, true) => "Input".to_owned(),
        (0, false) => "Output".to_owned(),
        (slot, _) => format!("Slot {slot}"),
    }
}

/// The notifications that an instance sends to its host. Any thread but the audio thread.
pub trait HostNotifier: Send + Sync {
    /// There are [`Gesture`]s to fetch.
    fn edited(&self);
    /// The state in the project has changed.
    fn changed(&self);
}

/// A plugin instance. The host's threads and the editor share it.
pub struct Instance {
    kind: Kind,
    clock: Clock,
    values: SyncedValues,
    gestures: Gestures,
    /// The console of the engine and of every later engine. It never changes, so the audio thread needs no lock for it.
    console: Console,
    /// The audio thread only tries the lock, and is silent where it is taken: while the engine is configured.
    audio: Mutex<AudioPath>,
    session: Mutex<InstanceSession>,
    host: Mutex<Option<Arc<dyn HostNotifier>>>,
    calls: CallMonitor,
    active: AtomicBool,
    /// Whether the user wants to be in a room.
    wants_room: AtomicBool,
    offline: AtomicBool,
    runs_ahead: AtomicBool,
    failed: AtomicBool,
}

impl Instance {
    /// An instance in no room. `folder` is the config folder; `None`: the platform's.
    pub fn new(kind: Kind, folder: Option<PathBuf>) -> Instance {
        panic_log::install();
        let clock = Clock::new();
        let (engine, console, session) = InstanceSession::new(clock, folder);
        Instance {
            kind,
            clock,
            values: SyncedValues::default(),
            gestures: Gestures::default(),
            console,
            audio: Mutex::new(AudioPath::new(engine)),
            session: Mutex::new(session),
            host: Mutex::new(None),
            calls: CallMonitor::default(),
            active: AtomicBool::new(false),
            wants_room: AtomicBool::new(false),
            offline: AtomicBool::new(false),
            runs_ahead: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        }
    }

    /// Main thread. Sets the host to notify; `None` when the host releases the instance.
    pub fn set_host(&self, host: Option<Arc<dyn HostNotifier>>) {
        *lock(&self.host) = host;
    }

    /// Main thread. Prepares audio at `rate` Hz with blocks of up to about `block` frames. The session continues.
    pub fn activate(&self, rate: f64, block: usize) {
        self.take_audio().configure(self.kind, rate, block);
        self.calls.restart();
        self.active.store(true, Relaxed);
        self.rejoin();
    }

    /// Main thread. Ends audio. The session continues.
    pub fn deactivate(&self) {
        self.active.store(false, Relaxed);
    }

    /// Any thread. Sets whether the host renders offline.
    pub fn set_offline(&self, offline: bool) {
        self.offline.store(offline, Relaxed);
    }

    /// Audio thread. Processes a block of any length. Writes every output channel of the host.
    pub fn process(&self, block: &HostBuffers<'_>) {
        let now = self.clock.now();
        self.calls.note(now);
        let mut path = match self.audio.try_lock() {
            Ok(path) if !self.failed.load(Relaxed) => path,
            _ => return block.silence(),
        };
        let scope = RenderScope { offline: self.offline.load(Relaxed), room: self.wants_room.load(Relaxed) };
        let played = std::panic::AssertUnwindSafe(|| path.play(now, self.clock, block, scope));
        if std::panic::catch_unwind(played).is_err() {
            self.failed.store(true, Relaxed);
            return block.silence();
        }
        self.runs_ahead.store(path.runs_ahead, Relaxed);
    }

    /// Audio thread, or the main thread while there is no audio. Sets a parameter to the host's value.
    pub fn set_from_host(&self, id: u32, value: f64) {
        if let Some(param) = Param::from_id(id) {
            let value = self.values.set_from_host(param, value);
            params::apply(&self.console, param, value);
        }
    }

    /// Audio thread, or the main thread while there is no audio. Notes a call of the host without audio.
    pub fn note_flush(&self) {
        if self.active.load(Relaxed) {
            self.calls.note_flush(self.clock.now());
        }
    }

    /// Audio thread, or the main thread while there is no audio. Passes the editor's edits to `take` until that returns
    /// false.
    pub fn fetch_gestures(&self, take: impl FnMut(Gesture) -> bool) {
        self.gestures.fetch(take);
    }

    /// Audio thread, or the main thread while there is no audio. Passes the parameters that RTJam itself has set, with their
    /// present values, to `take` until that returns false.
    pub fn fetch_own_edits(&self, take: impl FnMut(Param, f64) -> bool) {
        self.values.drain_unsent(take);
    }

    /// Any thread. Marks every parameter as if RTJam had set it.
    pub fn mark_all_unsent(&self) {
        self.params().for_each(|param| self.values.mark_unsent(param));
    }

    /// The parameters of this plugin, in order.
    pub fn params(&self) -> impl Iterator<Item = Param> {
        Param::all().filter(|param| self.has(*param))
    }

    /// Any thread. Whether this plugin has a parameter.
    pub fn has(&self, param: Param) -> bool {
        self.kind == Kind::Multi || !matches!(param, Param::MainMix(_))
    }

    /// Number of aux outputs.
    pub fn slot_outputs(&self) -> usize {
        if self.kind == Kind::Multi { SLOTS } else { 0 }
    }

    /// Sets all parameters to `values`, and those without a value to their defaults.
    fn set_all(&self, values: impl Fn(Param) -> Option<f64>) {
        for param in Param::all() {
            let value = self.values.set_from_host(param, values(param).unwrap_or(param.default()));
            params::apply(&self.console, param, value);
        }
    }

    /// Not the audio thread. Locks the audio path. Polls instead of waiting: unlocking a mutex that another thread waits for
    /// would be a system call on the audio thread.
    fn take_audio(&self) -> MutexGuard<'_, AudioPath> {
        loop {
            match self.audio.try_lock() {
                Ok(path) => return path,
                Err(TryLockError::Poisoned(path)) => return path.into_inner(),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_micros(200)),
            }
        }
    }

    fn session(&self) -> MutexGuard<'_, InstanceSession> {
        lock(&self.session)
    }

    fn host(&self) -> Option<Arc<dyn HostNotifier>> {
        lock(&self.host).clone()
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
