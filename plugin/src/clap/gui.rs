//! The editor in a host's window. Main thread.

use super::main_thread::MainThread;
use crate::board::{Board, Change};
use crate::editor::measure::{LEAST, MOST};
use crate::editor::window::{EditorHandle, open_embedded, screen_scale};
use clack_extensions::gui::{
    AspectRatioStrategy, GuiApiType, GuiConfiguration, GuiResizeHints, GuiSize, HostGui, PluginGuiImpl, Window,
};
use clack_plugin::plugin::PluginError;
use raw_window_handle::HasWindowHandle;
use std::cell::Cell;
use std::sync::Arc;

/// The window, and what is to be answered before there is one.
///
/// Cells, of which what is needed is taken out: a call of the window library may lead to another call of the host's,
/// and must meet no borrow.
#[derive(Default)]
pub(super) struct Gui {
    window: Cell<Option<EditorHandle>>,
    /// What the host said.
    scale: Cell<Option<f64>>,
    /// What the screen says, asked for once an opening.
    screen: Cell<Option<f64>>,
    /// In the host's pixels.
    size: Cell<Option<GuiSize>>,
}

impl Gui {
    fn with_window<R>(&self, act: impl FnOnce(&EditorHandle) -> R) -> Option<R> {
        let window = self.window.take()?;
        let result = act(&window);
        self.window.set(Some(window));
        Some(result)
    }

    /// Pixels a logical pixel; `None` where only the window will know. Cocoa's are logical themselves.
    fn known_scale(&self) -> Option<f64> {
        if cfg!(target_os = "macos") {
            return None;
        }
        if self.screen.get().is_none() {
            self.screen.set(screen_scale());
        }
        self.scale.get().or(self.screen.get())
    }

    fn pixels(&self) -> f64 {
        self.known_scale().unwrap_or(1.0)
    }

    fn logical(&self, size: GuiSize) -> (u32, u32) {
        let logical = |pixels: u32| (f64::from(pixels) / self.pixels()).round() as u32;
        (logical(size.width), logical(size.height))
    }

    fn physical(&self, size: (u32, u32)) -> GuiSize {
        let physical = |logical: u32| (f64::from(logical) * self.pixels()).round() as u32;
        GuiSize { width: physical(size.0), height: physical(size.1) }
    }
}

impl MainThread<'_> {
    /// Of the window; before it is there, of the one that will be.
    fn size(&self) -> GuiSize {
        // On X11 it follows its parent, also without a word of the host's.
        let real = if cfg!(target_os = "linux") { self.gui.with_window(EditorHandle::size).flatten() } else { None };
        if let Some((width, height)) = real.filter(|size| *size != (0, 0)) {
            return GuiSize { width, height };
        }
        self.gui.size.get().unwrap_or_else(|| self.gui.physical(self.shared.instance.settings().choices.window))
    }

    /// Keeps the size for the next time.
    fn take_size(&self, size: GuiSize) {
        self.gui.size.set(Some(size));
        let (width, height) = self.gui.logical(size);
        self.shared.instance.change(Change::Window(width, height));
    }

    /// The host is to make its window as large. It may do so at once, and call back.
    fn ask_for(&self, size: GuiSize) {
        if let Some(gui) = self.host.get_extension::<HostGui>() {
            // Whether it will, is its own affair.
            let _ = gui.request_resize(&self.host.shared(), size.width, size.height);
        }
    }

    /// No size at all is what hosts ask for that have not asked for one yet.
    fn closest(&self, size: GuiSize) -> GuiSize {
        if size.width == 0 || size.height == 0 {
            return self.size();
        }
        let (least, most) = (self.gui.physical(LEAST), self.gui.physical(MOST));
        GuiSize {
            width: size.width.clamp(least.width, most.width),
            height: size.height.clamp(least.height, most.height),
        }
    }
}

impl PluginGuiImpl for MainThread<'_> {
    fn is_api_supported(&self, configuration: GuiConfiguration) -> bool {
        !configuration.is_floating && GuiApiType::default_for_current_platform() == Some(configuration.api_type)
    }

    fn get_preferred_api(&self) -> Option<GuiConfiguration<'_>> {
        let api_type = GuiApiType::default_for_current_platform()?;
        Some(GuiConfiguration { api_type, is_floating: false })
    }

    fn create(&self, configuration: GuiConfiguration) -> Result<(), PluginError> {
        if self.is_api_supported(configuration) {
            Ok(())
        } else {
            Err(PluginError::Message("RTJam's editor lives in a window of the host's, of the system's own kind"))
        }
    }

    fn destroy(&self) {
        drop(self.gui.window.take());
        self.gui.size.set(None);
        self.gui.screen.set(None);
    }

    fn set_scale(&self, scale: f64) -> Result<(), PluginError> {
        if !(0.25..=8.0).contains(&scale) {
            return Err(PluginError::Message("no such scale"));
        }
        let logical = self.gui.logical(self.size());
        self.gui.scale.set(Some(scale));
        if cfg!(target_os = "macos") {
            return Ok(());
        }
        // The same window with other pixels.
        let size = self.gui.physical(logical);
        self.gui.size.set(Some(size));
        if self.gui.with_window(|window| window.set_scale(scale, (size.width, size.height))).is_some() {
            self.ask_for(size);
        }
        Ok(())
    }

    fn get_size(&self) -> Option<GuiSize> {
        Some(self.size())
    }

    fn can_resize(&self) -> bool {
        true
    }

    fn get_resize_hints(&self) -> Option<GuiResizeHints> {
        Some(GuiResizeHints {
            can_resize_horizontally: true,
            can_resize_vertically: true,
            strategy: AspectRatioStrategy::Disregard,
        })
    }

    fn adjust_size(&self, size: GuiSize) -> Option<GuiSize> {
        Some(self.closest(size))
    }

    fn set_size(&self, size: GuiSize) -> Result<(), PluginError> {
        let size = self.closest(size);
        self.take_size(size);
        self.gui.with_window(|window| window.resize((size.width, size.height)));
        Ok(())
    }

    fn set_parent(&self, window: Window) -> Result<(), PluginError> {
        let parent = window.window_handle().map_err(|e| PluginError::Error(Box::new(e)))?.as_raw();
        drop(self.gui.window.take());
        let told = self.size();
        let board = Arc::clone(&self.shared.instance) as Arc<dyn Board>;
        let scale = self.gui.known_scale();
        let size = if scale.is_some() { (told.width, told.height) } else { self.gui.logical(told) };
        let opened = open_embedded(board, parent, size, scale);
        let window = opened.map_err(|sentence| PluginError::Error(sentence.into()))?;
        let real = window.size();
        self.gui.window.set(Some(window));
        // Where only the window knew how large a logical pixel is.
        let real = real.filter(|real| scale.is_none() && *real != (told.width, told.height) && *real != (0, 0));
        if let Some((width, height)) = real {
            let size = GuiSize { width, height };
            self.gui.size.set(Some(size));
            self.ask_for(size);
        }
        Ok(())
    }

    fn set_transient(&self, _window: Window) -> Result<(), PluginError> {
        Err(PluginError::Message("RTJam's editor has no window of its own that could stay above the host's"))
    }

    fn show(&self) -> Result<(), PluginError> {
        self.gui.with_window(|window| window.set_visible(true));
        Ok(())
    }

    fn hide(&self) -> Result<(), PluginError> {
        self.gui.with_window(|window| window.set_visible(false));
        Ok(())
    }
}
