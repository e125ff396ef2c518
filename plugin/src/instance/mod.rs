//! One plugin instance without its format: engine, session, parameters, what is kept in the project.
//!
//! | module | thread | what it does |
//! |---|---|---|
//! | `audio`, `block`, `ports`, `pace` | audio | one call of the host, its buffers; how steadily it calls |
//! | `classes` | | the two plugins, and what their ports are called |
//! | `gestures` | any | edits on their way to the host |
//! | `session`, `rooms` | main, editor | client, settings, the rooms of this user |
//! | `project` | main | what the host stores |
//! | `face` | main, editor | the [`EditorModel`](rtjam_ui::editor_model::EditorModel) |
//! | `fault` | any | panics, written down |
//!
//! Making an instance opens no thread, socket or file; the first join does.

mod audio;
mod block;
mod classes;
mod face;
mod fault;
mod gestures;
mod pace;
mod ports;
mod project;
mod rooms;
mod session;

pub use block::Block;
pub use classes::{CLASSES, Class, VENDOR, port_name};
pub use gestures::Gesture;
pub use ports::Port;
pub use project::BadProject;

use audio::{AudioSide, Needs};
use gestures::Gestures;
use pace::Calls;
use rtjam_client::Clock;
use rtjam_engine::{Console, SLOTS};
use rtjam_ui::editor_model::Kind;
use rtjam_ui::params::{self, Param, SyncedValues};
use session::Session;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

/// What an instance wants of its host. Any thread but the audio thread.
pub trait Host: Send + Sync {
    /// There are [`Gesture`]s to fetch.
    fn edited(&self);
    /// What the project stores has changed.
    fn changed(&self);
}

/// One plugin instance. Shared by the host's threads and the editor.
pub struct Instance {
    kind: Kind,
    clock: Clock,
    values: SyncedValues,
    gestures: Gestures,
    /// The engine's, and every later engine's: it never changes, so the audio thread just uses it.
    console: Console,
    /// The audio thread only tries to lock it, and is silent where it is taken: while the engine is configured.
    audio: Mutex<AudioSide>,
    session: Mutex<Session>,
    host: Mutex<Option<Arc<dyn Host>>>,
    calls: Calls,
    active: AtomicBool,
    /// The user wants to be in a room: the engine has somebody to play to.
    wants_room: AtomicBool,
    offline: AtomicBool,
    runs_ahead: AtomicBool,
    failed: AtomicBool,
}

impl Instance {
    /// One that is in no room. `folder` is the user's config folder; `None`: the platform's.
    pub fn new(kind: Kind, folder: Option<PathBuf>) -> Instance {
        fault::watch();
        let clock = Clock::new();
        let (engine, console, session) = Session::new(clock, folder);
        Instance {
            kind,
            clock,
            values: SyncedValues::default(),
            gestures: Gestures::default(),
            console,
            audio: Mutex::new(AudioSide::new(engine)),
            session: Mutex::new(session),
            host: Mutex::new(None),
            calls: Calls::default(),
            active: AtomicBool::new(false),
            wants_room: AtomicBool::new(false),
            offline: AtomicBool::new(false),
            runs_ahead: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        }
    }

    /// Main thread: who to tell of edits; `None` when the host lets go of the instance.
    pub fn set_host(&self, host: Option<Arc<dyn Host>>) {
        *lock(&self.host) = host;
    }

    /// Main thread: audio is about to begin at `rate` Hz with blocks of up to about `block` frames. The session goes on.
    pub fn activate(&self, rate: f64, block: usize) {
        self.take_audio().configure(self.kind, rate, block);
        self.calls.restart();
        self.active.store(true, Relaxed);
        self.rejoin();
    }

    /// Main thread: audio has ended. The session goes on.
    pub fn deactivate(&self) {
        self.active.store(false, Relaxed);
    }

    /// Any thread: whether the host renders without listening.
    pub fn set_offline(&self, offline: bool) {
        self.offline.store(offline, Relaxed);
    }

    /// Audio thread. One block of any length; every channel that is there is written.
    pub fn process(&self, block: &Block<'_>) {
        let now = self.clock.now();
        self.calls.note(now);
        let mut side = match self.audio.try_lock() {
            Ok(side) if !self.failed.load(Relaxed) => side,
            _ => return block.silence(),
        };
        let needs = Needs { offline: self.offline.load(Relaxed), room: self.wants_room.load(Relaxed) };
        let played = std::panic::AssertUnwindSafe(|| side.play(now, self.clock, block, needs));
        if std::panic::catch_unwind(played).is_err() {
            self.failed.store(true, Relaxed);
            return block.silence();
        }
        self.runs_ahead.store(side.runs_ahead, Relaxed);
    }

    /// Audio thread, or the main thread while there is no audio: the host has set a parameter.
    pub fn set_from_host(&self, id: u32, value: f64) {
        if let Some(param) = Param::from_id(id) {
            let value = self.values.set_from_host(param, value);
            params::apply(&self.console, param, value);
        }
    }

    /// Audio thread, or the main thread while there is no audio: the host called without anything to play.
    pub fn note_flush(&self) {
        if self.active.load(Relaxed) {
            self.calls.note_flush(self.clock.now());
        }
    }

    /// Audio thread, or the main thread while there is no audio: gives `take` the edits that the host does not know
    /// yet, until it takes no more.
    pub fn fetch_gestures(&self, take: impl FnMut(Gesture) -> bool) {
        self.gestures.fetch(take);
    }

    /// Audio thread, or the main thread while there is no audio: gives `take` each parameter that RTJam itself has set
    /// and that the host does not know yet, with its value of now, until it takes no more.
    pub fn fetch_own_edits(&self, take: impl FnMut(Param, f64) -> bool) {
        self.values.drain_untold(take);
    }

    /// Any thread: the host is to be told of every value, as if RTJam had set them all.
    pub fn retell_all(&self) {
        self.params().for_each(|param| self.values.tell_again(param));
    }

    /// Which parameters this class has, in order.
    pub fn params(&self) -> impl Iterator<Item = Param> {
        Param::all().filter(|param| self.has(*param))
    }

    /// Any thread: whether this class has a parameter.
    pub fn has(&self, param: Param) -> bool {
        self.kind == Kind::Multi || !matches!(param, Param::MainMix(_))
    }

    /// How many outputs there are beside the main one.
    pub fn slot_outputs(&self) -> usize {
        if self.kind == Kind::Multi { SLOTS } else { 0 }
    }

    /// Sets all parameters that `values` names; those that it does not name become what they are at first.
    fn set_all(&self, values: impl Fn(Param) -> Option<f64>) {
        for param in Param::all() {
            let value = self.values.set_from_host(param, values(param).unwrap_or(param.default()));
            params::apply(&self.console, param, value);
        }
    }

    /// Not the audio thread: the audio side, once the audio thread has let go of it. It never waits for us, so this
    /// takes turns instead of queueing: an unlock with somebody waiting would be a system call there.
    fn take_audio(&self) -> MutexGuard<'_, AudioSide> {
        loop {
            match self.audio.try_lock() {
                Ok(side) => return side,
                Err(TryLockError::Poisoned(side)) => return side.into_inner(),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_micros(200)),
            }
        }
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        lock(&self.session)
    }

    fn host(&self) -> Option<Arc<dyn Host>> {
        lock(&self.host).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
