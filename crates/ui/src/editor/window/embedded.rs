//! The editor in a host's window, apart from any plugin format: size, scale, opening and closing. Main thread.

use super::handle::{EditorHandle, open_embedded};
use crate::editor_model::{EditorModel, WindowError};
use crate::platform::{HOST_PIXELS_ARE_LOGICAL, WINDOW_FOLLOWS_PARENT, screen_scale};
use crate::settings::{Change, MAX_WINDOW, MIN_WINDOW};
use raw_window_handle::RawWindowHandle;
use std::cell::Cell;
use std::sync::Arc;

/// Width and height in the host's pixels: physical pixels, on macOS logical ones.
pub type Size = (u32, u32);

/// An editor that a host can open. It answers questions about size and scale before it is open, too.
///
/// The state is in cells and is taken out for use: a call of the window library may cause the host to call again, and
/// that call must not find a borrow.
pub struct Embedded {
    model: Arc<dyn EditorModel>,
    window: Cell<Option<EditorHandle>>,
    /// The host's scale.
    scale: Cell<Option<f64>>,
    /// The screen's scale, queried once per opening.
    screen: Cell<Option<f64>>,
    size: Cell<Option<Size>>,
}

impl Embedded {
    /// A closed editor. Opens no connection to the display.
    pub fn new(model: Arc<dyn EditorModel>) -> Embedded {
        Embedded {
            model,
            window: Cell::default(),
            scale: Cell::default(),
            screen: Cell::default(),
            size: Cell::default(),
        }
    }

    /// Size of the window, or the size that it will open with.
    pub fn size(&self) -> Size {
        let real = if WINDOW_FOLLOWS_PARENT { self.with_window(EditorHandle::size).flatten() } else { None };
        let real = real.filter(|size| *size != (0, 0)).or(self.size.get());
        real.unwrap_or_else(|| self.physical(self.model.settings().choices.window))
    }

    /// The closest size that is possible. Some hosts ask with a size of zero before they know any: they get the current
    /// size.
    pub fn closest(&self, size: Size) -> Size {
        if size.0 == 0 || size.1 == 0 {
            return self.size();
        }
        let (least, most) = (self.physical(MIN_WINDOW), self.physical(MAX_WINDOW));
        (size.0.clamp(least.0, most.0), size.1.clamp(least.1, most.1))
    }

    /// Takes a size from the host and stores it for the next opening.
    pub fn set_size(&self, size: Size) {
        let size = self.closest(size);
        self.size.set(Some(size));
        let (width, height) = self.logical(size);
        self.model.change(Change::Window(width, height));
        self.with_window(|window| window.resize(size));
    }

    /// Takes the host's scale. Returns the size to request from the host if the editor is open.
    ///
    /// # Errors
    /// The scale is not between 0.25 and 8.
    pub fn set_scale(&self, scale: f64) -> Result<Option<Size>, BadScale> {
        if !(0.25..=8.0).contains(&scale) {
            return Err(BadScale);
        }
        let logical = self.logical(self.size());
        self.scale.set(Some(scale));
        if HOST_PIXELS_ARE_LOGICAL {
            return Ok(None);
        }
        let size = self.physical(logical);
        self.size.set(Some(size));
        Ok(self.with_window(|window| window.set_scale(scale, size)).map(|()| size))
    }

    /// Opens the editor in `parent`, in place of one that is open. Returns the size to request from the host if only the
    /// open window knows its scale.
    ///
    /// # Errors
    /// There is no display, no OpenGL 2.1, or no such parent.
    pub fn open(&self, parent: RawWindowHandle) -> Result<Option<Size>, WindowError> {
        drop(self.window.take());
        let expected = self.size();
        let scale = self.known_scale();
        let size = if scale.is_some() { expected } else { self.logical(expected) };
        let window = open_embedded(Arc::clone(&self.model), parent, size, scale)?;
        let real = window.size();
        self.window.set(Some(window));
        let real = real.filter(|real| scale.is_none() && *real != expected && *real != (0, 0));
        if let Some(size) = real {
            self.size.set(Some(size));
        }
        Ok(real)
    }

    /// Shows or hides the window.
    pub fn set_visible(&self, visible: bool) {
        self.with_window(|window| window.set_visible(visible));
    }

    /// Closes the window. The next opening starts with the size of the settings.
    pub fn close(&self) {
        drop(self.window.take());
        self.size.set(None);
        self.screen.set(None);
    }

    fn with_window<R>(&self, act: impl FnOnce(&EditorHandle) -> R) -> Option<R> {
        let window = self.window.take()?;
        let result = act(&window);
        self.window.set(Some(window));
        Some(result)
    }

    /// Physical pixels per logical pixel; `None` if only the open window knows. On macOS the host's pixels are logical.
    fn known_scale(&self) -> Option<f64> {
        if HOST_PIXELS_ARE_LOGICAL {
            return None;
        }
        if self.screen.get().is_none() {
            self.screen.set(screen_scale());
        }
        self.scale.get().or(self.screen.get())
    }

    fn logical(&self, size: Size) -> (u32, u32) {
        let scale = self.known_scale().unwrap_or(1.0);
        let logical = |pixels: u32| (f64::from(pixels) / scale).round() as u32;
        (logical(size.0), logical(size.1))
    }

    fn physical(&self, size: (u32, u32)) -> Size {
        let scale = self.known_scale().unwrap_or(1.0);
        let physical = |logical: u32| (f64::from(logical) * scale).round() as u32;
        (physical(size.0), physical(size.1))
    }
}

/// The host's scale is not between 0.25 and 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadScale;

impl std::fmt::Display for BadScale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the scale is not between 0.25 and 8")
    }
}

impl std::error::Error for BadScale {}
