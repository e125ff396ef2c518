//! The window's thread: draws the latest scene of `watch`.

use super::watch::{Watch, Window, WindowShared};
use crate::editor::{Clipboard, Editor, parts, system_fonts};
use crate::editor_model::EditorModel;
use crate::platform::keep_graphics_libraries;
use crate::settings::{self, Change};
use baseview::WindowSize;
use copypasta::{ClipboardContext, ClipboardProvider};
use egui_baseview::{App, Frame};
use raw_window_handle::{HasWindowHandle, RawWindowHandle};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Draws the editor. After a panic it shows a still red line.
pub(super) struct WindowApp {
    model: Arc<dyn EditorModel>,
    shared: Arc<WindowShared>,
    editor: Editor,
    parent: Option<RawWindowHandle>,
    /// Zoom of the last frame.
    zoom: f32,
    /// Runs while the window is open.
    watch: Option<Watch>,
}

// SAFETY: `RawWindowHandle` is a number or a pointer that is only compared and passed on, never dereferenced here. All
// other fields are `Send`, which `only_the_handle_is_not_send` checks.
unsafe impl Send for WindowApp {}

const fn only_the_handle_is_not_send() {
    const fn is_send<T: Send>() {}
    is_send::<(Arc<dyn EditorModel>, Arc<WindowShared>, Editor, Option<Watch>)>();
}
const _: () = only_the_handle_is_not_send();

impl WindowApp {
    /// `zoom` is the window's initial zoom.
    pub(super) fn new(
        model: Arc<dyn EditorModel>,
        shared: Arc<WindowShared>,
        parent: Option<RawWindowHandle>,
        zoom: f32,
    ) -> WindowApp {
        WindowApp { model, shared, editor: Editor::new(clipboard()), parent, zoom, watch: None }
    }

    /// Draws at the host's scale.
    fn follow_scale(&mut self, ctx: &egui::Context, screen: f64) {
        if let Some(zoom) = self.shared.zoom(screen)
            && zoom != ctx.zoom_factor()
        {
            ctx.set_zoom_factor(zoom);
        }
        // egui applies the zoom with the next frame, and the window library then resizes the window; but the host decides
        // its size.
        if self.zoom != ctx.zoom_factor() {
            self.zoom = ctx.zoom_factor();
            if let Some((width, height)) = self.shared.given_size() {
                let size = egui::vec2(width as f32, height as f32) / (self.zoom * screen as f32);
                ctx.send_viewport_cmd(egui::ViewportCommand::InnerSize(size));
            }
        }
    }

    /// Draws one frame and catches its panics.
    fn draw(&mut self, ui: &mut egui::Ui) {
        if !self.shared.has_failed() {
            let WindowApp { model, shared, editor, .. } = self;
            let drawn = catch_unwind(AssertUnwindSafe(|| {
                if let Some(scene) = shared.scene() {
                    editor.show(ui, model.as_ref(), &scene);
                }
            }));
            if drawn.is_err() {
                self.shared.fail();
            }
        }
        if self.shared.has_failed() {
            parts::failure(ui);
        }
    }
}

impl App for WindowApp {
    fn build(&mut self, ctx: egui::Context, frame: &mut Frame) -> Result<(), baseview::HandlerError> {
        keep_graphics_libraries();
        let window = frame.baseview_window();
        let handle = window.window_handle().ok().map(|handle| handle.as_raw());
        system_fonts::install(&ctx);
        // Ctrl and + belong to the host.
        ctx.options_mut(|options| options.zoom_with_keyboard = false);
        self.shared.attach(ctx);
        self.shared.run_here();
        let window = Window::new(handle, self.parent);
        window.mark_embeddable();
        self.watch = Some(Watch::start(Arc::clone(&self.model), Arc::clone(&self.shared), window)?);
        Ok(())
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut Frame) {
        let ctx = ui.ctx().clone();
        if self.shared.is_closing() {
            frame.baseview_window().request_close();
        }
        self.follow_scale(&ctx, frame.baseview_window().scale_factor());
        self.draw(ui);
        self.shared.drawn(ctx.egui_wants_keyboard_input(), self.editor.has_steps());
    }

    fn resized(&mut self, size: WindowSize) {
        let whole = |pixels: f64| pixels.round().clamp(1.0, 1e5) as u32;
        let drawn = (whole(size.logical.width), whole(size.logical.height));
        let by_host = self.shared.logical((size.physical.width, size.physical.height));
        let (width, height) = settings::clamp_window(by_host.unwrap_or(drawn));
        self.model.change(Change::Window(width, height));
    }
}

/// Reads the clipboard; connects to it on first use.
fn clipboard() -> Clipboard {
    let mut context: Option<ClipboardContext> = None;
    Box::new(move || {
        if context.is_none() {
            context = ClipboardContext::new().ok();
        }
        context.as_mut()?.get_contents().ok()
    })
}
