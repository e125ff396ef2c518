//! What an instance tells its host, from any thread but the audio thread.

use super::parameters::{id, to_normalized};
use crate::instance::{Gesture, Host, Instance};
use rtjam_ui::params::{Param, ParamSet};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::ThreadId;
use vst3::ComPtr;
use vst3::Steinberg::Vst::RestartFlags_::kParamValuesChanged;
use vst3::Steinberg::Vst::{IComponentHandler, IComponentHandler2, IComponentHandler2Trait, IComponentHandlerTrait};

/// The way to the host's main thread, while an editor is open in a host that offers one.
pub(super) trait Wake: Send + Sync {
    /// Any thread: has the main thread call [`Link::tell_host`] soon.
    fn wake(&self);
}

/// The host, from `initialize` to `terminate`.
pub(super) struct Link {
    instance: Weak<Instance>,
    handler: Mutex<Option<ComPtr<IComponentHandler>>>,
    /// The thread of `initialize`.
    main: Mutex<Option<ThreadId>>,
    /// One for each open editor, in hosts that offer it.
    wakes: Mutex<Vec<Arc<dyn Wake>>>,
    /// Controls that a hand holds, from `beginEdit` to `endEdit`. VST3 hosts send edits back, later than the hand moves.
    held: ParamSet,
    /// The project has to be stored again.
    dirty: AtomicBool,
}

impl Link {
    pub(super) fn new(instance: &Arc<Instance>) -> Link {
        Link {
            instance: Arc::downgrade(instance),
            handler: Mutex::default(),
            main: Mutex::default(),
            wakes: Mutex::default(),
            held: ParamSet::default(),
            dirty: AtomicBool::new(false),
        }
    }

    /// Main thread: the instance is initialized here.
    pub(super) fn begin(&self) {
        *lock(&self.main) = Some(std::thread::current().id());
    }

    /// Main thread: the instance is terminated. The host is not called any more.
    pub(super) fn cut(&self) {
        *lock(&self.main) = None;
        let handler = lock(&self.handler).take();
        let wakes = std::mem::take(&mut *lock(&self.wakes));
        // Outside of the locks: the host's objects may end with these.
        drop((handler, wakes));
    }

    /// Main thread: whether the instance is initialized.
    pub(super) fn is_alive(&self) -> bool {
        lock(&self.main).is_some()
    }

    /// Main thread.
    pub(super) fn set_handler(&self, handler: Option<ComPtr<IComponentHandler>>) {
        let before = std::mem::replace(&mut *lock(&self.handler), handler);
        drop(before);
    }

    /// Main thread: an editor has opened.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "elsewhere the editor is on the main thread"))]
    pub(super) fn add_wake(&self, wake: Arc<dyn Wake>) {
        lock(&self.wakes).push(wake);
    }

    /// Main thread: that editor closes.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "elsewhere the editor is on the main thread"))]
    pub(super) fn remove_wake(&self, wake: &Arc<dyn Wake>) {
        lock(&self.wakes).retain(|known| !std::ptr::addr_eq(Arc::as_ptr(known), Arc::as_ptr(wake)));
    }

    /// Any thread, the audio thread too: whether a hand holds the control.
    pub(super) fn is_held(&self, param: Param) -> bool {
        self.held.contains(param)
    }

    /// Main thread: all values may be others now.
    pub(super) fn values_changed(&self) {
        if let Some(handler) = self.handler() {
            // SAFETY: the host's object; this is its main thread.
            unsafe { handler.restartComponent(kParamValuesChanged) };
        }
    }

    /// Main thread, or the editor's where the host offers no way to its main thread: tells the edits and changes that
    /// wait.
    pub(super) fn tell_host(&self) {
        let handler = self.handler();
        if let Some(instance) = self.instance.upgrade() {
            instance.fetch_gestures(|gesture| {
                self.tell(handler.as_ref(), gesture);
                true
            });
        }
        if self.is_main()
            && self.dirty.swap(false, Relaxed)
            && let Some(handler) = handler.and_then(|handler| handler.cast::<IComponentHandler2>())
        {
            // SAFETY: the host's object; this is its main thread.
            unsafe { handler.setDirty(1) };
        }
    }

    /// Main thread: the editor is closed. A control that was held then is let go.
    pub(super) fn let_go(&self) {
        self.tell_host();
        let handler = self.handler();
        self.held.drain(|param| {
            if let Some(handler) = &handler {
                // SAFETY: the host's object; this is its main thread.
                unsafe { handler.endEdit(id(param)) };
            }
            true
        });
    }

    /// Where there is no handler, the host reads the values itself.
    fn tell(&self, handler: Option<&ComPtr<IComponentHandler>>, gesture: Gesture) {
        if let Gesture::Begin(param) = gesture {
            self.held.insert(param);
        }
        if let Some(handler) = handler {
            // SAFETY: the host's object; which threads come here, see `tell_host`.
            unsafe {
                match gesture {
                    Gesture::Begin(param) => handler.beginEdit(id(param)),
                    Gesture::Set(param, value) => handler.performEdit(id(param), to_normalized(param, value)),
                    Gesture::End(param) => handler.endEdit(id(param)),
                }
            };
        }
        if let Gesture::End(param) = gesture {
            self.held.remove(param);
        }
    }

    fn handler(&self) -> Option<ComPtr<IComponentHandler>> {
        lock(&self.handler).clone()
    }

    fn is_main(&self) -> bool {
        *lock(&self.main) == Some(std::thread::current().id())
    }

    /// Tells the host on its main thread, if there is a way.
    fn wake(&self) -> bool {
        let wake = lock(&self.wakes).first().cloned();
        wake.inspect(|wake| wake.wake()).is_some()
    }
}

impl Host for Link {
    fn edited(&self) {
        if self.is_main() || !self.wake() {
            self.tell_host();
        }
    }

    /// Without a way to the main thread, the host is told when it closes the editor.
    fn changed(&self) {
        self.dirty.store(true, Relaxed);
        if self.is_main() {
            self.tell_host();
        } else {
            self.wake();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
