//! Windows: in a host's, and the program's own.
//!
//! | thread | what it does |
//! |---|---|
//! | the window's (X11: baseview's own; elsewhere the main thread) | `face`: draws, takes the mouse and keys |
//! | `editor-watch`, one a window | `watch`: takes scenes, asks for a frame when one changed, hands keys back |
//!
//! Nothing here is reached by the audio thread. Whoever holds a [`EditorHandle`] is on the host's main thread.

mod clipboard;
mod embedded;
mod face;
#[cfg(target_os = "linux")]
mod libraries;
mod watch;
#[cfg(target_os = "linux")]
mod x11;

use super::measure::{LEAST, tidy_size};
use crate::board::Board;
use baseview::dpi::{self, LogicalSize, PhysicalSize};
use baseview::gl::{GlConfig, Profile};
use egui_baseview::{EguiWindow, EguiWindowSettings, GraphicsConfig};
use face::Face;
use raw_window_handle::{HandleError, HasWindowHandle, RawWindowHandle, WindowHandle};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

pub use embedded::{BadScale, Embedded, Size};
/// What the window's thread and its handle share.
pub use watch::Shared;

/// An open editor. Dropping it closes the window, at once.
pub struct EditorHandle {
    /// `None` once closed.
    window: Option<baseview::Window>,
    shared: Arc<Shared>,
}

const BAD_PARENT: &str = "The window could not be opened in the one that the host gave.";
/// After this time, the window's thread is left to end by itself.
const END: Duration = Duration::from_secs(2);

/// Opens the editor in a host's window. Main thread.
///
/// `scale` is physical pixels a logical one, if the host said so: it is believed more than the screen, and `size` is in
/// physical pixels. Without it, `size` is in logical pixels.
///
/// # Errors
/// A sentence, where there is no display, no OpenGL 2.1, or no such parent.
pub fn open_embedded(
    board: Arc<dyn Board>,
    parent: RawWindowHandle,
    size: (u32, u32),
    scale: Option<f64>,
) -> Result<EditorHandle, String> {
    open(board, "RTJam", Some(parent), size, scale)
}

/// Opens the editor in a window of its own, of the size that the settings say. Main thread.
///
/// # Errors
/// See [`open_embedded`].
pub fn open_window(board: Arc<dyn Board>, title: &str) -> Result<EditorHandle, String> {
    let size = board.settings().choices.window;
    open(board, title, None, size, None)
}

fn open(
    board: Arc<dyn Board>,
    title: &str,
    parent: Option<RawWindowHandle>,
    size: (u32, u32),
    scale: Option<f64>,
) -> Result<EditorHandle, String> {
    if let Some(parent) = parent {
        watch::check_parent(parent)?;
    }
    let shared = Arc::new(Shared::new(scale));
    let screen = screen_scale();
    // Where the screen is not known yet, the first frame sees to it.
    let zoom = screen.and_then(|screen| shared.zoom(screen)).unwrap_or(1.0);
    let face = Face::new(board, Arc::clone(&shared), parent, zoom);
    let size = match scale {
        Some(_) => {
            shared.give_size(size);
            dpi::Size::Physical(PhysicalSize::new(size.0, size.1))
        }
        None => logical(tidy_size(size)),
    };
    let mut settings = EguiWindowSettings::new()
        .with_title(title)
        .with_size(size)
        .with_zoom_factor(zoom)
        // A host asks for what it wants, and its window may be smaller.
        .with_min_size(parent.is_none().then(|| logical(LEAST)))
        // The window library's X11 part makes the window first and believes this later.
        .with_fallback_scale_factor(scale.filter(|_| screen.is_none()))
        .with_graphics_config(graphics())
        // Frames are asked for by `watch`; this timer would only wake the window's thread.
        .with_repaint_poll_interval(Duration::from_secs(3600));
    // What a host passes may be anything: a panic of the window library must not reach it.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        settings.parent = parent.map(|parent| baseview::ParentWindowHandle::from_window(&Parent(parent)));
        let window = EguiWindow::create(settings, face)?;
        window.show()?;
        Ok::<_, baseview::Error>(window)
    }));
    match opened {
        Ok(Ok(window)) => Ok(EditorHandle { window: Some(window), shared }),
        Ok(Err(why)) => Err(format!("The window could not be opened ({why}). It needs a display with OpenGL 2.1.")),
        Err(_) => Err(BAD_PARENT.to_owned()),
    }
}

