//! The thread that takes a scene 30 times a second and requests a frame when something visible has changed.
//!
//! It takes none while the window is hidden or its last frame is not drawn yet. So a still or hidden editor costs almost
//! nothing, and a busy one never more than it can draw.

use crate::editor::scene::{Scene, Watcher};
use crate::editor_model::{EditorModel, WindowError};
use crate::platform::{self, SideConnection};
use raw_window_handle::RawWindowHandle;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Time between two scenes.
const TICK: Duration = Duration::from_millis(33);
/// Time between two checks whether a hidden window is visible again.
const HIDDEN_TICK: Duration = Duration::from_millis(200);

/// State shared by the window's thread, the watching thread and the handle.
pub struct WindowShared {
    scene: Mutex<Option<Arc<Scene>>>,
    /// The window's context, to request frames.
    ctx: Mutex<Option<egui::Context>>,
    /// The last scene was drawn.
    drawn: AtomicBool,
    frames: AtomicU64,
    /// A field or control has the keyboard focus.
    takes_keys: AtomicBool,
    /// There are edits for the keys of undo and redo.
    takes_undo: AtomicBool,
    closing: AtomicBool,
    failed: AtomicBool,
    /// System id of the window's thread; 0 if it has none of its own.
    thread: AtomicI32,
    /// The host's scale as the bits of an `f64`; 0 if it gave none.
    scale: AtomicU64,
    /// The host's last size in physical pixels, the width in the upper half; 0 if it gave none.
    given: AtomicU64,
}

impl WindowShared {
    pub(super) fn new(scale: Option<f64>) -> WindowShared {
        let shared = WindowShared {
            scene: Mutex::default(),
            ctx: Mutex::default(),
            drawn: AtomicBool::new(true),
            frames: AtomicU64::new(0),
            takes_keys: AtomicBool::new(false),
            takes_undo: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            thread: AtomicI32::new(0),
            scale: AtomicU64::new(0),
            given: AtomicU64::new(0),
        };
        if let Some(scale) = scale {
            shared.set_scale(scale);
        }
        shared
    }

    pub(super) fn attach(&self, ctx: egui::Context) {
        *lock(&self.ctx) = Some(ctx);
    }

    /// Takes the host's scale, unless it is outside 0.25 to 8.
    pub(super) fn set_scale(&self, scale: f64) {
        if scale.is_finite() && (0.25..=8.0).contains(&scale) {
            self.scale.store(scale.to_bits(), Relaxed);
            self.request_frame();
        }
    }

    /// The zoom that turns the screen's scale into the host's, if the host gave one.
    pub(super) fn zoom(&self, screen: f64) -> Option<f32> {
        let host = f64::from_bits(self.scale.load(Relaxed));
        (host > 0.0 && screen > 0.0).then(|| (host / screen) as f32)
    }

    /// A size in logical pixels, if the host gave a scale.
    pub(super) fn logical(&self, physical: (u32, u32)) -> Option<(u32, u32)> {
        let host = f64::from_bits(self.scale.load(Relaxed));
        let logical = |pixels: u32| (f64::from(pixels) / host).round() as u32;
        (host > 0.0).then(|| (logical(physical.0), logical(physical.1)))
    }

    pub(super) fn give_size(&self, (width, height): (u32, u32)) {
        self.given.store(u64::from(width) << 32 | u64::from(height), Relaxed);
    }

    pub(super) fn given_size(&self) -> Option<(u32, u32)> {
        let given = self.given.load(Relaxed);
        (given != 0).then_some(((given >> 32) as u32, given as u32))
    }

    /// Registers the window's thread.
    pub(super) fn run_here(&self) {
        self.thread.store(platform::current_thread().unwrap_or(0), Relaxed);
    }

    /// Whether the window's thread still runs, including what the window library and the driver do on it.
    pub(super) fn is_running(&self) -> bool {
        platform::thread_exists(self.thread.load(Relaxed))
    }

    pub(super) fn scene(&self) -> Option<Arc<Scene>> {
        lock(&self.scene).clone()
    }

    pub(super) fn drawn(&self, takes_keys: bool, takes_undo: bool) {
        self.takes_keys.store(takes_keys, Relaxed);
        self.takes_undo.store(takes_undo, Relaxed);
        self.frames.fetch_add(1, Relaxed);
        self.drawn.store(true, Relaxed);
    }

    pub(super) fn frames(&self) -> u64 {
        self.frames.load(Relaxed)
    }

