//! Editors, in hosts that differ in what they support.

use ::vst3::Steinberg::Linux::{
    FileDescriptor, IEventHandler, IEventHandlerTrait, IRunLoop, IRunLoopTrait, ITimerHandler, ITimerHandlerTrait,
    TimerInterval,
};
use ::vst3::Steinberg::{
    IPlugFrame, IPlugFrameTrait, IPlugView, IPlugViewContentScaleSupport, IPlugViewContentScaleSupportTrait,
    IPlugViewTrait, ViewRect, kPlatformTypeX11EmbedWindowID, kResultOk, tresult,
};
use ::vst3::{Class, ComPtr, ComRef, ComWrapper};
use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::rc::Rc;

/// What a host supports: some have no frame, some no run loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameSupport {
    /// No frame.
    Nothing,
    /// A frame without a run loop.
    Frame,
    /// A frame with a run loop: see [`View::run`].
    RunLoop,
}

/// An editor. Main thread.
pub struct View {
    view: ComPtr<IPlugView>,
    desk: Rc<FrameState>,
    _frame: Option<ComPtr<IPlugFrame>>,
}

impl View {
    pub(super) fn new(view: ComPtr<IPlugView>, offer: FrameSupport) -> View {
        let desk = Rc::new(FrameState::default());
        let frame = match offer {
            FrameSupport::Nothing => None,
            FrameSupport::Frame => ComWrapper::new(Frame(Rc::clone(&desk))).to_com_ptr::<IPlugFrame>(),
            FrameSupport::RunLoop => ComWrapper::new(RunLoop(Rc::clone(&desk))).to_com_ptr::<IPlugFrame>(),
        };
        if let Some(frame) = &frame {
            // SAFETY: see the module; the frame lives as long as the view.
            unsafe { view.setFrame(frame.as_ptr()) };
        }
        View { view, desk, _frame: frame }
    }

    /// Whether the editor can be embedded in an X11 window.
    pub fn is_supported(&self) -> bool {
        // SAFETY: see the module.
        unsafe { self.view.isPlatformTypeSupported(kPlatformTypeX11EmbedWindowID) == kResultOk }
    }

    /// Embeds the editor in a window.
    pub fn attach(&self, id: u32) -> bool {
        // SAFETY: see the module; X11 window ids are passed as pointers.
        unsafe { self.view.attached(id as usize as *mut c_void, kPlatformTypeX11EmbedWindowID) == kResultOk }
    }

    /// Removes the editor from its window.
    pub fn remove(&self) {
        // SAFETY: see the module.
        unsafe { self.view.removed() };
    }

    /// Current or preferred size.
    pub fn size(&self) -> (i32, i32) {
        let mut rect = ViewRect { left: 0, top: 0, right: 0, bottom: 0 };
        // SAFETY: see the module.
        assert_eq!(unsafe { self.view.getSize(&mut rect) }, kResultOk);
        (rect.right - rect.left, rect.bottom - rect.top)
    }

    /// Resizes the editor.
    pub fn set_size(&self, (width, height): (i32, i32)) -> bool {
        let mut rect = ViewRect { left: 0, top: 0, right: width, bottom: height };
        // SAFETY: see the module.
        unsafe { self.view.onSize(&mut rect) == kResultOk }
    }

    /// The nearest size that the editor supports.
    pub fn adjust(&self, (width, height): (i32, i32)) -> (i32, i32) {
        let mut rect = ViewRect { left: 0, top: 0, right: width, bottom: height };
        // SAFETY: see the module.
        unsafe { self.view.checkSizeConstraint(&mut rect) };
        (rect.right - rect.left, rect.bottom - rect.top)
    }

    /// Sets the physical pixels per logical pixel.
    pub fn set_scale(&self, scale: f32) -> bool {
        let scales = self.view.cast::<IPlugViewContentScaleSupport>();
        // SAFETY: see the module.
        scales.is_some_and(|scales| unsafe { scales.setContentScaleFactor(scale) == kResultOk })
    }

