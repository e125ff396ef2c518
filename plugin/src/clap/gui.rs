//! The editor in a host's window, by CLAP's calls. Main thread.

use super::main_thread::MainThread;
use clack_extensions::gui::{
    AspectRatioStrategy, GuiApiType, GuiConfiguration, GuiResizeHints, GuiSize, HostGui, PluginGuiImpl, Window,
};
use clack_plugin::plugin::PluginError;
use raw_window_handle::HasWindowHandle;
use rtjam_ui::editor::window::Size;

impl MainThread<'_> {
    /// Asks the host for a window of that size. It may do so at once, and call back.
    fn ask_for(&self, size: Option<Size>) {
        if let Some((width, height)) = size
            && let Some(gui) = self.host.get_extension::<HostGui>()
        {
            // A host that refuses keeps its size.
            let _ = gui.request_resize(&self.host.shared(), width, height);
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
        self.gui.close();
    }

    fn set_scale(&self, scale: f64) -> Result<(), PluginError> {
        self.ask_for(self.gui.set_scale(scale).map_err(|e| PluginError::Error(Box::new(e)))?);
        Ok(())
    }

    fn get_size(&self) -> Option<GuiSize> {
        let (width, height) = self.gui.size();
        Some(GuiSize { width, height })
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
        let (width, height) = self.gui.closest((size.width, size.height));
        Some(GuiSize { width, height })
    }

    fn set_size(&self, size: GuiSize) -> Result<(), PluginError> {
        self.gui.set_size((size.width, size.height));
        Ok(())
    }

    fn set_parent(&self, window: Window) -> Result<(), PluginError> {
        let parent = window.window_handle().map_err(|e| PluginError::Error(Box::new(e)))?.as_raw();
        self.ask_for(self.gui.open(parent).map_err(|error| PluginError::Error(error.into()))?);
        Ok(())
    }

    fn set_transient(&self, _window: Window) -> Result<(), PluginError> {
        Err(PluginError::Message("RTJam's editor has no window of its own that could stay above the host's"))
    }

    fn show(&self) -> Result<(), PluginError> {
        self.gui.set_visible(true);
        Ok(())
    }

    fn hide(&self) -> Result<(), PluginError> {
        self.gui.set_visible(false);
        Ok(())
    }
}