impl EditorHandle {
    /// Takes the host's scale: physical pixels a logical one; and the size that the window is to have then, in physical
    /// pixels.
    pub fn set_scale(&self, scale: f64, physical: (u32, u32)) {
        self.resize(physical);
        self.shared.set_scale(scale);
    }

    /// Takes a size from the host, in physical pixels.
    pub fn resize(&self, physical: (u32, u32)) {
        self.shared.give_size(physical);
        self.guarded(|window| {
            // A window that is gone needs no size.
            let _ = window.resize(dpi::Size::Physical(PhysicalSize::new(physical.0, physical.1)));
        });
    }

    /// Shows it, or hides it: hidden it draws nothing.
    pub fn set_visible(&self, visible: bool) {
        self.guarded(|window| {
            let _ = if visible { window.show() } else { window.hide() };
        });
    }

    /// The size in physical pixels.
    pub fn size(&self) -> Option<(u32, u32)> {
        self.guarded(|window| {
            let size = window.size().physical;
            (size.width, size.height)
        })
    }

    /// `false` once the window was closed by its user, its parent or its display.
    pub fn is_open(&self) -> bool {
        self.guarded(baseview::Window::is_open).unwrap_or(false)
    }

    /// How many frames were drawn so far.
    pub fn frames(&self) -> u64 {
        self.shared.frames()
    }

    /// Lets another thread close the window.
    pub fn closer(&self) -> Closer {
        Closer(Arc::clone(&self.shared))
    }

    /// Blocks until the window was closed.
    pub fn wait(mut self) {
        if let Some(window) = self.window.take() {
            // Why it ended does not matter: it did.
            let _ = catch_unwind(AssertUnwindSafe(|| window.run_until_closed()));
        }
    }

    fn guarded<R>(&self, act: impl FnOnce(&baseview::Window) -> R) -> Option<R> {
        let window = self.window.as_ref()?;
        catch_unwind(AssertUnwindSafe(|| act(window))).ok()
    }
}

impl Drop for EditorHandle {
    fn drop(&mut self) {
        let window = self.window.take();
        // It passes on a panic of the window's thread.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(window)));
        // The library does not wait for that thread where its window is gone already, or by bad luck: then drivers
        // would be shut down beside whatever the host does next, its own end perhaps.
        let until = Instant::now() + END;
        while self.shared.is_running() && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Physical pixels a logical one on this screen, where that is known without a window.
pub fn screen_scale() -> Option<f64> {
    #[cfg(target_os = "linux")]
    return x11::screen_scale();
    #[cfg(not(target_os = "linux"))]
    None
}

/// Closes a window from another thread.
#[derive(Clone)]
pub struct Closer(Arc<Shared>);

impl Closer {
    /// With the next frame, which this asks for.
    pub fn close(&self) {
        self.0.close();
    }
}

/// Asks for what a Raspberry Pi 4 and virtual machines have, too: OpenGL 2.1.
fn graphics() -> GraphicsConfig {
    let gl_config = GlConfig {
        version: (2, 1),
        profile: Profile::Compatibility,
        // Another visual than the parent's would be see-through under a compositor.
        alpha_bits: 0,
        depth_bits: 0,
        stencil_bits: 0,
        // The colours are already what the screen wants.
        srgb: false,
        ..GlConfig::default()
    };
    GraphicsConfig { gl_config, ..GraphicsConfig::default() }
}

fn logical(size: (u32, u32)) -> dpi::Size {
    dpi::Size::Logical(LogicalSize::new(f64::from(size.0), f64::from(size.1)))
}

struct Parent(RawWindowHandle);

impl HasWindowHandle for Parent {
    fn window_handle(&self) -> Result<WindowHandle<'_>, HandleError> {
        // SAFETY: it is used while the window is made only, and hosts keep a parent window at least that long.
        Ok(unsafe { WindowHandle::borrow_raw(self.0) })
    }
}