    /// Runs the registered event handlers that are ready. Returns the number of handlers.
    pub fn run(&self) -> usize {
        let handlers: Vec<_> = self.desk.handlers.borrow().clone();
        for (handler, descriptor) in &handlers {
            let mut ready = libc::pollfd { fd: *descriptor, events: libc::POLLIN, revents: 0 };
            // SAFETY: one structure, owned by this call; the handler is reference-counted.
            unsafe {
                assert!(
                    libc::poll(&mut ready, 1, 0) >= 0 && ready.revents & libc::POLLNVAL == 0,
                    "a closed descriptor"
                );
                if ready.revents & libc::POLLIN != 0 {
                    handler.onFDIsSet(*descriptor);
                }
            }
        }
        let timers: Vec<_> = self.desk.timers.borrow().clone();
        for timer in &timers {
            // SAFETY: see the module; it is reference-counted.
            unsafe { timer.onTimer() };
        }
        handlers.len()
    }

    /// Number of timers that the editor has registered.
    pub fn timers(&self) -> usize {
        self.desk.timers.borrow().len()
    }

    /// The window size that the editor requested since the last call.
    pub fn requested_size(&self) -> Option<(i32, i32)> {
        self.desk.asked.take()
    }
}

/// State of the editor's frame.
#[derive(Default)]
struct FrameState {
    asked: Cell<Option<(i32, i32)>>,
    handlers: RefCell<Vec<(ComPtr<IEventHandler>, FileDescriptor)>>,
    timers: RefCell<Vec<ComPtr<ITimerHandler>>>,
}

impl FrameState {
    fn ask(&self, size: *mut ViewRect) -> tresult {
        // SAFETY: the plugin's rectangle is valid during this call.
        if let Some(size) = unsafe { size.as_ref() } {
            self.asked.set(Some((size.right - size.left, size.bottom - size.top)));
        }
        kResultOk
    }
}

struct Frame(Rc<FrameState>);

impl Class for Frame {
    type Interfaces = (IPlugFrame,);
}

impl IPlugFrameTrait for Frame {
    unsafe fn resizeView(&self, _view: *mut IPlugView, size: *mut ViewRect) -> tresult {
        self.0.ask(size)
    }
}

struct RunLoop(Rc<FrameState>);

impl Class for RunLoop {
    type Interfaces = (IPlugFrame, IRunLoop);
}

impl IPlugFrameTrait for RunLoop {
    unsafe fn resizeView(&self, _view: *mut IPlugView, size: *mut ViewRect) -> tresult {
        self.0.ask(size)
    }
}

impl IRunLoopTrait for RunLoop {
    unsafe fn registerEventHandler(&self, handler: *mut IEventHandler, descriptor: FileDescriptor) -> tresult {
        // SAFETY: the plugin's object, reference-counted from here on.
        if let Some(handler) = unsafe { ComRef::from_raw(handler) } {
            self.0.handlers.borrow_mut().push((handler.to_com_ptr(), descriptor));
        }
        kResultOk
    }

    unsafe fn unregisterEventHandler(&self, handler: *mut IEventHandler) -> tresult {
        let ended: Vec<_> = self.0.handlers.borrow_mut().extract_if(.., |(held, _)| held.as_ptr() == handler).collect();
        drop(ended);
        kResultOk
    }

    unsafe fn registerTimer(&self, handler: *mut ITimerHandler, _ms: TimerInterval) -> tresult {
        // SAFETY: the plugin's object, reference-counted from here on.
        if let Some(timer) = unsafe { ComRef::from_raw(handler) } {
            self.0.timers.borrow_mut().push(timer.to_com_ptr());
        }
        kResultOk
    }

    unsafe fn unregisterTimer(&self, handler: *mut ITimerHandler) -> tresult {
        let ended: Vec<_> = self.0.timers.borrow_mut().extract_if(.., |held| held.as_ptr() == handler).collect();
        drop(ended);
        kResultOk
    }
}
