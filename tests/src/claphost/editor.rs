//! A plugin's editor, by CLAP's own functions.

use super::Plugin;
use clap_sys::ext::gui::{
    CLAP_EXT_GUI, CLAP_WINDOW_API_X11, clap_gui_resize_hints, clap_plugin_gui, clap_window, clap_window_handle,
};
use clap_sys::plugin::clap_plugin;
use std::ffi::CStr;
use std::ptr::null;
use std::sync::PoisonError;

/// A plugin's `clap.gui`. Main thread. All calls are passed on as they are, in whatever order.
#[derive(Clone, Copy)]
pub struct Editor<'a> {
    plugin: &'a Plugin,
    gui: &'a clap_plugin_gui,
}

impl Plugin {
    /// Its editor.
    ///
    /// # Panics
    /// When it has none.
    pub fn editor(&self) -> Editor<'_> {
        Editor { plugin: self, gui: self.extension(CLAP_EXT_GUI) }
    }
}

impl Editor<'_> {
    /// What hosts do to put it into a window that is as large as it wants, with or without a word about the scale.
    /// Gives the size. `window` makes the host's window.
    ///
    /// # Panics
    /// When it does not open.
    pub fn open<W>(self, scale: Option<f64>, window: impl FnOnce((u32, u32)) -> (u32, W)) -> W {
        assert!(self.is_supported(CLAP_WINDOW_API_X11, false) && self.create(CLAP_WINDOW_API_X11, false));
        if let Some(scale) = scale {
            assert!(self.set_scale(scale));
        }
        let (id, window) = window(self.size().expect("a size"));
        assert!(self.set_parent(CLAP_WINDOW_API_X11, u64::from(id)), "it does not open");
        assert!(self.show());
        window
    }

    /// Whether it can be put into such a window.
    pub fn is_supported(self, api: &CStr, floating: bool) -> bool {
        // SAFETY: see the module above.
        unsafe { self.gui.is_api_supported.expect("it has one")(self.raw(), api.as_ptr(), floating) }
    }

    /// What window it wants, and whether it floats.
    pub fn preferred(self) -> Option<(String, bool)> {
        let (mut api, mut floating) = (null(), true);
        // SAFETY: see the module above; the plugin's name for it is a constant.
        unsafe {
            self.gui.get_preferred_api.expect("it has one")(self.raw(), &mut api, &mut floating)
                .then(|| (CStr::from_ptr(api).to_string_lossy().into_owned(), floating))
        }
    }

    /// Begins.
    pub fn create(self, api: &CStr, floating: bool) -> bool {
        // SAFETY: see the module above.
        unsafe { self.gui.create.expect("it has one")(self.raw(), api.as_ptr(), floating) }
    }

    /// Ends.
    pub fn destroy(self) {
        // SAFETY: see the module above.
        unsafe { self.gui.destroy.expect("it has one")(self.raw()) }
    }

    /// Physical pixels a logical one.
    pub fn set_scale(self, scale: f64) -> bool {
        // SAFETY: see the module above.
        unsafe { self.gui.set_scale.expect("it has one")(self.raw(), scale) }
    }

    /// How large it is, or wants to be.
    pub fn size(self) -> Option<(u32, u32)> {
        let (mut width, mut height) = (0, 0);
        // SAFETY: see the module above.
        unsafe { self.gui.get_size.expect("it has one")(self.raw(), &mut width, &mut height) }
            .then_some((width, height))
    }

    /// Whether its size is the host's affair.
    pub fn can_resize(self) -> bool {
        // SAFETY: see the module above.
        unsafe { self.gui.can_resize.expect("it has one")(self.raw()) }
    }

    /// In which ways.
    pub fn hints(self) -> Option<clap_gui_resize_hints> {
        // SAFETY: a structure of numbers and booleans; zeros are values.
        let mut hints = unsafe { std::mem::zeroed() };
        // SAFETY: see the module above.
        unsafe { self.gui.get_resize_hints.expect("it has one")(self.raw(), &mut hints) }.then_some(hints)
    }

    /// The size that it can have nearest to this one.
    pub fn adjust(self, (mut width, mut height): (u32, u32)) -> Option<(u32, u32)> {
        // SAFETY: see the module above.
        unsafe { self.gui.adjust_size.expect("it has one")(self.raw(), &mut width, &mut height) }
            .then_some((width, height))
    }

    /// Gives it a size.
    pub fn set_size(self, (width, height): (u32, u32)) -> bool {
        // SAFETY: see the module above.
        unsafe { self.gui.set_size.expect("it has one")(self.raw(), width, height) }
    }

    /// Puts it into a window.
    pub fn set_parent(self, api: &CStr, id: u64) -> bool {
        let window = clap_window { api: api.as_ptr(), specific: clap_window_handle { x11: id } };
        // SAFETY: see the module above.
        unsafe { self.gui.set_parent.expect("it has one")(self.raw(), &window) }
    }

    /// Keeps it above a window.
    pub fn set_transient(self, id: u64) -> bool {
        let window = clap_window { api: CLAP_WINDOW_API_X11.as_ptr(), specific: clap_window_handle { x11: id } };
        // SAFETY: see the module above.
        unsafe { self.gui.set_transient.expect("it has one")(self.raw(), &window) }
    }

    /// Shows it.
    pub fn show(self) -> bool {
        // SAFETY: see the module above.
        unsafe { self.gui.show.expect("it has one")(self.raw()) }
    }

    /// Hides it.
    pub fn hide(self) -> bool {
        // SAFETY: see the module above.
        unsafe { self.gui.hide.expect("it has one")(self.raw()) }
    }

    /// How large the plugin asked its host's window to be since the last time.
    pub fn asked_for(self) -> Option<(u32, u32)> {
        self.plugin.told.resize.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn raw(self) -> *const clap_plugin {
        self.plugin.raw().as_ptr()
    }
}
