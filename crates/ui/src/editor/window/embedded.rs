//! The editor in a host's window, without the plugin format: sizes, scale, opening and closing. Main thread.

use super::{EditorHandle, open_embedded, screen_scale};
use crate::board::{Board, Change};
use crate::editor::measure::{LEAST, MOST};
use raw_window_handle::RawWindowHandle;
use std::cell::Cell;
use std::sync::Arc;

/// Width and height in the host's pixels: physical ones, on macOS logical ones.
pub type Size = (u32, u32);

/// An editor that a host may open, and the answers that it gives before it is open.
///
/// The state lies in cells, and what is needed is taken out of them: a call of the window library may lead to another
/// call by the host, which must not meet a borrow.
pub struct Embedded {
    board: Arc<dyn Board>,
    window: Cell<Option<EditorHandle>>,
    /// The host's scale.
    scale: Cell<Option<f64>>,
    /// The screen's scale, asked for once an opening.
    screen: Cell<Option<f64>>,
    size: Cell<Option<Size>>,
}

impl Embedded {
    /// A closed editor of `board`. Opens no connection to the display.
    pub fn new(board: Arc<dyn Board>) -> Embedded {
        Embedded {
            board,
            window: Cell::default(),
            scale: Cell::default(),
            screen: Cell::default(),
            size: Cell::default(),
        }
    }

    /// Size of the window; before it is open, the size that it will have.
    pub fn size(&self) -> Size {
        // On X11 the window follows its parent even where the host says nothing.
        let real = if cfg!(target_os = "linux") { self.with_window(EditorHandle::size).flatten() } else { None };
        let real = real.filter(|size| *size != (0, 0)).or(self.size.get());
        real.unwrap_or_else(|| self.physical(self.board.settings().choices.window))
    }

    /// The possible size that is closest to `size`. Some hosts ask with a size of zero before they know any: they get
    /// the present one.
    pub fn closest(&self, size: Size) -> Size {
        if size.0 == 0 || size.1 == 0 {
            return self.size();
        }
        let (least, most) = (self.physical(LEAST), self.physical(MOST));
        (size.0.clamp(least.0, most.0), size.1.clamp(least.1, most.1))
    }

    /// Takes a size from the host and keeps it for the next opening.
    pub fn set_size(&self, size: Size) {
        let size = self.closest(size);
        self.size.set(Some(size));
        let (width, height) = self.logical(size);
        self.board.change(Change::Window(width, height));
        self.with_window(|window| window.resize(size));
    }

    /// Takes the host's scale. Returns the size to ask the host for, where the editor is open.
    ///
    /// # Errors
    /// The scale is not between 0.25 and 8.
    pub fn set_scale(&self, scale: f64) -> Result<Option<Size>, BadScale> {
        if !(0.25..=8.0).contains(&scale) {
            return Err(BadScale);
        }
        let logical = self.logical(self.size());
        self.scale.set(Some(scale));
        if cfg!(target_os = "macos") {
            return Ok(None);
        }
        let size = self.physical(logical);
        self.size.set(Some(size));
        Ok(self.with_window(|window| window.set_scale(scale, size)).map(|()| size))
    }

    /// Opens the editor in `parent`, in place of one that is open. Returns the size to ask the host for, where only the
    /// open window knows its scale.
    ///
    /// # Errors
    /// A sentence, where there is no display, no OpenGL 2.1, or no such parent.
    pub fn open(&self, parent: RawWindowHandle) -> Result<Option<Size>, String> {
        drop(self.window.take());
        let told = self.size();
        let scale = self.known_scale();
        let size = if scale.is_some() { told } else { self.logical(told) };
        let window = open_embedded(Arc::clone(&self.board), parent, size, scale)?;
        let real = window.size();
        self.window.set(Some(window));
        let real = real.filter(|real| scale.is_none() && *real != told && *real != (0, 0));
        if let Some(size) = real {
            self.size.set(Some(size));
        }
        Ok(real)
    }

    /// Shows the window, or hides it.
    pub fn set_visible(&self, visible: bool) {
        self.with_window(|window| window.set_visible(visible));
    }

    /// Closes the window. The next opening begins with the size of the settings.
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

    /// Physical pixels a logical one; `None` where only the open window knows. Cocoa's pixels are logical themselves.
    fn known_scale(&self) -> Option<f64> {
        if cfg!(target_os = "macos") {
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
