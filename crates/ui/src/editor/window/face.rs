//! The window's thread: draws the scene that [`super::watch`] took last.

use super::clipboard;
use super::watch::{Shared, Watch, Window};
use crate::board::{Board, Change};
use crate::editor::{Editor, measure, parts};
use baseview::WindowSize;
use egui_baseview::{App, Frame};
use raw_window_handle::{HasWindowHandle, RawWindowHandle};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Draws, until something in it panics: then it is a still red line for the rest of its days.
pub(super) struct Face {
    board: Arc<dyn Board>,
    shared: Arc<Shared>,
    editor: Editor,
    parent: Option<RawWindowHandle>,
    /// What the frame before was drawn with.
    zoom: f32,
    /// Runs while the window is there.
    watch: Option<Watch>,
}

// SAFETY: `RawWindowHandle` is a number or a pointer that is only compared and handed on, never followed here; all
// else in it is `Send` (which the compiler checks in `only_the_handle_is_not_send`).
unsafe impl Send for Face {}

/// What the above rests on.
const fn only_the_handle_is_not_send() {
    const fn is_send<T: Send>() {}
    is_send::<(Arc<dyn Board>, Arc<Shared>, Editor, Option<Watch>)>();
}
const _: () = only_the_handle_is_not_send();

impl Face {
    /// `zoom` is what the window begins with.
    pub(super) fn new(board: Arc<dyn Board>, shared: Arc<Shared>, parent: Option<RawWindowHandle>, zoom: f32) -> Face {
        Face { board, shared, editor: Editor::new(clipboard::reader()), parent, zoom, watch: None }
    }

    /// Draws as large as the host said.
    fn follow_scale(&mut self, ctx: &egui::Context, screen: f64) {
        if let Some(zoom) = self.shared.zoom(screen)
            && zoom != ctx.zoom_factor()
        {
            ctx.set_zoom_factor(zoom);
        }
        // egui takes it with the next frame, and the window library then makes the window as much larger: but it is
        // for the host to say how large it is.
        if self.zoom != ctx.zoom_factor() {
            self.zoom = ctx.zoom_factor();
            if let Some((width, height)) = self.shared.given_size() {
                let size = egui::vec2(width as f32, height as f32) / (self.zoom * screen as f32);
                ctx.send_viewport_cmd(egui::ViewportCommand::InnerSize(size));
            }
        }
    }

    /// One frame, whatever happens in it.
    fn draw(&mut self, ui: &mut egui::Ui) {
        if !self.shared.has_failed() {
            let Face { board, shared, editor, .. } = self;
            let drawn = catch_unwind(AssertUnwindSafe(|| {
                if let Some(scene) = shared.scene() {
                    editor.show(ui, board.as_ref(), &scene);
                }
            }));
            if drawn.is_err() {
                self.shared.fail();
            }
        }
        if self.shared.has_failed() {
            parts::fault(ui);
        }
    }
}

impl App for Face {
    fn build(&mut self, ctx: egui::Context, frame: &mut Frame) -> Result<(), baseview::HandlerError> {
        #[cfg(target_os = "linux")]
        super::libraries::keep();
        let window = frame.baseview_window();
        let handle = window.window_handle().ok().map(|handle| handle.as_raw());
        // Ctrl and + are the host's.
        ctx.options_mut(|options| options.zoom_with_keyboard = false);
        self.shared.attach(ctx);
        #[cfg(target_os = "linux")]
        self.shared.run_here();
        let window = Window::new(handle, self.parent);
        #[cfg(target_os = "linux")]
        window.mark_embeddable();
        self.watch = Some(Watch::start(Arc::clone(&self.board), Arc::clone(&self.shared), window)?);
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
        let said = self.shared.logical((size.physical.width, size.physical.height));
        let (width, height) = measure::tidy_size(said.unwrap_or(drawn));
        self.board.change(Change::Window(width, height));
    }
}
