//! Opening a window, and the handle to it.

use super::frame::WindowApp;
use super::watch::{self, WindowShared};
use crate::editor_model::{EditorModel, WindowError};
use crate::platform;
use crate::settings::{MIN_WINDOW, clamp_window};
use baseview::dpi::{self, LogicalSize, PhysicalSize};
use baseview::gl::{GlConfig, Profile};
use egui_baseview::{EguiWindow, EguiWindowSettings, GraphicsConfig};
use raw_window_handle::{HandleError, HasWindowHandle, RawWindowHandle, WindowHandle};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// An open editor. Dropping it closes the window immediately.
pub struct EditorHandle {
    /// `None` once closed.
    window: Option<baseview::Window>,
    shared: Arc<WindowShared>,
}

/// After this time the handle no longer waits for the window's thread to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Opens the editor in a host's window. Main thread.
///
/// `scale` is the host's number of physical pixels per logical pixel, if it gave one: it overrides the screen's, and `size`
/// is in physical pixels. Without it, `size` is in logical pixels.
///
/// # Errors
/// There is no display, no OpenGL 2.1, or no such parent.
pub fn open_embedded(
    model: Arc<dyn EditorModel>,
    parent: RawWindowHandle,
    size: (u32, u32),
    scale: Option<f64>,
) -> Result<EditorHandle, WindowError> {
    open(model, "RTJam", Some(parent), size, scale)
}

/// Opens the editor in a window of its own, in the size of the settings. Main thread.
///
/// # Errors
/// See [`open_embedded`].
pub fn open_window(model: Arc<dyn EditorModel>, title: &str) -> Result<EditorHandle, WindowError> {
    let size = model.settings().choices.window;
    open(model, title, None, size, None)
}

fn open(
    model: Arc<dyn EditorModel>,
    title: &str,
    parent: Option<RawWindowHandle>,
    size: (u32, u32),
    scale: Option<f64>,
) -> Result<EditorHandle, WindowError> {
    if let Some(parent) = parent {
        watch::check_parent(parent)?;
    }
    let shared = Arc::new(WindowShared::new(scale));
    let screen = screen_scale();
    // If the screen's scale is unknown, the first frame sets the zoom.
    let zoom = screen.and_then(|screen| shared.zoom(screen)).unwrap_or(1.0);
    let app = WindowApp::new(model, Arc::clone(&shared), parent, zoom);
    let size = match scale {
        Some(_) => {
            shared.give_size(size);
            dpi::Size::Physical(PhysicalSize::new(size.0, size.1))
        }
        None => logical(clamp_window(size)),
    };
    let mut settings = EguiWindowSettings::new()
        .with_title(title)
        .with_size(size)
        .with_zoom_factor(zoom)
        // A host decides its own size, which may be smaller.
        .with_min_size(parent.is_none().then(|| logical(MIN_WINDOW)))
        // On X11 the window library uses this once the window exists.
        .with_fallback_scale_factor(scale.filter(|_| screen.is_none()))
        .with_graphics_config(graphics())
        // `watch` requests frames; this timer would only wake the window's thread.
        .with_repaint_poll_interval(Duration::from_secs(3600));
    // A host may pass anything: a panic of the window library must not reach it.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        settings.parent = parent.map(|parent| baseview::ParentWindowHandle::from_window(&Parent(parent)));
        let window = EguiWindow::create(settings, app)?;
        window.show()?;
        Ok::<_, baseview::Error>(window)
    }));
    match opened {
        Ok(Ok(window)) => Ok(EditorHandle { window: Some(window), shared }),
        Ok(Err(why)) => Err(WindowError::NotOpened(why.to_string())),
        Err(_) => Err(WindowError::BadParent),
    }
}

impl EditorHandle {
    /// Takes the host's scale (physical pixels per logical pixel) and the window's new size in physical pixels.
    pub fn set_scale(&self, scale: f64, physical: (u32, u32)) {
        self.resize(physical);
        self.shared.set_scale(scale);
    }

    /// Takes a size from the host, in physical pixels.
    pub fn resize(&self, physical: (u32, u32)) {
        self.shared.give_size(physical);
        self.guarded(|window| {
            // A closed window needs no size.
            let _ = window.resize(dpi::Size::Physical(PhysicalSize::new(physical.0, physical.1)));
        });
    }

    /// Shows or hides the window. A hidden window draws nothing.
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

    /// `false` once the user, the parent window or the display has closed it.
    pub fn is_open(&self) -> bool {
        self.guarded(baseview::Window::is_open).unwrap_or(false)
    }

    /// Number of frames drawn so far.
    pub fn frames(&self) -> u64 {
        self.shared.frames()
    }

    /// A handle for another thread to close the window.
    pub fn closer(&self) -> Closer {
        Closer(Arc::clone(&self.shared))
    }

    /// Blocks until the window is closed.
    pub fn wait(mut self) {
        if let Some(window) = self.window.take() {
            // However it ended, the window is closed.
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
        // Dropping passes on a panic of the window's thread.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(window)));
        // The library does not always wait for that thread. The graphics driver would then shut down while the host goes
        // on, perhaps to its own end.
        let until = Instant::now() + CLOSE_TIMEOUT;
        while self.shared.is_running() && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Physical pixels per logical pixel on this screen, if that is known without a window.
pub fn screen_scale() -> Option<f64> {
    platform::screen_scale()
}

/// Closes a window from another thread.
#[derive(Clone)]
pub struct Closer(Arc<WindowShared>);

impl Closer {
    /// Closes the window with the next frame, which this requests.
    pub fn close(&self) {
        self.0.close();
    }
}

/// Requests OpenGL 2.1, which a Raspberry Pi 4 and virtual machines have too.
fn graphics() -> GraphicsConfig {
    let gl_config = GlConfig {
        version: (2, 1),
        profile: Profile::Compatibility,
        // A visual with alpha would be transparent under a compositor.
        alpha_bits: 0,
        depth_bits: 0,
        stencil_bits: 0,
        // Colours are already in the screen's colour space.
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
        // SAFETY: the handle is used only while the window is made, and hosts keep the parent at least that long.
        Ok(unsafe { WindowHandle::borrow_raw(self.0) })
    }
}
