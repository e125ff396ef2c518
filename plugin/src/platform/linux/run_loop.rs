//! Wakes the host's main thread from the editor's thread, if the host's frame has a run loop. VST3 requires notifications of
//! edits on the main thread. Without a run loop, the editor's thread sends them.

use crate::vst3::com::guarded;
use crate::vst3::host_notifier::{MainThreadWaker, Vst3HostNotifier};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use vst3::Steinberg::Linux::{FileDescriptor, IEventHandler, IEventHandlerTrait, IRunLoop, IRunLoopTrait};
use vst3::Steinberg::{IPlugFrame, kResultOk};
use vst3::{Class, ComPtr, ComWrapper};

/// A registration with the host's run loop. Main thread. Dropping it unregisters.
pub(crate) struct RunLoop {
    run_loop: ComPtr<IRunLoop>,
    handler: ComPtr<IEventHandler>,
    notifier: Arc<Vst3HostNotifier>,
    /// Open while the host may poll it.
    event: Arc<dyn MainThreadWaker>,
}

impl RunLoop {
    /// Registers with the run loop of a frame. `None` if there is none, or it refuses.
    pub(crate) fn register(frame: &ComPtr<IPlugFrame>, notifier: &Arc<Vst3HostNotifier>) -> Option<RunLoop> {
        let run_loop = frame.cast::<IRunLoop>()?;
        let event = Arc::new(Event::new()?);
        let handler = Handler { event: Arc::clone(&event), notifier: Arc::clone(notifier) };
        let handler = ComWrapper::new(handler).to_com_ptr::<IEventHandler>()?;
        // SAFETY: the host's object; the handler and its descriptor exist until it is unregistered.
        let result = unsafe { run_loop.registerEventHandler(handler.as_ptr(), event.0.as_raw_fd()) };
        if result != kResultOk {
            return None;
        }
        let event: Arc<dyn MainThreadWaker> = event;
        notifier.add_waker(Arc::clone(&event));
        Some(RunLoop { run_loop, handler, notifier: Arc::clone(notifier), event })
    }
}

impl Drop for RunLoop {
    fn drop(&mut self) {
        self.notifier.remove_waker(&self.event);
        // SAFETY: the host's object.
        unsafe { self.run_loop.unregisterEventHandler(self.handler.as_ptr()) };
    }
}

/// An eventfd: readable after a write.
struct Event(File);

impl Event {
    fn new() -> Option<Event> {
        // SAFETY: a system call without pointers; a descriptor that is not negative is owned by the new `File`.
        unsafe {
            let descriptor = libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
            (descriptor >= 0).then(|| Event(File::from(OwnedFd::from_raw_fd(descriptor))))
        }
    }
}

impl MainThreadWaker for Event {
    fn wake(&self) {
        // Fails only at 2^64 pending wakes.
        let _ = (&self.0).write(&1_u64.to_ne_bytes());
    }
}

/// The handler that the host calls.
struct Handler {
    event: Arc<Event>,
    notifier: Arc<Vst3HostNotifier>,
}

impl Class for Handler {
    type Interfaces = (IEventHandler,);
}

impl IEventHandlerTrait for Handler {
    unsafe fn onFDIsSet(&self, _fd: FileDescriptor) {
        guarded(|| {
            // Fails if another call has read it.
            let _ = (&self.event.0).read(&mut [0; 8]);
            self.notifier.notify_host();
            kResultOk
        });
    }
}
