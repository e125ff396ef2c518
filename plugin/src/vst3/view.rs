//! The editor in a host's window. Main thread.

use super::com::{give, guarded};
use super::effect::Effect;
use super::host_notifier::Vst3HostNotifier;
use crate::platform::{RunLoop, WINDOW_KIND, window_handle};
use rtjam_ui::editor::window::{Embedded, Size};
use rtjam_ui::editor_model::EditorModel;
use std::cell::Cell;
use std::ffi::{CStr, c_void};
use std::ptr::null_mut;
use std::sync::Arc;
use vst3::Steinberg::{
    FIDString, IPlugFrame, IPlugFrameTrait, IPlugView, IPlugViewContentScaleSupport, IPlugViewContentScaleSupportTrait,
    IPlugViewTrait, TBool, ViewRect, char16, int16, int32, kInvalidArgument, kResultFalse, kResultOk, tresult,
};
use vst3::{Class, ComPtr, ComRef, ComWrapper};

/// A view with an editor. A host may create several for an instance, and may keep one longer than the instance.
pub(super) struct View {
    editor: Arc<Embedded>,
    notifier: Arc<Vst3HostNotifier>,
    /// The host's pointer to this object.
    this: Cell<*mut IPlugView>,
    frame: Cell<Option<ComPtr<IPlugFrame>>>,
    run_loop: Cell<Option<RunLoop>>,
}

impl Class for View {
    type Interfaces = (IPlugView, IPlugViewContentScaleSupport);
}

impl View {
    /// A view whose editor is closed. The caller owns the reference.
    pub(super) fn create(effect: &Effect) -> *mut IPlugView {
        let board = Arc::clone(&effect.instance) as Arc<dyn EditorModel>;
        #[allow(clippy::arc_with_non_send_sync, reason = "hosts may count references on any thread")]
        let editor = Arc::new(Embedded::new(board));
        effect.add_view(&editor);
        let view = ComWrapper::new(View {
            editor,
            notifier: Arc::clone(&effect.notifier),
            this: Cell::new(null_mut()),
            frame: Cell::default(),
            run_loop: Cell::default(),
        });
        let this = view.to_com_ptr::<IPlugView>().map_or(null_mut(), ComPtr::into_raw);
        view.this.set(this);
        this
    }

    fn frame(&self) -> Option<ComPtr<IPlugFrame>> {
        let frame = self.frame.take();
        self.frame.set(frame.clone());
        frame
    }

    /// Requests a window size. The host may resize the window, and call back, during the request.
    fn request_size(&self, size: Option<Size>) {
        if let (Some(size), Some(frame)) = (size, self.frame()) {
            // SAFETY: the host's object, and its pointer to this one. If the host refuses, the window keeps its size.
            unsafe { frame.resizeView(self.this.get(), &mut rectangle(size)) };
        }
    }

    fn close(&self) {
        self.editor.close();
        self.notifier.release_controls();
        drop(self.run_loop.take());
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // A panic has no caller to report to.
        guarded(|| {
            self.close();
            kResultOk
        });
    }
}

impl IPlugViewTrait for View {
    unsafe fn isPlatformTypeSupported(&self, platform: FIDString) -> tresult {
        // SAFETY: null, or a text of the host.
        guarded(|| if unsafe { is_ours(platform) } { kResultOk } else { kResultFalse })
    }

    unsafe fn attached(&self, parent: *mut c_void, platform: FIDString) -> tresult {
        guarded(|| {
            // SAFETY: null, or a text of the host.
            let parent = if unsafe { is_ours(platform) } { window_handle(parent) } else { None };
            let Some(parent) = parent else { return kInvalidArgument };
            if !self.notifier.is_alive() {
                return kResultFalse;
            }
            drop(self.run_loop.take());
            self.run_loop.set(self.frame().and_then(|frame| RunLoop::register(&frame, &self.notifier)));
            match self.editor.open(parent) {
                Ok(size) => {
                    self.editor.set_visible(true);
                    self.request_size(size);
                    kResultOk
                }
                Err(_) => {
                    self.close();
                    kResultFalse
                }
            }
        })
    }

    unsafe fn removed(&self) -> tresult {
        guarded(|| {
            self.close();
            kResultOk
        })
    }

    unsafe fn onWheel(&self, _distance: f32) -> tresult {
        kResultFalse
    }

    /// Ignored: keys come from the window system.
    unsafe fn onKeyDown(&self, _key: char16, _code: int16, _modifiers: int16) -> tresult {
        kResultFalse
    }

    unsafe fn onKeyUp(&self, _key: char16, _code: int16, _modifiers: int16) -> tresult {
        kResultFalse
    }

    unsafe fn getSize(&self, size: *mut ViewRect) -> tresult {
        // SAFETY: the host's memory for the result.
        guarded(|| unsafe { give(size, rectangle(self.editor.size())) })
    }

    unsafe fn onSize(&self, size: *mut ViewRect) -> tresult {
        guarded(|| {
            // SAFETY: null, or the host's rectangle for this call.
            let Some(size) = (unsafe { size.as_ref() }) else { return kInvalidArgument };
            self.editor.set_size(dimensions(size));
            kResultOk
        })
    }

    unsafe fn onFocus(&self, _state: TBool) -> tresult {
        kResultOk
    }

    unsafe fn setFrame(&self, frame: *mut IPlugFrame) -> tresult {
        guarded(|| {
            if frame.is_null() {
                drop(self.run_loop.take());
            }
            // SAFETY: null, or an object of the host, whose reference is counted from here on.
            let frame = unsafe { ComRef::from_raw(frame) }.map(|frame| frame.to_com_ptr());
            drop(self.frame.replace(frame));
            kResultOk
        })
    }

    unsafe fn canResize(&self) -> tresult {
        kResultOk
    }

    unsafe fn checkSizeConstraint(&self, rect: *mut ViewRect) -> tresult {
        guarded(|| {
            // SAFETY: null, or the host's rectangle for this call.
            let Some(rect) = (unsafe { rect.as_mut() }) else { return kInvalidArgument };
            let (width, height) = self.editor.closest(dimensions(rect));
            rect.right = rect.left.saturating_add(width as int32);
            rect.bottom = rect.top.saturating_add(height as int32);
            kResultOk
        })
    }
}

impl IPlugViewContentScaleSupportTrait for View {
    unsafe fn setContentScaleFactor(&self, factor: f32) -> tresult {
        guarded(|| match self.editor.set_scale(f64::from(factor)) {
            Ok(size) => {
                self.request_size(size);
                kResultOk
            }
            Err(_) => kInvalidArgument,
        })
    }
}

fn rectangle((width, height): Size) -> ViewRect {
    ViewRect { left: 0, top: 0, right: width as int32, bottom: height as int32 }
}

/// Width and height of a rectangle; 0 where its sides are reversed.
fn dimensions(rect: &ViewRect) -> Size {
    let length = |from: int32, to: int32| u32::try_from(i64::from(to) - i64::from(from)).unwrap_or(0);
    (length(rect.left, rect.right), length(rect.top, rect.bottom))
}

/// Whether `platform` names this system's kind of window.
///
/// # Safety
/// `platform` is null or null-terminated.
unsafe fn is_ours(platform: FIDString) -> bool {
    // SAFETY: see above; the other is a constant of the bindings.
    !platform.is_null() && unsafe { CStr::from_ptr(platform) == CStr::from_ptr(WINDOW_KIND) }
}
