//! A plugin's editor, through CLAP's own functions.

use super::Plugin;
use clap_sys::ext::gui::{
    CLAP_EXT_GUI, CLAP_WINDOW_API_X11, clap_gui_resize_hints, clap_plugin_gui, clap_window, clap_window_handle,
};
use clap_sys::plugin::clap_plugin;
use std::ffi::{CStr, c_void};
use std::ptr::null;
use std::sync::PoisonError;

/// A plugin's `clap.gui`. Main thread. Every call is passed on unchanged, in any order.
#[derive(Clone, Copy)]
pub struct Editor<'a> {
    plugin: &'a Plugin,
    gui: &'a clap_plugin_gui,
}

impl Plugin {
    /// The plugin's editor.
    ///
    /// # Panics
    /// If the plugin has none.
    pub fn editor(&self) -> Editor<'_> {
        Editor { plugin: self, gui: self.extension(CLAP_EXT_GUI) }
    }
}

impl Editor<'_> {
    /// Opens the editor as hosts do: in a window of the size that it asks for, with or without a scale. Returns the host's
    /// window, which `window` makes.
    ///
    /// # Panics
    /// If the editor does not open.
    pub fn open<W>(self, scale: Option<f64>, window: impl FnOnce((u32, u32)) -> (u32, W)) -> W {
        self.open_in(CLAP_WINDOW_API_X11, scale, |size| {
            let (id, window) = window(size);
            (u64::from(id), window)
        })
    }

    /// The same on any window system, whose windows are numbers or pointers.
    ///
    /// # Panics
    /// If the editor does not open.
    pub fn open_in<W>(self, api: &CStr, scale: Option<f64>, window: impl FnOnce((u32, u32)) -> (u64, W)) -> W {
        assert!(self.is_supported(api, false) && self.create(api, false));
        if let Some(scale) = scale {
            assert!(self.set_scale(scale));
        }
        let (id, window) = window(self.size().expect("a size"));
        assert!(self.set_parent(api, id), "it does not open");
        assert!(self.show());
        window
    }

    /// Whether the editor supports a window system, embedded or floating.
    pub fn is_supported(self, api: &CStr, floating: bool) -> bool {
        // SAFETY: see the module above.
        unsafe { self.gui.is_api_supported.expect("it has one")(self.raw(), api.as_ptr(), floating) }
    }

    /// Preferred window system, and whether the editor prefers to float.
    pub fn preferred(self) -> Option<(String, bool)> {
        let (mut api, mut floating) = (null(), true);
        // SAFETY: see the module above; the plugin's name for it is a constant.
        unsafe {
            self.gui.get_preferred_api.expect("it has one")(self.raw(), &mut api, &mut floating)
                .then(|| (CStr::from_ptr(api).to_string_lossy().into_owned(), floating))
        }
    }

    /// `create`.
    pub fn create(self, api: &CStr, floating: bool) -> bool {
        // SAFETY: see the module above.
        unsafe { self.gui.create.expect("it has one")(self.raw(), api.as_ptr(), floating) }
    }

    /// `destroy`.
    pub fn destroy(self) {
        // SAFETY: see the module above.
        unsafe { self.gui.destroy.expect("it has one")(self.raw()) }
    }

    /// Sets the physical pixels per logical pixel.
    pub fn set_scale(self, scale: f64) -> bool {
        // SAFETY: see the module above.
        unsafe { self.gui.set_scale.expect("it has one")(self.raw(), scale) }
    }

    /// Current or preferred size.
    pub fn size(self) -> Option<(u32, u32)> {
        let (mut width, mut height) = (0, 0);
        // SAFETY: see the module above.
        unsafe { self.gui.get_size.expect("it has one")(self.raw(), &mut width, &mut height) }
            .then_some((width, height))
    }

    /// Whether the host may resize the editor.
    pub fn can_resize(self) -> bool {
        // SAFETY: see the module above.
        unsafe { self.gui.can_resize.expect("it has one")(self.raw()) }
    }

    /// Resize hints.
    pub fn hints(self) -> Option<clap_gui_resize_hints> {
        // SAFETY: a structure of numbers and booleans; zeros are values.
        let mut hints = unsafe { std::mem::zeroed() };
        // SAFETY: see the module above.
        unsafe { self.gui.get_resize_hints.expect("it has one")(self.raw(), &mut hints) }.then_some(hints)
    }

    /// The nearest size that the editor supports.
    pub fn adjust(self, (mut width, mut height): (u32, u32)) -> Option<(u32, u32)> {
        // SAFETY: see the module above.
        unsafe { self.gui.adjust_size.expect("it has one")(self.raw(), &mut width, &mut height) }
            .then_some((width, height))
    }

    /// Resizes the editor.
    pub fn set_size(self, (width, height): (u32, u32)) -> bool {
        // SAFETY: see the module above.
        unsafe { self.gui.set_size.expect("it has one")(self.raw(), width, height) }
    }

    /// Embeds the editor in a window.
    pub fn set_parent(self, api: &CStr, id: u64) -> bool {
        let window = clap_window { api: api.as_ptr(), specific: clap_window_handle { ptr: id as *mut c_void } };
        // SAFETY: see the module above.
        unsafe { self.gui.set_parent.expect("it has one")(self.raw(), &window) }
    }

    /// Keeps a floating editor above a window.
    pub fn set_transient(self, id: u64) -> bool {
        let window =
            clap_window { api: CLAP_WINDOW_API_X11.as_ptr(), specific: clap_window_handle { ptr: id as *mut c_void } };
        // SAFETY: see the module above.
        unsafe { self.gui.set_transient.expect("it has one")(self.raw(), &window) }
    }

    /// `show`.
    pub fn show(self) -> bool {
        // SAFETY: see the module above.
        unsafe { self.gui.show.expect("it has one")(self.raw()) }
    }

    /// `hide`.
    pub fn hide(self) -> bool {
        // SAFETY: see the module above.
        unsafe { self.gui.hide.expect("it has one")(self.raw()) }
    }

    /// The window size that the plugin requested since the last call.
    pub fn requested_size(self) -> Option<(u32, u32)> {
        self.plugin.host_calls.resize.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn raw(self) -> *const clap_plugin {
        self.plugin.raw().as_ptr()
    }
}
