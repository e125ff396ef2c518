//! Notifications to the VST3 host, from any thread but the audio thread.

use super::com::{id, to_normalized};
use crate::instance::{Gesture, HostNotifier, Instance, lock};
use rtjam_ui::params::{Param, ParamSet};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};
use std::thread::ThreadId;
use vst3::ComPtr;
use vst3::Steinberg::Vst::RestartFlags_::kParamValuesChanged;
use vst3::Steinberg::Vst::{IComponentHandler, IComponentHandler2, IComponentHandler2Trait, IComponentHandlerTrait};

/// A way to wake the host's main thread, while an editor is open in a host that offers one.
pub(crate) trait MainThreadWaker: Send + Sync {
    /// Any thread. Makes the main thread call [`Vst3HostNotifier::notify_host`] soon.
    fn wake(&self);
}

/// The host, from `initialize` to `terminate`.
pub(crate) struct Vst3HostNotifier {
    instance: Weak<Instance>,
    handler: Mutex<Option<ComPtr<IComponentHandler>>>,
    /// The thread of `initialize`.
    main: Mutex<Option<ThreadId>>,
    /// One for each open editor, in hosts that offer it.
    wakers: Mutex<Vec<Arc<dyn MainThreadWaker>>>,
    /// Controls that the user holds in the editor, from `beginEdit` to `endEdit`. VST3 hosts send edits back with a delay.
    held: ParamSet,
    /// Whether the host is to be told that the project has changed.
    dirty: AtomicBool,
}

impl Vst3HostNotifier {
    pub(super) fn new(instance: &Arc<Instance>) -> Vst3HostNotifier {
        Vst3HostNotifier {
            instance: Arc::downgrade(instance),
            handler: Mutex::default(),
            main: Mutex::default(),
            wakers: Mutex::default(),
            held: ParamSet::default(),
            dirty: AtomicBool::new(false),
        }
    }

    /// Main thread. Starts notifications: the instance is being initialized.
    pub(super) fn begin(&self) {
        *lock(&self.main) = Some(std::thread::current().id());
    }

    /// Main thread. Stops all notifications: the instance is being terminated.
    pub(super) fn disconnect(&self) {
        *lock(&self.main) = None;
        let handler = lock(&self.handler).take();
        let wakers = std::mem::take(&mut *lock(&self.wakers));
        // Dropped outside of the locks: this may destroy objects of the host.
        drop((handler, wakers));
    }

    /// Main thread. Whether the instance is initialized.
    pub(super) fn is_alive(&self) -> bool {
        lock(&self.main).is_some()
    }

    /// Main thread.
    pub(super) fn set_handler(&self, handler: Option<ComPtr<IComponentHandler>>) {
        let before = std::mem::replace(&mut *lock(&self.handler), handler);
        drop(before);
    }

    /// Main thread. Adds the waker of an editor that opens.
    #[allow(dead_code, reason = "only hosts on Linux have run loops")]
    pub(crate) fn add_waker(&self, waker: Arc<dyn MainThreadWaker>) {
        lock(&self.wakers).push(waker);
    }

    /// Main thread. Removes the waker of an editor that closes.
    #[allow(dead_code, reason = "only hosts on Linux have run loops")]
    pub(crate) fn remove_waker(&self, waker: &Arc<dyn MainThreadWaker>) {
        lock(&self.wakers).retain(|known| !std::ptr::addr_eq(Arc::as_ptr(known), Arc::as_ptr(waker)));
    }

    /// Any thread, including the audio thread. Whether the user holds the control in the editor.
    pub(super) fn is_held(&self, param: Param) -> bool {
        self.held.contains(param)
    }

    /// Main thread. Tells the host that all values may have changed.
    pub(super) fn values_changed(&self) {
        if let Some(handler) = self.handler() {
            // SAFETY: the host's object; this is its main thread.
            unsafe { handler.restartComponent(kParamValuesChanged) };
        }
    }

    /// Main thread, or the editor's thread if the main thread cannot be woken. Tells the host of all pending edits and
    /// changes.
    pub(crate) fn notify_host(&self) {
        let handler = self.handler();
        if let Some(instance) = self.instance.upgrade() {
            instance.fetch_gestures(|gesture| {
                self.send(handler.as_ref(), gesture);
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

    /// Main thread. Releases all controls: the editor closes.
    pub(super) fn release_controls(&self) {
        self.notify_host();
        let handler = self.handler();
        self.held.drain(|param| {
            if let Some(handler) = &handler {
                // SAFETY: the host's object; this is its main thread.
                unsafe { handler.endEdit(id(param)) };
            }
            true
        });
    }

    /// Tells the host of a gesture. A host without a handler reads the values itself.
    fn send(&self, handler: Option<&ComPtr<IComponentHandler>>, gesture: Gesture) {
        if let Gesture::Begin(param) = gesture {
            self.held.insert(param);
        }
        if let Some(handler) = handler {
            // SAFETY: the host's object; see `notify_host` for the thread.
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

    /// Wakes the main thread. Returns false if that is not possible.
    fn wake(&self) -> bool {
        let waker = lock(&self.wakers).first().cloned();
        waker.inspect(|waker| waker.wake()).is_some()
    }
}

impl HostNotifier for Vst3HostNotifier {
    fn edited(&self) {
        if self.is_main() || !self.wake() {
            self.notify_host();
        }
    }

    /// If the main thread cannot be woken, the host is told when it closes the editor.
    fn changed(&self) {
        self.dirty.store(true, Relaxed);
        if self.is_main() {
            self.notify_host();
        } else {
            self.wake();
        }
    }
}