    pub(super) fn fail(&self) {
        self.failed.store(true, Relaxed);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Relaxed)
    }

    pub(super) fn close(&self) {
        self.closing.store(true, Relaxed);
        self.request_frame();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Relaxed)
    }

    fn request_frame(&self) {
        let ctx = lock(&self.ctx).clone();
        if let Some(ctx) = ctx {
            ctx.request_repaint();
        }
    }

    /// Takes a scene and returns whether it differs from the last one.
    fn show(&self, scene: Scene) -> bool {
        let mut shown = lock(&self.scene);
        if shown.as_deref() == Some(&scene) {
            return false;
        }
        *shown = Some(Arc::new(scene));
        true
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The window that is watched, as ids that any thread may hold.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    own: Option<u32>,
    parent: Option<u32>,
}

impl Window {
    pub(super) fn new(own: Option<RawWindowHandle>, parent: Option<RawWindowHandle>) -> Window {
        Window { own: own.and_then(x11_id), parent: parent.and_then(x11_id) }
    }

    /// Marks the window as embeddable if it is in a host's window.
    pub(super) fn mark_embeddable(self) {
        if let (Some(own), Some(_)) = (self.own, self.parent) {
            platform::mark_embeddable(own);
        }
    }
}

/// Checks that a host's handle can be a window: the window library panics if it cannot.
pub(super) fn check_parent(parent: RawWindowHandle) -> Result<(), WindowError> {
    let x11 = matches!(parent, RawWindowHandle::Xlib(_) | RawWindowHandle::Xcb(_));
    if x11 && x11_id(parent).is_none_or(|id| id == 0) { Err(WindowError::BadParent) } else { Ok(()) }
}

fn x11_id(handle: RawWindowHandle) -> Option<u32> {
    match handle {
        RawWindowHandle::Xlib(handle) => u32::try_from(handle.window).ok(),
        RawWindowHandle::Xcb(handle) => Some(handle.window.get()),
        _ => None,
    }
}

/// The running thread. Dropping this ends it within a tick.
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn start(model: Arc<dyn EditorModel>, shared: Arc<WindowShared>, window: Window) -> io::Result<Watch> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let mut watcher = Watcher::default();
        let begun = Instant::now();
        let mut look = move |shared: &WindowShared| {
            let scene = catch_unwind(AssertUnwindSafe(|| watcher.look(model.as_ref(), begun.elapsed())));
            match scene {
                Ok(scene) => shared.show(scene),
                Err(_) => {
                    shared.fail();
                    true
                }
            }
        };
        // The first frame needs a scene.
        look(&shared);
        let thread = thread::Builder::new().name("editor-watch".to_owned()).spawn(move || {
            let mut pacer = Pacer::new(window);
            while !stopped.load(Relaxed) {
                let visible = pacer.wait(&shared);
                let waits = shared.drawn.load(Relaxed) && !shared.has_failed();
                if visible && waits && look(&shared) {
                    shared.drawn.store(false, Relaxed);
                    shared.request_frame();
                }
            }
        })?;
        Ok(Watch { stop, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // The thread catches its own panics.
            let _ = thread.join();
        }
    }
}

/// Waits for the next tick, and knows whether the window is visible.
struct Pacer {
    side: Option<SideConnection>,
}

impl Pacer {
    fn new(window: Window) -> Pacer {
        Pacer { side: window.own.and_then(|own| SideConnection::new(own, window.parent)) }
    }

    /// Returns whether the window is visible.
    fn wait(&mut self, shared: &WindowShared) -> bool {
        let Some(side) = &mut self.side else {
            // The system requests frames of visible windows only.
            thread::sleep(TICK);
            return true;
        };
        let Some(visible) = side.is_visible() else {
            // The window's thread does not know yet, and would draw into nothing.
            shared.close();
            self.side = None;
            return false;
        };
        let until = Instant::now() + if visible { TICK } else { HIDDEN_TICK };
        let keeps = |is_undo: bool| shared.takes_keys.load(Relaxed) || is_undo && shared.takes_undo.load(Relaxed);
        if side.return_keys(until, keeps).is_err() {
            // The display is gone and the window with it: nothing is left but to wait for the end.
            self.side = None;
        }
        visible
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The host's scale overrides the screen's; values outside 0.25 to 8 are ignored.
    #[test]
    fn host_scale_overrides_screen() {
        assert_eq!(WindowShared::new(None).zoom(2.0), None);
        let shared = WindowShared::new(Some(2.0));
        assert_eq!((shared.zoom(1.0), shared.zoom(2.0)), (Some(2.0), Some(1.0)));
        for nonsense in [f64::NAN, 0.0, -1.0, f64::INFINITY, 100.0] {
            shared.set_scale(nonsense);
            assert_eq!(shared.zoom(1.0), Some(2.0));
        }
        assert_eq!(shared.zoom(0.0), None);
    }
}
