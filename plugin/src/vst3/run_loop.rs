//! The way from the editor's thread to the host's main thread, where the host's frame has a run loop. VST3 wants edits
//! told there. Without one the editor's thread tells them itself, so nothing depends on this.

use super::link::{Link, Wake};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use vst3::Steinberg::Linux::{FileDescriptor, IEventHandler, IEventHandlerTrait, IRunLoop, IRunLoopTrait};
use vst3::Steinberg::{IPlugFrame, kResultOk};
use vst3::{Class, ComPtr, ComWrapper};

/// A registration with a host's run loop. Main thread; ends when dropped.
pub(super) struct RunLoop {
    run_loop: ComPtr<IRunLoop>,
    handler: ComPtr<IEventHandler>,
    link: Arc<Link>,
    /// Open as long as the host may look at it.
    event: Arc<dyn Wake>,
}

impl RunLoop {
    /// `None` where the frame has no run loop, or the loop takes no handler.
    pub(super) fn of(frame: &ComPtr<IPlugFrame>, link: &Arc<Link>) -> Option<RunLoop> {
        let run_loop = frame.cast::<IRunLoop>()?;
        let event = Arc::new(Event::new()?);
        let handler = Handler { event: Arc::clone(&event), link: Arc::clone(link) };
        let handler = ComWrapper::new(handler).to_com_ptr::<IEventHandler>()?;
        // SAFETY: the host's object; the handler and its descriptor live until it is unregistered.
        let taken = unsafe { run_loop.registerEventHandler(handler.as_ptr(), event.0.as_raw_fd()) };
        if taken != kResultOk {
            return None;
        }
        let event: Arc<dyn Wake> = event;
        link.add_wake(Arc::clone(&event));
        Some(RunLoop { run_loop, handler, link: Arc::clone(link), event })
    }
}

impl Drop for RunLoop {
    fn drop(&mut self) {
        self.link.remove_wake(&self.event);
        // SAFETY: the host's object.
        unsafe { self.run_loop.unregisterEventHandler(self.handler.as_ptr()) };
    }
}

/// A counter of the kernel's that is readable once it was written to.
struct Event(File);

impl Event {
    fn new() -> Option<Event> {
        // SAFETY: a system call without pointers; a descriptor that is not negative is ours alone.
        unsafe {
            let descriptor = libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
            (descriptor >= 0).then(|| Event(File::from(OwnedFd::from_raw_fd(descriptor))))
        }
    }
}

impl Wake for Event {
    fn wake(&self) {
        // It fails where 2^64 wakes were not seen yet.
        let _ = (&self.0).write(&1_u64.to_ne_bytes());
    }
}

/// What the host calls.
struct Handler {
    event: Arc<Event>,
    link: Arc<Link>,
}

impl Class for Handler {
    type Interfaces = (IEventHandler,);
}

impl IEventHandlerTrait for Handler {
    unsafe fn onFDIsSet(&self, _fd: FileDescriptor) {
        super::com::guarded(|| {
            // It fails where another call was faster.
            let _ = (&self.event.0).read(&mut [0; 8]);
            self.link.tell_host();
            kResultOk
        });
    }
}
